"""What the loop does about time itself: it lets the engine look at the clocks, makes durable what follows, and says it.

Theory of operation. The engine looks first in every turn (`core/clockwatch.py`). When a return moves baselines, the generation is stored before the
turn's transaction: an agent that is killed in between finds the jump still open, and takes back the same again. A generation that cannot be stored
is tried again, once a second.

After a swap and once a minute the files of the zones in use are looked at, too. When some have changed and can all be read, what is remembered of
zones is forgotten and every next instant is found again. While one cannot be read, as in the middle of an upgrade, everything stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from torchsync.agent.saved import Saved
from torchsync.core.clockwatch import HELD_FOR, Hold, Sighting
from torchsync.core.engine import Engine
from torchsync.core.instants import brief_duration, rfc3339
from torchsync.core.localtime import forget_zones, is_readable
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Generation, Instant, Millis
from torchsync.core.snapshot import ClockDirection
from torchsync.core.timetable import zones_of
from torchsync.errors import Problem, StateUnwritable
from torchsync.ports import Clock, ZoneFiles

ZONES_EVERY = Millis(60_000)

_IMPOSSIBLE = Problem(
    code="TS336",
    message=f"the wall clock shows a time that cannot be; fires are held until it is right, for {brief_duration(HELD_FOR)} at most",
)


class TimeWatch:
    """`steps` counts those of the wall clock in this process."""

    def __init__(self, engine: Engine, clock: Clock, zones: ZoneFiles, saved: Saved, log: Log) -> None:
        self.steps: Mapping[ClockDirection, int] = {}
        self._engine = engine
        self._clock = clock
        self._zones = zones
        self._saved = saved
        self._log = log
        self._hold = Hold.NONE
        self._silence: Problem | None = None
        self._unsaved: Generation | None = None
        self._looked_for: Generation | None = None
        self._stamps: Mapping[str, str] = {}
        self._next_zones = Millis(0)

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What is wrong with the clock just now."""
        return (*([_IMPOSSIBLE] if self._hold is Hold.HELD else []), *([self._silence] if self._silence else []))

    def look(self, now: Instant, mono: Millis) -> None:
        """The first thing in a turn: the engine knows what the clocks did, and whatever it moved is durable, if that can be had."""
        before = self._engine.generation
        sighting = self._engine.see_clock(now, mono, is_synchronised=self._clock.is_synchronised())
        if self._engine.generation is not before:
            self._save(self._engine.generation)
        hold = self._hold
        self._tell(sighting, now)
        is_due = mono >= self._next_zones or self._engine.generation is not self._looked_for
        if is_due or sighting.step or self._hold is not hold:
            self._look_for_silence(now)
        if is_due:
            self._next_zones = Millis(mono + ZONES_EVERY)
            self._look_at_zones(now)

    def retry(self) -> None:
        """A generation that could not be stored is, if it can be by now and is still the one in force."""
        if self._unsaved is not None:
            self._save(self._unsaved if self._unsaved is self._engine.generation else None)

    def _save(self, generation: Generation | None) -> None:
        self._unsaved = generation
        if generation is None:
            return
        try:
            self._saved.save_generation(generation)
            self._unsaved = None
        except StateUnwritable as error:
            self._log(LogEvent.STATE_DEGRADED, error.message)

    def _tell(self, sighting: Sighting, now: Instant) -> None:
        if step := sighting.step:
            direction = ClockDirection.FORWARD if step > 0 else ClockDirection.BACKWARD
            self.steps = {**self.steps, direction: self.steps.get(direction, 0) + 1}
            self._log(LogEvent.CLOCK_STEPPED, f"the wall clock went {direction.value} by {abs(step) / 1000:.1f} s", seconds=step / 1000)
        if jump := sighting.opened:
            ahead = brief_duration(Millis(now - jump.since))
            sentence = f"the wall clock may be {ahead} ahead; what it causes is annulled if it returns within two days"
            self._log(LogEvent.CLOCK_JUMPED, sentence, jump=jump.id)
        for jump in sighting.returned:
            sentence = f"the wall clock has returned from jump {jump.id} to {rfc3339(now)}; what that caused is annulled"
            self._log(LogEvent.CLOCK_RETURNED, sentence, jump=jump.id)
        self._tell_hold(sighting.hold, now)

    def _tell_hold(self, hold: Hold, now: Instant) -> None:
        before, self._hold = self._hold, hold
        match hold:
            case Hold.HELD if before is Hold.NONE:
                self._log(LogEvent.CLOCK_IMPOSSIBLE, f"{_IMPOSSIBLE.message}; it shows {rfc3339(now)}", code=_IMPOSSIBLE.code)
            case Hold.GIVEN_UP if before is Hold.HELD:
                sentence = f"the wall clock still shows {rfc3339(now)}, which cannot be; what is not decided yet fires by it all the same"
                self._log(LogEvent.CLOCK_BELIEVED, sentence)
            case Hold.NONE if before is Hold.HELD:
                self._log(LogEvent.CLOCK_BELIEVED, f"the wall clock shows {rfc3339(now)} and can be believed; fires go on")

    def _look_for_silence(self, now: Instant) -> None:
        """It is said when it begins: after a step back that is no return of a jump, or of one that was believed long ago."""
        before, ends = self._silence, [] if self._hold is Hold.HELD else self._engine.silent_until(now)
        if not ends:
            self._silence = None
            return
        sentence = f"the wall clock is behind what is decided: {len(ends)} task(s) do not fire before it shows {rfc3339(min(ends))}"
        self._silence = Problem(
            code="TS321", message=sentence + (f", the last of them {rfc3339(max(ends))}" if min(ends) < max(ends) else "")
        )
        if before is None:
            self._log(LogEvent.CLOCK_BEHIND, self._silence.message, code=self._silence.code, count=len(ends))

    def _look_at_zones(self, now: Instant) -> None:
        generation = self._looked_for = self._engine.generation
        names = zones_of(generation) if generation else set()
        stamps = self._zones.stamps(sorted(names))
        changed = sorted(name for name in names & self._stamps.keys() if stamps[name] != self._stamps[name])
        if not all(is_readable(name) for name in changed):
            return
        self._stamps = stamps
        if changed:
            forget_zones()
            self._engine.rezone(now)
            self._log(LogEvent.ZONES_CHANGED, f"the data of {', '.join(changed)} changed; the next instants were found again")
