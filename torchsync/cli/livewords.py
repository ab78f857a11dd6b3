"""What hosts really run, in the words of the tables: the same on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torchsync.cli.fleetwords import Extent, count
from torchsync.core.fleetlive import HostState, LiveFleet, LiveHost, LiveTask
from torchsync.core.instants import brief_duration
from torchsync.core.livequestions import REMEMBERED
from torchsync.core.model import Instant, Millis, TaskName

_NEVER = "never"
MOST_RUNS = 60
"""Rows of tasks on hosts where not everything is asked for."""


def live_summary(live: LiveFleet) -> str:
    """Who is asked, and how the hosts fare, in one line."""
    hosts = [host for host in live.hosts if host.is_known]
    counts = (
        (sum(host.is_silent for host in hosts), "silent"),
        (sum(host.is_stalled for host in hosts), "with a scheduler that does not turn"),
        (sum(host.drifts for host in hosts), f"on another commit than {live.head}"),
        (sum(bool(host.missing or host.extra) for host in hosts), "with other tasks than the repository says"),
        (sum(not host.is_known for host in live.hosts), "not in hosts.yaml"),
    )
    up = sum(not host.is_silent for host in hosts)
    return "; ".join([f"{up} of {count(len(hosts), 'host')} up", *(f"{number} {what}" for number, what in counts if number)])


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """Hosts that fare alike. `since` and `synced` are the longest ago among them, in words."""

    hosts: tuple[str, ...]
    state: str
    commit: str
    since: str
    synced: str
    besides: str
    is_bad: bool


def host_rows(live: LiveFleet, extent: Extent) -> Iterator[HostRow]:
    """Hosts that fare alike are one row; those with something to look at come first."""
    groups: dict[tuple[HostState, str, tuple[str, ...]], list[LiveHost]] = {}
    for host in live.hosts:
        groups.setdefault((host.state, host.running, tuple(_besides(host, extent))), []).append(host)
    for (state, commit, besides), hosts in sorted(groups.items(), key=lambda group: not (group[0][2] or group[0][0] is not HostState.UP)):
        silent = [_last_heard(hosts, live.asked_at)] if state is not HostState.UP else []
        yield HostRow(
            hosts=tuple(host.name for host in hosts),
            state=state.value,
            commit=commit or "-",
            since=_ago([host.running_since for host in hosts], live.asked_at) if commit else "-",
            synced=_ago([host.last_sync for host in hosts], live.asked_at) if commit else "-",
            besides="; ".join([*silent, *besides]) or "-",
            is_bad=bool(besides) or state is not HostState.UP,
        )


def _last_heard(hosts: Sequence[LiveHost], now: Instant) -> str:
    told = _ago([host.last_seen for host in hosts], now)
    return f"not heard for {REMEMBERED}" if told == _NEVER else f"last heard {told}"


def _besides(host: LiveHost, extent: Extent) -> Iterator[str]:
    """What is to be said of the host besides its state and its commit."""
    said = {
        "not in hosts.yaml": not host.is_known,
        "no commit in force": host.state is HostState.UP and not host.running,
        "its scheduler does not turn, or its clock is behind": host.is_stalled,
        "another commit": host.drifts,
        f"lacks {extent.tasks(host.missing)}": bool(host.missing),
        f"has besides {extent.tasks(host.extra)}": bool(host.extra),
        f"turned down {host.rejected}": bool(host.rejected),
        "syncs fail": host.sync_failures > 0,
        f"paused: {', '.join(host.paused)}": bool(host.paused),
        "pinned": host.is_pinned,
        "its state cannot be written": host.is_degraded,
        "its facts changed": host.has_other_facts,
    }
    yield from (words for words, is_so in said.items() if is_so)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A task on a host, with times in words."""

    task: TaskName
    host: str
    since: str
    last_run: str
    last_success: str
    state: str
    is_bad: bool


def run_rows(live: LiveFleet, *, all_of_them: bool) -> list[RunRow]:
    """The tasks that fail, or are late; with `all_of_them` the others as well. By task, then by host."""
    found = [(task, host) for host in live.hosts for task in host.tasks if all_of_them or _is_bad(task)]
    return [_run_row(task, host, live.asked_at) for task, host in sorted(found, key=lambda pair: (pair[0].name, pair[1].name))]


def no_bad_run(live: LiveFleet) -> str:
    """That no task fails or is late, as far as that can be known."""
    is_known = not any(host.is_silent for host in live.hosts if host.is_known)
    return (
        "No task fails, and none is late."
        if is_known
        else "On the hosts that are up no task fails, and none is late; of the others nothing is known."
    )


def _run_row(task: LiveTask, host: LiveHost, now: Instant) -> RunRow:
    return RunRow(
        task=task.name,
        host=host.name,
        since=_ago([task.since], now),
        last_run=_ago([task.last_run], now),
        last_success=_ago([task.last_success], now),
        state=", ".join(_states(task)) or "ok",
        is_bad=_is_bad(task),
    )


def _is_bad(task: LiveTask) -> bool:
    return task.failures > 0 or task.is_late


def _states(task: LiveTask) -> Iterator[str]:
    if task.failures:
        yield f"failed {count(task.failures, 'time')}"
    if task.is_late:
        yield "late"
    if task.is_paused:
        yield "paused"
    if task.running:
        yield "running"


def _ago(moments: Sequence[Instant | None], now: Instant) -> str:
    """How long ago the first of them was; where one is not known, that it was never."""
    known = [moment for moment in moments if moment is not None]
    return f"{brief_duration(Millis(max(0, now - min(known))))} ago" if known and len(known) == len(moments) else _NEVER
