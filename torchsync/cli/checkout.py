"""A git repository on this machine, as `plan` looks at it: its revisions, and what can be told of the way between two of them.

Nothing is fetched, written or checked out, and nothing that the repository configures is run: so `git status` is not asked, which runs filters.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, GitHome, local
from torchsync.core.guard import TRAILER, allows_removal
from torchsync.core.model import Revision
from torchsync.core.treepaths import TreeEntry
from torchsync.errors import NotFound, Problem, TorchsyncError

if TYPE_CHECKING:
    from torchsync.adapters.gitobjects import CommitContent
    from torchsync.cli.verdictfile import VerdictFile

_TIMEOUT = 60.0
_NAMED = 8
HOW_TO_DEEPEN = (
    "the clone is shallow: run `git fetch --unshallow`, in GitHub Actions check out with `fetch-depth: 0`, "
    'in GitLab CI set the variable `GIT_DEPTH: "0"`'
)


@dataclass(frozen=True, slots=True)
class Ancestry:
    """How one revision stands to another that should be its ancestor: the newest common ancestor, if there is one, and how many commits of the
    other it lacks.
    """

    common: Revision | None
    lacking: int


class Checkout:
    """The folder `prefix` of the commits of a repository on this machine."""

    def __init__(self, root: Path, home: str) -> None:
        # Importing GitPython fails where git is not installed, and costs time where it is not needed.
        from torchsync.adapters.git import GitRunner
        from torchsync.adapters.gitobjects import open_checkout

        self._runner = GitRunner()
        self._home = GitHome(folder=home, search_path=os.environ.get("PATH", DEFAULT_SEARCH_PATH))
        self._repository, self._prefix = open_checkout(self._runner, self._home, root.resolve(), _TIMEOUT)

    def revision(self, name: str) -> Revision | None:
        """The commit that the name stands for; None when there is none here."""
        return self._repository.commit(name)

    def named(self, name: str) -> Revision:
        """The commit that the name stands for. Raises NotFound (TS354) with what there is instead."""
        revision = self.revision(name)
        if revision is not None:
            return revision
        message = f"there is no revision {name!r} in {self._repository.folder}"
        hint = HOW_TO_DEEPEN if self.is_shallow() else self._names_like(name)
        raise NotFound("TS354", message, (Problem(code="TS354", message=message, hint=hint),))

    def read(self, name: str, revision: Revision, verdicts: VerdictFile) -> CommitContent:
        """What the verdict on the revision needs; task files with a verdict are not read. Raises CommitInvalid, and NotFound when not all is here."""
        from torchsync.adapters.gitobjects import Damaged

        try:
            return self._repository.read(revision, self._prefix, lambda entries: verdicts.load(entries).known(entries))
        except Damaged as error:
            message = f"{name} cannot be read: {error.message}; a partial clone lacks files, so clone it without --filter"
            raise NotFound("TS354", message) from error

    def entries(self, revision: Revision) -> tuple[TreeEntry, ...]:
        """What the revision has in the folder. Raises CommitInvalid when it has no such folder."""
        return tuple(self._repository.entries(self._repository.tree_id(revision, self._prefix)))

    def allows_removal(self, base: Revision | None, head: Revision | None) -> bool:
        """Whether a commit between the two carries the trailer."""
        return bool(base and head) and allows_removal(self._repository.trailers(TRAILER, base or "", head or ""))

    def ancestry(self, older: Revision, newer: Revision) -> Ancestry | None:
        """None where `older` is an ancestor of `newer`, as it should be."""
        common = self._output("merge-base", "--end-of-options", older, newer)
        if common == older:
            return None
        lacking = self._output("rev-list", "--count", "--end-of-options", f"{newer}..{older}")
        return Ancestry(Revision(common) if common else None, int(lacking or 0))

    def before(self, revision: Revision, most: int) -> tuple[Revision, ...]:
        """The commits that a branch with the revision on its end had there before, the newest first."""
        listed = self._output("rev-list", "--first-parent", "--skip=1", f"--max-count={most}", "--end-of-options", revision)
        return tuple(map(Revision, listed.split()))

    def is_cut(self, older: Revision, newer: Revision) -> bool:
        """Whether commits that `newer` has and `older` has not are missing here: of a shallow clone the last ones there are have no parents."""
        return self.is_shallow() and bool(
            self._output("rev-list", "--max-parents=0", "--max-count=1", "--end-of-options", newer, f"^{older}")
        )

    def is_shallow(self) -> bool:
        return self._output("rev-parse", "--is-shallow-repository") == "true"

    def _names_like(self, name: str) -> str:
        listed = self._output(
            "for-each-ref", "--format=%(refname:short)", "--sort=-committerdate", "refs/heads", "refs/remotes", "refs/tags"
        )
        names = [one for one in listed.splitlines() if one.isprintable()]
        near = [one for one in names if name and one.endswith(f"/{name}")] or get_close_matches(name, names, n=3)
        if near:
            return f"did you mean {' or '.join(near)}?"
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return (
            f"there is {', '.join(names[:_NAMED])}{more}; what is not here has to be fetched first"
            if names
            else "commit or fetch something first"
        )

    def _output(self, *words: str) -> str:
        ended = self._runner.run(local(self._home, self._repository.folder, *words), _TIMEOUT)
        return ended.stdout.decode("utf-8", "replace").strip()


@contextmanager
def opened(root: Path) -> Iterator[Checkout]:
    """The repository that the folder is in. Raises TorchsyncError (TS320) without git, NotFound (TS353) where there is no repository."""
    if shutil.which("git") is None:
        raise TorchsyncError("TS320", "git is not installed, and revisions cannot be read without it")
    with TemporaryDirectory(prefix="torchsync-") as home:
        yield Checkout(root, home)


def differing(committed: Sequence[TreeEntry], present: Sequence[TreeEntry]) -> tuple[str, ...]:
    """The paths of the files that are not the same in both, in order."""
    before, after = ({entry.path: (entry.mode, entry.object_id) for entry in entries} for entries in (committed, present))
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))
