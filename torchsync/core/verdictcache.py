"""The verdicts on task files that the newest commit left, so that the next one has only its changed files read and checked. Pure.

Theory of operation. The verdict on a task file is a function of its path, its content and the rules: the schema, the versions of everything
that takes part in judging, and torchsync.yaml with its defaults and guards. So a verdict is kept by path and blob id, and the whole cache
belongs to one set of rules and one torchsync.yaml: under any other it is empty. Only files without problems are kept; the others are few, and
their problems are told in full each time. What the newest commit did not use is dropped.

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
from torchsync.core.repositoryfile import PATH as SETTINGS
from torchsync.core.taskfile import TaskDraft
from torchsync.core.treepaths import TreeEntry, printable
from torchsync.core.versioned import Damaged, unwrap, wrap

MAX_FILE_BYTES = 64 << 20
"""A larger text is not looked at; a cache that would have one keeps what came first."""

_KIND = "verdicts"
_CODEC = Codec()
_FILE = ""
"""How a place of the file itself names its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """A `TaskDraft` out of the cache: the task is known in outline, and the whole of it is still text."""

    task: Outline
    definition: str
    places: Mapping[str, Position]


Draft = TaskDraft | KeptDraft

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a verdict depends on besides the file: the digest of the schema, and versions by the name of the package."""

    schema: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptTask:
    """`at` is line and column of the task; `places` are those of its fields, by file and field."""

    definition: str
    at: tuple[int, ...]
    places: Mapping[str, Mapping[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptFile:
    path: str
    blob: str
    tasks: tuple[_KeptTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    rules: Rules
    settings: str
    files: tuple[_KeptFile, ...] = field(default_factory=tuple)


class VerdictCache:
    """The verdicts that are there, and those that are in use by the commit at hand. `settings` is the blob id of the torchsync.yaml they were
    given under, empty for none. `room` is for characters of definitions.
    """

    def __init__(
        self, rules: Rules, kept: Mapping[_Key, tuple[KeptDraft, ...]] | None = None, *, settings: str = "", room: int = MAX_FILE_BYTES // 3
    ) -> None:
        self._rules = rules
        self._settings = settings
        self._kept = dict(kept or {})
        self._used: dict[_Key, tuple[Draft, ...]] = {}
        self._room = room  # quoting in JSON can double them
        self._is_new = False

    def settle(self, entries: Sequence[TreeEntry]) -> None:
        """The commit at hand is the one with these entries. Verdicts that were given under another torchsync.yaml are gone."""
        settings = settings_of(entries)
        if settings != self._settings:
            self._settings = settings
            self._kept = {}
            self._used = {}

    def known(self, entries: Sequence[TreeEntry]) -> frozenset[str]:
        """The paths of the files that need not be read, of the commit with these entries."""
        self.settle(entries)
        return frozenset(entry.path for entry in entries if self._found(entry) is not None)

    def recall(self, entry: TreeEntry) -> tuple[Draft, ...] | None:
        """The tasks of the file, which has no problems; None when it is to be read."""
        drafts = self._found(entry)
        if drafts is not None:
            self._use(entry, drafts)
        return drafts

    def keep(self, entry: TreeEntry, drafts: Sequence[TaskDraft]) -> None:
        """The file was read and has no problems, and these tasks."""
        self._is_new = self._use(entry, tuple(drafts)) or self._is_new

    def has_news(self) -> bool:
        """Whether files were read whose verdicts were not there."""
        return self._is_new

    def is_outdated(self) -> bool:
        """Whether what is to be stored is not what was. A commit that was turned down before its files were looked at changes nothing."""
        return bool(self._used) and (self._is_new or self._used.keys() != self._kept.keys())

    def content(self) -> bytes:
        """What is to be stored: the verdicts in use."""
        files: list[Json] = [
            {"path": path, "blob": blob, "tasks": [_task_document(draft) for draft in drafts]}
            for (path, blob), drafts in self._used.items()
        ]
        return wrap(_KIND, 2, {"rules": _CODEC.document(self._rules), "settings": self._settings, "files": files})

    def _found(self, entry: TreeEntry) -> tuple[Draft, ...] | None:
        """From what is there, or from another commit that this process judged."""
        key = _key(entry)
        return self._kept[key] if key in self._kept else self._used.get(key)

    def _use(self, entry: TreeEntry, drafts: tuple[Draft, ...]) -> bool:
        if _key(entry) in self._used:
            return False
        self._room -= sum(len(draft.definition) for draft in drafts)
        if self._room >= 0:
            self._used[_key(entry)] = drafts
        return self._room >= 0


def settings_of(entries: Sequence[TreeEntry]) -> str:
    """The blob id of torchsync.yaml; empty where there is none."""
    return next((entry.object_id for entry in entries if entry.path == SETTINGS), "")


def stored_verdicts(data: bytes | None, rules: Rules) -> VerdictCache:
    """The cache that was stored, or an empty one when there is none, or none for these rules, or anything is odd about it."""
    try:
        kept = _stored(data, rules) if data is not None and len(data) <= MAX_FILE_BYTES else None
        return VerdictCache(rules, dict(_verdicts(kept.files)), settings=kept.settings) if kept else VerdictCache(rules)
    except ValueError:
        return VerdictCache(rules)


def _stored(data: bytes, rules: Rules) -> _Kept | None:
    """Raises ValueError for what cannot be a cache. One of an earlier form is none."""
    body = unwrap(data, _KIND, (_forgotten,))
    kept = None if isinstance(body, Damaged) else _CODEC.value(_Kept, body)
    return kept if kept is not None and kept.rules == rules else None


def _forgotten(_: Json) -> Json:
    raise ValueError("the verdicts of version 1 do not say under which torchsync.yaml they were given")


def _verdicts(files: Sequence[_KeptFile]) -> Iterator[tuple[_Key, tuple[KeptDraft, ...]]]:
    for file in files:
        yield (file.path, file.blob), tuple(_draft(file.path, task) for task in file.tasks)


def _draft(path: str, task: _KeptTask) -> KeptDraft:
    source = _position(path, task.at)
    places = {key: _position(file or path, at) for file, fields in task.places.items() for key, at in fields.items()}
    return KeptDraft(task=outline(task.definition, source), definition=task.definition, places=places)


def _position(path: str, at: Sequence[int]) -> Position:
    if len(at) != 2:
        raise ValueError(f"a place is a line and a column, found {len(at)} numbers")
    return Position(path, at[0], at[1])


def _task_document(draft: Draft) -> Json:
    """As `_KeptTask` is read, written out here for speed."""
    source = draft.task.source
    places: dict[str, Json] = {}
    for key, place in draft.places.items():
        file = places.setdefault(_FILE if place.path == source.path else place.path, {})
        if isinstance(file, dict):
            file[key] = [place.line, place.column]
    return {"definition": draft.definition, "at": [source.line, source.column], "places": places}


def _key(entry: TreeEntry) -> _Key:
    """The path as messages have it: that is what a verdict speaks of."""
    return printable(entry.path), entry.object_id
