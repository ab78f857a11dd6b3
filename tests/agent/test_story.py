"""The log as an operator reads it: scenes from the life of an agent, line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.agent.desk import Desk, document
from tests.agent.test_dispatch import HOOK, SECRETS
from tests.agent.test_loop import BAD, every
from tests.builders import HOUR, MINUTE, SECOND, daemon, task
from tests.fakes import Behaviour
from torchsync.adapters.journaltext import LineForm, entry_of, line_of
from torchsync.agent.config import config_from_document
from torchsync.core.control import DrainHost, LiftHold, PauseTasks, Reload, Rollback, RunTask, StopRuns, SyncNow
from torchsync.core.holds import SYNCS, held_task
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Millis, Misfire, Overlap, Retry, Task
from torchsync.core.notify import NoticeEvent, Notify
from torchsync.core.postbox import Fate
from torchsync.errors import Problem
from torchsync.ports import ConfigRead, ConfigTouched

ALICE = "alice (1000)"


class Storyteller(Desk):
    """A desk whose log is kept as lines, without the revisions' and runs' tails."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.lines: list[str] = []
        super().__init__(behaviour)

    def log(self, event: LogEvent, message: str, /, **fields: object) -> None:
        super().log(event, message, **fields)
        if event is LogEvent.SYNC_UNCHANGED and self.events(event)[1:]:
            return  # Twice a minute, and always the same.
        shown = {name: "..." if name == "traceback" else value for name, value in fields.items()}
        self.lines.append(line_of(LineForm.TEXT, entry_of(self.clock.now(), event, message, shown)))


def lasting(length: int | None, status: int = 0) -> Behaviour:
    return lambda order: None if length is None else (Millis(length), status)


def job(name: str = "backup", **timing: object) -> Task:
    return task(name, timing=CronTiming(**{"schedule": "* * * * *", "timeout": Millis(0), **timing}))  # type: ignore[arg-type]


def runs_that_succeed_and_are_removed(desk: Desk) -> None:
    desk.git.push(job(), daemon("proxy"))
    desk.pass_time(2 * MINUTE)
    desk.ask(RunTask(task="backup", actor=ALICE))
    desk.git.push(job())
    desk.pass_time(40 * SECOND)
    desk.stop()


def a_run_that_fails_three_times(desk: Desk) -> None:
    desk.git.push(job(retry=Retry(attempts=3, delay=Millis(5 * SECOND), backoff=1)))
    desk.pass_time(80 * SECOND)


def a_run_at_its_timeout(desk: Desk) -> None:
    desk.git.push(job(timeout=Millis(20 * SECOND)))
    desk.pass_time(95 * SECOND)


def runs_that_are_in_the_way_of_others(desk: Desk) -> None:
    desk.git.push(job("skips"), job("queues", overlap=Overlap.QUEUE), job("replaces", overlap=Overlap.REPLACE))
    desk.pass_time(125 * SECOND)
    desk.ask(StopRuns(target="skips", actor=ALICE))
    desk.pass_time(SECOND)


def an_agent_that_slept(desk: Desk) -> None:
    desk.git.push(job(), job("made-up", misfire=Misfire.ALL))
    desk.pass_time(70 * SECOND)
    desk.crash()
    desk.sleep(5 * MINUTE)
    desk.pass_time(2 * SECOND)


def commits_that_are_turned_down_and_a_remote_that_goes_away(desk: Desk) -> None:
    desk.git.push(every(1000))
    desk.pass_time(31 * SECOND)
    desk.git.push(every(1000), problems=(BAD,))
    desk.pass_time(61 * SECOND)
    desk.git.push(every(1000), every(1000, "root-job", user="root"))
    desk.pass_time(31 * SECOND)
    desk.git.push(every(1000))
    desk.pass_time(31 * SECOND)
    desk.git.is_reachable = False
    desk.pass_time(5 * MINUTE)
    desk.git.is_reachable = True
    desk.pass_time(5 * MINUTE)


def operators_who_hold_things_back(desk: Desk) -> None:
    desk.git.push(job())
    desk.pass_time(SECOND)
    desk.git.push(job(), job("more"))
    desk.pass_time(40 * SECOND)
    desk.ask(SyncNow(actor=ALICE))
    desk.ask(PauseTasks(what=(held_task("backup"), SYNCS), actor=ALICE, reason="the disk is full", until="2m"))
    desk.pass_time(70 * SECOND)
    desk.ask(LiftHold(what=(SYNCS,), actor=ALICE))
    desk.pass_time(MINUTE)
    desk.ask(Rollback(actor=ALICE))
    desk.ask(DrainHost(actor=ALICE, stops_runs=False))
    desk.pass_time(SECOND)


