"""The notices that wait to be sent: what goes next, when it is tried again, and what is given up. Pure.

Theory of operation. Notices stand in *lines*, one for each receiver, and leave a line in the order in which they came. A line has at most one parcel
under way, of a few notices from its front; a receiver that could not be reached makes its whole line wait, longer each time, so one that is
down costs one attempt now and then, whatever stands in its line. Few parcels are under way at once, for servers and for commands each, and of
these only some may be for receivers that last failed: those that work do not wait for those that do not.

Everything has an end. A line and all lines together hold so many notices; one too many pushes out the oldest. A notice that could not be sent within
its lifetime is given up. What is lost in these ways is counted until the receiver answers again, and then said. No step looks at more than the
lines that there are, and putting one notice in looks at few, so that a storm of failures does not hold up the schedule.
Time is monotonic, but for notices of an earlier agent process, whose age only the wall clock can tell.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from torchsync.core.backoff import grown
from torchsync.core.model import Instant, Millis
from torchsync.core.notice import Notice, NoticeId
from torchsync.core.notify import NoticeCommand, Ping, Receiver

MOST_IN_LINE = 100
MOST_IN_ALL = 1_000
MOST_IN_PARCEL = 10
AT_ONCE = 4
AT_ONCE_TROUBLED = 2

LIFETIME = Millis(24 * 3600 * 1000)
LIFETIME_OF_PING = Millis(10 * 60 * 1000)
"""A service that watches goes by when pings arrive: an old one would tell it something that is not so any more."""

NEW = Millis(0)

_FIRST_WAIT, _LONGEST_WAIT = 5_000, 15 * 60 * 1000
_LONGEST_ASKED = Millis(3600 * 1000)
"""A receiver that asks for a longer wait is tried before."""
_TROUBLED_AFTER = Millis(10 * 60 * 1000)


class Fate(Enum):
    """What became of an attempt."""

    SENT = "sent"
    LATER = "later"
    """The receiver could not be reached, or asks to be left alone: it is tried again."""
    REFUSED = "refused"
    """It would be refused another time as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one notice; `why` is a sentence without secrets, `wait` what the receiver asks for."""

    notice: NoticeId
    fate: Fate
    why: str = ""
    wait: Millis = Millis(0)


@dataclass(frozen=True, slots=True)
class Line:
    """Who a line is for: the receiver, and as whose; commands of two tasks have nothing to do with each other."""

    to: Receiver
    user: str
    task: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Notices that are sent one after the other. The first that has to wait ends it."""

    line: Line
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """The notice will not be sent, for that reason. It `is_news` unless one before it was lost too, and its receiver has not answered since."""

    notice: Notice
    why: str
    is_news: bool = True


@dataclass(slots=True)
class _Waiting:
    notice: Notice
    until: Millis


