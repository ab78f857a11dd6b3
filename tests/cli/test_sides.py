"""What `plan` compares: revisions that are not there, histories that are cut or apart, folders that are not committed, and verdicts that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_plan import BEFORE, write
from tests.gitrepo import Repo, one_task
from torchsync.cli.sides import read_sides
from torchsync.core.taskfile import TaskFileReader
from torchsync.errors import CommitInvalid, NotFound


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/torchsync/verdicts"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo", BEFORE)


def advice(folder: Path, base: str | None, head: str | None = None) -> str:
    """What is said to revisions that are not there."""
    with pytest.raises(NotFound) as raised:
        read_sides(str(folder), base, head)
    (problem,) = raised.value.problems
    assert raised.value.code == "TS354"
    return problem.hint


def notices(folder: Path, base: str | None = None, head: str | None = None) -> tuple[str, ...]:
    return read_sides(str(folder), base, head).notices


# Revisions that are not there.


def test_a_revision_that_is_nearly_there_is_named(repo: Repo) -> None:
    repo.git("branch", "release/2026")
    assert advice(repo.folder, "mian") == "did you mean main?"
    assert advice(repo.folder, None, "relaese/2026") == "did you mean release/2026?"


def test_a_branch_that_only_the_remote_has_is_named_as_it_is_called_here(repo: Repo, tmp_path: Path) -> None:
    repo.git("branch", "topic")
    clone = tmp_path / "clone"
    repo.git("clone", "--quiet", repo.url, str(clone))
    assert advice(clone, "topic") == "did you mean origin/topic?"


def test_without_one_that_is_near_there_is_what_there_is(repo: Repo) -> None:
    for number in range(10):
        repo.git("branch", f"b{number}")
    hint = advice(repo.folder, "something-else")
    assert hint.startswith("there is b0, b1, ")
    assert hint.endswith(" and 3 more; what is not here has to be fetched first")


def test_in_a_shallow_clone_it_says_how_to_deepen_it_on_both_forges(repo: Repo, tmp_path: Path) -> None:
    first, _ = repo.head, repo.commit({})
    shallow = tmp_path / "shallow"
    repo.git("clone", "--quiet", "--depth=1", repo.url, str(shallow))
    hint = advice(shallow, first)
    assert "`git fetch --unshallow`" in hint
    assert "`fetch-depth: 0`" in hint
    assert '`GIT_DEPTH: "0"`' in hint


# What lies between the two.


def test_a_head_without_commits_of_the_base_is_told_which_commit_both_come_from(repo: Repo) -> None:
    common = repo.head
    repo.git("checkout", "--quiet", "-b", "topic")
    repo.commit({"tasks/new.yaml": one_task("new")})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"tasks/other.yaml": one_task("other")})
    (notice,) = notices(repo.folder, "main", "topic")
    assert notice.startswith("topic lacks a commit of main, and what these did is shown as undone: rebase or merge first")
    assert notice.endswith(f"--base {common[:12]}")
    assert notices(repo.folder, common, "topic") == ()


def test_a_history_that_is_cut_between_the_two_is_told(repo: Repo, tmp_path: Path) -> None:
    first = repo.head
    for _ in range(3):
        repo.commit({})
    shallow = tmp_path / "shallow"
    repo.git("clone", "--quiet", "--depth=1", repo.url, str(shallow))
    repo.git("-C", str(shallow), "fetch", "--quiet", "--depth=1", "origin", first)
    (notice,) = notices(shallow, first, "HEAD")
    assert "is not all here, nor are the trailers of its commits: the clone is shallow" in notice


def test_a_history_that_is_cut_beside_the_base_is_told_since_a_trailer_may_be_there(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "--quiet", "-b", "topic")
    repo.commit({}, "drop\n\nTorchsync-Allow-Removal: yes")
    repo.commit({})
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-ff", "--no-edit", "topic")
    assert notices(repo.folder, "HEAD^1", "HEAD") == ()
    shallow = tmp_path / "shallow"
    repo.git("clone", "--quiet", "--depth=2", repo.url, str(shallow))
    (notice,) = notices(shallow, "HEAD^1", "HEAD")
    assert "is not all here, nor are the trailers of its commits: the clone is shallow" in notice
    assert read_sides(str(repo.folder), "HEAD^1", "HEAD").head.removal_allowed
    repo.git("-C", str(shallow), "fetch", "--quiet", "--unshallow")
    assert notices(shallow, "HEAD^1", "HEAD") == ()


def test_histories_without_a_commit_in_common_are_told(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--orphan", "apart")
    repo.commit({}, "apart")
    assert notices(repo.folder, "main", "apart") == ("main and apart have no commit in common",)


# A folder that is not committed.


def test_files_that_count_and_are_not_committed_are_named_and_others_are_not(repo: Repo) -> None:
    assert notices(repo.folder) == ()
    write(repo.folder, {"README": "hello\n", "notes/a.txt": "x\n"})
    assert notices(repo.folder) == ()
    write(repo.folder, {"tasks/new.yaml": one_task("new"), "scripts/queue.sh": "#!/bin/sh\n", "hosts.yaml": "hosts: {db-1: {}}\n"})
    (repo.folder / "tasks/web.yaml").unlink()
    (notice,) = notices(repo.folder)
    assert notice.startswith("4 files of the folder are not committed as it stands here")
    assert notice.endswith(": hosts.yaml, scripts/queue.sh, tasks/new.yaml, tasks/web.yaml")


def test_a_mode_that_is_not_committed_counts_and_a_file_that_git_ignores_does_not(repo: Repo) -> None:
    repo.commit({".gitignore": "local.yaml\n"})
    (repo.folder / "scripts/queue.sh").chmod(0o644)
    write(repo.folder, {"tasks/local.yaml": one_task("local")})
    (notice,) = notices(repo.folder)
    assert notice.endswith(": scripts/queue.sh")
    assert "local" not in {task.name for task in read_sides(str(repo.folder), None, None).head.tasks}


def test_many_files_are_counted_and_only_the_first_are_named(repo: Repo) -> None:
    write(repo.folder, {f"tasks/{number}.yaml": one_task(f"t{number}") for number in range(9)})
    (notice,) = notices(repo.folder, "HEAD")
    assert notice.startswith("9 files")
    assert notice.endswith("tasks/4.yaml and 4 more")


def test_a_revision_does_not_ask_for_the_folder(repo: Repo) -> None:
    write(repo.folder, {"tasks/new.yaml": "nonsense"})
    assert notices(repo.folder, "HEAD", "HEAD") == ()


def test_no_filter_that_the_repository_configures_is_run_on_files_that_changed(repo: Repo, tmp_path: Path) -> None:
    mark, trap = tmp_path / "mark", tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    trap.chmod(0o755)
    repo.git("config", "filter.trap.clean", str(trap))
    write(repo.folder, {".gitattributes": "* filter=trap\n", "tasks/new.yaml": one_task("new")})
    assert notices(repo.folder)
    assert not mark.exists()


def test_a_folder_inside_of_a_task_repository_is_told_which_one_is_meant(repo: Repo) -> None:
    with pytest.raises(CommitInvalid) as raised:
        read_sides(str(repo.folder / "tasks"), None, None)
    assert raised.value.problems[0].code == "TS150"
    assert f"seems to be {repo.folder}, so give that folder as PATH" in raised.value.problems[0].hint


# Verdicts that are kept.


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the task files that were judged, as they are."""
    found: list[str] = []
    judge = TaskFileReader.read

    def read(self: TaskFileReader, path: str, *rest: object) -> object:
        found.append(path)
        return judge(self, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TaskFileReader, "read", read)
    return found


