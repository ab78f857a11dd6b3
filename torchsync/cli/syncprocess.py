"""One sync of the agent, in a process of its own: from a revision to its verdict and its written tree.

Theory of operation. The agent starts this program, writes one `SyncRequest` as one line of JSON to its standard input and reads one
`SyncAnswer` from its standard output; nothing else is written there. The agent leaves its end of standard input open. When that end closes
before the answer is out, the agent is gone or has lost interest: every git process is killed and the program ends. Whatever repository
content does to this process, by size, form or number, is over with it.

The phases: fetch (the mirror has the revision and its history), verify (it descends from the floor, and is signed), read (from git's objects),
validate (the verdict on the commit), select (the tasks for this host), swap (here: the tree is written). Content that turns out to be damaged
while it is read has the mirror rebuilt, once. A verdict is an answer like any other: rejected and refused blame the commit, unavailable
blames nobody.

Task files that were found right before are neither read nor checked again: `verdicts.json` in the state directory holds what was found
(`core/verdictcache.py`). Without it the answer is the same and takes longer, so nothing about that file can fail a sync.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from torchsync.adapters.git import GitRunner
from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, GitHome, commit_id
from torchsync.adapters.gitobjects import CommitContent, Damaged, Repository
from torchsync.adapters.mirror import Mirror, mirror_lock
from torchsync.adapters.schemas import repository_formats, verdict_rules
from torchsync.adapters.signatures import Signatures
from torchsync.adapters.statefile import read_at_most, replace_file
from torchsync.adapters.tree import Trees
from torchsync.adapters.trustfiles import trust_files, trust_stamp
from torchsync.core.guard import TRAILER, allows_removal
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Revision, Task
from torchsync.core.selector import selects
from torchsync.core.syncdoc import Phase, SyncAnswer, SyncRequest, Verdict, stamp
from torchsync.core.taskdoc import answer_document, request_from_document
from torchsync.core.taskset import FoundTask, Rejection, TaskSet, judge
from torchsync.core.verdictcache import MAX_FILE_BYTES, VerdictCache, stored_verdicts
from torchsync.errors import CommitInvalid, Problem, Refused, StateUnwritable, TorchsyncError, Unavailable

_LIMITS = {
    resource.RLIMIT_AS: 4 << 30,
    resource.RLIMIT_CPU: 900,
    resource.RLIMIT_FSIZE: 4 << 30,
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_CORE: 0,
}
"""For this process and for each git: bytes of memory, seconds of work, bytes of one file (so a pack of a fetch too), open files, no core dump."""
_NICE = 5
_FIRST_TO_KILL = "1000"

_VERDICT_FILE = "verdicts.json"

_VERDICTS: tuple[tuple[type[TorchsyncError], Verdict], ...] = (
    (CommitInvalid, Verdict.REJECTED),
    (Refused, Verdict.REFUSED),
    (Unavailable, Verdict.UNAVAILABLE),
    (TorchsyncError, Verdict.FAILED),
)


class Sync:
    """One sync, and what is known of it so far. The caller holds the lock on the mirror."""

    def __init__(self, request: SyncRequest, runner: GitRunner) -> None:
        state = Path(request.state)
        self._home = GitHome(folder=request.state, search_path=os.environ.get("PATH", DEFAULT_SEARCH_PATH))
        self._request = request
        self._runner = runner
        self._mirror = Mirror(state, request.remote, runner, self._home)
        self._trees = Trees(state / "worktrees")
        self._verdict_file = state / _VERDICT_FILE
        self._rules = verdict_rules()
        self._verdicts = VerdictCache(self._rules)
        self._durations: dict[Phase, float] = {}

    def answer(self) -> SyncAnswer:
        """What became of the request; the tree of an accepted revision is whole and durable."""
        answer = self._decided()
        self._store_verdicts()
        return answer

    def _decided(self) -> SyncAnswer:
        try:
            return self._accepted()
        except TorchsyncError as error:
            problems = error.problems or (Problem(code=error.code, message=error.message),)
            verdict = next(verdict for kind, verdict in _VERDICTS if isinstance(error, kind))
            return self._told(SyncAnswer(verdict=verdict, revision=self._request.revision, problems=problems))

    def _accepted(self) -> SyncAnswer:
        request = self._request
        with self._phase(Phase.FETCH):
            self._mirror.tidy((request.in_force, request.floor, request.pin))
            self._trees.tidy()
            known = self._mirror.at_hand(request.revision, request.pin) if request.pin else None
            repository = known or self._mirror.obtain(request.ref_name, request.revision)
        with self._phase(Phase.READ):
            self._verdicts = stored_verdicts(read_at_most(self._verdict_file, MAX_FILE_BYTES), self._rules)
        try:
            return self._judge_and_write(repository)
        except Damaged:
            with self._phase(Phase.FETCH):
                repository = self._mirror.rebuild(request.ref_name, request.revision)
            return self._judge_and_write(repository)

    def _judge_and_write(self, repository: Repository) -> SyncAnswer:
        try:
            return self._judged_and_written(repository)
        except _CacheUnfit:
            self._verdicts = VerdictCache(self._rules)
            return self._judged_and_written(repository)

    def _judged_and_written(self, repository: Repository) -> SyncAnswer:
        request = self._request
        with self._phase(Phase.VERIFY):
            revision, raises_floor = self._wanted(repository)
            trust = self._verified_by(repository, revision)
        with self._phase(Phase.READ):
            content = repository.read(revision, request.remote.path, self._verdicts.known)
        with self._phase(Phase.VALIDATE):
            found = valid_tasks(content, self._verdicts)
        with self._phase(Phase.SELECT):
            facts = found.inventory.facts_of(request.facts)
            selected = [task for task in found.found if selects(task.hosts, facts, found.inventory.groups)]
            kept = {task.name for task in selected if request.known.get(task.name) == stamp(task)}
            tasks = _whole(task for task in selected if task.name not in kept)
        with self._phase(Phase.SWAP):
            self._write_tree(repository, content)
        return self._told(
            SyncAnswer(
                verdict=Verdict.ACCEPTED,
                revision=revision,
                tree=content.tree,
                facts=facts,
                notices=tuple(found.inventory.notices(request.facts)),
                guards=found.settings.guards,
                pools=found.settings.pools,
                removal_allowed=self._is_removal_allowed(repository),
                raises_floor=raises_floor,
                tasks=tasks,
                kept=tuple(sorted(kept)),
                not_selected=len(found.found) - len(selected),
                trust=trust,
                authorship=repository.authorship(revision),
            )
        )

    def _wanted(self, repository: Repository) -> tuple[Revision, bool]:
        """The revision to judge, and whether it is the floor once it is accepted."""
        if self._request.pin:
            return self._pinned(repository)
        self._check_floor(repository)
        return self._request.revision, True

    def _check_floor(self, repository: Repository) -> None:
        """Raises Refused for a revision that does not descend from the floor."""
        request = self._request
        if not request.floor or request.remote.rewind_allowed or repository.is_ancestor(request.floor, request.revision):
            return
        message = f"{request.revision[:12]} does not descend from {request.floor[:12]}, the newest commit accepted here"
        hint = "push a descendant of that commit, or set repository.rewind to allow"
        raise Refused("TS207", message, (Problem(code="TS207", message=message, hint=hint),))

    def _verified_by(self, repository: Repository, revision: Revision) -> str:
        """The keys and settings by which somebody whom this host trusts vouches for the revision. Raises Refused when nobody does."""
        request = self._request
        files = trust_files(request.trust)
        trust = trust_stamp(request.trust, files, self._home.search_path)
        verified = request.verified if trust == request.verified_by else ""
        signatures = Signatures(self._runner, self._home, repository, Path(request.state), request.remote.clone_timeout_ms / 1000)
        signatures.tidy()
        problems = signatures.problems(request.trust, files, revision, verified, int(time.time()))
        if problems:
            raise Refused(problems[0].code, problems[0].message, problems)
        return trust

    def _pinned(self, repository: Repository) -> tuple[Revision, bool]:
        """The revision an operator pinned, and whether it descends from the floor. Raises Refused for one that neither the history of the remote's
        ref nor that of the floor has.
        """
        request = self._request
        revision = repository.commit(request.pin)
        ends = [request.revision, *filter(repository.commit, [request.floor] if request.floor else [])]
        if revision is None or not any(repository.is_ancestor(revision, end) for end in ends):
            raise _no_pin(request.pin, is_whole=revision is not None or bool(commit_id(request.pin)))
        return revision, not request.floor or repository.is_ancestor(request.floor, revision)

    def _is_removal_allowed(self, repository: Repository) -> bool:
        in_force = self._request.in_force
        return bool(in_force) and allows_removal(repository.trailers(TRAILER, in_force, self._request.revision))

    def _write_tree(self, repository: Repository, content: CommitContent) -> None:
        repaired = self._trees.store(content.tree, lambda: repository.blobs(content.entries))
        if repaired is not None:
            self._mirror.recoveries[repaired] += 1

    def _store_verdicts(self) -> None:
        """The next sync finds the verdicts of this one, where the disk takes them."""
        if self._verdicts.is_outdated():
            with suppress(StateUnwritable):
                replace_file(self._verdict_file, self._verdicts.content())

    @contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._durations[phase] = self._durations.get(phase, 0.0) + time.monotonic() - start

    def _told(self, answer: SyncAnswer) -> SyncAnswer:
        """The answer together with what it took."""
        mirror = self._mirror
        return replace(
            answer,
            durations=self._durations,
            recoveries=dict(mirror.recoveries),
            git_timeouts=self._runner.timeouts,
            overloaded=mirror.is_overloaded,
        )


def valid_tasks(content: CommitContent, cache: VerdictCache | None = None) -> TaskSet:
    """The tasks of the commit, for all hosts. Raises CommitInvalid with everything that is wrong with it."""
    verdict = judge(content.entries, content.contents, repository_formats(), cache)
    if isinstance(verdict, Rejection):
        raise CommitInvalid(verdict.problems[0].code, f"the commit breaks {verdict.found} rules", verdict.problems)
    return verdict


def _no_pin(pin: str, *, is_whole: bool) -> Refused:
    where = "is not in the history of the branch" if is_whole else "is the beginning of no commit of the branch, or of several"
    message = f"the pinned revision {pin[:12]} {where}; what is in force stays"
    hint = "pin a commit of the branch, with all of its digits, or unpin"
    return Refused("TS219", message, (Problem(code="TS219", message=message, hint=hint),))


class _CacheUnfit(Exception):
    """A definition from the cache is none."""


def _whole(found: Iterable[FoundTask]) -> tuple[Task, ...]:
    try:
        return tuple(task.task() for task in found)
    except ValueError as error:
        raise _CacheUnfit from error


def main() -> int:
    """One request was read and one answer written."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not spoil the answer
    os.umask(0o077)
    gc.disable()  # this process ends soon and makes few cycles; walking over all it has read takes longer than what that frees is worth
    _stand_back()
    request = request_from_document(parse_json(_read_line()))
    is_answered = threading.Event()
    answer = _answer_alone(request, is_answered)
    is_answered.set()  # before the agent can know of it, and close its end
    with output:
        output.write(canonical(answer_document(answer)).encode() + b"\n")
    return 0


