import pytest

from tests.builders import HOUR, NOON, REVISION, TREE, facts, generation, task
from torchsync.core.generation import succeed, tasks_of, with_baselines, without_new_baselines
from torchsync.core.model import CronTiming, Fingerprint, Instant, Millis, Revision, Task, TaskName
from torchsync.core.syncdoc import SyncAnswer, Verdict

LATER = Instant(NOON + 1_000)
NEXT = Revision("b" * 40)


def answer(*tasks: Task, kept: tuple[str, ...] = (), **changes) -> SyncAnswer:
    names = tuple(TaskName(name) for name in kept)
    return SyncAnswer(verdict=Verdict.ACCEPTED, revision=NEXT, tree=TREE, tasks=tasks, kept=names, not_selected=4, **changes)


def follow(old, said: SyncAnswer, **changes):
    arguments = {"observed": facts(), "origin": "here main .", "now": LATER} | changes
    return succeed(old, said, tasks_of(old, said), **arguments)


def test_the_first_generation_counts_everything_from_its_swap() -> None:
    new, found = follow(None, answer(task("a")))
    assert (new.number, new.revision, new.floor, new.origin, new.not_selected) == (1, NEXT, NEXT, "here main .", 4)
    assert new.baselines == {"a": LATER}
    assert found.added == ("a",)


def test_a_generation_knows_what_its_revision_was_verified_by() -> None:
    new, _ = follow(None, answer(trust="keys of May"))
    assert new.trust == "keys of May"
    assert follow(new, answer())[0].trust == ""


def test_kept_tasks_are_the_ones_in_force_and_keep_their_baseline() -> None:
    old = generation(task("a"), task("b"))
    new, found = follow(old, answer(task("c"), kept=("a",)))
    assert new.tasks["a"] is old.tasks["a"]
    assert new.baselines == {"a": NOON, "c": LATER}
    assert (found.removed, found.added) == (("b",), ("c",))


def test_only_a_new_schedule_moves_the_baseline_of_a_changed_task() -> None:
    old = generation(task("words"), task("time"))
    words = task("words", fingerprint=Fingerprint("1" * 64), description="other words")
    time = task("time", fingerprint=Fingerprint("2" * 64), timing=CronTiming(schedule="0 3 * * *"))
    new, _ = follow(old, answer(words, time))
    assert new.baselines == {"words": NOON, "time": LATER}


def test_a_host_that_moves_to_another_zone_counts_its_local_tasks_anew() -> None:
    old = generation(task("local", timing=CronTiming(schedule="0 3 * * *", zone="local")), task("utc"))
    new, found = follow(old, answer(kept=("local", "utc")), observed=facts(zone="Asia/Tokyo"))
    assert new.baselines == {"local": LATER, "utc": NOON}
    assert found.moved == ("local",)
    assert (new.facts.zone, new.observed) == ("Asia/Tokyo", facts(zone="Asia/Tokyo"))


def test_the_inventory_of_the_revision_completes_what_the_host_says_of_itself() -> None:
    said = answer(task("a"), facts=facts(labels={"role": "db", "site": "eu"}))
    new, _ = follow(None, said)
    assert new.facts.labels == {"role": "db", "site": "eu"}
    assert new.observed == facts()


def test_another_name_moves_the_tasks_that_go_by_it() -> None:
    timings = {
        "h": CronTiming(schedule="H 3 * * *"),
        "late": CronTiming(schedule="0 3 * * *", jitter=Millis(HOUR)),
        "plain": CronTiming(schedule="0 3 * * *"),
    }
    old = generation(*(task(name, timing=timing) for name, timing in timings.items()))
    new, found = follow(old, answer(kept=tuple(timings)), observed=facts(name="db-2"))
    assert found.moved == ("h", "late")
    assert new.baselines == {"h": LATER, "late": LATER, "plain": NOON}


def test_an_answer_that_keeps_what_is_not_in_force_is_not_believed() -> None:
    with pytest.raises(ValueError, match="not in force"):
        tasks_of(generation(task("a")), answer(kept=("b",)))


def test_what_a_single_sync_adds_counts_from_the_day_an_agent_first_runs_it() -> None:
    old = generation(task("a"))
    new, _ = follow(old, answer(task("b"), kept=("a",)))
    stored = without_new_baselines(new)
    assert stored.baselines == {"a": NOON}
    day = Instant(NOON + 86_400_000)
    assert with_baselines(stored, day).baselines == {"a": NOON, "b": day}


def test_a_generation_with_all_its_baselines_is_left_as_it_is() -> None:
    one = generation(task("a"))
    assert with_baselines(one, LATER) is one
    assert one.revision == REVISION
