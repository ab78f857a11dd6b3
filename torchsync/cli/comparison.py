"""`torchsync history --shadow --compare FILE...`: what a shadow would have started, held against what cron did by the system log."""

from __future__ import annotations

import gzip
import json
import lzma
import sys
import time
import zlib
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from torchsync.adapters.hostfacts import local_zone
from torchsync.cli.client import ControlClient, Place
from torchsync.cli.terminal import Cell, Tone, clock, is_coloured, paint, printable, table
from torchsync.core.foreign.comparedreason import Reasons
from torchsync.core.foreign.comparison import compare
from torchsync.core.foreign.comparisondoc import comparison_document, record_of
from torchsync.core.foreign.syslog import LogSource, SystemLog, merged, read_log, span
from torchsync.core.instants import parse_rfc3339, rfc3339
from torchsync.core.localtime import check_zone, zone_named
from torchsync.core.model import Instant
from torchsync.errors import NotFound, Problem, Unavailable, UsageError

Document = dict[str, Any]

DIFFERS = 10
_PAGE = 10_000
_BEFORE = 60_000
_AFTER = 24 * 3600 * 1000
"""An instant is decided later than it is, by its jitter or when the shadow was down."""


def run_comparison(args: Namespace, place: Place, page: Callable[[dict[str, str]], Document]) -> int:
    """What the two agree and differ about is on stdout; 0 when they agree, 10 when they differ.

    Raises NotFound for a file that is not there, and when there is nothing to compare (TS373).
    """
    same = _same(args.same)
    zone = _zone(args.timezone or local_zone())
    host, tasks, now = _shadow(args, place)
    names = args.compare
    log = merged([read_log(name, content, LogSource(host=host, zone=zone, until=until)) for name, content, until in _contents(names)])
    times = span(log)
    if times is None or not log.starts:
        raise _nothing(names, host, log)
    entries = _entries(page, args.task, Instant(times[0] - _BEFORE), Instant(times[1] + _AFTER))
    record = record_of([task for task in tasks if args.task in ("", task["name"])], entries, now)
    for name in (*same, *([args.task] if args.task else [])):
        if name not in {task.name for task in record.tasks}:
            raise NotFound("TS352", f"the shadow knows no task {name!r}")
    compared = compare(record, log, same)
    if isinstance(compared, str):
        raise NotFound("TS373", f"there is nothing to compare: {compared}")
    if args.task:
        compared = compared.without_uncovered()
    document = comparison_document(host, compared, log, Reasons(record, log, zone))
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(comparison_lines(document, coloured=is_coloured())))
    return 0 if compared.agrees else DIFFERS


def comparison_lines(document: Document, *, coloured: bool) -> list[str]:
    """The comparison for people."""
    rows = [_row(task) for task in document["tasks"]]
    log = document["log"]
    passed_over = ", ".join(f"{count} of {host}" for host, count in sorted(log["other_hosts"].items()))
    lines = [
        f"{document['host']} from {clock(document['since'])} to {clock(document['until'])}, {log['starts']} starts in the log",
        *([f"passed over: {passed_over}"] if passed_over else []),
        *([f"lines that are no messages: {log['unread_lines']}"] if log["unread_lines"] else []),
        *([f"starts from before the shadow knew their task: {document['early']}"] if document["early"] else []),
        *(f"not compared: {name}, which has no instants, {count} starts" for name, count in document["not_compared"].items()),
        "",
    ]
    lines += table(_HEAD, rows, coloured=coloured) if rows else ["the shadow has no task to compare"]
    for task in document["tasks"]:
        lines += _differences(task, coloured=coloured)
    if document["uncovered"]:
        lines += ["", paint("cron starts what no task covers", Tone.BAD, coloured=coloured)]
        lines += [line for one in document["uncovered"] for line in _uncovered(one)]
    verdict = ("they agree", Tone.GOOD) if document["agrees"] else ("they differ", Tone.BAD)
    return [printable(line) if "\x1b" not in line else line for line in lines] + ["", paint(*verdict, coloured=coloured)]


_HEAD = ("TASK", "USER", "SCHEDULE", "BOTH", "ONLY CRON", "ONLY SHADOW")


def _row(task: Document) -> list[Cell]:
    only_log, only_shadow = task["only_log"]["count"], task["only_shadow"]["count"]
    return [
        task["name"],
        task["user"] or "-",
        f"{task['schedule']} {task['timezone']}".strip() or "-",
        str(task["matched"]),
        (str(only_log), Tone.BAD if only_log else Tone.PLAIN),
        (str(only_shadow), Tone.BAD if only_shadow else Tone.PLAIN),
    ]


