"""The two sets of tasks that a plan compares: revisions of a git repository on this machine, or a folder as it is. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torchsync.adapters.gitfolder import is_in_git
from torchsync.cli.check import Checked, read_folder
from torchsync.cli.checkout import HOW_TO_DEEPEN, Checkout, differing, opened
from torchsync.cli.verdictfile import VerdictFile
from torchsync.core import hostsfile, repositoryfile
from torchsync.core.model import Fingerprint, Position, Revision, Task
from torchsync.core.plan import Side
from torchsync.core.taskset import FoundTask, TaskSet, task_files
from torchsync.core.treepaths import TreeEntry
from torchsync.errors import CommitInvalid, NotFound, Problem

_NO_TASK_FILE = "TS150"
_SHA256_DIGITS = 64
_NAMED = 5
_LOOKED_BACK = 20
"""Commits before a base that is not valid, among which the one is looked for that hosts run instead."""
_NOTHING = Side(words="nothing", revision=None)


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared, and in sentences what else there is to say of it."""

    base: Side
    head: Side
    notices: tuple[str, ...] = ()


def read_sides(path: str, base: str | None, head: str | None, *, use_cache: bool = True) -> Sides:
    """`base` and `head` name revisions; without `base` it is HEAD, or nothing outside of git, without `head` the folder as it is.

    No host has ever run a base that is not valid: the newest valid commit before it counts, or nothing where there is none near. With `use_cache`
    the verdicts on task files are kept for the next time.
    Raises CommitInvalid with everything that is wrong with the head, NotFound for a folder (TS353) or a revision (TS354) that is not there.
    """
    root = Path(path)
    if not root.is_dir():
        raise NotFound("TS353", f"{path} is no folder; name the folder of the task repository")
    try:
        return _Reading(path, VerdictFile(root, is_kept=use_cache)).sides(base, head)
    except _CacheUnfit:
        return _Reading(path, VerdictFile(root, is_kept=False)).sides(base, head)


def read_side(path: str, name: str | None) -> Side:
    """The folder as it is, or as of the revision `name`. Reads and raises as `read_sides`."""
    root = Path(path)
    if not root.is_dir():
        raise NotFound("TS353", f"{path} is no folder; name the folder of the task repository")
    try:
        return _Reading(path, VerdictFile(root)).side(name)
    except _CacheUnfit:
        return _Reading(path, VerdictFile(root, is_kept=False)).side(name)


class _CacheUnfit(Exception):
    """A definition from the cache is none."""


class _Reading:
    """Both sides are read with the same verdicts, and a task that is the same in both is made once."""

    def __init__(self, path: str, verdicts: VerdictFile) -> None:
        self._path = path
        self._root = Path(path)
        self._verdicts = verdicts
        self._made: dict[tuple[Fingerprint, Position], Task] = {}

    def sides(self, base: str | None, head: str | None) -> Sides:
        if base is None and head is None and not is_in_git(self._root):
            notice = f"{self._path} is not in a git repository, so that there is nothing to compare it with"
            return Sides(_NOTHING, self._folder()[0], (notice,))
        with opened(self._root) as checkout:
            sides = self._compared(checkout, base, head)
        self._verdicts.store_news()
        return sides

    def side(self, name: str | None) -> Side:
        if name is None:
            side = self._folder()[0]
        else:
            with opened(self._root) as checkout:
                side = self._in_folder(checkout, name)
        self._verdicts.store_news()
        return side

    def _compared(self, checkout: Checkout, base: str | None, head: str | None) -> Sides:
        if head is None:
            side, entries = self._folder()
            committed = checkout.revision("HEAD")
            found = self._with_base(checkout, base, side)
            notices = tuple(_uncommitted(checkout, committed, entries, found)) if committed else ()
            return replace(found, notices=(*found.notices, *notices))
        return self._with_base(checkout, base, self._in_folder(checkout, head))

    def _folder(self) -> tuple[Side, tuple[TreeEntry, ...]]:
        checked = read_folder(self._path, self._verdicts)
        if checked.found is None:
            problems = _with_right_folder(checked)
            raise CommitInvalid(problems[0].code, f"{self._path} is not valid", problems)
        return self._side("the folder as it is", None, checked.found), checked.entries

    def _in_folder(self, checkout: Checkout, name: str) -> Side:
        """As of the checkout; the paths of problems lead there from the current folder, as those of a folder do."""
        try:
            return self._commit(checkout, name, checkout.named(name))
        except CommitInvalid as error:
            problems = [replace(one, path=str(Path(self._path, one.path))) if one.path else one for one in error.problems]
            raise CommitInvalid(error.code, error.message, problems) from error

    def _commit(self, checkout: Checkout, name: str, revision: Revision) -> Side:
        from torchsync.cli.syncprocess import valid_tasks

        content = checkout.read(name, revision, self._verdicts)
        return self._side(name, revision, valid_tasks(content, self._verdicts.load(content.entries)))

    def _with_base(self, checkout: Checkout, name: str | None, head: Side) -> Sides:
        if name is None and checkout.revision("HEAD") is None:
            return Sides(_NOTHING, head, ("the repository has no commit yet, so that there is nothing to compare with",))
        base = "HEAD" if name is None else name
        revision = checkout.named(base)
        tip = Revision(head.revision) if head.revision else checkout.revision("HEAD")
        notices = tuple(_on_the_way(checkout, base, revision, head, tip))
        try:
            side = self._commit(checkout, base, revision)
        except CommitInvalid as error:
            earlier = self._in_force_before(checkout, revision)
            side = earlier or Side(words=base, revision=revision)
            notices = (_invalid_base(base, error, earlier), *notices)
        start = Revision(side.revision or revision)
        return Sides(side, replace(head, removal_allowed=checkout.allows_removal(start, tip)), notices)

    def _in_force_before(self, checkout: Checkout, revision: Revision) -> Side | None:
        """The newest valid commit before the revision, which no host has run; None when there is none near."""
        for earlier in checkout.before(revision, _LOOKED_BACK):
            with suppress(CommitInvalid):
                return self._commit(checkout, earlier[:12], earlier)
        return None

    def _side(self, words: str, revision: Revision | None, found: TaskSet) -> Side:
        settings = found.settings
        return Side(
            words=words,
            revision=revision,
            tasks=tuple(map(self._task, found.found)),
            inventory=found.inventory,
            guards=settings.guards,
            pools=settings.pools,
            inputs={task.name: task.inputs for task in found.found},
        )

    def _task(self, found: FoundTask) -> Task:
        key = found.fingerprint, found.source
        if key not in self._made:
            try:
                self._made[key] = found.task()
            except ValueError as error:
                raise _CacheUnfit from error
        return self._made[key]


