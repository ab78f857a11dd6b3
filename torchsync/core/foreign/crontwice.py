"""Jobs that cron still has although a task does the same: they would run twice. Pure.

Only texts are compared, so it is a hint and no proof. Two jobs are the same when their commands are, but for blanks and for where their output goes;
they are alike when both start a program of one name that is no shell, interpreter or everyday tool.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torchsync.core.checkup import Finding, fine, note, warning
from torchsync.core.foreign.crontext import folder_of
from torchsync.core.foreign.job import ForeignJob


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand:
    """A task, and its command as one line of shell."""

    task: str
    command: str


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\s*=")
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


def twice_findings(jobs: Sequence[ForeignJob], tasks: Iterable[TaskCommand]) -> Iterator[Finding]:
    """The jobs, read as `import` reads them, that are, or look like, what a task does."""
    known = list(tasks)
    same = {_plain(one.command): one.task for one in reversed(known)}
    folders = {folder: one.task for one in reversed(known) if (folder := folder_of(one.command))}
    alike = {program: one.task for one in reversed(known) if (program := _program(one.command))}
    for job in jobs:
        command = str(job.fields["command"])
        if task := same.get(_plain(command)) or folders.get(folder_of(command) or command.rpartition("/")[0]):
            yield warning(f"{job.origin} is what the task {task} does: it runs twice", _remedy(job, task), "TS378")
        elif task := alike.get(_program(command)):
            yield note(f"{job.origin} starts {_program(command)}, as the task {task} does: see whether it would run twice", code="TS378")
    if not known:
        yield fine("there are no tasks yet to compare with the jobs of cron")
    else:
        yield fine(f"{len(jobs)} jobs of cron compared with {len(known)} tasks")


def _remedy(job: ForeignJob, task: str) -> str:
    out = "put a # in front of that line" if job.origin.line else f"chmod -x {job.origin.path}"
    return f"{out} once the task has run, or `torchsync pause {task}`"


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
