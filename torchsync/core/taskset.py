"""The verdict on a commit: its tasks, or everything that is wrong with it. Pure.

The verdict is a function of the commit and the version of torchsync alone, so that a pull request and every host come to the same one. It is
taken from git's objects, before anything of the commit is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torchsync.core import hostsfile, repositoryfile
from torchsync.core.definition import copy_print_of, defined_task, definition, fingerprint_of
from torchsync.core.inputchange import Inputs
from torchsync.core.inventory import Inventory
from torchsync.core.model import Fingerprint, Position, Task, TaskName
from torchsync.core.references import group_references, inputs, problem_at, references
from torchsync.core.repositoryfile import RepositorySettings, TooOld
from torchsync.core.taskfile import CommonRules, TaskDraft
from torchsync.core.treepaths import LINK, SUBMODULE, Tree, TreeEntry, path_problems, printable
from torchsync.core.verdictcache import Draft, KeptDraft, VerdictCache
from torchsync.core.yamltext import MAX_BYTES
from torchsync.errors import Problem

__all__ = ["FoundTask", "Rejection", "TaskSet", "TreeEntry", "common_files", "fingerprint", "judge", "link_files", "task_files"]

MAX_TASK_FILES = 20_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_PROBLEMS = 1_000
"""Problems kept of one verdict; all are counted."""

_COMMON = {repositoryfile.PATH: MAX_BYTES, hostsfile.PATH: hostsfile.LIMITS.size}
"""The files that hold for all tasks, and how large they may be."""
_EXTENSIONS = (".yaml", ".yml", ".json")


OnFile = Callable[[int, int], None]


class TaskReader(Protocol):
    def read(self, path: str, content: bytes, rules: CommonRules) -> tuple[tuple[TaskDraft, ...], tuple[Problem, ...]]: ...


class InventoryReader(Protocol):
    def read(self, content: bytes) -> tuple[Inventory | None, tuple[Problem, ...]]: ...


class SettingsReader(Protocol):
    def read(self, content: bytes) -> tuple[RepositorySettings, tuple[Problem, ...]] | TooOld: ...


class Readers(Protocol):
    """One reader for each kind of file of a repository."""

    @property
    def tasks(self) -> TaskReader: ...
    @property
    def inventory(self) -> InventoryReader: ...
    @property
    def settings(self) -> SettingsReader: ...


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task of a valid commit. What is needed of every task is there; the whole of one from the cache is made when it is asked for."""

    draft: Draft
    fingerprint: Fingerprint
    copy_print: str = ""
    inputs: Inputs = ()

    @property
    def name(self) -> TaskName:
        return self.draft.task.name

    @property
    def source(self) -> Position:
        return self.draft.task.source

    @property
    def hosts(self) -> tuple[str, ...]:
        return self.draft.task.hosts

    def task(self) -> Task:
        """The whole task. Raises ValueError when it comes from a cache that was changed in between."""
        match self.draft:
            case TaskDraft(task=task):
                return replace(task, fingerprint=self.fingerprint, copy_print=self.copy_print)
            case KeptDraft(definition=text):
                return defined_task(text, self.source, self.fingerprint, self.copy_print)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSet:
    """What a valid commit holds: its tasks by name, the number of task files they came from, and what the other two files say."""

    found: tuple[FoundTask, ...]
    files: int
    settings: RepositorySettings = RepositorySettings()
    inventory: Inventory = Inventory()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks as a whole. Raises ValueError as `FoundTask.task` does."""
        return tuple(found.task() for found in self.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What is wrong with a commit, by path, line and column: the first of the problems `found`."""

    problems: tuple[Problem, ...]
    found: int


def task_files(entries: Sequence[TreeEntry]) -> tuple[str, ...]:
    """The paths of the task files to read, in order: not those that are too large, and none when the commit as a whole is."""
    if any(_limit_problems(entries)):
        return ()
    return tuple(sorted(entry.path for entry in entries if _is_task_file(entry) and entry.size <= MAX_BYTES))


