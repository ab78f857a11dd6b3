"""What a commit may not hold, case by case: a real repository made with plumbing, the real sync process, and what it said and wrote.

Each case is shown twice: as the agent meets it, where git itself already refuses some of the objects, and by our own eyes alone, so that no
setting of git stands between such a tree and a host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.test_syncprocess import answer_of, asked, in_process, start
from tests.gitrepo import GOOD, GOOD_TASK, Repo, one_task
from torchsync.adapters.git import GitRunner
from torchsync.adapters.gitcommand import GitHome
from torchsync.adapters.gitobjects import Repository
from torchsync.cli.syncprocess import valid_tasks
from torchsync.core.model import Revision
from torchsync.core.syncdoc import Verdict
from torchsync.errors import CommitInvalid

FILE, SCRIPT, LINK, FOLDER, SUBMODULE = "100644", "100755", "120000", "40000", "160000"
Entry = tuple[str, str | bytes, str]


class Hand:
    """Makes trees that no work tree can hold, next to a task that is right."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.blob = repo.blob(b"content\n")
        self.tasks_blob = repo.blob(GOOD_TASK.encode())
        self.tasks = repo.raw_tree((FILE, "db.yaml", repo.blob(one_task("ok").encode())))

    def link(self, target: str | bytes) -> str:
        return self.repo.blob(target.encode() if isinstance(target, str) else target)

    def folder(self, *entries: Entry) -> str:
        return self.repo.raw_tree(*entries)

    def commit(self, *entries: Entry) -> str:
        """The tip holds these and the right task, in git's order."""
        return self.repo.commit_of(self.repo.raw_tree(*sorted((*entries, (FOLDER, "tasks", self.tasks)), key=_git_order)))

    def tasks_commit(self, *entries: Entry) -> str:
        """The tip holds these under tasks/."""
        return self.repo.commit_of(self.repo.raw_tree((FOLDER, "tasks", self.repo.raw_tree(*sorted(entries, key=_git_order)))))


def _git_order(entry: Entry) -> bytes:
    mode, name, _ = entry
    return (name.encode() if isinstance(name, str) else name) + (b"/" if mode == FOLDER else b"")


@dataclass(frozen=True)
class Case:
    """`code` and `words`: what is said; `git` when git refuses the objects before we see them; `make` builds the tip."""

    name: str
    code: str
    words: str
    make: Callable[[Hand], str]
    git: bool = False


def linked(name: str, words: str, target: str | bytes) -> Case:
    return Case(name, "TS140", words, lambda hand: hand.commit((LINK, "link", hand.link(target))))


def named(name: str, words: str, entry: str | bytes, *, git: bool = False) -> Case:
    return Case(name, "TS140", words, lambda hand: hand.commit((FILE, entry, hand.blob)), git)


def folder_named(name: str, words: str, entry: str | bytes, *, git: bool = False) -> Case:
    return Case(name, "TS140", words, lambda hand: hand.commit((FOLDER, entry, hand.folder((FILE, "config", hand.blob)))), git)


OUT = "leads out of the tree"
CIRCLE = "leads in a circle"
GIT = "is `.git`, or would be on another system"
BYTES = "are not UTF-8, or characters that cannot be seen"
TWIN = "differs only in case"
DASH = "begins with a dash"

LINKS = [
    linked("an absolute link", OUT, "/etc/shadow"),
    linked("a link to the root of the host", OUT, "/"),
    linked("a link above the tree", OUT, "../../../etc/shadow"),
    linked("a link to the folder of the tree itself", OUT, ".."),
    linked("a link that leaves the tree and comes back", OUT, "../main/tasks"),
    linked("an empty link", "is empty", ""),
    linked("a link of a megabyte", "longer than 4,000", b"x" * (1 << 20)),
    linked("a link with a NUL", "holds a NUL", b"tasks\0/../../etc"),
    linked("a link to itself", CIRCLE, "link"),
    Case(
        "links in a circle",
        "TS140",
        CIRCLE,
        lambda hand: hand.commit((LINK, "a", hand.link("b")), (LINK, "b", hand.link("c/x")), (LINK, "c", hand.link("a"))),
    ),
    Case(
        "a link through a link",
        "TS140",
        OUT,
        lambda hand: hand.commit(
            (LINK, "leak", hand.link("deep/down/../../../../etc")),
            (FOLDER, "deep", hand.folder((LINK, "down", hand.link("../tasks")))),
        ),
    ),
    Case("a link to a link out", "TS140", OUT, lambda hand: hand.commit((LINK, "a", hand.link("b")), (LINK, "b", hand.link("/etc")))),
    Case(
        "more links in a row than Linux follows",
        "TS140",
        CIRCLE,
        lambda hand: hand.commit(*[(LINK, f"l{number}", hand.link(f"l{number + 1}")) for number in range(60)], (FILE, "l60", hand.blob)),
    ),
    Case(
        "a file below a link",
        "TS140",
        "a file and a folder",
        lambda hand: hand.repo.commit_of(
            hand.folder(
                (LINK, "out", hand.link("/etc")),
                (FOLDER, "out", hand.folder((FILE, "cron.d", hand.blob))),
                (FOLDER, "tasks", hand.tasks),
            )
        ),
        git=True,
    ),
    Case(
        "a link among the tasks",
        "TS140",
        "under tasks/ is not allowed",
        lambda hand: hand.tasks_commit((FILE, "a.yaml", hand.repo.blob(one_task("a").encode())), (LINK, "b.yaml", hand.link("a.yaml"))),
    ),
    Case(
        "tasks/ that is a link",
        "TS140",
        "under tasks/ is not allowed",
        lambda hand: hand.repo.commit_of(hand.folder((FOLDER, "real", hand.tasks), (LINK, "tasks", hand.link("real")))),
    ),
    Case(
        "torchsync.yaml that is a link",
        "TS140",
        "must be a file",
        lambda hand: hand.commit((LINK, "torchsync.yaml", hand.link("tasks/db.yaml"))),
    ),
]

