"""Every finding, from what a ledger would tell. The moment asked for is 02:30 of the 23rd unless a test says otherwise; it is noon now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import HOUR, MINUTE, NOON, REVISION, daemon, facts, finished_run, generation, record, run, run_id, task
from torchsync.core.chronicle import PutStart, Term, in_force
from torchsync.core.entries import HistoryRow
from torchsync.core.evidence import Evidence
from torchsync.core.holds import EVERY_TASK, HOST, HoldAct, HoldChange, held_task
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Attempt, CronTiming, Instant, Millis, Outcome, Retry, RunState, SkipReason, StopCause, Trigger, Wait
from torchsync.core.why import Explanation, Finding, Present, explain, unknown_task

TASK = task()
AT = parse_rfc3339("2026-11-23T02:30:00Z")
BEGAN = Instant(AT - 90 * 24 * HOUR)
IN_FORCE = in_force(generation(TASK, number=12, applied_at=Instant(AT - HOUR)))
TERM = Term(task=TASK, generation=3, since=Instant(AT - 24 * HOUR), until=None, baseline=Instant(AT - 24 * HOUR))
ANSWERS = Present()
DECIDED = record(decided_through=AT)
KNOWN = Evidence(began=BEGAN, in_force=IN_FORCE, term=TERM, record=DECIDED)


def asked(
    evidence: Evidence = KNOWN, at: Instant | None = AT, present: Present | None = ANSWERS, now: Instant = NOON, **changes
) -> Explanation:
    told = replace(evidence, **changes)
    found = explain(lambda _, __: told, TASK.name, at, now, present)
    assert found is not None
    return found


def ran(outcome: Outcome = Outcome.SUCCEEDED, **changes) -> HistoryRow:
    times = {"admitted_at": AT, "started_at": Instant(AT + 12), "finished_at": Instant(AT + 90_012), "instant": AT, "due": AT}
    one = finished_run(changes.pop("task", TASK), outcome, **(times | changes))
    return HistoryRow(task=TASK.name, first=AT, last=AT, count=1, decided_at=AT, run=one)


def skipped(reason: SkipReason, late: int = 5, count: int = 1) -> HistoryRow:
    return HistoryRow(
        task=TASK.name, first=AT, last=Instant(AT + (count - 1) * 24 * HOUR), count=count, decided_at=Instant(AT + late), reason=reason
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        pytest.param(ran(), "succeeded after 1m30s with exit status 0; it began at 2026-11-23T02:30:00.012Z, 12ms after it was due", id="succeeded"),
        pytest.param(ran(Outcome.FAILED, exit_status=3, detail="out of space"), "failed after 1m30s with exit status 3: out of space", id="failed"),
        pytest.param(ran(Outcome.TIMED_OUT, exit_status=143), "was ended at its timeout after 1m30s", id="timed out"),
        pytest.param(ran(Outcome.STOPPED, stop_cause=StopCause.OPERATOR), "was ended by an operator", id="stopped"),
        pytest.param(ran(Outcome.STOPPED, stop_cause=StopCause.CHANGED), "was ended since the task changed", id="stopped by a change"),
        pytest.param(ran(Outcome.REPLACED), "was ended to make room for the next one", id="replaced"),
        pytest.param(
            ran(Outcome.START_FAILED, started_at=None, exit_status=None, detail="no user x"), "could not be started: no user x", id="no start"
        ),
        pytest.param(ran(Outcome.LOST, exit_status=None), "is over, and nobody knows how", id="lost"),
    ],
)  # fmt: skip
def test_what_ran_says_how_it_went(entry, said):
    found = asked(entry=entry)
    assert found.finding is Finding.RAN
    assert said in found.sentence
    assert found.match is not None
    assert found.match.is_instant


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (RunState.ADMITTED, "is about to begin"),
        (RunState.RUNNING, "is under way; it began at"),
        (RunState.STOPPING, "is being ended; it began at"),
    ],
)
def test_a_run_that_is_not_over_says_so(state, said):
    one = run(TASK, instant=AT, due=AT, state=state, started_at=None if state is RunState.ADMITTED else Instant(AT + 12))
    found = asked(entry=HistoryRow(task=TASK.name, first=AT, last=AT, count=1, decided_at=AT, run=one))
    assert found.finding is Finding.UNDER_WAY
    assert said in found.sentence


def test_an_overlap_names_the_runs_that_were_under_way():
    one = run(TASK, id=run_id(7), started_at=Instant(AT - HOUR))
    found = asked(entry=skipped(SkipReason.OVERLAP), running=(one,))
    assert found.finding is Finding.SKIPPED
    assert found.sentence == (
        "it was skipped: as many runs of the task as may run at once were under way;"
        f" run {one.id} was, since 2026-11-23T01:30:00Z"
    )  # fmt: skip


def hold(what, minutes: int, act=HoldAct.PLACED, number: int = 1, **changes) -> HoldChange:
    return HoldChange(number=number, at=Instant(AT + minutes * MINUTE), act=act, what=what, **({"actor": "alice (1000)"} | changes))


@pytest.mark.parametrize(
    ("what", "said"),
    [(EVERY_TASK, "all tasks are paused"), (HOST, "this host is drained"), (held_task(TASK.name), f"the task {TASK.name} is paused")],
)
def test_a_pause_says_who_and_why(what, said):
    found = asked(entry=skipped(SkipReason.PAUSED), holds=(hold(what, -30, reason="the disk is moved"), hold(what, 30, HoldAct.LIFTED, 2)))
    assert found.finding is Finding.SKIPPED
    assert f"{said} by alice (1000) since 2026-11-23T02:00:00Z: the disk is moved" in found.sentence


def test_a_pause_that_nobody_remembers_is_told_as_one():
    ended = hold(EVERY_TASK, -60, until=Instant(AT - MINUTE)), hold(held_task("another"), -30), hold(EVERY_TASK, 1, number=3)
    assert "who and why is not kept any more" in asked(entry=skipped(SkipReason.PAUSED), holds=ended).sentence


@pytest.mark.parametrize(
    ("reason", "said"),
    [(SkipReason.POOL, "pool"), (SkipReason.REMOVED, "removed, disabled or made a daemon"), (SkipReason.LEASE, "another host")],
)
def test_every_other_reason_is_a_sentence(reason, said):
    found = asked(entry=skipped(reason))
    assert found.finding is Finding.SKIPPED
    assert said in found.sentence


def test_a_fire_that_waits_says_what_for():
    waits = HistoryRow(task=TASK.name, first=AT, last=AT, count=1, decided_at=AT, queued=Trigger.SCHEDULE)
    found = asked(entry=waits, term=replace(TERM, task=replace(TASK, pool="db")))
    assert found.finding is Finding.WAITS
    assert "its pool `db`" in found.sentence
    assert "pool" not in asked(entry=waits).sentence


def test_a_run_that_is_to_be_tried_again_says_so_and_one_that_was_says_how_often():
    timing = CronTiming(schedule="30 2 * * *", retry=Retry(attempts=3))
    first = Attempt(number=1, started_at=AT, finished_at=Instant(AT + MINUTE), outcome=Outcome.FAILED, exit_status=1, detail="")
    wait = Wait(until=Instant(AT + HOUR), mono=Millis(0), boot_id="b")
    waits = run(task(timing=timing), instant=AT, due=AT, attempt=2, earlier=(first,), wait=wait)
    found = asked(entry=HistoryRow(task=TASK.name, first=AT, last=AT, count=1, decided_at=AT, run=waits))
    assert (found.finding, found.sentence) == (Finding.UNDER_WAY, f"attempt 1 of its run {waits.id} failed, and attempt 2 is to come")
    over = ran(attempt=2, earlier=(first,), task=task(timing=timing))
    assert "succeeded at attempt 2 of 3 after 1m30s" in asked(entry=over).sentence


def test_what_was_missed_while_no_agent_ran_says_how_that_is_known():
    start = PutStart(at=Instant(AT + 3 * HOUR), boot_id="b", last_sign=Instant(AT - HOUR))
    found = asked(entry=skipped(SkipReason.MISSED, 3 * HOUR, count=4), start=start)
    assert found.finding is Finding.MISSED
    assert found.sentence == (
        "it was missed, as were 3 other instants from 2026-11-23T02:30:00Z to 2026-11-26T02:30:00Z: no agent decided it: the next one began 3h00m"
        " after it was due, at 2026-11-23T05:30:00Z; the one before is known to have lived at 2026-11-23T01:30:00Z"
    )


def test_of_two_instants_in_a_row_one_is_the_other():
    found = asked(entry=skipped(SkipReason.MISSED, 3 * HOUR, count=2))
    assert found.sentence.startswith("it was missed, as was 1 other instant from ")


def test_what_was_missed_while_an_agent_ran_says_that_too():
    start = PutStart(at=Instant(AT - HOUR), boot_id="b", last_sign=Instant(0))
    found = asked(entry=skipped(SkipReason.MISSED, 5 * MINUTE), start=start)
    assert found.finding is Finding.MISSED
    assert "decided 5m00s after it was due" in found.sentence
    assert "an agent had run since 2026-11-23T01:30:00Z" in found.sentence
    assert "5m00s" in asked(entry=skipped(SkipReason.MISSED, 5 * MINUTE)).sentence


def test_a_moment_within_a_span_of_missed_instants_that_is_none_of_them_is_no_instant():
    found = asked(entry=skipped(SkipReason.MISSED, 3 * HOUR, count=4), at=Instant(AT + HOUR), now=Instant(AT + 90 * HOUR))
    assert found.finding is Finding.NOT_AN_INSTANT
    assert found.sentence.endswith("is no instant of `30 2 * * *`: hour is 3, not 2")


def test_a_moment_that_is_none_tells_what_became_of_the_instant_before():
    witnessed = {AT: replace(KNOWN, entry=ran())}
    found = explain(lambda _, at: witnessed.get(at, KNOWN), TASK.name, Instant(AT + HOUR), NOON, Present())
    assert found is not None
    assert found.finding is Finding.NOT_AN_INSTANT
    assert found.previous == ran()


def test_what_a_jump_of_the_clock_caused_is_told():
    gone = replace(skipped(SkipReason.MISSED), annulled=True)
    found = asked(annulled=(gone,), record=record(decided_through=Instant(AT - HOUR)))
    assert found.finding is Finding.ANNULLED
    assert "to be decided again" in found.sentence
    again = asked(annulled=(gone,), entry=ran())
    assert again.finding is Finding.RAN
    assert "annulled when the clock returned" in again.notes[0]


def test_a_task_that_was_not_here_says_since_when_and_until_when():
    gone, came = replace(TERM, until=Instant(AT - MINUTE)), replace(TERM, since=Instant(AT + MINUTE))
    found = asked(term=None, before=gone, after=came)
    assert found.finding is Finding.NOT_HERE
    assert found.sentence == (
        f"this host did not have the task then, by commit {REVISION[:12]};"
        " it was gone since 2026-11-23T02:29:00Z; it came at 2026-11-23T02:31:00Z"
    )  # fmt: skip
    assert found.match is None


@pytest.mark.parametrize("began", [None, Instant(AT + 1)])
def test_before_generations_are_remembered_nothing_is_claimed(began):
    found = asked(term=None, began=began, in_force=None)
    assert found.finding is Finding.UNKNOWN
    assert found.sentence.startswith("it is not known which tasks this host had then")


def test_a_run_from_before_that_is_told_all_the_same():
    found = asked(term=None, began=Instant(AT + HOUR), in_force=None, entry=ran())
    assert found.finding is Finding.RAN
    assert found.match is not None


def test_a_disabled_task_a_daemon_and_one_of_the_start_have_no_instants():
    off, kept, once = (replace(TERM, task=one) for one in (replace(TASK, enabled=False), daemon(TASK.name), task(schedule="@startup")))
    assert asked(term=off).finding is Finding.DISABLED
    assert asked(term=kept).finding is Finding.DAEMON
    assert asked(term=once).finding is Finding.AT_STARTUP


def test_the_start_of_a_boot_is_an_instant_like_any_other():
    once = task(schedule="@startup")
    entry = replace(ran(), run=replace(ran().run, task=once, trigger=Trigger.STARTUP))
    assert asked(term=replace(TERM, task=once), entry=entry).finding is Finding.RAN
    newest = asked(term=replace(TERM, task=once), entry=entry, at=None, newest=entry.run)
    assert (newest.finding, newest.at) == (Finding.RAN, AT)


def test_an_instant_from_before_the_baseline_does_not_count():
    found = asked(term=replace(TERM, baseline=AT))
    assert found.finding is Finding.BEFORE_BASELINE
    assert "only from 2026-11-23T02:30:00Z on" in found.sentence


def test_an_instant_whose_entry_is_pruned_is_not_known_any_more():
    found = asked()
    assert found.finding is Finding.UNKNOWN
    assert "not kept any more" in found.sentence


def test_an_instant_that_nobody_has_decided_says_why():
    behind = record(decided_through=Instant(AT - HOUR))
    found = asked(record=behind)
    assert (found.finding, found.sentence) == (Finding.UNDECIDED, "it was due 9h30m ago and is not decided yet")
    assert "a clock that cannot be right" in asked(record=behind, present=Present(is_clock_held=True)).sentence
    nobody = asked(record=behind, present=None, start=PutStart(at=BEGAN, boot_id="b", last_sign=Instant(0)))
    assert "no agent answers; the last one was started at 2026-08-25T02:30:00Z" in nobody.sentence


def test_what_is_to_come_says_when_and_what_stands_in_its_way():
    found = asked(now=Instant(AT - HOUR))
    assert (found.finding, found.sentence) == (Finding.TO_COME, "it is to come: due in 1h00m")
    held = asked(now=Instant(AT - HOUR), holds=(hold(held_task(TASK.name), -90),))
    assert held.notes == (f"as things are it will be skipped: the task {TASK.name} is paused by alice (1000) since 2026-11-23T01:00:00Z",)


def test_jitter_puts_off_when_it_is_due():
    slow = replace(TERM, task=task(timing=CronTiming(schedule="30 2 * * *", jitter=Millis(6 * HOUR))))
    found = asked(term=slow, now=Instant(AT + 1))
    assert found.finding is Finding.TO_COME
    assert "at 2026-11-23T0" in found.sentence


def test_what_has_changed_since_is_told():
    later = replace(TERM, task=replace(TASK, owner="new"), since=Instant(AT + HOUR))
    assert asked(entry=ran(), term=replace(TERM, until=Instant(AT + HOUR)), after=later).notes == (
        "the task was changed afterwards, at 2026-11-23T03:30:00Z",
    )
    assert asked(entry=ran(), term=replace(TERM, until=Instant(AT + HOUR))).notes == (
        "this host does not have the task any more, since 2026-11-23T03:30:00Z",
    )


def test_the_schedule_is_the_one_of_then():
    now_hourly = {AT: replace(KNOWN, entry=ran()), NOON: replace(KNOWN, term=replace(TERM, task=task(schedule="0 * * * *")))}
    found = explain(lambda _, at: now_hourly[at], TASK.name, AT, NOON, Present())
    assert found is not None
    assert found.match is not None
    assert found.match.schedule == "30 2 * * *"


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        pytest.param({}, AT, id="the newest that is due"),
        pytest.param({"term": replace(TERM, baseline=AT)}, AT + 24 * HOUR, id="the next, when none has counted yet"),
        pytest.param({"term": None, "before": TERM}, AT, id="the newest of a task that is gone"),
        pytest.param({"term": replace(TERM, task=daemon(TASK.name))}, NOON, id="now, for a daemon"),
        pytest.param({"term": None, "in_force": None, "newest": ran().run}, AT, id="that of its newest run"),
    ],
)  # fmt: skip
def test_without_a_moment_it_is_about(changes, at):
    assert asked(at=None, **changes).at == at


def test_of_a_task_that_is_unknown_there_is_nothing_to_explain():
    assert explain(lambda _, __: Evidence(began=BEGAN, in_force=IN_FORCE), TASK.name, AT, NOON) is None
    assert (
        unknown_task(TASK.name, ["nightly-backups", "b"])
        == "nothing is known here of a task 'nightly-backup'; did you mean 'nightly-backups'?"
    )
    assert unknown_task(TASK.name, []) == "nothing is known here of a task 'nightly-backup'"


def test_h_is_told_by_the_host_that_it_was_then():
    hashed = replace(TERM, task=task(schedule="H 2 * * *"))
    minutes = {host: asked(term=hashed, in_force=replace(IN_FORCE, host=host)).match.fields[1].values for host in ("db-1", "db-2")}
    assert len(set(minutes.values())) == 2
    assert facts().name == "db-1"
