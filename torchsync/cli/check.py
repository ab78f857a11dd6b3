"""The commit verdict on files that need not be committed: a folder, or a single task file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from torchsync.adapters.folder import list_folder, read_files
from torchsync.adapters.schemas import repository_formats
from torchsync.cli.report import print_problems, problems_document
from torchsync.core.inventory import Inventory
from torchsync.core.model import Guards, Task
from torchsync.core.taskset import Rejection, common_files, judge, link_files, task_files
from torchsync.errors import CommitInvalid, NotFound, Problem

FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found. The paths of `problems` lead there from the current folder; `found` counts all, of which the first are kept.

    The tasks of a single file have no fingerprint, since that depends on the tree around them.
    """

    tasks: tuple[Task, ...] = ()
    inventory: Inventory = Inventory()
    guards: Guards = Guards()
    files: int = 0
    problems: tuple[Problem, ...] = ()
    found: int = 0
    sources: Mapping[str, bytes] = field(default_factory=dict)


def validate(path: str, form: str, *, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """The verdict on `path` is told, as text or as one JSON document. 0: valid; 65: not. Raises NotFound when the path is not there."""
    checked = read_path(path)
    out, err = out or sys.stdout, err or sys.stderr
    if form == "json":
        print(json.dumps(_document(checked), indent=2), file=out)
    elif checked.problems:
        print_problems(checked.problems, err, checked.sources)
        print(f"{_number(checked.found, 'problem')} in {_number(len({p.path for p in checked.problems}), 'file')}: not valid", file=err)
    else:
        print(f"{_number(len(checked.tasks), 'task')} in {_number(checked.files, 'file')}: valid", file=out)
    return CommitInvalid.exit_status if checked.problems else 0


def read_path(path: str) -> Checked:
    """The verdict on a task repository or on a single task file. Raises NotFound when the path is not there."""
    place = Path(path)
    if not place.exists():
        raise NotFound("TS353", f"{path}: no such file or folder")
    return read_folder(path) if place.is_dir() else read_file(path)


def read_folder(path: str) -> Checked:
    """The verdict on a folder, as if all of it were committed. Raises NotFound when it cannot be read."""
    root = Path(path)
    entries = list_folder(root)
    contents = read_files(root, (*task_files(entries), *common_files(entries), *link_files(entries)))
    verdict = judge(entries, contents, repository_formats())
    if isinstance(verdict, Rejection):
        sources = {str(root / name): content for name, content in contents.items()}
        problems = tuple(replace(problem, path=str(root / problem.path)) for problem in verdict.problems)
        return Checked(problems=problems, found=verdict.found, sources=sources, files=len(task_files(entries)))
    return Checked(tasks=verdict.tasks, inventory=verdict.inventory, guards=verdict.settings.guards, files=verdict.files)


def read_file(path: str) -> Checked:
    """The verdict on one task file for itself: what it names in the tree is not looked for. Raises NotFound when it cannot be read."""
    place = Path(path)
    content = read_files(place.parent, (place.name,))[place.name]
    drafts, problems = repository_formats().tasks.read(path, content)
    return Checked(tasks=tuple(draft.task for draft in drafts), files=1, problems=problems, found=len(problems), sources={path: content})


def _document(checked: Checked) -> dict[str, object]:
    return {
        "valid": not checked.problems,
        "files": checked.files,
        "tasks": len(checked.tasks) if not checked.problems else None,
        "found": checked.found,
        "problems": problems_document(checked.problems),
    }


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
