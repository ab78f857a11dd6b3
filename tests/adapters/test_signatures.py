"""Signatures of real keys, checked by the real git, ssh-keygen and gpg."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gitrepo import Repo
from tests.signing import GpgHome, SshKey, gpg_home, needs_gpg, needs_ssh_keygen, signed
from torchsync.adapters.git import GitRunner
from torchsync.adapters.gitcommand import GitHome
from torchsync.adapters.gitobjects import Repository
from torchsync.adapters.signatures import Signatures
from torchsync.adapters.trustfiles import trust_files
from torchsync.core.model import Revision
from torchsync.core.syncdoc import TrustSpec, VerifyMode
from torchsync.errors import Problem, Unavailable

NOW = int(time.time())
DAY = 24 * 3600


class Bench:
    """A repository, the files of a host, and the check between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo(folder / "repo")
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.trust = TrustSpec(mode=VerifyMode.HEAD)

    def key(self, name: str) -> SshKey:
        return SshKey.make(self.folder / name)

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def allow(self, *lines: str, mode: VerifyMode = VerifyMode.HEAD) -> None:
        self.trust = replace(self.trust, mode=mode, allowed_signers=self.file("allowed_signers", "".join(lines)))

    def check(
        self, revision: str = "", *, verified: str = "", now: int = NOW, timeout: float = 60, **changes: object
    ) -> tuple[Problem, ...]:
        home = GitHome(folder=str(self.state), search_path=str(changes.pop("path", os.environ["PATH"])))
        runner = GitRunner()
        trust = replace(self.trust, **changes)
        repository = Repository(runner, home, str(self.repo.folder / ".git"), 60)
        signatures = Signatures(runner, home, repository, self.state, timeout)
        found = signatures.problems(trust, trust_files(trust), Revision(revision or self.repo.head), verified, now)
        assert list(self.state.iterdir()) == []
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def gpg(tmp_path: Path) -> Iterator[GpgHome]:
    with gpg_home(tmp_path / "g") as home:
        yield home


def told(problems: tuple[Problem, ...]) -> str:
    return "\n".join(f"{problem.code} {problem.message}" for problem in problems)


# SSH.


@needs_ssh_keygen
def test_a_commit_signed_by_an_allowed_key_is_accepted(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, alice.settings)
    assert bench.check() == ()


@needs_ssh_keygen
def test_a_commit_signed_by_somebody_else_is_not(bench: Bench) -> None:
    alice, eve = bench.key("alice"), bench.key("eve")
    bench.allow(alice.signer("alice@example.org"))
    revision = signed(bench.repo, eve.settings)
    assert told(bench.check()) == (
        f"TS206 {revision[:12]} by alice@example.org is signed with {eve.fingerprint}, "
        "which verify.allowed_signers does not have for signing commits at the date of this one"
    )


@needs_ssh_keygen
def test_a_commit_without_a_signature_is_not(bench: Bench) -> None:
    bench.allow(bench.key("alice").signer("alice@example.org"))
    revision = bench.repo.commit({"a": "b"})
    assert told(bench.check()) == f"TS206 {revision[:12]} by alice@example.org has no SSH signature"


@needs_ssh_keygen
def test_a_signature_moved_to_other_content_is_not(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, alice.settings)
    text = bench.repo.git("cat-file", "commit", "HEAD") + "\n"
    forged = bench.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.replace("signed", "forged").encode())
    bench.repo.git("update-ref", "refs/heads/main", forged)
    assert told(bench.check()).endswith("has a signature that does not fit its content")


