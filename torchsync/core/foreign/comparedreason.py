"""What may be behind a difference between cron and a shadow: a guess that says what it rests on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from zoneinfo import ZoneInfo

from torchsync.core.foreign.comparison import Comparison, Pairing, ShadowFire, ShadowRecord, ShadowSkip, Uncovered, minute_of
from torchsync.core.foreign.syslog import Start, SystemLog, gap_around
from torchsync.core.instants import brief_duration
from torchsync.core.localtime import stretches
from torchsync.core.model import Instant, Millis

_MINUTE = 60_000
_QUARTER = 15 * _MINUTE
_SHORTEST_GAP = Millis(10 * _MINUTE)
_NEAR_A_CHANGE = 3 * 3600
_FARTHEST_ZONE = 26 * 3600_000
_ALIKE = 0.8


class Likely(Enum):
    """A closed set; the value stands in documents."""

    SKIPPED = "skipped"
    DISABLED = "disabled"
    ZONE = "zone"
    CLOCK_CHANGE = "clock_change"
    TWICE = "twice"
    SECONDS = "seconds"
    LOG_GAP = "log_gap"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that only one of the two did, when, and what may be behind it. `place` is the line of the log that tells it."""

    at: Instant
    likely: Likely
    sentence: str
    place: str = ""


class Reasons:
    """Guesses from everything that is known. `zone` is that of the log."""

    def __init__(self, record: ShadowRecord, log: SystemLog, zone: ZoneInfo) -> None:
        self._minutes = log.minutes
        self._zone = zone
        self._skips: dict[str, list[ShadowSkip]] = {}
        self._fired: dict[str, set[Instant]] = {}
        for fire in record.fires:
            self._fired.setdefault(fire.task, set()).add(minute_of(fire.instant))
        for skip in record.skips:
            self._skips.setdefault(skip.task, []).append(skip)

    def of_log(self, pairing: Pairing) -> list[Difference]:
        """Why cron started what the shadow would not have."""
        shift = shift_of([start.minute for start in pairing.only_log], [fire.instant for fire in pairing.only_shadow])
        return [self._of_start(pairing, start, shift) for start in pairing.only_log]

    def of_shadow(self, pairing: Pairing) -> list[Difference]:
        """Why the shadow would have started what cron did not."""
        shift = shift_of([start.minute for start in pairing.only_log], [fire.instant for fire in pairing.only_shadow])
        busy = Counter(fire.instant // _MINUTE for fire in pairing.only_shadow)
        return [self._of_fire(pairing, fire, shift, busy) for fire in pairing.only_shadow]

    def _of_start(self, pairing: Pairing, start: Start, shift: Millis | None) -> Difference:
        likely, sentence = self._start_reason(pairing, start, shift)
        return Difference(at=start.at, likely=likely, sentence=sentence, place=start.place)

    def _start_reason(self, pairing: Pairing, start: Start, shift: Millis | None) -> tuple[Likely, str]:
        if not pairing.task.is_enabled:
            return Likely.DISABLED, "the task is disabled"
        if skip := self._skip_of(pairing.task.name, start.minute):
            why = ": the shadow did not run then" if skip.reason == "missed" else ""
            return Likely.SKIPPED, f"the shadow skipped it ({skip.reason}){why}"
        if shift:
            return Likely.ZONE, _zone_sentence(pairing, shift)
        if self._is_near_a_change(start.at):
            return Likely.CLOCK_CHANGE, "a clock change is near, at which cron and torchsync may differ"
        if start.minute in self._fired.get(pairing.task.name, ()):
            return Likely.TWICE, "cron started it more than once in this minute, the task fires once"
        return Likely.UNKNOWN, "the schedule differs"

    def _of_fire(self, pairing: Pairing, fire: ShadowFire, shift: Millis | None, busy: Mapping[int, int]) -> Difference:
        likely, sentence = self._fire_reason(pairing, fire, shift, busy)
        return Difference(at=fire.instant, likely=likely, sentence=sentence)

    def _fire_reason(self, pairing: Pairing, fire: ShadowFire, shift: Millis | None, busy: Mapping[int, int]) -> tuple[Likely, str]:
        if busy[fire.instant // _MINUTE] > 1 or fire.instant % _MINUTE:
            return Likely.SECONDS, "cron starts a line at most once a minute"
        if shift:
            return Likely.ZONE, _zone_sentence(pairing, shift)
        if gap := gap_around(self._minutes, fire.instant, _SHORTEST_GAP):
            return Likely.LOG_GAP, f"the log has no line at all for {brief_duration(Millis(gap[1] - gap[0]))} around it"
        if self._is_near_a_change(fire.instant):
            return Likely.CLOCK_CHANGE, "a clock change is near, at which cron and torchsync may differ"
        if not pairing.matched and not pairing.only_log:
            return Likely.UNKNOWN, "the log never tells of this command by this user: it is new, or cron calls it by another name"
        return Likely.UNKNOWN, "the schedule differs, or cron did not run"

    def _skip_of(self, task: str, at: Instant) -> ShadowSkip | None:
        return next((skip for skip in self._skips.get(task, ()) if skip.first - _MINUTE < at <= skip.last), None)

    def _is_near_a_change(self, at: Instant) -> bool:
        second = at // 1000
        offsets = {stretch.offset for stretch in stretches(self._zone, second - _NEAR_A_CHANGE, second + _NEAR_A_CHANGE)}
        return len(offsets) > 1


def shift_of(log: Sequence[Instant], shadow: Sequence[Instant]) -> Millis | None:
    """How much later cron starts nearly all of what each has alone, when that can be the distance of two time zones; else None."""
    if not log or not shadow:
        return None
    wanted = set(log)
    first = shadow[: 1 + len(shadow) // 5]
    shifts = {start - instant for start in log for instant in first}
    counts = {
        shift: sum(instant + shift in wanted for instant in shadow)
        for shift in shifts
        if shift and shift % _QUARTER == 0 and abs(shift) <= _FARTHEST_ZONE
    }
    if not counts:
        return None
    best = min(counts, key=lambda shift: (-counts[shift], abs(shift)))
    return Millis(best) if counts[best] >= _ALIKE * max(len(log), len(shadow)) - 1 else None


def _zone_sentence(pairing: Pairing, shift: Millis) -> str:
    direction = "later" if shift > 0 else "earlier"
    return (
        f"cron starts it {brief_duration(Millis(abs(shift)))} {direction}: the zone of the task ({pairing.task.zone}) is not that of cron"
    )


def hint_of(uncovered: Uncovered, comparison: Comparison) -> str:
    """What may be known of the command after all: a task that runs it as somebody else, or one that fires at the same times; else empty."""
    for pairing in comparison.pairings:
        if uncovered.command in pairing.task.forms:
            return f"the task {pairing.task.name} runs it as {pairing.task.user}, and cron as {uncovered.user}"
    minutes = {start.minute for start in uncovered.starts}
    for pairing in comparison.pairings:
        fired = {minute_of(fire.instant) for fire in pairing.only_shadow}
        if (
            pairing.task.user in ("", uncovered.user)
            and not pairing.matched
            and len(minutes & fired) >= _ALIKE * max(len(minutes), len(fired))
        ):
            return f"the task {pairing.task.name} fires at these times: if it is the same, say --same '{pairing.task.name}={uncovered.command}'"
    return ""
