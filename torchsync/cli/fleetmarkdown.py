"""Who runs what in Markdown: for a page of a wiki, or a comment on a pull request. No clock is in it, so what did not change is the same text.

What differs comes first. GitHub takes 65,536 characters for a comment; what does not fit is left out by whole tables, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torchsync.cli import fleetwords as words
from torchsync.cli.fleetwords import By, Extent
from torchsync.cli.livewords import MOST_RUNS, host_rows, live_summary, run_rows
from torchsync.cli.markdown import cell, code, table, text
from torchsync.core.fleetchange import FleetChange, Kind
from torchsync.core.fleetdoc import Compared, FleetReport
from torchsync.core.fleetlive import LiveFleet
from torchsync.core.model import Task

MOST_BYTES = 60_000
_FOR_FOOT = 1_000
_NO_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines that are there together, or not at all. Of what may be left out, `what` it is, and the `options` that print it."""

    lines: tuple[str, ...]
    what: str = ""
    options: str = "--full"

    @property
    def size(self) -> int:
        """In bytes of UTF-8."""
        return sum(len(line.encode()) + 1 for line in self.lines)


def fleet_markdown(report: FleetReport, extent: Extent, by: By | None = None) -> str:
    """The sum of it, what differs, what is idle, what really runs, and the tables by task, by host and by owner, or the one that `by` names. At most
    `MOST_BYTES` of UTF-8, unless everything is to be named.
    """
    room = (_NO_LIMIT if extent.full else MOST_BYTES) - _FOR_FOOT
    kept: list[_Part] = []
    left_out: list[_Part] = []
    for part in _parts(report, extent, by):
        is_too_long = part.what and sum(one.size for one in kept) + part.size > room
        (left_out if is_too_long else kept).append(part)
    foot = [f"Left out, since it is too long: {part.what}; `{part.options}` prints it.\n" for part in left_out]
    return "\n".join([*(line for part in kept for line in part.lines), *foot]).rstrip("\n")


def _parts(report: FleetReport, extent: Extent, by: By | None) -> Iterator[_Part]:
    yield _Part(("## Who runs what", "", f"{text(words.summary(report))}.", "", *(f"> {text(notice)}\n" for notice in report.notices)))
    if report.compared:
        yield from _differences(report.compared, extent)
    yield _Part(tuple(_idle(report, extent)))
    if report.live:
        yield from _live(report.live, extent)
    for kind in [by] if by else _kinds(report):
        lines = (f"### By {kind.value}", "", *_TABLES[kind](report, extent))
        yield _Part(lines, f"the table by {kind.value}", f"--by {kind.value} --full")


def _kinds(report: FleetReport) -> list[By]:
    return [kind for kind in By if kind is not By.HOST or report.inventory.hosts]


# Tables


def _tasks(report: FleetReport, extent: Extent) -> Iterator[str]:
    last = "Hosts" if report.inventory.hosts else "Selectors"
    return table(
        ("Task", "Schedule", "Zone", "Owner", last, "Description"), [_task(report, task, extent) for task in report.shown.tasks.values()]
    )


def _task(report: FleetReport, task: Task, extent: Extent) -> list[str]:
    hosts = extent.hosts(report.shown.hosts_of[task.name], len(report.whole.hosts))
    return [
        cell(task.name),
        cell(words.schedule(task)) if task.enabled else f"{cell(words.schedule(task))} (disabled)",
        cell(words.zone(task)),
        cell(task.owner),
        cell(hosts if report.inventory.hosts else words.selectors(task)),
        text(task.description),
    ]


def _hosts(report: FleetReport, extent: Extent) -> Iterator[str]:
    rows = []
    for hosts, tasks in report.shown.cohorts():
        labels = words.common_labels(report.shown.hosts[host] for host in hosts)
        rows.append([cell(extent.hosts(hosts)), cell(labels), cell(extent.tasks(tasks))])
    return table(("Hosts", "Labels in common", "Tasks"), rows)


def _owners(report: FleetReport, extent: Extent) -> Iterator[str]:
    every = len(report.whole.hosts)
    rows = [[cell(own.owner), cell(extent.tasks(own.tasks)), cell(extent.hosts(own.hosts, every))] for own in words.owned(report.shown)]
    return table(("Owner", "Tasks", "Hosts"), rows)


_TABLES = {By.TASK: _tasks, By.HOST: _hosts, By.OWNER: _owners}


def _idle(report: FleetReport, extent: Extent) -> Iterator[str]:
    if report.idle_tasks and report.inventory.hosts:
        yield f"**Tasks for no host:** {cell(extent.tasks(report.idle_tasks))}\n"
    if report.idle_hosts:
        yield f"**Hosts with no task:** {cell(extent.hosts(report.idle_hosts))}\n"


# What differs


def _differences(compared: Compared, extent: Extent) -> Iterator[_Part]:
    base = code(compared.words) + (f" ({compared.revision[:12]})" if compared.revision else "")
    change = compared.change
    if not change.tasks and not change.hosts:
        yield _Part((f"Nothing differs from {base}.\n",))
        return
    yield _Part((f"### What differs from {base}", ""))
    if change.tasks:
        yield _Part(tuple(_task_moves(change, extent)), f"what differs of {words.count(len(change.tasks), 'task')}")
    if change.hosts:
        yield _Part(tuple(_host_moves(change, extent)), f"what differs of {words.count(len(change.hosts), 'host')}")


def _task_moves(change: FleetChange, extent: Extent) -> Iterator[str]:
    rows = [
        [cell(move.name), _what(move.kind, move.fields), _hosts_or_none(move.gains, extent), _hosts_or_none(move.loses, extent)]
        for move in change.tasks
    ]
    return table(("Task", "What", "Gains hosts", "Loses hosts"), rows)


def _host_moves(change: FleetChange, extent: Extent) -> Iterator[str]:
    rows = [
        [cell(extent.hosts(hosts)), _what(move.kind, move.fields), _tasks_or_none(move.gains, extent), _tasks_or_none(move.loses, extent)]
        for move, hosts in words.alike(change.hosts)
    ]
    return table(("Hosts", "What", "Gain tasks", "Lose tasks"), rows)


def _what(kind: Kind, fields: Sequence[str]) -> str:
    return cell(", ".join(fields)) if fields else "" if kind is Kind.SAME else kind.value


def _hosts_or_none(names: Sequence[str], extent: Extent) -> str:
    return cell(extent.hosts(names)) if names else ""


def _tasks_or_none(names: Sequence[str], extent: Extent) -> str:
    return cell(extent.tasks(names)) if names else ""


# What really runs


def _live(live: LiveFleet, extent: Extent) -> Iterator[_Part]:
    summary = f"### What really runs\n\n{text(live_summary(live))}, by {code(live.prometheus)}.\n"
    yield _Part((summary, *(f"> {text(warning)}\n" for warning in live.warnings)))
    hosts = [
        [cell(extent.hosts(row.hosts)), row.state, cell(row.commit), row.since, row.synced, cell(row.besides)]
        for row in host_rows(live, extent)
    ]
    yield _Part(tuple(table(("Hosts", "State", "Commit", "Since", "Synced", "Besides"), hosts)), "how the hosts fare")
    runs = [
        [cell(run.task), cell(run.host), run.since, run.last_run, run.last_success, run.state]
        for run in run_rows(live, all_of_them=extent.full)[: None if extent.full else MOST_RUNS]
    ]
    if runs:
        yield _Part(
            tuple(table(("Task", "Host", "There since", "Last run", "Last success", "State"), runs)), "the tasks that fail or are late"
        )
