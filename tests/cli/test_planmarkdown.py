"""The comment on a pull request, rendered by the program that GitHub renders with: nothing of a repository gets out of it, and it never is
too long."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, facts, task
from torchsync.cli.planmarkdown import MARKER, MOST_BYTES, fleet_markdown, plan_markdown
from torchsync.cli.planview import FleetReport, Report
from torchsync.core.fleetplan import FleetHost, plan_fleet
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, Fingerprint, HostFacts, Task, TaskName
from torchsync.core.plan import Side, plan_host
from torchsync.core.policy import HostPolicy, HostRules
from torchsync.errors import Problem

RENDERER = shutil.which("cmark-gfm")
needs_renderer = pytest.mark.skipif(RENDERER is None, reason="cmark-gfm is not installed")

MARK = "EVIL"
ATTACKS = [
    "</code></details></summary><img src=x onerror=a()>", "<script>a()</script>", "<!-- ", "-->", "@octocat", "#1", "http://evil.example/",
    "www.evil.example", "[a](http://evil.example)", "![a](http://evil.example)", "`", "``", "```", "````diff", "~~~", "|", "\\|", "\\",
    "\n\n", "\n```\n", "\r", "\x1b[31m", "\u202e", "\u2028", "&lt;img&gt;", "**b**", "    ", "\t", "> ", "# ", "- [ ] ", "$a$", "{% raw %}", ":tada:",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from([*ATTACKS, MARK]), min_size=1, max_size=6).map(lambda parts: f"{MARK}{''.join(parts)}{MARK}")
PLAIN_TAGS = {
    "h3", "p", "blockquote", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "b", "code", "pre",
}  # fmt: skip


class Page(HTMLParser):
    """Which tags there are, and where the texts with the mark stand."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.marked: list[tuple[str, ...]] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert MARK not in str(attrs)
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if MARK in data:
            self.marked.append(tuple(self.open))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def rendered(markdown: str) -> Page:
    words = [str(RENDERER), "--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tasklist"]
    done = subprocess.run(words, input=markdown.encode(), capture_output=True, check=True)
    return Page(done.stdout.decode())


def check_harmless(markdown: str) -> Page:
    page = rendered(markdown)
    assert set(page.tags) <= PLAIN_TAGS
    assert page.marked
    assert all("code" in place for place in page.marked)
    assert page.open == []
    assert page.comments == [" torchsync plan "]
    assert markdown.splitlines()[0] == MARKER
    assert len(markdown.encode()) <= MOST_BYTES
    return page


def hostile_task(name: str, text: str, print_: str = "a") -> Task:
    return task(
        TaskName(name), description=text, owner=text, pool=text, user="deploy", env={text: text}, inputs=(text,), labels={text: text},
        fingerprint=Fingerprint(print_ * 64),
    )  # fmt: skip


def hostile_sides(text: str, number: int = 2) -> tuple[Side, Side]:
    old = tuple(hostile_task(f"t{place}", text) for place in range(number))
    new = tuple(hostile_task(f"t{place}", f"{text}{MARK}", "b") for place in range(1, number + 1))
    inputs = {one.name: ((text, "100644", "a"),) for one in old}
    base = Side(words=text, revision="1" * 40, tasks=old, pools={text: 1}, inputs=inputs)
    return base, replace(base, words=f"{text}b", tasks=new, pools={text: 2}, inputs={})


RULES = HostRules(HostPolicy(agent_user="root", is_root=True), lambda _: 1000)


@needs_renderer
@settings(max_examples=30, deadline=None)
@given(text=HOSTILE, name=HOSTILE)
def test_nothing_of_a_repository_gets_out_of_the_plan_of_a_host(text: str, name: str) -> None:
    base, head = hostile_sides(text)
    plan = plan_host(base, head, own=facts(name=name), now=NOON, rules=RULES)
    assert plan.refusals
    page = check_harmless(plan_markdown(Report(plan=plan, base=base, head=head, now=NOON, rules=text, notices=(text,))))
    assert page.tags.count("details") == 1