def _answer_alone(request: SyncRequest, is_answered: threading.Event) -> SyncAnswer:
    try:
        with mirror_lock(Path(request.state), request.remote.timeout_ms / 1000) as lock:
            runner = GitRunner(inherited=(lock,))
            threading.Thread(target=_end_with_the_agent, args=(runner, is_answered), daemon=True).start()
            return Sync(request, runner).answer()
    except Unavailable as error:
        problem = Problem(code=error.code, message=error.message)
        return SyncAnswer(verdict=Verdict.UNAVAILABLE, revision=request.revision, problems=(problem,))
    except OSError as error:
        problem = Problem(code="TS333", message=f"the state cannot be written: {error}")
        return SyncAnswer(verdict=Verdict.FAILED, revision=request.revision, problems=(problem,))


def _read_line() -> bytes:
    """The first line of standard input, read without a buffer: what comes after it is for the thread that waits for the end."""
    pieces: list[bytes] = []
    while piece := os.read(0, 65_536):
        pieces.append(piece)
        if piece.endswith(b"\n"):
            break
    return b"".join(pieces)


def _end_with_the_agent(runner: GitRunner, is_answered: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    if is_answered.is_set():
        return
    runner.kill_all()
    os._exit(1)  # the main thread may be anywhere; what it leaves is cleared away by the next sync


def _stand_back() -> None:
    """What repository content makes of this process and its git is bounded, and costs them before it costs the agent and its runs: they get the
    processor after those, and when memory runs out the kernel takes them first (proc(5), `oom_score_adj`).
    """
    for kind, wanted in _LIMITS.items():
        _, hard = resource.getrlimit(kind)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)  # a lower limit of the surroundings stays
        resource.setrlimit(kind, (most, most))
    os.nice(_NICE)
    with suppress(OSError):  # /proc may be closed to us
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL)


if __name__ == "__main__":
    sys.exit(main())
