"""The two sets of tasks that a plan compares: revisions of a git repository on this machine, or a folder as it is. Nothing is fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, GitHome, local
from torchsync.cli.check import read_folder
from torchsync.core.guard import TRAILER, allows_removal
from torchsync.core.model import Revision
from torchsync.core.plan import Side
from torchsync.core.taskset import TaskSet
from torchsync.errors import CommitInvalid, NotFound, TorchsyncError

_TIMEOUT = 60.0
_SHA256_DIGITS = 64
_NOTHING = Side(words="nothing", revision=None)


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared, and in sentences what else there is to say of it."""

    base: Side
    head: Side
    notices: tuple[str, ...] = ()


def read_sides(path: str, base: str | None, head: str | None) -> Sides:
    """`base` and `head` name revisions; without `base` it is HEAD, or nothing outside of git, without `head` the folder as it is.

    A base that is not valid is taken for empty: no host has ever run it. Raises CommitInvalid with everything that is wrong with the head,
    NotFound for a folder (TS353) or a revision (TS354) that is not there.
    """
    root = Path(path)
    if not root.is_dir():
        raise NotFound("TS353", f"{path} is no folder; name the folder of the task repository")
    if base is None and head is None and not _is_in_git(root):
        return Sides(_NOTHING, _folder_side(path), (f"{path} is not in a git repository, so that there is nothing to compare it with",))
    with _open(root) as checkout:
        head_side = _folder_side(path) if head is None else _in_folder(path, checkout, head)
        return _with_warning(_with_base(checkout, base, head_side))


def _is_in_git(root: Path) -> bool:
    """Told without git, which need not be installed to plan a plain folder."""
    place = root.resolve()
    return any((folder / ".git").exists() for folder in (place, *place.parents))


def _folder_side(path: str) -> Side:
    checked = read_folder(path)
    if checked.found is None:
        raise CommitInvalid(checked.problems[0].code, f"{path} is not valid", checked.problems)
    return _side("the folder as it is", None, checked.found)


def _side(words: str, revision: Revision | None, found: TaskSet) -> Side:
    settings = found.settings
    return Side(words=words, revision=revision, tasks=found.tasks, inventory=found.inventory, guards=settings.guards, pools=settings.pools)


def _in_folder(path: str, checkout: _Checkout, name: str) -> Side:
    """As of the checkout; the paths of problems lead there from the current folder, as those of a folder do."""
    try:
        return checkout.side(name)
    except CommitInvalid as error:
        problems = [replace(problem, path=str(Path(path, problem.path))) if problem.path else problem for problem in error.problems]
        raise CommitInvalid(error.code, error.message, problems) from error


def _with_base(checkout: _Checkout, name: str | None, head: Side) -> Sides:
    if name is None and checkout.revision("HEAD") is None:
        return Sides(_NOTHING, head, ("the repository has no commit yet, so that there is nothing to compare with",))
    base = "HEAD" if name is None else name
    try:
        base_side = checkout.side(base)
        return Sides(
            base_side,
            replace(head, removal_allowed=checkout.allows_removal(base_side.revision, head.revision or checkout.revision("HEAD"))),
        )
    except CommitInvalid as error:
        revision = checkout.revision(base)
        first, more = error.problems[0], len(error.problems) - 1
        notice = f"{base} is not valid and is taken for empty: {first}{f' (and {more} more)' if more else ''}"
        return Sides(Side(words=base, revision=revision), head, (notice,))


def _with_warning(sides: Sides) -> Sides:
    """The ids of files that are not committed are SHA-1, those of a SHA-256 repository are not: there every input looks changed."""
    if sides.head.revision is not None or len(sides.base.revision or "") != _SHA256_DIGITS:
        return sides
    return replace(sides, notices=(*sides.notices, "in a SHA-256 repository inputs look changed until they are committed: give --head REV"))


class _Checkout:
    """The folder `prefix` of the commits of a repository on this machine."""

    def __init__(self, root: Path, home: str) -> None:
        # Importing GitPython fails where git is not installed, and costs time where it is not needed.
        from torchsync.adapters.git import GitRunner
        from torchsync.adapters.gitobjects import open_checkout

        self._runner = GitRunner()
        self._home = GitHome(folder=home, search_path=os.environ.get("PATH", DEFAULT_SEARCH_PATH))
        self._repository, self._prefix = open_checkout(self._runner, self._home, root.resolve(), _TIMEOUT)

    def revision(self, name: str) -> Revision | None:
        return self._repository.commit(name)

    def side(self, name: str) -> Side:
        """The tasks of the revision. Raises CommitInvalid, and NotFound when there is no such revision or not all of it is here."""
        from torchsync.adapters.gitobjects import Damaged
        from torchsync.cli.syncprocess import valid_tasks

        revision = self.revision(name)
        if revision is None:
            raise NotFound("TS354", f"there is no revision {name!r} in {self._repository.folder}{self._advice()}")
        try:
            content = self._repository.read(revision, self._prefix)
        except Damaged as error:
            message = f"{name} cannot be read: {error.message}; a partial clone lacks files, so clone it without --filter"
            raise NotFound("TS354", message) from error
        found = valid_tasks(content)
        return _side(name, revision, found)

    def allows_removal(self, base: str | None, head: str | None) -> bool:
        """Whether a commit between the two carries the trailer."""
        return bool(base and head) and allows_removal(self._repository.trailers(TRAILER, base or "", head or ""))

    def _advice(self) -> str:
        ended = self._runner.run(local(self._home, self._repository.folder, "rev-parse", "--is-shallow-repository"), _TIMEOUT)
        if ended.stdout.strip() != b"true":
            return ""
        return "; the clone is shallow: run `git fetch --unshallow`, in GitHub Actions check out with `fetch-depth: 0`"


@contextmanager
def _open(root: Path) -> Iterator[_Checkout]:
    if shutil.which("git") is None:
        raise TorchsyncError("TS320", "git is not installed, and revisions cannot be read without it")
    with TemporaryDirectory(prefix="torchsync-") as home:
        yield _Checkout(root, home)
