"""Runs that are units of systemd: the contract of executors, what systemd is told about them, and what operators do to them."""

from __future__ import annotations

import sys

import pytest

from tests.e2e.host import ROOT, never, wait_for
from tests.systemd.box import Box
from tests.systemd.service import HELD, PROCESS, SOCKET, Document, Service

UNIT_OF_RUN = "torchsync-run-{}.service"


def inside(box: Box, *words: str) -> None:
    """The tests passed, run inside of the box."""
    pytest_words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words]
    done = box.run("env", f"--chdir={ROOT}", "TORCHSYNC_TEST_UNITS=1", *pytest_words, patience=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_the_contract_holds_for_units(box: Box) -> None:
    inside(box, "tests/systemd/inside.py")


def test_what_holds_for_shims_that_are_children_holds_for_units(box: Box) -> None:
    """The tests of the process executor: users and groups, words, environments, output, stopping, recovery, full disks."""
    files = [f"tests/adapters/test_process{name}.py" for name in ("", "_identity", "_recovery", "_removed")]
    inside(box, *files, "-k", "not dash and not bash and not busybox")


def show(service: Service, run: Document, *names: str) -> dict[str, str]:
    words = [f"--property={name}" for name in names]
    lines = service.box.run("systemctl", "show", UNIT_OF_RUN.format(run["id"]), *words, check=True).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_nothing_of_systemd_ends_a_run_or_limits_it(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go), stop_grace="7s")})
    run = service.start_run("held")
    wanted = {
        "ActiveState": "active",
        "Slice": "torchsync.slice",
        "RuntimeMaxUSec": "infinity",
        "TimeoutStartUSec": "infinity",
        "TimeoutStopUSec": "7s",
        "TasksMax": "infinity",
        "MemoryMax": "infinity",
        "CPUQuotaPerSecUSec": "infinity",
        "OOMPolicy": "continue",
        "Restart": "no",
        "Environment": "",
    }
    assert show(service, run, *wanted) == wanted
    service.go.touch()
    service.ended("held")


def test_limits_of_a_task_are_those_of_its_unit(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go), limits={"memory": "64MiB", "cpu": "150%", "pids": 20})})
    run = service.start_run("held")
    wanted = {"MemoryMax": str(64 * 1024 * 1024), "CPUQuotaPerSecUSec": "1.500000s", "TasksMax": "21"}
    assert show(service, run, *wanted) == wanted
    service.go.touch()
    service.ended("held")


def test_the_environment_has_nothing_of_systemd(service: Service) -> None:
    service.start_with({"env": never("env | cut -d= -f1 | sort")})
    service.torchsync("run", "env", "--wait")
    names = {name for name in service.torchsync("logs", "env").split() if not name.startswith("TORCHSYNC_")}
    assert names == {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "USER"}


def test_the_environment_of_a_task_is_in_no_property_of_its_unit(service: Service) -> None:
    """Every user may read those. The script that holds it is gone once it has been read."""
    service.start_with({"held": never(HELD.format(service.go), env={"PLANTED": "not-for-everybody"})})
    run = service.start_run("held")
    unit = UNIT_OF_RUN.format(run["id"])
    for verb in ("show", "cat", "status"):
        assert "not-for-everybody" not in service.box.run("systemctl", verb, "--no-pager", "--full", unit, check=True).stdout
    wait_for("the script to go", lambda: service.box.run("ls", "/run/torchsync/starting", check=True).stdout == "")
    service.go.touch()
    service.ended("held")


def test_what_a_run_used_is_known_where_the_kernel_counts_it(service: Service) -> None:
    service.start_with({"works": never("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")})
    service.torchsync("run", "works", "--wait")
    run = service.ended("works")
    assert 0.01 < run["cpu_seconds"] < 60
    counts_memory = "memory" in service.box.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split()
    assert (run["memory_peak_bytes"] is not None) == counts_memory
    assert f"{run['cpu_seconds']:.2f} s" in service.torchsync("history", "works")
    told = service.box.run("curl", "--silent", "--unix-socket", SOCKET, "http://localhost/metrics", check=True).stdout
    assert f'torchsync_task_last_run_cpu_seconds{{task="works"}} {run["cpu_seconds"]}' in told


def test_words_arrive_as_they_are(service: Service) -> None:
    words = ["$HOME", "${x}", "%n", "%%", "a b", "it's", '"', "\\", ";", "*", "", "--", "é"]
    service.start_with({"words": never(["printf", "<%s>", *words])})
    service.torchsync("run", "words", "--wait")
    assert service.torchsync("logs", "words").strip() == "".join(f"<{word}>" for word in words)


def test_a_command_that_says_203_has_failed_and_one_that_is_not_there_has_not_begun(service: Service) -> None:
    """systemd itself cannot tell the two: 203 is what its own step before the exec would say."""
    service.start_with({"says": never("exit 203"), "missing": never(["no-such-program"])})
    for task in ("says", "missing"):
        service.box.run("torchsync", "run", task, "--wait")
    said, missing = service.ended("says"), service.ended("missing")
    assert (said["outcome"], said["exit_status"]) == ("failed", 203)
    assert (missing["outcome"], missing["exit_status"]) == ("start_failed", None)
    assert "no such program" in missing["detail"]


def test_what_a_command_leaves_behind_lives_on_and_its_unit_goes_with_it(service: Service) -> None:
    service.start_with({"leaves": never(f"setsid --fork sh -c 'while [ ! -e {service.go} ]; do sleep 0.1; done'; exit 4")})
    service.box.run("torchsync", "run", "leaves", "--wait")
    run = service.ended("leaves")
    assert (run["outcome"], run["exit_status"]) == ("failed", 4)
    assert show(service, run, "ActiveState") == {"ActiveState": "active"}
    service.go.touch()
    wait_for("the unit to go", lambda: show(service, run, "LoadState") == {"LoadState": "not-found"})


