"""The verdict on a commit: its tasks, or everything that is wrong with it. Pure.

The verdict is a function of the commit and the version of torchsync alone, so that a pull request and every host come to the same one. It is
taken from git's objects, before anything of the commit is written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import join, normpath
from typing import Protocol

from torchsync.core.definition import Outline, defined_task, definition, fingerprint_of
from torchsync.core.later import REPOSITORY_FILES
from torchsync.core.model import Fingerprint, Position, ProgramCommand, Task, TaskName
from torchsync.core.taskfile import TaskDraft
from torchsync.core.treepaths import LINK, SUBMODULE, Folder, Nowhere, Tree, TreeEntry, path_problems, printable
from torchsync.core.verdictcache import Draft, KeptDraft, VerdictCache
from torchsync.core.yamltext import MAX_BYTES
from torchsync.errors import Problem

__all__ = ["FoundTask", "Rejection", "TaskSet", "TreeEntry", "fingerprint", "judge", "link_files", "task_files"]

MAX_TASK_FILES = 20_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_PROBLEMS = 1_000
"""Problems kept of one verdict; all are counted."""

_EXTENSIONS = (".yaml", ".yml", ".json")
_PLAIN_WORD = re.compile(r"\s*(?P<word>[^\s;&|<>()$`\"'\\*?\[\]{}~#=!]+)(?=[\s;&|<>()]|$)")


class Reader(Protocol):
    def read(self, path: str, content: bytes) -> tuple[tuple[TaskDraft, ...], tuple[Problem, ...]]: ...


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task of a valid commit. What is needed of every task is there; the whole of one from the cache is made when it is asked for."""

    draft: Draft
    fingerprint: Fingerprint

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
                return replace(task, fingerprint=self.fingerprint)
            case KeptDraft(definition=text):
                return defined_task(text, self.source, self.fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSet:
    """What a valid commit holds, by name, and the number of files it came from."""

    found: tuple[FoundTask, ...]
    files: int

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


def link_files(entries: Sequence[TreeEntry]) -> tuple[str, ...]:
    """The paths of the symbolic links, in order: their targets are to be read too. None when the commit is too large as a whole."""
    return () if any(_limit_problems(entries)) else tuple(sorted(entry.path for entry in entries if entry.mode == LINK))


def judge(
    entries: Sequence[TreeEntry], contents: Mapping[str, bytes], reader: Reader, cache: VerdictCache | None = None
) -> TaskSet | Rejection:
    """The verdict on the tree with these entries. `contents` holds what `task_files` and `link_files` name, but for what the cache knows.

    The verdict is the same with and without a cache.
    """
    over = tuple(_limit_problems(entries))
    if over:
        return Rejection(problems=over, found=len(over))
    findings = _Findings()
    findings.add(path_problems(entries, contents))
    findings.add(_file_problems(entries))
    drafts: list[Draft] = []
    paths = task_files(entries)
    by_path = {entry.path: entry for entry in entries}
    for path in paths:
        read, problems = _read(by_path[path], contents, reader, cache)
        drafts += read
        findings.add(problems)
    tree = Tree(entries, contents)
    findings.add(_duplicates(drafts))
    findings.add(problem for draft in drafts for problem in _references(draft, tree))
    if findings.found:
        return Rejection(problems=findings.first(), found=findings.found)
    found = (FoundTask(draft, fingerprint_of(draft.definition, _inputs(draft.task, tree))) for draft in drafts)
    return TaskSet(found=tuple(sorted(found, key=lambda task: task.name)), files=len(paths))


def _read(
    entry: TreeEntry, contents: Mapping[str, bytes], reader: Reader, cache: VerdictCache | None
) -> tuple[Sequence[Draft], tuple[Problem, ...]]:
    kept = cache.recall(entry) if cache else None
    if kept is not None:
        return kept, ()
    drafts, problems = reader.read(printable(entry.path), contents[entry.path])
    if cache and not problems:
        cache.keep(entry, drafts)
    return drafts, problems


def fingerprint(task: Task, inputs: Iterable[tuple[str, str, str]]) -> Fingerprint:
    """The definition after defaults and (path, mode, blob id) of its inputs, hashed."""
    return fingerprint_of(definition(task), inputs)


class _Findings:
    """Counts every problem and keeps the first ones by place: a hostile commit has millions."""

    def __init__(self) -> None:
        self.found = 0
        self._kept: list[Problem] = []

    def add(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.found += 1
            self._kept.append(problem)
            if len(self._kept) >= 4 * MAX_PROBLEMS:
                self._kept = list(self.first())

    def first(self) -> tuple[Problem, ...]:
        ordered = sorted(self._kept, key=lambda problem: (problem.path, problem.line, problem.column, problem.code, problem.message))
        return tuple(ordered[:MAX_PROBLEMS])


def _is_task_file(entry: TreeEntry) -> bool:
    path = entry.path
    is_file = entry.mode not in (LINK, SUBMODULE)
    return is_file and path.startswith("tasks/") and path.endswith(_EXTENSIONS) and "/." not in path


def _limit_problems(entries: Sequence[TreeEntry]) -> Iterator[Problem]:
    number = sum(map(_is_task_file, entries))
    if number > MAX_TASK_FILES:
        yield Problem(code="TS141", message=f"the commit holds {number:,} task files, at most {MAX_TASK_FILES:,} are allowed")
    total = sum(entry.size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        message = f"the files of the commit have {total:,} bytes together, at most {MAX_TOTAL_BYTES:,} are allowed"
        yield Problem(code="TS141", message=message, hint="keep large files elsewhere, or set repository.path to a subfolder")


def _file_problems(entries: Sequence[TreeEntry]) -> Iterator[Problem]:
    for entry in entries:
        if entry.size > MAX_BYTES and _is_task_file(entry):
            message = f"the file has {entry.size:,} bytes, at most {MAX_BYTES:,} are allowed"
            yield Problem(code="TS141", message=message, path=printable(entry.path), line=1, column=1, hint="split it")
        if entry.path in REPOSITORY_FILES:
            yield Problem(code="TS113", message=f"the file {entry.path} is not in this version", path=entry.path, line=1, column=1)
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
            yield _problem("TS130", draft, place, message, "rename one of the two")
        else:
            first[name] = place


def _references(draft: Draft, tree: Tree) -> Iterator[Problem]:
    folder = _start_folder(draft.task, tree)
    if isinstance(folder, Nowhere):
        what = "is no folder of the commit" if folder is Nowhere.MISSING else folder.value
        message = f"the working directory `{draft.task.working_dir}` {what}"
        yield _problem("TS132", draft, draft.working_dir_at, message, "add it to the commit, or write an absolute path")
    program = _named_program(draft.task)
    if program is None or not isinstance(folder, Folder) or not _must_be_there(draft.task, program):
        return
    found = tree.resolve(program, folder.path)
    if not isinstance(found, TreeEntry):
        what = "is a folder" if isinstance(found, Folder) else "is not in the commit" if found is Nowhere.MISSING else found.value
        yield _problem("TS132", draft, draft.command_at, f"the program `{program}` {what}", "add it to the commit, or correct the path")


def _start_folder(task: Task | Outline, tree: Tree) -> Folder | Nowhere | None:
    """The folder of the tree the command starts in; None when it starts elsewhere on the host."""
    if task.working_dir.startswith(("/", "~")):
        return None
    found = tree.resolve(task.working_dir)
    return Nowhere.MISSING if isinstance(found, TreeEntry) else found


def _named_program(task: Task | Outline) -> str | None:
    """The relative path that the command names first; None when it names none, or one that only the shell can tell."""
    if isinstance(task.command, ProgramCommand):
        word = task.command.argv[0]
    else:
        found = _PLAIN_WORD.match(task.command.text)
        word = found["word"] if found else ""
    return word if "/" in word and not word.startswith("/") else None


def _must_be_there(task: Task | Outline, program: str) -> bool:
    """A list is not looked at by any shell, so its first entry is the path it says; in a text only `./` and `../` are that plain."""
    return isinstance(task.command, ProgramCommand) or program.startswith(("./", "../"))


def _inputs(task: Task | Outline, tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Path, mode and blob id of the program the command names first, when the commit has it."""
    folder, program = _start_folder(task, tree), _named_program(task)
    if program and isinstance(folder, Folder):
        found = tree.resolve(program, folder.path)
        if isinstance(found, TreeEntry):
            yield normpath(join(folder.path, program)), found.mode, found.object_id


def _problem(code: str, draft: Draft, place: Position, message: str, hint: str) -> Problem:
    return Problem(code=code, message=message, path=place.path, line=place.line, column=place.column, task=draft.task.name, hint=hint)
