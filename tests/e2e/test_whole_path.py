"""From a push to a run that survives the agent: real git, real processes, a real agent."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.e2e.host import Document, Host, cron, environment, moment, never, wait_for
from torchsync.codes import CODES

AS_ROOT = os.geteuid() == 0


def running(host: Host, task: str) -> list[Document]:
    return [run for run in host.runs(task) if not run["outcome"]]


# Syncs.


def test_a_push_runs_here_and_a_change_and_a_removal_take_effect(host: Host) -> None:
    host.tasks(beat=cron("echo one"), gone=cron("true"), elsewhere=cron("true", hosts=["other"]))
    host.start()
    wait_for("two runs", lambda: host.outcomes("beat").count("succeeded") >= 2)
    pushed = host.tasks(beat=cron("echo two"))
    host.wait_for_revision(pushed)
    last = len(host.runs("gone"))
    wait_for("the new command", lambda: host.torchsync("logs", "beat").stdout == "two\n")
    assert len(host.runs("gone")) <= last + 1
    assert host.status()["tasks"] == {"active": 1, "disabled": 0, "paused": 0, "not_selected": 0}
    host.wait_for_metric('torchsync_task_changes_total{action="removed"}', 1)


def test_a_broken_commit_is_rejected_whole_with_every_place_and_heals_by_the_next(host: Host) -> None:
    good = host.tasks(beat=cron("true"))
    host.start()
    host.wait_for_revision(good)
    bad = host.commit(
        {"tasks/bad.yaml": "version: 1\ntasks:\n  x:\n    schedule: '61 * * * *'\n    command: a\n    colour: red\n", "tasks/all.json": "{"}
    )
    wait_for("the rejection", lambda: host.status()["sync"]["rejected"] == bad)
    places = {(one["path"], one["line"]) for one in host.status()["sync"]["problems"]}
    assert {("tasks/bad.yaml", 4), ("tasks/bad.yaml", 6)} <= places
    assert "tasks/all.json" in {path for path, _ in places}
    assert host.revision() == good
    host.wait_for_metric("torchsync_commit_rejected", 1)
    before = len(host.runs("beat"))
    wait_for("the old set to go on", lambda: len(host.runs("beat")) > before)
    mended = host.commit(
        {"tasks/bad.yaml": None, "tasks/all.json": '{"version": 1, "tasks": {"beat": {"schedule": "* * * * * *", "command": "true"}}}'}
    )
    host.wait_for_revision(mended)
    host.wait_for_metric("torchsync_commit_rejected", 0)


def test_a_run_sees_the_tree_of_its_own_commit_to_its_end(host: Host) -> None:
    script = "#!/bin/sh\ncat data.txt; while [ ! -e {} ]; do sleep 0.1; done; cat data.txt\n"
    flag = host.folder / "flag"
    host.commit({"data.txt": "old\n", "scripts/slow.sh": script.format(flag)}, "files")
    host.start()
    first = host.tasks(slow=never("./scripts/slow.sh"))
    host.wait_for_revision(first)
    assert host.torchsync("run", "slow").returncode == 0
    wait_for("the first line", lambda: host.torchsync("logs", "slow").stdout == "old\n")
    second = host.commit({"data.txt": "new\n"})
    host.wait_for_revision(second)
    flag.touch()
    wait_for("the end", lambda: host.outcomes("slow") == ["succeeded"])
    assert host.torchsync("logs", "slow").stdout == "old\nold\n"
    assert host.torchsync("run", "slow", "--wait").returncode == 0
    assert host.torchsync("logs", "slow").stdout == "new\nnew\n"


def test_a_remote_that_is_gone_stops_nothing_also_after_a_restart(host: Host) -> None:
    revision = host.tasks(beat=cron("true"))
    host.start()
    host.wait_for_revision(revision)
    host.remote.rename(host.folder / "away")
    wait_for("the failure to show", lambda: host.status()["sync"]["consecutive_failures"] > 0)
    host.terminate()
    host.start()
    assert host.revision() == revision
    before = len(host.runs("beat"))
    wait_for("runs of the last good set", lambda: len(host.runs("beat")) > before + 1)
    wait_for("the agent to be unready", lambda: host.get("/readyz")[0] == 503)
    assert host.get("/healthz")[0] == 200
    (host.folder / "away").rename(host.remote)
    assert host.torchsync("sync", "--wait").returncode == 0
    wait_for("the agent to be ready", lambda: host.get("/readyz")[0] == 200)


def test_the_repository_and_the_configuration_are_watched(host: Host) -> None:
    host.configure(repository={"interval": "1h"})
    first = host.tasks(beat=never("true"))
    host.start()
    host.wait_for_revision(first)
    second = host.tasks(beat=never("true"), more=never("true"))
    host.wait_for_revision(second)
    host.configure(repository={"interval": "1h"}, host={"labels": {"role": "other"}})
    wait_for("the new label", lambda: host.status()["facts"]["labels"] == {"role": "other"})


# Runs.


def test_the_exit_status_the_output_and_the_environment_of_a_run_are_told(host: Host) -> None:
    revision = host.tasks(
        one=never('echo "$TORCHSYNC_TASK $TORCHSYNC_TRIGGER $TORCHSYNC_HOST $COLOUR"; exit 3', env={"COLOUR": "a 'b' $c"})
    )
    host.start()
    host.wait_for_revision(revision)
    assert host.torchsync("run", "one", "--wait").returncode == 11
    run = host.runs("one")[0]
    assert (run["outcome"], run["exit_status"], run["revision"]) == ("failed", 3, revision)
    assert host.torchsync("logs", "one").stdout == "one manual h1 a 'b' $c\n"


def test_a_run_over_its_timeout_is_stopped_with_everything_it_started(host: Host) -> None:
    pids = host.folder / "pids"
    pids.touch()
    pids.chmod(0o666)
    command = (
        f"trap '' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID') >> {pids}; sleep 100) & echo $$ >> {pids}; sleep 100; sleep 100"
    )
    host.tasks(stubborn=never(command, timeout="5s", stop_grace="1s"))  # Time enough to set the traps.
    host.start()
    wait_for("the task", lambda: host.status()["tasks"]["active"] == 1)
    assert host.torchsync("run", "stubborn", "--wait").returncode == 11
    run = host.runs("stubborn")[0]
    assert (run["outcome"], run["stop_cause"], run["exit_status"]) == ("timed_out", "timeout", 137)
    assert 5.9 < moment(run["finished_at"]) - moment(run["started_at"]) < 60
    for pid in pids.read_text().split():
        wait_for(f"process {pid} to end", lambda pid=pid: not is_alive(int(pid)))


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_fire_while_another_copy_runs_is_skipped_and_counted(host: Host) -> None:
    host.tasks(slow=cron("sleep 3"))
    host.start()
    wait_for("two runs", lambda: len(host.runs("slow")) >= 2)
    assert any(entry["reason"] == "overlap" for entry in host.entries("slow"))
    assert host.metric('torchsync_task_runs_skipped_total{task="slow",reason="overlap"}') >= 1


@pytest.mark.skipif(not AS_ROOT, reason="only as root: runs tasks as other users")
def test_a_run_of_another_user_works_under_a_closed_state_directory_and_cannot_read_it(host: Host) -> None:
    host.configure(policy={"default_user": "nobody", "allow_root": False})
    host.commit({"scripts/who.sh": "#!/bin/sh\nid -un; ls $1 2>&1 | head -1; pwd\n"}, "script")
    revision = host.tasks(who=never(["./scripts/who.sh", str(host.state)]))
    host.start()
    host.wait_for_revision(revision)
    assert host.torchsync("run", "who", "--wait").returncode == 0
    who, state, where = host.torchsync("logs", "who").stdout.splitlines()
    assert who == "nobody"
    assert "Permission denied" in state
    assert where.startswith(f"{host.state}/worktrees/")
    assert oct(host.state.stat().st_mode & 0o7777) == "0o711"
    assert oct((host.state / "runs").stat().st_mode & 0o7777) == "0o700"


def test_a_daemon_is_kept_running_and_stopped_with_its_task(host: Host) -> None:
    host.tasks(worker={"type": "daemon", "command": "echo up; sleep 1000", "restart": {"delay": "200ms"}})
    host.start()
    wait_for("the daemon", lambda: [run["state"] for run in running(host, "worker")] == ["running"])
    assert host.torchsync("stop", "worker").returncode == 0
    wait_for("the restart", lambda: host.outcomes("worker") == ["stopped"] and len(running(host, "worker")) == 1)
    host.tasks(worker={"type": "daemon", "command": "echo new; sleep 1000"})
    wait_for("the new one", lambda: host.torchsync("logs", "worker").stdout == "new\n")
    host.tasks(other=never("true"))
    wait_for("its end", lambda: host.outcomes("worker") == ["stopped"] * 3)
    assert running(host, "worker") == []


# Restarts.


def test_a_run_in_flight_survives_kill_nine_and_is_recorded_as_if_nothing_had_happened(host: Host) -> None:
    flag = host.folder / "flag"
    host.tasks(long=never(f"echo 1; until [ -e {flag} ]; do sleep 0.1; done; echo 2; exit 7"))
    host.start()
    wait_for("the task", lambda: host.status()["tasks"]["active"] == 1)
    host.torchsync("run", "long")
    wait_for("the run to begin", lambda: host.torchsync("logs", "long").stdout == "1\n")
    host.kill()
    time.sleep(1)
    host.start()
    flag.touch()
    wait_for("the end", lambda: host.outcomes("long") == ["failed"])
    run = host.runs("long")[0]
    assert run["exit_status"] == 7
    assert moment(run["finished_at"]) - moment(run["started_at"]) >= 1
    assert host.torchsync("logs", "long").stdout == "1\n2\n"
    host.wait_for_metric("torchsync_runs_adopted_total", 1)
    host.wait_for_metric("torchsync_runs_lost_total", 0)


def test_a_run_that_ends_while_no_agent_lives_is_told_truly(host: Host) -> None:
    flag = host.folder / "flag"
    host.tasks(short=never(f"until [ -e {flag} ]; do sleep 0.1; done; exit 5"))
    host.start()
    wait_for("the task", lambda: host.status()["tasks"]["active"] == 1)
    host.torchsync("run", "short")
    wait_for("the run to begin", lambda: [run["state"] for run in running(host, "short")] == ["running"])
    host.kill()
    time.sleep(1)
    flag.touch()
    wait_for("its end", lambda: any(file.read_text() for file in (host.state / "runs").glob("*/exit")))
    time.sleep(1)
    again = time.time()
    host.start()
    wait_for("the record", lambda: host.outcomes("short") == ["failed"])
    run = host.runs("short")[0]
    assert run["exit_status"] == 5
    assert moment(run["finished_at"]) - moment(run["started_at"]) >= 1
    assert moment(run["finished_at"]) < again - 0.5
    assert json.loads(host.torchsync("history", "--json").stdout)["entries"] == host.entries()
    assert json.loads(host.torchsync("status", "--json").stdout)["task_list"] == host.status()["task_list"]


def test_a_stop_of_the_agent_waits_for_nobody_and_touches_no_run(host: Host) -> None:
    """Neither for a run, nor for a remote that takes a connection and says nothing, nor for clients that send half a request."""
    host.tasks(long=never("trap '' TERM; sleep 1000"))
    host.start()
    wait_for("the task", lambda: host.status()["tasks"]["active"] == 1)
    host.torchsync("run", "long")
    wait_for("the run to begin", lambda: [run["state"] for run in running(host, "long")] == ["running"])
    assert host.get("/healthz")[0] == 200
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as clients:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tasks.git"
        host.configure(repository={"url": url, "insecure": True, "timeout": "1h", "watch": "off"})
        clients.enter_context(silent.accept()[0])
        for family, address in ((socket.AF_INET, ("127.0.0.1", host.port)), (socket.AF_UNIX, str(host.run_folder / "control.sock"))):
            client = clients.enter_context(socket.socket(family))
            client.connect(address)
            client.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: h1\r\nX-Half: ")
        assert host.terminate() == 0
    host.configure()
    host.start()
    wait_for("the run to be taken up", lambda: [run["state"] for run in running(host, "long")] == ["running"])


def test_killed_again_and_again_no_instant_is_lost_or_doubled(host: Host) -> None:
    marks = host.folder / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    host.tasks(beat=cron(f"echo $TORCHSYNC_RUN_ID >> {marks}/$TORCHSYNC_SCHEDULED_AT", starting_deadline="30s", max_running=0))
    host.start()
    wait_for("a first run", lambda: host.outcomes("beat") != [])
    for pause in (0.3, 0.9, 0.5, 1.3, 0.1):
        time.sleep(pause)
        host.kill()
        host.start(until_up=False)
    wait_for("the agent to be back", host.is_up)
    time.sleep(2)
    covered = []
    for entry in host.entries("beat"):
        first = round(moment(entry["first"]))
        covered += [first + step for step in range(entry["count"])]
    covered.sort()
    assert covered == list(range(covered[0], covered[-1] + 1))
    ran = {run["instant"].replace(".000Z", "Z") for run in host.runs("beat") if run["outcome"] == "succeeded"}
    started = {mark.name: mark.read_text().split() for mark in marks.iterdir()}  # after `ran`: more runs begin all the time
    assert {name: runs for name, runs in started.items() if len(runs) > 1} == {}
    assert ran <= set(started)


# What can be wrong.


def agent(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchsync", "agent", "--config", str(host.config), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=120)


def assert_told(done: subprocess.CompletedProcess[str], status: int, code: str) -> None:
    assert done.returncode == status, done.stderr
    assert code in done.stderr
    assert code in CODES
    assert "Traceback" not in done.stderr


def test_a_bad_configuration_ends_with_78_and_every_place(host: Host) -> None:
    host.config.write_text("version: 1\nrepository:\n  url: file:///srv/x\n  intervall: 3s\nhttp:\n  listen: 0.0.0.0:1\n")
    done = agent(host)
    assert_told(done, 78, "TS302")
    assert f"{host.config}:4:3" in done.stderr
    assert f"{host.config}:6:" in done.stderr
    assert agent(host, "--check").returncode == 78


def test_no_configuration_ends_with_78(host: Host) -> None:
    host.config.unlink()
    assert_told(agent(host), 78, "TS304")


def test_a_check_contacts_and_writes_nothing(host: Host) -> None:
    assert agent(host, "--check").returncode == 0
    assert not host.state.exists()


def test_a_remote_that_cannot_be_reached_ends_a_single_sync_with_69(host: Host) -> None:
    host.configure(repository={"url": "https://127.0.0.1:1/tasks.git"})
    assert_told(agent(host, "--once"), 69, "TS201")


def test_a_state_that_another_agent_holds_ends_with_75_and_leaves_that_one_alone(host: Host) -> None:
    host.tasks(beat=cron("true"))
    host.start()
    assert_told(agent(host), 75, "TS330")
    assert host.is_up()


def test_a_state_that_cannot_be_created_ends_with_73(host: Host) -> None:
    (host.folder / "file").touch()
    host.configure(paths={"state": str(host.folder / "file" / "state"), "run": str(host.run_folder)})
    assert_told(agent(host), 73, "TS331")


def test_a_port_in_use_is_said_and_tasks_run_and_it_is_taken_when_it_is_free(host: Host) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host.port = taken.getsockname()[1]
        host.configure(http={"listen": f"127.0.0.1:{host.port}"})
        host.tasks(beat=cron("true"))
        host.start()
        wait_for("a run", lambda: host.outcomes("beat") != [])
        wait_for("the notice", lambda: [notice["code"] for notice in host.status()["notices"]] == ["TS340"])
    wait_for("the port", lambda: host.status()["notices"] == [])
    assert host.get("/healthz")[0] == 200


def test_a_repository_without_tasks_is_rejected_with_65(host: Host) -> None:
    host.commit({"README": "nothing here"})
    assert_told(agent(host, "--once"), 65, "TS150")


def test_a_single_sync_stores_the_tasks_and_runs_nothing(host: Host) -> None:
    revision = host.tasks(beat=cron("true"))
    done = agent(host, "--once")
    assert done.returncode == 0
    assert revision[:12] in done.stdout
    assert agent(host, "--once").returncode == 0
    time.sleep(2)
    begun = time.time()
    host.start()
    wait_for("a run", lambda: host.outcomes("beat") != [])
    assert all(moment(entry["first"]) > begun - 1 for entry in host.entries("beat"))


def test_a_hangup_reads_the_configuration_and_syncs(host: Host) -> None:
    host.configure(repository={"interval": "1h", "watch": "off"})
    host.start()
    pushed = host.tasks(beat=never("true"))
    assert host.agent is not None
    host.agent.send_signal(signal.SIGHUP)
    host.wait_for_revision(pushed)
    assert host.torchsync("reload", "--wait").returncode == 0
    host.config.write_text("version: 2\n")
    assert host.torchsync("reload", "--wait").returncode == 78
    host.wait_for_metric("torchsync_config_last_reload_successful", 0)
    assert host.revision() == pushed


def test_history_and_logs_can_be_read_when_no_agent_lives(host: Host) -> None:
    host.tasks(one=never("echo hello"))
    host.start()
    wait_for("the task", lambda: host.status()["tasks"]["active"] == 1)
    host.torchsync("run", "one", "--wait")
    host.terminate()
    command = [sys.executable, "-m", "torchsync", "logs", "one", "--config", str(host.config)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert_told(host.torchsync("status"), 69, "TS350")


def test_a_tree_that_was_removed_is_written_again(host: Host) -> None:
    host.commit({"scripts/x.sh": "#!/bin/sh\necho here\n"})
    revision = host.tasks(x=never("./scripts/x.sh"))
    host.start()
    host.wait_for_revision(revision)
    for tree in list((host.state / "worktrees").iterdir()):
        if tree.is_dir():
            tree.rename(host.folder / tree.name)  # At once: the agent may look at it just now.
    wait_for("the tree", lambda: host.torchsync("run", "x", "--wait").returncode == 0)
