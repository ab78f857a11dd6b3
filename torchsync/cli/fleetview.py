"""Who runs what as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torchsync.cli import fleetwords as words
from torchsync.cli.fleetwords import By, Extent
from torchsync.cli.terminal import Cell, Tone, clock, paint, printable, table
from torchsync.core.durations import format_duration
from torchsync.core.fleetchange import FleetChange, Kind
from torchsync.core.fleetdoc import Compared, FleetReport
from torchsync.core.instants import rfc3339_short
from torchsync.core.model import CronTiming, Task, TaskName

_TONES = {Kind.ADDED: Tone.GOOD, Kind.REMOVED: Tone.BAD, Kind.CHANGED: Tone.HEAD, Kind.SAME: Tone.PLAIN}
_LONGEST_CELL = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How it is told: the rows of one kind only where `by` says so."""

    extent: Extent
    coloured: bool
    by: By | None = None

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
        return table(head, rows, coloured=self.coloured)

    def paint(self, text: str, tone: Tone) -> str:
        return paint(printable(text), tone, coloured=self.coloured)


def fleet_lines(report: FleetReport, style: Style) -> Iterator[str]:
    """The sum of it, the tables by task and by host, what is idle and what differs. One task, or one host, is told in detail."""
    yield style.paint(words.summary(report), Tone.HEAD)
    yield from (style.paint(f"notice: {notice}", Tone.HELD) for notice in report.notices)
    for lines in _sections(report, style):
        yield ""
        yield from lines


def _sections(report: FleetReport, style: Style) -> Iterator[list[str]]:
    match style.by:
        case By.TASK:
            yield _tasks(report, style)
        case By.HOST:
            yield _hosts(report, style)
        case By.OWNER:
            yield _owners(report, style)
        case None:
            yield from _parts(report, style)
    if report.compared:
        yield from _differences(report.compared, style)


def _parts(report: FleetReport, style: Style) -> Iterator[list[str]]:
    tasks, hosts = report.shown.tasks, report.shown.hosts
    if "host" in report.filters and len(hosts) == 1:
        yield _host_detail(report, next(iter(hosts)), style)
    if "task" in report.filters and len(tasks) == 1:
        yield _task_detail(report, next(iter(tasks.values())), style)
    elif tasks:
        yield _tasks(report, style)
    if len(hosts) > 1 and len(tasks) > 1:
        yield _hosts(report, style)
    if not tasks and not report.idle_hosts:
        yield ["Nothing matches all of that: no such task is for these hosts."]
    if idle := _idle(report, style):
        yield idle


# By task


def _tasks(report: FleetReport, style: Style) -> list[str]:
    """Of one host, what its tasks do; of several, which of them run each task; without an inventory, the selectors."""
    last = "SELECTORS" if not report.inventory.hosts else "DESCRIPTION" if len(report.shown.hosts) == 1 else "HOSTS"
    rows = [_task_row(report, task, style) for task in report.shown.tasks.values()]
    return style.table(("TASK", "SCHEDULE", "ZONE", "NEXT", "OWNER", last), rows)


def _task_row(report: FleetReport, task: Task, style: Style) -> list[Cell]:
    return [
        (task.name, Tone.PLAIN if task.enabled else Tone.FAINT),
        _cut(words.schedule(task)),
        words.zone(task),
        _next(report, task),
        task.owner or "-",
        _task_hosts(report, task, style),
    ]


def _task_hosts(report: FleetReport, task: Task, style: Style) -> Cell:
    if not report.inventory.hosts:
        return words.selectors(task)
    if len(report.shown.hosts) == 1:
        return " ".join(task.description.split()) or "-"
    hosts = report.shown.hosts_of[task.name]
    return style.extent.hosts(hosts, len(report.whole.hosts)), Tone.PLAIN if hosts else Tone.BAD


def _next(report: FleetReport, task: Task) -> Cell:
    instant = report.next_fires.get(task.name)
    return clock(rfc3339_short(instant)) if instant else (words.no_next(report, task), Tone.FAINT)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 3]}..."


def _task_detail(report: FleetReport, task: Task, style: Style) -> list[str]:
    """Everything that a reader of the task file wants to know, and the hosts."""
    timing = task.timing if isinstance(task.timing, CronTiming) else None
    pairs: list[tuple[str, str]] = [
        ("description", task.description),
        ("owner", task.owner),
        ("schedule", f"{words.schedule(task)} {words.zone(task)}".strip()),
        ("jitter", format_duration(timing.jitter) if timing and timing.jitter else ""),
        ("next", str(cell if isinstance(cell := _next(report, task), str) else cell[0])),
        ("command", words.command(task)),
        ("user", task.user),
        ("timeout", format_duration(timing.timeout) if timing and timing.timeout else ""),
        ("pool", task.pool),
        ("severity", task.severity.value),
        ("labels", words.labels(task.labels)),
        ("runbook", task.runbook),
        ("written in", f"{task.source.path}:{task.source.line}"),
        ("selectors", words.selectors(task)),
        ("hosts", Extent(full=True).hosts(report.shown.hosts_of[task.name]) if report.inventory.hosts else ""),
    ]
    return [style.paint(task.name, Tone.HEAD), *_pairs(pairs, style)]


