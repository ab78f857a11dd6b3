"""A whole agent whose tasks queue, replace, make up for what they missed and share pools, and that is killed while they do."""

from __future__ import annotations

import signal
import time
from collections import Counter
from itertools import pairwise

from tests.e2e.host import Document, Host, cron, moment, never, wait_for
from tests.e2e.test_clock import HOUR, ShiftedHost

# Both clocks are ahead by the seconds that a file tells.
SUSPENDED = """
import runpy, sys, time
ahead, true_time, true_clock = sys.argv.pop(1), time.time_ns, time.clock_gettime_ns
def slept():
    with open(ahead) as file:
        return int(float(file.read() or 0) * 1_000_000_000)
time.time_ns = lambda: true_time() + slept()
time.clock_gettime_ns = lambda clock: true_clock(clock) + slept() * (clock == time.CLOCK_BOOTTIME)
runpy.run_module("torchsync", run_name="__main__", alter_sys=True)
"""


def instants(entries: list[Document]) -> list[float]:
    """Every instant that the entries cover, each second that of a task that fires every second."""
    covering = [entry for entry in entries if entry["first"] and not entry["annulled"]]
    return sorted(moment(entry["first"]) + number for entry in covering for number in range(entry["count"]))


def assert_each_second_once(entries: list[Document]) -> None:
    covered = instants(entries)
    assert covered == [covered[0] + number for number in range(len(covered))]
    started = Counter(entry["run"]["instant"] for entry in entries if entry["run"] and entry["run"]["instant"])
    assert set(started.values()) == {1}


def queued(host: Host, task: str) -> list[Document]:
    return [entry for entry in host.entries(task) if entry["queued"] and not entry["annulled"]]


def task_of(host: Host, name: str) -> Document:
    (found,) = [task for task in host.status()["task_list"] if task["name"] == name]
    return found


def test_a_queued_fire_survives_kill_nine_and_starts_when_the_run_before_it_is_over(host: Host) -> None:
    gate = host.folder / "gate"
    host.start()
    host.tasks(long=cron(f"while [ ! -e {gate} ]; do sleep 0.1; done", overlap="queue", starting_deadline="1s"))
    wait_for("a fire to wait", lambda: bool(queued(host, "long")))
    # The ledger knows it before the snapshot of that turn shows it.
    wait_for("it to be shown", lambda: (task_of(host, "long")["queued"], task_of(host, "long")["waits_for"]) == (1, "copy"))
    assert "1 queued" in host.torchsync("status").stdout
    assert " queued " in host.torchsync("history", "long").stdout
    host.kill()
    time.sleep(2)
    gate.touch()
    # Else the agent finds it running, and the newest of the fires since then takes the place of the one that waits.
    wait_for("the run to end", lambda: any(file.read_text() for file in (host.state / "runs").glob("*/exit")))
    host.start()
    wait_for("runs after it", lambda: len(host.outcomes("long")) >= 3)
    host.kill()
    host.start()
    entries = host.entries("long")
    assert_each_second_once(entries)
    first, second = host.runs("long")[:2]
    assert moment(second["admitted_at"]) - moment(second["due"]) > 1.5, "it did not age"
    assert (first["outcome"], second["outcome"], second["trigger"]) == ("succeeded", "succeeded", "schedule")
    assert {entry["reason"] for entry in entries} <= {None, "overlap", "missed"}


def test_what_an_agent_missed_that_was_dead_is_made_up_for_each_once_though_it_is_killed_on_the_way(host: Host) -> None:
    host.start()
    host.tasks(beat=cron("sleep 0.3", "*/1 * * * * *", misfire="all", misfire_limit=5, starting_deadline="1s"))
    wait_for("a run", lambda: len(host.outcomes("beat")) >= 1)
    host.kill()
    time.sleep(12)
    for _ in range(3):
        host.start(until_up=False)
        wait_for("it to be killed in the middle of it", lambda: bool((host.state / "runs").exists()))
        time.sleep(0.7)
        host.kill()
    host.start()
    wait_for("all that waits to be made up", lambda: not queued(host, "beat"))
    made_up = made_up_for(host)
    assert len(made_up) >= 5
    assert [run["instant"] for run in made_up] == sorted(run["instant"] for run in made_up)
    assert_each_second_once(host.entries("beat"))
    assert any(entry["reason"] == "missed" for entry in host.entries("beat"))


def test_an_agent_that_was_stopped_beyond_the_deadline_makes_up_for_the_newest(host: Host) -> None:
    host.start()
    told = "echo $TORCHSYNC_TRIGGER $TORCHSYNC_SCHEDULED_AT"
    host.tasks(beat=cron(told, misfire="latest", starting_deadline="2s", max_running=0))
    wait_for("a run", lambda: len(host.outcomes("beat")) >= 1)
    assert host.agent is not None
    host.agent.send_signal(signal.SIGSTOP)
    time.sleep(8)
    host.agent.send_signal(signal.SIGCONT)
    wait_for("what was missed", lambda: any(entry["reason"] == "missed" and entry["count"] >= 4 for entry in host.entries("beat")))
    wait_for("the runs that make up to end", lambda: {True} == {bool(run["outcome"]) for run in made_up_for(host)})
    wait_for("later ones", lambda: len(host.runs("beat")) >= 6)
    entries = host.entries("beat")
    assert_each_second_once(entries)
    missed = max((entry for entry in entries if entry["reason"] == "missed"), key=lambda entry: entry["count"])
    (made_up,) = [
        run for run in made_up_for(host) if moment(run["instant"]) == moment(missed["last"]) + 1
    ]  # The newest of those that were missed.
    assert host.torchsync("logs", made_up["id"]).stdout.startswith(f"misfire {made_up['instant'][:19]}")


