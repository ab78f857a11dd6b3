"""From an accepted commit to the generation in force: the verdict of this host, the diff, and the one commit point of a swap."""

from __future__ import annotations

from dataclasses import dataclass

from torchsync.agent.sync import Syncs
from torchsync.core.diff import Diff
from torchsync.core.generation import succeed, tasks_of
from torchsync.core.guard import judge_removal
from torchsync.core.model import Generation, HostFacts, Instant
from torchsync.core.policy import HostRules, SeenAccount, effective_user, judge_host, seen_accounts
from torchsync.core.syncdoc import SyncAnswer, SyncOutcome, SyncResult
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True)
class Prepared:
    """A generation that may take over, and what is different in it."""

    generation: Generation
    found: Diff


@dataclass(frozen=True, slots=True)
class HostRefuses:
    """What keeps this host from running the set; other hosts may. `accounts` are those it would run as, as they were when that was found."""

    problems: tuple[Problem, ...]
    accounts: tuple[SeenAccount, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerInvalid:
    """The sync process answered something that cannot be: its answer is not believed."""

    why: str


def prepare(
    old: Generation | None,
    answer: SyncAnswer,
    *,
    observed: HostFacts,
    origin: str,
    rules: HostRules,
    now: Instant,
) -> Prepared | HostRefuses | AnswerInvalid:
    """What becomes of the answer on this host, which says `observed` of itself; nothing is changed yet."""
    try:
        tasks = tasks_of(old, answer)
    except ValueError as error:
        return AnswerInvalid(str(error))
    problems = (*_judge_removal(old, answer, len(tasks)), *judge_host(tasks.values(), rules, answer.pools))
    if problems:
        users = {effective_user(task, rules.policy) for task in tasks.values()}
        return HostRefuses(problems, seen_accounts(users, rules.uid_of, rules.groups_of))
    generation, found = succeed(old, answer, tasks, observed=observed, origin=origin, now=now)
    return Prepared(generation, found)


def _judge_removal(old: Generation | None, answer: SyncAnswer, after: int) -> tuple[Problem, ...]:
    """By the guards of the generation in force. The same commit again, for other facts of the host, is what the operator of the host wants."""
    if old is None or answer.removal_allowed or old.revision == answer.revision:
        return ()
    problem = judge_removal(old.guards, len(old.tasks), after)
    return (problem,) if problem else ()


def turn_down(syncs: Syncs, verdict: HostRefuses | AnswerInvalid, now: Instant) -> SyncResult:
    """The sync under way is over, and nothing has changed."""
    match verdict:
        case AnswerInvalid(why=why):
            return syncs.close(SyncOutcome.FAILED, why, now, (Problem(code="TS220", message=why),))
        case HostRefuses(problems=problems, accounts=accounts):
            return syncs.close(SyncOutcome.REFUSED, str(problems[0]), now, problems, accounts=accounts)


def close_applied(syncs: Syncs, prepared: Prepared, now: Instant) -> SyncResult:
    """The sync under way is over, and the generation it brought is durable."""
    found = prepared.found
    changes = (len(found.added), len(found.changed), len(found.removed))
    sentence = "{}: {} task(s) added, {} changed, {} removed".format(prepared.generation.revision[:12], *changes)
    return syncs.close(SyncOutcome.APPLIED, sentence, now, changes=changes)
