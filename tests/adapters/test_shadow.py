from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from tests.builders import daemon, run, task
from tests.core.test_postbox import box_of, notice, taken
from tests.fakes import FakeClock, FakeWakeups
from torchsync.adapters import shadow
from torchsync.adapters.shadow import NOT_STARTED, ShadowCourier, ShadowExecutor
from torchsync.core.model import Exited, Instant, Millis, Vanished
from torchsync.core.postbox import Fate
from torchsync.ports import RunEnded, RunStarted, StartOrder


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wakeups = FakeWakeups(self.clock)
        self.executor = ShadowExecutor(self.wakeups, self.clock, "this-boot")

    def start(self, one):
        self.executor.start(StartOrder(run=one, tree="/tree", environment={}))
        return self.events()

    def events(self):
        return self.wakeups.wait(Millis(0))


def test_a_run_begins_and_is_over_in_the_same_moment_with_a_status_that_is_a_success():
    stage = Stage()
    one = run(task(success_exit_codes=(3, 0)))
    now = stage.clock.now()
    assert stage.start(one) == [
        RunStarted(one.attempt_id, now),
        RunEnded(one.attempt_id, Exited(status=3, started_at=now, duration=Millis(0), note=NOT_STARTED)),
    ]


def test_a_daemon_goes_on_until_a_signal_ends_it():
    stage = Stage()
    one = run(daemon(), copy=1)
    assert stage.start(one) == [RunStarted(one.attempt_id, stage.clock.now())]
    stage.clock.advance(5_000)
    stage.executor.signal(one.attempt_id, "INT")
    (ended,) = stage.events()
    assert (ended.ending.status, ended.ending.duration) == (130, 5_000)
    stage.executor.signal(one.attempt_id, "KILL")
    assert stage.events() == []


def test_what_an_earlier_shadow_did_not_see_the_end_of_ended_when_it_was_admitted():
    stage = Stage()
    one = run(task(), boot_id="another-boot", admitted_at=Instant(stage.clock.now() - 60_000))
    stage.executor.adopt([one])
    started, ended = stage.events()
    assert started == RunStarted(one.attempt_id, one.admitted_at)
    assert ended.ending == Exited(status=0, started_at=one.admitted_at, duration=Millis(0), note=NOT_STARTED)


def test_a_daemon_is_taken_up_and_after_a_reboot_it_is_over():
    stage = Stage()
    one = run(daemon(), copy=1, boot_id="this-boot")
    stage.executor.adopt([one, replace(one, id="0000000000ff-00000000", boot_id="another-boot")])
    started, ended = stage.events()
    assert started == RunStarted(one.attempt_id, one.admitted_at)
    assert isinstance(ended.ending, Vanished)
    stage.executor.forget(one.attempt_id)
    stage.executor.signal(one.attempt_id, "TERM")
    assert stage.events() == []


def test_a_notice_is_never_sent():
    stage = Stage()
    (parcel,) = taken(box_of(notice(1)))
    ShadowCourier(stage.wakeups).send(parcel, None)
    (answer,) = stage.events()
    assert [result.fate for result in answer.results] == [Fate.REFUSED]


def test_what_stands_in_for_the_executor_cannot_start_a_process():
    """Nothing that could is imported, nor anything that opens a file."""
    source = ast.parse(Path(shadow.__file__).read_text())
    names = {node.module for node in ast.walk(source) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in names if name.split(".")[0] in ("os", "subprocess", "pathlib", "multiprocessing") or "adapters" in name]
    assert not [node for node in ast.walk(source) if isinstance(node, ast.Name) and node.id in ("open", "exec", "eval", "__import__")]