def _pairs(pairs: Sequence[tuple[str, str]], style: Style) -> list[str]:
    """What is given, a word and its text each; the lines of a text stand below each other."""
    given = [(word, text.splitlines()) for word, text in pairs if text.strip()]
    width = max(len(word) for word, _ in given)
    return [
        f"  {style.paint((word if number == 0 else '').ljust(width), Tone.FAINT)}  {printable(line)}"
        for word, lines in given
        for number, line in enumerate(lines)
    ]


# By host


def _hosts(report: FleetReport, style: Style) -> list[str]:
    """Hosts that run the same are one row."""
    rows: list[list[Cell]] = []
    for hosts, tasks in report.shown.cohorts():
        labels = words.common_labels(report.shown.hosts[host] for host in hosts)
        tone = Tone.PLAIN if tasks else Tone.BAD
        rows.append([style.extent.hosts(hosts), _cut(labels) or "-", (style.extent.tasks(tasks), tone)])
    return style.table(("HOSTS", "LABELS IN COMMON", "TASKS"), rows)


def _host_detail(report: FleetReport, name: str, style: Style) -> list[str]:
    entry = report.inventory.hosts[name]
    pairs = [
        ("addresses", ", ".join(entry.addresses)),
        ("labels", words.labels(entry.labels)),
        ("zone", entry.zone or "its own: hosts.yaml gives none"),
        ("tasks", f"{len(report.whole.tasks_of[name])} in all"),
    ]
    return [style.paint(name, Tone.HEAD), *_pairs(pairs, style)]


def _owners(report: FleetReport, style: Style) -> list[str]:
    every = len(report.whole.hosts)
    rows = [[own.owner, style.extent.tasks(own.tasks), style.extent.hosts(own.hosts, every)] for own in words.owned(report.shown)]
    return style.table(("OWNER", "TASKS", "HOSTS"), rows)


def _idle(report: FleetReport, style: Style) -> list[str]:
    lines: list[str] = []
    if report.idle_tasks and report.inventory.hosts:
        lines.append(f"{style.paint('Tasks for no host:', Tone.BAD)}   {printable(style.extent.tasks(report.idle_tasks))}")
    if report.idle_hosts:
        lines.append(f"{style.paint('Hosts with no task:', Tone.BAD)}  {printable(style.extent.hosts(report.idle_hosts))}")
    return lines


# What differs


def _differences(compared: Compared, style: Style) -> Iterator[list[str]]:
    base = f"{compared.words} ({compared.revision[:12]})" if compared.revision else compared.words
    change = compared.change
    if not change.tasks and not change.hosts:
        yield [f"Nothing differs from {printable(base)}."]
        return
    yield [style.paint(f"What differs from {base}", Tone.HEAD)]
    if change.tasks:
        yield _task_moves(change, style)
    if change.hosts:
        yield _host_moves(change, style)


def _task_moves(change: FleetChange, style: Style) -> list[str]:
    rows: list[list[Cell]] = [
        [
            (f"{words.mark(move.kind)} {move.name}", _TONES[move.kind]),
            _what(move.kind, move.fields),
            _hosts_or_dash(move.gains, style),
            _hosts_or_dash(move.loses, style),
        ]
        for move in change.tasks
    ]
    return style.table(("TASK", "WHAT", "GAINS HOSTS", "LOSES HOSTS"), rows)


def _host_moves(change: FleetChange, style: Style) -> list[str]:
    rows: list[list[Cell]] = [
        [
            (f"{words.mark(move.kind)} {style.extent.hosts(hosts)}", _TONES[move.kind]),
            _what(move.kind, move.fields),
            _tasks_or_dash(move.gains, style),
            _tasks_or_dash(move.loses, style),
        ]
        for move, hosts in words.alike(change.hosts)
    ]
    return style.table(("HOSTS", "WHAT", "GAIN TASKS", "LOSE TASKS"), rows)


def _what(kind: Kind, fields: Sequence[str]) -> str:
    return _cut(", ".join(fields)) if fields else "-" if kind is Kind.SAME else kind.value


def _hosts_or_dash(names: Sequence[str], style: Style) -> str:
    return style.extent.hosts(names) if names else "-"


def _tasks_or_dash(names: Sequence[TaskName], style: Style) -> str:
    return style.extent.tasks(names) if names else "-"
