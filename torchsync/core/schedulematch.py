"""A schedule held against one moment: what each field says, what the clock of the zone showed, and whether the two agree. Pure.

Whether the moment is an instant of the schedule is decided by the schedule itself, not by its fields: on the night of a clock change the two may
differ, and then a note says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from torchsync.core.clockchange import ClockChange, clock_changes
from torchsync.core.cron import fields_of
from torchsync.core.crondays import DAY_SECONDS, days_of, next_day
from torchsync.core.cronfield import DAY, MONTH, WEEKDAY, Field, FieldKind, Token, read_field
from torchsync.core.cronmacro import FIELDS
from torchsync.core.instants import brief_duration, rfc3339_short
from torchsync.core.localtime import stretches, zone_named
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, TaskName
from torchsync.core.schedule import AtSchedule, CronSchedule
from torchsync.core.spread import Spread
from torchsync.core.timetable import Rhythm, rhythm_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKED_BACK = tuple(Millis(minutes * 60_000) for minutes in (1, 60, 1_440, 8 * 1_440, 40 * 1_440, 400 * 1_440, 9 * 366 * 1_440))
"""From a minute to nine years: the newest instant is looked for in the smallest that has one."""
_NEARBY = Millis(86_400_000)
_MOST_LISTED = 12
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMatch:
    """What a field of the schedule says, and what the clock showed. `text` is as it is written; `values` what that stands for on the host."""

    name: str
    text: str
    values: str
    actual: str
    matches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """`local` is what the clock of the zone showed at the moment. There are no fields for `@every`, `@at` and `@startup`. `due` is later than the
    moment by the delay that the jitter comes to. `before` and `after` are the nearest instants.
    """

    schedule: str
    zone: str
    local: str
    is_instant: bool
    due: Instant
    fields: tuple[FieldMatch, ...] = ()
    notes: tuple[str, ...] = ()
    before: Instant | None = None
    after: Instant | None = None


def matched(name: TaskName, timing: CronTiming, facts: HostFacts, at: Instant) -> Match:
    """The schedule of the task on the host, held against that moment. Raises ValueError for a schedule that this version does not know."""
    rhythm = rhythm_of(name, timing, facts)
    second = at // 1_000
    wall = second + _offset(rhythm.zone, second)
    fields = tuple(_fields(timing.schedule, Spread(facts.name, name), wall))
    is_instant = next(rhythm.following(Instant(at - 1)), None) == at
    return Match(
        schedule=timing.schedule,
        zone=rhythm.zone,
        local=_local(rhythm.zone, second, wall),
        is_instant=is_instant,
        due=Instant(at + rhythm.delay),
        fields=fields,
        notes=tuple(_notes(rhythm, fields, at, is_instant=is_instant)),
        before=newest_before(rhythm, at),
        after=next(rhythm.following(at), None),
    )


def newest_before(rhythm: Rhythm, at: Instant) -> Instant | None:
    """The newest instant that is earlier than that moment."""
    for length in (*_LOOKED_BACK, Millis(at)):
        newest = None
        for newest in takewhile(lambda instant: instant < at, rhythm.following(Instant(at - length - 1))):  # noqa: B007 - the last one is wanted
            pass
        if newest is not None:
            return newest
    return None


def _fields(schedule: str, spread: Spread, wall: int) -> Iterator[FieldMatch]:
    fields = fields_of(FIELDS.get(schedule.strip().lower(), schedule), spread)
    if fields is None:
        return
    today, time = divmod(wall, DAY_SECONDS)
    date = (_EPOCH + timedelta(days=today)).date()
    weekday = date.isoweekday() % 7
    actual = (time % 60, time // 60 % 60, time // 3_600, date.day, date.month, weekday)
    for field, value in zip(fields, actual, strict=True):
        is_met = _is_day(field, today) if field.kind in (DAY, WEEKDAY) else value in field.values
        shown = _WEEKDAYS[value] if field.kind is WEEKDAY else str(value)
        yield FieldMatch(name=field.kind.name, text=field.token.text.upper(), values=_listed(field), actual=shown, matches=is_met)


def _is_day(field: Field, today: int) -> bool:
    """The field alone matches on that day."""
    day, weekday = (field, _every(WEEKDAY)) if field.kind is DAY else (_every(DAY), field)
    days = days_of(day, _every(MONTH), weekday)
    return days is not None and next_day(days, today) == today


def _every(kind: FieldKind) -> Field:
    field = read_field(kind, Token("*", 1), None)
    assert isinstance(field, Field)
    return field


def _listed(field: Field) -> str:
    """What the field stands for, in short."""
    if field.is_full:
        return "every"
    names = [_WEEKDAYS[value][:3] if field.kind is WEEKDAY else str(value) for value in field.values]
    shown = [*names[:_MOST_LISTED], *(["…"] if len(names) > _MOST_LISTED else [])]
    return ", ".join([*shown, *(special.text.upper() for special in field.specials)])


def _notes(rhythm: Rhythm, fields: tuple[FieldMatch, ...], at: Instant, *, is_instant: bool) -> Iterator[str]:
    if len(fields) == 6 and not (fields[3].text.startswith("*") or fields[5].text.startswith("*")):
        yield "day of month and day of week are both restricted: one of the two is enough"
    schedule = rhythm.schedule
    if not isinstance(schedule, CronSchedule | AtSchedule):
        return
    is_wall_clock = isinstance(schedule, AtSchedule) or schedule.is_wall_clock
    for change in clock_changes(zone_named(rhythm.zone), Instant(at - _NEARBY), Instant(at + _NEARBY)):
        yield _note(change, rhythm.zone, at, is_instant=is_instant, is_wall_clock=is_wall_clock)


def _note(change: ClockChange, zone: str, at: Instant, *, is_instant: bool, is_wall_clock: bool) -> str:
    """What the change of the clocks has to do with the moment."""
    first, end = change.span
    length = brief_duration(Millis((end - first) * 1_000))
    what = f"the clock of {zone} went {'forward' if change.is_gap else 'back'} by {length} at {rfc3339_short(Instant(change.at * 1_000))}"
    second = at // 1_000
    if change.is_gap and second == change.at and is_instant:
        return f"{what}: times between {_time(first)} and {_time(end)} were skipped, and are made up for together at that moment"
    if not change.is_gap and change.at <= second < change.at + end - first and not is_instant and is_wall_clock:
        return f"{what}: times from {_time(first)} until {_time(end)} were shown twice, and a schedule of fixed times goes by the first"
    if change.is_gap and not is_wall_clock:
        return f"{what}: times between {_time(first)} and {_time(end)} were skipped, and a schedule with `*` in its time does not make up for them"
    return what


def _offset(zone: str, second: int) -> int:
    return next(stretches(zone_named(zone), second, second + 1)).offset


def _local(zone: str, second: int, wall: int) -> str:
    moment, offset = _EPOCH + timedelta(seconds=wall), wall - second
    sign, minutes = "-" if offset < 0 else "+", abs(offset) // 60
    return f"{_WEEKDAYS[moment.isoweekday() % 7]} {moment:%Y-%m-%d %H:%M:%S} {sign}{minutes // 60:02d}:{minutes % 60:02d} {zone}"


def _time(wall: int) -> str:
    return f"{_EPOCH + timedelta(seconds=wall):%H:%M}"
