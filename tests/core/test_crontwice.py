"""Jobs that would run twice."""

from __future__ import annotations

import pytest

from torchsync.core.checkup import Level
from torchsync.core.crontwice import CronLine, TaskCommand, cron_lines, twice_findings

CRONTAB = r"""
# m h dom mon dow command
MAILTO=ops@example.org
PATH = /usr/bin
30 2 * * *  /opt/backup.sh --all >/dev/null 2>&1
@daily /opt/report.sh
  */5 * * * *	date +\%F%into its input
not a job
17 * * *
"""


def commands(text: str, *, has_user: bool = False) -> list[tuple[int, str]]:
    return [(job.line, job.command) for job in cron_lines("/crontab", text, has_user=has_user)]


def test_the_jobs_of_a_crontab_are_found_and_nothing_else_is_one() -> None:
    assert commands(CRONTAB) == [(5, "/opt/backup.sh --all >/dev/null 2>&1"), (6, "/opt/report.sh"), (7, "date +%F")]


def test_a_crontab_of_the_system_names_a_user_first() -> None:
    assert commands("0 1 * * * root cd / && run-parts --report /etc/cron.hourly\n", has_user=True) == [
        (1, "cd / && run-parts --report /etc/cron.hourly")
    ]


def told(job: str, *tasks: str) -> tuple[Level, str]:
    jobs = [CronLine(path="/etc/crontab", line=7, command=job)]
    found = list(twice_findings(jobs, [TaskCommand(task=f"task-{number}", command=one) for number, one in enumerate(tasks)]))
    return found[0].level, found[0].message


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
    assert told(job, "true", task) == (Level.WARNING, "/etc/crontab:7 has the command of the task task-1: it runs twice")


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
    assert told(job, task) == (Level.OK, "1 jobs of cron compared with 1 tasks")
