"""The commit verdict on files that need not be committed: a folder, or a single file of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from torchsync.adapters.folder import list_folder, read_files
from torchsync.adapters.gitfolder import git_view
from torchsync.adapters.schemas import repository_formats
from torchsync.cli.verdictfile import VerdictFile
from torchsync.core import hostsfile, repositoryfile
from torchsync.core.model import Task
from torchsync.core.repositoryfile import RepositorySettings, TooOld
from torchsync.core.taskfile import TaskDraft
from torchsync.core.taskset import OnFile, Rejection, TaskSet, common_files, judge, link_files, task_files
from torchsync.core.treepaths import TreeEntry
from torchsync.core.verdictcache import Draft
from torchsync.errors import NotFound, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found. The paths of `problems` lead there from the current folder; `number` counts all, of which the first are kept.

    `found` is there for a valid folder, `drafts` for valid task files: those of a single file have no fingerprint, since that depends on the tree
    around them. `entries` are all files below `root` that a commit of it would hold, `ignored` the names of those that git ignores, `sources` the
    texts of the files with problems.
    """

    root: Path
    files: int = 0
    found: TaskSet | None = None
    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
    number: int = 0
    entries: tuple[TreeEntry, ...] = ()
    ignored: frozenset[str] = frozenset()
    sources: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Those of all files below `root`."""
        return tuple(entry.path for entry in self.entries)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of a valid folder."""
        return self.found.tasks if self.found else ()


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing looks for cycles among what is read: there are hardly any, and walking over thousands of tasks again and again takes its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_path(path: str, verdicts: VerdictFile | None = None, on_file: OnFile | None = None) -> Checked:
    """The verdict on a task repository or on a single file of one. Raises NotFound when the path is not there."""
    place = Path(path)
    if not place.exists():
        raise NotFound("TS353", f"{path}: no such file or folder")
    return read_folder(path, verdicts, on_file) if place.is_dir() else read_file(path)


def read_folder(path: str, verdicts: VerdictFile | None = None, on_file: OnFile | None = None) -> Checked:
    """The verdict on a folder, as if all of it were committed but for what git ignores. Raises NotFound when it cannot be read.

    Task files whose verdict is among `verdicts` are not judged again; the new ones are added. `on_file` is told the number of files done and of
    all.
    """
    root = Path(path)
    view = git_view(root)
    entries = list_folder(root, view)
    cache = verdicts.load(entries) if verdicts else None
    known = cache.known(entries) if cache else frozenset()
    unknown = [name for name in task_files(entries) if name not in known]
    contents = read_files(root, (*unknown, *common_files(entries), *link_files(entries)))
    verdict = judge(entries, contents, repository_formats(), cache, on_file)
    if verdicts:
        verdicts.store_news()
    if isinstance(verdict, Rejection):
        sources = {str(root / name): content for name, content in contents.items()}
        problems = tuple(_from_here(problem, root) for problem in verdict.problems)
        return Checked(root=root, problems=problems, number=verdict.found, sources=sources, files=len(task_files(entries)), entries=entries)
    drafts = tuple(one.draft for one in verdict.found)
    return Checked(root=root, found=verdict, drafts=drafts, files=verdict.files, entries=entries, ignored=view.ignored)


def read_file(path: str) -> Checked:
    """The verdict on one file for itself: what it names in the tree is not looked for. Raises NotFound when it cannot be read.

    A task file is read with the torchsync.yaml of the repository that it lies in, if it lies in one.
    """
    place = Path(path)
    content = read_files(place.parent, (place.name,))[place.name]
    drafts: tuple[TaskDraft, ...] = ()
    match place.name:
        case repositoryfile.PATH:
            problems = _settings_of(content)[1]
        case hostsfile.PATH:
            problems = repository_formats().inventory.read(content)[1]
        case _:
            settings, problems = _settings_around(place)
            drafts, more = repository_formats().tasks.read(path, content, settings.rules)
            problems = (*problems, *more)
    told = tuple(replace(problem, path=path) if problem.path == place.name else problem for problem in problems)
    files = int(place.name not in (repositoryfile.PATH, hostsfile.PATH))
    return Checked(root=place.parent, drafts=drafts, files=files, problems=told, number=len(told), sources={path: content})


def _from_here(problem: Problem, root: Path) -> Problem:
    return replace(problem, path=str(root / problem.path))


def _settings_of(content: bytes) -> tuple[RepositorySettings, tuple[Problem, ...]]:
    read = repository_formats().settings.read(content)
    return (RepositorySettings(), (read.problem,)) if isinstance(read, TooOld) else read


def _settings_around(file: Path) -> tuple[RepositorySettings, tuple[Problem, ...]]:
    """The settings of the repository in whose `tasks` folder the file lies; their problems lead there from the current folder."""
    for folder in Path(os.path.abspath(file)).parents:  # noqa: PTH100  # links are not to be followed
        settings = folder.parent / repositoryfile.PATH
        if folder.name == "tasks" and settings.is_file():
            found, problems = _settings_of(read_files(folder.parent, (settings.name,))[settings.name])
            return found, tuple(_from_here(problem, Path(os.path.relpath(folder.parent))) for problem in problems)
    return RepositorySettings(), ()
