"""`docs/reference/schedules.md`: the language of schedules. Prose and grammar stand here; every instant, place and message is computed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice, takewhile

from scripts.schedule_table import ACCEPTED, REFUSED
from torchsync.core.cron import ScheduleRefusal, Spread, instants, parse_schedule, zone_named
from torchsync.core.instants import parse_rfc3339, rfc3339_short
from torchsync.core.model import Instant
from torchsync.core.schedulehints import schedule_hints

GRAMMAR = """\
schedule = [ blanks ], ( fields | macro ), [ blanks ] ;

fields   = [ second, blanks ], minute, blanks, hour, blanks, day, blanks, month, blanks, weekday ;
second   = entry, { ",", entry } ;
minute   = entry, { ",", entry } ;
hour     = entry, { ",", entry } ;
day      = date, { ",", date } ;
month    = entry, { ",", entry } ;
weekday  = weekdays, { ",", weekdays } ;

date     = entry | "L" | "LW" ;
weekdays = entry | "L", value | value, "#", nth ;
entry    = ( "*" | value, [ "-", value ] | "H", [ "(", value, "-", value, ")" ] ), [ "/", number ] ;
value    = number | name ;
name     = "jan" | "feb" | "mar" | "apr" | "may" | "jun" | "jul" | "aug" | "sep" | "oct" | "nov" | "dec"
         | "sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat" ;
nth      = { "0" }, ( "1" | "2" | "3" | "4" | "5" ) ;

macro    = "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly"
         | "@every", blanks, days | "@at", blanks, moment | "@startup" ;
days     = number, "d", [ hours ] | hours ;
hours    = number, "h", [ minutes ] | minutes ;
minutes  = number, "m", [ seconds ] | seconds ;
seconds  = number, "s", [ millis ] | millis ;
millis   = number, "ms" ;
moment   = pair, pair, "-", pair, "-", pair, "T", pair, ":", pair, [ ":", pair ] ;

pair     = digit, digit ;
number   = digit, { digit } ;
digit    = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" ;
blanks   = blank, { blank } ;
blank    = " " | ? tab ? ;
"""

# what the grammar allows and a schedule may not be: the rule, and the words by which a test knows its refusal
RULES = (
    ("A text has at most 256 characters.", "256 are allowed"),
    ("A number lies within its field, and a name belongs to it.", "is out of range|is not a name"),
    ("A step is at least 1 and at most the distance from the first to the last value of its range.", "step"),
    ("`5#3` and `L5` stand alone: without plain days of the week, and with `*` for day of month.", "cannot stand together"),
    ("At least one date from 1970 to 2199 matches; with `H` in month or day of week, on every host.", "no date from 1970 to 2199"),
    ("`@every` takes whole seconds, from 1 s to 366 days.", "whole number of seconds|`@every`: .* out of range"),
    ("`@at` names a date that there is, from 1970 to 2199, and a time from 00:00:00 to 23:59:59.", "`@at`: "),
)

# schedule, zone, from, until, what it shows
CLOCK_CHANGES = (
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "2026-03-30T12:00:00Z",
        "02:30 is skipped: it fires once the clock shows 03:00",
    ),
    ("0,30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", "2025-03-31T12:00:00Z", "two skipped times fire together, once"),
    ("*/30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", "2025-03-31T12:00:00Z", "the minute starts with `*`: nothing is made up for"),
    ("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", "2025-10-27T12:00:00Z", "02:30 is shown twice: it fires the first time"),
    ("30 * * * *", "Europe/Berlin", "2025-10-26T00:00:00Z", "2025-10-26T02:00:00Z", "the hour is `*`: it fires both times"),
    ("0 0 * * *", "America/Santiago", "2025-09-06T12:00:00Z", "2025-09-08T12:00:00Z", "midnight is skipped: the day keeps its fire"),
    ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00:00Z", "2025-10-06T00:00:00Z", "a change of half an hour is a change"),
    ("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2012-01-31T00:00:00Z", "a day that Samoa skipped is a gap like any other"),
    (
        "@at 2025-03-30T02:30",
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "2026-03-30T12:00:00Z",
        "`@at` follows the rule of wall-clock schedules",
    ),
)

# hosts, task and schedule of the worked example
SPREAD_HOSTS = ("db-1", "db-2", "web-1")
SPREAD_TASK = "nightly"
SPREAD_SCHEDULES = ("H 3 * * *", "H(0-29)/10 * * * *", "H H(22-4) * * *", "0 6 * * H(mon-fri)", "0 6 H * *")

HINTED = ("*/7 * * * *", "0 */5 * * *", "0 0 */2 * *", "0 0 31 * *", "0 0 29 2 *", "0 0 13 * 5")


def schedules_page(made: str) -> str:
    """The whole page; `made` is the remark that it is generated."""
    parts = (_head(made), _forms(), _grammar(), _clock_changes(), _spread(), _refusals(), _hints(), _debian(), _examples())
    return "\n".join(parts)


def _head(made: str) -> str:
    return f"""# Schedules

