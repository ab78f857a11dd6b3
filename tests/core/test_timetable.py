from torchsync.core.model import CronTiming, HostFacts, Instant, TaskName
from torchsync.core.timetable import Fire, Timetable

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
