from __future__ import annotations

import pytest

from tests.core.cron_oracle import utc
from torchsync.codes import CODES
from torchsync.core.advice import Subject, advice, ignored_tasks, misnamed
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, Instant, Millis, Position, TaskName
from torchsync.errors import Problem

NOW = Instant(utc("2026-11-26") * 1_000)
NOTHING = Inventory()
FLEET = Inventory(
    hosts={"web-1": HostEntry(labels={"role": "web"}), "db-1.example.org": HostEntry(addresses=("10.2.0.7",), zone="Europe/Berlin")},
    groups={"web": ("role=web",), "empty": ("role=mail",)},
)


def subject(schedule: str | None = None, zone: str = "UTC", hosts: tuple[str, ...] = (), name: str = "t", jitter: int = 0) -> Subject:
    timing = CronTiming(schedule=schedule, zone=zone, jitter=Millis(jitter)) if schedule else None
    places = {"schedule": Position("tasks/a.yaml", 5, 16)} | {f"hosts.{n}": Position("tasks/a.yaml", 6, 13 + n) for n in range(len(hosts))}
    return Subject(name=TaskName(name), source=Position("tasks/a.yaml", 3, 3), hosts=hosts, timing=timing, places=places)


def said(*subjects: Subject, inventory: Inventory = NOTHING) -> list[Problem]:
    found = list(advice(subjects, inventory, NOW))
    assert all(problem.code in CODES and problem.hint for problem in found)
    assert all(problem.reason is None for problem in found), "a warning never rejects a commit"
    return found


@pytest.mark.parametrize(
    ("schedule", "code", "column", "words"),
    [
        ("*/7 * * * *", "TS160", 16, "56"),
        ("0 0 31 * *", "TS161", 20, "31"),
        ("0 3 1 * mon", "TS162", 20, "day"),
        ("0 30 2 1 * 5", "TS162", 23, "day"),
    ],
)
def test_what_a_schedule_does_unexpectedly_is_told_where_it_stands(schedule: str, code: str, column: int, words: str) -> None:
    problem = said(subject(schedule))[0]
    assert (problem.code, problem.path, problem.line, problem.column) == (code, "tasks/a.yaml", 5, column)
    assert words in problem.message


def test_the_nights_of_the_next_year_are_told_with_what_happens() -> None:
    (problem,) = said(subject("30 2 * * *", "Europe/Berlin"))
    assert (problem.code, problem.line, problem.column) == ("TS163", 5, 16)
    assert problem.message == (
        "Europe/Berlin: on 2027-03-28 the clock skips 02:00 to 03:00, and the fire of 02:30 is made up for at 03:00; "
        "on 2027-10-31 the clock shows 02:00 to 03:00 twice, and the fire of 02:30 comes the first time only"
    )


def test_fires_that_are_lost_or_doubled_are_counted() -> None:
    (problem,) = said(subject("*/20 2 * * *", "Europe/Berlin"))
    assert "and 3 fires from 02:00 on do not come" in problem.message
    assert "and 3 fires from 02:00 on come both times" in problem.message


def test_local_time_is_that_of_every_zone_of_the_inventory() -> None:
    inventory = Inventory(hosts={"a": HostEntry(zone="Europe/Berlin"), "b": HostEntry(zone="America/New_York"), "c": HostEntry()})
    found = said(subject("30 2 * * *", "local"), inventory=inventory)
    assert [problem.message.partition(":")[0] for problem in found] == ["America/New_York", "Europe/Berlin"]
    assert said(subject("30 2 * * *", "local")) == []