{made}
`schedule` of a task says when it runs, on the wall clock of the task's `timezone` (`UTC` when there is none).

```
 30 2 * * *            five fields: minute, hour, day of month, month, day of week
 0 30 2 * * *          six fields: second first
 @daily                a name for fields
 @every 90s            the multiples of a duration, counted from 1970-01-01T00:00:00Z
 @at 2026-12-01T03:00  once
 @startup              once a boot
```

`torchsync next --expr '30 2 * * *' --timezone Europe/Berlin` prints when a schedule fires.
"""


def _forms() -> str:
    return """## Fields

| field | values | names |
| --- | --- | --- |
| second | 0 to 59; without it the second is 0 | |
| minute | 0 to 59 | |
| hour | 0 to 23 | |
| day of month | 1 to 31, `L`, `LW` | |
| month | 1 to 12 | jan to dec |
| day of week | 0 to 7, both 0 and 7 are Sunday; `L5`, `5#3` | sun to sat |

| written | means |
| --- | --- |
| `*` | every value |
| `5` | that value |
| `1,15,20-25` | each of the list |
| `10-20` | from 10 to 20; `a-a` is `a` |
| `22-2` | over the end of the field: 22, 23, 0, 1, 2; also `fri-mon`, `nov-feb` |
| `*/15` | every 15th value from the first of the field on |
| `10-40/15`, `23-3/2` | every nth value of the range, carried over the end: 10, 25, 40; 23, 1, 3 |
| `5/15` | from 5 to the end of the field; in day of week the end is Saturday |
| `H`, `H(0-29)`, `H/15`, `H(8-17)/3` | a value of the range, other hosts and tasks have others: [below](#h-and-jitter) |
| `L` | the last day of the month |
| `LW` | the last day of the month that is Monday to Friday |
| `L5` | the last Friday of the month |
| `5#3`, `1#1,1#3` | the third Friday; the first and the third Monday of the month |

Names, macros, `H`, `L` and `T` may be written in any case.

When day of month and day of week are both restricted, one of them is enough: `0 0 13 * 5` fires on every 13th and on every Friday. When one of
the two starts with `*`, both must match: `0 0 */2 * 5` fires on Fridays with an odd date.

`@every` is not tied to midnight or to a start: `@every 90s` fires at the multiples of 90 seconds since 1970, on every host at the same instants.
`@at` in the past never fires. `@startup` has no instants: it fires once per boot of the host, when a generation that contains the task first comes
into force in that boot.

Instants lie from 1970-01-01T00:00:00Z until before 2200-01-01T00:00:00Z.
"""


def _grammar() -> str:
    rules = "\n".join(f"- {rule}" for rule, _ in RULES)
    return f"""## Grammar

In EBNF as of ISO/IEC 14977. Letters may be written in any case.

```ebnf
{GRAMMAR}```

Of what this grammar allows, these rules leave some out:

{rules}
"""


def _clock_changes() -> str:
    rows = "".join(
        f"| `{text}` | {zone} | {'<br>'.join(_fire_in(zone, fire) for fire in fires_between(text, zone, start, end))} | {why} |\n"
        for text, zone, start, end, why in CLOCK_CHANGES
    )
    return f"""## When the clocks change

A schedule is a *wall-clock* schedule when none of its second, minute and hour starts with `*` or has all values of its field. This is judged after
macros and `H` are expanded; without a second field the second is 0. `@at` is one, too.

- A wall-clock schedule fires once for the wall times that a clock change skips, all of them together, at the first instant after the gap; if it
  fires at that instant anyway, that is the one fire. A wall time that is shown twice fires the first time only. So a daily task runs once a day.
- Every other schedule fires at each instant whose wall clock matches: what is skipped is not made up for, what is shown twice fires twice.
  So an hourly task runs every hour.

A day that a zone skips is a gap like any other. The next instant is later than the one before, in every zone.

| schedule | zone | fires | why |
| --- | --- | --- | --- |
{rows}
Zone data is the host's, else that of the `tzdata` package; the name must be in the package, which is the same everywhere.
"""


def _spread() -> str:
    digest = sha256(f"{SPREAD_HOSTS[0]}\0{SPREAD_TASK}\0minute".encode()).hexdigest()
    spread = Spread(SPREAD_HOSTS[0], SPREAD_TASK)
    rows = "".join(f"| `{text}` | {' | '.join(_spread_cell(text, host) for host in SPREAD_HOSTS)} |\n" for text in SPREAD_SCHEDULES)
    return f"""## H and jitter

A thousand hosts that all start a task at 03:00 are a problem for what they talk to. `H` and `jitter` give each task on each host a place of its
own, which never moves: not with a restart, not with an upgrade, not with another library.

The place is a number from 0 until before a size: the first eight bytes of SHA-256 over host, task and field, in UTF-8 with a NUL between them, read
big-endian, modulo the size. The field is second, minute, hour, day, month, weekday or jitter; the host is its name in lower case.

| written | size | the value is |
| --- | --- | --- |
| `H` | values of the field; day of month: 28 | the first of the field plus the number |
| `H(a-b)` | values from a to b | a plus the number, over the end of the field where a is larger than b |
| `H/n` | n | the first of the field plus the number, and every nth value after it up to the end of the field |
| `H(a-b)/n` | n | a plus the number, and every nth value after it up to b |
| `jitter: 10m` | milliseconds of the jitter | no value: due is the instant plus the number in milliseconds |

In day of month `H` keeps to 1 to 28, the days that every month has: `H(25-5)` is 25 to 28 and 1 to 5. `H` is expanded before anything else, so all
rules see a plain value. What a commit is judged by is the same on every host: `0 0 31 H *` is refused everywhere, since on some host `H` would be
February. Each `H` of a list is taken for itself there.

The minute of the task `{SPREAD_TASK}` on the host `{SPREAD_HOSTS[0]}`, by hand:

```console
$ printf '{SPREAD_HOSTS[0]}\\0{SPREAD_TASK}\\0minute' | sha256sum | cut -c 1-16
{digest[:16]}
$ python3 -c 'print(0x{digest[:16]} % 60)'
{spread.pick("minute", 60)}
```

With `jitter: 10m` the same task on the same host is always {spread.pick("jitter", 600_000) / 1000:.3f} seconds late: the number for `jitter` modulo
600,000. A jitter has to be shorter than the shortest gap between neighbours of the first 1,000 instants from 2024-01-01T00:00:00Z on, taken in plain
UTC with `H` at the start of its range.

The first instants from 2026-01-01 on in UTC:

| schedule | {" | ".join(f"on `{host}`" for host in SPREAD_HOSTS)} |
| --- | {" | ".join("---" for _ in SPREAD_HOSTS)} |
{rows}
`torchsync next --expr 'H 3 * * *' --host {SPREAD_HOSTS[0]} --task-name {SPREAD_TASK}` tells the same.
"""


def _refusals() -> str:
    rows = "".join(f"| {_shown(text)} | {found.column} | {found.message} | {found.hint} |\n" for text, found in refused())
    return f"""## What is refused

Codes: TS121 for a schedule that would never fire, TS120 for the rest. The column counts within the expression, from 1.

| schedule | column | message | what to write |
| --- | --- | --- | --- |
{rows}"""


def _hints() -> str:
    rows = "".join(f"| `{text}` | {hint.message} | {hint.hint} |\n" for text in HINTED for hint in schedule_hints(text))
    return f"""## What may surprise

These are accepted, and do what they say. It may not be what was meant.

| schedule | what happens | what to write instead |
| --- | --- | --- |
{rows}"""


def _debian() -> str:
    return """## Coming from Debian's cron

Five fields mean what crontab(5) of Debian 12 says, day of month with day of week included, and the rule for clock changes is its rule. Different are:

- Several wall times that a clock change skips fire once, not once each. A field with all its values (`0-59`) counts as `*`.
- The rule for clock changes holds for any change of the zone; Debian's cron takes one of more than three hours for a clock that was set.
- `CRON_TZ=` is the `timezone` of the task, `@reboot` is `@startup`; the sixth word of a system crontab is `user`.
- Ranges may go over the end (`22-2`), which cron refuses; steps larger than their range are refused, which cron takes.
- Seconds, `L`, `LW`, `L5`, `5#3`, `H`, `@every`, `@at` are new.
"""


def _examples() -> str:
    rows = "".join(f"| {_shown(text)} | {_list_of_instants(text)} |\n" for text, _ in ACCEPTED)
    return f"""## Examples

The first instants from 2026-01-01T00:00:00Z on in UTC; `H` is at the start of its range.

| schedule | fires |
| --- | --- |
{rows}"""


def fires_between(text: str, zone: str, start: str, end: str) -> list[Instant]:
    """The instants from `start` until before `end`."""
    schedule = parse_schedule(text)
    assert not isinstance(schedule, ScheduleRefusal)
    last = parse_rfc3339(end)
    return list(takewhile(lambda instant: instant < last, instants(schedule, zone_named(zone), Instant(parse_rfc3339(start) - 1))))


def refused() -> Iterator[tuple[str, ScheduleRefusal]]:
    """Every row of the table with its refusal."""
    for text, *_ in REFUSED:
        found = parse_schedule(text)
        assert isinstance(found, ScheduleRefusal)
        yield text, found


def _fire_in(zone: str, fire: Instant) -> str:
    local = datetime.fromtimestamp(fire / 1_000, zone_named(zone))
    return f"{local:%d %b %Y %H:%M} ({rfc3339_short(fire)[11:]})"


def _spread_cell(text: str, host: str) -> str:
    schedule = parse_schedule(text, Spread(host, SPREAD_TASK))
    assert not isinstance(schedule, ScheduleRefusal)
    found = islice(instants(schedule, zone_named("UTC"), Instant(1_767_225_600_000 - 1)), 4)
    return ", ".join(f"{datetime.fromtimestamp(instant / 1_000, UTC):%d %b %H:%M}" for instant in found)


def _list_of_instants(text: str) -> str:
    schedule = parse_schedule(text)
    assert not isinstance(schedule, ScheduleRefusal)
    found = list(islice(instants(schedule, zone_named("UTC"), Instant(1_767_225_600_000 - 1)), 3))
    return ", ".join(rfc3339_short(instant) for instant in found) or "no more"


def _shown(text: str) -> str:
    """The text with odd characters spelled out, and shortened."""
    spelled = text.encode("unicode_escape").decode("ascii")
    if not text.strip():
        return "blanks" if text else "nothing"
    return f"`{spelled}`" if len(spelled) <= 40 else f"`{spelled[:36]} ...`"
