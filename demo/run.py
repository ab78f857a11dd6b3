"""torchsync in under a minute: a real repository, a real agent, real runs; every sentence that is printed has been checked.

Ends with 0 when everything that is shown really happened, with 1 otherwise. Nothing is left behind but with `--keep`.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from stage import (
    HOST,
    NEIGHBOUR,
    THREE_MISTAKES,
    Demo,
    NotShown,
    answer_of,
    answers,
    check,
    clock,
    fires,
    moment,
    open_runs,
    rfc3339,
    shown,
    succeeded,
    title,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the folder of the demo")
    args = parser.parse_args()
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="tsd-", dir="/tmp"))  # short: a socket path may have 107 bytes
    folder.chmod(0o755)
    demo = Demo(folder)
    try:
        for act in (
            first_sync,
            a_minute_of_its_own,
            every_two_seconds,
            push_under_a_long_run,
            a_bad_commit,
            kill_and_restart,
            nothing_lost_nothing_doubled,
            metrics,
        ):
            act(demo)
    except (NotShown, subprocess.CalledProcessError, OSError) as error:
        print(f"\n  NOT AS IT SHOULD BE: {error}\n", file=sys.stderr)
        demo.show_log()
        return 1
    finally:
        demo.end()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\nAll of it happened, in {time.monotonic() - begun:.0f} s.")
    print("\nWhat next:")
    print("  .venv/bin/torchsync validate sample-repo              check a task repository before you push it")
    print("  .venv/bin/torchsync plan sample-repo --host mail-1    see what a change does to a host")
    print("  sample-repo/README.md                                 what it is like to work with one")
    print("  make test                                             run the tests")
    print("  README.md                                             your first repository and agent.yaml")
    return 0


# The acts, in order.


def first_sync(demo: Demo) -> None:
    title("A repository, an agent, a first sync")
    demo.make_remote()
    plan = answer_of("plan", str(demo.clone), "--host", HOST, ends_with=10)
    labels = ", ".join(f"{name}={value}" for name, value in plan["facts"]["labels"].items())
    shown(f"hosts.yaml knows {HOST}: {labels}; a plan for it adds {len(plan['added'])} tasks")
    pushed = demo.push("the tasks of a small company")
    demo.write_config()
    demo.start_agent()
    demo.wait_for("the first sync", lambda: demo.revision() == pushed)
    counts = demo.status()["tasks"]
    shown(f"the agent runs revision {pushed[:12]}: {counts['active']} tasks here, {counts['not_selected']} for other hosts")
    names = {task["name"] for task in demo.tasks()}
    check(names == {task["task"] for task in plan["added"]}, f"the tasks are {sorted(names)}, which is not what the plan said")
    shown("they are those that the plan named")


def a_minute_of_its_own(demo: Demo) -> None:
    title("A task that every host runs, each at its own minute")
    task = next(task for task in demo.tasks() if task["name"] == "disk-usage")
    agreed = datetime.fromisoformat(task["next_run"])
    after = rfc3339(agreed - timedelta(seconds=1))
    here, there = (fires("disk-usage", task["schedule"], host, after) for host in (HOST, NEIGHBOUR))
    check(here[0] == agreed, f"the agent says {agreed}, next says {here[0]}")
    check(here[0] != there[0], f"{HOST} and {NEIGHBOUR} have the same minute")
    shown(
        f"disk-usage is `{task['schedule']}`: the agent of {HOST} runs it at {clock(agreed)}, and `next` says {clock(here[0])}, {clock(here[1])}"
    )
    shown(f"`next` for {NEIGHBOUR} says {clock(there[0])}, {clock(there[1])}")


def every_two_seconds(demo: Demo) -> None:
    title("A task that fires every two seconds")
    demo.wait_for("three runs of the heartbeat", lambda: len(succeeded(demo.runs("heartbeat"))) >= 3)
    runs = sorted(succeeded(demo.runs("heartbeat")), key=lambda run: run["instant"])[:3]
    times = [moment(run["instant"]) for run in runs]
    check(times == sorted(set(times)) and not any(one % 2 for one in times), f"the heartbeat fired at {times}")
    for run in runs:  # a machine may be too busy for one in between: the last act accounts for every instant
        late = moment(run["started_at"]) - moment(run["instant"])
        check(late >= 0, f"a heartbeat started {-late:.3f} s before its instant")
        shown(f"heartbeat of {run['instant']} started {late * 1000:.0f} ms later and {run['outcome']}")


def push_under_a_long_run(demo: Demo) -> None:
    title("A push that adds, changes and removes, under a run in flight")
    check(demo.command("run", "long-export").returncode == 0, "long-export could not be started")
    demo.wait_for("the long run to begin", lambda: bool(open_runs(demo, "long-export")))
    run = open_runs(demo, "long-export")[0]
    demo.long_run = run["id"]
    demo.write_tasks("tasks-after.yaml")
    pushed = demo.push("add, change and remove")
    demo.wait_for("the push to be applied", lambda: demo.revision() == pushed)
    last = demo.status()["sync"]["last_apply"]
    names = {task["name"] for task in demo.tasks()}
    check("just-added" in names and "to-be-removed" not in names, f"the tasks are {sorted(names)}")
    shown(f"applied at {last}: just-added is here, to-be-removed is gone, to-be-changed has changed")
    still = open_runs(demo, "long-export")
    check([one["id"] for one in still] == [demo.long_run], "the long run did not survive the push")
    check(still[0]["revision"] != pushed, "the long run changed its commit")
    shown(f"long-export goes on, on its own commit {still[0]['revision'][:12]}")


def a_bad_commit(demo: Demo) -> None:
    title("A commit with three mistakes")
    good = demo.revision()
    before = len(succeeded(demo.runs("heartbeat")))
    demo.write_tasks("tasks-broken.yaml", to="broken.yaml")
    pushed = demo.push("three mistakes")
    demo.wait_for("the commit to be rejected", lambda: demo.status()["sync"]["rejected"] == pushed)
    problems = demo.status()["sync"]["problems"]
    places = sorted((problem["path"], problem["line"], problem["column"]) for problem in problems)
    expected = [("tasks/broken.yaml", line, column) for line, column in THREE_MISTAKES]
    check(places == expected, f"the problems are at {places}")
    for problem in problems:
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        shown(f"{problem['path']}:{problem['line']}:{problem['column']}: {problem['code']} {problem['message']}{hint}")
    check(demo.revision() == good, "the bad commit is in force")
    demo.wait_for("the old set to go on", lambda: len(succeeded(demo.runs("heartbeat"))) > before)
    shown(f"rejected whole; {good[:12]} stays in force and its heartbeat goes on")
    (demo.clone / "tasks" / "broken.yaml").unlink()
    mended = demo.push("mend them")
    demo.wait_for("the mended commit", lambda: demo.revision() == mended)


def kill_and_restart(demo: Demo) -> None:
    title("The agent is killed with -9 and started again")
    check([run["id"] for run in open_runs(demo, "long-export")] == [demo.long_run], "the long run is over too early")
    demo.wait_for("its first steps", lambda: len(demo.output(demo.long_run)) >= 2)
    demo.kill_agent()
    killed = time.time()
    shown("killed while long-export runs")
    demo.start_agent()
    before = len(demo.output(demo.long_run))
    demo.wait_for("the long run to go on", lambda: len(demo.output(demo.long_run)) > before)
    demo.gate.touch()
    demo.wait_for("the long run to be over", lambda: any(run["id"] == demo.long_run and run["outcome"] for run in demo.runs("long-export")))
    run = next(run for run in demo.runs("long-export") if run["id"] == demo.long_run)
    began, ended = moment(run["started_at"]), moment(run["finished_at"])
    check((run["outcome"], run["exit_status"]) == ("failed", 7), f"long-export {run['outcome']} with {run['exit_status']}")
    check(began < killed < ended, f"long-export is said to have run from {began} to {ended}, and the agent was killed at {killed}")
    output = demo.output(demo.long_run)
    check(output == [f"step {number + 1}" for number in range(len(output))], f"its output is {output!r}")
    shown(
        f"adopted, and over with its real status: exit {run['exit_status']} after {ended - began:.1f} s, all {len(output)} lines of output kept"
    )


def nothing_lost_nothing_doubled(demo: Demo) -> None:
    title("The ledger: every instant once")
    entries = [entry for entry in demo.entries("heartbeat") if entry["first"]]
    covered: list[float] = []
    for entry in entries:
        covered += [moment(entry["first"]) + 2 * step for step in range(entry["count"])]
    covered.sort()
    gaps = {after - before for before, after in itertools.pairwise(covered)}
    check(len(covered) == len(set(covered)), "an instant of the heartbeat is in the ledger twice")
    check(gaps == {2.0}, f"the instants of the heartbeat are apart by {sorted(gaps)}")
    check(len(demo.runs("long-export")) == 1, "long-export ran more than once")
    ran = sum(1 for entry in entries if entry["run"])
    shown(f"{len(covered)} instants of the heartbeat, no gap and no double: {ran} ran, {len(covered) - ran} are told as missed or skipped")


def metrics(demo: Demo) -> None:
    title("What Prometheus sees")
    wanted = (
        ('torchsync_sync_total{result="unchanged"}', lambda value: value >= 1),
        ("torchsync_runs_adopted_total", lambda value: value >= 1),
        ("torchsync_commit_rejected", lambda value: value == 0),
        ('torchsync_task_last_exit_status{task="long-export"}', lambda value: value == 7),
        ('torchsync_task_runs_total{task="long-export",result="failed"}', lambda value: value == 1),
        ('torchsync_task_runs_total{task="heartbeat",result="succeeded"}', lambda value: value >= 3),
        ("torchsync_runs_lost_total", lambda value: value == 0),
        ("torchsync_state_degraded", lambda value: value == 0),
    )
    for name, is_right in wanted:
        shown(f"{name} {demo.metric(name, is_right):g}")
    check(f'commit="{demo.revision()[:12]}"' in demo.scrape("/metrics"), "torchsync_commit_info does not name the running commit")
    demo.wait_for("the agent to be healthy and ready", lambda: answers(demo, "/healthz") and answers(demo, "/readyz"))
    shown("/healthz and /readyz answer 200")


if __name__ == "__main__":
    sys.exit(main())
