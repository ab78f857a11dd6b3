"""The status page of an agent in a real browser, from a real server: at a desk, on a phone, without JavaScript, and while things change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import DESKTOP, PHONE, Opened, chromium, faint_texts, visited
from tests.builders import HOUR, NOON, busy_snapshot, many_tasks, record, snapshot, task, task_status
from torchsync.adapters.http import bind_tcp, serve
from torchsync.core.model import Instant, Outcome, TaskName
from torchsync.core.snapshot import Snapshot
from torchsync.core.web import PublicSurface
from torchsync.errors import Problem
from torchsync.pages.status import render_status

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil"


@dataclass
class Agent:
    """What the server shows; a test changes it."""

    snapshot: Snapshot
    url: str = ""
    now: Instant = NOON

    def add(self, name: str, **changes: object) -> None:
        one = task_status(task(name, **changes))
        self.snapshot = replace(self.snapshot, tasks={**self.snapshot.tasks, one.task.name: one})

    def fail(self, name: str) -> None:
        status = self.snapshot.tasks[TaskName(name)]
        failed = replace(status.record, consecutive_failures=3, last_run=NOON, recent=(*status.record.recent, Outcome.FAILED))
        self.snapshot = replace(self.snapshot, tasks={**self.snapshot.tasks, status.task.name: replace(status, record=failed)})


@contextmanager
def serving(snapshot: Snapshot, below: str = "") -> Iterator[Agent]:
    """An agent that shows this; a proxy has it below a path, which the agent does not see."""
    agent = Agent(snapshot)
    surface = PublicSurface(
        read=lambda: agent.snapshot,
        now=lambda: agent.now,
        metrics=lambda _: b"",
        page=lambda one, now, is_still: render_status(one, now, is_still=is_still),
        names=frozenset(),
    )
    bound = bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem)
    running = serve(bound, lambda request: surface(replace(request, path=request.path.removeprefix(below))), print)
    agent.url = f"http://{running.address}{below}/"
    try:
        yield agent
    finally:
        running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def agent() -> Iterator[Agent]:
    with serving(usual()) as found:
        yield found


def usual() -> Snapshot:
    """A host with everything the page can show."""
    busy = busy_snapshot()
    nightly = record("report", last_run=Instant(NOON - 3 * HOUR), last_duration=75_000, consecutive_failures=2, last_exit_status=1)
    nightly = replace(
        nightly, recent=(*[Outcome.SUCCEEDED] * 12, Outcome.STOPPED, *[Outcome.SUCCEEDED] * 5, Outcome.FAILED, Outcome.TIMED_OUT)
    )
    report = task_status(
        task(
            "report",
            schedule="*/15 * * * *",
            owner="team-sales",
            description="Yesterday in figures",
            runbook="https://wiki.example.org/report",
        ),
        record=nightly,
        next_due=Instant(NOON + 840_000),
        max_age=HOUR,
    )
    tidy = task_status(
        task("tidy", owner="ops"), record=record("tidy", last_run=NOON, recent=(Outcome.SUCCEEDED,) * 20), next_due=Instant(NOON + HOUR)
    )
    return replace(busy, tasks={**busy.tasks, report.task.name: report, tidy.task.name: tidy})


ASK_ANEW = "'asks' in document.body.dataset ? 0 : [1, 2].map(() => document.getElementById('pause').click()).length"


def refresh(found: Opened) -> None:
    """The page has been fetched again and shown: pausing and going on does that, and a script that clicks moves no focus. While the page asks by
    itself, it does not, and what it asked for may be of before.
    """
    with found.page.expect_response(lambda response: response.url == found.home):
        while not found.page.evaluate(ASK_ANEW):
            found.page.wait_for_timeout(10)
    found.page.locator("body:not([data-asks])").wait_for()


def names(found: Opened) -> list[str]:
    return [name for name in found.page.locator("#table tbody .name").all_inner_texts() if name]


@pytest.mark.parametrize(("name", "width", "dark"), [("desk", DESKTOP, False), ("desk-dark", DESKTOP, True), ("phone", PHONE, False)])
def test_the_page_shows_itself_without_a_complaint_and_fits(browser: Browser, agent: Agent, name: str, width: int, dark: bool) -> None:
    with visited(browser, agent.url, home=agent.url, width=width, dark=dark) as found:
        found.shoot(f"status-{name}", full=True)
        assert faint_texts(found.page) == []
        assert found.said == []
        assert not found.overflows


def test_a_screen_reader_finds_landmarks_tables_and_what_the_strokes_mean(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url) as found:
        page = found.page
        assert [page.get_by_role(role).count() for role in ("banner", "main", "search", "contentinfo")] == [1, 1, 1, 1]
        regions = ("In force", "Needs attention", "Commits not taken", "Runs in flight", "Tasks")
        assert [page.get_by_role("region", name=name).count() for name in regions] == [1] * 5
        tasks = page.get_by_role("region", name="Tasks")
        assert tasks.get_by_role("columnheader").all_inner_texts() == ["Task", "When", "Last run", "Newest runs", "Next"]
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="report"))
        assert row.get_by_role("img").get_attribute("aria-label") == "newest runs: 17 succeeded, 1 stopped, 1 failed, 1 timed out"


def test_without_javascript_all_of_it_is_there_and_loads_itself_again_unless_told_not_to(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url, script=False) as found:
        found.shoot("status-plain", full=True)
        assert names(found) == ["nightly-backup", "old-report", "report", "tidy", "web-proxy"]
        assert not found.page.locator("#filter, #pause, #gone").evaluate_all("found => found.some((one) => one.checkVisibility())")
        assert found.page.locator("meta[http-equiv=refresh]").count() == 1
        found.page.get_by_role("link", name="Stop that").click()
        expect(found.page.locator("meta[http-equiv=refresh]")).to_have_count(0)
        assert found.said == []


def test_a_refresh_shows_what_is_new_and_moves_neither_focus_nor_place_nor_choice(browser: Browser, agent: Agent) -> None:
    for number in range(60):
        agent.add(f"job-{number:02d}", owner="ops")
    with visited(browser, agent.url, home=agent.url) as found:
        found.page.fill("#q", "ops")
        found.page.evaluate("row = document.getElementById('task-job-40'); row.focus(); row.scrollIntoView()")
        place = found.page.evaluate("scrollY")
        agent.fail("job-40")
        agent.add("aaa", owner="ops")
        agent.add("not-looked-for", owner="web")
        agent.snapshot = replace(agent.snapshot, tasks={name: one for name, one in agent.snapshot.tasks.items() if name != "job-59"})
        refresh(found)
        assert found.page.locator("#task-job-40 .badge").inner_text() == "failed 3 times in a row"
        assert found.page.evaluate("document.activeElement === row && row.isConnected")
        assert abs(found.page.evaluate("row.getBoundingClientRect().top") - 12) < 5
        assert found.page.evaluate("scrollY") > place > 500
        assert found.page.input_value("#q") == "ops"
        assert [found.page.locator(f"#task-{name}").is_visible() for name in ("aaa", "not-looked-for", "tidy")] == [True, False, True]
        assert found.page.locator("#task-job-59").count() == 0
        assert found.page.locator("#count").inner_text() == f"{found.page.locator('#table tbody tr:visible').count()} of 66 tasks"
        assert (
            found.page.locator("#news").inner_text()
            == found.page.title()
            == "db-1: 3 tasks fail, 1 task is late, the newest commit was not taken"
        )
        assert found.said == []


def test_the_first_tasks_take_the_place_of_the_word_that_there_are_none(browser: Browser) -> None:
    with serving(snapshot()) as agent, visited(browser, agent.url, home=agent.url) as found:
        none, table = found.page.locator("#none"), found.page.locator("#table")
        assert (none.inner_text(), table.is_visible()) == ("There are none yet.", False)
        agent.snapshot = usual()
        refresh(found)
        assert (none.is_visible(), table.is_visible(), len(names(found))) == (False, True, 5)
        agent.snapshot = snapshot()
        refresh(found)
        assert (none.is_visible(), table.is_visible()) == (True, False)


def test_what_has_not_changed_is_not_touched_by_a_refresh(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url) as found:
        found.page.evaluate(
            """changes = 0;
            new MutationObserver((seen) => (changes += seen.length)).observe(document.querySelector("main"),
                { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "datetime", "title", "id", "d", "hidden"] })"""
        )
        refresh(found)
        assert found.page.evaluate("changes") == 0
        agent.now = Instant(agent.now + HOUR)
        refresh(found)
        assert found.page.evaluate("changes") > 0
        assert found.page.locator("#task-report .last time").inner_text() == "4 h ago"


def test_an_agent_that_does_not_answer_is_said_and_what_was_known_stays(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url) as found:
        found.page.route(agent.url, lambda route: route.abort())
        found.page.evaluate("for (const _ of 'xx') document.getElementById('pause').click()")
        found.page.get_by_role("alert").filter(has_text="The agent does not answer. What is shown is of").wait_for()
        assert names(found)
        assert found.page.title() == "db-1: does not answer"
        colour = "getComputedStyle(document.getElementById('verdict')).color"
        pale = found.page.evaluate(colour)
        found.page.unroute(agent.url)
        refresh(found)
        found.page.get_by_role("alert").wait_for(state="hidden")
        assert found.page.title() == "db-1: 2 tasks fail, 1 task is late, the newest commit was not taken"
        assert found.page.evaluate(colour) != pale


def test_a_proxy_may_have_the_page_below_a_path(browser: Browser) -> None:
    with serving(usual(), below="/hosts/db-1") as agent, visited(browser, agent.url, home=agent.url) as found:
        agent.fail("tidy")
        refresh(found)
        assert found.page.locator("#task-tidy .badge").inner_text() == "failed 3 times in a row"
        links = found.page.locator("footer a").evaluate_all("found => found.map((each) => each.href)")
        assert links == [f"{agent.url}{path}" for path in ("api/v1/status", "api/v1/tasks", "api/v1/runs", "metrics")]
        assert found.said == []


def test_a_paused_page_asks_for_nothing(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url) as found:
        asked: list[str] = []
        found.page.on("request", lambda request: asked.append(request.url))
        found.page.get_by_role("button", name="Pause refreshing").click()
        assert found.page.get_by_role("button", pressed=True).count() == 1
        found.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert asked == []


def test_everything_can_be_reached_by_keys_and_has_a_name(browser: Browser, agent: Agent) -> None:
    with visited(browser, agent.url, home=agent.url) as found:
        page = found.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the tasks"
        page.keyboard.press("/")
        page.keyboard.type("sales")
        assert [page.locator(f"#task-{name}").is_visible() for name in ("report", "tidy")] == [True, False]
        page.get_by_role("link", name="web-proxy").first.press("Enter")
        page.locator("#task-web-proxy").wait_for()  # browsers tell a page of its new fragment a little later
        assert page.input_value("#q") == ""
        page.get_by_label("only what needs attention").press("Space")
        assert page.locator("#table tbody tr:visible .name").all_inner_texts() == ["report", "web-proxy"]
        assert [" ".join(text.split()) for text in page.get_by_role("heading").all_inner_texts()] == [
            "db-1",
            "Needs attention",
            "Commits not taken",
            "Runs in flight 2",
            "Tasks 5",
        ]


def test_texts_that_mean_harm_are_shown_as_texts(browser: Browser, agent: Agent) -> None:
    agent.add("evil", description=HOSTILE, owner=HOSTILE, runbook="javascript:alert(1)")
    with visited(browser, agent.url, home=agent.url, width=PHONE) as found:
        refresh(found)
        assert "<script>alert(1)</script>" in found.page.locator("#task-evil").inner_text()
        assert found.page.locator("#task-evil a").count() == 0
        assert found.said == []
        assert not found.overflows


def test_a_thousand_tasks_fit_and_are_shown_again(browser: Browser) -> None:
    with serving(many_tasks(1000)) as agent, visited(browser, agent.url, home=agent.url, width=PHONE) as found:
        agent.fail("task-00900")
        refresh(found)
        assert found.page.locator("#attention li").all_inner_texts() == ["task-00900"]
        assert len(names(found)) == 1000
        assert not found.overflows