def test_a_file_that_both_sides_have_is_judged_once_and_not_again_the_next_time(repo: Repo, read_files: list[str]) -> None:
    write(repo.folder, {"tasks/web.yaml": one_task("warm-cache", hosts="[web-1]")})
    once = read_sides(str(repo.folder), None, None)
    assert sorted(read_files) == ["tasks/db.yaml", "tasks/web.yaml", "tasks/web.yaml"]
    read_files.clear()
    assert read_sides(str(repo.folder), None, None) == once
    assert read_files == []


def test_without_a_cache_a_file_is_judged_once_for_both_and_nothing_is_kept(repo: Repo, read_files: list[str], cache: Path) -> None:
    read_sides(str(repo.folder), None, None, use_cache=False)
    assert sorted(read_files) == ["tasks/db.yaml", "tasks/web.yaml"]
    assert not cache.exists()


def test_sides_with_another_torchsync_yaml_keep_their_verdicts_apart(repo: Repo, read_files: list[str], cache: Path) -> None:
    write(repo.folder, {"torchsync.yaml": "version: 1\ndefaults: {owner: all}\n"})
    sides = read_sides(str(repo.folder), None, None)
    assert [{task.owner for task in side.tasks} for side in (sides.base, sides.head)] == [{"team-db", ""}, {"team-db", "all"}]
    assert len(list(cache.iterdir())) == 2
    read_files.clear()
    assert read_sides(str(repo.folder), None, None) == sides
    assert read_files == []


def test_a_task_that_is_the_same_on_both_sides_is_made_once(repo: Repo) -> None:
    sides = read_sides(str(repo.folder), None, None)
    assert all(old is new for old, new in zip(sides.base.tasks, sides.head.tasks, strict=True))


def test_definitions_of_the_cache_that_are_none_are_judged_anew(repo: Repo, cache: Path) -> None:
    right = read_sides(str(repo.folder), None, None)
    (file,) = cache.iterdir()
    kept = json.loads(file.read_text())
    for one in kept["body"]["files"]:
        for task in one["tasks"]:
            task["definition"] = task["definition"].replace('"severity"', '"sevrity"').replace('"kind":"cron"', '"kind":"norc"')
    file.write_text(json.dumps(kept))
    assert read_sides(str(repo.folder), None, None) == right
