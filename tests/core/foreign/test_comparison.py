from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.foreign.comparedreason import Likely, Reasons, hint_of, shift_of
from torchsync.core.foreign.comparison import Comparison, ShadowFire, ShadowRecord, ShadowSkip, ShadowTask, compare, matched
from torchsync.core.foreign.crontext import logged_forms
from torchsync.core.foreign.syslog import Start, SystemLog
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import ShellCommand

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MONDAY = parse_rfc3339("2026-11-23T00:00:00Z")
END = MONDAY + 7 * DAY


def task(name: str = "backup", command: str = "./backup.sh", **changes) -> ShadowTask:
    defaults = {
        "name": name,
        "user": "root",
        "forms": logged_forms(ShellCommand(command)),
        "since": MONDAY,
        "zone": "UTC",
        "schedule": "0 3 * * *",
    }
    return ShadowTask(**(defaults | changes))


def fire(at: int, of: str = "backup", delay: int = 0) -> ShadowFire:
    return ShadowFire(of, at, at + delay)


def start(at: int, command: str = "./backup.sh", **changes) -> Start:
    return Start(**({"at": at, "user": "root", "command": command, "place": "syslog:1"} | changes))


def nightly(hour: int = 3) -> list[int]:
    return [MONDAY + day * DAY + hour * HOUR for day in range(7)]


def log(*starts: Start, every: int = 5 * MINUTE) -> SystemLog:
    """With a line of something else every few minutes, from before the week until after it."""
    return SystemLog(starts=tuple(sorted(starts, key=lambda one: one.at)), minutes=tuple(range(MONDAY - HOUR, END + HOUR, every)))


def record(tasks, fires, skips=()) -> ShadowRecord:
    return ShadowRecord(tasks=tuple(tasks), fires=tuple(fires), skips=tuple(skips), until=END + HOUR)


def of(tasks, fires, starts, skips=(), **changes) -> Comparison:
    found = compare(record(tasks, fires, skips), log(*starts), **changes)
    assert isinstance(found, Comparison), found
    return found


def likelies(tasks, fires, starts, skips=(), lines: SystemLog | None = None):
    """What may be behind the differences of the one task: of cron's, and of the shadow's."""
    told = record(tasks, fires, skips)
    seen = lines or log(*starts)
    compared = compare(told, seen)
    assert isinstance(compared, Comparison)
    (pairing,) = compared.pairings
    reasons = Reasons(told, seen, ZoneInfo("UTC"))
    return [one.likely for one in reasons.of_log(pairing)], [one.likely for one in reasons.of_shadow(pairing)]


def test_a_week_that_agrees():
    found = of([task()], map(fire, nightly()), [start(at + 1_000) for at in nightly()])
    assert found.agrees
    assert [(pairing.task.name, pairing.matched) for pairing in found.pairings] == [("backup", 7)]


def test_what_only_one_of_them_did_is_told():
    nights = nightly()
    found = of([task()], map(fire, nights[:6]), [start(at + 1_000) for at in nights[1:]])
    (pairing,) = found.pairings
    assert not found.agrees
    assert (pairing.matched, [one.at for one in pairing.only_log], [one.instant for one in pairing.only_shadow]) == (
        5,
        [nights[6] + 1_000],
        [nights[0]],
    )


def test_a_start_of_another_user_or_command_is_not_covered():
    at = nightly()[2]
    found = of([task()], [], [start(at, user="www"), start(at, command="./other.sh"), start(at + MINUTE, command="./other.sh")])
    assert [(one.user, one.command, len(one.starts)) for one in found.uncovered] == [("root", "./other.sh", 2), ("www", "./backup.sh", 1)]
    assert hint_of(found.uncovered[1], found) == "the task backup runs it as root, and cron as www"
    assert not found.agrees


def test_a_command_that_was_renamed_is_hinted_at_and_can_be_named():
    starts = [start(at + 1_000, command="/usr/local/bin/backup.sh") for at in nightly()]
    found = of([task()], map(fire, nightly()), starts)
    assert "--same 'backup=/usr/local/bin/backup.sh'" in hint_of(found.uncovered[0], found)
    assert of([task()], map(fire, nightly()), starts, same={"backup": "/usr/local/bin/backup.sh"}).agrees