def made_up_for(host: Host) -> list[Document]:
    return [run for run in host.runs("beat") if run["trigger"] == "misfire"]


def test_a_suspended_host_makes_up_by_the_same_path(host: Host) -> None:
    """While a machine sleeps, its wall clock and CLOCK_BOOTTIME go on (clock_gettime(2)), and nothing turns."""
    shifted = ShiftedHost(host, SUSPENDED)
    shifted.start()
    host.tasks(beat=cron("true", "0 * * * * *", misfire="all", starting_deadline="5s"))
    wait_for("it to be in force", lambda: bool(host.status()["task_list"]))
    shifted.step(HOUR)
    wait_for("what was missed to be made up", lambda: len(made_up_for(host)) >= 59, 240)  # One after the other.
    made_up = [moment(run["instant"]) for run in made_up_for(host)]
    assert made_up == [made_up[0] + 60 * number for number in range(len(made_up))]
    assert not shifted.saw("clock_stepped")


def test_what_a_jump_made_up_for_is_taken_back_when_the_clock_returns(host: Host) -> None:
    gate = host.folder / "gate"
    shifted = ShiftedHost(host)
    shifted.start()
    host.tasks(beat=cron(f"while [ ! -e {gate} ]; do sleep 0.1; done", "0 */10 * * * *", misfire="all", starting_deadline="5s"))
    wait_for("it to be in force", lambda: bool(host.status()["task_list"]))
    shifted.step(2 * HOUR)
    wait_for("fires that wait to be made up", lambda: len(queued(host, "beat")) >= 10)
    host.kill()
    shifted.step(0)
    shifted.start()
    wait_for("the return to be noticed", lambda: shifted.saw("clock_returned"))
    wait_for("nothing to wait any more", lambda: queued(host, "beat") == [])
    assert len([entry for entry in host.entries("beat") if entry["annulled"]]) >= 11
    assert all(moment(entry["last"]) <= time.time() for entry in shifted.standing("beat"))
    gate.touch()


def test_a_later_fire_replaces_a_run_also_when_the_agent_is_killed_in_between(host: Host) -> None:
    stubborn = "trap '' TERM; while :; do sleep 0.1; done"
    host.start()
    host.tasks(loop=cron(stubborn, "*/2 * * * * *", overlap="replace", stop_grace="3s"))
    wait_for("a run that is being replaced", lambda: any(run["stop_cause"] == "replaced" for run in host.runs("loop")))
    host.kill()
    host.start()
    wait_for("two that were", lambda: host.outcomes("loop").count("replaced") >= 2)
    runs = host.runs("loop")
    for before, after in pairwise(runs):
        assert moment(before["finished_at"]) <= moment(after["admitted_at"]) + 0.001, "never two at once"
    assert {run["exit_status"] for run in runs if run["outcome"] == "replaced"} <= {137, None}


def test_a_pool_is_shared_refused_without_a_size_and_resized_by_a_reload_and_by_a_sync(host: Host) -> None:
    host.start()
    tasks = {name: cron("sleep 600", overlap="queue", pool="db") for name in ("a", "b", "c")}
    revision = host.tasks(**tasks)
    wait_for("the refusal", lambda: host.status()["sync"]["rejected"] == revision)
    (*_, last) = host.status()["sync"]["problems"]
    assert (last["code"], last["task"]) == ("TS312", "c")
    host.commit({"torchsync.yaml": "pools: {db: 1}\n"})
    wait_for("one run", lambda: host.status()["pools"] == [{"name": "db", "places": 1, "runs": 1}])
    wait_for("the others to wait", lambda: [task["waits_for"] for task in host.status()["task_list"]].count("pool") == 2)
    assert "for pool db" in host.torchsync("status").stdout
    host.configure(pools={"db": 2})
    host.torchsync("reload", "--wait")
    wait_for("a second run", lambda: host.status()["pools"] == [{"name": "db", "places": 2, "runs": 2}])
    host.configure()
    host.torchsync("reload", "--wait")
    wait_for("a pool that is too full", lambda: host.status()["pools"] == [{"name": "db", "places": 1, "runs": 2}])
    host.commit({"torchsync.yaml": "pools: {db: 3}\n"})
    wait_for("a third run", lambda: host.status()["pools"] == [{"name": "db", "places": 3, "runs": 3}])
    assert {run["outcome"] for name in tasks for run in host.runs(name)} == {None}


def test_a_run_by_hand_is_told_what_keeps_it(host: Host) -> None:
    host.start()
    host.commit({"torchsync.yaml": "pools: {db: 1}\n"})
    host.tasks(a=never("sleep 600", pool="db"), b=never("true", pool="db", overlap="queue"))
    wait_for("the tasks", lambda: len(host.status()["task_list"]) == 2)
    assert host.torchsync("run", "a").returncode == 0
    refused = host.torchsync("run", "b")
    assert refused.returncode != 0
    assert "the pool 'db' of 'b' is full" in refused.stderr
    refused = host.torchsync("run", "a")
    assert "1 of 1 copies of 'a' are running already" in refused.stderr
