"""`torchsync next`: when an expression, or a task of a repository, fires next."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from torchsync.cli.moment import moment_of
from torchsync.core.cron import (
    Schedule,
    ScheduleRefusal,
    Spread,
    StartupSchedule,
    check_zone,
    has_hash,
    instants,
    parse_schedule,
    zone_named,
)
from torchsync.core.instants import rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, Task
from torchsync.core.selector import selects
from torchsync.core.timetable import rhythm_of
from torchsync.errors import CommitInvalid, NotFound, Problem, UsageError

if TYPE_CHECKING:
    from torchsync.core.taskset import TaskSet

_INVALID = 65
_BY_HOST = "by host: give --host NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What is said about one expression or task. `delay` is what the jitter of the task comes to on the host; `note` says in words why there are
    no fires.
    """

    name: str
    fires: tuple[Instant, ...] = ()
    delay: Millis = Millis(0)
    note: str = "no fires to come"
    refusal: ScheduleRefusal | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", nargs="?", help="only this task of the repository")
    parser.add_argument("--path", default=".", help="the folder of the task repository (default: the current one)")
    parser.add_argument("--host", help="the name of the host to ask for; hosts.yaml says what is known of it")
    parser.add_argument("-n", dest="count", type=_count, default=5, metavar="N", help="how many fires (default: 5)")
    parser.add_argument(
        "--expr", action="append", metavar="SCHEDULE", help="a schedule instead of a repository; may be given several times"
    )
    parser.add_argument("--task-name", metavar="NAME", help="the name of the task that --expr is for: `H` goes by it and by --host")
    parser.add_argument("--timezone", default="UTC", metavar="ZONE", help="the zone of --expr (default: UTC)")
    parser.add_argument("--after", metavar="T", help="only fires later than this, such as 2026-03-29T00:00:00Z (default: now)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(args: argparse.Namespace) -> int:
    """0; 65 when a schedule or a task file is refused."""
    after = moment_of(args.after)
    answers = _of_expressions(args, after) if args.expr else _of_repository(args, after)
    if args.json:
        print(json.dumps(_document(answers, is_expression=bool(args.expr))))
    else:
        _print(answers)
    for answer in answers:
        if answer.refusal:
            print(f"{answer.name}: {answer.refusal.code} {_sentence(answer.refusal)}", file=sys.stderr)
    return _INVALID if any(answer.refusal for answer in answers) else 0


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100000")
    return int(text)


def _of_expressions(args: argparse.Namespace, after: Instant) -> list[_Answer]:
    zone_refusal = check_zone(args.timezone)
    spread = Spread(args.host.lower(), args.task_name) if args.host and args.task_name else None
    return [_of_expression(expr, spread, zone_refusal or args.timezone, after, args.count) for expr in args.expr]


def _of_expression(expr: str, spread: Spread | None, zone: str | ScheduleRefusal, after: Instant, count: int) -> _Answer:
    schedule = parse_schedule(expr, spread)
    if not isinstance(schedule, Schedule):
        return _Answer(name=expr, refusal=schedule)
    if spread is None and has_hash(expr):
        raise UsageError("TS357", f"--expr {expr!r}: `H` picks a value by host and task; give both --host and --task-name")
    if isinstance(zone, ScheduleRefusal):
        return _Answer(name=expr, refusal=zone)
    return _Answer(name=expr, fires=_fires(schedule, zone, after, count))


def _fires(schedule: Schedule, zone: str, after: Instant, count: int) -> tuple[Instant, ...]:
    return tuple(islice(instants(schedule, zone_named(zone), after), count))


def _of_repository(args: argparse.Namespace, after: Instant) -> list[_Answer]:
    found = _read(args.path)
    facts = found.inventory.named(args.host.lower()) if args.host else None
    tasks = [task for task in found.tasks if facts is None or selects(task.hosts, facts, found.inventory.groups)]
    if args.task is not None:
        tasks = [_named(args.task, tasks, found, args.host)]
    if facts is not None:
        for notice in found.inventory.notices(facts):
            print(f"notice: {notice}", file=sys.stderr)
    answers = [_of_task(task, facts, after, args.count) for task in tasks]
    if args.task is not None and answers[0].note == _BY_HOST:
        raise UsageError("TS357", f"when {args.task!r} fires goes {_BY_HOST}")
    return answers


def _read(path: str) -> TaskSet:
    from torchsync.cli.check import read_folder

    read = read_folder(path)
    if read.found is None:
        raise CommitInvalid(read.problems[0].code, "the repository is not valid", read.problems)
    return read.found


def _named(name: str, tasks: Sequence[Task], found: TaskSet, host: str | None) -> Task:
    task = next((task for task in tasks if task.name == name), None)
    if task is not None:
        return task
    names = [one.name for one in found.found]
    if name in names:
        message, hint = f"the task {name!r} is not for the host {host}", f"`torchsync plan --host {host}` shows what is"
    else:
        near = get_close_matches(name, names, n=1)
        message, hint = f"there is no task {name!r}", f"did you mean {near[0]!r}?" if near else "`torchsync next` shows all of them"
    raise NotFound("TS352", message, (Problem(code="TS352", message=message, hint=hint),))


def _of_task(task: Task, facts: HostFacts | None, after: Instant, count: int) -> _Answer:
    timing = task.timing
    if not isinstance(timing, CronTiming):
        return _Answer(name=task.name, note="a daemon, which is kept running")
    if not task.enabled:
        return _Answer(name=task.name, note="disabled")
    if isinstance(parse_schedule(timing.schedule), StartupSchedule):
        return _Answer(name=task.name, note="once at each start of the host")
    if facts is None and (timing.zone == "local" or timing.jitter or has_hash(timing.schedule)):
        return _Answer(name=task.name, note=_BY_HOST)
    rhythm = rhythm_of(task.name, timing, facts or HostFacts(name=""))
    return _Answer(name=task.name, fires=tuple(islice(rhythm.following(after), count)), delay=rhythm.delay)


def _document(answers: Sequence[_Answer], *, is_expression: bool) -> Json:
    if is_expression and len(answers) == 1:
        return _told(answers[0])
    key = "expr" if is_expression else "task"
    return {"results": [{key: answer.name, **_told(answer)} for answer in answers]}


def _told(answer: _Answer) -> dict[str, Json]:
    if answer.refusal:
        return {"problem": {"code": answer.refusal.code, "message": _sentence(answer.refusal), "column": answer.refusal.column}}
    if answer.note == _BY_HOST:
        return {"problem": {"code": "TS357", "message": _BY_HOST, "column": 1}}
    told: dict[str, Json] = {"fires": [rfc3339_short(fire) for fire in answer.fires]}
    return told | ({"due": [rfc3339_short(Instant(fire + answer.delay)) for fire in answer.fires]} if answer.delay else {})


def _print(answers: Sequence[_Answer]) -> None:
    for answer in answers:
        if answer.refusal:
            continue
        if len(answers) > 1:
            print(answer.name)
        for fire in answer.fires:
            due = f", due {rfc3339_short(Instant(fire + answer.delay))}" if answer.delay else ""
            print(f"{'  ' if len(answers) > 1 else ''}{rfc3339_short(fire)}{due}")
        if not answer.fires:
            print(f"{'  ' if len(answers) > 1 else ''}{answer.note}")


def _sentence(refusal: ScheduleRefusal) -> str:
    return f"{refusal.message} ({refusal.hint})" if refusal.hint else refusal.message
