"""`torchsync import`: the jobs of another scheduler as task files, and a report on what became of each.

A source system is one module of `SOURCES`: where its files lie (`WANTED`), options of its own (`add_arguments`), and what reads them (`read`). The
rest is the same for all of them.
"""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from torchsync.adapters.sourcefiles import SourceWords, Wanted, gather
from torchsync.cli.moment import moment_of
from torchsync.cli.terminal import printable
from torchsync.core.foreign.check import comparisons
from torchsync.core.foreign.job import IN_THE_WAY, NOT_THERE, NOT_VALID, NOTHING, Origin, Reading, Remark, RemarkKind, SourceHost
from torchsync.core.foreign.merge import ImportedTask, merged
from torchsync.core.foreign.report import ImportReport, Told, report_document, report_lines, sorted_problems
from torchsync.core.foreign.text import hosts_text, task_files_text
from torchsync.core.localtime import check_zone
from torchsync.core.model import Instant
from torchsync.errors import CommitInvalid, NotFound, Problem, UsageError

SOURCES: Mapping[str, str] = MappingProxyType(
    {"crontab": "torchsync.cli.importcrontab", "gotorch": "torchsync.cli.importgotorch", "systemd": "torchsync.cli.importsystemd"}
)
"""The source systems, and the modules that read them."""


class Source(Protocol):
    """What a module of `SOURCES` holds."""

    WANTED: tuple[str, ...]
    add_arguments: Callable[[ArgumentParser], None]
    read: Callable[[Sequence[SourceHost], Namespace, Instant], Reading]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", choices=tuple(SOURCES), metavar="SOURCE", help=f"the other scheduler: {', '.join(SOURCES)}")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a file, `-` for standard input, a folder that was copied from the root of a host, or a folder of such folders named for their "
        "hosts; `HOST=FILE` says of which host it is; may be given several times",
    )
    parser.add_argument(
        "--host", default="", metavar="NAME", help="the host of files that name none; without it, their tasks are for every host"
    )
    parser.add_argument(
        "--timezone",
        action="append",
        default=[],
        metavar="[HOST=]ZONE",
        help="the zone of the hosts, or of one of them (default: by etc/timezone and etc/localtime of its folder)",
    )
    parser.add_argument("--after", metavar="T", help="compare instants later than this, such as 2026-03-29T00:00:00Z (default: now)")
    parser.add_argument("--into", metavar="DIR", help="write DIR/tasks/SOURCE.yaml and DIR/hosts.yaml instead of printing the task file")
    parser.add_argument("--report", metavar="FILE", help="write the report there instead of on standard error")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how the report is told (default: text)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--strict", action="store_true", help="fail (65) as well when something was lost, or an instant differs")
    for source in SOURCES:
        _module(source).add_arguments(parser)


def execute(args: Namespace) -> int:
    """0: every job became a task; 65: not every one did, and the rest is written all the same; 66: a file is not there."""
    after = moment_of(args.after)
    source = _module(args.source)
    zones = _zones(args.timezone)
    hosts, missing = gather(SourceWords(words=tuple(args.files), wanted=Wanted(paths=source.WANTED), host=args.host.lower(), zones=zones))
    reading = source.read(hosts, args, after)
    known = {host.name: host.zone for host in hosts} | dict(reading.zones)
    tasks, refused = _valid(merged(reading.jobs, known))
    report = ImportReport(
        source=args.source,
        told=tuple(Told(task=task, comparisons=comparisons(task, after)) for task in tasks),
        remarks=(*reading.remarks, *_host_remarks(hosts, reading)),
        problems=sorted_problems([*missing, *reading.problems, *refused, *_nothing(hosts, reading, missing)]),
    )
    inventory = {name: zone for name, zone in known.items() if name in report.hosts}
    try:
        _write(args, tasks, inventory)
        _tell(args, report)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError("TS357", f"{error.filename}: {error.strerror}") from error
    return _status(report, is_strict=args.strict)


def _module(source: str) -> Source:
    return cast("Source", import_module(SOURCES[source]))


