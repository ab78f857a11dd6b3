"""Task files: defaults, types, and the rules between fields."""

from __future__ import annotations

from textwrap import dedent

import pytest

from torchsync.adapters.schemas import read_schema
from torchsync.core.model import (
    AlertLimits,
    Conduct,
    CronTiming,
    DaemonTiming,
    Limits,
    Misfire,
    Overlap,
    Position,
    ProgramCommand,
    Retry,
    Severity,
    ShellCommand,
    Task,
)
from torchsync.core.taskfile import TaskFileReader
from torchsync.errors import Problem

READER = TaskFileReader(read_schema("task"))
PATH = "tasks/db.yaml"


def problems_of(text: str) -> tuple[Problem, ...]:
    return READER.read(PATH, dedent(text).encode())[1]


def tasks_of(text: str) -> dict[str, Task]:
    drafts, problems = READER.read(PATH, dedent(text).encode())
    assert not problems, "\n".join(map(str, problems))
    return {draft.task.name: draft.task for draft in drafts}


def cron(fields: str, defaults: str = "{}") -> str:
    """A file whose only task is a cron task with these fields, in braces."""
    return f"version: 1\ndefaults: {defaults}\ntasks:\n  t: {{schedule: '@hourly', command: 'true', {fields}}}\n"


def daemon(fields: str, defaults: str = "{}") -> str:
    return f"version: 1\ndefaults: {defaults}\ntasks:\n  t: {{type: daemon, command: 'true', {fields}}}\n"


def test_a_task_says_everything_it_can() -> None:
    task = tasks_of(
        """\
        version: 1
        tasks:
          nightly-backup:
            description: Dump and ship
            owner: team-db
            runbook: https://wiki.example.org/backup
            labels: {tier: gold}
            schedule: "0 30 2 * * *"
            timezone: Europe/Berlin
            command: ./scripts/backup.sh --all
            shell: /bin/bash
            working_dir: scripts
            user: deploy
            group: press
            umask: "0027"
            env: {LEVEL: "9"}
            env_file: ~/backup.env
            credentials: [db-password, slack]
            limits: {files: 4096, nice: -5, io: "best-effort:7", memory: 2GiB, cpu: 150%, pids: 100}
            hosts: ["db-*", "!db-test-*"]
            max_running: 3
            overlap: skip
            starting_deadline: 5m
            misfire: skip
            timeout: 2h
            stop_signal: SIGINT
            stop_grace: 30s
            success_exit_codes: [3, 0]
            output: {max_size: 50MiB}
            alert: {severity: critical, max_age: 26h, max_duration: 3h, failures: 3}
        """
    )["nightly-backup"]
    assert task.timing == CronTiming(schedule="0 30 2 * * *", zone="Europe/Berlin", starting_deadline=300_000, timeout=7_200_000)
    assert task.command == ShellCommand("./scripts/backup.sh --all", "/bin/bash")
    assert (task.description, task.owner, task.runbook) == ("Dump and ship", "team-db", "https://wiki.example.org/backup")
    assert (task.labels, task.env, task.hosts) == ({"tier": "gold"}, {"LEVEL": "9"}, ("db-*", "!db-test-*"))
    assert (task.working_dir, task.user, task.max_running) == ("scripts", "deploy", 3)
    assert (task.stop_signal, task.stop_grace, task.success_exit_codes) == ("INT", 30_000, (0, 3))
    assert (task.output_max, task.severity) == (50 * 1024 * 1024, Severity.CRITICAL)
    assert task.alert == AlertLimits(max_age=93_600_000, max_duration=10_800_000, failures=3)
    assert task.source == Position(PATH, 3, 3)
    assert (task.group, task.umask, task.env_file, task.credentials) == ("press", "027", "~/backup.env", ("db-password", "slack"))
    assert task.limits == Limits(files=4096, nice=-5, io="best-effort:7", memory=2 << 30, cpu=150, pids=100)


