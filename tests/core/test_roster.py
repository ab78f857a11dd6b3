"""The timers of open runs."""

from tests.builders import NOON, run, task
from torchsync.core.effects import Outbox, Signal
from torchsync.core.model import Instant, Millis, RunState, StopCause
from torchsync.core.roster import Roster


def test_a_run_whose_start_is_seen_while_it_is_being_ended_has_its_whole_grace() -> None:
    """The first signal found nobody."""
    outbox = Outbox()
    roster = Roster(outbox, "boot-1")
    slow = run(task(stop_grace=Millis(10_000)), state=RunState.ADMITTED, started_at=None)
    roster.admit(slow)
    roster.stop(slow.id, StopCause.OPERATOR, NOON, Millis(0))
    roster.started(slow.id, Instant(NOON + 9_000), Instant(NOON + 9_000), Millis(9_000))
    outbox.flush()
    sent: list[tuple[int, str]] = []
    for mono in (10_000, 18_999, 19_000):
        roster.expire(Instant(NOON + mono), Millis(mono))
        sent += [(mono, effect.name) for effect in outbox.flush().effects if isinstance(effect, Signal)]
    assert sent == [(19_000, "KILL")]
