"""`torchsync doctor` beside a real agent and a real repository: everything at once, and nothing is changed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.host import Host, environment, never, wait_for

Report = dict[str, Any]


def doctor(host: Host, *words: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit status, and the findings by group and name."""
    argv = [sys.executable, "-m", "torchsync", "doctor", "--config", str(host.config), "--json", *words]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=False, timeout=120)
    assert done.stderr == ""
    report: Report = json.loads(done.stdout)
    assert report["exit_status"] == done.returncode
    return done.returncode, {f"{check['group']} {check['name']}": check["findings"] for check in report["checks"]}


def worst(findings: list[dict[str, Any]]) -> tuple[str, str]:
    return findings[0]["level"], findings[0]["message"]


def unknowns(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [finding["message"] for findings in found.values() for finding in findings if finding["level"] == "unknown"]


def prints(folder: Path) -> dict[str, str]:
    """Every file below, by its content and mode, but for the ledger, which is being written."""
    files = (path for path in folder.rglob("*") if path.is_file() and "ledger" not in path.name)
    return {str(path): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files}


def test_on_a_host_that_works_there_is_no_problem_and_nothing_is_changed(host: Host) -> None:
    revision = host.tasks(idle=never("true"))
    host.configure(repository={"interval": "1h"})  # So that the agent itself changes nothing meanwhile.
    host.start()
    host.wait_for_revision(revision)
    wait_for("the sync process to be gone", lambda: not host.children())
    before = prints(host.state), prints(host.run_folder)
    status, found = doctor(host)
    problems = [finding for findings in found.values() for finding in findings if finding["level"] in ("problem", "unknown")]
    assert (status, problems) == (0, [])
    assert f"refs/heads/main is {revision[:12]}" in worst(found["remote reached"])[1]
    assert worst(found["repository newest commit"]) == ("ok", f"{revision[:12]} is in force here, and is the newest")
    assert worst(found["agent health"]) == ("ok", "the agent is alive and ready")
    assert (prints(host.state), prints(host.run_folder)) == before
    if os.geteuid() == 0:
        ask_as_another(host)


def test_it_tells_everything_at_once_while_nothing_works(host: Host) -> None:
    host.commit({"tasks/bad.yaml": "version: 1\ntasks: {a: {schedule: sometimes, command: 'true'}}\n"})
    host.configure(policy={"max_tasks": 1}, http={"listen": f"127.0.0.1:{host.port}"})
    host.config.chmod(0o666)
    status, found = doctor(host)
    assert status == 78, "the first in order, though there are others"
    assert "others can say what this host runs" in worst(found["config owner"])[1]
    assert "tasks/bad.yaml:2" in worst(found["repository newest commit"])[1]
    assert worst(found["agent answers"])[0] == "problem"
    assert unknowns(found) == []
    assert not host.state.exists()
    host.config.chmod(0o644)
    assert doctor(host)[0] == 69, "no agent"


def test_the_verdict_of_the_host_and_its_guards_are_asked_for_against_what_is_in_force(host: Host) -> None:
    many = {f"t{number}": never("true") for number in range(12)}
    revision = host.tasks(**many)
    host.start()
    host.wait_for_revision(revision)
    host.terminate()
    host.tasks(t1=never("true"))
    status, found = doctor(host)
    assert status == 69
    refused = found["repository newest commit"][0]
    assert (refused["level"], refused["code"]) == ("problem", "TS208")
    assert "Torchsync-Allow-Removal" in refused["remedy"]


def test_an_agent_that_hangs_a_dead_remote_and_runs_without_an_agent_are_told_in_time(host: Host) -> None:
    host.tasks(long={"type": "daemon", "command": "sleep 300"})
    host.start()
    wait_for("the run", lambda: host.status()["runs_in_progress"] == 1)
    host.configure(repository={"url": f"file://{host.folder}/gone.git"})
    assert host.agent is not None
    host.agent.send_signal(signal.SIGSTOP)
    status, found = doctor(host)
    assert status == 69
    assert "holds the state and does not answer" in worst(found["agent answers"])[1]
    assert worst(found["remote reached"])[0] == "problem"
    host.agent.send_signal(signal.SIGCONT)
    host.kill()
    status, found = doctor(host, "--offline")
    assert status == 69
    assert found["remote reached"] == found["repository newest commit"] == []
    assert "go on without an agent" in worst(found["state leftovers"])[1]


def ask_as_another(host: Host) -> None:
    """An ordinary user is told what he cannot see, and is not misled."""
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    words = [*other, sys.executable, "-m", "torchsync", "doctor", "--config", str(host.config)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False, timeout=60, cwd="/")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "this user sees less than the agent's (root)" in done.stdout
    assert "only root and the agent's user can (sudo torchsync doctor): credentials files" in done.stdout
    assert "is not for this user; use sudo" in done.stdout
