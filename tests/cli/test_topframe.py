"""The screen of `top`, for every size and every name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from tests.builders import HOUR, NOON, SECOND, busy_snapshot, many_tasks, record, run, run_id, snapshot, task, task_status
from torchsync.cli.terminal import Tone
from torchsync.cli.topframe import Choices, Size, bounded_first, frame, page_of, whole
from torchsync.cli.topview import Order, Sentence, View, alarms_of, head_of, run_rows, task_rows
from torchsync.core.api import runs_document, status_document, tasks_document
from torchsync.core.model import CronTiming, Instant, Millis, Outcome, Retry, Wait
from torchsync.core.snapshot import Snapshot

NOW = Instant(NOON + 12 * SECOND)
MARKS = {"nightly-backup": "...x..", "web-proxy": "xxs"}


def view_of(one: Snapshot) -> View:
    status = status_document(one, full=True)
    tasks = tasks_document(one, full=True)["tasks"]
    runs = runs_document(one.runs.values(), full=True)["runs"]
    return View(head=head_of(status, NOW), alarms=alarms_of(status), runs=run_rows(runs), tasks=task_rows(tasks, MARKS))  # type: ignore[arg-type]


def a_host() -> View:
    """Tasks of all kinds, and more runs than a small screen has room for."""
    one = busy_snapshot()
    bad = record(
        "mail-out", last_run=NOON, last_exit_status=3, consecutive_failures=4, last_duration=Millis(1_234), runs={Outcome.FAILED: 4}
    )
    mail = replace(
        task_status(
            task("mail-out", owner="team-mail", timing=CronTiming(schedule="*/5 * * * *", retry=Retry(attempts=3, delay=Millis(1)))),
            next_due=Instant(NOON + 60 * SECOND),
        ),
        record=bad,
    )
    quick = [task_status(task(f"quick-{number:02d}"), next_due=Instant(NOON + number * HOUR)) for number in range(1, 31)]
    waiting = run(
        mail.task, id=run_id(7), attempt=2, wait=Wait(until=Instant(NOON + 40 * SECOND), mono=Millis(0), boot_id="b"), started_at=None
    )
    runs = {**one.runs, waiting.id: waiting, **{run_id(n): run(quick[n].task, id=run_id(n), started_at=NOON) for n in range(10, 16)}}
    tasks = {**one.tasks, **{status.task.name: status for status in (mail, *quick)}}
    return view_of(replace(one, tasks=tasks, runs=runs))


def text_of(lines: list[Text]) -> str:
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10)])
def test_a_screen_is_as_it_was_looked_at(golden: Callable[[str, str], None], width: int, height: int) -> None:
    golden(f"top-{width}x{height}.txt", text_of(frame(a_host(), Size(width=width, height=height), Choices(), NOW)))


@given(width=st.integers(0, 220), height=st.integers(1, 60), first=st.integers(-5, 90), order=st.sampled_from(Order), typing=st.booleans())
def test_a_screen_has_its_height_and_no_line_is_wider_than_it(width: int, height: int, first: int, order: Order, *, typing: bool) -> None:
    choices = Choices(order=order, first=first, text="quick", is_typing=typing)
    lines = frame(replace(HOST, trouble="no agent answers"), Size(width=width, height=height), choices, NOW)
    assert len(lines) == height
    assert all(cell_len(line.plain) <= width for line in lines)


HOST = a_host()

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\r\x08c",
    "\u202egnitset",
    "漢字" * 40,
    "e\u0301" * 60,
    "👩‍👩‍👧‍👦" * 20,
    "\x9b31m",
    "[bold]x[/bold]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_repository_acts_on_the_terminal_or_moves_a_column(text: str) -> None:
    bad = task_status(task("named", owner=text, description=text), next_due=NOON)
    document = tasks_document(snapshot(bad), full=True)["tasks"][0]  # type: ignore[index]
    rows = task_rows([{**document, "name": text, "schedule": text, "timezone": "UTC"}], {})
    head = head_of({**status_document(busy_snapshot(), full=True), "host": text}, NOW)
    alarms = alarms_of({**status_document(busy_snapshot(), full=True), "holds": [{"scope": "all", "sentence": text}]})
    lines = frame(View(head=head, alarms=alarms, tasks=rows), Size(width=200, height=30), Choices(), NOW)
    assert all(character.isprintable() for line in lines for character in line.plain)
    assert all(cell_len(line.plain) <= 200 for line in lines)
    (row,) = [line for line in lines if "now" in line.plain]
    assert cell_len(row.plain[: row.plain.index("now")]) == 66


def test_failures_stand_first_and_are_red() -> None:
    lines = frame(HOST, Size(width=80, height=24), Choices(), NOW)
    (number,) = [number for number, line in enumerate(lines) if line.plain.startswith("TASK")]
    assert [line.plain.split()[0] for line in lines[number + 1 : number + 3]] == ["mail-out", "web-proxy"]
    assert any(span.style == "red" for span in lines[number + 1].spans)


def test_what_is_wrong_stands_in_the_head_before_what_is_held() -> None:
    tones = [alarm.tone for alarm in HOST.alarms]
    assert tones == [Tone.BAD, Tone.BAD, Tone.HELD, Tone.HELD]
    assert "'soon' is not a length of time" in HOST.alarms[0].text


def test_a_scheduler_that_does_not_turn_is_the_first_alarm() -> None:
    first = alarms_of(status_document(busy_snapshot(), full=True), "the scheduler last turned 1h00m ago")[0]
    assert first.text == "the scheduler last turned 1h00m ago: nothing starts, and all of this is as it was then"
    assert first.tone is Tone.BAD


def test_a_screen_without_an_agent_says_so_and_keeps_what_was_known() -> None:
    text = text_of(frame(replace(HOST, trouble="no agent answers; trying again"), Size(width=80, height=24), Choices(), NOW))
    assert "no agent answers; trying again" in text
    assert "mail-out" in text
    empty = text_of(frame(View(trouble="asking the agent"), Size(width=40, height=5), Choices(), NOW))
    assert empty.startswith("asking the agent\n")


def test_scrolling_ends_where_the_tasks_do() -> None:
    view, size = view_of(many_tasks(1000)), Size(width=80, height=24)
    page = page_of(view, size)
    lines = frame(view, size, Choices(order=Order.NAME, first=10_000), NOW)
    assert lines[-2].plain.startswith("task-00999")
    assert lines[-1 - page].plain.startswith(f"task-{1000 - page:05d}")
    assert f"{1000 - page + 1} of 1000" in lines[-1].plain
    assert bounded_first(-3, 1000, page) == 0


def test_what_is_no_screen_gets_all_of_it() -> None:
    lines = [line.plain for line in whole(HOST, 120, NOW)]
    assert sum(line.startswith("quick-") for line in lines) == 30 + 6
    assert not any("q quit" in line for line in lines)


def test_the_head_of_an_agent_that_has_nothing_yet() -> None:
    assert view_of(snapshot()).head[1] == Sentence(text="commit nothing in force yet")
