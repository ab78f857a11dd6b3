"""Trust from the remote to the exit status: real keys, real pushes, a real agent. What must not be believed changes nothing, and is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.e2e.host import Host, environment, git, never, wait_for
from tests.signing import SshKey, gpg_home, needs_gpg, needs_ssh_keygen


class Ops:
    """Two people who sign, one who must not, and a host that trusts the first."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.alice = SshKey.make(host.folder / "alice")
        self.bob = SshKey.make(host.folder / "bob")
        self.signers = host.folder / "allowed_signers"
        self.revoked = host.folder / "revoked_keys"
        self.allow(self.alice)

    def allow(self, *keys: SshKey, options: str = 'namespaces="git"') -> None:
        self.signers.write_text("".join(key.signer(f"{key.path.name}@example.org", options) for key in keys))

    def verify(self, mode: str = "head", **more: str) -> None:
        named = {} if "gpg_keyring" in more else {"allowed_signers": str(self.signers)}
        self.host.configure(repository={"verify": {"mode": mode, **named, **more}})

    def push(self, key: SshKey | None, note: str = "", *, force: bool = False, date: str = "", settings: tuple[str, ...] = ()) -> str:
        """The revision with the tasks and this note, signed by `key` or by nobody."""
        (self.host.clone / "tasks").mkdir(exist_ok=True)
        (self.host.clone / "tasks/all.json").write_text(json.dumps({"version": 1, "tasks": {"beat": never(f"echo {note}")}}))
        git("add", "-A", cwd=self.host.clone)
        signing = settings or (key.settings if key else ())
        when = ("-c", f"alias.at=!GIT_COMMITTER_DATE={date} git commit") if date else ()
        words = ("at" if date else "commit", "-q", "--allow-empty", "-m", note or "change", *(["-S"] if signing else []))
        git(*signing, *when, *words, cwd=self.host.clone)
        git("push", "-q", *(["--force"] if force else []), "origin", "main", cwd=self.host.clone)
        return git("rev-parse", "HEAD", cwd=self.host.clone)

    def once(self) -> tuple[int, str]:
        words = [sys.executable, "-m", "torchsync", "agent", "--once", "--config", str(self.host.config)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False, timeout=120)
        return done.returncode, done.stderr

    def in_force(self) -> str:
        body = json.loads((self.host.state / "generation.json").read_text())["body"]
        return str(body["revision"])

    def floor(self) -> str:
        return str(json.loads((self.host.state / "generation.json").read_text())["body"]["floor"])

    def trees(self) -> set[str]:
        return {path.name for path in (self.host.state / "worktrees").iterdir() if path.is_dir()}


@pytest.fixture
def ops(host: Host) -> Ops:
    return Ops(host)


# `agent --once`: what is refused, and that nothing of it is written.


def unsigned(ops: Ops) -> str:
    ops.push(None)
    return "TS206"


def wrong_key(ops: Ops) -> str:
    ops.push(ops.bob)
    return "TS206"


def revoked(ops: Ops) -> str:
    ops.revoked.write_text(f"{ops.alice.public}\n")
    ops.verify(revoked_keys=str(ops.revoked))
    ops.push(ops.alice)
    return "TS206"


def expired(ops: Ops) -> str:
    ops.allow(ops.alice, options='valid-before="20200101"')
    ops.push(ops.alice)
    return "TS206"


def back_dated(ops: Ops) -> str:
    ops.push(ops.alice, date="2019-01-01T00:00:00Z")
    return "TS206"


def from_the_future(ops: Ops) -> str:
    ops.push(ops.alice, date="2099-01-01T00:00:00Z")
    return "TS215"


def missing_signers(ops: Ops) -> str:
    ops.signers.unlink()
    ops.push(ops.alice)
    return "TS216"


def missing_revocations(ops: Ops) -> str:
    ops.verify(revoked_keys=str(ops.revoked))
    ops.push(ops.alice)
    return "TS216"


def missing_keyring(ops: Ops) -> str:
    ops.verify(gpg_keyring=str(ops.host.folder / "keyring"))
    ops.push(ops.alice)
    return "TS216"


def unsigned_before_the_tip(ops: Ops) -> str:
    ops.verify("all")
    ops.push(None)
    ops.push(ops.alice)
    return "TS206"


def unknown_root(ops: Ops) -> str:
    ops.verify("all", root="f" * 40)
    ops.push(ops.alice)
    return "TS206"