@needs_ssh_keygen
def test_a_key_for_another_purpose_is_not_accepted(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org", 'namespaces="file"'))
    signed(bench.repo, alice.settings)
    assert "at the date of this one" in told(bench.check())


@needs_ssh_keygen
def test_a_key_counts_from_valid_after_to_valid_before(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org", 'namespaces="git",valid-after="20200101",valid-before="20210101"'))
    for date, is_good in (("2019-06-01T00:00:00Z", False), ("2020-06-01T00:00:00Z", True), ("2021-06-01T00:00:00Z", False)):
        assert (bench.check(signed(bench.repo, alice.settings, date=date)) == ()) is is_good, date


@needs_ssh_keygen
def test_an_expired_key_does_not_sign_with_an_old_date(bench: Bench) -> None:
    alice, bob = bench.key("alice"), bench.key("bob")
    bench.allow(alice.signer("alice@example.org", 'valid-before="20210101"'), bob.signer("bob@example.org"))
    signed(bench.repo, bob.settings, date="2022-01-01T00:00:00Z")
    signed(bench.repo, alice.settings, date="2020-06-01T00:00:00Z")
    assert "is dated 2020-06-01T00:00:00Z, and follows a commit of 2022-01-01T00:00:00Z" in told(bench.check())


@needs_ssh_keygen
def test_a_revoked_key_is_named(bench: Bench) -> None:
    alice, bob = bench.key("alice"), bench.key("bob")
    bench.allow(alice.signer("alice@example.org"), bob.signer("bob@example.org"))
    revoked = bench.file("revoked", f"# left in March\n{alice.public}\n")
    signed(bench.repo, alice.settings)
    assert f"is signed by alice@example.org with {alice.fingerprint}, which is revoked" in told(bench.check(revoked_keys=revoked))
    signed(bench.repo, bob.settings)
    assert bench.check(revoked_keys=revoked) == ()


@needs_ssh_keygen
def test_a_key_revocation_list_works_as_well(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", bench.folder / "krl", bench.folder / "alice.pub"], check=True, capture_output=True)
    signed(bench.repo, alice.settings)
    assert "which is revoked" in told(bench.check(revoked_keys=str(bench.folder / "krl")))


@needs_ssh_keygen
def test_a_revocation_file_that_makes_no_sense_accepts_nobody(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, alice.settings)
    assert bench.check(revoked_keys=bench.file("revoked", "oops\n")) != ()


@needs_ssh_keygen
def test_a_certificate_of_an_allowed_authority_is_accepted(bench: Bench) -> None:
    ca, bob = bench.key("ca"), bench.key("bob")
    bench.allow(ca.signer("*@example.org", 'cert-authority,namespaces="git"'))
    certified = bob.certified(ca, principal="bob@example.org")
    signed(bench.repo, certified.settings)
    assert bench.check() == ()
    signed(bench.repo, bob.settings)
    assert bench.check() != ()


@needs_ssh_keygen
def test_an_expired_certificate_is_not(bench: Bench) -> None:
    ca, bob = bench.key("ca"), bench.key("bob")
    bench.allow(ca.signer("*@example.org", 'cert-authority,namespaces="git"'))
    signed(bench.repo, bob.certified(ca, principal="bob@example.org", validity="20200101:20210101").settings)
    assert bench.check() != ()


# Modes.


@needs_ssh_keygen
def test_head_wants_the_newest_commit_signed_and_no_other(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    bench.repo.commit({"a": "1"})
    signed(bench.repo, alice.settings)
    assert bench.check() == ()
    bench.repo.commit({"a": "2"})
    assert bench.check() != ()


@needs_ssh_keygen
def test_all_wants_every_commit_signed_that_is_new(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    unsigned = bench.repo.commit({"a": "1"})
    first = signed(bench.repo, alice.settings)
    assert unsigned[:12] in told(bench.check())
    assert bench.check(root=unsigned) == ()
    assert bench.check(root=first) == ()
    second = bench.repo.commit({"a": "2"})
    third = signed(bench.repo, alice.settings)
    found = bench.check(third, verified=first)
    assert [problem.message.split()[0] for problem in found] == [second[:12]]
    assert bench.check(third, verified=second) == ()
    assert bench.check(third, verified=third) == ()


@needs_ssh_keygen
def test_all_wants_merges_and_both_of_their_sides_signed(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    base = signed(bench.repo, alice.settings)
    bench.repo.git("checkout", "--quiet", "-b", "side")
    side = bench.repo.commit({"side": "x"})
    bench.repo.git("checkout", "--quiet", "main")
    signed(bench.repo, alice.settings)
    bench.repo.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    merge = bench.repo.head
    assert {problem.message.split()[0] for problem in bench.check(verified=base)} == {side[:12], merge[:12]}


@needs_ssh_keygen
def test_a_root_that_is_no_ancestor_is_refused(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    elsewhere = signed(bench.repo, alice.settings)
    bench.repo.git("checkout", "--quiet", "--orphan", "other")
    revision = signed(bench.repo, alice.settings)
    for mode in (VerifyMode.HEAD, VerifyMode.ALL):
        for root in (elsewhere, "f" * 40):
            expected = f"TS206 {revision[:12]} does not descend from {root[:12]}, which repository.verify.root names"
            assert told(bench.check(mode=mode, root=root)) == expected


@needs_ssh_keygen
def test_what_was_verified_and_is_not_known_any_more_spares_nothing(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    bench.repo.commit({"a": "1"})
    signed(bench.repo, alice.settings)
    assert len(bench.check(verified="f" * 40)) == 1


# Files and programs.


@needs_ssh_keygen
@pytest.mark.parametrize("setting", ["allowed_signers", "gpg_keyring", "revoked_keys"])
@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"#" * (17 << 20), "is larger than 16 MiB"),
    ],
)
def test_a_file_that_is_of_no_use_accepts_nobody(bench: Bench, setting: str, content: bytes | None, flaw: str) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, alice.settings)
    path = str(bench.folder / "nothing") if content is None else bench.file("nothing", content)
    assert f"TS216 {path}, which repository.verify.{setting} names, {flaw}" in told(bench.check(**{setting: path}))


@needs_ssh_keygen
def test_a_folder_or_a_pipe_is_no_file(bench: Bench) -> None:
    os.mkfifo(bench.folder / "pipe")
    bench.repo.commit({"a": "1"})
    for path, flaw in ((bench.folder, "cannot be read: Is a directory"), (bench.folder / "pipe", "is no file")):
        assert f"names, {flaw}" in told(bench.check(allowed_signers=str(path)))


def test_a_program_that_is_not_installed_is_named_with_its_package(bench: Bench, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    bench.allow("a b c\n")
    bench.repo.commit({"a": "1"})
    found = bench.check(path=empty, gpg_keyring=bench.file("ring", "x"))
    assert told(found) == (
        "TS216 ssh-keygen is not installed, which checks the signatures that repository.verify asks for\n"
        "TS216 gpg is not installed, which checks the signatures that repository.verify asks for"
    )
    assert [problem.hint for problem in found] == [
        "install it; Debian's package is openssh-client",
        "install it; Debian's package is gnupg",
    ]


@needs_ssh_keygen
def test_a_check_that_takes_too_long_is_nobodys_fault(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, alice.settings)
    hangs = bench.folder / "bin" / "ssh-keygen"
    hangs.parent.mkdir()
    hangs.write_text("#!/bin/sh\nexec sleep 300\n")
    hangs.chmod(0o755)
    with pytest.raises(Unavailable, match="took more than"):
        bench.check(timeout=0.5, path=f"{hangs.parent}:{os.environ['PATH']}")


# GPG.


@needs_gpg
def test_a_commit_signed_by_a_key_of_the_keyring_is_accepted(bench: Bench, gpg: GpgHome) -> None:
    good, other = gpg.key("good"), gpg.key("other")
    for armor in (False, True):
        ring = str(gpg.export(bench.folder / "ring", good, armor=armor))
        signed(bench.repo, gpg.settings(good))
        assert bench.check(gpg_keyring=ring) == ()
        revision = signed(bench.repo, gpg.settings(other))
        assert told(bench.check(gpg_keyring=ring)) == (
            f"TS206 {revision[:12]} by alice@example.org is signed with {other[-16:]}, which the keyring of this host does not have"
        )


@needs_gpg
def test_expired_and_revoked_keys_and_expired_signatures_are_told_apart(bench: Bench, gpg: GpgHome) -> None:
    old = gpg.key("old", now="20200101T000000", expires="20200601T000000")
    gone, good = gpg.key("gone"), gpg.key("good", now="20200101T000000")
    for settings, word in (
        (gpg.settings(old, now="20200201T000000"), f"by old <old@example.org> with {old}, which has expired"),
        (gpg.settings(gone), f"by gone <gone@example.org> with {gone}, which is revoked"),
        (
            gpg.settings(good, now="20200201T000000", expires="1d"),
            f"by good <good@example.org> with {good}; the signature itself has expired",
        ),
    ):
        revision = signed(bench.repo, settings)
        if "revoked" in word:
            gpg.revoke(gone)
        ring = str(gpg.export(bench.folder / "ring", old, gone, good))
        assert told(bench.check(gpg_keyring=ring)) == f"TS206 {revision[:12]} by alice@example.org is signed {word}"


@needs_gpg
@needs_ssh_keygen
def test_both_kinds_of_signatures_may_be_in_one_history(bench: Bench, gpg: GpgHome) -> None:
    alice, good = bench.key("alice"), gpg.key("good")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    signed(bench.repo, alice.settings)
    signed(bench.repo, gpg.settings(good))
    ring = str(gpg.export(bench.folder / "ring", good))
    assert bench.check(gpg_keyring=ring) == ()
    assert len(bench.check()) == 1
    assert len(bench.check(allowed_signers="", gpg_keyring=ring)) == 1
    unsigned = bench.repo.commit({"a": "1"})
    assert told(bench.check(gpg_keyring=ring)) == f"TS206 {unsigned[:12]} by alice@example.org is not signed"


@needs_gpg
@pytest.mark.parametrize(
    "content", [b"oops\n", b"\x00\x01\x02", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"]
)
def test_a_keyring_that_holds_no_keys_accepts_nobody(bench: Bench, content: bytes) -> None:
    bench.repo.commit({"a": "1"})
    (problem,) = bench.check(gpg_keyring=bench.file("ring", content))
    assert problem.code == "TS216"
    assert "the keys of repository.verify.gpg_keyring cannot be used" in problem.message


@needs_gpg
def test_no_agent_is_left_and_nothing_of_a_users_home_counts(bench: Bench, gpg: GpgHome) -> None:
    good, other = gpg.key("good"), gpg.key("other")
    ring = str(gpg.export(bench.folder / "ring", good))
    (bench.state / ".gnupg").mkdir(mode=0o700)
    (bench.state / ".gnupg" / "gpg.conf").write_text("this is no setting\n")
    signed(bench.repo, gpg.settings(other))
    found = bench_check_with_home(bench, ring)
    assert "which the keyring of this host does not have" in told(found)
    assert commands_that_name(bench.state) == []


def bench_check_with_home(bench: Bench, ring: str) -> tuple[Problem, ...]:
    runner, home = GitRunner(), GitHome(folder=str(bench.state), search_path=os.environ["PATH"])
    trust = replace(bench.trust, gpg_keyring=ring)
    signatures = Signatures(runner, home, Repository(runner, home, str(bench.repo.folder / ".git"), 60), bench.state, 60)
    found = signatures.problems(trust, trust_files(trust), Revision(bench.repo.head), "", NOW)
    assert [path.name for path in bench.state.iterdir()] == [".gnupg"]
    assert [path.name for path in (bench.state / ".gnupg").iterdir()] == ["gpg.conf"]
    return found


def commands_that_name(folder: Path) -> list[str]:
    """Of the processes that live: those with this folder in their command or environment, such as an agent for a home in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in said and int(process.name) != os.getpid():
            found.append(said.decode(errors="replace"))
    return found


@needs_gpg
def test_a_state_directory_with_a_long_path_does_no_harm(bench: Bench, gpg: GpgHome) -> None:
    good = gpg.key("good")
    ring = str(gpg.export(bench.folder / "ring", good))
    signed(bench.repo, gpg.settings(good))
    bench.state = bench.folder / ("long-" * 40)
    bench.state.mkdir()
    assert bench.check(gpg_keyring=ring) == ()


# Dates that parts of git read differently. An expired key would sign today, with one date for the key and another one for the history.


def signed_by_hand(bench: Bench, key: SshKey, header: str) -> str:
    """A commit on top of the tip with this header after its author, well signed."""
    tree = bench.repo.git("rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nparent {bench.repo.head}\nauthor A <a@example.org> 1600000000 +0000\n{header}\nby hand\n"
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(key.path)]
    made = subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout.rstrip("\n").replace("\n", "\n ")
    whole = text.replace(f"{header}\n", f"{header}gpgsig {made}\n\n", 1)
    return bench.repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=whole.encode())


OLD = "committer A <a@example.org> 1590000000 +0000\n"


@needs_ssh_keygen
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(OLD, id="an old date"),
        pytest.param(f"{OLD}committer A <a@example.org> {NOW} +0000\n", id="two committers"),
        pytest.param(f"{OLD}encoding UTF-7\nx +AAo-committer A <a@example.org> {NOW} +0000\n", id="a line that an encoding brings out"),
        pytest.param(f"committer A <a@example.org> {NOW} +0000> 1590000000 +0000\n", id="two ends of an address"),
    ],
)
def test_an_expired_key_gets_nothing_in_by_two_dates(bench: Bench, header: str) -> None:
    old, new = bench.key("old"), bench.key("new")
    bench.allow(
        old.signer("old@example.org", 'namespaces="git",valid-before="20210101"'), new.signer("new@example.org"), mode=VerifyMode.ALL
    )
    first = signed(bench.repo, new.settings, date="2022-01-01T00:00:00Z")
    assert bench.check(first) == ()
    forged = signed_by_hand(bench, old, header)
    (problem,) = bench.check(forged, verified=first)
    assert "has no date" in problem.message or "follows a commit of 2022-01-01" in problem.message


@needs_ssh_keygen
def test_a_commit_that_is_signed_by_hand_is_as_good_as_one_of_git(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    bench.repo.commit({"a": "1"})
    assert bench.check(signed_by_hand(bench, alice, f"committer A <a@example.org> {NOW} +0000\n")) == ()


# Other programs.


def credulous(folder: Path, name: str) -> str:
    """A search path on which a program of that name finds every signature good."""
    folder.mkdir()
    (folder / name).write_text(
        "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] GOODSIG 0123456789ABCDEF Eve'\necho '[GNUPG:] TRUST_FULLY 0 shell'\n"
    )
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def with_signature_of(bench: Bench, kind: str) -> str:
    tree = bench.repo.git("mktree", stdin=b"")
    who = "A <a@example.org> 1700000000 +0000"
    signature = f"gpgsig -----BEGIN {kind}-----\n \n AAAA\n -----END {kind}-----\n"
    text = f"tree {tree}\nauthor {who}\ncommitter {who}\n{signature}\nevil\n"
    return bench.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())


@needs_ssh_keygen
@pytest.mark.parametrize(("program", "kind"), [("gpgsm", "SIGNED MESSAGE"), ("gpg", "PGP SIGNATURE")])
def test_a_program_for_signatures_that_nobody_asked_for_is_not_believed(bench: Bench, program: str, kind: str) -> None:
    bench.allow(bench.key("alice").signer("alice@example.org"))
    evil = with_signature_of(bench, kind)
    assert "has no SSH signature" in told(bench.check(evil, path=credulous(bench.folder / "bin", program)))


# What is left, and how it is read.


@needs_ssh_keygen
def test_what_a_killed_check_left_is_cleared_away(bench: Bench) -> None:
    left = bench.state / ".trust-00000000"
    left.mkdir()
    (left / "keyring").write_text("x")
    runner, home = GitRunner(), GitHome(folder=str(bench.state))
    Signatures(runner, home, Repository(runner, home, str(bench.repo.folder / ".git"), 60), bench.state, 60).tidy()
    assert list(bench.state.iterdir()) == []


@needs_ssh_keygen
def test_names_and_messages_of_a_commit_cannot_pass_for_what_git_says(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    tree = bench.repo.git("mktree", stdin=b"")
    lines = f"tree {tree}\nauthor G <G> 1 +0000\ncommitter \x1b[31mG\x01 alice <a\x1b[31m@b> 1000000000 +0000\n\n%G? G alice@example.org\n"
    evil = bench.repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=lines.encode())
    assert told(bench.check(evil)) == f"TS206 {evil[:12]} by a?[31m@b has no SSH signature"


@needs_ssh_keygen
def test_a_commit_in_another_encoding_is_checked_as_it_was_signed(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.allow(alice.signer("alice@example.org"))
    signed(bench.repo, (*alice.settings, "-c", "i18n.commitEncoding=ISO-8859-1", "-c", "user.name=Zo\u00eb"))
    assert "encoding ISO-8859-1" in bench.repo.git("cat-file", "commit", "HEAD")
    assert bench.check() == ()


@needs_ssh_keygen
def test_ids_of_64_digits_are_checked_as_well(bench: Bench) -> None:
    alice = bench.key("alice")
    bench.repo = Repo(bench.folder / "sha256", object_format="sha256")
    bench.allow(alice.signer("alice@example.org"), mode=VerifyMode.ALL)
    signed(bench.repo, alice.settings)
    assert bench.check() == ()
    bench.repo.commit({"a": "1"})
    assert len(bench.check()) == 1
