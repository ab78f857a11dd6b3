"""A plan as Markdown for a comment on a pull request.

Theory of operation. Forges render a comment as GitHub Flavored Markdown (its specification, version 0.29, sections 4.5, 4.10, 6.3, 6.10) and act
on what they find in it: names after `@`, numbers after `#`, links, HTML. Nothing of the repository may do that, so each text of it stands where
none of this is looked for: in a fence longer than any row of backticks within, or as `cli/markdown.py` writes it.

GitHub takes 65,536 characters, GitLab and Gitea more. What does not fit is left out by whole tasks and whole groups, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from torchsync.cli.markdown import cell, code, longest_row
from torchsync.cli.planview import (
    POLICY_UNKNOWN,
    FleetReport,
    Report,
    change_sum,
    fleet_sum,
    group_sum,
    group_verdict,
    hosts_words,
    plan_sum,
    policy_line,
    pool_line,
    side_words,
    told_for,
)
from torchsync.cli.stepview import number, shown, step_lines
from torchsync.core.fleetplan import HostGroup
from torchsync.core.guard import TRAILER
from torchsync.core.plan import HostPlan
from torchsync.errors import Problem

MARKER = "<!-- torchsync plan -->"
"""The first line, by which a CI job finds the comment that it wrote before."""
MOST_BYTES = 60_000

_FOR_FOOT = 2_000
_ROWS, _PROBLEMS, _NOTICES = 20, 20, 10
_LONGEST_LINE = 600
_SEEN_AT_ONCE = 4
"""Tasks that are shown without a click."""
_WIDTH = 110
_LONGEST_LIST = 2_000


def plan_markdown(report: Report) -> str:
    """The plan of one host, at most `MOST_BYTES` of UTF-8."""
    plan, host = report.plan, report.plan.facts.name
    head = [MARKER, f"### torchsync plan for {code(_cut(host))}: {change_sum(plan)}", ""]
    head += _context(report)
    head += [f"{plan_sum(plan)}.", "", *(_told(policy_line(report)) if report.rules else [policy_line(report), ""])]
    head += _refusals(plan.refusals, has_removal=plan.removal is not None)
    head += [line for pool in plan.pools for line in _told(pool_line(pool, is_own_known=plan.refused is not None))]
    room = _Room.after(head)
    shown_parts = room.details(f"<b>{escape(change_sum(plan))}</b>", [], _blocks(plan, ""), is_open=True) if plan.steps else []
    return _document([*head, *shown_parts, *room.foot(f"--host {host}")])


def fleet_markdown(report: FleetReport) -> str:
    """The plan of all hosts, at most `MOST_BYTES` of UTF-8: a table of the groups, then one part for each of those that change. They are unfolded
    where they fit on a screen, as most changes do.
    """
    plan = report.plan
    head = [MARKER, f"### torchsync plan for {number(plan.hosts, 'host')}: {fleet_sum(plan)}", ""]
    head += [*_context(report), *_table(plan.groups), ""]
    room, body = _Room.after(head), []
    touched = [group for group in plan.groups if not group.is_untouched]
    is_open = sum(len(group.plan.steps) for group in touched) <= _SEEN_AT_ONCE
    for group in touched:
        body += room.details(_group_title(group), _group_head(group), _blocks(group.plan, told_for(group)), is_open=is_open)
    foot = [POLICY_UNKNOWN, ""] if any(group.plan.refused is None for group in plan.groups) else []
    return _document([*head, *body, *foot, *room.foot("--all-hosts")])


# What is told


def _context(report: Report | FleetReport) -> list[str]:
    lines = [f"From {code(_cut(side_words(report.base)))} to {code(_cut(side_words(report.head)))}.", ""]
    for notice in report.notices[:_NOTICES]:
        lines += [f"> **Note** {code(_cut(notice))}", ""]
    if len(report.notices) > _NOTICES:
        lines += [f"> **Note** {len(report.notices) - _NOTICES} more notes.", ""]
    return lines


def _told(sentence: str) -> list[str]:
    return [code(_cut(sentence)), ""]


def _table(groups: Sequence[HostGroup]) -> list[str]:
    lines = ["| hosts | names | add | change | remove | verdict |", "| ---: | --- | ---: | ---: | ---: | --- |"]
    for group in groups[:_ROWS]:
        plan = group.plan
        counts = " | ".join(str(len(steps)) for steps in (plan.added, plan.changed, plan.removed))
        lines.append(f"| {len(group.hosts)} | {cell(hosts_words(group.hosts))} | {counts} | {_verdict(group)} |")
    if len(groups) > _ROWS:
        rest = sum(len(group.hosts) for group in groups[_ROWS:])
        lines.append(f"| {rest} | in {len(groups) - _ROWS} more groups | | | | |")
    return lines


def _verdict(group: HostGroup) -> str:
    if group.refusals:
        return "**refuse**"
    pools = ", pools" if group.plan.pools else ""
    return ("unchanged" if group.plan.is_empty else f"change{pools}") if group.plan.refused is None else f"accept{pools}"


def _group_title(group: HostGroup) -> str:
    refuses = "refuse: " if group.refusals else ""
    return f"<b>{number(len(group.hosts), 'host')}</b> {refuses}{escape(change_sum(group.plan))} <code>{_escaped(hosts_words(group.hosts))}</code>"


def _group_head(group: HostGroup) -> list[str]:
    lines = [f"{group_sum(group)}.", ""]
    if len(group.hosts) > 1:
        names = ", ".join(group.hosts)
        lines += fenced(_wrapped([names if len(names) <= _LONGEST_LIST else f"{names[:_LONGEST_LIST]}..."]), "text")
    lines += [line for sentence in group_verdict(group) for line in (f"{sentence}.", "")]
    lines += _refusals(group.refusals, has_removal=group.plan.removal is not None)
    own = group.plan.refused is not None
    return lines + [line for pool in group.plan.pools for line in _told(pool_line(pool, is_own_known=own))]


def _refusals(problems: Sequence[Problem], *, has_removal: bool) -> list[str]:
    if not problems:
        return []
    told = [_cut(str(problem)) for problem in problems[:_PROBLEMS]]
    more = [f"and {len(problems) - _PROBLEMS} more problems"] if len(problems) > _PROBLEMS else []
    lines = fenced(_wrapped([*told, *more]), "text")
    if has_removal:
        lines += ["If the removal is meant, add this trailer to a commit:", "", *fenced([f"{TRAILER}: yes"], "text")]
    return lines


def _blocks(plan: HostPlan, of: str) -> Iterator[list[str]]:
    """The lines of each task. In a `diff` the sign is in the first column, and `!` marks what changed."""
    for step in plan.steps:
        first, *rest = map(_cut, step_lines(step, coloured=False, of=of))
        yield [f"!{first[1:]}" if first.startswith("~") else first, *rest, ""]


# The room there is


@dataclass(slots=True)
class _Room:
    """How many bytes are left, and what had to be left out."""

    left: int
    tasks: int = 0
    groups: int = 0

    @classmethod
    def after(cls, lines: Iterable[str]) -> _Room:
        return cls(MOST_BYTES - _FOR_FOOT - _size(lines))

    def details(self, title: str, head: Sequence[str], blocks: Iterable[list[str]], *, is_open: bool = False) -> list[str]:
        """A part that folds, with as many of its tasks as there is room for; nothing where there is none for its head."""
        frame = [f"<details{' open' if is_open else ''}><summary>{title}</summary>", "", *head]
        self.left -= _size(frame) + 200
        if self.left < 0:
            self.groups += 1
            return []
        fitting, missing = self._fitting(blocks)
        body = fenced([line for block in fitting for line in block][:-1], "diff") if fitting else []
        more = [f"{number(missing, 'more task')} of this group did not fit in here.", ""] if missing else []
        return [*frame, *body, *more, "</details>", ""]

    def _fitting(self, blocks: Iterable[list[str]]) -> tuple[list[list[str]], int]:
        fitting, missing = [], 0
        for block in blocks:
            if missing or self.left < _size(block):
                missing += 1
            else:
                self.left -= _size(block)
                fitting.append(block)
        self.tasks += missing
        return fitting, missing

    def foot(self, hosts: str) -> list[str]:
        """What was left out, and how to see it."""
        if not (self.tasks or self.groups):
            return []
        left = [number(self.groups, "group")] if self.groups else []
        left += [number(self.tasks, "task")] if self.tasks else []
        return [f"Left out, as a comment may not be longer: {' and '.join(left)}. {code(f'torchsync plan {hosts}')} shows all of it."]


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _document(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip()


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


# Blocks of code


def _wrapped(texts: Iterable[str]) -> list[str]:
    """Prose and lists, in lines that need no scrolling; those that go on are indented."""
    plain = (one if one.isprintable() else shown(one) for one in texts)
    return [line for one in plain for line in wrap(one, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)]


def fenced(lines: Sequence[str], language: str) -> list[str]:
    """The lines as a block of code."""
    lines = [line if line.isprintable() else shown(line) for line in lines]
    fence = "`" * max(3, *(longest_row(line) + 1 for line in lines), 3)
    return [f"{fence}{language}", *lines, fence, ""]


def _escaped(line: str) -> str:
    """For HTML, on one line: after an empty one Markdown would begin again."""
    return escape(line if line.isprintable() else shown(line))
