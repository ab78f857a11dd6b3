"""What an import says of itself: what became of every job, what did not become a task, and how the instants compare. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torchsync.core.clockchange import ClockChange
from torchsync.core.foreign.check import Comparison, Difference
from torchsync.core.foreign.job import Origin, Remark, RemarkKind
from torchsync.core.foreign.merge import ImportedTask
from torchsync.core.instants import rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import Instant
from torchsync.errors import Problem

_MOST_SHOWN = 5
_MOST_KEPT = 50
_WIDESPREAD = 4
"""A remark on so many tasks is told once for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A task of the import, and how its instants compare."""

    task: ImportedTask
    comparisons: tuple[Comparison, ...]

    @property
    def uncompared(self) -> str:
        """Why there is nothing to compare, in words; empty where there is."""
        return "" if self.comparisons else next((job.uncompared for job in self.task.jobs if job.uncompared), "it has no instants")

    @property
    def is_the_same(self) -> bool:
        """Nothing of it was lost, and every compared instant is the same."""
        is_whole = not any(remark.kind is RemarkKind.LOST for remark in self.task.remarks)
        return is_whole and not any(one.differences for one in self.comparisons)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """An import as a whole. `source` is the word for the source system, `problems` are by path and line."""

    source: str
    told: tuple[Told, ...]
    remarks: tuple[tuple[Origin, Remark], ...]
    problems: tuple[Problem, ...]

    @property
    def jobs(self) -> int:
        return sum(len(one.task.jobs) for one in self.told)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(sorted({job.origin.host for one in self.told for job in one.task.jobs if job.origin.host}))


def report_lines(report: ImportReport) -> Iterator[str]:
    """The report for people; problems are told apart from it."""
    yield _summary(report)
    widespread = _widespread(report)
    for one in report.told:
        yield ""
        yield from _task_lines(one, widespread)
    for remark, number in widespread.items():
        yield ""
        yield f"in {number} tasks"
        yield from _remark_lines(remark)
    if report.remarks:
        yield ""
    for origin, remark in report.remarks:
        yield f"{_place(origin)}: {remark.kind.value}: {remark.message}{f' ({remark.hint})' if remark.hint else ''}"


def _summary(report: ImportReport) -> str:
    hosts = f" of {_number(len(report.hosts), 'host')}" if report.hosts else ""
    different = sum(any(one.differences for one in told.comparisons) for told in report.told)
    compared = sum(bool(told.comparisons) for told in report.told)
    instants = f"; next instants of {_number(compared, 'task')} compared, {different or 'none'} with a difference" if compared else ""
    left = f"; {_number(len(report.problems), 'problem')}" if report.problems else ""
    return f"import {report.source}: {_number(report.jobs, 'job')}{hosts} became {_number(len(report.told), 'task')}{instants}{left}"


def _widespread(report: ImportReport) -> dict[Remark, int]:
    counted = Counter(remark for one in report.told for remark in one.task.remarks)
    return {remark: number for remark, number in counted.items() if number >= _WIDESPREAD}


def _task_lines(one: Told, widespread: dict[Remark, int]) -> Iterator[str]:
    yield one.task.name
    places = [_place(job.origin) for job in one.task.jobs]
    more = f" and {len(places) - _MOST_SHOWN} more" if len(places) > _MOST_SHOWN else ""
    yield f"  from      {', '.join(places[:_MOST_SHOWN])}{more}"
    for remark in one.task.remarks:
        if remark not in widespread:
            yield from _remark_lines(remark)
    if one.uncompared:
        yield f"  instants  not compared: {one.uncompared}"
    for comparison in one.comparisons:
        yield from _comparison_lines(comparison)


def _remark_lines(remark: Remark) -> Iterator[str]:
    yield f"  {remark.kind.value:<9} {remark.message}"
    if remark.hint:
        yield f"            {remark.hint}"


def _comparison_lines(one: Comparison) -> Iterator[str]:
    zone = one.zone if one.zone_is_known else f"{one.zone}, as the zone of the host is not known"
    number = len(one.differences)
    if one.until is None:
        yield f"  instants  none to come ({zone})"
        return
    what = f"{_number(number, 'difference')}:" if number else "the same"
    yield f"  instants  {one.count:,} until {rfc3339_short(one.until)} ({zone}): {what}"
    yield from (f"            {difference_text(one_of)}" for one_of in one.differences[:_MOST_SHOWN])
    if number > _MOST_SHOWN:
        yield f"            and {number - _MOST_SHOWN} more"


def difference_text(one: Difference) -> str:
    """What each side does at the instant, and on which clock change that is."""
    why = f" ({change_text(one.change)})" if one.change else ""
    return f"{rfc3339_short(one.instant)}: {_times(one.theirs)} there, {_times(one.ours)} here{why}"


def change_text(change: ClockChange) -> str:
    """The clock change in words."""
    before, after = (_wall(change.at + offset) for offset in (change.before, change.after))
    direction = "forward" if change.is_gap else "back"
    return f"the night of {rfc3339_short(Instant(change.at * 1_000))[:10]}: clocks go {direction} from {before} to {after}"


def _wall(seconds: int) -> str:
    minutes = seconds // 60 % 1_440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _times(number: int) -> str:
    return {0: "not started", 1: "started once", 2: "started twice"}.get(number, f"started {number} times")


def _place(origin: Origin) -> str:
    return f"{origin.host}: {origin}" if origin.host else str(origin)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


# As a document


def report_document(report: ImportReport, problems: list[Json]) -> Json:
    """The report as `import.schema.json` describes it; `problems` are documents already."""
    return {
        "source": report.source,
        "jobs": report.jobs,
        "hosts": list(report.hosts),
        "tasks": [_told_document(one) for one in report.told],
        "remarks": [{**_origin_document(origin), **_remark_document(remark)} for origin, remark in report.remarks],
        "problems": problems,
    }


def _told_document(one: Told) -> Json:
    return {
        "name": one.task.name,
        "schedule": one.task.fields.get("schedule"),
        "timezone": one.task.fields.get("timezone"),
        "hosts": one.task.fields.get("hosts"),
        "origins": [_origin_document(job.origin) for job in one.task.jobs],
        "remarks": [_remark_document(remark) for remark in one.task.remarks],
        "uncompared": one.uncompared or None,
        "comparisons": [_comparison_document(comparison) for comparison in one.comparisons],
    }


def _origin_document(origin: Origin) -> dict[str, Json]:
    return {"host": origin.host or None, "path": origin.path, "line": origin.line or None}


def _remark_document(remark: Remark) -> dict[str, Json]:
    return {"kind": remark.kind.value, "message": remark.message, "hint": remark.hint}


def _comparison_document(one: Comparison) -> Json:
    return {
        "zone": one.zone,
        "zone_is_known": one.zone_is_known,
        "compared": one.count,
        "until": rfc3339_short(one.until) if one.until is not None else None,
        "differing": len(one.differences),
        "differences": [_difference_document(difference) for difference in one.differences[:_MOST_KEPT]],
    }


def _difference_document(one: Difference) -> Json:
    return {
        "instant": rfc3339_short(one.instant),
        "source": one.theirs,
        "torchsync": one.ours,
        "clock_change": change_text(one.change) if one.change else None,
    }


def sorted_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """By place."""
    return tuple(sorted(problems, key=lambda one: (one.path, one.line, one.column, one.code)))