@pytest.mark.parametrize("verb", ["stop", "reset-failed"])
def test_an_operator_of_systemd_is_told_of_truly(service: Service, verb: str) -> None:
    """A unit that is stopped by hand gets TERM, and what it came to is known although systemd has forgotten it and no agent ran."""
    service.start_with({"held": never(HELD.format(service.go))})
    run = service.start_run("held")
    service.systemctl("stop")
    if verb == "stop":
        service.box.run("systemctl", "stop", UNIT_OF_RUN.format(run["id"]), check=True)
    else:
        service.go.touch()
        wait_for("the run to end", lambda: not service.pids())
        service.box.run("systemctl", "reset-failed", check=True)
    service.systemctl("start")
    ended = service.ended("held")
    assert (ended["outcome"], ended["exit_status"]) == ("failed", 143 if verb == "stop" else 3)


def test_a_run_goes_on_when_the_executor_is_another_one_after_a_restart(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go)), "next": never("true")})
    run = service.start_run("held")
    service.configure(executor=PROCESS)
    service.drop_in((ROOT / "systemd/torchsync.service.d/process-executor.conf").read_text())
    service.systemctl("restart")
    assert service.status()["executor"] == PROCESS
    assert service.pids(service.group_of(run))
    service.torchsync("stop", "held")
    assert service.ended("held")["outcome"] == "stopped"
    wait_for("the group to be empty", lambda: not service.pids(service.group_of(run)))


def test_auto_is_systemd_here_and_says_so(service: Service) -> None:
    service.configure(executor="auto")
    service.systemctl("start")
    assert service.status()["executor"] == "systemd"
    assert any(entry.get("TORCHSYNC_EXECUTOR") == "systemd" for entry in service.journal())
    assert "executor   systemd" in service.torchsync("facts")


def test_a_process_executor_in_the_sandbox_is_told_of(service: Service) -> None:
    service.configure(executor=PROCESS)
    service.systemctl("start")
    assert any("process-executor.conf" in entry["MESSAGE"] for entry in service.journal())


def test_a_systemd_executor_that_cannot_work_ends_the_agent_with_78(service: Service) -> None:
    done = service.box.run("torchsync", "agent", "--check", "--config", "/etc/torchsync/agent.yaml")
    assert done.returncode == 0, done.stderr
    done = service.box.run("unshare", "--mount", "sh", "-c", "umount -l /sys/fs/cgroup && torchsync agent --check")
    assert (done.returncode, "`executor: systemd` cannot work: control groups" in done.stderr) == (78, True), done.stderr


def test_runs_that_start_while_systemd_executes_itself_anew_start_once(service: Service) -> None:
    """It breaks the connection then, maybe before and maybe after it heard of the run."""
    service.start_with({"one": never("true")})
    service.box.run("sh", "-c", "for i in 1 2 3; do systemctl daemon-reexec & torchsync run one --wait || exit; wait; done", check=True)
    assert [run["outcome"] for run in service.runs("one")] == ["succeeded"] * 3


def test_a_command_of_a_notice_is_outside_of_the_sandbox_of_the_agent(service: Service) -> None:
    told, started = service.folder / "told", service.folder / "started"
    told.touch()
    told.chmod(0o666)
    script = f'echo "$TORCHSYNC_TEXT: $(cat "$TORCHSYNC_OUTPUT") $(grep NoNewPrivs /proc/self/status) cost \\$5 %h" >{told}'
    slow = f"touch {started}; exec sleep 1000"
    service.folder.chmod(0o777)
    service.start_with(
        {
            "quick": never("echo it broke; exit 3", notify=[{"on": ["failure"], "exec": ["/bin/sh", "-c", script]}]),
            "slow": never("exit 3", notify=[{"on": ["failure"], "exec": ["/bin/sh", "-c", slow]}]),
        }
    )
    service.torchsync("run", "quick")
    wait_for("the notice", lambda: told.read_text() != "")
    assert told.read_text() == "quick on h1 failed with exit status 3: it broke NoNewPrivs:\t0 cost $5 %h\n"
    service.torchsync("run", "slow")
    wait_for("the second command", started.exists)
    assert "torchsync-notice-" in service.box.run("systemctl", "list-units", "torchsync-notice-*", "--plain", "--no-legend").stdout
    service.systemctl("stop")
    wait_for("it to end with its agent", lambda: service.box.run("pgrep", "-f", "sleep 1000").returncode == 1)


def test_a_command_that_systemd_could_not_start_is_run_later(service: Service) -> None:
    told = service.folder / "told"
    service.folder.chmod(0o777)
    service.start_with({"one": never("exit 3", notify=[{"on": ["failure"], "exec": ["/bin/sh", "-c", f"echo yes >{told}"]}])})
    service.box.run("systemctl", "stop", "dbus.socket", "dbus.service", check=True)
    dead = service.box.root / "run/dbus/system_bus_socket"
    dead.parent.mkdir(exist_ok=True)
    dead.touch()
    try:
        service.torchsync("run", "one")
        wait_for("it to be put off", lambda: any(entry.get("TORCHSYNC_EVENT") == "notice_delayed" for entry in service.journal()))
        assert not told.exists()
    finally:
        dead.unlink(missing_ok=True)
        service.box.run("systemctl", "start", "dbus.socket", check=True)
    wait_for("it to be run", told.exists)