@pytest.mark.parametrize(
    "schedule", ["30 2 * * *", "*/15 * * * *", "@hourly", "@every 90s", "@startup", "@at 2027-01-01T03:00", "H H * * *", "0 0 L * *"]
)
def test_most_schedules_need_no_word(schedule: str) -> None:
    assert said(subject(schedule)) == []


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        (("web-1",), []),
        (("db-1",), []),
        (("db-1.example.org",), []),
        (("web-*",), []),
        (("10.2.0.0/16",), []),
        (("role=web",), []),
        (("@web",), []),
        (("!web-1",), []),
        ((), []),
        (("web-2",), [13]),
        (("web-1", "mail-*"), [14]),
        (("web-*", "!web-test-*"), [14]),
        (("@empty",), [13]),
        (("10.3.0.0/16", "role=mail"), [13, 14]),
    ],
)
def test_a_selector_that_no_host_answers_to_is_told(hosts: tuple[str, ...], told: list[int]) -> None:
    found = said(subject("@daily", hosts=hosts), inventory=FLEET)
    assert [(problem.code, problem.line, problem.column) for problem in found] == [("TS165", 6, column) for column in told]


def test_what_many_tasks_have_in_common_is_told_once_at_the_first_of_them() -> None:
    tasks = [subject("30 2 * * *", "Europe/Berlin", ("web-*", "!web-test-*"), f"t{n}") for n in range(4)]
    found = said(*tasks, inventory=FLEET)
    assert [(problem.code, problem.task) for problem in found] == [("TS163", "t0"), ("TS165", "t0")]
    assert all(problem.message.endswith(" (so in 3 more tasks)") for problem in found)


def test_each_task_without_a_host_is_told() -> None:
    tasks = [subject("@daily", hosts=("web-*", "!role=web"), name=f"t{n}") for n in range(3)]
    assert [problem.task for problem in said(*tasks, inventory=FLEET)] == ["t0", "t1", "t2"]


def test_a_task_that_all_its_selectors_together_leave_without_a_host_is_told() -> None:
    (problem,) = said(subject("@daily", hosts=("web-*", "!role=web")), inventory=FLEET)
    assert (problem.code, problem.line, problem.column) == ("TS165", 3, 3)
    assert problem.message == "no host of hosts.yaml runs the task"


def test_without_an_inventory_nobody_knows_which_hosts_there_are() -> None:
    assert said(subject("@daily", hosts=("web-2",))) == []


def test_a_disabled_task_and_a_daemon_are_told_of_their_hosts_only() -> None:
    assert [problem.code for problem in said(subject(None, hosts=("web-2",)), inventory=FLEET)] == ["TS165"]


def test_a_crowd_is_told_once_at_its_first_task() -> None:
    tasks = [subject("0 3 * * *", name=f"t{n:02}", hosts=("web-*",)) for n in range(25)]
    (problem,) = said(*tasks, inventory=FLEET)
    assert (problem.code, problem.task) == ("TS164", "t00")
    assert problem.message == ("25 tasks start in one minute on web-1, as at 2026-11-26T03:00Z: t00, t01, t02, t03, t04 and 20 more")


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["hosts.yml"], ["hosts.yml"]),
        (["Torchsync.YAML"], ["Torchsync.YAML"]),
        (["hosts.yml", "hosts.yaml"], []),
        (["ansible/hosts.yml"], []),
        (["tasks/a.YAML", "tasks/b.Yml", "tasks/README.md", "scripts/x.YAML"], ["tasks/a.YAML", "tasks/b.Yml"]),
    ],
)
def test_a_file_that_is_nearly_read_is_told(paths: list[str], told: list[str]) -> None:
    found = list(misnamed(paths))
    assert [problem.path for problem in found] == told
    assert all(problem.code == "TS167" and problem.hint for problem in found)


def test_a_task_file_that_git_ignores_is_told() -> None:
    found = list(ignored_tasks(["tasks/old/", "tasks/a.yaml", "tasks/a.yaml.swp", ".venv/", "scripts/x.yaml"]))
    assert [problem.path for problem in found] == ["tasks/a.yaml", "tasks/old/"]
    assert all(problem.code == "TS167" and ".gitignore" in problem.hint for problem in found)
