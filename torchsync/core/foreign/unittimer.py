"""When a timer unit starts its service, as schedules (systemd.timer(5)). Pure.

Calendar events become schedules of fields; those that differ in one set only become one. What counts from the boot, or from the last start, becomes
`@startup` or `@every`: that keeps the pace, but not the phase, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from zoneinfo import ZoneInfo

from torchsync.core.cron import ScheduleRefusal, parse_schedule, shortest_gap
from torchsync.core.durations import LONGEST, format_duration
from torchsync.core.foreign.job import NOT_TRANSLATED, NOT_UNDERSTOOD, Remark, RemarkKind
from torchsync.core.foreign.oncalendar import CalendarEvent, elapses, parse_calendar
from torchsync.core.foreign.oncalendarcron import schedules_of, unite
from torchsync.core.foreign.refusal import hint_of
from torchsync.core.foreign.unitdraft import brief
from torchsync.core.foreign.unitfile import Setting, Unit
from torchsync.core.foreign.unitvalues import read_span
from torchsync.core.jsontext import Json
from torchsync.core.values import Instant, Millis
from torchsync.errors import Problem

_MONOTONIC = ("OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec")
_REPEATED = ("OnUnitActiveSec", "OnUnitInactiveSec")
_DELAY_OF_NONE = Millis(0)


@dataclass(frozen=True, slots=True)
class CalendarClock:
    """The moments of some calendar events, as systemd counts them, delays left out; each once."""

    events: tuple[CalendarEvent, ...]

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        return (instant for instant, _ in groupby(merge(*(elapses(event, zone, after) for event in self.events))))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerPart:
    """One task of a timer: its fields that say when, the line that said so, and what is held against it."""

    line: Setting
    fields: dict[str, Json]
    zone: str = ""
    clock: CalendarClock | None = None
    uncompared: str = ""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerReading:
    """What a timer says: a task for each part, and what is in none of them."""

    parts: tuple[TimerPart, ...]
    problems: tuple[Problem, ...]


def read_timer(timer: Unit) -> TimerReading:
    """The tasks that the timer makes of its service."""
    lines = timer.all("Timer", "OnCalendar", *_MONOTONIC)
    calendar, problems = _calendar_parts(timer, [line for line in lines if line.key == "OnCalendar"])
    others = [line for line in lines if line.key != "OnCalendar"]
    monotonic, faults = _monotonic_parts(others, is_alone=len(others) == len(lines))
    problems = [*problems, *faults]
    if not lines:
        problems.append(
            Problem(code=NOT_TRANSLATED, message="the timer says no time", path=timer.path, hint="it needs such as OnCalendar=")
        )
    common = tuple(_common_remarks(timer))
    return TimerReading(parts=tuple(_with(part, common) for part in [*calendar, *monotonic]), problems=tuple(problems))


def _with(part: TimerPart, remarks: tuple[Remark, ...]) -> TimerPart:
    return TimerPart(
        line=part.line, fields=part.fields, zone=part.zone, clock=part.clock, uncompared=part.uncompared, remarks=(*part.remarks, *remarks)
    )


def _calendar_parts(timer: Unit, lines: list[Setting]) -> tuple[list[TimerPart], list[Problem]]:
    read: list[tuple[CalendarEvent, Setting]] = []
    problems: list[Problem] = []
    for line in lines:
        try:
            read.append((parse_calendar(line.value), line))
        except ValueError as error:
            hint = "`systemd-analyze calendar` says what it accepts"
            problems.append(Problem(code=NOT_UNDERSTOOD, message=f"`{brief(line)}`: {error}", path=line.path, line=line.line, hint=hint))
    parts: list[TimerPart] = []
    for event in unite(event for event, _ in read):
        first = event.text.split("; ")[0]
        line = next(line for known, line in read if known.text == first)
        try:
            parts.extend(_calendar_part(timer, event, line, schedule) for schedule in schedules_of(event))
        except ValueError as error:
            problems.append(Problem(code=NOT_TRANSLATED, message=str(error), path=line.path, line=line.line, hint=hint_of(error)))
    return parts, problems


def _calendar_part(timer: Unit, event: CalendarEvent, line: Setting, schedule: str) -> TimerPart:
    remarks = []
    if event.has_fractions:
        remarks.append(
            Remark(RemarkKind.CHANGED, f"`{brief(line)}` has fractions of seconds; a task starts at whole seconds, once a second at most")
        )
    fields: dict[str, Json] = {"schedule": schedule, "misfire": "latest"} if timer.yes("Timer", "Persistent") else {"schedule": schedule}
    jitter, said = _jitter(timer, schedule)
    if jitter:
        fields["jitter"] = format_duration(jitter)
    is_single = schedule.startswith("@at")
    return TimerPart(
        line=line,
        fields=fields,
        zone=event.zone or "",
        clock=None if is_single else CalendarClock((event,)),
        uncompared="a single date is the same in both" if is_single else "",
        remarks=(*remarks, *said),
    )


def _jitter(timer: Unit, schedule: str) -> tuple[Millis, list[Remark]]:
    """A delay of systemd is drawn anew each time, unless FixedRandomDelay=; that of a task is fixed, and shorter than the gap of its schedule."""
    setting = timer.last("Timer", "RandomizedDelaySec") or timer.last("Timer", "RandomizedOffsetSec")
    if setting is None:
        return _DELAY_OF_NONE, []
    try:
        delay = read_span(setting.value) or _DELAY_OF_NONE
    except ValueError as error:
        return _DELAY_OF_NONE, [Remark(RemarkKind.LOST, f"`{brief(setting)}`: {error}", "write `jitter`")]
    remarks = []
    if delay and not timer.yes("Timer", "FixedRandomDelay") and setting.key == "RandomizedDelaySec":
        remarks.append(
            Remark(
                RemarkKind.CHANGED, f"`{brief(setting)}` is drawn anew each time; jitter is a delay that is fixed for the host and the task"
            )
        )
    parsed = parse_schedule(schedule)
    gap = None if isinstance(parsed, ScheduleRefusal) else shortest_gap(parsed)
    if gap is not None and delay >= gap:
        remarks.append(
            Remark(
                RemarkKind.CHANGED, f"`{brief(setting)}` is not shorter than the gap of the schedule, so jitter is a little less than that"
            )
        )
        delay = Millis(gap - 1_000) if gap > 1_000 else _DELAY_OF_NONE
    return delay, remarks


def _monotonic_parts(lines: list[Setting], *, is_alone: bool) -> tuple[list[TimerPart], list[Problem]]:
    parts: list[TimerPart] = []
    problems: list[Problem] = []
    repeated = [line for line in lines if line.key in _REPEATED]
    started = [line for line in lines if line.key not in _REPEATED]
    for line in repeated or started[:1]:
        try:
            parts.append(_every_part(line, started, is_alone=is_alone) if repeated else _startup_part(line, started[1:]))
        except ValueError as error:
            problems.append(
                Problem(code=NOT_TRANSLATED, message=f"`{brief(line)}`: {error}", path=line.path, line=line.line, hint="write an `@every`")
            )
    return parts, problems


def _every_part(line: Setting, started: list[Setting], *, is_alone: bool) -> TimerPart:
    """`is_alone`: nothing else in the timer starts the service."""
    span = read_span(line.value)
    if span is None or not 1_000 <= span <= LONGEST:
        raise ValueError("a schedule repeats after 1 s to 366 days")
    period = Millis(span // 1_000 * 1_000)
    since = "end" if line.key == "OnUnitInactiveSec" else "start"
    message = f"`{brief(line)}` counts from the last {since} of the service; `@every` counts from 1970, whatever runs"
    hint = "use fields, such as `*/15 * * * *`, to have it at round times"
    remarks = [Remark(RemarkKind.CHANGED, message, hint)]
    if started:
        first = ", ".join(brief(setting) for setting in started)
        remarks.append(Remark(RemarkKind.CHANGED, f"`{first}` is not kept: after a boot the task waits for the next instant of `@every`"))
    elif is_alone:
        message = "the timer says nothing that starts the service for a first time, so it only goes on once somebody did; the task starts by itself"
        remarks.append(Remark(RemarkKind.CHANGED, message, "take it out if it shall not run"))
    uncompared = "the timer counts from the last run, not by the clock"
    return TimerPart(line=line, fields={"schedule": f"@every {format_duration(period)}"}, uncompared=uncompared, remarks=tuple(remarks))


def _startup_part(line: Setting, others: list[Setting]) -> TimerPart:
    remarks = []
    if others:
        message = f"{', '.join(f'`{brief(other)}`' for other in others)} would start it again; the task starts once a boot"
        remarks.append(Remark(RemarkKind.LOST, message, "let the command do it again after a `sleep`"))
    if read_span(line.value):
        message = f"`{brief(line)}` waits before it starts; a task with `@startup` starts once the agent has its tasks"
        remarks.append(Remark(RemarkKind.CHANGED, message, "begin the command with `sleep` where it has to wait"))
    if line.key == "OnActiveSec":
        remarks.append(Remark(RemarkKind.CHANGED, "OnActiveSec= counts from the start of the timer; the task starts once a boot"))
    uncompared = "the timer counts from the boot, not by the clock"
    return TimerPart(line=line, fields={"schedule": "@startup"}, uncompared=uncompared, remarks=tuple(remarks))


def _common_remarks(timer: Unit) -> Iterator[Remark]:
    """What holds for every task of the timer."""
    accuracy = timer.last("Timer", "AccuracySec")
    if accuracy:
        message = f"`{brief(accuracy)}` lets systemd start it that much later; a task starts at its second"
        yield Remark(RemarkKind.CHANGED, message, "write `jitter` where starts should be spread")
    if timer.yes("Timer", "WakeSystem"):
        yield Remark(RemarkKind.LOST, "WakeSystem=: torchsync does not wake a host that sleeps", "leave the host awake")
    settings = (one.key for one in timer.settings if one.section == "Unit" and one.value)
    conditions = dict.fromkeys(f"{key}=" for key in settings if key.startswith(("Condition", "Assert")))
    if conditions:
        message = f"{', '.join(conditions)} of {timer.name}: the timer is there only where that holds, the task everywhere"
        yield Remark(RemarkKind.LOST, message, "choose `hosts`, or test it in the command")
    events = [key for key in ("OnClockChange", "OnTimezoneChange") if timer.yes("Timer", key)]
    if events:
        yield Remark(RemarkKind.LOST, f"{', '.join(events)}: a task is not started by a change of the clock", "keep a unit for that")
