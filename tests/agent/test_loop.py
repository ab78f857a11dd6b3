from dataclasses import replace

from tests.agent.desk import Desk, document
from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, generation, run_id, task
from torchsync.core.control import Answer, Ask, PinRevision, Reload, ReloadProgress, RunTask, StopRuns, SyncNow, SyncProgress
from torchsync.core.engine import MOST_FIRES_A_TURN
from torchsync.core.entries import Admit, Skip
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Fingerprint, Millis, Outcome, SkipReason, Task, TaskName, Trigger
from torchsync.core.snapshot import ClockDirection, TaskChange
from torchsync.core.syncdoc import SyncOutcome
from torchsync.errors import Problem
from torchsync.ports import ConfigRead, ConfigTouched, HangUp, RepositoryTouched, RunStarted, StopAgent

BAD = Problem(code="TS120", message="minute: 61 is out of range", path="tasks/a.yaml", line=3, column=5)


def every(seconds: int, name: str = "beat", **changes) -> Task:
    timing = CronTiming(schedule=f"@every {seconds}s", starting_deadline=Millis(20_000))
    return task(name, **({"timing": timing} | changes))


def changed(of: Task, **changes) -> Task:
    return replace(of, fingerprint=Fingerprint(f"{int(of.fingerprint, 16) + 1:064x}"), **changes)


# Syncs.


def test_what_is_pushed_runs_after_the_next_sync() -> None:
    desk = Desk()
    desk.pass_time(SECOND)
    pushed = desk.git.push(every(10))
    desk.pass_time(MINUTE)
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.revision == pushed
    assert desk.outcomes("beat")[:3] == [Outcome.SUCCEEDED] * 3
    assert desk.snapshot.sync.last is not None
    assert desk.snapshot.sync.last.outcome is SyncOutcome.UNCHANGED
    assert desk.snapshot.task_changes == {TaskChange.ADDED: 1, TaskChange.CHANGED: 0, TaskChange.REMOVED: 0}


def test_a_rejected_commit_leaves_everything_as_it_is_and_says_so() -> None:
    desk = Desk()
    good = desk.git.push(every(10))
    desk.pass_time(15 * SECOND)
    bad = desk.git.push(every(1), problems=(BAD,))
    desk.pass_time(2 * MINUTE)
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.revision == good
    assert (desk.snapshot.sync.rejected, desk.snapshot.sync.problems) == (bad, (BAD,))
    assert set(desk.outcomes("beat")) == {Outcome.SUCCEEDED}
    assert len(desk.outcomes("beat")) == 13
    assert desk.events(LogEvent.COMMIT_PROBLEM) == [str(BAD)]


def test_what_this_host_may_not_run_is_refused_whole() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.git.push(every(10), every(10, "root-job", user="root"))
    desk.pass_time(2 * MINUTE)
    assert [problem.code for problem in desk.snapshot.sync.problems] == ["TS310"]
    assert set(desk.snapshot.tasks) == {"beat"}
    assert desk.snapshot.sync.results[SyncOutcome.REFUSED] > 2


def test_a_remote_that_is_away_stops_nothing_also_over_a_restart() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.git.is_reachable = False
    desk.pass_time(MINUTE)
    desk.crash()
    desk.pass_time(MINUTE)
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 12
    assert desk.snapshot.sync.consecutive_failures > 0
    assert not desk.snapshot.sync.verdict_since_start


def test_a_swap_that_cannot_be_written_waits_and_the_old_set_goes_on() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.store.is_unwritable = True
    desk.git.push(every(10), every(10, "new"))
    desk.pass_time(MINUTE)
    assert set(desk.snapshot.tasks) == {"beat"}
    assert desk.snapshot.sync.last is not None
    assert desk.snapshot.sync.last.outcome is SyncOutcome.FAILED
    desk.store.is_unwritable = False
    desk.pass_time(6 * MINUTE)
    assert set(desk.snapshot.tasks) == {"beat", "new"}


def test_a_touched_repository_is_synced_at_once() -> None:
    desk = Desk()
    desk.pass_time(SECOND)
    pushed = desk.git.push(every(10))
    desk.wakeups.post(RepositoryTouched())
    desk.pass_time(SECOND)
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.revision == pushed


