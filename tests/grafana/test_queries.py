"""Every query of the dashboards, asked of a real Prometheus that scraped two real agents through a few commits; and the preview drawn from it."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from scripts.dashboard_fleet import FLEET
from scripts.dashboard_task import HOST_AND_TASK
from scripts.grafana import Dashboard, Kind
from scripts.preview_fleet import FIRST, NOBODY, PATIENCE, PROMETHEUS, SECOND, Answer, Fleet, play, started
from scripts.preview_page import page, rows_of
from scripts.preview_queries import Answered, Mark, Span, answered, filled, marks
from tests.browser import chromium, opened
from tests.e2e.host import wait_for

DASHBOARDS = (FLEET, HOST_AND_TASK)
COUNTED_IN_GROUPS = ("torchsync_task_last_run_cpu_seconds", "torchsync_task_last_run_memory_peak_bytes")
"""What only agents have whose runs have control groups of their own: `tests/systemd` sees the first, and the second where the kernel counts it."""


@dataclass(frozen=True)
class Story:
    fleet: Fleet
    span: Span
    found: dict[str, list[Answered]]
    marks: dict[str, list[Mark]]
    later: list[Answered]
    """What the dashboard of the fleet says when one agent has died."""


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed")
    folder = Path(tempfile.mkdtemp(prefix="tsp-", dir="/tmp"))
    folder.chmod(0o755)
    begin = time.time()
    try:
        with started(folder, scrape="500ms") as fleet:
            play(fleet)
            span = Span(begin=begin, end=seen(fleet, up(FIRST, SECOND)), step=0.5, rate="3s")
            found = {one.uid: answered(fleet.prometheus, one, span) for one in DASHBOARDS}
            marked = {one.uid: marks(fleet.prometheus, one, span) for one in DASHBOARDS}
            fleet.second.kill()
            end = seen(fleet, f'sum(up{{instance="{SECOND}"}}) == 0 and {up(FIRST)}')
            later = answered(fleet.prometheus, FLEET, replace(span, end=end))
            yield Story(fleet, span, found, marked, later)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def up(*hosts: str) -> str:
    """They have answered for a while: a scrape that fails on a busy machine takes all their series with it, and is not what is looked for."""
    return f'sum(min_over_time(up{{instance=~"{"|".join(hosts)}"}}[1600ms])) == {len(hosts)}'


def seen(fleet: Fleet, condition: str) -> float:
    """A moment at which it was so. All that was scraped until then is known: the end of each scrape is noted with the rest of it."""
    found: list[float] = []

    def is_seen() -> bool:
        known = fleet.prometheus.at('min(timestamp(up{job="torchsync"}))')
        found[:] = [answer.points[0][1] for answer in known]
        return bool(found and fleet.prometheus.at(condition, found[0]))

    wait_for(condition, is_seen, PATIENCE)
    return found[0]


@pytest.fixture(params=DASHBOARDS, ids=lambda one: one.uid)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return request.param


def numbers(answers: tuple[Answer, ...]) -> list[float]:
    return [number for answer in answers for _, number in answer.points if math.isfinite(number)]


def test_every_query_finds_something(story: Story, dashboard: Dashboard) -> None:
    asked = [
        (one.panel, query, answers)
        for one in story.found[dashboard.uid]
        for query, answers in zip(one.panel.asked, one.answers, strict=True)
    ]
    empty = {query.expr for _, query, answers in asked if not numbers(answers)}
    told = story.fleet.first.get("/metrics")[1]
    unknown = {query.expr for _, query, _ in asked for name in COUNTED_IN_GROUPS if name in query.expr and f"\n{name}{{" not in told}
    assert empty == unknown
    assert len(asked) > 25


def test_every_name_in_a_legend_is_a_label_of_what_the_query_finds(story: Story, dashboard: Dashboard) -> None:
    for one in story.found[dashboard.uid]:
        for query, answers in zip(one.panel.asked, one.answers, strict=True):
            for answer in answers:
                assert set(re.findall(r"{{(\w+)}}", query.legend)) <= set(answer.labels), query
                assert len(answers) == 1 or query.legend or one.panel.columns, f"{one.panel.title}: which is which?"


def test_a_number_alone_is_one_series_and_a_table_has_a_column_for_each_label(story: Story, dashboard: Dashboard) -> None:
    for one in story.found[dashboard.uid]:
        if one.panel.kind is Kind.STAT:
            assert [len(answers) for answers in one.answers] == [1], one.panel.title
        if one.panel.kind is Kind.TABLE:
            labels = {label for answers in one.answers for answer in answers for label in answer.labels}
            assert labels == {column.label for column in one.panel.columns if column.label}, one.panel.title


def number(story: Story, dashboard: Dashboard, title: str) -> float:
    return numbers(panel(story, dashboard, Kind.STAT, title).answers[0])[-1]


def table(story: Story, dashboard: Dashboard, title: str) -> list[dict[str, str | float]]:
    return rows_of(panel(story, dashboard, Kind.TABLE, title))


def panel(story: Story, dashboard: Dashboard, kind: Kind, title: str) -> Answered:
    return next(one for one in story.found[dashboard.uid] if (one.panel.kind, one.panel.title) == (kind, title))


def test_the_fleet_is_told_as_it_is(story: Story) -> None:
    titles = ("Agents down", "Stale hosts", "Commit rejected", "Held by operators")
    assert {title: number(story, FLEET, title) for title in titles} == dict(zip(titles, (0, 0, 2, 0), strict=True))
    hosts = {row["instance"]: row for row in table(story, FLEET, "Hosts")}
    revision = story.fleet.first.revision()
    assert revision
    assert {name: row["commit"] for name, row in hosts.items()} == {"db-1": revision[:12], "web-1": revision[:12]}
    assert {name: row["tasks"] for name, row in hosts.items()} == {"db-1": 7, "web-1": 6}


def test_an_agent_that_is_down_is_counted_and_keeps_its_row_and_what_is_no_agent_has_none(story: Story) -> None:
    assert story.fleet.prometheus.at(f'up{{instance="{NOBODY}"}} == 0')
    (down,) = (one for one in story.later if one.panel.title == "Agents down")
    assert numbers(down.answers[0]) == [1]
    (hosts,) = (one for one in story.later if one.panel.title == "Hosts")
    assert {row["instance"]: row["agent"] for row in rows_of(hosts)} == {"db-1": 1, "web-1": 0}


def test_failing_and_late_tasks_are_told_with_whose_they_are(story: Story) -> None:
    for title in ("Failing tasks", "Late tasks"):
        rows = table(story, FLEET, title)
        told = {(row["task"], row["instance"], row["owner"], row["severity"]) for row in rows}
        assert told >= {("mail-queue", "db-1", "team-web", "warning"), ("mail-queue", "web-1", "team-web", "warning")}
        assert {row["task"] for row in rows} <= {"mail-queue", "slow-query"}
        assert number(story, FLEET, title) == len(rows)


def test_a_severity_that_changed_unseen_breaks_no_panel(story: Story) -> None:
    """The series of before then lives on for five minutes beside its successor, and a plain join fails over the two."""
    one = panel(story, FLEET, Kind.TABLE, "Failing tasks")
    expr = filled(one.panel.asked[0].expr, FLEET, story.span)
    found = re.search(r"torchsync_task_info\{[^}]*\}", expr)
    assert found
    both = f'({found[0]} or label_replace({found[0]}, "severity", "info", "", ""))'
    assert len(story.fleet.prometheus.at(expr.replace(found[0], both), story.span.end)) == len(rows_of(one))
    with pytest.raises(ValueError, match=r"duplicate|many-to-many"):
        story.fleet.prometheus.at(f"torchsync_task_paused * on (job, instance, task) group_left (severity) {both}", story.span.end)


def test_one_row_of_a_task_has_all_that_several_queries_say(story: Story) -> None:
    rows = {(row["task"], row["instance"]): row for row in table(story, HOST_AND_TASK, "Tasks")}
    assert len(rows) == len(table(story, HOST_AND_TASK, "Tasks")) == 15
    assert {"next run in", "running", "last success", "may be", "failures in a row", "exit status", "paused"} <= set(
        rows["heartbeat", "web-1"]
    )
    assert rows["mail-queue", "web-1"]["exit status"] == 3


def test_what_is_chosen_is_all_that_is_shown(story: Story) -> None:
    found = answered(story.fleet.prometheus, HOST_AND_TASK, story.span, {"instance": "web-1", "task": "mail-queue"})
    rows = next(rows_of(one) for one in found if one.panel.title == "Tasks")
    assert [(row["task"], row["instance"]) for row in rows] == [("mail-queue", "web-1")]


def test_each_variable_offers_what_there_is(story: Story, dashboard: Dashboard) -> None:
    offered = {}
    for variable in dashboard.variables:
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", filled(variable.query, dashboard, story.span)).groups()
        offered[variable.name] = {
            answer.labels[label] for answer in story.fleet.prometheus.at(f"group by ({label}) ({selector})", story.span.end)
        }
    tasks = {"backup", "cache-warmer", "heartbeat", "listener", "mail-queue", "old-import", "report", "slow-query", "yearly-close"}
    expected = {"job": {"torchsync"}, "instance": {"db-1", "web-1"}, "task": tasks}
    assert offered == {name: expected[name] for name in offered}


def test_deployed_commits_are_marked_at_their_moment_and_rejected_ones_while_they_stand(story: Story, dashboard: Dashboard) -> None:
    found = story.marks[dashboard.uid]
    deployed = [mark for mark in found if mark.text.endswith("in force")]
    rejected = [mark for mark in found if mark.text.endswith("rejected")]
    assert len({mark.text for mark in deployed}) == 3
    assert all(
        mark.end - mark.begin <= 1.01 * story.span.step for mark in deployed
    )  # hosts that took it at nearly the same time are one mark
    assert len({mark.text for mark in rejected}) == 2
    first, last = rejected[0], rejected[-1]
    assert story.span.begin < first.begin <= first.end < last.begin <= last.end
    assert last.end > story.span.end - 2 * story.span.step  # it still stands
    applied = story.fleet.first.metric("torchsync_sync_last_apply_timestamp_seconds")
    assert any(abs(mark.begin - applied) < 0.002 for mark in deployed)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def test_the_preview_shows_every_panel_and_says_that_it_is_one(
    story: Story, dashboard: Dashboard, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "preview.html"
    file.write_text(page(dashboard, story.found[dashboard.uid], story.marks[dashboard.uid], story.span))
    with opened(browser, file, width=1400) as seen:
        assert seen.said == []
        assert "Preview" in seen.page.inner_text("header")
        assert seen.page.locator("h3").all_inner_texts() == [panel.title for panel in dashboard.panels]
        drawn = seen.page.locator("section path[stroke], section rect, section td, section .number")
        assert drawn.count() > 100
        assert not seen.overflows
        seen.shoot(f"preview-{dashboard.uid}", full=True)