NAMES = [
    Case("a submodule", "TS140", "a submodule is not allowed", lambda hand: hand.commit((SUBMODULE, "vendor", "1" * 40))),
    Case("a submodule among the tasks", "TS140", "a submodule", lambda hand: hand.tasks_commit((SUBMODULE, "a.yaml", "1" * 40))),
    folder_named("a folder .git", GIT, ".git", git=True),
    folder_named("a folder .GIT", GIT, ".GIT", git=True),
    folder_named("a folder git~1", GIT, "git~1", git=True),
    folder_named("a folder .git with a blank", GIT, ".git ", git=True),
    folder_named("a folder .git with a dot", GIT, ".git.", git=True),
    folder_named("a folder .git with a stream", GIT, ".git::$INDEX_ALLOCATION", git=True),
    folder_named("a folder .git with a character that HFS+ ignores", GIT, ".g\u200cit", git=True),
    named("a file .git", GIT, ".git", git=True),
    folder_named("a folder ..", "`.` or `..`", "..", git=True),
    folder_named("a folder .", "`.` or `..`", ".", git=True),
    named("a name with a slash", "is there twice", "tasks/db.yaml", git=True),
    named("a newline in a name", BYTES, "new\nline"),
    named("an escape in a name", BYTES, "\x1b[2Jx"),
    named("a name in Latin-1", BYTES, b"caf\xe9"),
    named("an overlong slash", BYTES, b"..\xc0\xafetc"),
    named("half of a surrogate pair", BYTES, b"\xed\xa0\x80"),
    named("a name that turns the direction", BYTES, "scr\u202egpj.sh"),
    named("a mark of direction", BYTES, "a\u200fb"),
    named("a line separator", BYTES, "a\u2028b"),
    named("a dash first", DASH, "-rf"),
    Case("a dash first in a folder", "TS140", DASH, lambda hand: hand.commit((FOLDER, "-x", hand.folder((FILE, "ok", hand.blob))))),
    Case(
        "a dash first in a task file",
        "TS140",
        DASH,
        lambda hand: hand.tasks_commit((FILE, "-a.yaml", hand.repo.blob(one_task("a").encode()))),
    ),
    named("a name of 300 bytes", "too long", "x" * 300),
    Case("case twins that are files", "TS140", TWIN, lambda hand: hand.commit((FILE, "File", hand.blob), (FILE, "file", hand.blob))),
    Case(
        "case twins that are folders",
        "TS140",
        TWIN,
        lambda hand: hand.commit(
            (FOLDER, "Lib", hand.folder((FILE, "a", hand.blob))), (FOLDER, "lib", hand.folder((FILE, "b", hand.blob)))
        ),
    ),
    Case(
        "case twins of which one is a folder",
        "TS140",
        TWIN,
        lambda hand: hand.commit((FILE, "LIB", hand.blob), (FOLDER, "lib", hand.folder((FILE, "b", hand.blob)))),
    ),
    Case(
        "case twins among the tasks",
        "TS140",
        TWIN,
        lambda hand: hand.tasks_commit(
            (FILE, "A.yaml", hand.repo.blob(one_task("a").encode())), (FILE, "a.yaml", hand.repo.blob(one_task("b").encode()))
        ),
    ),
    Case(
        "case twins of two letters", "TS140", TWIN, lambda hand: hand.commit((FILE, "stra\u00dfe", hand.blob), (FILE, "strasse", hand.blob))
    ),
    Case(
        "twins by how an accent is written",
        "TS140",
        TWIN,
        lambda hand: hand.commit((FILE, "cafe\u0301", hand.blob), (FILE, "caf\u00e9", hand.blob)),
    ),
    Case(
        "twins by what cannot be seen", "TS140", TWIN, lambda hand: hand.commit((FILE, "fi\u200dle", hand.blob), (FILE, "file", hand.blob))
    ),
    Case(
        "the same name twice",
        "TS140",
        "is there twice",
        lambda hand: hand.commit((FILE, "x", hand.blob), (FILE, "x", hand.tasks_blob)),
        git=True,
    ),
    Case(
        "a file and a folder of one name",
        "TS140",
        "a file and a folder",
        lambda hand: hand.repo.commit_of(
            hand.folder((FILE, "a", hand.blob), (FOLDER, "a", hand.folder((FILE, "b", hand.blob))), (FOLDER, "tasks", hand.tasks))
        ),
        git=True,
    ),
]


