"""`torchsync next`: when an expression, or a task of a repository, fires next."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from torchsync.core.cron import Schedule, ScheduleRefusal, Spread, check_zone, has_hash, instants, parse_schedule, zone_named
from torchsync.core.instants import parse_rfc3339, rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import CronTiming, Instant, Task
from torchsync.errors import CommitInvalid, NotFound, UsageError

_INVALID = 65


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is said about one expression or task."""

    name: str
    fires: tuple[Instant, ...] = ()
    refusal: ScheduleRefusal | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", nargs="?", help="only this task of the repository")
    parser.add_argument("--path", default=".", help="the folder of the task repository (default: the current one)")
    parser.add_argument("--host", help="the name of the host to ask for")
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
    after = _after(args.after)
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


def _after(text: str | None) -> Instant:
    if text is None:
        return Instant(time.time_ns() // 1_000_000)
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise UsageError("TS357", f"--after: {error}") from error


def _of_expressions(args: argparse.Namespace, after: Instant) -> list[_Answer]:
    zone_refusal = check_zone(args.timezone)
    spread = Spread(args.host.lower(), args.task_name) if args.host and args.task_name else None
    return [_of_expression(expr, spread, zone_refusal or args.timezone, after, args.count) for expr in args.expr]


def _of_expression(expr: str, spread: Spread | None, zone: str | ScheduleRefusal, after: Instant, count: int) -> _Answer:
    schedule = parse_schedule(expr, spread)
    if not isinstance(schedule, Schedule):
        return _Answer(expr, refusal=schedule)
    if spread is None and has_hash(expr):
        raise UsageError("TS357", f"--expr {expr!r}: `H` picks a value by host and task; give both --host and --task-name")
    if isinstance(zone, ScheduleRefusal):
        return _Answer(expr, refusal=zone)
    return _Answer(expr, _fires(schedule, zone, after, count))


def _fires(schedule: Schedule, zone: str, after: Instant, count: int) -> tuple[Instant, ...]:
    return tuple(islice(instants(schedule, zone_named(zone), after), count))


def _of_repository(args: argparse.Namespace, after: Instant) -> list[_Answer]:
    tasks = _tasks(args.path, args.host)
    if args.task is not None:
        tasks = [task for task in tasks if task.name == args.task]
        if not tasks:
            raise NotFound("TS352", f"no task {args.task!r} in {args.path}{f' for the host {args.host}' if args.host else ''}")
    return [_of_task(task, after, args.count) for task in tasks]


def _of_task(task: Task, after: Instant, count: int) -> _Answer:
    if not isinstance(task.timing, CronTiming) or not task.enabled:
        return _Answer(task.name)
    schedule = parse_schedule(task.timing.schedule)
    if not isinstance(schedule, Schedule):
        return _Answer(task.name, refusal=schedule)
    return _Answer(task.name, _fires(schedule, _zone_of(task.timing), after, count))


def _zone_of(timing: CronTiming) -> str:
    if timing.zone != "local":
        return timing.zone
    from torchsync.adapters.hostfacts import local_zone

    return local_zone()


def _tasks(path: str, host: str | None) -> list[Task]:
    from torchsync.cli.check import read_folder
    from torchsync.core.model import HostFacts
    from torchsync.core.selector import selects

    read = read_folder(path)
    if read.problems:
        raise CommitInvalid(read.problems[0].code, "the repository is not valid", read.problems)
    tasks = sorted(read.tasks, key=lambda task: task.name)
    return [task for task in tasks if host is None or selects(task.hosts, HostFacts(name=host.lower()))]


def _document(answers: Sequence[_Answer], *, is_expression: bool) -> Json:
    if is_expression and len(answers) == 1:
        return _told(answers[0])
    key = "expr" if is_expression else "task"
    return {"results": [{key: answer.name, **_told(answer)} for answer in answers]}


def _told(answer: _Answer) -> dict[str, Json]:
    if answer.refusal:
        return {"problem": {"code": answer.refusal.code, "message": _sentence(answer.refusal), "column": answer.refusal.column}}
    return {"fires": [rfc3339_short(fire) for fire in answer.fires]}


def _print(answers: Sequence[_Answer]) -> None:
    for answer in answers:
        if answer.refusal:
            continue
        if len(answers) > 1:
            print(answer.name)
        for fire in answer.fires:
            print(f"{'  ' if len(answers) > 1 else ''}{rfc3339_short(fire)}")
        if not answer.fires:
            print(f"{'  ' if len(answers) > 1 else ''}no fires to come")


def _sentence(refusal: ScheduleRefusal) -> str:
    return f"{refusal.message} ({refusal.hint})" if refusal.hint else refusal.message
