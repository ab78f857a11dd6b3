"""The sample repository is valid, reads like a real one, and its scripts do what they say."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from torchsync.adapters.schemas import repository_formats
from torchsync.core.model import HostFacts, ShellCommand
from torchsync.core.selector import selects
from torchsync.core.taskset import Rejection, TaskSet, judge
from torchsync.core.treepaths import TreeEntry

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample-repo"
SCRIPTS = SAMPLE / "scripts"


def judged(folder: Path) -> TaskSet | Rejection:
    """The verdict on a commit of the folder as it is."""
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    entries = [
        TreeEntry(path=name, mode=mode(folder / name), object_id=hashlib.sha1(content).hexdigest(), size=len(content))
        for name, content in sorted(contents.items())
    ]
    return judge(entries, contents, repository_formats())


def mode(path: Path) -> str:
    return "100755" if os.access(path, os.X_OK) else "100644"


def sample_tasks() -> TaskSet:
    verdict = judged(SAMPLE)
    assert isinstance(verdict, TaskSet), "\n".join(map(str, verdict.problems))
    return verdict


def for_host(name: str, address: str = "192.0.2.1", **labels: str) -> set[str]:
    facts = HostFacts(name=name, addresses=(address,), labels=labels)
    return {task.name for task in sample_tasks().tasks if selects(task.hosts, facts)}


def test_the_repository_is_valid() -> None:
    verdict = sample_tasks()
    assert verdict.files == 5
    assert len(verdict.tasks) == 8


def test_it_shows_every_way_to_select_hosts() -> None:
    everywhere = {"disk-usage"}
    assert for_host("pc-1") == everywhere
    assert for_host("pc-1", address="10.2.7.7") == everywhere | {"database-dump", "database-vacuum"}
    assert for_host("mx", role="mail") == everywhere | {"certificate-expiry"}
    assert "rotate-logs" in for_host("web-3")
    assert "rotate-logs" not in for_host("web-test-3")


def test_the_host_of_the_demo_runs_tasks_that_any_user_may_run() -> None:
    chosen = for_host("demo")
    assert chosen == {"heartbeat", "disk-usage", "rotate-logs", "certificate-expiry", "order-worker", "order-report"}
    assert not [task.name for task in sample_tasks().tasks if task.name in chosen and task.user]


def test_every_task_has_an_owner_and_says_what_it_is_for() -> None:
    assert not [task.name for task in sample_tasks().tasks if not task.owner or not task.description]


def test_every_script_is_used_and_every_task_file_names_the_schema() -> None:
    commands = " ".join(
        task.command.text if isinstance(task.command, ShellCommand) else task.command.argv[0] for task in sample_tasks().tasks
    )
    assert not [script.name for script in SCRIPTS.iterdir() if f"./scripts/{script.name}" not in commands]
    for path in (SAMPLE / "tasks").iterdir():
        assert path.read_text().startswith("# yaml-language-server: $schema=../schemas/task.schema.json\n")


def test_a_mistake_in_it_would_be_found(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "scripts/heartbeat.sh").unlink()
    verdict = judged(tmp_path)
    assert isinstance(verdict, Rejection)
    assert [(problem.code, problem.path) for problem in verdict.problems] == [("TS132", "tasks/heartbeat.yaml")]


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / script), *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)


def test_heartbeat_names_host_instant_and_commit() -> None:
    done = run("heartbeat.sh", TORCHSYNC_HOST="demo", TORCHSYNC_SCHEDULED_AT="2026-01-01T00:00:00Z", TORCHSYNC_COMMIT="0123456789abcdef")
    assert done.stdout == "alive: demo at 2026-01-01T00:00:00Z, commit 0123456789ab\n"


@pytest.mark.parametrize(("usage", "status"), [("89%", 0), ("91%", 1)])
def test_disk_usage_fails_above_its_limit(tmp_path: Path, usage: str, status: int) -> None:
    df = tmp_path / "df"
    df.write_text(f"#!/bin/sh\necho 'Filesystem 1024-blocks Used Available Capacity Mounted on'\necho '/dev/sda1 100 90 10 {usage} /srv'\n")
    df.chmod(0o755)
    done = run("disk-usage.sh", "--limit", "90", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == status
    assert ("/srv is 91% full" in done.stdout) is (status == 1)


def test_certificate_expiry_tells_good_ending_and_unreadable(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"]
    subprocess.run([*make, "-days", "90", "-out", str(tmp_path / "good.pem")], check=True, capture_output=True)
    assert run("certificate-expiry.sh", "--days", "21", str(tmp_path)).returncode == 0
    subprocess.run([*make, "-days", "5", "-out", str(tmp_path / "soon.pem")], check=True, capture_output=True)
    done = run("certificate-expiry.sh", "--days", "21", str(tmp_path))
    assert done.returncode == 1
    assert "soon.pem: ends" in done.stdout
    assert "good.pem: good until" in done.stdout
    (tmp_path / "soon.pem").write_text("nonsense")
    assert run("certificate-expiry.sh", str(tmp_path)).returncode == 1


def test_rotate_logs_compresses_old_and_deletes_very_old(tmp_path: Path) -> None:
    day = 86400
    for name, age in (("new.log", 0), ("old.log", 3 * day), ("ancient.log.gz", 30 * day)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    for _ in range(2):
        assert run("rotate-logs.sh", LOG_DIR=str(tmp_path), KEEP_DAYS="14").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.log", "old.log.gz"]


def test_order_worker_works_off_orders_and_ends_on_term(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        worker = subprocess.Popen([str(SCRIPTS / "order-worker.sh")], env=os.environ | {"SPOOL_DIR": str(tmp_path)}, stdout=out)
    wait_until((tmp_path / "new").is_dir)
    (tmp_path / "new/order1").write_text("")
    wait_until((tmp_path / "done/order1").exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert "orders in all: 1" in run("order-report.sh", SPOOL_DIR=str(tmp_path)).stdout


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
