"""Reads commits from a repository on this machine: the mirror of an agent, or somebody's checkout. Nothing is checked out or written.

Blob bytes and tree entries are what the verdict rests on, never a work tree or an archive, which attributes of the commit itself can change.
Sizes are known and judged before content is read, and each blob is hashed: content that does not have the id the tree names is damage.
Damage shows by reading only: git's own exit status after a fetch says nothing about it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from torchsync.adapters.git import Ended, GitRunner
from torchsync.adapters.gitcommand import OBJECT_ID, TIP, GitCall, GitHome, find_repository, local, tree_path
from torchsync.adapters.gitproblem import shown
from torchsync.core.model import Authorship, Instant, Revision, TreeId
from torchsync.core.taskset import TreeEntry, common_files, link_files, task_files
from torchsync.errors import CommitInvalid, NotFound, Problem, Unavailable

MAX_ENTRIES = 200_000
"""Files and folders of a tree; no limit of bytes holds for empty ones."""

_LONGEST_RECORD = 8_192
"""Bytes of one line of a listing; no system takes a path of that length, and what lies below it is not worth a look."""

_SYMLINK, _SUBMODULE, _FOLDER = "120000", "160000", "040000"


class Damaged(Unavailable):
    """What the repository holds cannot be read."""

    def __init__(self, what: str) -> None:
        super().__init__("TS209", f"the local copy of the repository is damaged: {shown(what)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitContent:
    """What the verdict on a commit needs: every entry of its tree, and the content of the links and of task files by path."""

    tree: TreeId
    entries: tuple[TreeEntry, ...]
    contents: dict[str, bytes]


class Repository:
    """The repository whose git directory is `folder`. Every process it starts has `timeout` seconds."""

    def __init__(self, runner: GitRunner, home: GitHome, folder: str, timeout: float) -> None:
        self.folder = folder
        self._runner = runner
        self._home = home
        self._timeout = timeout

    def commit(self, name: str) -> Revision | None:
        """The commit that `name` (a revision as in gitrevisions(7)) stands for; None when there is none that can be read."""
        ended = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        found = ended.stdout.decode("ascii", "replace").strip()
        return Revision(found) if ended.status == 0 and OBJECT_ID.fullmatch(found) else None

    def kind(self, object_id: str) -> str:
        """commit, tag, tree or blob; empty when there is no such object."""
        return self._run("cat-file", "-t", object_id).stdout.decode("ascii", "replace").strip()

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is `newer` or one of its ancestors. Raises Damaged when the history of `newer` cannot be read.

        A "no" of `merge-base` is confirmed by a walk: before git 2.45 it says no to a history with holes as well.
        """
        if self._run("merge-base", "--is-ancestor", older, newer).status == 0:
            return True
        ended = self._run("rev-list", "--end-of-options", newer)
        if ended.status != 0:
            raise Damaged(ended.stderr)
        return older.encode() in ended.stdout.split()

    def trailers(self, name: str, older: str, newer: str) -> tuple[str, ...]:
        """The values of the trailer in the messages of the commits of `newer` that `older` does not have (git-interpret-trailers(1)); none when
        `older` is not known here.
        """
        form = f"--format=%(trailers:key={name},valueonly=true)"
        ended = self._run("log", form, "--end-of-options", newer, f"^{older}")
        return tuple(filter(None, map(str.strip, ended.stdout.decode("utf-8", "replace").splitlines()))) if ended.status == 0 else ()

    def authorship(self, revision: Revision) -> Authorship | None:
        """Who wrote the commit and when it was made, as it says itself; None when it says neither in a way that can be read (git-log(1))."""
        ended = self._run("log", "-1", "--no-mailmap", "--format=%an%x00%ct", "--end-of-options", revision)
        author, _, seconds = ended.stdout.decode("utf-8", "replace").strip().partition("\0")
        if ended.status != 0 or not re.fullmatch("[0-9]{1,11}", seconds):
            return None
        return Authorship(author=shown(author), committed_at=Instant(int(seconds) * 1000))

    def is_whole(self) -> bool:
        """Whether everything that was fetched is there. Content that is there but damaged shows only when it is read."""
        if self._run("rev-parse", "--verify", "--quiet", TIP).status == 0:
            return self._run("rev-list", "--objects", "--quiet", TIP).status == 0
        return self._run("rev-parse", "--git-dir").status == 0

    def is_sound(self, timeout: float) -> bool:
        """Whether everything that is there holds what its id says; reads all of it. False when that takes longer than `timeout` seconds."""
        words = ("fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress")
        ended = self._runner.run(self._call(*words), timeout)
        return ended.status == 0 and not ended.timed_out

    def read(self, revision: Revision, path: str, known: Callable[[Sequence[TreeEntry]], Collection[str]] = lambda _: ()) -> CommitContent:
        """What the verdict on `revision` needs, of the folder `path` of its tree. Task files that are `known` by path are not read.

        Raises CommitInvalid when the tree has no such folder.
        """
        tree = self.tree_id(revision, path)
        entries = tuple(self.entries(tree))
        wanted = (set(task_files(entries)) - set(known(entries))) | {*common_files(entries), *link_files(entries)}
        contents = {entry.path: content for entry, content in self.blobs([entry for entry in entries if entry.path in wanted])}
        return CommitContent(tree=tree, entries=entries, contents=contents)

    def tree_id(self, revision: Revision, path: str) -> TreeId:
        """The id of the tree at `path`. Raises CommitInvalid when `path` is no folder of the commit."""
        folder = tree_path(path)
        if not folder:
            ended = self._checked("rev-parse", "--verify", "--end-of-options", f"{revision}^{{tree}}")
            return TreeId(ended.stdout.decode().strip())
        line = self._checked("ls-tree", "-z", "--full-tree", revision, "--", folder).stdout.decode("utf-8", "replace")
        kind, _, rest = line.partition(" tree ")
        if kind != "040000":
            message = f"the commit has no folder {folder}"
            raise CommitInvalid("TS150", message, (Problem(code="TS150", message=message, hint="correct repository.path"),))
        return TreeId(rest.partition("\t")[0])

    def entries(self, tree: TreeId) -> Iterator[TreeEntry]:
        """Every file, link and submodule of the tree, in git's order. Raises CommitInvalid when there are too many to look at: a small pack can
        hold more folders in folders, empty ones too, than anybody can count.
        """
        with self._runner.started(self._call("ls-tree", "-r", "-t", "-z", "-l", "--full-tree", tree), self._timeout) as process:
            for number, record in enumerate(_records(process.stdout)):
                if number >= MAX_ENTRIES:
                    raise _too_large(f"the tree holds more than {MAX_ENTRIES:,} files and folders", "set repository.path to a subfolder")
                if not record.startswith(_FOLDER.encode()):
                    yield _entry(record)
        self._check(_ended(process.status, process.stderr, timed_out=process.timed_out))

    def blobs(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, bytes]]:
        """The content of each entry, in their order, hashed and found right. Raises Damaged for the first that is not."""
        if not entries:
            return
        names = "".join(f"{entry.object_id}\n" for entry in entries).encode()
        with self._runner.started(self._call("cat-file", "--batch", "--buffer"), self._timeout, names) as process:
            try:
                for entry in entries:
                    yield entry, _read_blob(process.stdout, entry)
            except Damaged:
                if process.timed_out:
                    raise self._too_slow() from None
                raise
        self._check(_ended(process.status, process.stderr, timed_out=process.timed_out))

    def _call(self, *words: str) -> GitCall:
        return local(self._home, self.folder, *words)

    def _run(self, *words: str) -> Ended:
        ended = self._runner.run(self._call(*words), self._timeout)
        if ended.timed_out:
            self._check(ended)
        return ended

    def _checked(self, *words: str) -> Ended:
        return self._check(self._run(*words))

    def _check(self, ended: Ended) -> Ended:
        if ended.timed_out:
            raise self._too_slow()
        if ended.status != 0:
            raise Damaged(ended.stderr or f"git ended with status {ended.status}")
        return ended

    def _too_slow(self) -> Unavailable:
        return Unavailable("TS204", f"reading the local copy of the repository took more than {self._timeout:g} s")


