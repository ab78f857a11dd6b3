"""What begins with `@`: names for schedules in fields, `@every`, `@at` and `@startup`. Pure."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType

from torchsync.core.cronfield import ScheduleRefusal, Token, refusal
from torchsync.core.model import Millis
from torchsync.core.schedule import AtSchedule, EverySchedule, StartupSchedule

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
"""The macros that stand for fields."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_UNITS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_LONGEST_PERIOD = 366 * 86_400_000
_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?P<rest>.*)")
_TIME = re.compile(r"t(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?P<rest>.*)")
_AT_HINT = "write `@at 2026-12-01T03:00`, with `:30` after it for seconds"


def _read_every(tokens: Sequence[Token]) -> EverySchedule | ScheduleRefusal:
    """`@every` and a duration in whole seconds, from 1 s to 366 days."""
    hint = "write `@every 90s` or `@every 1h30m`, with the units d, h, m and s"
    if len(tokens) == 1:
        return refusal(tokens[0], "`@every` needs a duration", hint)
    if len(tokens) > 2:
        return refusal(tokens[2], "`@every` takes one duration, without blanks in it", hint)
    duration = tokens[1]
    match = _DURATION.fullmatch(duration.text)
    if not match:
        return refusal(duration, f"`@every`: `{duration.text}` is not a duration", hint)
    period = sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS, strict=True))
    if period % 1_000:
        return refusal(duration, f"`@every`: `{duration.text}` is not a whole number of seconds", hint)
    if not 1_000 <= period <= _LONGEST_PERIOD:
        return refusal(duration, f"`@every`: `{duration.text}` is out of range", "write a duration from `1s` to `366d`")
    return EverySchedule(period=Millis(period))


def _read_startup(tokens: Sequence[Token]) -> StartupSchedule | ScheduleRefusal:
    """`@startup` alone."""
    return refusal(tokens[1], "`@startup` takes nothing after it", "take the rest out") if len(tokens) > 1 else StartupSchedule()


def _read_at(tokens: Sequence[Token]) -> AtSchedule | ScheduleRefusal:
    """`@at` and one wall time such as `2026-12-01T03:00`, seconds optional. TS121: outside of the years 1970 to 2199."""
    if len(tokens) == 1:
        return refusal(tokens[0], "`@at` needs a date and a time", _AT_HINT)
    moment = tokens[1]
    match = _DATE.fullmatch(moment.text)
    if not match:
        return refusal(moment, f"`@at`: `{moment.text.upper()}` is not a date and a time", _AT_HINT)
    rest = Token(match["rest"], moment.column + match.start("rest"))
    day, time = _read_date(moment, match), _read_time(moment, rest, tokens[2:])
    if isinstance(day, ScheduleRefusal):
        return day
    if isinstance(time, ScheduleRefusal):
        return time
    return AtSchedule(wall=day * 86_400 + time)


def _read_date(moment: Token, match: re.Match[str]) -> int | ScheduleRefusal:
    """Days since 1970-01-01."""
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    if not 1 <= month <= 12:
        return refusal(_part(moment, match, "month"), f"`@at`: there is no month {match['month']}", "write 01 to 12")
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        hint = f"write a date from {_FIRST_YEAR}-01-01 to {_LAST_YEAR}-12-31"
        return ScheduleRefusal("TS121", f"`@at`: the year {match['year']} is not from {_FIRST_YEAR} to {_LAST_YEAR}", hint, moment.column)
    length = monthrange(year, month)[1]
    if not 1 <= day <= length:
        message = f"`@at`: there is no day {match['day']} in {match['year']}-{match['month']}"
        return refusal(_part(moment, match, "day"), message, f"write 01 to {length}")
    return date(year, month, day).toordinal() - date(_FIRST_YEAR, 1, 1).toordinal()


def _read_time(moment: Token, text: Token, following: Sequence[Token]) -> int | ScheduleRefusal:
    """Seconds since midnight. `text` is what stands after the date, `following` what comes after a blank."""
    if not text.text:
        return _no_time(moment, following)
    match = _TIME.fullmatch(text.text)
    if not match:
        return refusal(text, f"`@at`: `{text.text.upper()}` is not a time", f"{_AT_HINT}; hours and minutes have two digits each")
    if match["rest"] or following:
        return _too_much(_part(text, match, "rest") if match["rest"] else following[0])
    return _seconds_of(text, match)


def _seconds_of(text: Token, match: re.Match[str]) -> int | ScheduleRefusal:
    if match["hour"] == "24":
        return refusal(_part(text, match, "hour"), "`@at`: a day has no hour 24", "write the next day with `T00:00`")
    for part, highest in (("hour", 23), ("minute", 59), ("second", 59)):
        if int(match[part] or 0) > highest:
            return refusal(_part(text, match, part), f"`@at`: {part} {match[part]} is out of range", f"write 00 to {highest}")
    return int(match["hour"]) * 3_600 + int(match["minute"]) * 60 + int(match["second"] or 0)


def _no_time(moment: Token, following: Sequence[Token]) -> ScheduleRefusal:
    if following and following[0].text[0].isdigit():
        return refusal(
            following[0], "`@at`: a blank stands between date and time", f"write `T` there: `@at {moment.text}T{following[0].text.upper()}`"
        )
    return refusal(Token("", moment.column + len(moment.text)), f"`@at`: `{moment.text}` has no time", f"write `@at {moment.text}T00:00`")


def _too_much(rest: Token) -> ScheduleRefusal:
    if rest.text[0] in ".,":
        return refusal(rest, "`@at`: fractions of a second are not accepted", "write whole seconds")
    if rest.text[0] in "+-[" or rest.text[0].isalpha():
        return refusal(rest, "`@at`: a zone after the time is not accepted", "take it out: the time is that of the task's `timezone`")
    return refusal(rest, f"`@at`: `{rest.text}` after the time is not understood", _AT_HINT)


def _part(token: Token, match: re.Match[str], group: str) -> Token:
    return Token(match[group], token.column + match.start(group))


READERS: Mapping[str, Callable[[Sequence[Token]], EverySchedule | AtSchedule | StartupSchedule | ScheduleRefusal]] = MappingProxyType(
    {"@every": _read_every, "@at": _read_at, "@startup": _read_startup}
)
"""The macros that are schedules of their own, with what reads them."""
