"""What the agent believes of an answer of the sync process, beyond its form. Pure.

The sync process reads what anybody who can push has written; should that ever get the better of it, its answer is the only thing that reaches
the agent. So whatever could make the agent fail later, at a tick or while a run starts, is refused here, with the bounds that hold for task files
anyway. What tasks may do on a host is not decided here: that is the policy of the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchsync.core.durations import LONGEST
from torchsync.core.jsontext import Json
from torchsync.core.localtime import check_zone
from torchsync.core.model import CronTiming, DaemonTiming, HostFacts, ProgramCommand, Retry, ShellCommand, Task
from torchsync.core.syncdoc import SyncAnswer, SyncRequest, Verdict
from torchsync.core.timetable import check_timing

MOST_PARTS = 4_000_000
"""A host with 20,000 tasks takes a third of it."""

_MOST_COUNTED = 1_000_000
_SIGNALS = frozenset({"ABRT", "ALRM", "HUP", "INT", "KILL", "PIPE", "PWR", "QUIT", "TERM", "USR1", "USR2", "WINCH"})
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNUSUAL_TEXT = re.compile(rb"\\u(0000|d[89a-f])", re.IGNORECASE)


def check_size(text: bytes) -> None:
    """Raises ValueError for an answer of so many lists, objects and values that reading it would take gigabytes."""
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MOST_PARTS:
        raise ValueError(f"the answer has more than {MOST_PARTS:,} parts")


def check_texts(text: bytes, document: Json) -> None:
    """Raises ValueError when a text in the document, which was read from `text`, holds NUL or half a character: the system takes neither."""
    if text.isascii() and not _UNUSUAL_TEXT.search(text):
        return
    for found in _texts(document):
        if "\0" in found or any("\ud800" <= character <= "\udfff" for character in found):
            raise ValueError(f"the answer has a text that is none: {found[:50]!r}")


def check_answer(request: SyncRequest, answer: SyncAnswer) -> None:
    """Raises ValueError with a sentence when the answer cannot be one to the request, or no agent could follow it."""
    if not _is_about(request, answer):
        raise ValueError(f"the answer is about {answer.revision[:12]}")
    if not set(answer.kept) <= set(request.known):
        raise ValueError("the answer keeps a task that is not in force")
    if (answer.verdict is Verdict.ACCEPTED) == bool(answer.problems):
        raise ValueError(f"the verdict is {answer.verdict.value} with {len(answer.problems)} problems")
    if answer.facts is not None:
        _check_facts(request.facts, answer.facts)
    _check_counts(answer)
    for task in answer.tasks:
        check_task(task)


def check_task(task: Task) -> None:
    """Raises ValueError with a sentence for a task that no task file can hold and that the agent could not follow."""
    for what, value, least, most in _amounts(task):
        if not least <= value <= most:
            raise ValueError(f"the task {task.name} has {value} for {what}")
    if task.stop_signal not in _SIGNALS:
        raise ValueError(f"the task {task.name} stops by {task.stop_signal[:20]!r}")
    if not all(_ENV_NAME.fullmatch(name) for name in task.env):
        raise ValueError(f"the task {task.name} has a variable whose name is none")
    _check_command(task)
    if isinstance(task.timing, CronTiming):
        _check_zone(task.timing.zone)
    check_timing(task)


def _is_about(request: SyncRequest, answer: SyncAnswer) -> bool:
    """A pinned revision may be known by its first digits, and turn out not to be there."""
    is_wanted = answer.revision.startswith(request.pin or request.revision)
    return is_wanted or (answer.verdict is not Verdict.ACCEPTED and answer.revision == request.revision)


def _check_facts(asked: HostFacts, told: HostFacts) -> None:
    if (told.name, told.addresses) != (asked.name, asked.addresses):
        raise ValueError(f"the answer is for the host {told.name[:100]!r}")
    if told.zone != asked.zone:
        _check_zone(told.zone)


def _check_zone(zone: str) -> None:
    if zone != "local" and (refusal := check_zone(zone)):
        raise ValueError(refusal.message)


def _check_command(task: Task) -> None:
    match task.command:
        case ShellCommand(shell=shell) if not shell.startswith("/"):
            raise ValueError(f"the task {task.name} has the shell {shell[:100]!r}")
        case ProgramCommand(argv=argv) if not argv or not argv[0]:
            raise ValueError(f"the task {task.name} has no program")
        case _:
            return


def _check_counts(answer: SyncAnswer) -> None:
    guards = answer.guards
    counted = [answer.not_selected, answer.git_timeouts, *answer.recoveries.values(), guards.min_tasks]
    if not all(0 <= number <= _MOST_COUNTED for number in counted):
        raise ValueError("the answer counts what cannot be counted")
    if not (0 <= guards.max_removed_percent <= 100 and 0 <= guards.min_interval <= LONGEST):
        raise ValueError("the answer has guards that cannot be")
    if not all(1 <= places <= 10_000 for places in answer.pools.values()):
        raise ValueError("the answer has a pool whose size cannot be")
    if not all(0 <= seconds <= _MOST_COUNTED for seconds in answer.durations.values()):
        raise ValueError("the answer took a time that cannot be")


def _amounts(task: Task) -> Iterator[tuple[str, float, float, float]]:
    """What, how much, and between what it must be."""
    yield "max_running", task.max_running, int(task.is_daemon), 1000
    yield "stop_grace", task.stop_grace, 0, LONGEST
    yield "output.max_size", task.output_max, 0, 1 << 40
    yield from (("success_exit_codes", code, 0, 255) for code in task.success_exit_codes)
    match task.timing:
        case CronTiming(jitter=jitter, starting_deadline=deadline, timeout=timeout, retry=retry) as cron:
            yield from (("queue_limit", cron.queue_limit, 1, 1000), ("misfire_limit", cron.misfire_limit, 1, 1000))
            yield from (("jitter", jitter, 0, LONGEST), ("starting_deadline", deadline, 1, LONGEST), ("timeout", timeout, 0, LONGEST))
            yield from _retry_amounts(retry) if retry else ()
        case DaemonTiming(delay=delay, backoff=backoff, max_delay=most, reset_after=reset):
            yield from (("restart.delay", delay, 100, LONGEST), ("restart.max_delay", most, 100, LONGEST))
            yield from (("restart.reset_after", reset, 0, LONGEST), ("restart.backoff", backoff, 1, 100))


def _retry_amounts(retry: Retry) -> Iterator[tuple[str, float, float, float]]:
    yield from (("retry.attempts", retry.attempts, 1, 100), ("retry.backoff", retry.backoff, 1, 100))
    yield from (("retry.delay", retry.delay, 100, LONGEST), ("retry.max_delay", retry.max_delay, 100, LONGEST))


def _texts(document: Json) -> Iterator[str]:
    waiting: list[Json] = [document]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting += items
            case dict() as members:
                waiting += members.keys()
                waiting += members.values()
            case _:
                continue
