from dataclasses import replace

import pytest

from tests.builders import daemon, task
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, TaskName
from torchsync.core.spread import Spread
from torchsync.core.timetable import Fire, Timetable, is_moved

FACTS = HostFacts(name="h", zone="Europe/Berlin")
A, B = TaskName("a"), TaskName("b")


def every(seconds: int) -> CronTiming:
    return CronTiming(schedule=f"@every {seconds}s")


def test_nothing_is_due_before_its_instant_and_at_its_instant_it_is() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(0))
    assert table.take(Instant(9_999), 10) == []
    assert table.take(Instant(10_000), 10) == [Fire(A, Instant(10_000), Instant(10_000))]


def test_fires_come_earliest_first_over_all_tasks() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(0))
    table.put(B, every(4), FACTS, Instant(0))
    assert [(fire.task, fire.instant) for fire in table.take(Instant(12_000), 10)] == [(B, 4_000), (B, 8_000), (A, 10_000), (B, 12_000)]


def test_no_more_fires_are_taken_than_asked_for_and_the_rest_stays() -> None:
    table = Timetable()
    table.put(A, every(1), FACTS, Instant(0))
    assert len(table.take(Instant(10_000), 7)) == 7
    assert [fire.instant for fire in table.take(Instant(10_000), 7)] == [8_000, 9_000, 10_000]


def test_an_instant_counts_strictly_after_the_mark() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(10_000))
    assert table.next_of(A) == 20_000


def test_a_task_that_is_put_again_has_only_its_new_instants() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(0))
    table.put(A, every(7), FACTS, Instant(0))
    assert [fire.instant for fire in table.take(Instant(20_000), 10)] == [7_000, 14_000]


def test_a_dropped_task_is_not_due_and_does_not_wake_anybody() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(0))
    table.drop(A)
    assert table.next_due() is None
    assert table.take(Instant(100_000), 10) == []
    assert table.next_of(A) is None


def test_a_task_that_was_dropped_and_put_again_fires_once_an_instant() -> None:
    table = Timetable()
    table.put(A, every(10), FACTS, Instant(0))
    table.drop(A)
    table.put(A, every(10), FACTS, Instant(0))
    assert len(table.take(Instant(10_000), 10)) == 1


def test_local_means_the_zone_of_the_host() -> None:
    table = Timetable()
    summer = Instant(1_782_864_000_000)  # 2026-07-01T00:00:00Z
    table.put(A, CronTiming(schedule="0 6 * * *", zone="local"), FACTS, summer)
    table.put(B, CronTiming(schedule="0 6 * * *"), FACTS, summer)
    assert (table.next_of(B) or 0) - (table.next_of(A) or 0) == 2 * 3_600_000


# Jitter and H


def test_a_fire_is_due_by_the_delay_of_its_task_on_the_host_after_its_instant() -> None:
    table = Timetable()
    delay = Spread("h", "a").pick("jitter", 600_000)
    table.put(A, CronTiming(schedule="@hourly", jitter=Millis(600_000)), FACTS, Instant(0))
    assert table.next_of(A) == 3_600_000 + delay
    assert table.take(Instant(3_600_000 + delay - 1), 10) == []
    assert table.take(Instant(3_600_000 + delay), 10) == [Fire(A, Instant(3_600_000), Instant(3_600_000 + delay))]
    assert table.next_of(A) == 7_200_000 + delay


def test_a_fire_whose_instant_is_later_may_be_due_earlier() -> None:
    table = Timetable()
    table.put(A, CronTiming(schedule="@hourly", jitter=Millis(3_500_000)), FACTS, Instant(0))
    table.put(B, CronTiming(schedule="0 1 1 * * *"), FACTS, Instant(0))
    assert [fire.task for fire in table.take(Instant(7_200_000), 10)] == [B, A]


def test_hosts_fire_at_other_minutes_of_an_hour_and_each_always_at_the_same() -> None:
    minutes = {}
    for host in ("web-1", "web-2", "web-3", "web-4"):
        table = Timetable()
        table.put(A, CronTiming(schedule="H * * * *"), HostFacts(name=host), Instant(0))
        found = {fire.instant // 60_000 % 60 for fire in table.take(Instant(86_400_000), 30)}
        assert len(found) == 1
        minutes[host] = found.pop()
    assert minutes == {host: Spread(host, "a").pick("minute", 60) for host in minutes}
    assert len(set(minutes.values())) > 1


@pytest.mark.parametrize(
    ("timing", "moved"),
    [
        (CronTiming(schedule="0 3 * * *"), False),
        (CronTiming(schedule="0 3 * * *", zone="local"), False),
        (CronTiming(schedule="H 3 * * *"), True),
        (CronTiming(schedule="0 3 * * *", jitter=Millis(60_000)), True),
    ],
)
def test_another_name_moves_what_is_spread_over_hosts(timing: CronTiming, moved: bool) -> None:
    assert is_moved(task("a", timing=timing), FACTS, replace(FACTS, name="other")) is moved


def test_another_zone_moves_what_is_in_local_time() -> None:
    tokyo = replace(FACTS, zone="Asia/Tokyo")
    assert is_moved(task("a", timing=CronTiming(schedule="0 3 * * *", zone="local")), FACTS, tokyo)
    assert not is_moved(task("a", timing=CronTiming(schedule="0 3 * * *", zone="UTC")), FACTS, tokyo)
    assert not is_moved(daemon("a"), FACTS, tokyo)