@needs_renderer
@settings(max_examples=30, deadline=None)
@given(text=HOSTILE, names=st.lists(HOSTILE, min_size=2, max_size=4, unique=True))
def test_nothing_of_a_repository_gets_out_of_the_plan_of_a_fleet(text: str, names: list[str]) -> None:
    base, head = hostile_sides(text)
    hosts = [FleetHost(own=HostFacts(name=name), rules=RULES if place else None) for place, name in enumerate(names)]
    plan = plan_fleet(base, head, hosts=hosts, now=NOON)
    assert len(plan.groups) == 2
    page = check_harmless(fleet_markdown(FleetReport(plan=plan, base=base, head=head, now=NOON, notices=(text,))))
    assert (page.tags.count("details"), page.tags.count("tr"), page.tags.count("td")) == (2, 3, 12)


def fleet_of(groups: int, tasks: int, text: str = "x") -> FleetReport:
    """Each group has its own tasks."""
    inventory = Inventory(hosts={f"h{place:03}": HostEntry() for place in range(groups)})
    timing = CronTiming(schedule="0 3 * * *", zone="UTC")
    new = tuple(
        task(TaskName(f"t{place:03}-{number}"), hosts=(f"h{place:03}",), description=text, timing=timing)
        for place in range(groups)
        for number in range(tasks)
    )
    base = Side(words="main", revision=None, inventory=inventory)
    head = replace(base, words="branch", tasks=new)
    plan = plan_fleet(base, head, hosts=[FleetHost(own=inventory.named(name)) for name in inventory.hosts], now=NOON)
    return FleetReport(plan=plan, base=base, head=head, now=NOON)


@pytest.mark.parametrize(("groups", "tasks"), [(1, 600), (300, 2), (30, 30)])
def test_what_does_not_fit_is_left_out_whole_and_counted(groups: int, tasks: int) -> None:
    report = fleet_of(groups, tasks)
    text = fleet_markdown(report)
    assert MOST_BYTES // 2 < len(text.encode()) <= MOST_BYTES
    left = re.search(
        r"Left out, .*: (?:(\d+) groups?)?(?: and )?(?:(\d+) tasks?)?\. `torchsync plan --all-hosts` shows",
        text,
    )
    assert left
    assert text.count("<details") == groups - int(left[1] or 0)
    told = len(re.findall(r"^\+ t", text, re.MULTILINE))
    in_groups = sum(len(group.plan.steps) for group in report.plan.groups[: text.count("<details")])
    assert told == in_groups - int(left[2] or 0)
    assert text.count("```") % 2 == 0


def test_a_plan_that_fits_leaves_nothing_out_and_is_always_the_same() -> None:
    text = fleet_markdown(fleet_of(3, 2))
    assert "Left out" not in text
    assert text == fleet_markdown(fleet_of(3, 2))


@pytest.mark.parametrize(("groups", "tasks", "opened"), [(1, 4, 1), (2, 2, 2), (1, 5, 0), (5, 1, 0)])
def test_what_fits_on_a_screen_needs_no_click(groups: int, tasks: int, opened: int) -> None:
    text = fleet_markdown(fleet_of(groups, tasks))
    assert (text.count("<details open>"), text.count("<details")) == (opened, groups)


def test_a_thousand_refusals_are_not_listed() -> None:
    problems = tuple(Problem(code="TS310", message=f"m{number}", path="tasks/a.yaml", hint="x" * 5_000) for number in range(1_000))
    base, head = hostile_sides("x", 200)
    plan = replace(plan_host(base, head, own=facts(), now=NOON), refused=problems)
    text = plan_markdown(Report(plan=plan, base=base, head=head, now=NOON, rules="a policy", notices=("n" * 5_000,) * 100))
    assert len(text.encode()) <= MOST_BYTES
    assert "and 980 more problems" in text
    assert "90 more notes" in text
    assert "+ t200" not in text
    assert "`torchsync plan --host db-1` shows all of it." in text


def test_the_removal_of_many_tasks_names_the_trailer_to_add() -> None:
    base = Side(words="main", revision=None, tasks=tuple(task(f"t{number}") for number in range(12)))
    head = Side(words="branch", revision=None)
    plan = plan_host(base, head, own=facts(), now=NOON)
    text = plan_markdown(Report(plan=plan, base=base, head=head, now=NOON))
    assert "```text\nTorchsync-Allow-Removal: yes\n```" in text
