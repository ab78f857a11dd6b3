"""A plan as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torchsync.cli.stepview import number, shown, step_lines
from torchsync.cli.terminal import Tone, paint
from torchsync.core.fleetplan import FleetPlan, HostGroup
from torchsync.core.hostnames import brief_names
from torchsync.core.model import Instant
from torchsync.core.plan import HostPlan, Side
from torchsync.core.poolchange import PoolChange

_HOSTS_WIDTH = 80
POLICY_UNKNOWN = (
    "What hosts themselves allow is known only where their facts are given: save `torchsync facts --json` of a host for --facts."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plan and everything that is said with it.

    `rules` says whose policy was applied and is empty when it is not known. `notices` are sentences without a full stop.
    """

    plan: HostPlan
    base: Side
    head: Side
    now: Instant
    rules: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """As `Report`, of all hosts."""

    plan: FleetPlan
    base: Side
    head: Side
    now: Instant
    notices: tuple[str, ...] = ()


# One host


def plan_lines(report: Report, *, coloured: bool) -> Iterator[str]:
    """The plan for people: the sum of it, then every task by name, then what is not touched."""
    plan = report.plan
    yield paint(f"{shown(plan.facts.name)}: {plan_sum(plan)}", Tone.HEAD, coloured=coloured)
    yield from _context(report, coloured=coloured)
    for step in plan.steps:
        yield ""
        yield from step_lines(step, coloured=coloured)
    yield ""
    own = plan.refused is not None
    yield from (pool_line(pool, is_own_known=own) for pool in plan.pools)
    if plan.unchanged and not plan.is_empty:
        yield f"{number(plan.unchanged, 'unchanged task')}: not touched, nor are running copies."
    if plan.removal:
        yield paint(f"{REMOVAL_WORDS}.", Tone.BAD, coloured=coloured)
    yield paint(policy_line(report), Tone.BAD if plan.refused else Tone.PLAIN, coloured=coloured)


REMOVAL_WORDS = "Refused by the guard against removal, whole; what is in force would stay"


def plan_sum(plan: HostPlan) -> str:
    """What there is to do, in numbers."""
    return f"{change_sum(plan)}; {plan.unchanged} unchanged, {plan.not_selected} for other hosts"


def change_sum(plan: HostPlan) -> str:
    """What happens to tasks and pools, in numbers."""
    counts = ((len(plan.added), "to add"), (len(plan.changed), "to change"), (len(plan.removed), "to remove"))
    changes = [f"{count} {what}" for count, what in counts if count]
    changes += [f"{number(len(plan.pools), 'pool')} of another size"] if plan.pools else []
    return ", ".join(changes) or "nothing changes"


def side_words(side: Side) -> str:
    """The side as it was named, and its revision."""
    return f"{side.words} ({side.revision[:12]})" if side.revision and side.revision[:12] != side.words else side.words


def pool_line(pool: PoolChange, *, is_own_known: bool) -> str:
    """What becomes of the pool."""
    old, new = (size if size is not None else "(none)" for size in (pool.old, pool.new))
    unless = "" if is_own_known else ", unless agent.yaml of the host gives its own size"
    return f"Runs at once in the pool {shown(pool.name)}: {old} -> {new}{unless}."


def policy_line(report: Report) -> str:
    """What the host itself says to the plan."""
    refused = report.plan.refused
    if refused is None:
        return "What this host itself allows is not known here: give its agent.yaml with --config to have that judged too."
    if refused:
        return f"Refused by this host, whole: {number(len(refused), 'problem')} by {report.rules}; what is in force would stay."
    return f"Accepted by {report.rules}."


def _context(report: Report | FleetReport, *, coloured: bool) -> Iterator[str]:
    yield f"from {side_words(report.base)} to {side_words(report.head)}"
    yield from (paint(f"notice: {notice}", Tone.BAD, coloured=coloured) for notice in report.notices)


# All hosts


def fleet_lines(report: FleetReport, *, coloured: bool) -> Iterator[str]:
    """The plan for people: the sum of it, then a paragraph for each group of hosts."""
    yield paint(f"{number(report.plan.hosts, 'host')}: {fleet_sum(report.plan)}", Tone.HEAD, coloured=coloured)
    yield from _context(report, coloured=coloured)
    for group in report.plan.groups:
        yield ""
        yield from _group_lines(group, coloured=coloured)
    if any(group.plan.refused is None for group in report.plan.groups):
        yield ""
        yield POLICY_UNKNOWN


def fleet_sum(plan: FleetPlan) -> str:
    """What hosts do, in numbers."""
    refusing = f", {plan.refusing} would refuse it" if plan.refusing else ""
    changes = f"{plan.touched} would change, {plan.hosts - plan.touched} would not" if plan.touched else "nothing changes"
    return f"{changes}{refusing}"


def group_sum(group: HostGroup) -> str:
    """What happens on each host of the group, in numbers."""
    return f"{change_sum(group.plan)}; {_span(group.unchanged)} unchanged, {_span(group.not_selected)} for other hosts"


def hosts_words(hosts: tuple[str, ...]) -> str:
    """The hosts by their names, as many as fit on a line."""
    return brief_names(hosts, _HOSTS_WIDTH)


def told_for(group: HostGroup) -> str:
    """The host that speaks for others too; empty for one that stands alone."""
    return group.hosts[0] if len(group.hosts) > 1 else ""


def group_verdict(group: HostGroup) -> Iterator[str]:
    """Who refuses the change, in sentences without a full stop."""
    if group.plan.removal:
        yield REMOVAL_WORDS
    if group.plan.refused:
        yield f"Refused by policy, whole: {number(len(group.plan.refused), 'problem')}; what is in force would stay"
    elif group.plan.refused is not None:
        yield "Accepted by policy"


def _group_lines(group: HostGroup, *, coloured: bool) -> Iterator[str]:
    yield paint(f"{number(len(group.hosts), 'host')}: {hosts_words(group.hosts)}", Tone.HEAD, coloured=coloured)
    yield f"  {group_sum(group)}"
    for sentence in group_verdict(group):
        yield paint(f"  {sentence}.", Tone.BAD if group.refusals else Tone.PLAIN, coloured=coloured)
    for pool in group.plan.pools:
        yield f"  {pool_line(pool, is_own_known=group.plan.refused is not None)}"
    for step in group.plan.steps:
        yield ""
        yield from (f"  {line}" for line in step_lines(step, coloured=coloured, of=told_for(group)))


def _span(numbers: tuple[int, int]) -> str:
    least, most = numbers
    return str(least) if least == most else f"{least} to {most}"