def nested(hand: Hand, depth: int, name: str = "d") -> str:
    folder = hand.folder((FILE, "f", hand.blob))
    for _ in range(depth):
        folder = hand.folder((FOLDER, name, folder))
    return hand.commit((FOLDER, name, folder))


def bomb(hand: Hand, leaf: Entry) -> str:
    """Ten levels of ten entries each."""
    level = leaf
    for _ in range(10):
        level = (FOLDER, "d", hand.folder(*[(level[0], f"{level[1]}{number}", level[2]) for number in range(10)]))
    return hand.commit(level)


def many_links_to_one_blob(hand: Hand) -> str:
    large = hand.repo.blob(b"\0" * (1 << 20))
    return hand.commit((FOLDER, "data", hand.folder(*[(FILE, f"f{number:03}", large) for number in range(100)])))


def many_task_files(hand: Hand) -> str:
    blob = hand.repo.blob(b"x")
    return hand.tasks_commit(*[(FILE, f"t{number:06}.yaml", blob) for number in range(20_001)])


SIZES = [
    Case(
        "a task file of 70 KiB", "TS141", "at most 65,536", lambda hand: hand.tasks_commit((FILE, "a.yaml", hand.repo.blob(b"#" * 70_000)))
    ),
    Case("a sparse blob under many names", "TS141", "at most 67,108,864", many_links_to_one_blob),
    Case("too many task files", "TS141", "20,001 task files", many_task_files),
    Case("ten thousand million files", "TS141", "more than 200,000 files", lambda hand: bomb(hand, (FILE, "f", hand.blob))),
    Case("ten thousand million empty folders", "TS141", "more than 200,000 files", lambda hand: bomb(hand, (FOLDER, "e", hand.folder()))),
    Case("folders in folders", "TS140", "100 parts", lambda hand: nested(hand, 150)),
    Case("a path that no system call takes", "TS141", "too long", lambda hand: nested(hand, 60, "d" * 200)),
]


def entry_of_other_type(mode: str, kind: str) -> Callable[[Hand], str]:
    return lambda hand: hand.commit((mode, "x", hand.tasks if kind == "tree" else hand.blob))


ODDITIES = [
    Case("an empty tree", "TS150", "no task file", lambda hand: hand.repo.commit_of(hand.folder())),
    Case("a device", "TS140", "a submodule", lambda hand: hand.commit(("60000", "sda", hand.blob))),
]

BROKEN = [
    Case("a file whose object is a folder", "TS140", "does not accept", entry_of_other_type(FILE, "tree")),
    Case("a folder whose object is a file", "TS140", "does not accept", entry_of_other_type(FOLDER, "blob")),
    folder_named("a folder without a name", "does not accept", ""),
]