def common_files(entries: Sequence[TreeEntry]) -> tuple[str, ...]:
    """Which of torchsync.yaml and hosts.yaml are to be read too: not one that is too large, nor a link. None when the commit is too large."""
    if any(_limit_problems(entries)):
        return ()
    return tuple(entry.path for entry in entries if entry.path in _COMMON and _is_plain(entry) and entry.size <= _COMMON[entry.path])


def link_files(entries: Sequence[TreeEntry]) -> tuple[str, ...]:
    """The paths of the symbolic links, in order: their targets are to be read too. None when the commit is too large as a whole."""
    return () if any(_limit_problems(entries)) else tuple(sorted(entry.path for entry in entries if entry.mode == LINK))


def judge(
    entries: Sequence[TreeEntry],
    contents: Mapping[str, bytes],
    readers: Readers,
    cache: VerdictCache | None = None,
    on_file: OnFile | None = None,
) -> TaskSet | Rejection:
    """The verdict on the tree with these entries. `contents` holds what `task_files`, `common_files` and `link_files` name, but for the task
    files that the cache knows.

    The verdict is the same with and without a cache. `on_file` is told the number of task files done, and of all.
    """
    over = tuple(_limit_problems(entries))
    if over:
        return Rejection(problems=over, found=len(over))
    findings, common = _Findings(), common_files(entries)
    settings, inventory = _unread(entries)
    if repositoryfile.PATH in common:
        read = readers.settings.read(contents[repositoryfile.PATH])
        if isinstance(read, TooOld):
            return Rejection(problems=(read.problem,), found=1)
        settings, problems = read
        findings.add(problems)
    if hostsfile.PATH in common:
        inventory, problems = readers.inventory.read(contents[hostsfile.PATH])
        findings.add(problems)
    findings.add(path_problems(entries, contents))
    findings.add(_file_problems(entries))
    drafts = _drafts(entries, contents, _Reading(readers.tasks, settings.rules, cache, on_file), findings)
    tree = Tree(entries, contents)
    findings.add(_duplicates(drafts))
    findings.add(problem for draft in drafts for problem in (*references(draft, tree), *group_references(draft, inventory)))
    if findings.found:
        return Rejection(problems=findings.first(), found=findings.found)
    found = (_found(draft, tuple(inputs(draft.task, tree))) for draft in drafts)
    ordered = tuple(sorted(found, key=lambda task: task.name))
    return TaskSet(found=ordered, files=len(task_files(entries)), settings=settings, inventory=inventory or Inventory())


def _found(draft: Draft, depends_on: Inputs) -> FoundTask:
    return FoundTask(draft, fingerprint_of(draft.definition, depends_on), copy_print_of(draft.definition, depends_on), depends_on)