def _zones(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """By host; the empty name stands for all of them."""
    found = []
    for word in words:
        host, _, zone = word.rpartition("=")
        refusal = check_zone(zone)
        if refusal:
            raise UsageError("TS357", f"--timezone {word}: {refusal.message} ({refusal.hint})")
        found.append((host.lower(), zone))
    return tuple(found)


def _valid(tasks: Sequence[ImportedTask]) -> tuple[tuple[ImportedTask, ...], tuple[Problem, ...]]:
    """The tasks that a task file may hold as they are, and why the others may not (TS174).

    What is wrong with a character hides what else is wrong with the file, so the rest is read again until nothing is.
    """
    left, problems = tuple(tasks), list[Problem]()
    while told := _faults(left):
        problems += [_refused(task, told[task.name]) for task in left if task.name in told]
        left = tuple(task for task in left if task.name not in told)
    return left, tuple(problems)


def _faults(tasks: Sequence[ImportedTask]) -> dict[str, list[str]]:
    """What the reader of task files says of each task that it does not take, by name."""
    from torchsync.adapters.schemas import repository_formats
    from torchsync.core.taskfile import CommonRules

    reader, told = repository_formats().tasks, dict[str, list[str]]()
    names = iter(task.name for task in tasks)
    for text in task_files_text(tasks, ()):
        problems = reader.read("tasks/import.yaml", text.encode("utf-8", "replace"), CommonRules())[1]
        owners = _owners(text, names)
        for problem in problems:
            told.setdefault(problem.task or owners[problem.line - 1], []).append(f"{problem.code} {problem.message}")
    return told


def _owners(text: str, names: Iterator[str]) -> list[str]:
    """The task that each line of the file belongs to; the first one for what stands above."""
    owners, name = [], ""
    for line in text.split("\n"):
        if re.match(r"  \S.*:$", line):
            name = next(names)
        owners.append(name)
    return [owner or owners[-1] for owner in owners]


def _refused(task: ImportedTask, reasons: Sequence[str]) -> Problem:
    origin = task.jobs[0].origin
    return Problem(
        code=NOT_VALID,
        message=f"the task {task.name} that it would become is not valid: {'; '.join(dict.fromkeys(reasons))}",
        path=origin.path,
        line=origin.line,
        hint="change the job there so that this holds, and import it again, or write the task by hand",
    )


def _host_remarks(hosts: Sequence[SourceHost], reading: Reading) -> list[tuple[Origin, Remark]]:
    found = []
    for host in hosts:
        jobs = [job for job in reading.jobs if job.origin.host == host.name]
        if not jobs:
            continue
        if not host.name and any("hosts" not in job.fields for job in jobs):
            message = "no host is named, so these tasks are for every host"
            found.append((Origin(path=jobs[0].origin.path), Remark(RemarkKind.CHANGED, message, "give HOST=FILE, or --host NAME")))
        if not (host.zone or reading.zones.get(host.name)) and any(not job.zone and job.clock for job in jobs):
            message = "the zone of the host is not known, so its tasks have `timezone: local`, and instants are compared in UTC"
            found.append(
                (Origin(host=host.name, path=jobs[0].origin.path), Remark(RemarkKind.CHANGED, message, "give --timezone HOST=ZONE"))
            )
    return found


def _nothing(hosts: Sequence[SourceHost], reading: Reading, missing: Sequence[Problem]) -> list[Problem]:
    if reading.jobs or reading.problems or missing:
        return []
    paths = [file.path for host in hosts for file in host.files]
    message = f"no job in {_few(paths)}" if paths else "no file of this scheduler was found"
    return [Problem(code=NOTHING, message=message, hint="name the files, or a folder copied from the root of a host")]


def _few(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _heading(source: str) -> list[str]:
    return [
        f"Made by `torchsync import {source}`. Comments say where a task comes from, and what changed or was lost on the way:",
        "look at those, then take them out.",
    ]


def _write(args: Namespace, tasks: Sequence[ImportedTask], zones: Mapping[str, str]) -> None:
    texts = task_files_text(tasks, _heading(args.source))
    if args.into:
        _write_folder(Path(args.into), args.source, texts, zones)
    elif len(texts) > 1:
        raise UsageError("TS357", f"{len(tasks)} tasks are too many for one task file; give --into DIR, which writes {len(texts)} of them")
    else:
        sys.stdout.write("".join(texts))


def _write_folder(folder: Path, source: str, texts: Sequence[str], zones: Mapping[str, str]) -> None:
    """The files are there whole; none that was there before is touched. Raises UsageError (TS175) when one is in the way."""
    numbered = {folder / "tasks" / f"{source}{f'-{number}' if number > 1 else ''}.yaml": text for number, text in enumerate(texts, 1)}
    if zones and not (folder / "hosts.yaml").exists():
        numbered[folder / "hosts.yaml"] = hosts_text(zones, [f"Made by `torchsync import {source}`."])
    elif zones:
        print(f"notice: {folder / 'hosts.yaml'} is there already; add what it lacks of {', '.join(sorted(zones))}", file=sys.stderr)
    in_the_way = [path for path in numbered if path.exists()]
    if in_the_way:
        raise UsageError(IN_THE_WAY, f"{', '.join(map(str, in_the_way))}: there already")
    for path, text in numbered.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _tell(args: Namespace, report: ImportReport) -> None:
    from torchsync.cli.report import print_problems, problems_document

    if args.format == "json":
        text = json.dumps(report_document(report, problems_document(report.problems)), indent=2)
    else:
        text = "\n".join(printable(line) for line in report_lines(report))
    if args.report:
        Path(args.report).write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")
    else:
        print(text, file=sys.stderr)
    if args.report or args.format == "text":
        print_problems(report.problems, sys.stderr)


def _status(report: ImportReport, *, is_strict: bool) -> int:
    codes = {problem.code for problem in report.problems}
    if NOT_THERE in codes or (codes == {NOTHING} and not report.jobs):
        return NotFound.exit_status
    if report.problems or (is_strict and not all(one.is_the_same for one in report.told)):
        return CommitInvalid.exit_status
    return 0
