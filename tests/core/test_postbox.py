from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from torchsync.core.model import Instant, Millis, TaskName
from torchsync.core.notice import Notice, notice_id
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Receiver, Webhook
from torchsync.core.postbox import (
    AT_ONCE,
    AT_ONCE_TROUBLED,
    LIFETIME,
    LIFETIME_OF_PING,
    MOST_IN_ALL,
    MOST_IN_LINE,
    MOST_IN_PARCEL,
    Fate,
    Parcel,
    Postbox,
    Result,
    age_of,
)

MINUTE = 60_000


def notice(number: int, to: Receiver | None = None, **changes) -> Notice:
    values = {
        "id": notice_id(str(number), str(to)),
        "event": NoticeEvent.FAILURE,
        "to": to or Webhook(secret="slack"),
        "task": TaskName("nightly"),
        "made_at": NOON,
        "host": "db-1",
        "user": "deploy",
    }
    return Notice(**(values | changes))


def hook(number: int) -> Webhook:
    return Webhook(secret=f"hook-{number}")


def box_of(*notices: Notice) -> Postbox:
    box = Postbox()
    for one in notices:
        assert box.put(one, Millis(0)) is None
    return box


def taken(box: Postbox, mono: int = 0) -> list[Parcel]:
    parcels, lost = box.take(Millis(mono))
    assert not lost
    return list(parcels)


def answer(box: Postbox, parcel: Parcel, *fates: Fate, mono: int = 0, wait: int = 0):
    results = [
        Result(notice=one.id, fate=fate, why=fate.value, wait=Millis(wait)) for one, fate in zip(parcel.notices, fates, strict=False)
    ]
    return box.answered(parcel, results, Millis(mono), 1.0)


def test_notices_go_to_their_receiver_in_order_a_few_at_once() -> None:
    notices = [notice(number) for number in range(MOST_IN_PARCEL + 1)]
    box = box_of(*notices)
    (parcel,) = taken(box)
    assert parcel.notices == tuple(notices[:MOST_IN_PARCEL])
    assert taken(box) == []
    assert answer(box, parcel, *[Fate.SENT] * MOST_IN_PARCEL) == (notices[:MOST_IN_PARCEL], [], 0)
    assert [one.notices for one in taken(box)] == [(notices[-1],)]


def test_a_receiver_that_cannot_be_reached_waits_longer_each_time_and_in_order() -> None:
    first, second = notice(1), notice(2)
    box, now, waits = box_of(first, second), 0, []
    for _ in range(12):
        (parcel,) = taken(box, now)
        assert parcel.notices == (first, second)
        assert answer(box, parcel, Fate.LATER, mono=now) == ([], [], 0)
        began = now
        while not box._lines[parcel.line].not_before <= now:
            now = box._lines[parcel.line].not_before
        waits.append(now - began)
    assert waits[:4] == [5_000, 10_000, 20_000, 40_000]
    assert waits[-1] == 15 * MINUTE


def test_what_the_receiver_asks_for_counts_within_an_hour() -> None:
    box = box_of(notice(1))
    (parcel,) = taken(box)
    answer(box, parcel, Fate.LATER, wait=2 * MINUTE)
    assert taken(box, 2 * MINUTE - 1) == []
    (parcel,) = taken(box, 2 * MINUTE)
    answer(box, parcel, Fate.LATER, mono=2 * MINUTE, wait=10**12)
    assert taken(box, 62 * MINUTE - 1) == []
    assert len(taken(box, 62 * MINUTE)) == 1


def test_what_was_sent_before_the_trouble_is_not_sent_again() -> None:
    notices = [notice(number) for number in range(3)]
    box = box_of(*notices)
    (parcel,) = taken(box)
    assert answer(box, parcel, Fate.SENT, Fate.LATER) == ([notices[0]], [], 0)
    (parcel,) = taken(box, MINUTE)
    assert parcel.notices == tuple(notices[1:])


def test_what_is_refused_is_given_up_and_the_next_one_goes() -> None:
    first, second = notice(1), notice(2)
    box = box_of(first, second)
    (parcel,) = taken(box)
    sent, lost, _ = answer(box, parcel, Fate.REFUSED, Fate.SENT)
    assert (sent, [(one.notice, one.why) for one in lost]) == ([second], [(first, "refused")])
    assert box.waiting == 0


def test_without_an_answer_it_is_tried_again() -> None:
    box = box_of(notice(1))
    (parcel,) = taken(box)
    assert box.answered(parcel, (), Millis(0), 0.0) == ([], [], 0)
    assert taken(box, 2_499) == []
    assert len(taken(box, 2_500)) == 1


def test_one_that_does_not_answer_holds_up_no_other() -> None:
    troubled = [notice(number, hook(number)) for number in range(10)]
    box = box_of(*troubled)
    for parcel in taken(box):
        answer(box, parcel, Fate.LATER)
    for parcel in taken(box):
        answer(box, parcel, Fate.LATER)
    for parcel in taken(box):
        answer(box, parcel, Fate.LATER)
    under_way = taken(box, MINUTE)
    assert len(under_way) == AT_ONCE_TROUBLED
    box.put(notice(99), Millis(MINUTE))
    box.put(notice(98, NoticeCommand(("mail",))), Millis(MINUTE))
    assert [one.notices[0].to for one in taken(box, MINUTE)] == [Webhook(secret="slack"), NoticeCommand(("mail",))]


def test_few_are_under_way_at_once() -> None:
    box = box_of(*(notice(number, hook(number)) for number in range(20)))
    parcels = taken(box)
    assert len(parcels) == AT_ONCE
    answer(box, parcels[0], Fate.SENT)
    assert len(taken(box)) == 1


