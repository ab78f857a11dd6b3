"""What git's own check of fetched objects lets through, and what not: real objects with each defect, fetched from a real remote."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_hostile_trees import FILE, FOLDER, LINK, Hand
from tests.cli.test_syncprocess import asked, in_process
from tests.gitrepo import ENVIRONMENT, Repo
from torchsync.core.fsck import IGNORED
from torchsync.core.syncdoc import Verdict

GOOD_LINE = b"A <a@example.org> 1600000000 +0000"


def commit(author: bytes = GOOD_LINE, *, extra: bytes = b"", text: bytes = b"old\n") -> Callable[[Hand], str]:
    """A commit in the history of a good one, with this author."""

    def make(hand: Hand) -> str:
        tree = hand.repo.raw_tree((FOLDER, "tasks", hand.tasks)).encode()
        return hand.repo.object("commit", b"tree %b\nauthor %b\n%bcommitter %b\n\n%b" % (tree, author, extra, GOOD_LINE, text))

    return make


def tree(*entries: tuple[str, str, str]) -> Callable[[Hand], str]:
    """A commit in the history of a good one, with these entries beside the tasks; BLOB and TASKS stand for objects."""

    def make(hand: Hand) -> str:
        ids = {"BLOB": hand.blob, "TASKS": hand.tasks}
        named = [(mode, name, ids.get(what, what)) for mode, name, what in entries]
        return hand.repo.commit_of(hand.repo.raw_tree(*named), "old")

    return make


def modules(url: str) -> Callable[[Hand], str]:
    def make(hand: Hand) -> str:
        blob = hand.repo.blob(f'[submodule "x"]\n\tpath = x\n\turl = {url}\n'.encode())
        return hand.repo.commit_of(hand.repo.raw_tree((FILE, ".gitmodules", blob), (FOLDER, "tasks", hand.tasks)), "old")

    return make


def modules_that_are_a_link(hand: Hand) -> str:
    return hand.repo.commit_of(hand.repo.raw_tree((LINK, ".gitmodules", hand.link("x")), (FOLDER, "tasks", hand.tasks)), "old")


LET_THROUGH = {
    "zeroPaddedFilemode": tree(("0100644", "old", "BLOB"), (FOLDER, "tasks", "TASKS")),
    "badTimezone": commit(b"A <a@example.org> 1600000000 +051800"),
    "missingSpaceBeforeDate": commit(b"A <a@example.org>1600000000 +0000"),
    "zeroPaddedDate": commit(b"A <a@example.org> 01600000000 +0000"),
    "missingEmail": commit(b"A 1600000000 +0000"),
    "missingNameBeforeEmail": commit(b"<a@example.org> 1600000000 +0000"),
    "missingSpaceBeforeEmail": commit(b"A<a@example.org> 1600000000 +0000"),
    "badEmail": commit(b"A <a@<example.org> 1600000000 +0000"),
    "badName": commit(b"A> <a@example.org> 1600000000 +0000"),
    "multipleAuthors": commit(extra=b"author " + GOOD_LINE + b"\n"),
}

REFUSED = {
    "hasDotgit": tree((FOLDER, ".git", "TASKS"), (FOLDER, "tasks", "TASKS")),
    "hasDotdot": tree((FOLDER, "..", "TASKS"), (FOLDER, "tasks", "TASKS")),
    "hasDot": tree((FOLDER, ".", "TASKS"), (FOLDER, "tasks", "TASKS")),
    "fullPathname": tree((FILE, "a/b", "BLOB"), (FOLDER, "tasks", "TASKS")),
    "duplicateEntries": tree((FILE, "a", "BLOB"), (FILE, "a", "BLOB"), (FOLDER, "tasks", "TASKS")),
    "treeNotSorted": tree((FOLDER, "tasks", "TASKS"), (FILE, "a", "BLOB")),
    "gitmodulesUrl": modules("-u./payload"),
    "gitmodulesSymlink": modules_that_are_a_link,
    "nulInCommit": commit(text=b"signed\0and then more\n"),
    "nulInHeader": commit(b"A\0 <a@example.org> 1600000000 +0000"),
    "badDate": commit(b"A <a@example.org> yesterday +0000"),
    "badDateOverflow": commit(b"A <a@example.org> 99999999999999999999 +0000"),
    "missingAuthor": lambda hand: hand.repo.object(
        "commit", b"tree %b\ncommitter %b\n\nold\n" % (hand.repo.raw_tree((FOLDER, "tasks", hand.tasks)).encode(), GOOD_LINE)
    ),
}


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    (tmp_path / "state").mkdir()
    return Hand(Repo(tmp_path / "tasks"))


def on_top_of(hand: Hand, old: str) -> None:
    """The tip of main is a good commit on top of the old one."""
    whole = hand.repo.raw_tree((FOLDER, "tasks", hand.tasks))
    text = b"tree %b\nparent %b\nauthor %b\ncommitter %b\n\nnew\n" % (whole.encode(), old.encode(), GOOD_LINE, GOOD_LINE)
    hand.repo.git("update-ref", "refs/heads/main", hand.repo.object("commit", text))


def test_the_table_is_tested_whole() -> None:
    assert LET_THROUGH.keys() == {defect.name for defect in IGNORED}


@pytest.mark.parametrize("name", LET_THROUGH)
def test_a_harmless_defect_of_the_history_is_let_through(name: str, hand: Hand, tmp_path: Path) -> None:
    on_top_of(hand, LET_THROUGH[name](hand))
    assert what_git_says(hand, tmp_path).count(f": {name}: ") == 1
    answer = in_process(asked(hand.repo, tmp_path / "state"))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems


def what_git_says(hand: Hand, tmp_path: Path) -> str:
    """When it checks what it fetches, and nothing is let through."""
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "plain"], env=ENVIRONMENT, check=True)
    words = ["git", "-C", tmp_path / "plain", "-c", "transfer.fsckObjects=true", "fetch", hand.repo.url, "main"]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_is_refused_and_named(name: str, hand: Hand, tmp_path: Path) -> None:
    on_top_of(hand, REFUSED[name](hand))
    answer = in_process(asked(hand.repo, tmp_path / "state"))
    assert answer.verdict is Verdict.REJECTED, answer
    (problem,) = answer.problems
    assert (problem.code, f": {name}: " in problem.message) == ("TS140", True), problem.message
