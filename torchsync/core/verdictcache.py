"""The verdicts on task files that the newest commit left, so that the next one has only its changed files read and checked. Pure.

Theory of operation. The verdict on a task file is a function of its path, its content and the rules: the schema and the versions of
everything that takes part in judging. So a verdict is kept by path and blob id, and the whole cache belongs to one set of rules: under any
other it is empty. Only files without problems are kept; the others are few, and their problems are told in full each time. What the newest
commit did not use is dropped.

A cache is a means to be quick, never a source of truth. Anything odd about its text means that there is none. What is taken from it at once
goes through the codec, down to the fields that the rules of a commit look at. The rest of a definition stays text until the task is to be
handed on, and goes through the codec then. A task that is not handed on because the host has it already is told by its fingerprint, which is
taken of that very text. The blob ids of task files that are read are verified as always; a blob whose verdict is kept is not read for the
verdict, and is verified when the tree is written.

Not withstood: a forgery that is consistent in itself, such as a definition that is valid but not the one of its blob. The state directory is
the agent's own, and whoever can write there can as well change `generation.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torchsync.core.codec import Codec
from torchsync.core.definition import Outline, outline
from torchsync.core.jsontext import Json
from torchsync.core.model import Position
from torchsync.core.taskfile import TaskDraft
from torchsync.core.treepaths import TreeEntry, printable
from torchsync.core.versioned import Damaged, unwrap, wrap

MAX_FILE_BYTES = 64 << 20
"""A larger text is not looked at; a cache that would have one keeps what came first."""

_KIND = "verdicts"
_CODEC = Codec()
_PLACES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """A `TaskDraft` out of the cache: the task is known in outline, and the whole of it is still text."""

    task: Outline
    definition: str
    command_at: Position
    working_dir_at: Position


Draft = TaskDraft | KeptDraft

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a verdict depends on besides the file: the digest of the schema, and versions by the name of the package."""

    schema: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptTask:
    """`at`: line and column of the task, of its command and of its working directory."""

    definition: str
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptFile:
    path: str
    blob: str
    tasks: tuple[_KeptTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    rules: Rules
    files: tuple[_KeptFile, ...] = field(default_factory=tuple)


class VerdictCache:
    """The verdicts that are there, and those that are in use by the commit at hand. `room` is for characters of definitions."""

    def __init__(self, rules: Rules, kept: Mapping[_Key, tuple[KeptDraft, ...]] | None = None, room: int = MAX_FILE_BYTES // 3) -> None:
        self._rules = rules
        self._kept = dict(kept or {})
        self._used: dict[_Key, tuple[Draft, ...]] = {}
        self._room = room  # quoting in JSON can double them
        self._is_new = False

    def knows(self, entry: TreeEntry) -> bool:
        """Whether the file need not be read."""
        return _key(entry) in self._kept

    def recall(self, entry: TreeEntry) -> tuple[KeptDraft, ...] | None:
        """The tasks of the file, which has no problems; None when it is to be read."""
        drafts = self._kept.get(_key(entry))
        if drafts is not None:
            self._use(entry, drafts)
        return drafts

    def keep(self, entry: TreeEntry, drafts: Sequence[TaskDraft]) -> None:
        """The file was read and has no problems, and these tasks."""
        self._is_new = self._use(entry, tuple(drafts)) or self._is_new

    def is_outdated(self) -> bool:
        """Whether what is to be stored is not what was. A commit that was turned down before its files were looked at changes nothing."""
        return bool(self._used) and (self._is_new or self._used.keys() != self._kept.keys())

    def content(self) -> bytes:
        """What is to be stored: the verdicts in use."""
        files: list[Json] = [
            {"path": path, "blob": blob, "tasks": [_task_document(draft) for draft in drafts]}
            for (path, blob), drafts in self._used.items()
        ]
        return wrap(_KIND, 1, {"rules": _CODEC.document(self._rules), "files": files})

    def _use(self, entry: TreeEntry, drafts: tuple[Draft, ...]) -> bool:
        self._room -= sum(len(draft.definition) for draft in drafts)
        if self._room >= 0:
            self._used[_key(entry)] = drafts
        return self._room >= 0


def stored_verdicts(data: bytes | None, rules: Rules) -> VerdictCache:
    """The cache that was stored, or an empty one when there is none, or none for these rules, or anything is odd about it."""
    try:
        return VerdictCache(rules, dict(_verdicts(data, rules)) if data is not None and len(data) <= MAX_FILE_BYTES else None)
    except ValueError:
        return VerdictCache(rules)


def _verdicts(data: bytes, rules: Rules) -> Iterator[tuple[_Key, tuple[KeptDraft, ...]]]:
    """Raises ValueError for what cannot be a cache."""
    body = unwrap(data, _KIND)
    kept = None if isinstance(body, Damaged) else _CODEC.value(_Kept, body)
    if kept is None or kept.rules != rules:
        return
    for file in kept.files:
        yield (file.path, file.blob), tuple(_draft(file.path, task) for task in file.tasks)


def _draft(path: str, task: _KeptTask) -> KeptDraft:
    if len(task.at) != _PLACES:
        raise ValueError(f"a task has {_PLACES} numbers for its places, found {len(task.at)}")
    source, command, folder = (Position(path, *task.at[start : start + 2]) for start in range(0, _PLACES, 2))
    return KeptDraft(task=outline(task.definition, source), definition=task.definition, command_at=command, working_dir_at=folder)


def _task_document(draft: Draft) -> Json:
    """As `_KeptTask` is read, written out here for speed."""
    places = (draft.task.source, draft.command_at, draft.working_dir_at)
    return {"definition": draft.definition, "at": [number for place in places for number in (place.line, place.column)]}


def _key(entry: TreeEntry) -> _Key:
    """The path as messages have it: that is what a verdict speaks of."""
    return printable(entry.path), entry.object_id
