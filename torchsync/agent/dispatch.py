"""Notices from the turn that decides them to their receivers: written down with what they are about, sent beside the loop, and forgotten once sent.

Theory of operation. `see` is asked for every turn before it is written down, so that a notice is durable in the transaction of what it tells. Sending
begins after that. A notice is taken out of the ledger when its receiver has it, or when it is given up; if the agent dies in between it is sent
again by the next one, with the same id. Nothing here waits: the courier's processes do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torchsync.core.effects import Turn
from torchsync.core.entries import DropNotice, LedgerOp, NoticeOp, PutNotice
from torchsync.core.errand import Mail, mail_of
from torchsync.core.herald import Herald
from torchsync.core.instants import brief_duration
from torchsync.core.ledgerview import LedgerView
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Generation, Instant, Millis, TaskName
from torchsync.core.notice import Notice, label
from torchsync.core.notify import NoticeCommand
from torchsync.core.policy import HostPolicy
from torchsync.core.postbox import NEW, Fate, Lost, Parcel, Postbox, Result, age_of
from torchsync.core.snapshot import TaskStatus
from torchsync.errors import Problem
from torchsync.ports import Clock, Courier, ParcelAnswered

LOOKED_FOR_LATE_EVERY = Millis(10_000)


class Dispatch:
    """`record` writes down, durably if that can be had; `randomness` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        herald: Herald,
        courier: Courier,
        clock: Clock,
        record: Callable[[Sequence[LedgerOp]], None],
        randomness: Callable[[], float],
        log: Log,
    ) -> None:
        self._herald = herald
        self._courier = courier
        self._clock = clock
        self._record = record
        self._randomness = randomness
        self._log = log
        self._box = Postbox()
        self._next_look = Millis(0)

    @property
    def trees(self) -> frozenset[str]:
        """The trees that commands of waiting notices are in."""
        return frozenset(notice.place.tree for notice in self._box.notices() if notice.place)

    def restore(self, view: LedgerView) -> None:
        """What an earlier agent process did not get rid of is sent by this one."""
        now = self._clock.now()
        self._herald.restore(view.records, view.late)
        self._record([DropNotice(lost.id) for notice in view.notices.values() for lost in self._put(notice, age_of(notice, now))])

    def see(self, turn: Turn) -> Sequence[LedgerOp]:
        """What is to be written down with the turn; the notices in it are sent from the next `tick` on."""
        return self._take_in(self._herald.see(turn.effects))

    def look(
        self, statuses: Callable[[], Mapping[TaskName, TaskStatus]], generation: Generation | None, policy: HostPolicy, now: Instant
    ) -> None:
        """Now and then: tasks that have become late are told of. `now` is a time that it certainly is."""
        mono = self._clock.monotonic()
        if generation is None or mono < self._next_look:
            return
        self._next_look = Millis(mono + LOOKED_FOR_LATE_EVERY)
        self._record(self._take_in(self._herald.look(statuses(), generation, policy, now)))

    def tick(self, policy: HostPolicy) -> None:
        """What can be sent now is under way, and what is too old is given up."""
        parcels, lost = self._box.take(self._clock.monotonic())
        self._give_up(lost)
        for parcel in parcels:
            self._send(parcel, policy)

    def take(self, event: ParcelAnswered) -> None:
        """What was sent is forgotten; the rest waits or is given up."""
        sent, lost, before = self._box.answered(event.parcel, event.results, self._clock.monotonic(), self._randomness())
        self._record([DropNotice(notice.id) for notice in sent])
        self._give_up(lost)
        name = label(event.parcel.line.to)
        for notice in sent:
            self._log(LogEvent.NOTICE_SENT, f"{name} was told of {notice.event.value}", task=notice.task, run=notice.run)
        if before:
            self._log(LogEvent.NOTICES_LOST, f"{name} answers again; {before} notice(s) for it were lost before that", count=before)
        for result in event.results:
            if result.fate is Fate.LATER:
                self._log(LogEvent.NOTICE_DELAYED, f"{name} cannot be told yet: {result.why}", task=event.parcel.notices[0].task)

    def notices(self) -> tuple[Problem, ...]:
        """The receivers that have not answered for a while."""
        return tuple(
            Problem(
                code="TS345",
                message=f"{label(trouble.line.to)} has not answered for {brief_duration(trouble.length)}: {trouble.waiting} notice(s) wait"
                f"{f', {trouble.lost} are lost' if trouble.lost else ''}; {trouble.why}",
            )
            for trouble in self._box.troubles(self._clock.monotonic())
        )

    def _take_in(self, operations: Sequence[NoticeOp]) -> list[NoticeOp]:
        """The notices among them stand in line. What is to be written down: the operations, but for those about notices that had to go again at once,
        and that others had to go.
        """
        new = [operation.notice for operation in operations if isinstance(operation, PutNotice)]
        gone = {lost.id: lost for notice in new for lost in self._put(notice)}
        kept = [operation for operation in operations if not (isinstance(operation, PutNotice) and operation.notice.id in gone)]
        here = {notice.id for notice in new}
        return [*kept, *(DropNotice(name) for name in gone if name not in here)]

    def _put(self, notice: Notice, age: Millis = NEW) -> Sequence[Notice]:
        """The notice stands in line; those that had to go for it."""
        lost = self._box.put(notice, self._clock.monotonic(), age)
        if lost is None:
            return ()
        self._tell_lost(lost)
        return (lost.notice,)

    def _send(self, parcel: Parcel, policy: HostPolicy) -> None:
        if isinstance(parcel.line.to, NoticeCommand):
            self._courier.send(parcel, None)
            return
        mail = mail_of(parcel, policy)
        if isinstance(mail, Mail):
            self._courier.send(parcel, mail)
        else:
            self.take(ParcelAnswered(parcel, tuple(Result(notice=notice.id, fate=Fate.REFUSED, why=mail) for notice in parcel.notices)))

    def _give_up(self, lost: Sequence[Lost]) -> None:
        self._record([DropNotice(one.notice.id) for one in lost])
        for one in lost:
            self._tell_lost(one)

    def _tell_lost(self, lost: Lost) -> None:
        if not lost.is_news:
            return
        notice = lost.notice
        message = f"{label(notice.to)} will not be told of {notice.event.value} of {notice.task}: {lost.why}"
        self._log(LogEvent.NOTICES_LOST, message, task=notice.task, run=notice.run)
