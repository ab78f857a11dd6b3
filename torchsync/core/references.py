"""What a task names of the commit it is in: its program, its folder, its inputs, its groups; and the problem when that is not there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import join, normpath

from torchsync.core.definition import Outline
from torchsync.core.hostsfile import known_groups
from torchsync.core.inventory import Inventory
from torchsync.core.model import Position, ProgramCommand, Task
from torchsync.core.notify import NoticeCommand
from torchsync.core.selector import group_of
from torchsync.core.treepaths import LINK, PLAIN, Folder, Nowhere, Tree, TreeEntry
from torchsync.core.verdictcache import Draft
from torchsync.core.yamlfault import on_one_line
from torchsync.errors import Problem

NOT_EXECUTABLE = "TS177"

_PLAIN_WORD = re.compile(r"\s*(?P<word>[^\s;&|<>()$`\"'\\*?\[\]{}~#=!]+)(?=[\s;&|<>()]|$)")


def references(draft: Draft, tree: Tree) -> Iterator[Problem]:
    """The working directory, the inputs and the program that the commit does not have."""
    folder = _start_folder(draft.task, tree)
    if isinstance(folder, Nowhere):
        what = "is no folder of the commit" if folder is Nowhere.MISSING else folder.value
        message = f"the working directory `{draft.task.working_dir}` {what}"
        yield problem_at("TS132", draft, _place(draft, "working_dir"), message, "add it to the commit, or write an absolute path")
    yield from _missing_inputs(draft, tree)
    if not isinstance(folder, Folder):
        return
    for place, program in _needed_programs(draft):
        found = tree.resolve(program, folder.path)
        if not isinstance(found, TreeEntry):
            what = "is a folder" if isinstance(found, Folder) else "is not in the commit" if found is Nowhere.MISSING else found.value
            yield problem_at("TS132", draft, place, f"the program `{program}` {what}", "add it to the commit, or correct the path")


def unexecutable(draft: Draft, tree: Tree) -> Iterator[Problem]:
    """The programs that are certainly started and that nobody may execute: warnings, since all else of the commit is as it should be."""
    folder = _start_folder(draft.task, tree)
    if not isinstance(folder, Folder):
        return
    for place, program in _needed_programs(draft):
        found = tree.resolve(program, folder.path)
        if isinstance(found, TreeEntry) and found.mode == PLAIN:
            message = f"the program `{program}` has no permission to be executed in the commit, so that runs of it fail"
            hint = f"run `git update-index --chmod=+x {found.path}` and commit, or name an interpreter, as in `sh {program}`"
            yield problem_at(NOT_EXECUTABLE, draft, place, message, hint)


def _needed_programs(draft: Draft) -> Iterator[tuple[Position, str]]:
    """The programs of the tree that are certainly started, with the places that name them."""
    program = _named_program(draft.task)
    if program is not None and _must_be_there(draft.task, program):
        yield _place(draft, "command"), program
    for index, entry in enumerate(draft.task.notify):
        if isinstance(entry.to, NoticeCommand) and "/" in entry.to.argv[0] and not entry.to.argv[0].startswith("/"):
            yield _place(draft, f"notify.{index}"), entry.to.argv[0]


def _missing_inputs(draft: Draft, tree: Tree) -> Iterator[Problem]:
    for index, pattern in enumerate(draft.task.inputs):
        if not any(_matching(tree, pattern)):
            is_folder = isinstance(tree.resolve(pattern), Folder)
            hint = (
                f"write `{pattern.rstrip('/')}/**` for all that is in the folder" if is_folder else "add the file, or correct the pattern"
            )
            message = f"the input `{pattern}` is no file of the commit"
            yield problem_at("TS132", draft, _place(draft, f"inputs.{index}"), message, hint)


def group_references(draft: Draft, inventory: Inventory | None) -> Iterator[Problem]:
    """The groups that the inventory does not have; without an inventory nothing is said."""
    for index, selector in enumerate(draft.task.hosts):
        name = group_of(selector)
        if inventory is not None and name is not None and name not in inventory.groups:
            place = _place(draft, f"hosts.{index}")
            yield problem_at("TS133", draft, place, f"there is no group `{name}`", known_groups(inventory.groups))


def _place(draft: Draft, key: str) -> Position:
    return draft.places.get(key, draft.task.source)


def _matching(tree: Tree, pattern: str) -> Iterator[tuple[str, str, str]]:
    """Path, mode and blob id of the files that fit the pattern; of a link those of the file it leads to, where it leads to one."""
    for entry in tree.matching(pattern.removeprefix("./")):
        found = tree.resolve(entry.path) if entry.mode == LINK else entry
        meant = found if isinstance(found, TreeEntry) else entry
        yield entry.path, meant.mode, meant.object_id


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


def inputs(task: Task | Outline, tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Path, mode and blob id of the files that the task depends on: its inputs, else the program the command names first, when it is there."""
    if task.inputs:
        for pattern in task.inputs:
            yield from _matching(tree, pattern)
        return
    folder, program = _start_folder(task, tree), _named_program(task)
    if program and isinstance(folder, Folder):
        found = tree.resolve(program, folder.path)
        if isinstance(found, TreeEntry):
            yield normpath(join(folder.path, program)), found.mode, found.object_id


def problem_at(code: str, draft: Draft, place: Position, message: str, hint: str) -> Problem:
    """A problem of the task, on one line, at `place`."""
    task = draft.task.name if place.path == draft.task.source.path else ""
    message, hint = on_one_line(message), on_one_line(hint)
    return Problem(code=code, message=message, path=place.path, line=place.line, column=place.column, task=task, hint=hint)
