"""Jobs that cron still has although a task does the same: they would run twice. Pure.

Only texts are compared, so it is a hint and no proof. Two jobs are the same when their commands are, but for blanks and for where their output goes;
they are alike when both start a program of one name that is no shell, interpreter or everyday tool.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torchsync.core.checkup import Finding, fine, note, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class CronLine:
    """A job of cron, and where it stands."""

    path: str
    line: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand:
    """A task, and its command as one line of shell."""

    task: str
    command: str


_TIME = re.compile(r"(@[a-z]+|\S+(?:[ \t]+\S+){4})[ \t]+", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\s*=")
_PERCENT = re.compile(r"(?<!\\)%")
_OUTPUT = re.compile(r"\s*(?:[12&]?>>?\s*(?:&[12]|[^\s;&|<>]+)\s*)+$")
_PROGRAM = re.compile(r"[A-Za-z_][\w.+-]{2,}")
_NEXT_COMMAND = re.compile(r"&&|\|\|?|;")
_WRAPPERS = frozenset({"env", "nice", "ionice", "flock", "timeout", "chronic", "time", "sudo", "nohup", "exec", "command"})
_INTERPRETERS = frozenset({"sh", "bash", "dash", "zsh", "python", "python3", "perl", "ruby", "node", "php"})
_EVERYDAY = frozenset(
    {"cd", "test", "[", "find", "rm", "cp", "mv", "ls", "cat", "echo", "printf", "touch", "date", "true", "false", "curl", "wget"}
)
_EVERYDAY |= {
    "rsync",
    "tar",
    "gzip",
    "run-parts",
    "mkdir",
    "chmod",
    "chown",
    "grep",
    "sed",
    "awk",
    "sleep",
    "logger",
    "mail",
    "systemctl",
    "docker",
}
_EVERYDAY |= {"podman", "git", "make", "psql", "mysql"}


def cron_lines(path: str, text: str, *, has_user: bool) -> Iterator[CronLine]:
    """The jobs of a crontab as crontab(5) of Debian has them; with a user in the sixth field when `has_user`. What is no job is passed over."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        time = _TIME.match(line)
        if not line or line.startswith("#") or _ASSIGNMENT.match(line) or time is None:
            continue
        rest = line[time.end() :]
        command = rest.partition(" ")[2].strip() if has_user else rest
        if command:
            yield CronLine(path=path, line=number, command=_PERCENT.split(command)[0].replace(r"\%", "%"))


def twice_findings(jobs: Iterable[CronLine], tasks: Iterable[TaskCommand]) -> Iterator[Finding]:
    """The jobs that are, or look like, what a task does."""
    known = list(tasks)
    same = {_plain(one.command): one.task for one in reversed(known)}
    alike = {program: one.task for one in reversed(known) if (program := _program(one.command))}
    number = 0
    for job in jobs:
        number += 1
        place = f"{job.path}:{job.line}"
        if task := same.get(_plain(job.command)):
            remedy = f"put a # in front of that line once the task has run, or `torchsync pause {task}`"
            yield warning(f"{place} has the command of the task {task}: it runs twice", remedy, "TS378")
        elif task := alike.get(_program(job.command)):
            yield note(f"{place} starts {_program(job.command)}, as the task {task} does: see whether it would run twice", code="TS378")
    if not known:
        yield fine("there are no tasks yet to compare with the jobs of cron")
    else:
        yield fine(f"{number} jobs of cron compared with {len(known)} tasks")


def _plain(command: str) -> str:
    return _OUTPUT.sub("", " ".join(command.split()))


def _program(command: str) -> str:
    """The name of the first program that says what the command is for; empty when none does."""
    return next(filter(None, map(_first_program, _NEXT_COMMAND.split(command))), "")


def _first_program(command: str) -> str:
    """Of one simple command, behind what it is started by; empty for an everyday tool."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    for word in words:
        name = word.rpartition("/")[2]
        is_aside = word.startswith("-") or word[:1].isdecimal() or name.endswith(".lock") or _ASSIGNMENT.match(word)
        if is_aside or name in _WRAPPERS or name in _INTERPRETERS:
            continue
        return name if name not in _EVERYDAY and _PROGRAM.fullmatch(name) else ""
    return ""