def test_commands_of_two_tasks_have_lines_of_their_own() -> None:
    command = NoticeCommand(("mail",))
    box = box_of(notice(1, command), notice(2, command, task=TaskName("weekly")), notice(3, command, user="www"))
    assert len(taken(box)) == 3


def test_a_line_that_is_full_loses_its_oldest_and_says_so_when_the_receiver_answers() -> None:
    notices = [notice(number) for number in range(MOST_IN_LINE + 2)]
    box = box_of(*notices[:MOST_IN_LINE])
    (parcel,) = taken(box)
    assert [box.put(one, Millis(0)) for one in notices[MOST_IN_LINE:]] != [None, None]
    assert box.waiting == MOST_IN_LINE
    answer(box, parcel, Fate.LATER)
    assert [trouble.lost for trouble in box.troubles(Millis(10 * MINUTE))] == [2]
    (parcel,) = taken(box, 10 * MINUTE)
    assert parcel.notices[0] is notices[0]
    assert answer(box, parcel, *[Fate.SENT] * 10)[2] == 2
    assert box.troubles(Millis(60 * MINUTE)) == []


def test_all_lines_together_have_an_end_and_the_oldest_goes() -> None:
    notices = [notice(number, hook(number // 50)) for number in range(MOST_IN_ALL)]
    box = box_of(*notices)
    parcels = taken(box)
    under_way = {one.id for parcel in parcels for one in parcel.notices}
    lost = [box.put(notice(number, hook(number)), Millis(0)) for number in range(5000, 5003)]
    assert [one.notice for one in lost if one] == [one for one in notices if one.id not in under_way][:3]
    assert [one.is_news for one in lost if one] == [True, False, False]
    assert box.waiting == MOST_IN_ALL


def test_a_notice_that_is_there_already_stays_as_it_is() -> None:
    one = notice(1)
    box = box_of(one, one)
    assert box.waiting == 1


def test_a_storm_leaves_no_more_than_there_is_room_for() -> None:
    box = Postbox()
    storm = (notice(number, NoticeCommand(("mail",)), task=TaskName(f"t-{number}")) for number in range(5_000))
    lost = [box.put(one, Millis(0)) for one in storm]
    assert (box.waiting, sum(one is not None for one in lost)) == (MOST_IN_ALL, 4_000)
    box.take(Millis(0))
    assert (len(box._lines), len(box._lost)) == (MOST_IN_ALL, MOST_IN_ALL)


def test_what_could_not_be_sent_for_a_day_is_given_up() -> None:
    old, young = notice(1), notice(2)
    box = box_of(old)
    (parcel,) = taken(box)
    answer(box, parcel, Fate.LATER)
    box.put(young, Millis(MINUTE))
    parcels, lost = box.take(Millis(LIFETIME))
    assert [(one.notice, one.why) for one in lost] == [(old, "it could not be sent in time: later")]
    assert [parcel.notices for parcel in parcels] == [(young,)]


def test_a_ping_is_worth_nothing_after_a_while() -> None:
    box = box_of(notice(1, Ping(secret="hc")))
    assert box.take(Millis(LIFETIME_OF_PING - 1))[1] == []
    box = box_of(notice(1, Ping(secret="hc")))
    assert [one.notice.to for one in box.take(LIFETIME_OF_PING)[1]] == [Ping(secret="hc")]


def test_a_notice_of_an_earlier_agent_is_as_old_as_the_clock_says() -> None:
    old = notice(1, made_at=Instant(NOON - LIFETIME))
    box = Postbox()
    box.put(old, Millis(0), age_of(old, NOON))
    assert [one.notice for one in box.take(Millis(0))[1]] == [old]
    assert age_of(old, Instant(0)) == 0


def test_a_receiver_is_in_trouble_after_ten_minutes_without_an_answer() -> None:
    box = box_of(notice(1))
    (parcel,) = taken(box)
    answer(box, parcel, Fate.LATER)
    assert box.troubles(Millis(10 * MINUTE - 1)) == []
    (trouble,) = box.troubles(Millis(10 * MINUTE))
    assert (trouble.waiting, trouble.lost, trouble.length, trouble.why) == (1, 0, 10 * MINUTE, "later")


FATES = st.sampled_from([None, *Fate])


@given(
    st.lists(
        st.one_of(st.integers(0, 5), st.tuples(st.sampled_from(["answer"]), st.lists(FATES, max_size=12)), st.just("wait")), max_size=60
    )
)
def test_every_notice_is_sent_once_or_lost_once_or_waits(steps: list[object]) -> None:
    box, mono, number = Postbox(), 0, 0
    put: list[Notice] = []
    ended: list[Notice] = []
    under_way: list[Parcel] = []
    for step in steps:
        match step:
            case int() as receiver:
                number += 1
                one = notice(number, hook(receiver))
                put.append(one)
                box.put(one, Millis(mono))
            case (_, fates) if under_way:
                parcel = under_way.pop(0)
                results = [
                    Result(notice=one.id, fate=fate) for one, fate in zip(parcel.notices, fates, strict=False) if isinstance(fate, Fate)
                ]
                sent, lost, _ = box.answered(parcel, results, Millis(mono), 0.5)
                ended += [*sent, *(one.notice for one in lost)]
            case _:
                mono += MINUTE
        parcels, lost = box.take(Millis(mono))
        under_way += parcels
        ended += [one.notice for one in lost]
        assert len(under_way) <= AT_ONCE
        assert len({parcel.line for parcel in under_way}) == len(under_way)
    waiting = list(box.notices())
    assert sorted(one.id for one in (*ended, *waiting)) == sorted(one.id for one in put)
    for receiver in range(6):
        order = [one for one in put if one.to == hook(receiver)]
        assert [one for one in waiting if one.to == hook(receiver)] == [one for one in order if one in waiting]