def test_a_task_that_says_little_takes_the_documented_defaults() -> None:
    task = tasks_of(cron(""))["t"]
    assert task.timing == CronTiming(schedule="@hourly", zone="UTC", starting_deadline=60_000, timeout=0)
    assert (task.enabled, task.hosts, task.max_running, task.user, task.working_dir) == (True, (), 1, "", "")
    assert (task.stop_signal, task.stop_grace, task.success_exit_codes, task.output_max) == ("TERM", 10_000, (0,), 10_485_760)
    assert task.severity is Severity.WARNING
    assert task.alert == AlertLimits(max_age=None, max_duration=0, failures=1)
    assert (task.group, task.umask, task.env_file, task.credentials, task.limits) == ("", "022", "", (), Limits())


def test_a_limit_of_age_is_given_found_or_off() -> None:
    ages = {"auto": None, "off": 0, "2d": 172_800_000}
    assert {text: tasks_of(cron(f"alert: {{max_age: {text}}}"))["t"].alert.max_age for text in ages} == ages


def test_a_limit_of_age_that_all_tasks_have_by_default_means_nothing_for_a_daemon() -> None:
    assert tasks_of(daemon("", "{alert: {max_age: 26h, failures: 5}}"))["t"].alert == AlertLimits(failures=5)


def test_a_daemon_takes_the_documented_defaults() -> None:
    task = tasks_of(daemon(""))["t"]
    assert task.timing == DaemonTiming(delay=1_000, backoff=2.0, max_delay=60_000, reset_after=60_000)


def test_a_daemon_says_how_it_is_started_again() -> None:
    task = tasks_of(daemon("restart: {delay: 5s, backoff: 1.5, max_delay: 5m, reset_after: 10m}"))["t"]
    assert task.timing == DaemonTiming(delay=5_000, backoff=1.5, max_delay=300_000, reset_after=600_000)


def test_a_task_says_how_often_a_run_is_tried() -> None:
    timing = tasks_of(cron("retry: {attempts: 5, delay: 1m, backoff: 1.5, max_delay: 1h}"))["t"].timing
    assert timing == CronTiming(schedule="@hourly", retry=Retry(attempts=5, delay=60_000, backoff=1.5, max_delay=3_600_000))
    assert tasks_of(cron("retry: {}"))["t"].timing == CronTiming(schedule="@hourly", retry=Retry(attempts=3))
    assert tasks_of(cron("retry: {delay: 1s}", "{retry: {attempts: 4}}"))["t"].timing.retry == Retry(attempts=4, delay=1_000)


@pytest.mark.parametrize("field", ["retry: null", "retry: {attempts: 1}"])
def test_one_attempt_is_no_retry(field: str) -> None:
    assert tasks_of(cron(field, "{retry: {attempts: 4}}"))["t"].timing.retry is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (cron(""), (None, None)),
        (cron("on_change: stop"), (Conduct.STOP, None)),
        (cron("on_remove: stop, on_change: finish"), (None, Conduct.STOP)),
        (daemon("on_change: finish, on_remove: stop"), (Conduct.FINISH, None)),
    ],
)
def test_what_copies_do_anyway_is_the_same_written_down_or_not(text: str, expected: tuple[Conduct | None, Conduct | None]) -> None:
    task = tasks_of(text)["t"]
    assert (task.on_change, task.on_remove) == expected


def test_a_list_is_a_program_and_its_arguments() -> None:
    task = tasks_of("version: 1\ntasks: {t: {schedule: '@daily', command: [echo, $HOME, 'a b']}}\n")["t"]
    assert task.command == ProgramCommand(("echo", "$HOME", "a b"))


@pytest.mark.parametrize(
    ("fields", "defaults", "attribute", "expected"),
    [
        pytest.param("", "{owner: team-a}", "owner", "team-a", id="a default holds"),
        pytest.param("owner: team-b", "{owner: team-a}", "owner", "team-b", id="the task wins"),
        pytest.param("owner: null", "{owner: team-a}", "owner", "", id="null removes"),
        pytest.param("env: {B: '2'}", "{env: {A: '1', B: '1'}}", "env", {"A": "1", "B": "2"}, id="mappings merge by key"),
        pytest.param("env: {A: null}", "{env: {A: '1', B: '1'}}", "env", {"B": "1"}, id="null removes a key"),
        pytest.param("env: null", "{env: {A: '1'}}", "env", {}, id="null removes a mapping"),
        pytest.param("env: {A: null}", "{}", "env", {}, id="null removes what is not there"),
        pytest.param("hosts: [b]", "{hosts: [a]}", "hosts", ("b",), id="lists replace"),
        pytest.param("limits: {nice: 0}", "{limits: {files: 64, nice: 5}}", "limits", Limits(files=64, nice=0), id="limits merge"),
        pytest.param("limits: {files: null}", "{limits: {files: 64, nice: 5}}", "limits", Limits(nice=5), id="null removes a limit"),
        pytest.param("credentials: []", "{credentials: [a]}", "credentials", (), id="an empty list of secrets"),
        pytest.param("", "{hosts: [a]}", "hosts", ("a",), id="a default list"),
        pytest.param("", "{owner: null}", "owner", "", id="a default of null is none"),
        pytest.param("alert: {}", "{alert: {severity: info}}", "severity", Severity.INFO, id="an empty mapping changes nothing"),
    ],
)
def test_defaults_merge_per_key(fields: str, defaults: str, attribute: str, expected: object) -> None:
    assert getattr(tasks_of(cron(fields, defaults))["t"], attribute) == expected


