"""How the running agent fares, judged from what it says of itself. Pure; the documents are those of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from torchsync.core.checkup import Finding, Stake, fine, note, problem, warning
from torchsync.core.instants import brief_duration, parse_rfc3339
from torchsync.core.model import Millis

Document = Mapping[str, Any]

MANY_FAILURES = 3


def version_findings(status: Document, installed: str) -> Iterator[Finding]:
    """Whether the agent that runs is the one that is installed."""
    if status["version"] == installed:
        yield fine(f"agent {installed} on {status['host']} answers, {status['executor']} executor")
    else:
        message = f"the agent that runs is {status['version']}, installed is {installed}"
        yield warning(message, "systemctl restart torchsync (runs go on)")


def config_findings(status: Document) -> Iterator[Finding]:
    """Whether the agent goes by the agent.yaml that is there."""
    if not status["config_reload_ok"]:
        yield problem(
            "the agent has refused agent.yaml as it is now, and goes by the last good one", "torchsync reload --wait says why", "TS380"
        )
    else:
        yield fine("the agent goes by agent.yaml as it last read it")


def pending_findings(status: Document, *, host: str, executor: str) -> Iterator[Finding]:
    """What agent.yaml says now that takes a restart: `host` is empty and `executor` is auto where it leaves them to the host."""
    changed = {"host.name": (host.lower(), status["host"]), "executor": (executor if executor != "auto" else "", status["executor"])}
    for setting, (wanted, running) in changed.items():
        if wanted and wanted != running:
            yield warning(
                f"{setting} is {wanted} by agent.yaml, and the agent started with {running}", "systemctl restart torchsync (runs go on)"
            )


def other_config_findings(words: Sequence[str], path: str) -> Iterator[Finding]:
    """`words` are what the agent was started with, as far as they are known. Without `--config` it reads the usual file, or the one that its
    environment names.
    """
    for word, following in pairwise((*words, "")):
        named = following if word == "--config" else word.removeprefix("--config=") if word.startswith("--config=") else ""
        if named and named != path:
            yield warning(f"the agent was started with --config {named}, and this is {path}", f"torchsync doctor --config {named}")


def health_findings(status: Document, alive: str, ready: str) -> Iterator[Finding]:
    """`alive` and `ready`: why /healthz and /readyz say no, empty when they say yes."""
    if alive:
        yield problem(f"the agent is not alive: {alive}", "systemctl restart torchsync (runs go on)", "TS380")
    if ready and not alive:
        yield problem(f"the agent is not ready: {ready}", "see the group remote, and `torchsync status`", "TS380")
    if not alive and not ready:
        yield fine("the agent is alive and ready")
    if status["state_degraded"]:
        yield problem(
            "the state cannot be written: runs go on, their history is kept elsewhere",
            "free space; see the group disk",
            "TS333",
            Stake.STATE,
        )
    for notice in status["notices"]:
        said = notice.get("message") or notice["title"]
        yield warning(f"the agent says: {said}", notice.get("hint") or f"torchsync explain {notice['code']}", notice["code"])


def hold_findings(status: Document) -> Iterator[Finding]:
    holds = status["holds"]
    for hold in holds:
        yield note(f"held by an operator: {hold.get('sentence') or hold['scope']}", _lifts(hold))
    if not holds:
        yield fine("no operator holds anything")


def _lifts(hold: Document) -> str:
    match hold["scope"]:
        case "pin" | "rollback":
            return "torchsync unpin"
        case "sync":
            return "torchsync resume --sync"
        case "task":
            return f"torchsync resume {hold['task']}"
        case _:
            return "torchsync resume --all"


def sync_findings(status: Document) -> Iterator[Finding]:
    """Whether the newest commit is in force, and when the remote was last heard of."""
    sync, now = status["sync"], parse_rfc3339(status["taken_at"])
    if sync["rejected"]:
        stake = Stake.POLICY if sync["last"] and sync["last"]["outcome"] == "refused" else Stake.COMMIT
        first = sync["problems"][0] if sync["problems"] else None
        why = f": {first.get('message') or first['title']}" if first else ""
        remedy = "torchsync status shows all of it; correct it in the repository"
        yield problem(f"the commit {sync['rejected'][:12]} is not accepted{why}", remedy, first["code"] if first else "", stake)
    if failures := sync["consecutive_failures"]:
        often = "the last sync of the agent failed" if failures == 1 else f"the last {failures} syncs of the agent failed"
        why = f"{often}: {sync['last']['sentence']}" if sync["last"] else often
        remedy = "see the group remote; where that is well, the sandbox of the unit is in the way: it has a /tmp of its own, and no devices"
        yield problem(why, remedy, "TS380", Stake.REMOTE) if failures >= MANY_FAILURES else warning(why, remedy, "TS380")
    if sync["last_success"] is None:
        yield note("no sync has succeeded yet", "torchsync sync --wait")
    elif not sync["rejected"]:
        age = brief_duration(Millis(max(0, now - parse_rfc3339(sync["last_success"]))))
        yield fine(f"the last sync that succeeded ended {age} ago, every {sync['interval_seconds']:g} s there is one")


def loss_findings(tasks: Sequence[Document]) -> Iterator[Finding]:
    """Runs of which nobody knows how they ended."""
    lost = {task["name"]: task["runs"].get("lost", 0) for task in tasks}
    names = [name for name, number in sorted(lost.items(), key=lambda pair: -pair[1]) if number]
    if names:
        message = f"runs were lost, by a reboot or by being killed with all of their records: {', '.join(names[:5])}"
        yield note(message + (f" and {len(names) - 5} more" if len(names) > 5 else ""), "torchsync history --failed")
    late = [task["name"] for task in tasks if task["late_since"]]
    if late:
        yield warning(f"tasks are late: {', '.join(late[:5])}", f"torchsync why {late[0]}")
    if not names and not late:
        yield fine("no run was lost, and no task is late")
