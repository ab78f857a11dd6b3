"""Has git check the signatures of commits with the keys this host trusts, and nobody else's.

Theory of operation. The trusted keys are read once, into a folder of our own that only we can enter and that is gone afterwards: git, ssh-keygen
and gpg see these copies. So what is checked is what was read, and a file that vanishes meanwhile cannot turn into "nothing is revoked", which is
what git makes of a missing revocation file. GnuPG gets a home of its own in that folder, with the one keyring in it: no agent, daemon or network,
no web of trust, and nothing of the `~/.gnupg` of anybody. A key that expired or was revoked shows as that all the same.

Two questions to git: the dates of the whole history, which costs little, and the signatures of the commits that must have one, which costs two
processes each. Signatures of both kinds may be mixed: git tells them apart by their first line.

Sources: git-log(1) on `%G?`, gitformat-signature(5), ssh-keygen(1) "ALLOWED SIGNERS" and "KEY REVOCATION LISTS", gpg(1).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from torchsync.adapters.git import Ended, GitRunner
from torchsync.adapters.gitcommand import GitCall, GitHome, local
from torchsync.adapters.gitobjects import Damaged, Repository
from torchsync.adapters.gitproblem import shown
from torchsync.adapters.trustfiles import NOT_CHECKABLE, TrustFile, trust_problems
from torchsync.core.model import Revision
from torchsync.core.syncdoc import TrustSpec, VerifyMode
from torchsync.core.trust import MOST_TOLD, Ancestry, Kinds, Signature, SignatureStatus, committer_date, judge_trust, not_a_descendant
from torchsync.errors import Problem, Unavailable

_FOLDER = ".trust-"
_KEYRING, _SIGNERS, _REVOKED = "keyring", "allowed_signers", "revoked_keys"
_NOTHING = "/dev/null"
_NOBODY = "false"
"""A program that finds no signature good."""

_GPG_SETTINGS = """\
batch
no-tty
no-autostart
no-greeting
no-auto-check-trustdb
no-auto-key-retrieve
disable-dirmngr
trust-model always
"""

_HISTORY = "%H%x00%P%x00%ct"
_SIGNATURES = "%H%x00%G?%x00%GS%x00%GK%x00%GF%x00%ce"
_MOST_HEADER = 1 << 20
"""Bytes of the header of a commit, which holds a signature, and those of the tags it merges."""
_LETTERS = {status.value: status for status in SignatureStatus}


class Signatures:
    """Checks commits of one repository. Every process has `timeout` seconds; the folder with the keys is made in `state`."""

    def __init__(self, runner: GitRunner, home: GitHome, repository: Repository, state: Path, timeout: float) -> None:
        self._runner = runner
        self._home = home
        self._repository = repository
        self._state = state
        self._timeout = timeout

    def tidy(self) -> None:
        """What killed processes left is gone."""
        for left in self._state.glob(f"{_FOLDER}*"):
            shutil.rmtree(left, ignore_errors=True)

    def problems(self, trust: TrustSpec, files: tuple[TrustFile, ...], revision: Revision, verified: str, now: int) -> tuple[Problem, ...]:
        """Why `revision` may not be believed at `now` (seconds since the epoch); empty when it may. What `verified` has need not be looked at.
        `files` are those of `trust`.

        Raises Damaged when the history cannot be read, and Unavailable when that takes too long.
        """
        if trust.mode is VerifyMode.NONE:
            return ()
        problems = trust_problems(trust, files, self._home.search_path)
        if problems:
            return problems
        if trust.root and not self._descends(revision, trust.root):
            return (not_a_descendant(revision, trust.root),)
        with self._key_folder(files) as folder:
            return self._gpg_problems(folder) or self._judge(trust, folder, self._range(trust, revision, verified), revision, now)

    def _descends(self, revision: Revision, root: str) -> bool:
        return self._repository.commit(root) is not None and self._repository.is_ancestor(root, revision)

    def _range(self, trust: TrustSpec, revision: Revision, verified: str) -> tuple[str, ...]:
        """The commits that must be signed, as arguments of git."""
        if trust.mode is VerifyMode.HEAD:
            return ("--no-walk", revision)
        known = [commit for commit in (verified, trust.root) if commit and self._repository.commit(commit)]
        return ("--topo-order", "--reverse", revision, *(f"^{commit}" for commit in known))

    def _judge(self, trust: TrustSpec, folder: Path, wanted: Sequence[str], revision: Revision, now: int) -> tuple[Problem, ...]:
        signatures = self._signatures(folder, wanted)
        if not signatures:
            return ()
        history = _history(self._log(folder, _HISTORY, ("--topo-order", "--reverse", revision)))
        return judge_trust(history, signatures, Kinds(ssh=bool(trust.allowed_signers), gpg=bool(trust.gpg_keyring)), now)

    def _signatures(self, folder: Path, wanted: Sequence[str]) -> list[Signature]:
        logged = list(self._log(folder, _SIGNATURES, wanted))
        dates = self._dates([fields[0] for fields in logged])
        found = [_signature(fields, dates[fields[0]]) for fields in logged]
        bad = [signature.revision for signature in found if signature.status is SignatureStatus.BAD]
        looked_at = self._looked_at_again(folder, bad[:MOST_TOLD])
        return [replace(looked_at.get(one.revision, one), date=one.date) for one in found]

    def _looked_at_again(self, folder: Path, bad: Sequence[str]) -> dict[str, Signature]:
        """Why each of these is bad. Git says that as well of a revoked key, and of one that may sign other things only: without the revocations
        the former is good, without the signers the latter is unknown.
        """
        found: dict[str, Signature] = {}
        for name, status in ((_REVOKED, SignatureStatus.REVOKED), (_SIGNERS, SignatureStatus.UNKNOWN_KEY)):
            left = sorted(set(bad) - found.keys())
            if left and (folder / name).exists():
                (folder / name).unlink()
                again = [_signature(fields, None) for fields in self._log(folder, _SIGNATURES, ("--no-walk", *left))]
                found |= {one.revision: replace(one, status=status) for one in again if one.status is not SignatureStatus.BAD}
        return found

    def _dates(self, revisions: Sequence[str]) -> dict[str, int | None]:
        """The date of each commit, from its header as it is."""
        names = "".join(f"{revision}\n" for revision in revisions).encode()
        with self._runner.started(
            local(self._home, self._repository.folder, "cat-file", "--batch", "--buffer"), self._timeout, names
        ) as process:
            heads = [_head_of_next(process.stdout) for _ in revisions]
        if process.timed_out:
            raise self._too_slow()
        if not all(heads):
            raise Damaged(process.stderr or "a commit cannot be read")
        return {revision: committer_date(head) for revision, head in zip(revisions, heads, strict=True)}

    def _log(self, folder: Path, form: str, commits: Sequence[str]) -> Iterator[list[str]]:
        """The fields of each of the commits."""
        words = [
            "log",
            "-z",
            f"--format={form}",
            "--no-mailmap",
            "--no-notes",
            "--no-show-signature",
            "--no-color",
            "--encoding=none",
            *commits,
            "--",
        ]
        ended = self._run(self._with_keys(local(self._home, self._repository.folder, *_settings(folder), *words), folder))
        if ended.status != 0:
            raise Damaged(ended.stderr or f"git ended with status {ended.status}")
        fields = ended.stdout.decode("utf-8", "replace").split("\0")[:-1]
        width = form.count("%x00") + 1
        if len(fields) % width:
            raise Damaged("git printed a log that cannot be read")
        return (fields[at : at + width] for at in range(0, len(fields), width))

    # The keys.

    @contextmanager
    def _key_folder(self, files: Sequence[TrustFile]) -> Iterator[Path]:
        folder = self._state / f"{_FOLDER}{token_hex(4)}"
        folder.mkdir(mode=0o700)
        try:
            names = {"allowed_signers": _SIGNERS, "gpg_keyring": _KEYRING, "revoked_keys": _REVOKED}
            for file in files:
                (folder / names[file.setting]).write_bytes(file.content)
            (folder / "gpg.conf").write_text(_GPG_SETTINGS)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _gpg_problems(self, folder: Path) -> tuple[Problem, ...]:
        """The keys of the keyring are known to GnuPG, or it is said why not."""
        if not (folder / _KEYRING).exists():
            return ()
        words = ("gpg", "--quiet", "--status-fd", "1", "--import", str(folder / _KEYRING))
        ended = self._run(self._with_keys(GitCall(argv=words, environment=local(self._home, "").environment), folder))
        # Not the exit status: gpg fails when the path of its folder is too long for the socket of the agent that it does not need here.
        if b"[GNUPG:] IMPORT_OK" in ended.stdout:
            return ()
        message = f"the keys of repository.verify.gpg_keyring cannot be used: {shown(ended.stderr)}"
        return (Problem(code=NOT_CHECKABLE, message=message, hint="write it with `gpg --export KEY... >FILE`: public keys only"),)

    def _with_keys(self, call: GitCall, folder: Path) -> GitCall:
        return replace(call, environment={**call.environment, "GNUPGHOME": str(folder)})

    def _run(self, call: GitCall) -> Ended:
        ended = self._runner.run(call, self._timeout)
        if ended.timed_out:
            raise self._too_slow()
        return ended

    def _too_slow(self) -> Unavailable:
        return Unavailable("TS204", f"checking signatures took more than {self._timeout:g} s; verify.root spares old history")


def _settings(folder: Path) -> tuple[str, ...]:
    """Without signers nobody is one; of the kinds of signatures without keys no program is asked. X.509 is such a kind: gpgsm would go by what the
    whole host trusts. That a file is not there is no reason for git to refuse anything, so it is named only when it is.
    """
    signers = folder / _SIGNERS if (folder / _SIGNERS).exists() else _NOTHING
    revoked = (f"gpg.ssh.revocationFile={folder / _REVOKED}",) if (folder / _REVOKED).exists() else ()
    gpg = "gpg" if (folder / _KEYRING).exists() else _NOBODY
    settings = (
        f"gpg.program={gpg}",
        f"gpg.x509.program={_NOBODY}",
        "gpg.ssh.program=ssh-keygen",
        f"gpg.ssh.allowedSignersFile={signers}",
        *revoked,
    )
    return tuple(word for setting in settings for word in ("-c", setting))


def _history(log: Iterator[list[str]]) -> Iterator[Ancestry]:
    for revision, parents, date in log:
        yield Ancestry(revision=revision, parents=tuple(parents.split()), date=int(date) if date.isdecimal() else None)


def _head_of_next(stream: BinaryIO) -> bytes:
    """The beginning of the next object of `cat-file --batch`; empty when there is none (git-cat-file(1))."""
    size = (stream.readline(256).split() or [b"0"])[-1]
    rest = int(size) + 1 if size.isdigit() else 0
    head = stream.read(min(rest, _MOST_HEADER))
    rest -= len(head)
    while rest > 0 and (skipped := stream.read(min(rest, _MOST_HEADER))):
        rest -= len(skipped)
    return head


def _signature(fields: Sequence[str], date: int | None) -> Signature:
    revision, letter, signer, key, fingerprint, committer = fields
    return Signature(
        revision=revision,
        date=date,
        status=_LETTERS.get(letter, SignatureStatus.BAD),
        signer=shown(signer),
        key=shown(fingerprint if letter == SignatureStatus.GOOD.value else fingerprint or key),
        committer=shown(committer),
    )