def a_configuration_that_changes(desk: Desk) -> None:
    desk.shelf.next = ConfigRead(None, (Problem(code="TS302", message="unknown field `htp`", path="/etc/torchsync/agent.yaml", line=3),))
    desk.loop.turn([ConfigTouched()])
    desk.pass_time(SECOND)
    desk.shelf.next = ConfigRead(document(host={"name": "other"}))
    desk.ask(Reload(actor=ALICE))
    desk.pass_time(SECOND)
    desk.addresses = ("10.9.0.1",)
    desk.pass_time(6 * MINUTE)


def a_disk_that_is_full_and_a_bug(desk: Desk) -> None:
    desk.git.push(job())
    desk.pass_time(SECOND)
    desk.ledger.is_unwritable = True
    desk.pass_time(70 * SECOND)
    desk.ledger.is_unwritable = False
    desk.pass_time(SECOND)
    desk.loop.turn([object()])


def a_clock_that_jumps_and_returns(desk: Desk) -> None:
    desk.git.push(every(5000))
    desk.pass_time(SECOND)
    desk.clock.step(2 * HOUR)
    desk.pass_time(5 * MINUTE)
    desk.clock.step(-2 * HOUR)
    desk.pass_time(SECOND)
    desk.clock.step(-2 * HOUR)
    desk.pass_time(SECOND)


def a_ledger_that_is_gone(desk: Desk) -> None:
    desk.git.push(every(5000))
    desk.pass_time(SECOND)
    desk.ledger = type(desk.ledger)()
    desk.crash()
    desk.pass_time(SECOND)


def receivers_that_are_told(desk: Desk) -> None:
    desk.config = config_from_document(document(policy={"secrets": SECRETS}))
    desk.start()
    desk.git.push(every(60, notify=(Notify(to=HOOK, on=(NoticeEvent.FAILURE,)),)))
    desk.pass_time(62 * SECOND)
    desk.receivers.answer = lambda notice: Fate.LATER
    desk.pass_time(60 * SECOND)
    desk.receivers.answer = lambda notice: Fate.REFUSED
    desk.pass_time(60 * SECOND)


Scene = Callable[[Desk], None]
SCENES: Sequence[tuple[Scene, Behaviour]] = (
    (runs_that_succeed_and_are_removed, lasting(1_500)),
    (a_run_that_fails_three_times, lasting(700, 3)),
    (a_run_at_its_timeout, lasting(None)),
    (runs_that_are_in_the_way_of_others, lasting(None)),
    (an_agent_that_slept, lasting(90_000)),
    (commits_that_are_turned_down_and_a_remote_that_goes_away, lasting(10)),
    (operators_who_hold_things_back, lasting(10)),
    (a_configuration_that_changes, lasting(10)),
    (a_disk_that_is_full_and_a_bug, lasting(10)),
    (a_clock_that_jumps_and_returns, lasting(10)),
    (a_ledger_that_is_gone, lasting(10)),
    (receivers_that_are_told, lasting(10, 1)),
)


@pytest.fixture(scope="module")
def told() -> dict[str, Storyteller]:
    desks = {}
    for scene, behaviour in SCENES:
        desk = desks[scene.__name__.replace("_", " ")] = Storyteller(behaviour)
        scene(desk)
    return desks


def test_the_story_is_told_as_operators_are_used_to_it(told: dict[str, Storyteller], golden: Callable[[str, str], None]) -> None:
    golden("log.txt", "\n".join(f"# {title}\n" + "".join(f"{line}\n" for line in desk.lines) for title, desk in told.items()))


def test_every_event_of_the_agent_is_in_the_story(told: dict[str, Storyteller]) -> None:
    """Those that come from the surfaces have tests where they are made."""
    seen = {event for desk in told.values() for event, _ in desk.logged}
    assert {event.label for event in LogEvent} - {event.label for event in seen} == {
        "certificate_expires",
        "clock_believed",
        "clock_impossible",
        "control_denied",
        "executor_chosen",
        "executor_limited",
        "hook_accepted",
        "hook_refused",
        "hooks_disabled",
        "hooks_enabled",
        "host_notice",
        "http_failed",
        "http_listening",
        "http_not_secured",
        "http_refused",
        "http_secured",
        "http_unavailable",
        "log_lines_lost",
        "output_not_sent",
        "run_output",
        "state_set_aside",
        "sync_failed",
        "textfile_unwritable",
        "textfile_writable",
        "watch_polls",
        "zones_changed",
    }
