"""The shipped unit under a systemd that runs as PID 1: what a host promises its operators when they meet torchsync through systemctl."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.certificates import Authority
from tests.e2e.host import cron, never, wait_for
from tests.systemd.box import Box
from tests.systemd.service import CONFIG, HELD, PROCESS, SOCKET, SYSTEMD, UNIT_FILE, Document, Service

either = pytest.mark.parametrize("service", [SYSTEMD, PROCESS], indirect=True)
"""In the unit as it is shipped, and with the drop-in for the process executor."""

PATIENT = """\
import socket, sys
server = socket.create_server(("127.0.0.1", 4433))
print("up", flush=True)
sys.stdin.read()
"""
"""A remote that takes connections and never says a word."""


def signal_main(service: Service, name: str) -> None:
    service.box.run("systemctl", "kill", "--kill-who=main", f"--signal={name}", "torchsync.service", check=True)


# The start.


def test_the_service_is_up_while_its_remote_keeps_it_waiting(service: Service) -> None:
    with service.box.start("python3", "-c", PATIENT) as silent:
        assert silent.stdout is not None
        assert silent.stdout.readline() == "up\n"
        service.configure(repository={"url": "https://127.0.0.1:4433/tasks.git"})
        service.systemctl("start")
        assert service.is_running()
        assert service.status()["sync"]["last_verdict"] is None
        silent.communicate()


@either
def test_systemctl_status_shows_how_the_agent_fares(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go))})
    service.start_run("held")
    wait_for("the sentence", lambda: "1 runs in flight" in service.property("StatusText"))
    shown = service.box.run("systemctl", "status", "torchsync.service").stdout
    assert f'Status: "{service.property("StatusText")}"' in shown
    assert "1 tasks of " in shown


def test_the_packaged_files_make_the_accounts_and_the_folders(service: Service) -> None:
    box = service.box
    account = box.run("getent", "passwd", "torchsync-run", check=True).stdout.strip().split(":")
    assert account[5:] == ["/var/lib/torchsync-run", "/usr/sbin/nologin"]
    box.run("getent", "group", "torchsync-admin", check=True)
    service.systemctl("start")
    modes = box.run(
        "stat", "--format=%a %U:%G %n", "/var/lib/torchsync", "/run/torchsync", "/var/lib/torchsync-run", "/etc/torchsync", SOCKET
    )
    assert modes.stdout.splitlines() == [
        "711 root:root /var/lib/torchsync",
        "755 root:root /run/torchsync",
        "700 torchsync-run:torchsync-run /var/lib/torchsync-run",
        "755 root:root /etc/torchsync",
        f"660 root:torchsync-admin {SOCKET}",
    ]


def test_in_the_sandbox_of_the_unit_it_speaks_tls_and_checks_passwords(service: Service) -> None:
    """Both take calls of the system that a sandbox may forbid: memory with a name, and a library that is loaded late."""
    folder = service.folder
    authority = Authority(folder / "ca")
    pair = authority.issue("agent")
    passwords = folder / "passwords"
    passwords.write_text(f"u:{service.box.run('openssl', 'passwd', '-6', 'right').stdout}")
    passwords.chmod(0o600)
    service.configure(http={"tls_cert": str(pair.cert), "tls_key": str(pair.key), "basic_auth_file": str(passwords)})
    service.systemctl("start")

    def status(password: str) -> str:
        words = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(authority.cert), "--user", f"u:{password}"]
        return service.box.run("curl", *words, "https://localhost:9747/healthz").stdout

    wait_for("TLS", lambda: status("right") == "200")
    assert status("wrong") == "401"
    assert service.status()["notices"] == []


@pytest.fixture(scope="session")
def people(box: Box) -> tuple[str, str]:
    """One of the group of operators, and one who is not."""
    box.run("useradd", "--no-create-home", "--groups=torchsync-admin", "olivia", check=True)
    box.run("useradd", "--no-create-home", "mallory", check=True)
    return "olivia", "mallory"


def test_the_control_socket_is_for_the_group_and_nobody_else(service: Service, people: tuple[str, str]) -> None:
    member, stranger = people
    service.start_with({"one": never("true")})
    ask = ["curl", "--silent", "--show-error", "--fail", "--unix-socket", SOCKET, "http://localhost/api/v1/sync", "--json", "{}"]
    allowed = service.box.run(*ask, user=member)
    assert allowed.returncode == 0, allowed.stderr
    assert "ticket" in json.loads(allowed.stdout)
    denied = service.box.run(*ask, user=stranger)
    assert (denied.returncode, denied.stdout) == (7, "")


def test_an_operator_without_root_finds_the_agent_by_its_configuration(service: Service, people: tuple[str, str]) -> None:
    member, stranger = people
    service.start_with({"one": never("true")})
    config = json.loads((service.box.root / CONFIG[1:]).read_text())
    service.write_config(json.dumps({name: config[name] for name in ("version", "repository")}))
    found = service.box.run("torchsync", "status", user=member)
    assert (found.returncode, found.stderr) == (0, "")
    denied = service.box.run("torchsync", "status", user=stranger)
    assert (denied.returncode, denied.stderr.split()[1]) == (77, "TS351")


# Runs in the unit.


@either
def test_a_task_runs_as_the_packaged_user_with_a_home_of_its_own(service: Service) -> None:
    service.start_with({"who": never("id -un; cd && pwd && touch mine && rm mine")})
    service.torchsync("run", "who", "--wait")
    assert service.torchsync("logs", "who") == "torchsync-run\n/var/lib/torchsync-run\n"


def restart(service: Service) -> None:
    service.systemctl("restart")


def reload(service: Service) -> None:
    service.systemctl("reload")


def reexecute(service: Service) -> None:
    """An upgrade of systemd itself."""
    service.box.run("systemctl", "daemon-reexec", check=True)
    wait_for("systemd to be back", service.is_running)


def upgrade(service: Service) -> None:
    """As a package does it: another unit and another program in the places of the old ones, units are read again, and a restart."""
    program = service.box.root / "usr/bin/torchsync"
    target = program.readlink()
    text = (service.box.root / UNIT_FILE).read_text().replace("Description=", "Description=Upgraded: ", 1)
    with service.unit_of_another_version(text):
        program.unlink()
        program.write_text(f'#!/bin/sh\nexec {target} "$@"\n')
        program.chmod(0o755)
        service.box.run("systemctl", "daemon-reload", check=True)
        service.systemctl("try-restart")
        assert service.property("Description").startswith("Upgraded: ")
        program.unlink()
        program.symlink_to(target)


def stop_and_start(service: Service) -> None:
    service.systemctl("stop")
    assert (service.property("ActiveState"), service.property("Result")) == ("inactive", "success")
    assert service.box.run("test", "-d", "/run/torchsync").returncode == 0
    service.systemctl("start")


def kill(service: Service) -> None:
    signal_main(service, "KILL")
    wait_for("Restart= to act", lambda: service.property("NRestarts") != "0" and service.is_running())


def hang(service: Service) -> None:
    service.drop_in("[Service]\nWatchdogSec=10s\n")  # not so few that it acts on an agent that a busy machine keeps waiting
    service.systemctl("restart")
    signal_main(service, "STOP")
    wait_for("the watchdog to act", lambda: service.property("NRestarts") != "0" and service.is_running())
    assert any("Watchdog timeout" in line for line in systemd_says(service))


def systemd_says(service: Service) -> list[str]:
    service.sync_journal()
    return service.box.run("journalctl", "--unit=torchsync.service", "--identifier=systemd", "--output=cat").stdout.splitlines()


@either
@pytest.mark.parametrize(
    ("interrupt", "is_another"),
    [
        pytest.param(restart, True, id="systemctl restart"),
        pytest.param(upgrade, True, id="an upgrade of the package"),
        pytest.param(reload, False, id="systemctl reload"),
        pytest.param(reexecute, False, id="systemctl daemon-reexec"),
        pytest.param(stop_and_start, True, id="systemctl stop and start"),
        pytest.param(kill, True, id="kill -9"),
        pytest.param(hang, True, id="the watchdog"),
    ],
)
def test_a_run_in_flight_outlives(service: Service, interrupt: Callable[[Service], None], is_another: bool) -> None:
    service.start_with({"held": never(HELD.format(service.go))})
    run, agent = service.start_run("held"), service.main_pid()
    interrupt(service)
    assert (service.main_pid() != agent) == is_another
    assert service.shim(run) in service.pids()
    assert service.runs("held")[0]["outcome"] is None
    service.go.touch()
    ended = service.ended("held")
    assert (ended["id"], ended["outcome"], ended["exit_status"]) == (run["id"], "failed", 3)
    assert service.torchsync("logs", "held") == "begun\ndone\n"
    assert ("run_adopted" in events(service)) == is_another


@either
def test_a_run_that_ends_while_the_service_is_stopped_is_recorded(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go))})
    run = service.start_run("held")
    service.systemctl("stop")
    service.go.touch()
    wait_for("the run to end", lambda: not service.pids())
    service.systemctl("start")
    ended = service.ended("held")
    assert (ended["id"], ended["outcome"], ended["exit_status"]) == (run["id"], "failed", 3)
    assert service.torchsync("logs", "held") == "begun\ndone\n"


# A reboot.


@either
@pytest.mark.parametrize(
    ("how", "outcome", "status"),
    [
        pytest.param([], "failed", 143, id="an orderly one ends runs by TERM"),
        pytest.param(["--force", "--force"], "lost", None, id="the reset button"),
    ],
)
def test_after_a_reboot_the_last_good_tasks_run_without_the_remote_and_what_ran_is_told(
    service: Service, how: list[str], outcome: str, status: int | None
) -> None:
    service.start_with({"held": never(HELD.format(service.go)), "beat": cron("true")})
    run = service.start_run("held")
    service.systemctl("enable")
    service.lose_remote()
    service.box.reboot(*how)
    wait_for("the service to be up", service.is_running)
    ended, beats = service.ended("held"), len(service.runs("beat"))
    assert (ended["id"], ended["outcome"], ended["exit_status"]) == (run["id"], outcome, status)
    wait_for("the schedule to go on", lambda: len(service.runs("beat")) > beats)


# Control groups.

ESCAPES = f"setsid --fork env -i /bin/sh -c 'setsid --fork sleep 1000; sleep 1000'; {HELD}"
"""Starts two processes that leave its session and forget its environment."""


@either
def test_the_command_of_a_run_has_a_control_group_and_its_shim_stays_outside(service: Service) -> None:
    service.start_with({"held": never(HELD.format(service.go))})
    run = service.start_run("held")
    assert service.property("Delegate") == "yes"
    assert service.pids(service.group_of(run))
    beside = {service.main_pid()} if service.executor == PROCESS else set()
    wait_for(  # a sync of the agent is beside it now and then
        "nothing but the shim and the agent to be outside",
        lambda: service.pids(service.home_of(run), depth=0) == {service.shim(run), *beside},
    )
    service.go.touch()
    service.ended("held")
    wait_for("the group to go", lambda: not service.has_group(run))


@either
@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(None, id="by the agent that began it"),
        pytest.param(restart, id="after a restart"),
        pytest.param(stop_and_start, id="after a stop and a start"),
    ],
)
def test_a_stop_reaches_what_left_the_session_and_forgot_its_environment(
    service: Service, interrupt: Callable[[Service], None] | None
) -> None:
    service.start_with({"escapes": never(ESCAPES.format(service.go), stop_grace="1s")})
    run = service.start_run("escapes")
    wait_for("the escape", lambda: len(service.pids(service.group_of(run))) >= 4)
    if interrupt:
        interrupt(service)
    service.torchsync("stop", "escapes")
    assert service.ended("escapes")["outcome"] == "stopped"
    wait_for("the group to go", lambda: not service.has_group(run))
    wait_for("its shim to go", lambda: len(service.pids()) == 1)


# Reloads and bad configurations.


def labels(service: Service) -> Document:
    found: Document = service.status()["facts"]["labels"]
    return found


def test_a_reload_with_a_bad_configuration_fails_and_changes_nothing(service: Service) -> None:
    service.systemctl("start")
    agent = service.main_pid()
    service.write_config("version: 1\nrepository: {url: 7}\n")
    done = service.box.run("systemctl", "reload", "torchsync.service")
    assert done.returncode != 0
    assert (service.is_running(), service.main_pid(), labels(service)) == (True, agent, {"role": "test"})
    assert any("agent.yaml:2" in entry["MESSAGE"] for entry in service.journal())


def test_a_reload_has_taken_effect_when_systemctl_returns(service: Service) -> None:
    service.systemctl("start")
    service.configure(host={"labels": {"role": "other"}})
    service.systemctl("reload")
    assert labels(service) == {"role": "other"}


def test_a_start_with_a_bad_configuration_is_tried_until_it_is_mended(service: Service) -> None:
    service.drop_in("[Service]\nRestartSec=100ms\n")
    service.write_config("version: 1\nrepository: {url: 7}\n")
    assert service.box.run("systemctl", "start", "torchsync.service").returncode != 0
    wait_for("its status, which is that of the last try until the next one begins", lambda: service.property("ExecMainStatus") == "78")
    assert ("3", True) in {(entry["PRIORITY"], "agent.yaml:2" in entry["MESSAGE"]) for entry in service.journal()}
    wait_for("more tries than systemd allows by default", lambda: int(service.property("NRestarts")) > 5)
    service.configure()
    wait_for("the service to be up", service.is_running)


# The journal.


def events(service: Service) -> set[str]:
    return {entry["TORCHSYNC_EVENT"] for entry in service.journal() if "TORCHSYNC_EVENT" in entry}


def test_the_journal_has_our_lines_with_their_priorities(service: Service) -> None:
    service.start_with({"bad": never("exit 1")})
    service.box.run("torchsync", "run", "bad", "--wait")
    service.write_config("version: 2\n")
    service.box.run("systemctl", "reload", "torchsync.service")
    found = {entry["TORCHSYNC_EVENT"]: entry["PRIORITY"] for entry in service.journal() if "TORCHSYNC_EVENT" in entry}
    wanted = {"agent_started": "6", "sync_applied": "6", "run_started": "6", "run_failed": "4", "config_refused": "3"}
    assert {event: found.get(event) for event in wanted} == wanted
    assert not [entry["MESSAGE"] for entry in service.journal() if entry["MESSAGE"].startswith(("<", "{"))]
