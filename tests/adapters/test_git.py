"""Git processes: their environment, their deadlines, and what is read from a repository by them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.gitrepo import GOOD, Repo, one_task
from torchsync.adapters.git import GitRunner
from torchsync.adapters.gitcommand import GitCall, GitHome
from torchsync.adapters.gitobjects import Damaged, Repository, open_checkout
from torchsync.core.model import Revision, TreeId
from torchsync.errors import CommitInvalid, NotFound, Unavailable

HOME = GitHome(folder="/nonexistent", search_path=os.environ["PATH"])


def call(script: str, **environment: str) -> GitCall:
    """Stands for git: the launcher does not care."""
    return GitCall(argv=("sh", "-c", script), environment={"PATH": os.environ["PATH"], **environment})


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "tasks", GOOD)


@pytest.fixture
def opened(repo: Repo) -> Repository:
    return Repository(GitRunner(), HOME, str(repo.folder / ".git"), 30.0)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if b") Z " in Path(f"/proc/{pid}/stat").read_bytes():
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_the_environment_is_what_the_call_says_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nonexistent")
    ended = GitRunner().run(call("exec env", ONE="1"), 10)
    names = {line.partition("=")[0] for line in ended.stdout.decode().splitlines()}
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "ONE"}  # the shell adds those three


def test_output_words_and_status_are_told() -> None:
    ended = GitRunner().run(call("cat; echo sorry >&2; exit 3"), 10, b"hello")
    assert (ended.status, ended.stdout, ended.stderr, ended.timed_out) == (3, b"hello", "sorry\n", False)


def test_much_output_on_both_sides_blocks_nobody() -> None:
    ended = GitRunner().run(call("head -c 3000000 /dev/zero >&2; cat"), 20, b"x" * 5_000_000)
    assert (len(ended.stdout), len(ended.stderr)) == (5_000_000, 64 * 1024)


def test_a_deadline_ends_the_whole_group() -> None:
    runner = GitRunner()
    with runner.started(call("sleep 300 & echo $!; exec sleep 300"), 300) as process:
        started = int(process.stdout.readline())
        runner._expire(process)  # that it comes by itself is the next test
    assert (process.timed_out, runner.timeouts) == (True, 1)
    assert gone(started)


def test_a_deadline_comes_by_itself() -> None:
    runner = GitRunner()
    ended = runner.run(call("exec sleep 300"), 0.3)
    assert (ended.status, ended.timed_out, runner.timeouts) == (-9, True, 1)


def test_what_a_process_leaves_behind_is_ended_with_it() -> None:
    ended = GitRunner().run(call("sleep 300 >&- 2>&- & echo $!"), 10)
    assert (ended.status, ended.timed_out) == (0, False)
    assert gone(int(ended.stdout))


def test_a_body_that_fails_ends_its_process() -> None:
    with pytest.raises(ZeroDivisionError), GitRunner().started(call("exec sleep 300"), 60) as process:
        raise ZeroDivisionError
    assert process.status == -9


def test_all_processes_can_be_ended_from_another_thread_and_none_starts_after() -> None:
    runner = GitRunner()
    with runner.started(call("echo; exec sleep 300"), 60) as process:
        process.stdout.readline()
        threading.Thread(target=runner.kill_all).start()
    assert (process.status, process.timed_out) == (-9, False)
    with pytest.raises(Unavailable):
        runner.run(call("true"), 60)


# Reading.


def test_a_commit_is_read_with_its_task_files_and_links(repo: Repo, opened: Repository) -> None:
    (repo.folder / "latest").symlink_to("scripts")
    revision = Revision(repo.commit({"data/large": b"\0" * 100_000}))
    content = opened.read(revision, ".")
    assert content.tree == repo.git("rev-parse", "HEAD^{tree}")
    assert {entry.path: entry.mode for entry in content.entries} == {
        "data/large": "100644",
        "latest": "120000",
        "scripts/backup.sh": "100755",
        "tasks/db.yaml": "100644",
    }
    assert content.contents == {"tasks/db.yaml": GOOD["tasks/db.yaml"].encode(), "latest": b"scripts"}


def test_blobs_come_in_the_order_asked_for(repo: Repo, opened: Repository) -> None:
    revision = Revision(repo.commit({f"tasks/t{number}.yaml": one_task(f"t{number}") for number in range(300)}))
    entries = [*opened.entries(opened.tree_id(revision, "."))]
    wanted = [*reversed(entries), entries[0], entries[0]]
    assert [entry for entry, _ in opened.blobs(wanted)] == wanted
    assert list(opened.blobs([])) == []


def test_names_of_commits_are_resolved(repo: Repo, opened: Repository) -> None:
    first = repo.head
    repo.git("tag", "-a", "-m", "x", "v1")
    repo.commit({"more": "x"})
    assert opened.commit("v1") == opened.commit("HEAD~1") == opened.commit(first[:10]) == first
    assert opened.commit("nope") is opened.commit("--all") is opened.commit(f"{first}^{{tree}}") is None


def test_ancestors_are_told(repo: Repo, opened: Repository) -> None:
    first = repo.head
    second = repo.commit({"more": "x"})
    assert opened.is_ancestor(first, second)
    assert opened.is_ancestor(first, first)
    assert not opened.is_ancestor(second, first)
    assert not opened.is_ancestor("f" * 40, first)
    with pytest.raises(Damaged):
        opened.is_ancestor(first, "f" * 40)


def test_content_that_does_not_have_its_id_is_damage(repo: Repo, opened: Repository, tmp_path: Path) -> None:
    """A disk may give other bytes than it was given, and git does not hash what it reads from a pack; here git itself is the liar."""
    (entry,) = [entry for entry in opened.entries(opened.tree_id(Revision(repo.head), ".")) if entry.path.startswith("tasks/")]
    liar = tmp_path / "bin" / "git"
    liar.parent.mkdir()
    liar.write_text(f"#!/bin/sh\nprintf '{entry.object_id} blob {entry.size}\\n%{entry.size}s\\n' x\n")
    liar.chmod(0o755)
    search_path = f"{liar.parent}:{os.environ['PATH']}"
    lied_to = Repository(GitRunner(), GitHome(folder="/nonexistent", search_path=search_path), opened.folder, 30.0)
    with pytest.raises(Damaged) as caught:
        list(lied_to.blobs([entry]))
    assert "something else" in caught.value.message


def test_a_blob_that_is_missing_is_damage(repo: Repo, opened: Repository) -> None:
    tree = opened.tree_id(Revision(repo.head), ".")
    (entry,) = [entry for entry in opened.entries(tree) if entry.path.startswith("tasks/")]
    (repo.folder / ".git/objects" / entry.object_id[:2] / entry.object_id[2:]).unlink()
    with pytest.raises(Damaged):
        list(opened.entries(tree))
    with pytest.raises(Damaged):
        list(opened.blobs([entry]))


def test_a_tree_that_is_missing_is_damage_and_not_an_empty_commit(repo: Repo, opened: Repository) -> None:
    tree = repo.git("rev-parse", "HEAD:tasks")
    (repo.folder / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(Damaged):
        opened.read(Revision(repo.head), ".")
    with pytest.raises(Damaged):
        opened.read(Revision(repo.head), "tasks/deeper")


def test_reading_that_takes_too_long_is_no_damage(repo: Repo, tmp_path: Path) -> None:
    """However fast git and however slow the deadline: this one never ends."""
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\nexec sleep 300\n")
    git.chmod(0o755)
    home = GitHome(folder="/nonexistent", search_path=f"{git.parent}:{os.environ['PATH']}")
    slow = Repository(GitRunner(), home, str(repo.folder / ".git"), 0.1)
    with pytest.raises(Unavailable) as caught:
        slow.tree_id(Revision(repo.head), ".")
    assert caught.value.code == "TS204"


def test_a_commit_without_the_folder_is_invalid(repo: Repo, opened: Repository) -> None:
    with pytest.raises(CommitInvalid) as caught:
        opened.read(Revision(repo.head), "ops")
    assert caught.value.code == "TS150"


def test_replaced_objects_are_not_followed(repo: Repo, opened: Repository) -> None:
    first = repo.head
    second = repo.commit({"more": "x"})
    repo.git("replace", second, first)
    assert opened.tree_id(Revision(second), ".") != opened.tree_id(Revision(first), ".")


# A checkout of somebody.


def test_a_checkout_is_found_from_inside_of_it(repo: Repo) -> None:
    repository, path = open_checkout(GitRunner(), HOME, repo.folder / "tasks", 30.0)
    assert (repository.folder, path) == (str(repo.folder / ".git"), "tasks")
    assert repository.tree_id(Revision(repo.head), path) == TreeId(repo.git("rev-parse", "HEAD:tasks"))
    assert open_checkout(GitRunner(), HOME, repo.folder, 30.0)[1] == "."


def test_a_linked_worktree_is_a_checkout_too(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    repository, path = open_checkout(GitRunner(), HOME, tmp_path / "second", 30.0)
    assert path == "."
    assert repository.commit("HEAD") == repo.head


def test_a_checkout_may_belong_to_another_user(repo: Repo) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    head = repo.head
    os.chown(repo.folder, 65534, 65534)
    os.chown(repo.folder / ".git", 65534, 65534)
    repository, _ = open_checkout(GitRunner(), HOME, repo.folder, 30.0)
    assert repository.commit("HEAD") == head


def test_a_folder_outside_of_any_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_checkout(GitRunner(), HOME, tmp_path, 30.0)


def test_settings_of_a_checkout_run_nothing(repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "diff.external", "alias.rev-parse"):
        repo.git("config", name, f"!touch {mark}" if name.startswith("alias") else f"touch {mark}")
    repo.git("config", "extensions.partialClone", "origin")
    repo.git("config", "remote.origin.url", f"ext::touch {mark}")
    repo.git("config", "remote.origin.promisor", "true")
    repo.git("config", "protocol.ext.allow", "always")
    repository, _ = open_checkout(GitRunner(), HOME, repo.folder, 30.0)
    repository.read(Revision(repo.head), ".")
    repository.is_ancestor("f" * 40, repo.head)
    assert repository.commit("e" * 40) is None
    assert not mark.exists()
