"""The sync process as the agent sees it, and the phases in it, against real repositories, hostile ones among them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.builders import facts
from tests.gitrepo import GOOD, GOOD_TASK, Repo, one_task
from tests.gitserver import tarpit
from tests.signing import SshKey, needs_ssh_keygen, signed
from torchsync.adapters.child import session_members
from torchsync.adapters.git import GitRunner
from torchsync.adapters.mirror import mirror_lock
from torchsync.cli.syncprocess import Sync
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Authorship, Guards, Instant, Revision
from torchsync.core.syncdoc import Phase, RecoveryAction, RemoteSpec, SyncAnswer, SyncRequest, TrustSpec, Verdict, VerifyMode, stamp
from torchsync.core.taskdoc import answer_from_document, request_document

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "tasks")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def asked(repo: Repo, state: Path, revision: str = "", **changes: object) -> SyncRequest:
    """A request for the tip of main; `changes` are fields of the request or of its remote."""
    fields = {name: value for name, value in changes.items() if name in SyncRequest.__dataclass_fields__}
    remote = RemoteSpec(**({"url": repo.url} | {name: value for name, value in changes.items() if name not in fields}))
    made = SyncRequest(
        remote=remote,
        ref_name="refs/heads/main",
        revision=Revision(revision or repo.git("rev-parse", "main")),
        floor="",
        facts=facts(),
        state=str(state),
    )
    return replace(made, **fields)


def in_process(request: SyncRequest) -> SyncAnswer:
    with mirror_lock(Path(request.state), 10) as lock:
        return Sync(request, GitRunner((lock,))).answer()


def codes(answer: SyncAnswer) -> list[str]:
    return [problem.code for problem in answer.problems]


def start(request: SyncRequest, *command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command or [sys.executable, "-m", "torchsync.cli.syncprocess"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(canonical(request_document(request)).encode() + b"\n")
    process.stdin.flush()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """The process is collected and nothing is open."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def has_helper(session: int) -> bool:
    """Whether git has come as far as its last process, the helper that waits for the server."""
    for pid in session_members(session):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("git-remote-http"):
                return True
    return False


# The process.


