"""The definition of a task as one text: what its fingerprint is taken of, and what the task can be made from again. Pure.

A field that holds its default is not in the text, so that a version which adds a field leaves the fingerprints as they are. Nor is where the
task stands: moving a task changes no task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from torchsync.core.jsontext import Json, canonical, parse_json
from torchsync.core.model import Command, CronTiming, DaemonTiming, Fingerprint, Position, Task, TaskName, Timing
from torchsync.core.notify import Notify
from torchsync.core.taskdoc import CODEC

_NOT_THE_TASK = ("fingerprint", "copy_print", "source")
_A_DAEMON = '"kind":"daemon"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What the rules of a commit and the selection of hosts look at in a task. Its fields are those of `Task`."""

    name: TaskName
    command: Command
    source: Position
    hosts: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    working_dir: str = ""
    notify: tuple[Notify, ...] = ()


def definition(task: Task) -> str:
    """The definition of the task, as canonical JSON."""
    document = CODEC.document(task, leave_out_defaults=True)
    return canonical({key: value for key, value in document.items() if key not in _NOT_THE_TASK} if isinstance(document, dict) else {})


def outline(text: str, source: Position) -> Outline:
    """The outline of the task with this definition. Raises ValueError with a sentence when the text is no definition, as far as it is read."""
    return CODEC.value(Outline, _document(text, source), "the definition")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    timing: Timing
    enabled: bool = True


def instants_of(task: Task | _Timed) -> CronTiming | None:
    """The timing of a task that has instants."""
    return task.timing if task.enabled and isinstance(task.timing, CronTiming) else None


def timing_of(text: str) -> CronTiming | None:
    """As `instants_of`, of the task with this definition. Raises ValueError with a sentence when the text is no definition."""
    return instants_of(CODEC.value(_Timed, parse_json(text), "the definition"))


def defined_task(text: str, source: Position, fingerprint: Fingerprint, copy_print: str = "") -> Task:
    """The task with this definition. Raises ValueError with a sentence when the text is no definition."""
    prints: dict[str, Json] = {"fingerprint": fingerprint, "copy_print": copy_print}
    return CODEC.value(Task, _document(text, source) | prints, "the definition")


def fingerprint_of(text: str, inputs: Iterable[tuple[str, str, str]]) -> Fingerprint:
    """SHA-256 over the definition `text` and (path, mode, blob id) of the inputs."""
    listed: list[Json] = [list(entry) for entry in sorted(set(inputs))]
    return Fingerprint(sha256(f"[{text},{canonical(listed)}]".encode()).hexdigest())


def copy_print_of(text: str, inputs: Iterable[tuple[str, str, str]]) -> str:
    """As `fingerprint_of`, of a daemon but for the number of its copies; empty for a cron task. Raises ValueError when the text is no definition."""
    if _A_DAEMON not in text:
        return ""  # Most are none, and reading each would cost more than all the rest.
    document = parse_json(text)
    if not isinstance(document, dict) or not isinstance(CODEC.value(_Timed, document, "the definition").timing, DaemonTiming):
        return ""
    return fingerprint_of(canonical({key: value for key, value in document.items() if key != "max_running"}), inputs)


def _document(text: str, source: Position) -> dict[str, Json]:
    document = parse_json(text)
    if isinstance(document, dict):
        return document | {"source": {"path": source.path, "line": source.line, "column": source.column}}
    raise ValueError("the definition must be an object")