def _invalid_base(name: str, error: CommitInvalid, earlier: Side | None) -> str:
    """That the base is not valid, what is compared in its place, and why."""
    taken = (
        f"so that no host runs it; compared is {earlier.words}, the newest valid commit before it" if earlier else "and is taken for empty"
    )
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    return f"{name} is not valid {taken}: {error.problems[0]}{more}"


def _with_right_folder(checked: Checked) -> tuple[Problem, ...]:
    """The problems; a folder inside of a task repository is told which one is meant."""
    first = checked.problems[0]
    right = next((folder for folder in checked.root.resolve().parents if (folder / "tasks").is_dir()), None)
    if first.code != _NO_TASK_FILE or right is None:
        return checked.problems
    return (replace(first, hint=f"the task repository seems to be {right}, so give that folder as PATH"), *checked.problems[1:])


def _on_the_way(checkout: Checkout, name: str, base: Revision, head: Side, tip: Revision | None) -> Iterator[str]:
    """What is odd about the history between the two."""
    if head.revision is None and len(base) == _SHA256_DIGITS:
        yield "in a SHA-256 repository inputs look changed until they are committed: give --head REV"
    if not tip or tip == base:
        return
    what, ancestry = head.words if head.revision else "HEAD", checkout.ancestry(base, tip)
    is_cut = checkout.is_cut(base, tip)
    if is_cut:
        yield f"the history between {name} and {what} is not all here, nor are the trailers of its commits: {HOW_TO_DEEPEN}"
    if ancestry is None:
        return
    if ancestry.common is None and not is_cut:
        yield f"{name} and {what} have no commit in common"
    elif ancestry.common is not None:
        commits = "a commit" if ancestry.lacking == 1 else f"{ancestry.lacking} commits"
        remedy = f"rebase or merge first, or compare with the commit both come from: --base {ancestry.common[:12]}"
        yield f"{what} lacks {commits} of {name}, and what these did is shown as undone: {remedy}"


def _uncommitted(checkout: Checkout, committed: Revision, present: Sequence[TreeEntry], sides: Sides) -> Iterator[str]:
    """That there is something, and what."""
    paths = uncommitted(checkout, committed, present, sides.base, sides.head)
    if paths:
        yield uncommitted_words(paths)


def uncommitted(checkout: Checkout, committed: Revision, present: Sequence[TreeEntry], *sides: Side) -> tuple[str, ...]:
    """What counts of the folder and is not committed so. Ids of a SHA-256 repository cannot be compared with those of files."""
    if len(committed) == _SHA256_DIGITS:
        return ()
    try:
        before = checkout.entries(committed)
    except CommitInvalid:
        before = ()
    counting = _counting(before, present, sides)
    return tuple(path for path in differing(before, present) if path in counting)


def uncommitted_words(paths: Sequence[str]) -> str:
    """The sentence about these files."""
    named = ", ".join(map(_on_one_line, paths[:_NAMED])) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")
    count = "1 file of the folder is" if len(paths) == 1 else f"{len(paths)} files of the folder are"
    return f"{count} not committed as it stands here, and a commit may come out otherwise: {named}"


def _on_one_line(path: str) -> str:
    """The path on one line."""
    return path if path.isprintable() else ascii(path)


def _counting(before: Sequence[TreeEntry], present: Sequence[TreeEntry], sides: Sequence[Side]) -> Collection[str]:
    """The files that have a say in the plan."""
    inputs = {path for side in sides for files in side.inputs.values() for path, _, _ in files}
    return {*task_files(before), *task_files(present), repositoryfile.PATH, hostsfile.PATH, *inputs}