def test_a_default_that_does_not_apply_to_the_type_of_a_task_is_left_out() -> None:
    defaults = "{timezone: Europe/Berlin, schedule: '@daily', timeout: 1h, restart: {delay: 5s}}"
    assert isinstance(tasks_of(daemon("", defaults))["t"].timing, DaemonTiming)
    assert isinstance(tasks_of(cron("", defaults))["t"].timing, CronTiming)


@pytest.mark.parametrize("text", ["TERM", "SIGTERM"])
def test_a_signal_may_be_written_with_or_without_sig(text: str) -> None:
    assert tasks_of(cron(f"stop_signal: {text}"))["t"].stop_signal == "TERM"


@pytest.mark.parametrize(
    "field",
    ["schedule: '@daily'", "timezone: UTC", "overlap: skip", "misfire: skip", "starting_deadline: 1m", "timeout: 1h", "retry: {}"],
)
def test_a_field_of_cron_tasks_is_refused_for_a_daemon(field: str) -> None:
    (problem,) = problems_of(daemon(field))
    assert (problem.code, problem.task, problem.line, problem.column) == ("TS114", "t", 4, 38)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        pytest.param(cron("restart: {delay: 5s}"), "TS114", "`restart` is not for a cron task", id="restart of a cron task"),
        pytest.param(daemon("alert: {max_age: 26h}"), "TS114", "`alert.max_age` is not for a daemon", id="an age of a daemon"),
        pytest.param(daemon("max_running: 0"), "TS114", "`max_running` must be at least 1", id="a daemon without copies"),
        pytest.param(cron("retry: {delay: 1h}"), "TS114", "`retry.delay` is longer", id="delay of a retry beyond its maximum"),
        pytest.param(cron("retry: {attempts: 0}"), "TS111", "`retry.attempts` must be a whole number from 1 to 100", id="no attempt"),
        pytest.param(cron("retry: 3"), "TS111", "`retry` must be", id="retry as a number"),
        pytest.param(cron("on_change: kill"), "TS111", "`on_change` must be", id="an unknown way to take a change"),
        pytest.param(daemon("restart: {delay: 2m}"), "TS114", "`restart.delay` is longer", id="delay beyond its maximum"),
        pytest.param("version: 1\ntasks: {t: {command: x}}", "TS112", "lacks `schedule`", id="no schedule"),
        pytest.param("version: 1\ntasks: {t: {schedule: '@daily'}}", "TS112", "lacks `command`", id="no command"),
        pytest.param("version: 1\ntasks: {t: {type: daemon}}", "TS112", "lacks `command`", id="a daemon without command"),
        pytest.param("tasks: {t: {type: daemon, command: x}}", "TS112", "lacks `version`", id="no version"),
        pytest.param("version: 1", "TS112", "lacks `tasks`", id="no tasks"),
        pytest.param("version: 1\ntasks: {}", "TS111", "with at least one", id="tasks empty"),
        pytest.param("version: 1\ntasks:\n", "TS111", "found nothing", id="tasks null"),
        pytest.param("version: 2\ntasks: {t: {type: daemon, command: x}}", "TS113", "version 2", id="newer format"),
        pytest.param("[]", "TS111", "the file must be a mapping", id="a list"),
        pytest.param("version: 1\ntasks: {t: 5}", "TS111", "the task `t` must be", id="a task that is a number"),
        pytest.param("version: 1\ntasks: {-t: {type: daemon, command: x}}", "TS111", "is not a task name", id="name starts with a dash"),
        pytest.param(f"version: 1\ntasks: {{{'t' * 64}: {{type: daemon, command: x}}}}", "TS111", "is not a task name", id="name too long"),
        pytest.param(cron("hosts: []"), "TS111", "leave it out for every host", id="no hosts"),
        pytest.param(cron("hosts: db-1"), "TS111", "must be a list", id="hosts as text"),
        pytest.param(cron("hosts: ['10.2.0.0/99']"), "TS131", "10.2.0.0/99", id="no network"),
        pytest.param(cron("timezone: Europe/Berln"), "TS122", "Europe/Berln", id="zone"),
        pytest.param(cron("timeout: 0s"), "TS111", "must be from 1ms", id="no time at all"),
        pytest.param(cron("timeout: 400d"), "TS111", "to 366d", id="more than a year"),
        pytest.param(cron("alert: {max_age: never}"), "TS111", "must be `auto`, `off` or a duration", id="an age that is none"),
        pytest.param(cron("alert: {max_age: 500ms}"), "TS111", "must be from 1s", id="no age at all"),
        pytest.param(cron("alert: {max_duration: 400d}"), "TS111", "to 366d", id="a run of more than a year"),
        pytest.param(cron("alert: {failures: -1}"), "TS111", "found the number -1", id="fewer than no failures"),
        pytest.param(cron("output: {max_size: 1KiB}"), "TS111", "from 64KiB", id="output too small"),
        pytest.param(cron("env: {TORCHSYNC_TASK: x}"), "TS111", "is not a variable name", id="reserved variable"),
        pytest.param(cron("env: {A-B: x}"), "TS111", "is not a variable name", id="variable with a dash"),
        pytest.param(cron("env: {A: 5}"), "TS111", "found the number 5", id="variable that is a number"),
        pytest.param(cron("runbook: 'javascript:alert(1)'"), "TS111", "must be an address", id="runbook that is no address"),
        pytest.param(cron("stop_signal: FOO"), "TS111", "must be one of", id="unknown signal"),
        pytest.param(cron("success_exit_codes: [256]"), "TS111", "from 0 to 255", id="no exit status"),
        pytest.param(cron('user: "deploy\\n"'), "TS111", "name of a user", id="user with a line end"),
        pytest.param(cron("umask: 022"), "TS105", "", id="umask as a number with a leading zero"),
        pytest.param(cron("umask: '8'"), "TS111", "three octal digits", id="umask that is none"),
        pytest.param(cron("umask: 27"), "TS111", "three octal digits in quotes", id="umask as a number"),
        pytest.param(cron("env_file: app.env"), "TS111", "an absolute path", id="env_file of the tree"),
        pytest.param(cron("credentials: [../etc/shadow]"), "TS111", "the name of a secret", id="a secret by path"),
        pytest.param(cron("credentials: [a, a]"), "TS111", "credentials", id="a secret twice"),
        pytest.param(cron("limits: {files: 3}"), "TS111", "from 16 to 1048576", id="too few files"),
        pytest.param(cron("limits: {nice: 20}"), "TS111", "from -20 to 19", id="nicer than nice"),
        pytest.param(cron("limits: {io: realtime}"), "TS111", "`idle`, `best-effort`", id="real time"),
        pytest.param(cron("limits: {io: 'best-effort:8'}"), "TS111", "`best-effort:7`", id="a level that there is not"),
        pytest.param(cron("limits: {cpu: 1.5}"), "TS111", "a share of one processor", id="processors as a number"),
        pytest.param(cron("limits: {memory: 1B}"), "TS111", "from 1MiB", id="no memory at all"),
        pytest.param(cron("limits: {fils: 100}"), "TS110", "unknown field `limits.fils`", id="an unknown limit"),
        pytest.param(cron("user: '0'"), "TS111", "name of a user", id="user by number"),
        pytest.param(cron("working_dir: ~root/x"), "TS111", "must be a path", id="the home of another"),
        pytest.param(cron("enabled: no"), "TS111", "found \"no\"", id="no is not false"),
        pytest.param("version: 1\ntasks: {t: {schedule: '@daily', command: [x], shell: /bin/bash}}", "TS114", "`shell`", id="shell and list"),
        pytest.param("version: 1\ntasks: {t: {schedule: '@daily', command: []}}", "TS111", "a text for the shell", id="no words"),
        pytest.param("version: 1\ntasks: {t: {schedule: '@daily', command: ['', x]}}", "TS111", "is an empty text", id="no program"),
        pytest.param("version: 1\ntasks: {t: {schedule: '@daily', command: '  '}}", "TS111", "a text for the shell", id="blank command"),
    ],
)  # fmt: skip
def test_a_rule_that_is_broken_is_told_in_one_problem(text: str, code: str, message: str) -> None:
    (problem,) = problems_of(text)
    assert (problem.code, problem.path) == (code, PATH)
    assert message in problem.message
    assert problem.line