def test_trees_that_neither_a_run_nor_the_generation_needs_go() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10))
    desk.pass_time(11 * SECOND)
    old = desk.git.commits[desk.git.tip].tree
    desk.git.push(changed(every(10)))
    desk.pass_time(MINUTE)
    new = desk.git.commits[desk.git.tip].tree
    assert desk.git.trees == {old, new}
    desk.executor.finish(desk.runs("beat")[0].id)
    desk.pass_time(MINUTE)
    assert desk.git.trees == {new}


def test_an_answer_that_cannot_be_is_not_believed() -> None:
    desk = Desk()
    good = desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.git.push(every(10), every(10, "odd", timing=CronTiming(schedule="nonsense")))
    desk.pass_time(MINUTE)
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.revision == good
    assert desk.snapshot.sync.results[SyncOutcome.FAILED] > 0
    assert len(desk.outcomes("beat")) == 6


# Runs.


def test_a_run_gets_the_tree_of_its_own_commit() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(11 * SECOND)
    desk.git.push(every(10))
    desk.pass_time(MINUTE)
    trees = {order.tree for order in desk.executor.orders}
    assert trees == {f"/state/worktrees/{commit.tree}" for commit in desk.git.commits.values()}


def test_outputs_of_runs_in_flight_are_bounded_every_second() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10, output_max=1234))
    desk.pass_time(15 * SECOND)
    assert len(desk.executor.bounded) >= 4
    assert {limit for _, limit in desk.executor.bounded} == {1234}


def test_a_ledger_that_cannot_be_written_stops_no_fire_and_everything_is_folded_in_later() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.ledger.is_unwritable = True
    desk.pass_time(30 * SECOND)
    assert desk.snapshot.state_degraded
    assert len(desk.machine.processes) == 3
    desk.ledger.is_unwritable = False
    desk.pass_time(2 * SECOND)
    assert not desk.snapshot.state_degraded
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 3
    assert len(desk.events(LogEvent.STATE_DEGRADED)) == len(desk.events(LogEvent.STATE_RECOVERED)) == 1


def test_nothing_is_doubled_or_lost_by_agents_that_are_killed_while_the_state_cannot_be_written() -> None:
    desk = Desk(lambda order: (Millis(7_000), 0))
    desk.git.push(every(10))
    desk.pass_time(12 * SECOND)
    desk.ledger.is_unwritable = desk.store.is_unwritable = True
    for _ in range(3):
        desk.pass_time(13 * SECOND)
        desk.crash()
        assert desk.snapshot.state_degraded
    desk.pass_time(12 * SECOND)
    assert len(desk.runs("beat")) == 1, "the ledger has had nothing new"
    desk.ledger.is_unwritable = desk.store.is_unwritable = False
    desk.crash()
    assert not desk.snapshot.state_degraded
    desk.pass_time(20 * SECOND)
    runs = desk.runs("beat")
    assert [run.instant for run in runs] == [NOON + number * 10 * SECOND for number in range(1, len(runs) + 1)]
    assert len(runs) == len(desk.machine.processes) == 8
    assert desk.skips("beat") == []
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 7 + [None]
    assert desk.events(LogEvent.INTERNAL_ERROR) == []


def test_a_run_of_the_time_without_a_disk_is_adopted_and_its_end_recorded_once() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.ledger.is_unwritable = True
    desk.pass_time(10 * SECOND)
    desk.crash()
    (run,) = desk.snapshot.runs
    desk.executor.finish(run, 3)
    desk.pass_time(SECOND)
    desk.crash()
    assert desk.snapshot.runs == {}
    desk.ledger.is_unwritable = False
    desk.pass_time(2 * SECOND)
    assert desk.outcomes("beat") == [Outcome.FAILED]
    assert desk.snapshot.runs_adopted == 0


def test_what_was_decided_more_than_ninety_days_ago_is_forgotten() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(2 * MINUTE)
    desk.sleep(91 * 24 * HOUR)
    desk.pass_time(20 * MINUTE)
    assert desk.outcomes("beat") != []
    assert all(run.admitted_at > NOON + HOUR for run in desk.runs("beat"))
    assert desk.snapshot.tasks[TaskName("beat")].record.runs[Outcome.SUCCEEDED] > 3


# Restarts.


def test_a_restart_adopts_what_runs_and_records_what_ended() -> None:
    desk = Desk(lambda order: (Millis(20_000), 3))
    desk.git.push(every(10, max_running=2))
    desk.pass_time(25 * SECOND)
    desk.crash()
    assert len(desk.snapshot.runs) == 2
    desk.pass_time(30 * SECOND)
    first = desk.runs("beat")[0]
    assert (first.outcome, first.exit_status) == (Outcome.FAILED, 3)
    assert desk.snapshot.runs_adopted == 2
    assert desk.events(LogEvent.RUN_ADOPTED) != []
    assert len(desk.events(LogEvent.RUN_STARTED)) == len(desk.machine.processes)


