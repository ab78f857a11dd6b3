"""What the wall clock did, told from two readings a turn: steps, jumps and their return, and times that cannot be. Pure.

Theory of operation. `ahead` is the wall clock minus the monotonic one, which never steps and goes on while the machine sleeps. So a change of
`ahead` is a step of the wall clock, and a suspended machine or a stopped agent is none.

A step forward by more than `JUMP` opens a *jump*. What is decided from then on carries its id, since the clock may be wrong now. When `ahead` is
back where it was (nearer to that than to where it went, and at most `JUMP` away), the clock has returned, and the engine takes back what the jump
caused. Jumps can lie within each other; each returns for itself. After `KEPT` without a return the clock is believed.

An agent that starts cannot know where the clock was. In the boot of its predecessor the last `ahead` is stored. In a new boot all there is to
compare with is the newest instant decided: a clock that is not known to be synchronised and stands more than `JUMP` after it may be ahead, so a jump
is open from the start, and any later step back by more than `JUMP` is its return. Where nothing was decided yet the clock may be ahead as
well, though nothing tells so. Jumps of an earlier boot have returned when the clock stands that far before the newest instant.

A time before `RELEASED`, or more than `FAR` before the newest instant that no open jump has touched, cannot be, unless the clock is known to
be synchronised. Then fires are held: until the clock comes right or is synchronised, for `HELD_FOR` at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from torchsync.core.model import Instant, Millis

STEP = Millis(2_000)
"""A difference between the clocks that slewing does not make."""
JUMP = Millis(15 * 60 * 1000)
FAR = Millis(3600 * 1000)
HELD_FOR = Millis(10 * 60 * 1000)
KEPT = Millis(2 * 24 * 3600 * 1000)

RELEASED = Instant(1_793_491_200_000)
"""2026-11-01T00:00:00Z: the month of this release. No clock that shows an earlier one can be right. Moved on with each release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """The clock stood at `since` and went forward, when the monotonic clock showed `opened`. It has returned when it is ahead of the monotonic
    clock by at most `below`.
    """

    id: int
    since: Instant
    opened: Millis
    below: Millis

    def earliest(self, mono: Millis) -> Instant:
        """What time it is, if the clock was right before the jump."""
        return Instant(self.since + mono - self.opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What is kept of the clock over restarts. `jumps` are open, oldest first; `last_jump` is the newest id ever given.

    `started_in` is the boot whose `@startup` is decided or waits: its instant is `startup`, due at `startup_due`.
    """

    boot_id: str = ""
    ahead: Millis = Millis(0)
    jumps: tuple[Jump, ...] = ()
    last_jump: int = 0
    started_in: str = ""
    startup: Instant = Instant(0)
    startup_due: Instant = Instant(0)


class Hold(Enum):
    """Whether fires wait for the clock."""

    NONE = "none"
    HELD = "held"
    GIVEN_UP = "given up"
    """The clock still shows what cannot be; fires go on all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look at the clocks told. `step` is 0 for less than `STEP`.

    `impossible` is set when the clock went forward from a time that could not be: the times it has shown in this boot until then.
    """

    step: Millis = Millis(0)
    opened: Jump | None = None
    returned: tuple[Jump, ...] = ()
    expired: tuple[Jump, ...] = ()
    impossible: tuple[Instant, Instant] | None = None
    hold: Hold = Hold.NONE


class ClockWatch:
    """Looks at the clocks once a turn. `state` is to be kept; it is another object whenever it changed."""

    def __init__(self, boot_id: str) -> None:
        self.state = ClockState()
        self.hold = Hold.NONE
        self._boot_id = boot_id
        self._ahead: int | None = None
        self._impossible_since: Millis | None = None

    def restore(self, state: ClockState) -> None:
        """An earlier agent process left this state."""
        self.state = state
        self._ahead = state.ahead if state.boot_id == self._boot_id else None

    def earliest(self, now: Instant, mono: Millis) -> Instant:
        """A time that it certainly is by now, whichever open jump was one in the wrong direction."""
        if self._ahead is None:
            return min([now, *(jump.since for jump in self.state.jumps)])
        return min([now, *(jump.earliest(mono) for jump in self.state.jumps)])

    def see(self, now: Instant, mono: Millis, newest: Instant, *, is_synchronised: bool) -> Sighting:
        """What became of the clock since the last call. `newest` is the newest instant decided, 0 for none."""
        ahead = now - mono
        if self._ahead is None:
            step, opened = 0, self._first_sight(ahead, mono, newest, is_synchronised=is_synchronised)
        else:
            step = ahead - self._ahead
            opened = None
        floor = self._floor(newest)
        impossible = _shown(now, mono, step) if step >= STEP and now - step < floor else None
        if step > JUMP:
            opened = self._open(since=Instant(now - step), mono=mono, below=Millis(ahead - step + min(JUMP, step // 2)))
        self.hold = self._holding(mono, is_impossible=not is_synchronised and now < floor)
        returned = () if self.hold is Hold.HELD else tuple(jump for jump in self.state.jumps if ahead <= jump.below)
        expired = tuple(jump for jump in self.state.jumps if mono - jump.opened > KEPT and jump not in returned)
        self._keep(ahead, gone=(*returned, *expired))
        return Sighting(
            step=Millis(step if abs(step) >= STEP else 0),
            opened=opened,
            returned=returned,
            expired=expired,
            impossible=impossible,
            hold=self.hold,
        )

    def begin_boot(self, startup: Instant, due: Instant) -> None:
        """`@startup` of this boot is this instant."""
        self.state = replace(self.state, started_in=self._boot_id, startup=startup, startup_due=due)

    def _first_sight(self, ahead: int, mono: Millis, newest: Instant, *, is_synchronised: bool) -> Jump | None:
        below = Millis(max([newest, *(jump.since for jump in self.state.jumps)]) - mono - JUMP)
        jumps = tuple(replace(jump, opened=mono, below=below) for jump in self.state.jumps)
        self.state = replace(self.state, boot_id=self._boot_id, ahead=Millis(ahead), jumps=jumps)
        now, below = Instant(ahead + mono), Millis(ahead - JUMP)
        if is_synchronised or now < RELEASED:
            return None
        if not newest:
            self._open(since=now, mono=mono, below=below)
            return None
        return self._open(since=newest, mono=mono, below=below) if now - newest > JUMP else None

    def _open(self, *, since: Instant, mono: Millis, below: Millis) -> Jump:
        jump = Jump(id=self.state.last_jump + 1, since=since, opened=mono, below=below)
        self.state = replace(self.state, jumps=(*self.state.jumps, jump), last_jump=jump.id)
        return jump

    def _floor(self, newest: Instant) -> int:
        known = min((jump.since for jump in self.state.jumps), default=newest)
        return max(RELEASED, known - FAR)

    def _holding(self, mono: Millis, *, is_impossible: bool) -> Hold:
        if not is_impossible:
            self._impossible_since = None
            return Hold.NONE
        if self._impossible_since is None:
            self._impossible_since = mono
        return Hold.HELD if mono - self._impossible_since < HELD_FOR else Hold.GIVEN_UP

    def _keep(self, ahead: int, gone: tuple[Jump, ...]) -> None:
        self._ahead = ahead
        if gone:
            self.state = replace(self.state, jumps=tuple(jump for jump in self.state.jumps if jump not in gone))
        if abs(ahead - self.state.ahead) >= STEP:  # Slewing adds up.
            self.state = replace(self.state, ahead=Millis(ahead))


def _shown(now: Instant, mono: Millis, step: int) -> tuple[Instant, Instant]:
    """From the boot of the machine to the step."""
    return Instant(now - step - mono), Instant(now - step)