def open_checkout(runner: GitRunner, home: GitHome, folder: Path, timeout: float) -> tuple[Repository, str]:
    """The repository that `folder` belongs to, and the path of `folder` in it. Raises NotFound when it belongs to none."""
    ended = runner.run(find_repository(home, str(folder)), timeout)
    git_directory, _, prefix = ended.stdout.decode("utf-8", "surrogateescape").partition("\n")
    if ended.status != 0 or not git_directory:
        raise NotFound("TS353", f"{folder} is not in a git repository: {shown(ended.stderr)}")
    return Repository(runner, home, git_directory, timeout), tree_path(prefix.strip("\n")) or "."


def _ended(status: int, stderr: str, *, timed_out: bool) -> Ended:
    return Ended(status=status, stdout=b"", stderr=stderr, timed_out=timed_out)


def _records(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read1(65_536):  # type: ignore[attr-defined]  # a BufferedReader
        *records, rest = (rest + chunk).split(b"\0")
        if max(map(len, (*records, rest))) > _LONGEST_RECORD:
            raise _too_large(f"a path is too long: more than {_LONGEST_RECORD:,} bytes", "take out what is nested so deeply")
        yield from records


def _too_large(message: str, hint: str) -> CommitInvalid:
    return CommitInvalid("TS141", message, (Problem(code="TS141", message=message, hint=hint),))


def _entry(record: bytes) -> TreeEntry:
    """One line of `ls-tree -l`: mode, type, id, size, then a tab and the path (git-ls-tree(1))."""
    head, _, path = record.partition(b"\t")
    mode, _, object_id, size = head.decode("ascii").split()
    if not size.isdecimal() and mode != _SUBMODULE:
        raise Damaged(f"the blob {object_id} is missing")
    return TreeEntry(
        path=path.decode("utf-8", "surrogateescape"), mode=_canonical(mode), object_id=object_id, size=int(size) if size.isdecimal() else 0
    )


def _canonical(mode: str) -> str:
    """Trees of old versions of git hold other permission bits; only the owner's right to execute counts, as on a checkout."""
    if mode in (_SYMLINK, _SUBMODULE):
        return mode
    return "100755" if int(mode, 8) & 0o100 else "100644"


def _read_blob(stream: BinaryIO, entry: TreeEntry) -> bytes:
    """The answer of `cat-file --batch` for one id: `ID blob SIZE`, the content and a newline (git-cat-file(1))."""
    head = stream.readline(256).split()
    if head != [entry.object_id.encode(), b"blob", str(entry.size).encode()]:
        raise Damaged(f"the blob {entry.object_id} cannot be read")
    content = stream.read(entry.size + 1)[:-1]
    if len(content) != entry.size or _blob_id(content, entry.object_id) != entry.object_id:
        raise Damaged(f"the blob {entry.object_id} holds something else")
    return content


def _blob_id(content: bytes, like: str) -> str:
    head = f"blob {len(content)}\0".encode()
    hashed = hashlib.sha256(head) if len(like) == 64 else hashlib.sha1(head, usedforsecurity=False)
    hashed.update(content)
    return hashed.hexdigest()