CASES = [*LINKS, *NAMES, *SIZES, *ODDITIES]


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    """A place in which everything that is written shows."""
    one = Hand(Repo(tmp_path / "tasks"))
    (tmp_path / "state").mkdir()
    yield one
    assert {path.name for path in tmp_path.iterdir()} == {"tasks", "state"}


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """The URL of a server that knows nothing of git: what git fetches from such a one, it does not check."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name of the standard library
        pass

    def copyfile(self, source: object, outputfile: object) -> None:
        with suppress(ConnectionError):  # git hangs up when it has seen enough
            super().copyfile(source, outputfile)


def parameters(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases]


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_hostile_tree_is_rejected_and_nothing_of_it_written(case: Case, hand: Hand, tmp_path: Path) -> None:
    case.make(hand)
    answer = in_process(asked(hand.repo, tmp_path / "state"))
    told = [problem for problem in answer.problems if problem.code == case.code and (case.git or case.words in problem.message)]
    assert (answer.verdict, bool(told)) == (Verdict.REJECTED, True), answer
    assert all(problem.reason for problem in answer.problems)
    assert all(str(problem).isprintable() for problem in answer.problems)
    assert not (tmp_path / "state" / "worktrees").exists()


@pytest.mark.parametrize("case", parameters(CASES))
def test_it_is_rejected_by_our_own_eyes_too(case: Case, hand: Hand) -> None:
    revision = case.make(hand)
    repository = Repository(GitRunner(), GitHome(folder="/nonexistent"), str(hand.repo.folder / ".git"), 60)
    with pytest.raises(CommitInvalid) as caught:
        valid_tasks(repository.read(Revision(revision), "."))
    assert [problem for problem in caught.value.problems if problem.code == case.code and case.words in problem.message], (
        caught.value.problems
    )


@pytest.mark.parametrize("case", parameters([*[case for case in CASES if case.git], *BROKEN]))
def test_it_is_rejected_when_it_comes_from_a_server_of_files_too(case: Case, hand: Hand, tmp_path: Path) -> None:
    case.make(hand)
    hand.repo.git("update-server-info")
    with file_server(hand.repo.folder / ".git") as url:
        answer = in_process(asked(hand.repo, tmp_path / "state", url=url, insecure=True))
    told = [problem for problem in answer.problems if problem.code == case.code and case.words in problem.message]
    assert (answer.verdict, bool(told)) == (Verdict.REJECTED, True), answer
    assert not (tmp_path / "state" / "worktrees").exists()


@pytest.mark.parametrize("id_", ["0" * 40, "1" * 40])
def test_a_commit_that_no_remote_can_give_whole_is_not_accepted(id_: str, hand: Hand, tmp_path: Path) -> None:
    hand.commit((FILE, "x", id_))
    answer = in_process(asked(hand.repo, tmp_path / "state"))
    assert answer.verdict is Verdict.UNAVAILABLE
    assert not (tmp_path / "state" / "worktrees").exists()


# What is right although it looks odd.


def test_links_that_stay_inside_are_written_as_they_are(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "tasks", GOOD)
    for name, target in {
        "latest": "scripts",
        "scripts/same": "backup.sh",
        "data/up": "../scripts/backup.sh",
        "data/round": "../data/../scripts/./same",
        "later": "data/not-there-yet",
        "here": ".",
    }.items():
        (repo.folder / name).parent.mkdir(exist_ok=True)
        (repo.folder / name).symlink_to(target)
    repo.commit({})
    (tmp_path / "state").mkdir()
    answer = in_process(asked(repo, tmp_path / "state"))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    tree = tmp_path / "state" / "worktrees" / answer.tree
    assert (tree / "data/round").read_text() == GOOD["scripts/backup.sh"]
    assert (tree / "later").readlink() == Path("data/not-there-yet")


@pytest.mark.parametrize(
    "name",
    [
        "dash-inside",
        ".hidden",
        "..two-dots",
        "...",
        "blank at the end ",
        "dot-at-the-end.",
        "back\\slash",
        "colon:colon",
        "quote'\"$(x)",
        "Größe",
        "日本語",
        "می‌خواهم",
        ".gitignore",
        ".gitattributes",
        ".gitmodules",
        "git",
        "git~2",
        "CON",
        "x" * 255,
    ],
)
def test_a_name_that_is_only_unusual_is_written(name: str, tmp_path: Path) -> None:
    repo = Repo(tmp_path / "tasks", GOOD | {f"data/{name}": "x"})
    (tmp_path / "state").mkdir()
    answer = in_process(asked(repo, tmp_path / "state"))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert (tmp_path / "state" / "worktrees" / answer.tree / "data" / name).read_text() == "x"


@pytest.mark.parametrize("mode", ["100664", "100600", "100640", "100755", "100775"])
def test_modes_of_old_repositories_are_those_of_a_checkout(mode: str, hand: Hand, tmp_path: Path) -> None:
    hand.commit((mode, "x", hand.blob))
    answer = in_process(asked(hand.repo, tmp_path / "state"))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    written = (tmp_path / "state" / "worktrees" / answer.tree / "x").stat().st_mode
    assert written & 0o777 == (0o755 if int(mode, 8) & 0o100 else 0o644)


def test_a_submodule_outside_the_folder_of_the_tasks_does_not_matter(hand: Hand, tmp_path: Path) -> None:
    inner = hand.folder((FOLDER, "tasks", hand.tasks))
    hand.repo.commit_of(hand.folder((FOLDER, "ops", inner), (SUBMODULE, "vendor", "1" * 40)))
    assert answer_of(start(asked(hand.repo, tmp_path / "state", path="ops"))).verdict is Verdict.ACCEPTED
