"""A git source without git: commits are made up by the test, and answered at once or when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torchsync.core.inventory import Inventory
from torchsync.core.model import Guards, Revision, Task, TreeId
from torchsync.core.selector import selects
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest, Verdict, stamp
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed, SyncAnswered

NO_INVENTORY = Inventory()
USUAL_GUARDS = Guards()


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCommit:
    revision: Revision
    parent: str
    tree: TreeId
    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...]
    inventory: Inventory
    guards: Guards
    removal_allowed: bool
    pools: Mapping[str, int]


class FakeGitSource:
    """`ports.GitSource` on commits in memory; `post` takes its events, as `Wakeups.post` does.

    `is_reachable` False: the remote does not answer. `is_held` True: what is asked stays under way until `release` or `cancel`.
    """

    def __init__(self, post: Callable[[object], None]) -> None:
        self.is_reachable = True
        self.is_held = False
        self.commits: dict[str, FakeCommit] = {}
        self.requests: list[SyncRequest] = []
        self.trees: set[str] = set()
        self.fetched: set[str] = set()
        self.tip = ""
        self._post = post
        self._under_way: object | None = None
        self._is_syncing = False

    def push(
        self,
        *tasks: Task,
        problems: tuple[Problem, ...] = (),
        parent: str | None = None,
        inventory: Inventory = NO_INVENTORY,
        guards: Guards = USUAL_GUARDS,
        removal_allowed: bool = False,
        pools: Mapping[str, int] | None = None,
    ) -> Revision:
        """A new commit with these tasks is the tip; it follows the tip unless another `parent` is named."""
        number = len(self.commits) + 1
        revision, tree = self.coming, TreeId(f"{number + 0x7000:040x}")
        above = self.tip if parent is None else parent
        self.commits[revision] = FakeCommit(
            revision=revision,
            parent=above,
            tree=tree,
            tasks=tasks,
            problems=problems,
            inventory=inventory,
            guards=guards,
            removal_allowed=removal_allowed,
            pools=pools or {},
        )
        self.tip = revision
        return revision

    @property
    def coming(self) -> Revision:
        """The id of the next commit; no two begin alike."""
        number = len(self.commits) + 1
        return Revision(f"{number:08x}{number:032x}")

    def release(self) -> None:
        """What is under way is answered."""
        event, self._under_way, self._is_syncing = self._under_way, None, False
        if event is not None:
            self._post(event)

    def resolve(self, remote: RemoteSpec) -> None:
        self._begin(self._resolution(remote))

    def sync(self, request: SyncRequest) -> None:
        self.requests.append(request)
        if self.is_reachable:
            self.fetched |= self._history(request.revision)
        self._is_syncing = True
        self._begin(SyncAnswered(self._answer(request)))

    def cancel(self) -> None:
        self._under_way, self._is_syncing = None, False

    def drop_trees(self, keep: Sequence[str]) -> None:
        if not self._is_syncing:
            self.trees &= set(keep)

    def _begin(self, event: object) -> None:
        self._under_way = event
        if not self.is_held:
            self.release()

    def _resolution(self, remote: RemoteSpec) -> Resolved | ResolveFailed:
        if len(remote.ref) == 40:
            return Resolved(remote.ref, "", 0.0)
        if not self.is_reachable:
            return ResolveFailed(Problem(code="TS201", message="cannot be reached"), 0.0)
        if remote.ref not in ("", "HEAD", "main") or not self.tip:
            return ResolveFailed(Problem(code="TS205", message=f"no {remote.ref}"), 0.0)
        return Resolved(self.tip, "refs/heads/main", 0.0)

    def _answer(self, request: SyncRequest) -> SyncAnswer:
        commit = self.commits.get(request.revision)
        is_fetched = bool(request.pin) and request.revision in self.fetched
        if (not self.is_reachable and not is_fetched) or commit is None:
            return self._failed(request, Verdict.UNAVAILABLE, Problem(code="TS201", message="cannot be reached"))
        if request.pin:
            known = self._history(request.revision) | self._history(request.floor)
            found = [revision for revision in known if revision.startswith(request.pin)]
            if len(found) != 1:
                return self._failed(request, Verdict.REFUSED, Problem(code="TS219", message="cannot be followed"))
            commit = self.commits[found[0]]
        elif request.floor and not request.remote.rewind_allowed and request.floor not in self._history(request.revision):
            return self._failed(request, Verdict.REFUSED, Problem(code="TS207", message="does not descend from the floor"))
        if commit.problems:
            return self._failed(request, Verdict.REJECTED, *commit.problems)
        facts = commit.inventory.facts_of(request.facts)
        selected = [task for task in commit.tasks if selects(task.hosts, facts, commit.inventory.groups)]
        kept = {task.name for task in selected if request.known.get(task.name) == stamp(task)}
        self.trees.add(commit.tree)
        return SyncAnswer(
            verdict=Verdict.ACCEPTED,
            revision=commit.revision,
            tree=commit.tree,
            facts=facts,
            notices=tuple(commit.inventory.notices(request.facts)),
            guards=commit.guards,
            removal_allowed=commit.removal_allowed,
            pools=commit.pools,
            raises_floor=not (request.pin and request.floor) or request.floor in self._history(commit.revision),
            tasks=tuple(task for task in selected if task.name not in kept),
            kept=tuple(sorted(kept)),
            not_selected=len(commit.tasks) - len(selected),
        )

    def _failed(self, request: SyncRequest, verdict: Verdict, *problems: Problem) -> SyncAnswer:
        return SyncAnswer(verdict=verdict, revision=request.revision, problems=problems)

    def _history(self, revision: str) -> set[str]:
        found: set[str] = set()
        while revision in self.commits:
            found.add(revision)
            revision = self.commits[revision].parent
        return found