def test_tasks_of_the_same_command_share_its_starts_by_time():
    tasks = [task("day", schedule="0 3 * * *"), task("night", schedule="0 15 * * *")]
    fires = [*(fire(at, "day") for at in nightly()), *(fire(at, "night") for at in nightly(15))]
    found = of(tasks, fires, [start(at + 1_000) for at in (*nightly(), *nightly(15), nightly(16)[0])])
    assert [(one.task.name, one.matched, len(one.only_log)) for one in found.pairings] == [("day", 7, 0), ("night", 7, 1)]


def test_scripts_that_run_parts_starts_are_each_started_by_its_line():
    tasks = [task("one", "/etc/cron.daily/one"), task("two", "/etc/cron.daily/two")]
    fires = [fire(at, name) for at in nightly() for name in ("one", "two")]
    starts = [start(at + 1_000, command="   cd / && run-parts --report /etc/cron.daily") for at in nightly()]
    assert [one.matched for one in of(tasks, fires, starts).pairings] == [7, 7]
    anacron = [start(at + 1_000, command="", job="cron.daily") for at in nightly()]
    assert [one.matched for one in of(tasks, fires, anacron).pairings] == [7, 7]


def test_a_job_of_anacron_is_for_the_nearest_fire_of_its_task_whenever_it_starts():
    late = [
        start(at + offset, command="", job="report") for at, offset in zip(nightly(), (0, 2 * HOUR, -HOUR, 0, 0, 9 * HOUR, 0), strict=True)
    ]
    assert of([task("report")], [fire(at, "report") for at in nightly()], late).agrees
    assert not of([task("report")], [fire(nightly()[0], "report")], [start(nightly()[0] + 13 * HOUR, command="", job="report")]).agrees
    folder = [start(at + HOUR, command="", job="cron.daily") for at in nightly()]
    assert of([task(command="run-parts --report /etc/cron.daily")], map(fire, nightly()), folder).agrees


def test_a_command_that_the_log_cut_off_is_known_by_its_beginning():
    assert of([task(command="./backup.sh --all")], [fire(nightly()[0])], [start(nightly()[0], "./backup.sh --a", is_cut=True)]).agrees


def test_a_start_that_came_late_or_after_the_jitter_is_for_its_instant():
    at = nightly()[0]
    assert of([task()], [fire(at)], [start(at + 61_000)]).agrees
    assert not of([task()], [fire(at)], [start(at + 3 * MINUTE)]).agrees
    assert not of([task()], [fire(at)], [start(at - MINUTE)]).agrees
    assert of([task()], [fire(at, delay=2 * MINUTE)], [start(at + 40 * MINUTE)]).agrees, "a delay of cronie"


def test_a_start_that_may_have_been_an_hour_later_is_for_the_fire_then():
    at = nightly()[0]
    assert of([task()], [fire(at + HOUR)], [start(at, other=at + HOUR)]).agrees


def test_what_came_before_the_baseline_of_a_task_is_not_held_against_it():
    nights = nightly()
    found = of([task(), task("late", "./late.sh", since=nights[3] + MINUTE)], map(fire, nights), [start(at) for at in nights])
    assert found.agrees
    late = of([task(since=nights[3] + MINUTE), task("other", "./other.sh")], map(fire, nights[4:]), [start(at) for at in nights])
    assert (late.agrees, late.early) == (True, 4)


def test_only_whole_minutes_that_both_have_seen_are_compared():
    seen = SystemLog(starts=(start(MONDAY + 30_000),), minutes=(MONDAY, MONDAY + MINUTE, MONDAY + 5 * MINUTE))
    minutely = [fire(MONDAY + number * MINUTE) for number in range(10)]
    found = compare(record([task(since=MONDAY - DAY)], minutely), seen)
    assert isinstance(found, Comparison)
    assert (found.since, found.until) == (MONDAY + MINUTE, MONDAY + 5 * MINUTE)
    assert [one.instant for one in found.pairings[0].only_shadow] == [MONDAY + number * MINUTE for number in (1, 2, 3, 4)]
    assert found.pairings[0].only_log == ()


def test_tasks_without_instants_stand_apart():
    found = of([task(has_instants=False)], [], [start(nightly()[0])])
    assert (found.agrees, found.apart) == (True, {"backup": 1})


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (SystemLog(), "no line of this host"),
        (SystemLog(minutes=(MONDAY - DAY, MONDAY - HOUR)), "no time in common"),
    ],
)
def test_where_there_is_nothing_to_compare_it_is_said(seen, said):
    found = compare(record([task()], []), seen)
    assert isinstance(found, str)
    assert said in found