def test_a_run_that_ended_while_no_agent_lived_keeps_no_fire_from_running() -> None:
    desk = Desk(lambda order: (Millis(5_000), 0))
    desk.git.push(every(60))
    desk.pass_time(61 * SECOND)
    desk.executor.abandon()
    desk.sleep(60 * SECOND)
    desk.crash()
    desk.pass_time(10 * SECOND)
    assert desk.skips("beat") == []
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 2


def test_a_reboot_loses_what_ran_and_says_so_once() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10))
    desk.pass_time(11 * SECOND)
    desk.machine.reboot("another-boot")
    desk.crash()
    desk.pass_time(SECOND)
    assert desk.outcomes("beat") == [Outcome.LOST]
    assert desk.snapshot.runs_lost == 1


def test_a_lost_ledger_does_not_let_an_instant_run_twice() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(12 * SECOND)
    before = len(desk.machine.processes)
    assert desk.events(LogEvent.LEDGER_LOST) == []
    desk.ledger = type(desk.ledger)()
    desk.crash()
    desk.pass_time(SECOND)
    sentence = "the ledger knows nothing of the 1 task(s) in force: they count from now on, and runs in flight, if any, are not known"
    assert desk.events(LogEvent.LEDGER_LOST) == [sentence]
    assert len(desk.machine.processes) == before
    desk.pass_time(10 * SECOND)
    assert len(desk.machine.processes) == before + 1


def test_a_commit_that_waits_for_a_host_that_slept_for_long_is_swapped_in_once_the_backlog_is_decided() -> None:
    """A turn decides so many instants and no more, whatever it does besides: the watchdog does not wait."""
    desk = Desk()
    desk.git.push(every(1))
    desk.pass_time(2 * SECOND)
    desk.git.push(every(1), every(2, "other"))
    desk.sleep(12 * HOUR)
    decided: list[int] = []
    fold = desk.ledger.fold
    desk.ledger.fold = lambda batches: (decided.append(instants_in(batches)), fold(batches))[1]
    desk.pass_time(5 * SECOND)
    assert sum(decided) >= 12 * 3600
    assert max(decided) <= MOST_FIRES_A_TURN
    assert desk.outcomes("other") != []


def instants_in(batches) -> int:
    operations = [operation for batch in batches for operation in batch.operations]
    return sum(operation.count if isinstance(operation, Skip) else isinstance(operation, Admit) for operation in operations)


def test_a_commit_that_waits_for_a_backlog_gives_way_to_what_operators_pin() -> None:
    desk = Desk()
    first = desk.git.push(every(1))
    desk.pass_time(2 * SECOND)
    desk.git.push(every(1), every(2, "other"))
    desk.sleep(24 * HOUR)
    turns = 0
    while desk.syncs.candidate is None and turns < 10:
        turns += 1
        desk.loop.turn(desk.wakeups.wait(Millis(0)))
    assert desk.syncs.candidate is not None
    desk.ask(PinRevision(revision=first, actor="alice"))
    desk.pass_time(5 * SECOND)
    assert desk.snapshot.generation.revision == first
    assert desk.outcomes("other") == []


def test_a_startup_task_runs_once_a_boot_also_when_the_ledger_or_the_generation_is_lost() -> None:
    desk = Desk()
    hello = task("hello", timing=CronTiming(schedule="@startup"))
    desk.git.push(hello, every(10))
    desk.pass_time(5 * SECOND)
    assert [run.trigger for run in desk.runs("hello")] == [Trigger.STARTUP]
    for _ in range(2):
        desk.ledger = type(desk.ledger)()
        desk.crash()
        desk.pass_time(30 * SECOND)
    desk.store.write("generation.json", b"not json")
    desk.crash()
    desk.pass_time(30 * SECOND)
    assert len([process for process in desk.machine.processes.values() if process.run.task.name == "hello"]) == 1
    desk.machine.reboot("another")
    desk.crash()
    desk.pass_time(30 * SECOND)
    assert desk.outcomes("hello") == [Outcome.SUCCEEDED]