@dataclass(slots=True)
class _State:
    waiting: deque[_Waiting] = field(default_factory=deque)
    under_way: int = 0
    not_before: Millis = Millis(0)
    failures: int = 0
    failing_since: Millis = Millis(0)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A receiver that has not answered for a while."""

    line: Line
    waiting: int
    lost: int
    length: Millis
    why: str


@dataclass(frozen=True, slots=True)
class _Place:
    """What a parcel under way takes one of; there are `room`."""

    name: str
    room: int


class Postbox:
    """Every notice that is not sent yet."""

    def __init__(self) -> None:
        self._lines: dict[Line, _State] = {}
        self._all: dict[NoticeId, Line] = {}
        self._lost: dict[Line, int] = {}

    @property
    def waiting(self) -> int:
        return len(self._all)

    def notices(self) -> Iterator[Notice]:
        for state in self._lines.values():
            yield from (entry.notice for entry in state.waiting)

    def put(self, notice: Notice, mono: Millis, age: Millis = NEW) -> Lost | None:
        """The notice, which is that old, stands in its line; what had to go for it, if anything. One that is there already stays as it is."""
        if notice.id in self._all:
            return None
        line = line_of(notice)
        lost = self._make_room(line)
        state = self._lines.setdefault(line, _State())
        state.waiting.append(_Waiting(notice, Millis(mono + max(0, lifetime(notice.to) - age))))
        self._all[notice.id] = line
        return lost

    def take(self, mono: Millis) -> tuple[Sequence[Parcel], Sequence[Lost]]:
        """What is to be sent now and is under way from now on, and what is too old to be sent at all."""
        lost = [one for line, state in self._lines.items() for one in self._expired(line, state, mono)]
        parcels: list[Parcel] = []
        busy = Counter(place for line, state in self._lines.items() if state.under_way for place in _places(line, state))
        ready = [(line, state) for line, state in self._lines.items() if state.waiting and not state.under_way and state.not_before <= mono]
        for line, state in sorted(ready, key=lambda one: (one[1].failures > 0, one[1].not_before)):
            places = _places(line, state)
            if all(busy[place] < place.room for place in places):
                busy.update(places)
                state.under_way = min(MOST_IN_PARCEL, len(state.waiting))
                parcels.append(Parcel(line, tuple(entry.notice for entry in islice(state.waiting, state.under_way))))
        self._lines = {line: state for line, state in self._lines.items() if state.waiting}
        return parcels, lost

    def answered(
        self, parcel: Parcel, results: Iterable[Result], mono: Millis, share: float
    ) -> tuple[Sequence[Notice], Sequence[Lost], int]:
        """What was sent, what is given up, and how many were lost before the receiver answered, which is told once. A notice without a result has to
        wait. `share` is a random number from 0 to 1.
        """
        state = self._lines[parcel.line]
        told = {result.notice: result for result in results}
        sent: list[Notice] = []
        lost: list[Lost] = []
        later = Result(notice=parcel.notices[0].id, fate=Fate.LATER, why="the process that sends notices died over it")
        state.under_way = 0
        for notice in parcel.notices:
            result = told.get(notice.id, later)
            if result.fate is Fate.LATER:
                _postpone(state, result, mono, share)
                return sent, lost, self._lost.pop(parcel.line, 0) if sent else 0
            state.failures = 0
            state.waiting.popleft()
            del self._all[notice.id]
            if result.fate is Fate.SENT:
                sent.append(notice)
            else:
                lost.append(Lost(notice, result.why))
        state.not_before = mono
        return sent, lost, self._lost.pop(parcel.line, 0)

    def troubles(self, mono: Millis) -> Sequence[Trouble]:
        """The receivers that have not answered for a while, in the order in which they began to fail."""
        failing = [(line, state) for line, state in self._lines.items() if state.failures and mono - state.failing_since >= _TROUBLED_AFTER]
        return [
            Trouble(line, len(state.waiting), self._lost.get(line, 0), Millis(mono - state.failing_since), state.why)
            for line, state in sorted(failing, key=lambda one: one[1].failing_since)
        ]

    def _make_room(self, line: Line) -> Lost | None:
        state = self._lines.get(line)
        if state is not None and len(state.waiting) >= MOST_IN_LINE:
            return self._push_out(line, state)
        if len(self._all) < MOST_IN_ALL:
            return None
        # The oldest of all that is not under way stands in its line behind those that are: few are passed over.
        oldest = (one for name, one in self._all.items() if self._first_free(one) == name)
        line = next(oldest)
        return self._push_out(line, self._lines[line])

    def _first_free(self, line: Line) -> NoticeId | None:
        state = self._lines[line]
        return state.waiting[state.under_way].notice.id if len(state.waiting) > state.under_way else None

    def _push_out(self, line: Line, state: _State) -> Lost:
        """The oldest that is not under way."""
        entry = state.waiting[state.under_way]
        del state.waiting[state.under_way]
        return self._lose(line, entry.notice, "too many notices wait")

    def _expired(self, line: Line, state: _State, mono: Millis) -> Iterator[Lost]:
        why = f"it could not be sent in time: {state.why}" if state.why else "it could not be sent in time"
        while state.waiting and not state.under_way and state.waiting[0].until <= mono:
            yield self._lose(line, state.waiting.popleft().notice, why)

    def _lose(self, line: Line, notice: Notice, why: str) -> Lost:
        del self._all[notice.id]
        before = self._lost.pop(line, 0)
        self._lost[line] = before + 1
        if len(self._lost) > MOST_IN_ALL:
            del self._lost[next(iter(self._lost))]
        return Lost(notice, why, is_news=not before)


def line_of(notice: Notice) -> Line:
    """The line that the notice stands in."""
    return Line(notice.to, notice.user, notice.task if isinstance(notice.to, NoticeCommand) else "")


def lifetime(to: Receiver) -> Millis:
    """How long it is tried to send something to the receiver."""
    return LIFETIME_OF_PING if isinstance(to, Ping) else LIFETIME


def age_of(notice: Notice, now: Instant) -> Millis:
    """How old a notice of an earlier agent process is; nothing when the clock says that it was made later than now."""
    return Millis(max(0, now - notice.made_at))


def _places(line: Line, state: _State) -> tuple[_Place, ...]:
    kind = "command" if isinstance(line.to, NoticeCommand) else "server"
    return (_Place(kind, AT_ONCE), *([_Place(f"troubled {kind}", AT_ONCE_TROUBLED)] if state.failures else []))


def _postpone(state: _State, result: Result, mono: Millis, share: float) -> None:
    if not state.failures:
        state.failing_since = mono
    wait = grown(_FIRST_WAIT, 2, state.failures, _LONGEST_WAIT) * (0.5 + share / 2)
    state.failures += 1
    state.why = result.why
    state.not_before = Millis(mono + int(max(wait, min(result.wait, _LONGEST_ASKED))))
