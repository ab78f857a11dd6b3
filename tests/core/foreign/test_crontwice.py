"""Jobs that would run twice."""

from __future__ import annotations

import pytest

from torchsync.core.checkup import Level
from torchsync.core.foreign.crontwice import TaskCommand, twice_findings
from torchsync.core.foreign.job import ForeignJob, Origin


def told(job: str, *tasks: str, line: int = 7) -> tuple[Level, str]:
    jobs = [ForeignJob(origin=Origin(path="/etc/crontab", line=line), name="job", fields={"command": job})]
    found = list(twice_findings(jobs, [TaskCommand(task=f"task-{number}", command=one) for number, one in enumerate(tasks)]))
    return found[0].level, f"{found[0].message}; {found[0].remedy}"


@pytest.mark.parametrize(
    ("job", "task"),
    [
        ("/opt/backup.sh --all", "/opt/backup.sh --all"),
        ("/opt/backup.sh   --all >/dev/null 2>&1", "/opt/backup.sh --all"),
        ("/opt/backup.sh --all >> /var/log/backup.log 2>&1", "/opt/backup.sh --all"),
        ("/opt/backup.sh --all &>/dev/null", "/opt/backup.sh --all 2>/dev/null"),
    ],
)
def test_the_same_command_runs_twice(job: str, task: str) -> None:
    level, said = told(job, "true", task)
    assert (level, said.partition(" once")[0]) == (
        Level.WARNING,
        "/etc/crontab:7 is what the task task-1 does: it runs twice; put a # in front of that line",
    )


@pytest.mark.parametrize("job", ["/etc/cron.daily/logrotate", "cd / && run-parts --report /etc/cron.daily"])
def test_a_task_that_runs_a_folder_does_what_is_in_it(job: str) -> None:
    assert told(job, "true", "run-parts /etc/cron.daily")[0] is Level.WARNING
    assert told(job, "run-parts /etc/cron.weekly")[0] is Level.OK


def test_a_script_of_a_folder_has_no_line_to_take_out() -> None:
    assert (
        "chmod -x /etc/crontab once the task has run, or `torchsync pause task-0`"
        in told("/etc/cron.daily/x", "/etc/cron.daily/x", line=0)[1]
    )


@pytest.mark.parametrize(
    ("job", "task"),
    [
        ("/usr/local/bin/backup.sh", "./scripts/backup.sh --all"),
        ("cd /srv/app && nice -n 10 /srv/app/backup.sh", "scripts/backup.sh"),
        ("flock -n /run/lock/backup.lock python3 /opt/backup.sh", "./backup.sh"),
        ("LANG=C timeout 10m backup.sh", "backup.sh --fast"),
        ("test -x /opt/backup.sh && /opt/backup.sh", "./backup.sh"),
    ],
)
def test_the_same_program_is_worth_a_note(job: str, task: str) -> None:
    level, message = told(job, task)
    assert (level, "as the task task-0 does" in message) == (Level.NOTE, True), message


@pytest.mark.parametrize(
    ("job", "task"),
    [
        ("/opt/backup.sh", "/opt/report.sh"),
        ("/opt/backup.sh --all", "cat /opt/backup.sh"),
        ("find /tmp -mtime +7 -delete", "find /var -name core -delete"),
        ("curl -fsS https://example.org/ping", "curl https://example.com/other"),
        ("sh -c 'rm -rf /tmp/x'", "sh -c 'true'"),
        ("cd /srv/app", "cd /srv/app; true"),
        ("echo 'unbalanced", "echo other"),
        ("python3 -m one", "python3 -m two"),
    ],
)
def test_what_only_looks_alike_is_not_named(job: str, task: str) -> None:
    assert told(job, task) == (Level.OK, "1 jobs of cron compared with 1 tasks; ")