def test_a_startup_task_of_a_generation_that_was_only_stored_runs_when_an_agent_first_does() -> None:
    desk = Desk()
    desk.loop_saved.save_generation(replace(generation(task("hello", timing=CronTiming(schedule="@startup"))), baselines={}))
    desk.start()
    desk.loop.begin()
    desk.pass_time(5 * SECOND)
    assert desk.outcomes("hello") == [Outcome.SUCCEEDED]


def test_a_damaged_generation_is_set_aside_and_fetched_again() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    desk.store.write("generation.json", b"\x00\x00")
    desk.crash()
    desk.pass_time(SECOND)
    assert set(desk.snapshot.tasks) == {"beat"}
    assert len(desk.events(LogEvent.STATE_SET_ASIDE)) == 1


def test_a_rejected_revision_is_still_known_after_a_restart() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    bad = desk.git.push(every(1), problems=(BAD,))
    desk.pass_time(MINUTE)
    looks = len(desk.git.requests)
    desk.crash()
    desk.pass_time(MINUTE)
    assert desk.snapshot.sync.rejected == bad
    assert len(desk.git.requests) == looks


# Operators.


def test_a_run_asked_for_is_durable_when_the_answer_comes() -> None:
    desk = Desk()
    desk.git.push(every(600))
    desk.pass_time(SECOND)
    answer = desk.ask(RunTask(task=TaskName("beat"), actor="alice (1000)"))
    assert answer.status == 202
    assert [run.id for run in desk.runs("beat")] == [answer.document["run"]]
    assert desk.runs("beat")[0].actor == "alice (1000)"


def test_what_was_asked_for_is_shown_when_the_answer_comes() -> None:
    """Whoever is told looks at once, and the loop may stand still wherever it is just then."""
    desk = Desk(lambda order: None)
    desk.git.push(every(600))
    desk.pass_time(SECOND)
    shown: list[list[str]] = []

    class Asker:
        def put(self, _: Answer, /) -> None:
            shown.append([run.task.name for run in desk.snapshot.runs.values()])

    desk.loop.turn([Ask(RunTask(task=TaskName("beat"), actor="a"), Asker())])
    assert shown == [["beat"]]


def test_what_cannot_be_run_or_stopped_is_said() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(600), daemon("proxy"))
    desk.pass_time(SECOND)
    desk.ask(RunTask(task=TaskName("beat"), actor="a"))
    assert desk.ask(RunTask(task=TaskName("beat"), actor="a")).status == 409
    assert desk.ask(RunTask(task=TaskName("proxy"), actor="a")).status == 409
    assert desk.ask(RunTask(task=TaskName("nobody"), actor="a")).status == 404
    assert desk.ask(StopRuns(target="nobody", actor="a")).status == 404


def test_a_stop_ends_the_runs_of_the_task() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10))
    desk.pass_time(11 * SECOND)
    answer = desk.ask(StopRuns(target="beat", actor="a"))
    desk.pass_time(SECOND)
    assert answer.document["runs"] == [desk.runs("beat")[0].id]
    assert desk.outcomes("beat") == [Outcome.STOPPED]


def test_a_sync_asked_for_really_asks_the_remote() -> None:
    desk = Desk()
    desk.pass_time(SECOND)
    desk.git.push(every(10))
    ticket = desk.ask(SyncNow(actor="a")).document["ticket"]
    desk.pass_time(SECOND)
    done = desk.ask(SyncProgress(ticket=int(str(ticket)))).document
    assert (done["done"], done["outcome"]) == (True, "applied")
    assert desk.ask(SyncProgress(ticket=99)).status == 404


# The configuration.


def test_a_good_configuration_takes_over_and_the_tasks_are_chosen_anew() -> None:
    desk = Desk()
    desk.git.push(every(10), every(10, "labelled", hosts=("role=db",)))
    desk.pass_time(SECOND)
    assert set(desk.snapshot.tasks) == {"beat"}
    desk.shelf.next = ConfigRead(document(host={"labels": {"role": "db"}}))
    ticket = desk.ask(Reload(actor="a")).document["ticket"]
    desk.pass_time(2 * SECOND)
    assert desk.ask(ReloadProgress(ticket=int(str(ticket)))).document["outcome"] == "reloaded"
    assert set(desk.snapshot.tasks) == {"beat", "labelled"}