@needs_ssh_keygen
@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        wrong_key,
        revoked,
        expired,
        back_dated,
        from_the_future,
        missing_signers,
        missing_revocations,
        missing_keyring,
        unsigned_before_the_tip,
        unknown_root,
    ],
)
def test_what_is_not_to_be_believed_is_refused_and_the_old_set_stays(ops: Ops, make: Callable[[Ops], str]) -> None:
    ops.verify()
    good = ops.push(ops.alice, "good")
    assert ops.once() == (0, "")
    trees = ops.trees()
    code = make(ops)
    status, told = ops.once()
    assert (status, code in told) == (77, True), told
    assert (ops.in_force(), ops.trees()) == (good, trees)
    assert not list(ops.host.state.glob(".trust-*"))


@needs_ssh_keygen
def test_the_first_commit_of_a_host_must_be_signed_too(ops: Ops) -> None:
    ops.verify("all")
    ops.push(None)
    ops.push(ops.alice)
    assert ops.once()[0] == 77
    assert not (ops.host.state / "generation.json").exists()
    assert not (ops.host.state / "worktrees").exists() or not ops.trees()


@needs_ssh_keygen
def test_nothing_of_a_commit_is_read_before_it_is_believed(ops: Ops) -> None:
    ops.verify()
    (ops.host.clone / "tasks").mkdir()
    (ops.host.clone / "tasks/broken.yaml").write_text("][")
    ops.push(None)
    status, told = ops.once()
    assert (status, "TS206" in told, "broken.yaml" in told) == (77, True, False)


@needs_ssh_keygen
def test_old_history_without_signatures_is_spared_by_a_root(ops: Ops) -> None:
    root = ops.push(None)
    signed = ops.push(ops.alice)
    ops.verify("all")
    assert ops.once()[0] == 77
    ops.verify("all", root=root)
    assert ops.once() == (0, "")
    assert ops.in_force() == signed


@needs_gpg
def test_a_keyring_is_enough(ops: Ops) -> None:
    with gpg_home(ops.host.folder / "g") as gpg:
        good, other = gpg.key("good"), gpg.key("other")
        ops.verify(gpg_keyring=str(gpg.export(ops.host.folder / "keyring", good)))
        revision = ops.push(None, settings=gpg.settings(good))
        assert ops.once() == (0, "")
        ops.push(None, settings=gpg.settings(other))
        assert ops.once()[0] == 77
        assert ops.in_force() == revision


# A running agent.


def refused(ops: Ops, revision: str) -> bool:
    sync = ops.host.status()["sync"]
    return bool(sync["rejected"] == revision and sync["problems"])


@needs_ssh_keygen
def test_a_refusal_is_counted_once_told_to_operators_and_healed_by_the_next_commit(ops: Ops) -> None:
    ops.verify("all")
    good = ops.push(ops.alice)
    ops.host.start()
    ops.host.wait_for_revision(good)
    bad = ops.push(ops.bob)
    wait_for("the refusal", lambda: refused(ops, bad))
    for _ in range(2):
        done = ops.host.torchsync("sync", "--wait")
        assert done.returncode == 77, done.stdout + done.stderr
    assert ops.host.revision() == good
    ops.host.wait_for_metric('torchsync_rejections_total{reason="signature"}', 1)
    ops.host.wait_for_metric("torchsync_commit_rejected", 1)
    git("reset", "-q", "--hard", good, cwd=ops.host.clone)
    better = ops.push(ops.alice, "better", force=True)
    ops.host.wait_for_revision(better)
    ops.host.wait_for_metric("torchsync_commit_rejected", 0)


@needs_ssh_keygen
def test_a_key_that_is_added_makes_the_same_commit_good_without_a_push_or_a_restart(ops: Ops) -> None:
    ops.verify("all")
    ops.host.start()
    bobs = ops.push(ops.bob)
    wait_for("the refusal", lambda: refused(ops, bobs))
    ops.allow(ops.alice, ops.bob)
    ops.host.wait_for_revision(bobs)


@needs_ssh_keygen
def test_a_key_that_is_revoked_turns_down_what_is_in_force_and_takes_nothing_away(ops: Ops) -> None:
    ops.revoked.write_text("# nobody yet\n")
    ops.verify("all", revoked_keys=str(ops.revoked))
    revision = ops.push(ops.alice)
    ops.host.start()
    ops.host.wait_for_revision(revision)
    ops.revoked.write_text(f"{ops.alice.public}\n")
    wait_for("the refusal", lambda: refused(ops, revision))
    assert "which is revoked" in ops.host.status()["sync"]["problems"][0]["message"]
    assert ops.host.revision() == revision
    ops.host.kill()
    ops.host.start()
    assert ops.host.revision() == revision
    assert ops.host.torchsync("sync", "--wait").returncode == 77
    ops.revoked.write_text("# it was a mistake\n")
    wait_for("peace", lambda: not ops.host.status()["sync"]["rejected"])


