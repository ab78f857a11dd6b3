"""The log in a real journal."""

from __future__ import annotations

import pytest

from tests.e2e.host import never, wait_for
from tests.systemd.service import PROCESS, SYSTEMD, Service
from torchsync.core.logevents import LogEvent


def test_a_run_is_found_in_the_journal_by_its_task_and_by_its_event(service: Service) -> None:
    service.start_with({"backup": never("exit 3"), "other": never("true")})
    service.box.run("torchsync", "run", "backup", "--wait")
    service.box.run("torchsync", "run", "other", "--wait")
    run = service.ended("backup")
    found = {entry["TORCHSYNC_EVENT"]: entry for entry in service.found_in_journal("TORCHSYNC_TASK=backup", "-t", "torchsync")}
    assert set(found) == {"control_request", "run_started", "run_failed"}
    (marked,) = service.found_in_journal(f"MESSAGE_ID={LogEvent.RUN_FAILED.message_id}")
    assert marked == found["run_failed"]
    wanted = {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "torchsync",
        "TORCHSYNC_RUN_ID": run["id"],
        "TORCHSYNC_EXIT_STATUS": "3",
        "TORCHSYNC_OUTCOME": "failed",
        "TORCHSYNC_TRIGGER": "manual",
        "_SYSTEMD_UNIT": "torchsync.service",
    }
    assert {name: marked.get(name) for name in wanted} == wanted
    assert marked["MESSAGE"].startswith("backup failed with exit status 3 after ")
    assert marked["TORCHSYNC_COMMIT"] == service.status()["generation"]["revision"]


def test_a_journal_that_is_restarted_or_killed_loses_no_line_and_ends_no_agent(service: Service) -> None:
    service.start_with({"one": never("true")})
    agent = service.main_pid()
    for how in (("restart", "systemd-journald"), ("kill", "--signal=KILL", "systemd-journald")):
        service.box.run("systemctl", *how, check=True)
        service.torchsync("run", "one", "--wait")
    wait_for("both runs", lambda: len(service.found_in_journal("TORCHSYNC_EVENT=run_ended")) == 2)
    assert service.main_pid() == agent
    assert "TS395" not in service.torchsync("status")


either = pytest.mark.parametrize("service", [PROCESS, SYSTEMD], indirect=True)


@either
def test_what_a_job_wrote_stands_in_the_journal_under_its_own_identifier(service: Service) -> None:
    service.start_with(
        {"backup": never("echo one; echo two >&2; exit 3"), "long": never("seq 1 200000"), "odd": never("head -c 65000 /dev/zero")}
    )
    service.box.run("torchsync", "run", "backup", "--wait")
    service.torchsync("run", "long", "--wait")
    service.torchsync("run", "odd", "--wait")
    wait_for("all outputs", lambda: len(service.found_in_journal("TORCHSYNC_EVENT=run_output")) == 3)
    (entry,) = service.found_in_journal("-t", "torchsync/backup")
    wanted = {"MESSAGE": "one\ntwo", "PRIORITY": "4", "TORCHSYNC_EXIT_STATUS": "3", "TORCHSYNC_RUN_ID": service.ended("backup")["id"]}
    assert {name: entry.get(name) for name in wanted} == wanted
    (long,) = service.found_in_journal("-t", "torchsync/long")
    assert long["MESSAGE"].endswith("\n199999\n200000")
    (odd,) = service.found_in_journal("-t", "torchsync/odd")
    assert odd["MESSAGE"] == "\\u0000" * 65_000, "too long for a datagram"
    shown = service.box.run(
        "journalctl", "TORCHSYNC_TASK=backup", "--no-pager", f"_PID={service.main_pid()}", check=True
    ).stdout.splitlines()
    assert [line.split(": ", 1)[-1].strip() for line in shown[-2:]] == ["one", "two"]
