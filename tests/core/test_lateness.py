from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import pytest

from tests.builders import HOUR, MINUTE, NOON, facts, generation, record, task, task_status
from torchsync.core.holds import EVERY_TASK, HOST, Hold, Holds, held_task, lifted, placed
from torchsync.core.instants import parse_rfc3339
from torchsync.core.lateness import AgeLimits, late_since, max_age_of, resumed_at
from torchsync.core.model import AlertLimits, CronTiming, DaemonTiming, Instant, Millis, Overlap, Retry
from torchsync.core.timetable import rhythm_of

DAY = 24 * HOUR
HOST_FACTS = facts()


def timed(schedule: str, zone: str = "UTC", **changes):
    alert = changes.pop("alert", AlertLimits())
    return task(timing=CronTiming(schedule=schedule, zone=zone, **changes), alert=alert)


def at(text: str) -> Instant:
    return parse_rfc3339(text)


def limit(of, start=NOON, since=None) -> int:
    return max_age_of(of, HOST_FACTS, start, since)


def status_of(of, start, **changes):
    return task_status(of, record=record(first_seen=start), max_age=max_age_of(of, HOST_FACTS, start), **changes)


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        ("0 3 * * *", DAY),
        ("0 * * * *", HOUR),
        ("0 9 * * 1-5", 3 * DAY),
        ("@every 90s", 90_000),
        ("0 0 1 1 *", 366 * DAY),
        ("0 0 29 2 *", 2921 * DAY),  # 2096 to 2104
        ("0 0 1 * *", 31 * DAY),
        ("*/5 9-17 * * *", 5 * MINUTE),  # from noon on: the next 64 are all of this day
    ],
)
def test_by_itself_it_is_twice_the_longest_gap_and_an_hour(schedule, longest):
    assert limit(timed(schedule)) == 2 * longest + HOUR


def test_jitter_and_timeout_are_allowed_for():
    assert limit(timed("0 3 * * *", jitter=Millis(10 * MINUTE), timeout=Millis(2 * HOUR))) == 2 * DAY + 10 * MINUTE + 2 * HOUR
    assert limit(timed("0 3 * * *", timeout=Millis(5 * MINUTE))) == 2 * DAY + 5 * MINUTE


def test_all_attempts_and_the_delays_between_them_are_allowed_for():
    retry = Retry(attempts=4, delay=Millis(MINUTE), backoff=3.0, max_delay=Millis(5 * MINUTE))
    found = limit(timed("0 3 * * *", timeout=Millis(10 * MINUTE), retry=retry))
    assert found == 2 * DAY + 4 * 10 * MINUTE + (1 + 3 + 5) * MINUTE
    assert limit(timed("0 3 * * *", retry=replace(retry, attempts=2))) == 2 * DAY + 2 * HOUR + MINUTE


def test_a_fire_that_may_wait_has_the_time_of_one_more_run():
    assert limit(timed("0 3 * * *", timeout=Millis(10 * MINUTE), overlap=Overlap.QUEUE)) == 2 * DAY + 20 * MINUTE
    assert limit(replace(timed("0 3 * * *", timeout=Millis(10 * MINUTE)), pool="db")) == 2 * DAY + 20 * MINUTE


def test_what_the_task_file_says_goes_first():
    assert limit(timed("0 3 * * *", alert=AlertLimits(max_age=Millis(26 * HOUR)))) == 26 * HOUR
    assert limit(timed("0 3 * * *", alert=AlertLimits(max_age=Millis(0)))) == 0
    assert limit(timed("@startup", alert=AlertLimits(max_age=Millis(26 * HOUR)))) == 26 * HOUR


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(timed("@startup"), id="at the start of the host"),
        pytest.param(timed("@at 2026-11-23T11:00"), id="once, and that is over"),
        pytest.param(replace(timed("0 3 * * *"), enabled=False), id="disabled"),
        pytest.param(replace(timed("0 3 * * *"), enabled=False, alert=AlertLimits(max_age=Millis(HOUR))), id="disabled with a limit"),
        pytest.param(replace(timed("0 3 * * *"), timing=DaemonTiming()), id="a daemon"),
    ],
)
def test_what_is_not_to_come_is_never_late(of):
    assert limit(of) == 0


def test_a_single_instant_is_late_when_it_has_not_led_to_a_success_in_time():
    once = timed("@at 2026-11-25T12:00", timeout=Millis(10 * MINUTE), starting_deadline=Millis(5 * MINUTE), jitter=Millis(MINUTE))
    status = status_of(once, NOON)
    due = NOON + 2 * DAY
    assert late_since(status, Instant(due + 16 * MINUTE)) is None
    assert late_since(status, Instant(due + 16 * MINUTE + 1)) == due + 16 * MINUTE
    done = Instant(due + 3 * MINUTE)
    after = task_status(once, record=record(first_seen=NOON, last_success=done), max_age=max_age_of(once, HOST_FACTS, done))
    assert late_since(after, Instant(due + 900 * DAY)) is None


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Europe/Berlin", "2026-10-20T12:00:00Z", 25),
        ("Europe/Berlin", "2026-03-20T12:00:00Z", 24),
        ("Australia/Lord_Howe", "2026-04-01T12:00:00Z", 24.5),
        ("UTC", "2026-10-20T12:00:00Z", 24),
    ],
)
def test_the_longest_day_of_the_zone_is_the_gap(zone, start, hours):
    assert limit(timed("30 2 * * *", zone), at(start)) == 2 * hours * HOUR + HOUR


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "UTC"])
@pytest.mark.parametrize(
    "schedule", ["30 2 * * *", "*/5 9-17 * * 1-5", "0 * * * *", "15 2 * * 0", "H H(1-5) * * *", "0 0 1 * *", "0 3 * 1 *"]
)
def test_a_task_that_succeeds_after_each_instant_is_never_late(schedule, zone):
    """Through two years of nights, weekends, gaps and repeated hours, with the longest run that is allowed for."""
    of = timed(schedule, zone, timeout=Millis(4 * MINUTE))
    start = at("2026-01-15T12:00:00Z")
    rhythm = rhythm_of(of.name, of.timing, HOST_FACTS)
    instants = list(islice(rhythm.following(start), 1_000))
    success = start
    for instant in instants:
        status = task_status(of, record=record(first_seen=start, last_success=success), max_age=max_age_of(of, HOST_FACTS, success))
        success = Instant(instant + 4 * MINUTE)
        assert late_since(status, success) is None, f"late before {instant}"


