from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.diff import diff, reschedules
from torchsync.core.model import (
    AlertLimits,
    Conduct,
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Limits,
    Millis,
    Position,
    ProgramCommand,
    Retry,
    Severity,
    ShellCommand,
    Task,
    TaskName,
)
from torchsync.core.notify import Notify, Ping

CRON = CronTiming(schedule="0 3 * * *")
TASK = Task(
    name=TaskName("a"),
    timing=CRON,
    command=ShellCommand("true"),
    fingerprint=Fingerprint("1"),
    source=Position("tasks/a.yaml", 1, 1),
)

OTHERWISE = {
    "description": "d",
    "owner": "o",
    "runbook": "r",
    "severity": Severity.CRITICAL,
    "alert": AlertLimits(failures=3),
    "labels": {"a": "b"},
    "enabled": False,
    "hosts": ("db-*",),
    "inputs": ("x",),
    "max_running": 2,
    "user": "u",
    "pool": "db",
    "working_dir": "w",
    "env": {"A": "B"},
    "group": "g",
    "umask": "077",
    "env_file": "/f",
    "credentials": ("c",),
    "limits": Limits(files=64),
    "success_exit_codes": (0, 1),
    "stop_signal": "INT",
    "stop_grace": Millis(1),
    "on_change": Conduct.STOP,
    "on_remove": Conduct.STOP,
    "output_max": 1,
    "notify": (Notify(to=Ping(secret="hc")),),
    "timing": CronTiming(schedule="0 4 * * *"),
    "command": ShellCommand("false"),
}


CRON_ONLY = (
    *("schedule", "timezone", "jitter", "starting_deadline", "timeout"),
    *("overlap", "queue_limit", "misfire", "misfire_limit"),
)


def changed_fields(old: Task, new: Task) -> tuple[str, ...]:
    (change,) = diff({old.name: old}, {new.name: replace(new, fingerprint=Fingerprint("2"))}).changed
    return change.fields


names = st.sampled_from([TaskName(letter) for letter in "abcdef"])
tasks = st.builds(lambda name, mark: replace(TASK, name=name, fingerprint=Fingerprint(mark)), names, st.sampled_from("123"))
sets = st.lists(tasks, max_size=8).map(lambda found: {task.name: task for task in found})


@given(old=sets, new=sets)
def test_a_diff_leads_from_the_old_set_to_the_new_one(old, new):
    found = diff(old, new)
    result = {name: task for name, task in old.items() if name not in found.removed}
    result |= {name: new[name] for name in found.added} | {change.name: change.new for change in found.changed}
    assert result == new


@given(old=sets, new=sets)
def test_every_name_is_told_exactly_once(old, new):
    found = diff(old, new)
    told = [*found.added, *found.removed, *found.unchanged, *(change.name for change in found.changed)]
    assert sorted(told) == sorted(old.keys() | new.keys())
    assert found.is_empty == (old == new)


def test_a_task_that_only_moved_to_another_line_is_unchanged():
    moved = replace(TASK, source=Position("tasks/b.yaml", 7, 1))
    assert diff({TASK.name: TASK}, {TASK.name: moved}).unchanged == (TASK.name,)


@pytest.mark.parametrize(
    "field", [field.name for field in fields(Task) if field.name not in ("name", "fingerprint", "copy_print", "source")]
)
def test_a_change_of_any_field_is_named(field):
    assert len(changed_fields(TASK, replace(TASK, **{field: OTHERWISE[field]}))) == 1


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (replace(TASK, timing=replace(CRON, zone="Asia/Tokyo", timeout=Millis(5))), ("timeout", "timezone")),
        (replace(TASK, command=ShellCommand("true", shell="/bin/bash")), ("shell",)),
        (replace(TASK, command=ProgramCommand(("true",))), ("command", "shell")),
        (replace(TASK, severity=Severity.INFO, output_max=5), ("alert.severity", "output.max_size")),
        (replace(TASK, timing=DaemonTiming()), tuple(sorted([*CRON_ONLY, "restart", "type"]))),
        (replace(TASK, alert=AlertLimits(max_age=Millis(5), failures=2)), ("alert.failures", "alert.max_age")),
        (replace(TASK, timing=replace(CRON, retry=Retry(attempts=2))), ("retry",)),
        (TASK, ("inputs",)),
    ],
)
def test_changes_are_named_in_the_words_of_a_task_file(new, expected):
    assert changed_fields(TASK, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(TASK, TASK, False, id="nothing"),
        pytest.param(TASK, replace(TASK, command=ShellCommand("x")), False, id="another command"),
        pytest.param(TASK, replace(TASK, timing=replace(CRON, timeout=Millis(5))), False, id="another timeout"),
        pytest.param(TASK, replace(TASK, timing=replace(CRON, schedule="1 3 * * *")), True, id="another schedule"),
        pytest.param(TASK, replace(TASK, timing=replace(CRON, zone="Asia/Tokyo")), True, id="another zone"),
        pytest.param(TASK, replace(TASK, timing=replace(CRON, jitter=Millis(5))), True, id="another jitter"),
        pytest.param(replace(TASK, enabled=False), TASK, True, id="enabled again"),
        pytest.param(TASK, replace(TASK, enabled=False), False, id="disabled"),
        pytest.param(replace(TASK, timing=DaemonTiming()), TASK, True, id="a daemon that became cron"),
        pytest.param(TASK, replace(TASK, timing=DaemonTiming()), False, id="cron that became a daemon"),
    ],
)
def test_a_baseline_moves_only_when_the_instants_are_others(old, new, expected):
    assert reschedules(old, new) is expected