@needs_ssh_keygen
def test_a_host_that_begins_to_verify_looks_at_what_it_runs_already(ops: Ops) -> None:
    revision = ops.push(None)
    assert ops.once() == (0, "")
    path = ops.host.state / "generation.json"
    document = json.loads(path.read_text())
    assert document["body"].pop("trust") == ""  # as a version that could not verify wrote it
    path.write_text(json.dumps(document))
    ops.verify()
    status, told = ops.once()
    assert (status, "has no SSH signature" in told) == (77, True)
    assert ops.in_force() == revision


# `agent --check`.


@needs_ssh_keygen
def test_the_check_names_what_is_missing_and_who_else_may_write_the_keys(ops: Ops) -> None:
    words = [sys.executable, "-m", "torchsync", "agent", "--check", "--config", str(ops.host.config)]
    ops.verify(revoked_keys=str(ops.revoked))
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, f"TS216 {ops.revoked}" in done.stderr) == (78, True), done.stderr
    ops.verify()
    ops.signers.chmod(0o664)
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, f"{ops.signers} has the mode 0664" in done.stderr) == (78, True)
    ops.signers.chmod(0o644)
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Rewinds.


def amend(ops: Ops, base: str) -> None:
    git("reset", "-q", "--hard", base, cwd=ops.host.clone)
    ops.push(None, "instead", force=True)


def back(ops: Ops, base: str) -> None:
    git("push", "-q", "--force", "origin", f"{base}:main", cwd=ops.host.clone)


def unrelated(ops: Ops, _: str) -> None:
    alone = git("commit-tree", "-m", "fresh", "HEAD^{tree}", cwd=ops.host.clone)
    back(ops, alone)


@pytest.mark.parametrize("rewrite", [amend, back, unrelated])
def test_rewritten_history_is_refused_until_it_is_allowed_and_the_floor_stays(ops: Ops, rewrite: Callable[[Ops, str], None]) -> None:
    base = ops.push(None, "base")
    good = ops.push(None, "good")
    assert ops.once() == (0, "")
    rewrite(ops, base)
    for _ in range(2):
        status, told = ops.once()
        assert (status, "TS207" in told) == (77, True), told
        assert (ops.in_force(), ops.floor()) == (good, good)
    ops.host.configure(repository={"rewind": "allow"})
    assert ops.once() == (0, "")
    assert ops.in_force() == git("rev-parse", "refs/heads/main", cwd=ops.host.remote)


def test_a_tag_that_moved_back_is_refused(ops: Ops) -> None:
    old = ops.push(None, "old")
    new = ops.push(None, "new")
    for name, revision in (("v1", new), ("v1", old)):
        git("tag", "-f", "-a", "-m", "x", name, revision, cwd=ops.host.clone)
        git("push", "-q", "--force", "origin", name, cwd=ops.host.clone)
        ops.host.configure(repository={"ref": "v1"})
        status, told = ops.once()
    assert (status, "TS207" in told) == (77, True)
    assert (ops.in_force(), ops.floor()) == (new, new)


def test_the_floor_outlives_a_restart_and_a_state_without_its_mirror(ops: Ops) -> None:
    base = ops.push(None, "base")
    good = ops.push(None, "good")
    assert ops.once() == (0, "")
    back(ops, base)
    subprocess.run(["rm", "-rf", str(ops.host.state / "repo.git"), str(ops.host.state / "sync.json")], check=True)
    status, told = ops.once()
    assert (status, "TS207" in told, ops.floor()) == (77, True, good)


@needs_ssh_keygen
def test_a_tag_is_verified_by_the_commit_it_points_to(ops: Ops) -> None:
    ops.host.configure(repository={"ref": "v1", "verify": {"mode": "head", "allowed_signers": str(ops.signers)}})
    for key, expected in ((ops.alice, 0), (ops.bob, 77)):
        ops.push(key)
        git("tag", "-f", "-a", "-m", "x", "v1", cwd=ops.host.clone)
        git("push", "-q", "--force", "origin", "v1", cwd=ops.host.clone)
        assert ops.once()[0] == expected