@pytest.mark.parametrize("schedule", ["30 2 * * *", "*/5 9-17 * * 1-5", "0 0 1 1 *", "@every 1h"])
def test_a_task_that_does_not_succeed_any_more_is_late_after_two_gaps_at_most(schedule):
    of = timed(schedule, "Europe/Berlin")
    instants = list(islice(rhythm_of(of.name, of.timing, HOST_FACTS).following(NOON), 70))
    status = status_of(of, NOON)
    longest = max(later - earlier for earlier, later in pairwise((NOON, *instants)))
    assert late_since(status, Instant(NOON + 2 * longest + HOUR)) is None
    assert late_since(status, Instant(NOON + 2 * longest + HOUR + 1)) == NOON + 2 * longest + HOUR


def test_the_limit_stands_still_until_the_next_success():
    """Else a task that stopped in the morning would cease to be late for each night."""
    of, book = timed("*/5 9-17 * * *"), AgeLimits()
    of_noon = record(first_seen=Instant(NOON - DAY), last_success=NOON)
    in_force = generation(of)
    assert book.of(of, in_force, of_noon, Instant(0)) == 10 * MINUTE + HOUR
    evening = replace(of_noon, last_success=Instant(NOON + 5 * HOUR + 58 * MINUTE))
    assert book.of(of, in_force, evening, Instant(0)) == 2 * (15 * HOUR + 2 * MINUTE) + HOUR


def test_time_in_which_the_task_did_not_count_is_no_reason_to_be_late():
    of = timed("0 * * * *")
    months_ago = Instant(NOON - 90 * DAY)
    book = AgeLimits()
    kept = record(first_seen=months_ago, last_success=months_ago)
    found = book.of(of, generation(of, baselines={of.name: NOON}), kept, Instant(0))
    status = task_status(of, record=kept, max_age=found)
    assert late_since(status, Instant(NOON + 3 * HOUR)) is None
    assert late_since(status, Instant(NOON + 3 * HOUR + 1)) == NOON + 3 * HOUR


def test_what_operators_held_back_is_not_late_while_they_do_nor_when_they_cease_to():
    of = timed("0 * * * *")
    long_ago = record(first_seen=Instant(NOON - 90 * DAY), last_success=Instant(NOON - 9 * DAY))
    in_force = generation(of, baselines={of.name: Instant(NOON - 90 * DAY)})
    book = AgeLimits()
    paused = task_status(of, record=long_ago, max_age=book.of(of, in_force, long_ago, Instant(0)), paused=True)
    assert late_since(paused, NOON) is None
    assert late_since(replace(paused, paused=False), NOON) is not None
    resumed = task_status(of, record=long_ago, max_age=book.of(of, in_force, long_ago, NOON))
    assert late_since(resumed, Instant(NOON + 3 * HOUR)) is None
    assert late_since(resumed, Instant(NOON + 3 * HOUR + 1)) is not None


def test_what_ends_a_hold_of_a_task_resumes_it():
    hold = Hold(actor="alice", since=NOON)
    holds = Holds()
    for number, what in enumerate((held_task("nightly-backup"), held_task("another"), EVERY_TASK, HOST), 1):
        end = Instant(NOON + number * HOUR)
        assert resumed_at(holds, task().name) == (0 if number == 1 else NOON + HOUR if number <= 3 else NOON + 3 * HOUR)
        holds = lifted(placed(holds, what, hold), what, actor="alice", now=end)
    assert resumed_at(holds, task().name) == NOON + 4 * HOUR


def test_a_limit_is_found_once_for_each_success_and_so_many_in_a_turn():
    tasks = [replace(timed("0 3 * * *"), name=f"t{number:03}") for number in range(250)]
    in_force = generation(*tasks)
    book = AgeLimits()
    kept = record(first_seen=NOON)

    def shown():
        return [book.of(one, in_force, kept, Instant(0)) for one in tasks]

    book.begin_turn()
    assert shown().count(None) == 50
    assert book.is_behind
    waiting = book.begin_turn()
    assert list(waiting) == [one.name for one in tasks[200:]]
    assert set(shown()) == {2 * DAY + HOUR}
    assert not book.is_behind
    book.drop(tasks[0].name)
    assert not book.is_behind


def test_every_limit_is_found_again_when_zone_data_has_changed(monkeypatch):
    book, of = AgeLimits(), timed("0 3 * * *")
    in_force, kept = generation(of), record(first_seen=NOON)
    found: list[int] = []
    monkeypatch.setattr("torchsync.core.lateness.max_age_of", lambda *_: Millis(found.append(1) or len(found)))
    assert [book.of(of, in_force, kept, Instant(0)) for _ in range(3)] == [1, 1, 1]
    book.forget()
    assert book.of(of, in_force, kept, Instant(0)) == 2
    assert book.of(of, replace(in_force, facts=facts(zone="Europe/Berlin")), kept, Instant(0)) == 3