def test_the_answer_is_the_only_thing_on_standard_output(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    process = start(asked(repo, state))
    assert process.stdout
    assert process.stdin
    text = process.stdout.read()
    process.stdin.close()
    assert process.wait() == 0
    answer = answer_from_document(parse_json(text))
    assert answer.verdict is Verdict.ACCEPTED
    assert text.count(b"\n") == 1
    assert set(answer.durations) == set(Phase) - {Phase.RESOLVE}
    assert all(seconds >= 0 for seconds in answer.durations.values())
    end(process)


def test_it_ends_with_its_git_when_the_agent_closes_the_pipe(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    with tarpit() as port:
        process = start(asked(repo, state, url=f"https://127.0.0.1:{port}/tasks.git"))
        assert process.stdin
        assert eventually(lambda: has_helper(process.pid))
        process.stdin.close()
        assert eventually(lambda: process.poll() is not None)
        assert eventually(lambda: session_members(process.pid) == [])
    end(process)


def test_a_successor_waits_for_the_lock(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    with (state / "repo.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = start(asked(repo, state))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        fcntl.flock(held, fcntl.LOCK_UN)
    assert process.stdout
    assert answer_from_document(parse_json(process.stdout.read())).verdict is Verdict.ACCEPTED
    end(process)


def test_a_git_that_outlived_its_parent_keeps_the_lock(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    with tarpit() as port:
        process = start(asked(repo, state, url=f"https://127.0.0.1:{port}/tasks.git"))
        assert eventually(lambda: has_helper(process.pid))
        process.kill()
        end(process)
        orphans = session_members(process.pid)
        assert orphans
        answer = answer_of(start(asked(repo, state, timeout_ms=300)))
        assert (answer.verdict, codes(answer)) == (Verdict.UNAVAILABLE, ["TS220"])
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        assert eventually(lambda: session_members(process.pid) == [])
    assert answer_of(start(asked(repo, state))).verdict is Verdict.ACCEPTED


def answer_of(process: subprocess.Popen[bytes]) -> SyncAnswer:
    assert process.stdout
    answer = answer_from_document(parse_json(process.stdout.read()))
    end(process)
    return answer


def test_a_request_that_is_none_ends_it_without_an_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchsync.cli.syncprocess"], cwd=ROOT, input=b"{}\n", capture_output=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert done.stdout == b""
    assert b"lacks" in done.stderr.splitlines()[-1]


# Verdicts.


def test_all_mistakes_of_a_commit_are_told_at_once(repo: Repo, state: Path) -> None:
    repo.commit(
        {
            "tasks/a.yaml": one_task("same-name", schedule='"61 * * * *"'),
            "tasks/b.yaml": one_task("same-name", comand="oops"),
            "tasks/c.yaml": GOOD_TASK,
        }
    )
    answer = in_process(asked(repo, state))
    assert answer.verdict is Verdict.REJECTED
    assert {problem.code for problem in answer.problems} >= {"TS120", "TS110", "TS132"}
    assert all(problem.path.startswith("tasks/") and problem.line for problem in answer.problems)
    assert not (state / "worktrees").exists()


def test_nothing_of_a_commit_that_was_turned_down_is_written_out(repo: Repo, state: Path) -> None:
    repo.commit(GOOD | {"tasks/bad.yaml": "tasks: 7\n"})
    assert in_process(asked(repo, state)).verdict is Verdict.REJECTED
    assert not (state / "worktrees").exists()


def test_a_subfolder_is_a_repository_of_its_own(repo: Repo, state: Path) -> None:
    repo.commit({f"ops/cron/{name}": content for name, content in GOOD.items()} | {"elsewhere/tasks/bad.yaml": "]["})
    (repo.folder / "ops/cron/scripts/backup.sh").chmod(0o755)
    repo.commit({})
    answer = in_process(asked(repo, state, path="./ops/cron/"))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert sorted(path.name for path in (state / "worktrees" / answer.tree).iterdir()) == ["scripts", "tasks"]
    assert answer.tree == repo.git("rev-parse", "main:ops/cron")


@pytest.mark.parametrize("path", ["nowhere", "tasks/db.yaml", "tas"])
def test_a_path_that_is_no_folder_of_the_commit_is_rejected(repo: Repo, state: Path, path: str) -> None:
    repo.commit(GOOD)
    answer = in_process(asked(repo, state, path=path))
    assert (answer.verdict, codes(answer)) == (Verdict.REJECTED, ["TS150"])


def test_a_repository_with_sha256_ids_is_read(tmp_path: Path, state: Path) -> None:
    repo = Repo(tmp_path / "sha256", GOOD, object_format="sha256")
    answer = in_process(asked(repo, state))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert len(answer.tree) == 64


def test_another_url_may_lead_to_a_repository_of_the_other_format(repo: Repo, tmp_path: Path, state: Path) -> None:
    repo.commit(GOOD)
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED
    answer = in_process(asked(Repo(tmp_path / "sha256", GOOD, object_format="sha256"), state))
    assert (answer.verdict, answer.recoveries) == (Verdict.ACCEPTED, {})


def test_a_commit_id_is_fetched_without_a_ref(repo: Repo, state: Path) -> None:
    first = repo.commit(GOOD)
    repo.commit({"more": "x"})
    answer = in_process(asked(repo, state, first, ref=first, ref_name=""))
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, first)


def test_the_remote_is_not_asked_for_what_is_there(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    request = asked(repo, state)
    assert in_process(request).verdict is Verdict.ACCEPTED
    repo.folder.rename(repo.folder.with_name("gone"))
    assert in_process(request).verdict is Verdict.ACCEPTED


def test_a_ref_that_moved_meanwhile_still_gives_the_revision_that_was_asked_for(repo: Repo, state: Path) -> None:
    first = repo.commit(GOOD)
    repo.commit({"more": "x"})
    answer = in_process(asked(repo, state, first))
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, first)


def test_a_revision_that_was_pushed_away_meanwhile_is_unavailable(repo: Repo, state: Path) -> None:
    gone = repo.commit(GOOD)
    repo.git("commit", "--quiet", "--amend", "-m", "again")
    answer = in_process(asked(repo, state, gone))
    assert (answer.verdict, codes(answer)) == (Verdict.UNAVAILABLE, ["TS205"])


# Rewinds.


def test_a_rewind_to_an_older_commit_is_refused(repo: Repo, state: Path) -> None:
    older = repo.commit(GOOD)
    newer = repo.commit({"more": "x"})
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED
    repo.git("reset", "--quiet", "--hard", older)
    answer = in_process(asked(repo, state, floor=newer))
    assert (answer.verdict, codes(answer)) == (Verdict.REFUSED, ["TS207"])


def test_a_floor_that_the_remote_does_not_have_any_more_is_no_ancestor(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    answer = in_process(asked(repo, state, floor="f" * 40))
    assert (answer.verdict, codes(answer)) == (Verdict.REFUSED, ["TS207"])


def test_a_rewind_is_followed_where_it_is_allowed(repo: Repo, state: Path) -> None:
    older = repo.commit(GOOD)
    newer = repo.commit({"more": "x"})
    repo.git("reset", "--quiet", "--hard", older)
    assert in_process(asked(repo, state, floor=newer, rewind_allowed=True)).verdict is Verdict.ACCEPTED


# Guards


def allowed(repo: Repo, state: Path, in_force: str) -> bool:
    answer = in_process(asked(repo, state, in_force=in_force))
    assert answer.verdict is Verdict.ACCEPTED
    return answer.removal_allowed


@pytest.mark.parametrize(
    ("message", "may"),
    [
        ("tasks: drop\n\nTorchsync-Allow-Removal: yes", True),
        ("tasks: drop\n\nReviewed-by: x\ntorchsync-allow-removal: TRUE\nSigned-off-by: y", True),
        ("tasks: drop\n\nTorchsync-Allow-Removal: no", False),
        ("tasks: drop\n\nTorchsync-Allow-Removal:", False),
        ("Torchsync-Allow-Removal: yes\n\nIn the first line it is no trailer.", False),
        ("tasks: drop\n\nTorchsync-Allow-Removal: yes\n\nNor in the middle.", False),
        ("tasks: drop", False),
    ],
)
def test_a_trailer_of_any_commit_since_the_one_in_force_allows_removal(repo: Repo, state: Path, message: str, may: bool) -> None:
    in_force = repo.commit(GOOD)
    marked = repo.commit({"more": "x"}, message=message)
    last = repo.commit({"more": "y"})
    assert allowed(repo, state, in_force) is may
    assert not allowed(repo, state, marked)
    assert not allowed(repo, state, last)


def test_nothing_is_allowed_where_the_revision_in_force_is_not_known(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    repo.commit({"more": "x"}, message="x\n\nTorchsync-Allow-Removal: yes")
    assert not allowed(repo, state, "f" * 40)
    assert not allowed(repo, state, "")


def test_the_guards_of_the_repository_come_with_the_answer(repo: Repo, state: Path) -> None:
    repo.commit(GOOD | {"torchsync.yaml": "guards: {max_removed_percent: 20, min_tasks: 3}\n"})
    assert in_process(asked(repo, state)).guards == Guards(max_removed_percent=20, min_tasks=3)


# Odd trees. What a commit may not hold is in test_hostile_trees.py.


def test_who_wrote_the_commit_and_when_comes_with_the_answer(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    author = repo.git("log", "-1", "--format=%an")
    assert in_process(asked(repo, state)).authorship == Authorship(
        author=author, committed_at=Instant(int(repo.git("log", "-1", "--format=%ct")) * 1000)
    )


def test_large_other_files_are_fine(repo: Repo, state: Path) -> None:
    repo.commit(GOOD | {"data/large": b"\1" * 10_000_000, "data/100%": "%n"})
    answer = in_process(asked(repo, state))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    root = state / "worktrees" / answer.tree
    assert (root / "data/large").stat().st_size == 10_000_000


def test_attributes_of_the_commit_change_nothing(repo: Repo, state: Path) -> None:
    attributes = "*.yaml export-ignore filter=evil text eol=crlf\nscripts/* export-subst ident\n"
    repo.commit(GOOD | {".gitattributes": attributes, "scripts/id": "$Id$ $Format:%H$\n"})
    answer = in_process(asked(repo, state))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    root = state / "worktrees" / answer.tree
    assert (root / "tasks/db.yaml").read_bytes() == GOOD_TASK.encode()
    assert (root / "scripts/id").read_text() == "$Id$ $Format:%H$\n"


# Verdicts that are kept.


def kept_verdicts(state: Path) -> Path:
    return state / "verdicts.json"


def two_tasks(repo: Repo) -> None:
    repo.commit({"tasks/a.yaml": one_task("a", owner="team-a"), "tasks/b.yaml": one_task("b")})


def change_one(repo: Repo) -> None:
    repo.commit({"tasks/b.yaml": one_task("b", owner="team-b")})


def test_a_file_that_did_not_change_is_not_judged_again(repo: Repo, state: Path) -> None:
    """Shown by what the cache does not withstand: a forgery that is consistent in itself."""
    two_tasks(repo)
    in_process(asked(repo, state))
    forged = kept_verdicts(state).read_bytes().replace(b"team-a", b"forged")
    kept_verdicts(state).write_bytes(forged)
    change_one(repo)
    answer = in_process(asked(repo, state))
    assert {task.name: task.owner for task in answer.tasks} == {"a": "forged", "b": "team-b"}


def test_the_answer_is_the_same_with_kept_verdicts(repo: Repo, state: Path) -> None:
    two_tasks(repo)
    first = in_process(asked(repo, state))
    change_one(repo)
    request = asked(repo, state)
    with_them = in_process(request)
    kept_verdicts(state).unlink()
    assert replace(with_them, durations={}) == replace(in_process(request), durations={})
    assert first.tasks[0] == with_them.tasks[0]
    in_force = {task.name: stamp(task) for task in first.tasks}
    assert [task.name for task in in_process(replace(request, known=in_force)).tasks] == ["b"]


def test_verdicts_are_kept_for_the_agent_alone_and_rewritten_only_when_they_change(repo: Repo, state: Path) -> None:
    two_tasks(repo)
    in_process(asked(repo, state))
    before = kept_verdicts(state).stat()
    assert before.st_mode & 0o777 == 0o600
    repo.commit({"more": "x"})
    in_process(asked(repo, state))
    assert kept_verdicts(state).stat().st_ino == before.st_ino
    change_one(repo)
    in_process(asked(repo, state))
    assert kept_verdicts(state).stat().st_ino != before.st_ino


def test_a_commit_that_was_turned_down_leaves_the_verdicts_on_its_good_files(repo: Repo, state: Path) -> None:
    two_tasks(repo)
    repo.commit({"tasks/bad.yaml": "]["})
    assert in_process(asked(repo, state)).verdict is Verdict.REJECTED
    kept = json.loads(kept_verdicts(state).read_bytes())
    assert [file["path"] for file in kept["body"]["files"]] == ["tasks/a.yaml", "tasks/b.yaml"]


def cut_verdicts(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def other_rules(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"torchsync":"', b'"torchsync":"0.'))


def wrong_type_at_once(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"at":[3,', b'"at":["3",'))


def wrong_type_inside(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(rb"\"owner\":\"team-a\"", rb"\"owner\":7"))


def verdicts_through_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def verdicts_in_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage", [cut_verdicts, other_rules, wrong_type_at_once, wrong_type_inside, verdicts_through_a_link, verdicts_in_a_pipe]
)
def test_damaged_verdicts_are_not_believed_and_made_anew(repo: Repo, state: Path, damage: Callable[[Path], None]) -> None:
    two_tasks(repo)
    request = asked(repo, state)
    first = in_process(request)
    good = kept_verdicts(state).read_bytes()
    damage(kept_verdicts(state))
    assert replace(in_process(request), durations={}) == replace(first, durations={})
    assert kept_verdicts(state).read_bytes() == good
    assert kept_verdicts(state).lstat().st_mode == (stat.S_IFREG | 0o600)


def test_verdicts_that_cannot_be_written_fail_no_sync(repo: Repo, state: Path) -> None:
    two_tasks(repo)
    kept_verdicts(state).mkdir()
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED
    assert kept_verdicts(state).is_dir()
    assert [path.name for path in state.glob(".new-*")] == []


# Repairs.


def test_stale_locks_and_leftovers_are_cleared_away(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    in_process(asked(repo, state))
    mirror = state / "repo.git"
    for name in ("HEAD.lock", "shallow.lock", "packed-refs.lock", "refs/torchsync/tip.lock", "config.lock", "objects/pack/tmp_pack_x"):
        (mirror / name).write_text("")
    (state / ".repo.git-dead").mkdir()
    (state / "worktrees" / ".new-dead").mkdir()
    repo.commit({"more": "x"})
    answer = in_process(asked(repo, state))
    assert (answer.verdict, answer.recoveries) == (Verdict.ACCEPTED, {RecoveryAction.LOCK: 1})
    assert not [*mirror.rglob("*.lock"), *mirror.rglob("tmp_*"), *state.glob(".repo*"), *(state / "worktrees").glob(".new*")]


def objects_of(state: Path) -> tuple[int, int]:
    """How many packs there are, and how many loose objects."""
    objects = state / "repo.git/objects"
    return len(list(objects.glob("pack/*.pack"))), len(list(objects.glob("[0-9a-f][0-9a-f]/*")))


def test_many_loose_objects_become_one_pack(repo: Repo, state: Path) -> None:
    repo.commit(GOOD | {f"data/{number}": str(number) for number in range(2_000)})
    in_process(asked(repo, state))
    unpack(state / "repo.git")
    assert in_process(asked(repo, state)).recoveries == {}
    assert objects_of(state) == (1, 0)


def test_large_packs_become_one(repo: Repo, state: Path) -> None:
    """Each fetch leaves a pack. They are packed as soon as all but the largest make up 16 MiB, or as much as that one."""
    repo.commit(GOOD)
    numbers = []
    for number in range(4):
        repo.commit({f"data/{number}": Random(number).randbytes(9 << 20)})
        in_process(asked(repo, state))
        numbers.append(objects_of(state)[0])
    assert numbers == [1, 2, 3, 2]


def test_what_rewinds_left_without_a_ref_does_not_pile_up(repo: Repo, state: Path) -> None:
    kept = repo.commit(GOOD)
    sizes = []
    for number in range(8):
        repo.commit({"data/large": Random(number).randbytes(6 << 20)})
        in_process(asked(repo, state, rewind_allowed=True))
        repo.git("reset", "--quiet", "--hard", kept)
        in_process(asked(repo, state, rewind_allowed=True))
        sizes.append(sum(path.stat().st_size for path in (state / "repo.git").rglob("*") if path.is_file()) >> 20)
    assert max(sizes) < 30
    assert min(sizes[4:]) < 10


def test_a_pack_that_a_killed_fetch_marked_to_be_kept_is_packed_like_the_others(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    in_process(asked(repo, state))
    (pack,) = (state / "repo.git/objects/pack").glob("*.pack")
    pack.with_suffix(".keep").write_text("fetch-pack 4711 on h1\n")
    in_process(asked(repo, state))
    assert not pack.with_suffix(".keep").exists()


@pytest.mark.parametrize("content", ["", "garbage\n", "\0" * 41])
def test_a_broken_ref_is_removed_and_fetched_again(repo: Repo, state: Path, content: str) -> None:
    repo.commit(GOOD)
    in_process(asked(repo, state))
    (state / "repo.git/refs/torchsync/tip").write_text(content)
    repo.commit({"more": "x"})
    answer = in_process(asked(repo, state))
    assert (answer.verdict, answer.recoveries) == (Verdict.ACCEPTED, {RecoveryAction.REF: 1})


def empty_head(mirror: Path) -> None:
    (mirror / "HEAD").write_text("")


def lose_objects(mirror: Path) -> None:
    for path in (mirror / "objects/pack").iterdir():
        path.unlink()


def lose_an_index(mirror: Path) -> None:
    for path in (mirror / "objects/pack").glob("*.idx"):
        path.unlink()


def cut_pack(mirror: Path) -> None:
    for path in (mirror / "objects/pack").glob("*.pack"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-40])


def not_a_folder(mirror: Path) -> None:
    subprocess.run(["rm", "-rf", str(mirror)], check=True)
    mirror.write_text("?")


def emptied(mirror: Path) -> None:
    subprocess.run(["rm", "-rf", str(mirror)], check=True)
    mirror.mkdir()


def empty_loose_objects(mirror: Path) -> None:
    """As after a power cut: names, but nothing in them."""
    unpack(mirror)
    for path in mirror.glob("objects/[0-9a-f][0-9a-f]/*"):
        path.chmod(0o600)
        path.write_bytes(b"")


def unpack(mirror: Path) -> None:
    packs = list((mirror / "objects/pack").glob("*.pack"))
    contents = [path.read_bytes() for path in packs]
    lose_objects(mirror)
    for content in contents:
        subprocess.run(["git", "unpack-objects", "-q"], cwd=mirror, input=content, check=True)


@pytest.mark.parametrize("damage", [empty_head, lose_objects, lose_an_index, cut_pack, not_a_folder, emptied, empty_loose_objects])
@pytest.mark.parametrize("is_new", [True, False], ids=["new commit", "same commit"])
def test_a_damaged_mirror_is_replaced(repo: Repo, state: Path, damage: Callable[[Path], None], is_new: bool) -> None:
    floor = repo.commit(GOOD)
    in_process(asked(repo, state))
    damage(state / "repo.git")
    if is_new:
        repo.commit({"more": "x"})
    answer = in_process(asked(repo, state, floor=floor))
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert answer.recoveries == {RecoveryAction.MIRROR: 1}
    assert in_process(asked(repo, state, floor=floor)).recoveries == {}


def test_a_hole_in_the_history_is_damage_and_no_rewind(repo: Repo, state: Path) -> None:
    floor = repo.commit(GOOD)
    middle = repo.commit({"more": "x"})
    repo.commit({"more": "y"})
    in_process(asked(repo, state))
    unpack(state / "repo.git")
    (state / "repo.git/objects" / middle[:2] / middle[2:]).unlink()
    answer = in_process(asked(repo, state, floor=floor))
    assert (answer.verdict, answer.recoveries) == (Verdict.ACCEPTED, {RecoveryAction.MIRROR: 1})


def test_a_damaged_mirror_stays_while_the_remote_is_away(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    request = asked(repo, state)
    tree = in_process(request).tree
    lose_objects(state / "repo.git")
    away = repo.folder.rename(repo.folder.with_name("gone"))
    answer = in_process(request)
    assert (answer.verdict, codes(answer)) == (Verdict.UNAVAILABLE, ["TS201"])
    assert (state / "repo.git").is_dir()
    assert (state / "worktrees" / tree / "scripts/backup.sh").exists()
    away.rename(repo.folder)
    assert in_process(request).recoveries == {RecoveryAction.MIRROR: 1}


def test_a_mirror_that_is_gone_is_fetched_again(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    in_process(asked(repo, state))
    subprocess.run(["rm", "-rf", str(state / "repo.git")], check=True)
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED


def test_a_mirror_of_another_owner_is_replaced(repo: Repo, state: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    repo.commit(GOOD)
    in_process(asked(repo, state))
    os.chown(state / "repo.git", 65534, 65534)
    answer = in_process(asked(repo, state))
    assert (answer.verdict, answer.recoveries) == (Verdict.ACCEPTED, {RecoveryAction.OWNER: 1})
    assert (state / "repo.git").stat().st_uid == 0


def test_a_remote_on_this_machine_may_belong_to_another_user(repo: Repo, state: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    repo.commit(GOOD)
    request = asked(repo, state)
    subprocess.run(["chown", "-R", "65534:65534", str(repo.folder)], check=True)
    assert in_process(request).verdict is Verdict.ACCEPTED


def test_the_mirror_is_closed_to_others_and_the_trees_are_open(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    answer = answer_of(start(asked(repo, state)))
    modes = {
        name: oct((state / name).stat().st_mode & 0o777) for name in ("repo.git", "repo.lock", "worktrees", f"worktrees/{answer.tree}")
    }
    assert modes == {"repo.git": "0o700", "repo.lock": "0o600", "worktrees": "0o755", f"worktrees/{answer.tree}": "0o755"}
    open_files = [path for path in (state / "repo.git").rglob("*") if path.stat().st_mode & 0o077]
    assert open_files == []


def test_a_state_that_cannot_be_written_fails_the_sync_and_is_said(repo: Repo, tmp_path: Path) -> None:
    repo.commit(GOOD)
    answer = answer_of(start(asked(repo, tmp_path / "missing")))
    assert (answer.verdict, codes(answer)) == (Verdict.FAILED, ["TS333"])


# Signatures.


@needs_ssh_keygen
def test_what_was_verified_is_spared_only_when_the_keys_are_the_very_same(repo: Repo, state: Path, tmp_path: Path) -> None:
    alice, bob = SshKey.make(tmp_path / "alice"), SshKey.make(tmp_path / "bob")
    signers = tmp_path / "signers"
    signers.write_text(alice.signer("alice@example.org") + bob.signer("bob@example.org"))
    repo.commit({"README": "unsigned"})
    for name, content in GOOD.items():
        (repo.folder / name).parent.mkdir(exist_ok=True)
        (repo.folder / name).write_text(content)
    (repo.folder / "scripts/backup.sh").chmod(0o755)
    first = signed(repo, alice.settings)
    trust = TrustSpec(mode=VerifyMode.ALL, allowed_signers=str(signers), root=repo.git("rev-parse", "HEAD~1"))
    answer = in_process(asked(repo, state, trust=trust))
    assert (answer.verdict, bool(answer.trust)) == (Verdict.ACCEPTED, True), answer.problems
    signed(repo, bob.settings)
    request = asked(repo, state, trust=trust, verified=first, verified_by=answer.trust)
    assert in_process(request).trust == answer.trust
    signers.write_text(bob.signer("bob@example.org"))
    refused = in_process(request)
    assert (refused.verdict, codes(refused)) == (Verdict.REFUSED, ["TS206"])
    assert first[:12] in refused.problems[0].message


@needs_ssh_keygen
def test_a_tag_is_believed_for_the_commit_it_points_to_and_never_for_its_own_signature(repo: Repo, state: Path, tmp_path: Path) -> None:
    alice = SshKey.make(tmp_path / "alice")
    (tmp_path / "signers").write_text(alice.signer("alice@example.org"))
    trust = TrustSpec(mode=VerifyMode.HEAD, allowed_signers=str(tmp_path / "signers"))
    commit = repo.commit(GOOD)
    repo.git(*alice.settings, "tag", "-s", "-m", "signed", "release")
    assert "BEGIN SSH SIGNATURE" in repo.git("cat-file", "tag", "release")
    tagged = in_process(asked(repo, state, commit, ref_name="refs/tags/release", trust=trust))
    assert codes(tagged) == ["TS206"]
    assert "the signature of a tag that points to it does not count" in tagged.problems[0].hint
    commit = signed(repo, alice.settings)
    repo.git("tag", "-f", "-a", "-m", "moved by anybody", "release")
    assert in_process(asked(repo, state, commit, ref_name="refs/tags/release", trust=trust)).verdict is Verdict.ACCEPTED


@needs_ssh_keygen
def test_a_pinned_revision_must_be_signed_as_well(repo: Repo, state: Path, tmp_path: Path) -> None:
    alice = SshKey.make(tmp_path / "alice")
    (tmp_path / "signers").write_text(alice.signer("alice@example.org"))
    unsigned = repo.commit(GOOD)
    tip = signed(repo, alice.settings)
    signed(repo, alice.settings)
    trust = TrustSpec(mode=VerifyMode.HEAD, allowed_signers=str(tmp_path / "signers"))
    assert in_process(asked(repo, state, trust=trust, pin=tip)).verdict is Verdict.ACCEPTED
    assert codes(in_process(asked(repo, state, trust=trust, pin=unsigned))) == ["TS206"]


# Pins.


def history(repo: Repo, length: int = 3) -> list[str]:
    return [repo.commit(GOOD | {"tasks/db.yaml": one_task(f"task-{number}")}) for number in range(length)]


def names(answer: SyncAnswer) -> list[str]:
    return [task.name for task in answer.tasks]


def test_a_pinned_revision_is_judged_and_written_in_place_of_the_tip(repo: Repo, state: Path) -> None:
    first, _, third = history(repo)
    answer = answer_of(start(asked(repo, state, pin=first[:10], floor=third)))
    assert (answer.verdict, answer.revision, names(answer), answer.raises_floor) == (Verdict.ACCEPTED, first, ["task-0"], False)
    assert (state / "worktrees" / answer.tree / "tasks" / "db.yaml").read_text() == one_task("task-0")


def test_a_pinned_revision_after_the_floor_raises_it(repo: Repo, state: Path) -> None:
    first, second, _ = history(repo)
    assert in_process(asked(repo, state, pin=second, floor=first)).raises_floor
    assert in_process(asked(repo, state, pin=second)).raises_floor


def test_a_pinned_revision_that_breaks_a_rule_is_rejected(repo: Repo, state: Path) -> None:
    bad = repo.commit(GOOD | {"tasks/bad.yaml": "tasks: 7\n"})
    repo.commit({"tasks/bad.yaml": None})
    assert in_process(asked(repo, state, pin=bad)).verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ("deadbeef", "is the beginning of no commit of the branch"),
        ("0" * 40, "is not in the history of the branch"),
        ("f" * 64, "is not in the history of the branch"),
    ],
)
def test_a_pin_that_is_no_commit_is_refused(repo: Repo, state: Path, pin: str, said: str) -> None:
    history(repo)
    answer = in_process(asked(repo, state, pin=pin))
    assert (answer.verdict, codes(answer)) == (Verdict.REFUSED, ["TS219"])
    assert said in answer.problems[0].message


def test_a_commit_of_another_branch_cannot_be_pinned_though_the_mirror_has_it(repo: Repo, state: Path) -> None:
    history(repo)
    repo.git("checkout", "--quiet", "-b", "evil")
    evil = repo.commit(GOOD | {"tasks/evil.yaml": one_task("evil")})
    tip = repo.git("rev-parse", "main")
    assert in_process(asked(repo, state, revision=evil, ref_name="refs/heads/evil")).verdict is Verdict.ACCEPTED
    answer = in_process(asked(repo, state, revision=tip, pin=evil))
    assert (answer.verdict, codes(answer)) == (Verdict.REFUSED, ["TS219"])
    assert "is not in the history of the branch" in answer.problems[0].message


def test_a_remote_without_its_whole_history_is_told_so_and_nothing_of_it_kept(repo: Repo, state: Path, tmp_path: Path) -> None:
    history(repo)
    shallow = tmp_path / "shallow.git"
    repo.git("clone", "--quiet", "--bare", "--depth=1", repo.url, str(shallow))
    answer = in_process(asked(repo, state, url=f"file://{shallow}"))
    assert (answer.verdict, codes(answer)) == (Verdict.UNAVAILABLE, ["TS221"])
    assert not (state / "repo.git").exists()
    subprocess.run(["git", "-C", shallow, "fetch", "--quiet", "--unshallow"], check=True)
    assert in_process(asked(repo, state, url=f"file://{shallow}")).verdict is Verdict.ACCEPTED


def test_what_was_accepted_here_can_be_pinned_after_the_remote_forgot_it(repo: Repo, state: Path) -> None:
    first, second, third = history(repo)
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED
    repo.git("reset", "--quiet", "--hard", first)
    answer = in_process(asked(repo, state, pin=second, floor=third))
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, second)


def test_a_tree_or_a_blob_is_no_revision_to_pin(repo: Repo, state: Path) -> None:
    history(repo)
    for name in ("HEAD^{tree}", "HEAD:tasks/db.yaml"):
        assert codes(in_process(asked(repo, state, pin=repo.git("rev-parse", name)))) == ["TS219"]


def test_a_pin_needs_no_remote_when_the_mirror_has_it(repo: Repo, state: Path) -> None:
    first, _, third = history(repo)
    assert in_process(asked(repo, state)).verdict is Verdict.ACCEPTED
    repo.folder.rename(repo.folder.with_name("moved"))
    answer = in_process(asked(repo, state, revision=third, ref_name="", pin=first, floor=third))
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, first)
    assert in_process(asked(repo, state, revision="e" * 40, ref_name="", pin=first, floor=third)).verdict is Verdict.UNAVAILABLE


def rewound_and_spread_out(repo: Repo, state: Path) -> SyncRequest:
    """A mirror that is to be packed, of a remote that does not have the pinned commit any more."""
    first, second, third = history(repo)
    in_process(asked(repo, state))
    repo.git("reset", "--quiet", "--hard", first)
    request = asked(repo, state, pin=second[:10], floor=third, rewind_allowed=True)
    in_process(replace(request, pin=""))  # the tip is the first again
    (pack,) = (state / "repo.git/objects/pack").glob("*.pack")
    for number in range(51):
        for suffix in (".pack", ".idx"):
            shutil.copy(pack.with_suffix(suffix), pack.with_name(f"pack-{number:040x}{suffix}"))
    return request


def test_what_is_in_force_or_pinned_is_kept_when_the_mirror_is_packed(repo: Repo, state: Path) -> None:
    request = rewound_and_spread_out(repo, state)
    second = repo.git("rev-parse", "HEAD@{1}~1").strip()
    answer = in_process(request)
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, second)
    assert objects_of(state) == (1, 0)
    assert [path.name for path in (state / "repo.git/refs/torchsync").iterdir()] == ["tip"]


def test_nothing_is_packed_while_what_is_needed_cannot_be_held(repo: Repo, state: Path) -> None:
    request = rewound_and_spread_out(repo, state)
    (state / "repo.git/refs/torchsync/needed-0/in-the-way").mkdir(parents=True)
    (state / "repo.git/refs/torchsync/needed-0/in-the-way/ref").write_text(f"{request.revision}\n")
    assert in_process(request).verdict is Verdict.ACCEPTED
    packs, _ = objects_of(state)
    assert packs > 50
    assert in_process(request).verdict is Verdict.ACCEPTED
    assert objects_of(state) == (1, 0)


# Bounds.


def limits_of(pid: int) -> dict[str, str]:
    """The soft limit of each kind (proc(5), `limits`)."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


def test_it_and_its_git_are_bounded_and_stand_back(repo: Repo, state: Path) -> None:
    repo.commit(GOOD)
    with tarpit() as port:
        process = start(asked(repo, state, url=f"https://127.0.0.1:{port}/tasks.git"))
        assert eventually(lambda: has_helper(process.pid))  # from here on all of them wait for the server, and none ends
        assert len(session_members(process.pid)) >= 3
        for pid in session_members(process.pid):
            limits = limits_of(pid)
            assert int(limits["Max address space"]) <= 4 << 30
            assert int(limits["Max file size"]) <= 4 << 30
            assert int(limits["Max cpu time"]) <= 900
            assert int(limits["Max open files"]) <= 1024
            assert limits["Max core file size"] == "0"
            assert os.getpriority(os.PRIO_PROCESS, pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
            assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        process.kill()
        for pid in session_members(process.pid):
            with suppress(ProcessLookupError):  # one may end when another does
                os.kill(pid, 9)
    end(process)


def test_a_file_that_inflates_is_rejected_and_costs_little(repo: Repo, state: Path) -> None:
    """Kilobytes in the pack, 128 MiB as a file."""
    repo.commit(GOOD)
    with (repo.folder / "zeros").open("wb") as file:
        file.truncate(128 << 20)
    repo.commit({})
    answer = answer_of(start(asked(repo, state)))
    assert (answer.verdict, codes(answer)) == (Verdict.REJECTED, ["TS141"])
    assert sum(path.stat().st_size for path in state.rglob("*") if path.is_file()) < 2 << 20


def test_a_fetch_that_is_larger_than_a_file_may_be_is_rejected_and_takes_no_room(repo: Repo, state: Path) -> None:
    limited = ("sh", "-c", f"ulimit -f 2048; exec {sys.executable} -m torchsync.cli.syncprocess")
    repo.commit(GOOD)
    assert answer_of(start(asked(repo, state))).verdict is Verdict.ACCEPTED
    repo.commit({"data/large": Random(1).randbytes(3 << 20)})
    for _ in ("into a mirror", "into a new one"):
        answer = answer_of(start(asked(repo, state), *limited))
        assert (answer.verdict, codes(answer)) == (Verdict.REJECTED, ["TS141"])
        assert sum(path.stat().st_size for path in state.rglob("*") if path.is_file()) < 1 << 19
        subprocess.run(["rm", "-rf", str(state / "repo.git")], check=True)
    assert answer_of(start(asked(repo, state))).verdict is Verdict.ACCEPTED