# What may be behind a difference.


def test_another_zone_shows_as_the_same_distance_every_time():
    assert likelies([task()], map(fire, nightly(3)), [start(at + 1_000) for at in nightly(2)]) == ([Likely.ZONE] * 7, [Likely.ZONE] * 7)
    assert shift_of(nightly(2), nightly(3)) == -HOUR
    assert shift_of(nightly(2), []) is None
    assert shift_of([at + 7 * MINUTE for at in nightly(2)], nightly(2)) is None


def test_what_the_shadow_skipped_says_why():
    skip = ShadowSkip("backup", nightly()[1], nightly()[2], "missed")
    assert likelies([task()], [], [start(nightly()[2])], [skip]) == ([Likely.SKIPPED], [])


def test_a_task_that_is_disabled_is_told():
    assert likelies([task(is_enabled=False)], [], [start(nightly()[2])]) == ([Likely.DISABLED], [])


def test_a_line_that_cron_has_twice_is_told():
    at = nightly()[2]
    assert likelies([task()], [fire(at)], [start(at), start(at + 500, place="syslog:2")]) == ([Likely.TWICE], [])


def test_cron_knows_no_seconds():
    at = nightly()[2]
    assert likelies([task()], [fire(at), fire(at + 30_000)], [start(at)]) == ([], [Likely.SECONDS])


def test_a_hole_in_the_log_is_told():
    holed = SystemLog(starts=(), minutes=(MONDAY, MONDAY + MINUTE, nightly()[3], END + HOUR))
    assert likelies([task()], [fire(nightly()[2])], [], lines=holed) == ([], [Likely.LOG_GAP])


def test_a_clock_change_is_told():
    night = parse_rfc3339("2026-03-29T01:30:00Z")
    told = ShadowRecord(tasks=(task(since=night - DAY),), fires=(), until=night + DAY)
    seen = SystemLog(starts=(start(night),), minutes=tuple(range(night - HOUR, night + HOUR, MINUTE)))
    compared = compare(told, seen)
    assert isinstance(compared, Comparison)
    for zone, likely in (("Europe/Berlin", Likely.CLOCK_CHANGE), ("UTC", Likely.UNKNOWN)):
        assert [one.likely for one in Reasons(told, seen, ZoneInfo(zone)).of_log(compared.pairings[0])] == [likely]


# Whatever happens, nothing is counted twice and nothing is lost.

MINUTES = st.lists(st.integers(min_value=1, max_value=15), max_size=20)


@given(fired=MINUTES, started=MINUTES, delays=st.randoms(use_true_random=False))
def test_every_start_and_every_fire_is_in_one_pair_or_left_over(fired, started, delays: random.Random):
    fires = [ShadowFire(f"t{number}", MONDAY + minute * MINUTE, MONDAY + minute * MINUTE) for number, minute in enumerate(fired)]
    starts = [
        start(MONDAY + minute * MINUTE + delays.randrange(60_000), place=str(number)) for number, minute in enumerate(sorted(started))
    ]
    pairs, left = matched(starts, fires)
    assert sorted([one.place for one, _ in pairs] + [one.place for one in left]) == sorted(one.place for one in starts)
    assert len({one for _, one in pairs}) == len(pairs)
    assert {one for _, one in pairs} <= set(fires)
    assert all(0 <= one.minute - at.instant <= MINUTE for one, at in pairs)
    exact = sum(min(fired.count(minute), started.count(minute)) for minute in set(fired))
    assert len(pairs) >= exact


@given(lost=st.sets(st.integers(min_value=0, max_value=200)), unplanned=st.sets(st.integers(min_value=0, max_value=200)))
def test_exactly_what_was_taken_away_on_one_side_is_what_the_other_has_alone(lost, unplanned):
    """Every three minutes, so that no start can be taken for another fire."""
    instants = [MONDAY + HOUR + number * 3 * MINUTE for number in range(201)]
    fires = [fire(at) for number, at in enumerate(instants) if number not in unplanned]
    starts = [start(at + 1_500) for number, at in enumerate(instants) if number not in lost]
    (pairing,) = of([task()], fires, starts).pairings
    assert {one.instant for one in pairing.only_shadow} == {instants[number] for number in lost - unplanned}
    assert {one.minute for one in pairing.only_log} == {instants[number] for number in unplanned - lost}