@pytest.mark.parametrize(
    "field",
    [
        *(),
        *("run_on: one", "rollout: {}", "coordination: x"),
    ],
)
def test_what_a_later_version_has_is_named_as_such(field: str) -> None:
    (problem,) = problems_of(cron(field))
    assert problem.code == "TS113"
    assert "is not in this version" in problem.message
    (problem,) = problems_of(cron("", "{" + field + "}"))
    assert problem.code == "TS113"


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        pytest.param("tiemout: 1h", "did you mean `timeout`?", id="swapped letters"),
        pytest.param("Timeout: 1h", "did you mean `timeout`?", id="upper case"),
        pytest.param("cwd: /", "did you mean `working_dir`?", id="another word for it"),
        pytest.param("tz: UTC", "did you mean `timezone`?", id="short for it"),
        pytest.param("alert: {severty: info}", "did you mean `severity`?", id="one level down"),
        pytest.param("xyzzy: 1", "known here: description, owner, ", id="nothing like it"),
    ],
)
def test_an_unknown_field_comes_with_a_guess(field: str, hint: str) -> None:
    (problem,) = problems_of(cron(field))
    assert problem.code == "TS110"
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        pytest.param("enabled: no", "write `false`", id="no"),
        pytest.param("timeout: 90", "write `90s` for seconds", id="number as duration"),
        pytest.param("output: {max_size: 10MB}", "write `10MiB`", id="MB"),
        pytest.param("hosts: db-1", 'write ["db-1"]', id="text as list"),
        pytest.param("success_exit_codes: 3", "write [3]", id="number as list"),
        pytest.param("env: {A: 5}", 'write "5"', id="number as text"),
        pytest.param("env: {A: true}", 'write "true"', id="boolean as text"),
        pytest.param("type: deamon", "did you mean `daemon`?", id="enum"),
    ],
)
def test_a_wrong_value_comes_with_what_to_write(field: str, hint: str) -> None:
    assert problems_of(cron(field))[0].hint == hint