def _differences(task: Document, *, coloured: bool) -> Iterator[str]:
    sides = (("only_log", "cron started, torchsync would not have"), ("only_shadow", "torchsync would have started, cron did not"))
    for side, head in sides:
        told = task[side]
        if not told["count"]:
            continue
        yield ""
        yield paint(printable(f"{task['name']}: {head}, {told['count']} time(s)"), Tone.HEAD, coloured=coloured)
        for sentence, alike in groupby(told["first"], key=lambda one: one["sentence"]):
            yield printable(f"  {sentence}")
            yield from (printable(f"    {clock(one['at'])}  {one['place']}".rstrip()) for one in alike)
        if told["count"] > len(told["first"]):
            yield f"    and {told['count'] - len(told['first'])} more"


def _uncovered(one: Document) -> Iterator[str]:
    times = f"{one['count']} time(s) from {clock(one['first'])} to {clock(one['last'])}"
    yield printable(f"  ({one['user']}) {one['command']}: {times}, first in {one['place']}")
    if one["hint"]:
        yield printable(f"    {one['hint']}")


def _same(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        task, equals, command = word.partition("=")
        if not (task and equals and command):
            raise UsageError("TS357", f"--same {word!r} is not of the form TASK=COMMAND")
        found[task] = command
    return found


def _zone(name: str) -> Any:
    try:
        return zone_named(name)
    except ZoneInfoNotFoundError as error:
        refusal = check_zone(name)
        raise UsageError("TS357", f"--timezone {name!r} is no time zone; {refusal.hint if refusal else 'write UTC'}") from error


def _shadow(args: Namespace, place: Place) -> tuple[str, list[Document], Instant | None]:
    """The host, its tasks and until when they are known: by the shadow, or without one by the host itself, which knows neither."""
    client = ControlClient(place.socket)
    try:
        status, tasks = client.get("/api/v1/status"), client.get("/api/v1/tasks")["tasks"]
    except Unavailable:
        if place.state is None:
            raise
        from torchsync.cli.facts import configured_facts, usual_config

        config = usual_config(args)
        assert config is not None, "it told the state directory"
        print("no shadow answers: tasks that never fired are not known", file=sys.stderr)
        return args.log_host or configured_facts(config).name, [], None
    if status["executor"] != "shadow":
        raise UsageError("TS357", f"{place.socket} is the socket of an agent, and --compare wants that of a shadow: say --shadow")
    return args.log_host or status["host"], tasks, parse_rfc3339(status["taken_at"])


def _entries(page: Callable[[dict[str, str]], Document], task: str, since: Instant, until: Instant) -> Iterator[Document]:
    query = {"since": rfc3339(since), "until": rfc3339(until), "limit": str(_PAGE)} | ({"task": task} if task else {})
    while True:
        document = page(query)
        yield from document["entries"]
        more = document["next"]
        if not more:
            return
        query |= {"until": more["until"], "skip": str(more["skip"])}


def _contents(names: Sequence[str]) -> Iterator[tuple[str, bytes, Instant]]:
    """Each file with until when it may have been written. Raises NotFound with all that cannot be read."""
    found, problems = [], []
    for name in names:
        try:
            found.append(_content(name))
        except FileNotFoundError:
            problems.append(
                Problem(code="TS353", message="there is no such file", path=name, hint="name the system log, as /var/log/syslog")
            )
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problems.append(
                Problem(code="TS374", message=f"cannot be read: {why}", path=name, hint="is it whole, and may this user read it?")
            )
    if problems:
        raise NotFound(problems[0].code, problems[0].message, problems)
    yield from found


def _content(name: str) -> tuple[str, bytes, Instant]:
    if name == "-":
        return "stdin", sys.stdin.buffer.read(), Instant(time.time_ns() // 1_000_000)
    path = Path(name)
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    elif content.startswith(b"\xfd7zXZ\x00"):
        content = lzma.decompress(content)
    return name, content, Instant(int(path.stat().st_mtime * 1000))


def _nothing(names: Sequence[str], host: str, log: SystemLog) -> NotFound:
    others = f"; of other hosts there are {', '.join(sorted(log.others))}: say --log-host" if log.others else ""
    unread = f"; {log.unread} lines are no messages of a system log" if log.unread else ""
    told = f"{', '.join(names)}: no start of cron on the host {host!r} is told there{others}{unread}"
    hint = "cron logs `(user) CMD (command)` to the facility cron: see /var/log/syslog, or `journalctl -u cron -o json`"
    return NotFound("TS373", told, (Problem(code="TS373", message=told, hint=hint),))
