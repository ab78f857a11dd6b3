"""What was decided while a jump of the clock was open, task by task: what has to be taken back, and what must not be decided again. Pure.

Theory of operation. When the clock returns, the instants of a task are gone through again from the mark that it had before the jump. Most of them are
free again, since their entry was annulled. Runs for instants that are not in the future stay, and so do other skips of such instants; the diary knows
them, and they are passed over until the mark is behind the last of them.

Neighbouring runs are kept as one span, and so are missed instants: a jump that nobody takes back stays open for days. That is safe, since a run stays
or goes by its own instant, and all that were missed go. Any other skip is an entry of its own, in the ledger as here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from torchsync.core.entries import Tagged
from torchsync.core.model import Instant, SkipReason, TaskName


class _Kind(Enum):
    RAN = "ran"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class _Span:
    """Every instant of the task from `first` to `last` was decided like this."""

    first: Instant
    last: Instant
    jump: int
    kind: _Kind


class Diary:
    """The entries that carry the id of a jump."""

    def __init__(self) -> None:
        self._spans: dict[TaskName, list[_Span]] = {}
        self._cut: set[TaskName] = set()

    def read(self, entries: Iterable[Tagged]) -> None:
        """The diary holds these entries, and no other."""
        self._spans.clear()
        for entry in sorted(entries, key=lambda entry: (entry.task, entry.first)):
            self.note(entry.task, entry.first, entry.last, entry.jump, entry.reason)

    def note(self, task: TaskName, first: Instant, last: Instant, jump: int, reason: SkipReason | None) -> None:
        """The instants from `first` to `last` were decided; `reason` is None when they ran."""
        kind = _Kind.RAN if reason is None else _Kind.MISSED if reason is SkipReason.MISSED else _Kind.SKIPPED
        spans = self._spans.setdefault(task, [])
        newest = spans[-1] if spans else None
        if (
            newest
            and newest.last < first
            and (newest.jump, newest.kind) == (jump, kind)
            and kind is not _Kind.SKIPPED
            and task not in self._cut
        ):
            spans[-1] = replace(newest, last=last)
        else:
            spans.append(_Span(first, last, jump, kind))
        if newest and newest.first > first:
            spans.sort(key=lambda span: span.first)
        self._cut.discard(task)

    def note_alone(self, task: TaskName, instant: Instant, jump: int) -> None:
        """An instant that was missed ran after all. Its neighbours may not be decided just now."""
        self.forget(task, instant)
        self._put(task, [*self._spans.get(task, ()), _Span(instant, instant, jump, _Kind.RAN)])

    def cut(self, task: TaskName) -> None:
        """What comes next has another schedule: it does not grow an earlier span."""
        if task in self._spans:
            self._cut.add(task)

    def forget(self, task: TaskName, instant: Instant) -> None:
        """The entry of the instant is gone."""
        for span in self._spans.get(task, ()):
            if span.first <= instant <= span.last:
                parts = (replace(span, last=Instant(instant - 1)), replace(span, first=Instant(instant + 1)))
                self._put(task, [one for one in self._spans[task] if one is not span] + [part for part in parts if part.first <= part.last])
                return

    def covers(self, task: TaskName, instant: Instant) -> bool:
        spans = self._spans.get(task, [])
        return bool(spans) and instant <= spans[-1].last and any(span.first <= instant <= span.last for span in spans)

    def annul(self, task: TaskName, jump: int, now: Instant, heir: int) -> None:
        """As `entries.Annul` says."""
        kept: list[_Span] = []
        for span in self._spans.get(task, ()):
            if span.jump != jump:
                kept.append(span)
            elif span.kind is _Kind.RAN and span.first <= now:
                kept.append(replace(span, last=min(span.last, now), jump=heir or jump))
            elif span.last <= now and span.kind is not _Kind.MISSED:
                kept.append(replace(span, jump=heir or jump))
        self._put(task, kept)

    def settle(self, task: TaskName, jump: int, heir: int) -> None:
        """As `entries.Settle` says."""
        spans = self._spans.get(task, ())
        self._put(task, [replace(span, jump=heir) if span.jump == jump else span for span in spans if heir or span.jump != jump])

    def passed(self, task: TaskName, mark: Instant, still_open: Collection[int]) -> set[int]:
        """The jumps, none of them open, whose entries of the task are all up to the mark."""
        spans = self._spans.get(task, ())
        return {span.jump for span in spans if span.jump not in still_open} - {span.jump for span in spans if span.last > mark}

    def _put(self, task: TaskName, spans: list[_Span]) -> None:
        if spans:
            self._spans[task] = sorted(spans, key=lambda span: span.first)
        else:
            self._spans.pop(task, None)
            self._cut.discard(task)