@pytest.mark.parametrize(
    ("schedule", "column"),
    [
        pytest.param("0 30 25 * *", 18, id="plain"),
        pytest.param('"0 30 25 * *"', 19, id="quoted"),
    ],
)
def test_a_schedule_that_is_refused_is_shown_where_it_is_wrong(schedule: str, column: int) -> None:
    (problem,) = problems_of(f"version: 1\ntasks:\n  t:\n    command: x\n    schedule: {schedule}\n")
    assert (problem.code, problem.line, problem.column) == ("TS120", 5, column - 1)


@pytest.mark.parametrize(
    ("fields", "code", "there", "words"),
    [
        pytest.param("schedule: '@hourly', jitter: 1h", "TS114", "1h", "shortest gap of the schedule, which is 1h, found 1h", id="the gap"),
        pytest.param("schedule: '*/5 * * * *', jitter: 10m", "TS114", "10m", "which is 5m", id="longer than the gap"),
        pytest.param("schedule: '0 9,17 * * mon-fri', jitter: 8h", "TS114", "8h", "which is 8h", id="between the instants of a day"),
        pytest.param("schedule: 'H H * * *', jitter: 1d", "TS114", "1d", "which is 1d", id="with H at the start of its range"),
        pytest.param("schedule: '@daily', jitter: soon", "TS111", "soon", "a duration", id="no duration"),
        pytest.param("type: daemon, jitter: 1m", "TS114", "jitter: 1m", "is not for a daemon", id="on a daemon"),
    ],
)
def test_a_jitter_that_cannot_be_is_told(fields: str, code: str, there: str, words: str) -> None:
    text = f"version: 1\ntasks: {{t: {{command: x, {fields}}}}}\n"
    (problem,) = problems_of(text)
    assert (problem.code, problem.line) == (code, 2)
    assert text.splitlines()[1][problem.column - 1 :] == f"{there}}}}}"
    assert words in problem.message


