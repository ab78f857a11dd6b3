"""Who runs what in Markdown: for a page of a wiki, or a comment on a pull request. No clock is in it, so what did not change is the same text.

What differs comes first. GitHub takes 65,536 characters for a comment; what does not fit is left out by whole tables, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torchsync.cli import fleetwords as words
from torchsync.cli.fleetwords import By, Extent
from torchsync.cli.livewords import MOST_RUNS, host_rows, live_summary, run_rows
from torchsync.cli.markdown import cell, code, table, text
from torchsync.core.fleetchange import FleetChange, Kind
from torchsync.core.fleetdoc import Compared, FleetReport
from torchsync.core.fleetlive import LiveFleet
from torchsync.core.model import Task

MOST_BYTES = 60_000
_FOR_FOOT = 500
_NO_LIMIT = 1 << 40


def fleet_markdown(report: FleetReport, extent: Extent, by: By | None = None) -> str:
    """The sum of it, what differs, what is idle, and the tables by task, by host and by owner, or the one that `by` names. At most `MOST_BYTES`
    of UTF-8, unless everything is to be named.
    """
    parts = ["\n".join(_head(report, extent))]
    room = MOST_BYTES if not extent.full else _NO_LIMIT
    left_out = []
    for kind in [by] if by else _kinds(report):
        part = "\n".join([f"### By {kind.value}", "", *_TABLES[kind](report, extent)])
        if sum(map(_size, parts)) + _size(part) > room - _FOR_FOOT:
            left_out.append(kind)
        else:
            parts.append(part)
    foot = [f"Left out, since it is too long: the table by {kind.value}; `--by {kind.value} --full` prints it.\n" for kind in left_out]
    return "\n".join([*parts, *foot]).rstrip("\n")


def _kinds(report: FleetReport) -> list[By]:
    return [kind for kind in By if kind is not By.HOST or report.inventory.hosts]


def _size(part: str) -> int:
    return len(part.encode())


def _head(report: FleetReport, extent: Extent) -> Iterator[str]:
    yield "## Who runs what"
    yield ""
    yield f"{text(words.summary(report))}."
    yield ""
    yield from (f"> {text(notice)}\n" for notice in report.notices)
    if report.compared:
        yield from _differences(report.compared, extent)
    yield from _idle(report, extent)
    if report.live:
        yield from _live(report.live, extent)


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


def _differences(compared: Compared, extent: Extent) -> Iterator[str]:
    base = code(compared.words) + (f" ({compared.revision[:12]})" if compared.revision else "")
    if not compared.change.tasks and not compared.change.hosts:
        yield f"Nothing differs from {base}.\n"
        return
    yield f"### What differs from {base}"
    yield ""
    yield from _moves(compared.change, extent)


def _moves(change: FleetChange, extent: Extent) -> Iterator[str]:
    if change.tasks:
        rows = [
            [cell(move.name), _what(move.kind, move.fields), _hosts_or_none(move.gains, extent), _hosts_or_none(move.loses, extent)]
            for move in change.tasks
        ]
        yield from table(("Task", "What", "Gains hosts", "Loses hosts"), rows)
    if change.hosts:
        rows = [
            [
                cell(extent.hosts(hosts)),
                _what(move.kind, move.fields),
                _tasks_or_none(move.gains, extent),
                _tasks_or_none(move.loses, extent),
            ]
            for move, hosts in words.alike(change.hosts)
        ]
        yield from table(("Hosts", "What", "Gain tasks", "Lose tasks"), rows)


def _what(kind: Kind, fields: Sequence[str]) -> str:
    return cell(", ".join(fields)) if fields else "" if kind is Kind.SAME else kind.value


def _hosts_or_none(names: Sequence[str], extent: Extent) -> str:
    return cell(extent.hosts(names)) if names else ""


def _tasks_or_none(names: Sequence[str], extent: Extent) -> str:
    return cell(extent.tasks(names)) if names else ""


# What really runs


def _live(live: LiveFleet, extent: Extent) -> Iterator[str]:
    yield f"### What really runs\n\n{text(live_summary(live))}, by {code(live.prometheus)}.\n"
    yield from (f"> {text(warning)}\n" for warning in live.warnings)
    hosts = [
        [cell(extent.hosts(row.hosts)), row.state, cell(row.commit), row.since, row.synced, cell(row.besides)]
        for row in host_rows(live, extent)
    ]
    yield from table(("Hosts", "State", "Commit", "Since", "Synced", "Besides"), hosts)
    runs = [
        [cell(run.task), cell(run.host), run.since, run.last_run, run.last_success, run.state]
        for run in run_rows(live, all_of_them=extent.full)[: None if extent.full else MOST_RUNS]
    ]
    if runs:
        yield from table(("Task", "Host", "There since", "Last run", "Last success", "State"), runs)
