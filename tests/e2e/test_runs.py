"""What becomes of runs on a whole host: tried again, stopped by a change, kept alive, whatever is killed in between."""

import time
from pathlib import Path

from tests.e2e.host import Document, Host, is_alive, never, wait_for
from torchsync.core.instants import parse_rfc3339


def only(host: Host, task: str) -> Document:
    (run,) = host.runs(task)
    return run


def daemon(command: str, **more: object) -> Document:
    return {"type": "daemon", "command": command, **more}


def told(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_run_is_tried_again_across_kills_of_the_agent_and_every_attempt_keeps_its_output(host: Host, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"echo attempt $TORCHSYNC_ATTEMPT of $TORCHSYNC_RUN_ID; [ $TORCHSYNC_ATTEMPT != 2 ] || until [ -e {go} ]; do sleep 0.05; done; exit 7"
    host.tasks(job=never(script, retry={"attempts": 3, "delay": "12s", "backoff": 1}))
    host.configure()
    host.start()
    wait_for("the task", lambda: host.torchsync("run", "job").returncode == 0)
    wait_for("the end of the first attempt", lambda: only(host, "job")["state"] == "waiting")
    wait_for("that to be logged", lambda: retries(host) == [1])  # The ledger knows of it before.
    first = only(host, "job")
    host.kill()
    host.start()
    waiting = only(host, "job")
    assert (waiting["id"], waiting["attempt"], waiting["attempts"]) == (first["id"], 2, 3)
    moved = parse_rfc3339(waiting["next_attempt_at"]) - parse_rfc3339(first["next_attempt_at"])
    assert abs(moved) < 4_000, "it does not begin its wait of 12 seconds anew"
    assert host.status()["runs_waiting"] == 1
    wait_for("the second attempt", lambda: only(host, "job")["state"] == "running")
    host.kill()
    go.touch()
    host.start()
    wait_for("the end", lambda: only(host, "job")["outcome"] is not None)
    over = only(host, "job")
    assert (over["outcome"], over["exit_status"], over["attempt"]) == ("failed", 7, 3)
    assert [(one["number"], one["outcome"], one["exit_status"]) for one in over["earlier_attempts"]] == [(1, "failed", 7), (2, "failed", 7)]
    lines = [f"attempt {number} of {over['id']}" for number in (1, 2, 3)]
    assert host.torchsync("logs", over["id"], "--attempt", "2").stdout == f"{lines[1]}\n"
    assert host.torchsync("logs", "job").stdout == "".join(f"... attempt {n} ...\n{line}\n" for n, line in enumerate(lines, 1))
    host.wait_for_metric('torchsync_task_runs_total{task="job",result="failed"}', 1)
    host.wait_for_metric('torchsync_task_retries_total{task="job"}', 2)
    host.wait_for_metric('torchsync_task_consecutive_failures{task="job"}', 1)
    assert retries(host) == [1, 2]


def retries(host: Host) -> list[int]:
    return [event["attempt"] for event in host.events() if event["event"] == "run_retried"]


def test_a_pending_retry_is_stopped_by_its_run_and_kept_waiting_by_a_drain(host: Host) -> None:
    host.tasks(job=never("exit 1", retry={"attempts": 20, "delay": "1s", "backoff": 1}))
    host.configure()
    host.start()
    wait_for("the task", lambda: host.torchsync("run", "job").returncode == 0)
    assert host.torchsync("drain", "--wait").returncode == 0
    attempt = only(host, "job")["attempt"]
    time.sleep(1.5)
    assert (only(host, "job")["state"], only(host, "job")["attempt"]) == ("waiting", attempt)
    assert host.torchsync("stop", only(host, "job")["id"]).returncode == 0
    over = only(host, "job")
    assert (over["outcome"], over["stop_cause"]) == ("stopped", "operator")
    assert over["detail"] == f"stopped by an operator, before attempt {attempt}"


def test_a_change_ends_a_job_that_ignores_the_signal_when_the_job_says_so(host: Host, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    stubborn = f"trap '' TERM; echo $$ >{pid}.new; mv {pid}.new {pid}; while :; do sleep 0.1; done"
    host.tasks(job=never(stubborn, on_change="stop", stop_grace="1s"), patient=never("sleep 600"))
    host.configure()
    host.start()
    for task in ("job", "patient"):
        wait_for(task, lambda task=task: host.torchsync("run", task).returncode == 0)
    wait_for("the job", pid.exists)
    (victim,) = told(pid)
    pushed = host.tasks(job=never("true", on_change="stop"), patient=never("true"))
    host.wait_for_revision(pushed)
    wait_for("the end of the job", lambda: only(host, "job")["outcome"] is not None)
    over = only(host, "job")
    assert (over["outcome"], over["stop_cause"], over["exit_status"]) == ("stopped", "changed", 137)
    assert not is_alive(victim)
    assert only(host, "patient")["outcome"] is None


def test_a_daemon_in_a_loop_of_crashes_is_not_started_more_often_since_the_agent_is_killed(host: Host, tmp_path: Path) -> None:
    """Its pauses are 1, 2 and 4 seconds at least, however often an agent begins."""
    starts = tmp_path / "starts"
    host.tasks(loop=daemon(f"date +%s.%N >>{starts}; exit 3", restart={"delay": "1s", "backoff": 2, "max_delay": "1m"}))
    host.configure()
    host.start()
    wait_for("the first start", starts.exists)

    def is_there_after_another_kill() -> bool:
        host.kill()
        host.start()
        return len(told(starts)) >= 3

    wait_for("the third start", is_there_after_another_kill)
    moments = [float(line) for line in told(starts)]
    assert all(later - earlier > pause for earlier, later, pause in zip(moments, moments[1:], (1, 2, 4), strict=False))


def test_copies_that_stay_live_on_while_their_daemon_is_scaled(host: Host, tmp_path: Path) -> None:
    command = f"echo $TORCHSYNC_COPY $$ >>{tmp_path}/copies; exec sleep 600"
    host.tasks(web=daemon(command, max_running=2))
    host.configure()
    host.start()
    copies = tmp_path / "copies"
    wait_for("two copies", lambda: len(told(copies)) == 2)
    host.wait_for_revision(host.tasks(web=daemon(command, max_running=3)))
    wait_for("a third", lambda: len(told(copies)) == 3)
    host.wait_for_revision(host.tasks(web=daemon(command, max_running=1)))
    pids = dict(line.split() for line in told(copies))
    assert sorted(pids) == ["1", "2", "3"]
    wait_for("the end of two", lambda: not is_alive(pids["2"]) and not is_alive(pids["3"]))
    assert is_alive(pids["1"])
    assert len(told(copies)) == 3