@pytest.mark.parametrize(
    "timing",
    [
        "schedule: '@daily', jitter: 23h",
        "schedule: '@at 2026-12-01T03:00', jitter: 300d",
        "schedule: '@startup', jitter: 10m",
        "schedule: '@daily', jitter: 0s",
    ],
)
def test_a_jitter_below_the_shortest_gap_will_do(timing: str) -> None:
    assert problems_of(f"version: 1\ntasks: {{t: {{command: x, {timing}}}}}\n") == ()


def test_what_is_wrong_with_a_default_is_told_once_and_of_no_task() -> None:
    text = "version: 1\ndefaults: {timezone: Nowhere, hosts: ['@X']}\ntasks:\n"
    (zone, group) = problems_of(text + "".join(f"  t{n}: {{schedule: '@daily', command: x}}\n" for n in range(3)))
    assert (zone.code, zone.line, zone.task) == ("TS122", 2, "")
    assert (group.code, group.line, group.task) == ("TS131", 2, "")


def test_all_that_is_wrong_in_a_file_is_told_at_once() -> None:
    found = problems_of(
        """\
        version: 1
        defaults: {run_on: x}
        tasks:
          a: {schedule: "61 * * * *", comand: x, hosts: ["10.0.0.0/99", 5], timeout: soon}
          b: {type: daemon, schedule: "@daily", command: x, max_running: 0}
          a: {}
        """
    )
    assert [(problem.code, problem.line) for problem in found] == [
        ("TS113", 2),
        ("TS120", 4),
        ("TS110", 4),
        ("TS131", 4),
        ("TS111", 4),
        ("TS111", 4),
        ("TS114", 5),
        ("TS114", 5),
        ("TS103", 6),
    ]


def test_a_mistake_is_told_once_and_not_again_by_the_next_check() -> None:
    (problem,) = problems_of("version: 1\ntasks: {t: {schedule: 5, command: x}}\n")
    assert problem.code == "TS111"
    (problem,) = problems_of("version: 1\ntasks: {t: {schedule: '@daily', command: 5}}\n")
    assert problem.code == "TS111"
    (problem,) = problems_of("version: 1\ntasks: {t: {type: 5, schedule: '@daily', command: x}}\n")
    assert problem.code == "TS111"


def test_a_json_file_is_read_by_the_same_rules() -> None:
    drafts, problems = READER.read("tasks/a.json", b'{"version":1,"tasks":{"t":{"schedule":"@daily","command":["x"],"timeout":"1h"}}}')
    assert not problems
    assert drafts[0].task.command == ProgramCommand(("x",))


def test_the_same_text_gives_the_same_answer() -> None:
    text = cron("tiemout: 1h, jitter: 5m").encode()
    assert READER.read(PATH, text) == TaskFileReader(read_schema("task")).read(PATH, text)


def test_what_becomes_of_fires_is_read() -> None:
    text = """\
        version: 1
        defaults: {misfire: all, queue_limit: 7, pool: db}
        tasks:
          a: {schedule: "@daily", command: x, overlap: queue, misfire_limit: 24}
          b: {schedule: "@daily", command: x, overlap: replace, misfire: latest, pool: null}
          c: {type: daemon, command: x}
        """
    a, b, c = tasks_of(text).values()
    assert isinstance(a.timing, CronTiming)
    assert isinstance(b.timing, CronTiming)
    assert a.timing == CronTiming(schedule="@daily", overlap=Overlap.QUEUE, queue_limit=7, misfire=Misfire.ALL, misfire_limit=24)
    assert b.timing == CronTiming(schedule="@daily", overlap=Overlap.REPLACE, queue_limit=7, misfire=Misfire.LATEST)
    assert (a.pool, b.pool, c.pool) == ("db", "", "db")
    assert [timing.most_made_up for timing in (a.timing, b.timing, CronTiming(schedule="@daily"))] == [24, 1, 0]
