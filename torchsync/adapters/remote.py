"""The agent's side of the remote: one `ls-remote` to see whether there is anything new, one sync process when there is.

Theory of operation. Both are children that the loop watches; it never waits for one, parses nothing of a repository and imports neither git nor
a parser. What a child says is believed only as far as it can be checked: a sync process that dies, takes too long, or answers something that
cannot be has the sync fail, and nothing else. Fits `ports.GitSource`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from torchsync.adapters.child import Child, ChildEnd, ChildOrder
from torchsync.adapters.gitaccess import failure, file_problems
from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, GitHome, commit_id, found_ref, ls_remote, remote_problem
from torchsync.adapters.gitproblem import is_overloaded, ref_problem, shown, timeout_problem
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.tree import Trees, remove_all
from torchsync.core.answercheck import check_answer, check_size, check_texts
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Millis
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest, Verdict
from torchsync.core.taskdoc import answer_document, answer_from_document, request_document
from torchsync.errors import Problem
from torchsync.ports import Clock, Resolved, ResolveFailed, SyncAnswered, Wakeups

_MOST_REFS = 1 << 20
_MOST_ANSWER = 128 << 20
_BOOT = "import sys; sys.path.append(sys.argv[1]); from torchsync.cli.syncprocess import main; sys.exit(main())"
_PACKAGE_HOME = str(Path(__file__).parents[2])


class RemoteGit:
    """At most one child is under way; starting another one cancels it. `python` is the interpreter of the sync process."""

    def __init__(self, state: Path, wakeups: Wakeups, clock: Clock, python: str = sys.executable) -> None:
        self._home = GitHome(folder=str(state), search_path=os.environ.get("PATH", DEFAULT_SEARCH_PATH))
        self._trees = Trees(state / "worktrees")
        self._wakeups = wakeups
        self._clock = clock
        self._timer = Timer(wakeups, clock)
        self._python = python
        self._child: Child | None = None
        self._is_syncing = False

    def resolve(self, remote: RemoteSpec) -> None:
        """`Resolved` or `ResolveFailed` will be posted, once. A `ref` that is a commit id needs no remote."""
        start = self._clock.monotonic()
        problem = remote_problem(remote) or next(file_problems(remote), None)
        if problem is not None:
            return self._wakeups.post(ResolveFailed(problem, 0.0))
        if revision := commit_id(remote.ref):
            return self._wakeups.post(Resolved(revision, "", 0.0))
        call = ls_remote(remote, self._home)
        order = ChildOrder(argv=call.argv, environment=call.environment, patience=Millis(remote.timeout_ms), most_output=_MOST_REFS)

        def on_end(end: ChildEnd) -> None:
            self._wakeups.post(_resolution(remote, end, (self._clock.monotonic() - start) / 1000))

        return self._start(order, on_end, lambda why: ResolveFailed(Problem(code="TS320", message=why), 0.0))

    def sync(self, request: SyncRequest) -> None:
        """`SyncAnswered` will be posted, once."""
        order = ChildOrder(
            argv=(self._python, "-I", "-c", _BOOT, _PACKAGE_HOME),
            environment={"PATH": self._home.search_path, "HOME": self._home.folder, "LC_ALL": "C.UTF-8"},
            patience=Millis(request.remote.timeout_ms + request.remote.clone_timeout_ms),
            most_output=_MOST_ANSWER,
            stdin=canonical(request_document(request)).encode() + b"\n",
        )
        self._start(
            order,
            lambda end: self._wakeups.post(SyncAnswered(self._answer(request, end))),
            lambda why: SyncAnswered(_no_answer(request, why)),
        )
        self._is_syncing = self._child is not None

    def cancel(self) -> None:
        """No process of ours is left, and nothing is posted for it any more."""
        if self._child is not None:
            self._child.cancel()
        self._child = None
        self._is_syncing = False

    def drop_trees(self, keep: Sequence[str]) -> None:
        """Other trees are out of sight, and deleted in the background. During a sync nothing happens: it may be about to use one of them."""
        if self._is_syncing:
            return
        gone = self._trees.retire(keep)
        if gone:
            threading.Thread(target=remove_all, args=(gone,), daemon=True, name="drop trees").start()

    def _start(self, order: ChildOrder, on_end: Callable[[ChildEnd], None], failed: Callable[[str], object]) -> None:
        self.cancel()

        def over(end: ChildEnd) -> None:
            self._child = None
            self._is_syncing = False
            on_end(end)

        try:
            self._child = Child(order, self._wakeups, self._timer, over)
        except OSError as error:
            self._wakeups.post(failed(f"{order.argv[0]} cannot be started: {error.strerror}"))

    def _answer(self, request: SyncRequest, end: ChildEnd) -> SyncAnswer:
        if end.timed_out:
            why = "the sync process did not answer in time"
            return SyncAnswer(verdict=Verdict.UNAVAILABLE, revision=request.revision, problems=(Problem(code="TS204", message=why),))
        if end.wrote_too_much:
            return _no_answer(request, f"the sync process answered more than {_MOST_ANSWER >> 20} MiB")
        if end.status != 0:
            last = end.stderr.strip().rpartition("\n")[2]
            return _no_answer(request, f"the sync process ended with status {end.status}: {shown(last)}")
        try:
            return self._believed(request, end.stdout)
        except (ValueError, ArithmeticError, RecursionError) as error:  # what escaped from here would end the loop
            return _no_answer(request, f"the sync process answered something that cannot be: {shown(str(error))}")

    def _believed(self, request: SyncRequest, text: bytes) -> SyncAnswer:
        """The answer, as far as it can be checked here. Raises ValueError with a sentence for one that cannot be."""
        check_size(text)
        document = parse_json(text)
        check_texts(text, document)
        answer = answer_from_document(document)
        if answer_document(answer) != document:
            raise ValueError("the answer has fields that nobody asked for")
        check_answer(request, answer)
        if answer.verdict is Verdict.ACCEPTED and not (answer.tree and self._trees.is_present(answer.tree)):
            raise ValueError(f"the tree {answer.tree or '(none)'} is not there")
        return answer


def _resolution(remote: RemoteSpec, end: ChildEnd, seconds: float) -> Resolved | ResolveFailed:
    if end.timed_out:
        return ResolveFailed(timeout_problem(remote.url, remote.timeout_ms / 1000), seconds, timed_out=True)
    if end.status != 0:
        problem = failure(end.stderr or f"git ended with status {end.status}", remote)
        return ResolveFailed(problem, seconds, overloaded=is_overloaded(end.stderr))
    found = found_ref(end.stdout.decode("utf-8", "replace"), remote.ref)
    return Resolved(found.revision, found.name, seconds) if found else ResolveFailed(ref_problem(remote.url, remote.ref), seconds)


def _no_answer(request: SyncRequest, why: str) -> SyncAnswer:
    return SyncAnswer(verdict=Verdict.FAILED, revision=request.revision, problems=(Problem(code="TS220", message=why),))