def test_a_bad_configuration_is_refused_and_the_old_one_stays() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    problem = Problem(code="TS302", message="unknown field `intervall`", path="agent.yaml", line=2, column=3)
    desk.shelf.next = ConfigRead(None, (problem,))
    ticket = desk.ask(Reload(actor="a")).document["ticket"]
    desk.pass_time(SECOND)
    assert desk.ask(ReloadProgress(ticket=int(str(ticket)))).document["outcome"] == "refused"
    assert not desk.snapshot.config_reload_ok
    desk.shelf.next = ConfigRead(document())
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(SECOND)
    assert desk.snapshot.config_reload_ok


def test_what_only_a_restart_can_change_is_said_and_kept() -> None:
    desk = Desk()
    changed_places = {"host": {"name": "other"}, "http": {"listen": "127.0.0.1:1"}, "paths": {"state": "/elsewhere"}}
    desk.shelf.next = ConfigRead(document(**changed_places, log={"format": "journald"}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(SECOND)
    said = [sentence.split(" ")[0] for sentence in desk.events(LogEvent.CONFIG_NEEDS_RESTART)]
    assert said == ["host.name", "paths", "http.listen", "log.format"]
    assert desk.snapshot.facts.name == "db-1"


def test_a_policy_that_takes_a_grant_back_refuses_the_tasks_and_leaves_the_last_good_set() -> None:
    desk = Desk()
    desk.shelf.next = ConfigRead(document(policy={"users": {"root": ["tasks/**"]}, "allow_root": True}))
    desk.wakeups.post(ConfigTouched())
    desk.git.push(every(10, user="root"))
    desk.pass_time(MINUTE)
    assert set(desk.snapshot.tasks) == {"beat"}
    desk.shelf.next = ConfigRead(document())
    desk.wakeups.post(ConfigTouched())
    desk.git.push(every(10, user="root", description="again", fingerprint=Fingerprint("9" * 64)))
    desk.pass_time(MINUTE)
    assert desk.snapshot.sync.results[SyncOutcome.REFUSED] > 0
    assert desk.snapshot.tasks[TaskName("beat")].task.description == ""


def test_a_hangup_reads_the_configuration_and_then_syncs() -> None:
    desk = Desk()
    desk.pass_time(SECOND)
    pushed = desk.git.push(every(10))
    desk.wakeups.post(HangUp())
    desk.pass_time(2 * SECOND)
    assert len(desk.events(LogEvent.CONFIG_RELOADED)) == 1
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.revision == pushed


# The loop itself.


def test_a_stop_ends_the_loop_and_leaves_the_runs() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(every(10))
    desk.pass_time(11 * SECOND)
    desk.wakeups.post(StopAgent())
    desk.loop.run(on_ready=lambda: None)
    assert [process.signals for process in desk.machine.processes.values()] == [[]]


def test_an_event_nobody_knows_is_an_internal_error_and_the_loop_turns_on() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.loop.turn([object()])
    desk.pass_time(25 * SECOND)
    assert len(desk.events(LogEvent.INTERNAL_ERROR)) == 1
    assert len(desk.outcomes("beat")) == 2


def test_an_event_of_a_run_nobody_knows_is_passed_over() -> None:
    desk = Desk()
    desk.loop.turn([RunStarted(run_id(77), NOON)])
    assert desk.events(LogEvent.INTERNAL_ERROR) == []


def test_steps_of_the_wall_clock_are_counted_by_direction() -> None:
    desk = Desk()
    desk.pass_time(2 * SECOND)
    desk.clock.step(10 * MINUTE)
    desk.pass_time(2 * SECOND)
    desk.clock.step(-10 * MINUTE)
    desk.pass_time(2 * SECOND)
    assert desk.snapshot.clock_jumps == {ClockDirection.FORWARD: 1, ClockDirection.BACKWARD: 1}
    assert len(desk.events(LogEvent.CLOCK_STEPPED)) == 2


def test_a_long_stop_of_the_agent_is_accounted_for_as_missed() -> None:
    desk = Desk()
    desk.git.push(every(10))
    desk.pass_time(15 * SECOND)
    desk.sleep(10 * MINUTE)
    desk.pass_time(5 * SECOND)
    assert desk.skips("beat")[0] == (SkipReason.MISSED, 58)


def test_a_daemon_lives_through_restarts_of_the_agent_and_swaps_that_do_not_concern_it() -> None:
    desk = Desk(lambda order: None)
    desk.git.push(daemon("proxy"))
    desk.pass_time(SECOND)
    desk.crash()
    desk.git.push(daemon("proxy"), every(10))
    desk.pass_time(MINUTE)
    processes = [process for process in desk.machine.processes.values() if process.run.task.name == "proxy"]
    assert [process.signals for process in processes] == [[]]