def _unread(entries: Sequence[TreeEntry]) -> tuple[RepositorySettings, Inventory | None]:
    """What is known without reading the two common files: all of it where they are not there."""
    paths = {entry.path for entry in entries} & _COMMON.keys()
    defaults = repositoryfile.UNREADABLE_DEFAULTS if repositoryfile.PATH in paths else None
    return RepositorySettings(defaults=defaults), None if hostsfile.PATH in paths else Inventory()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a task file is read with."""

    reader: TaskReader
    rules: CommonRules
    cache: VerdictCache | None
    on_file: OnFile | None


def _drafts(entries: Sequence[TreeEntry], contents: Mapping[str, bytes], reading: _Reading, findings: _Findings) -> list[Draft]:
    if reading.cache:
        reading.cache.settle(entries)
    drafts: list[Draft] = []
    by_path = {entry.path: entry for entry in entries}
    paths = task_files(entries)
    for done, path in enumerate(paths, 1):
        read, problems = _read(by_path[path], contents, reading)
        drafts += read
        findings.add(problems)
        if reading.on_file:
            reading.on_file(done, len(paths))
    return drafts


def _read(entry: TreeEntry, contents: Mapping[str, bytes], reading: _Reading) -> tuple[Sequence[Draft], tuple[Problem, ...]]:
    cache = reading.cache
    kept = cache.recall(entry) if cache else None
    if kept is not None:
        return kept, ()
    drafts, problems = reading.reader.read(printable(entry.path), contents[entry.path], reading.rules)
    if cache and not problems:
        cache.keep(entry, drafts)
    return drafts, problems


def fingerprint(task: Task, inputs: Iterable[tuple[str, str, str]]) -> Fingerprint:
    """The definition after defaults and (path, mode, blob id) of its inputs, hashed."""
    return fingerprint_of(definition(task), inputs)


class _Findings:
    """Counts every problem and keeps the first ones by place: a hostile commit has millions.

    What thousands of tasks have from one line of torchsync.yaml, or from one of the defaults of their file, is one problem. Those of a file
    come one after the other, but for torchsync.yaml, so what was told of the last file is enough to know.
    """

    def __init__(self) -> None:
        self.found = 0
        self._kept: list[Problem] = []
        self._of_all: set[tuple[object, ...]] = set()
        self._of_last: set[tuple[object, ...]] = set()
        self._last = ""

    def add(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if self._is_told(problem):
                continue
            self.found += 1
            self._kept.append(problem)
            if len(self._kept) >= 4 * MAX_PROBLEMS:
                self._kept = list(self.first())

    def _is_told(self, problem: Problem) -> bool:
        """Whether the same was added before at this place; it is from now on."""
        if problem.path not in (repositoryfile.PATH, self._last):
            self._last, self._of_last = problem.path, set()
        told = self._of_all if problem.path == repositoryfile.PATH else self._of_last
        key = (problem.path, problem.line, problem.column, problem.code, problem.message)
        if key in told:
            return True
        told.add(key)
        return False

    def first(self) -> tuple[Problem, ...]:
        ordered = sorted(self._kept, key=lambda problem: (problem.path, problem.line, problem.column, problem.code, problem.message))
        return tuple(ordered[:MAX_PROBLEMS])


def _is_plain(entry: TreeEntry) -> bool:
    return entry.mode not in (LINK, SUBMODULE)


def _is_task_file(entry: TreeEntry) -> bool:
    path = entry.path
    return _is_plain(entry) and path.startswith("tasks/") and path.endswith(_EXTENSIONS) and "/." not in path


def _limit_problems(entries: Sequence[TreeEntry]) -> Iterator[Problem]:
    number = sum(map(_is_task_file, entries))
    if number > MAX_TASK_FILES:
        message = f"the commit holds {number:,} task files, at most {MAX_TASK_FILES:,} are allowed"
        yield Problem(code="TS141", message=message, hint="put several tasks in one file")
    total = sum(entry.size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        message = f"the files of the commit have {total:,} bytes together, at most {MAX_TOTAL_BYTES:,} are allowed"
        yield Problem(code="TS141", message=message, hint="keep large files elsewhere, or set repository.path to a subfolder")


def _file_problems(entries: Sequence[TreeEntry]) -> Iterator[Problem]:
    for entry in entries:
        if entry.size > MAX_BYTES and _is_task_file(entry):
            message = f"the file has {entry.size:,} bytes, at most {MAX_BYTES:,} are allowed"
            yield Problem(code="TS141", message=message, path=printable(entry.path), line=1, column=1, hint="split it")
        if entry.path in _COMMON and not _is_plain(entry):
            yield Problem(code="TS140", message=f"{entry.path} must be a file", path=entry.path, hint="commit the file itself")
        elif entry.size > _COMMON.get(entry.path, entry.size):
            message = f"the file has {entry.size:,} bytes, at most {_COMMON[entry.path]:,} are allowed"
            yield Problem(code="TS141", message=message, path=entry.path, line=1, column=1, hint="take out what is not needed")
    if not any(map(_is_task_file, entries)):
        hint = "add tasks/NAME.yaml, or set repository.path when tasks/ is in a subfolder"
        yield Problem(code="TS150", message="the folder tasks/ holds no task file", hint=hint)


def _duplicates(drafts: Sequence[Draft]) -> Iterator[Problem]:
    first: dict[str, Position] = {}
    for draft in drafts:
        place, name = draft.task.source, draft.task.name
        if name in first:
            earlier = first[name]
            message = f"the task `{name}` is already defined at {earlier.path}:{earlier.line}:{earlier.column}"
            yield problem_at("TS130", draft, place, message, "rename one of the two")
        else:
            first[name] = place
