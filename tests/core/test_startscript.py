from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.builders import NOON, REVISION, daemon, run, run_id, task
from torchsync.core.model import Instant, ProgramCommand, Trigger
from torchsync.core.startscript import Account, run_environment, start_script, working_directory

DEPLOY = Account(name="deploy", uid=1001, gid=1002, home="/home/deploy", shell="/bin/bash", groups=(27, 1002))


def environment(of=None, **changes) -> dict[str, str]:
    return run_environment(run(of, **changes), DEPLOY, "db-1")


def test_the_environment_of_a_scheduled_run_is_complete() -> None:
    assert environment() == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/deploy",
        "USER": "deploy",
        "LOGNAME": "deploy",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TORCHSYNC_TASK": "nightly-backup",
        "TORCHSYNC_RUN_ID": run_id(),
        "TORCHSYNC_COMMIT": REVISION,
        "TORCHSYNC_SCHEDULED_AT": "2026-11-23T12:00:00Z",
        "TORCHSYNC_DUE_AT": "2026-11-23T12:00:00Z",
        "TORCHSYNC_ATTEMPT": "1",
        "TORCHSYNC_HOST": "db-1",
        "TORCHSYNC_TRIGGER": "schedule",
    }


def test_a_run_without_an_instant_names_none() -> None:
    found = environment(instant=None, due=None, trigger=Trigger.MANUAL)
    assert not {"TORCHSYNC_SCHEDULED_AT", "TORCHSYNC_DUE_AT", "TORCHSYNC_COPY"} & set(found)
    assert found["TORCHSYNC_TRIGGER"] == "manual"


def test_a_daemon_knows_its_copy() -> None:
    found = environment(daemon(), copy=3, trigger=Trigger.DAEMON, instant=None, due=None)
    assert (found["TORCHSYNC_COPY"], found["TORCHSYNC_TRIGGER"]) == ("3", "daemon")


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        pytest.param(NOON, "2026-11-23T12:00:00Z", id="whole seconds"),
        pytest.param(NOON + 7, "2026-11-23T12:00:00.007Z", id="milliseconds"),
        pytest.param(NOON + 990, "2026-11-23T12:00:00.990Z", id="three digits"),
        pytest.param(0, "1970-01-01T00:00:00Z", id="the epoch"),
    ],
)
def test_moments_are_rfc_3339_in_utc(instant, expected) -> None:
    found = environment(instant=Instant(instant), due=Instant(instant))
    assert found["TORCHSYNC_SCHEDULED_AT"] == found["TORCHSYNC_DUE_AT"] == expected
    assert datetime.fromisoformat(expected).astimezone(UTC).timestamp() * 1000 == pytest.approx(instant)


def test_a_task_may_set_the_fixed_variables_but_not_those_about_the_run() -> None:
    found = environment(task(env={"PATH": "/opt/bin", "HOME": "/srv", "EXTRA": "1", "TORCHSYNC_TASK": "forged"}))
    assert (found["PATH"], found["HOME"], found["EXTRA"], found["TORCHSYNC_TASK"]) == ("/opt/bin", "/srv", "1", "nightly-backup")


@pytest.mark.parametrize(
    ("working_dir", "expected"),
    [
        pytest.param("", "/trees/t", id="the tree"),
        pytest.param("sub/dir", "/trees/t/sub/dir", id="relative"),
        pytest.param("/srv", "/srv", id="absolute"),
        pytest.param("~", "/home/deploy", id="home"),
        pytest.param("~/data", "/home/deploy/data", id="below home"),
        pytest.param("~other/data", "/trees/t/~other/data", id="only a tilde alone is home"),
    ],
)
def test_where_a_command_starts(working_dir, expected) -> None:
    assert working_directory(task(working_dir=working_dir), DEPLOY, "/trees/t") == expected


def script(of, **changes) -> list[str]:
    values = {"tree": "/trees/t", "environment": {}, "is_switched": False} | changes
    return start_script(of, DEPLOY, **values).splitlines()


@pytest.mark.parametrize(
    ("command", "working_dir", "expected"),
    [
        pytest.param(("./scripts/a", "$x"), "", "set -- ./scripts/a '$x'", id="in the tree, from the tree"),
        pytest.param(("./scripts/a",), "/srv", "set -- /trees/t/./scripts/a", id="in the tree, from elsewhere"),
        pytest.param(("rsync", "-a"), "/srv", "set -- rsync -a", id="in PATH"),
        pytest.param(("/usr/bin/rsync",), "/srv", "set -- /usr/bin/rsync", id="absolute"),
    ],
)
def test_the_words_that_are_executed(command, working_dir, expected) -> None:
    assert expected in script(task(command=ProgramCommand(command), working_dir=working_dir))


def test_ids_are_checked_only_after_a_switch() -> None:
    assert "/proc/self/status" not in "".join(script(task()))
    assert "TORCHSYNC_IDS='1001 1001 1001 1001 1002 1002 1002 1002 27 1002'" in script(task(), is_switched=True)


def test_nothing_of_a_task_can_end_its_quotes() -> None:
    nasty = "'; touch /tmp/x; '"
    lines = script(task(command=ProgramCommand((nasty,)), working_dir=nasty), environment={"A": nasty})
    quoted = """''"'"'; touch /tmp/x; '"'"''"""
    assert f"set -- /trees/t/{quoted}" in lines or "set -- '/trees/t/'\"'\"'; touch /tmp/x; '\"'\"''" in lines
    assert f"export A={quoted} || exit" in lines


def test_a_file_of_variables_may_lie_at_home() -> None:
    assert "TORCHSYNC_FILE=/home/deploy/app.env TORCHSYNC_UID=1001" in script(task(env_file="~/app.env"))
    assert "TORCHSYNC_FILE=/etc/app.env TORCHSYNC_UID=1001" in script(task(env_file="/etc/app.env"))


def test_the_file_is_read_between_what_is_fixed_and_what_the_task_and_the_run_say() -> None:
    given = {"PATH": "/bin", "HOME": "/own", "EXTRA": "1", "TORCHSYNC_TASK": "x"}
    lines = script(task(env_file="/f", env={"HOME": "/own", "EXTRA": "1"}), environment=given, credentials="/run/c")
    names = [line.partition("=")[0].removeprefix("export ") for line in lines if line.startswith("export ") or line == "done <&5"]
    assert names == ["PATH", "done <&5", "HOME", "EXTRA", "TORCHSYNC_TASK", "CREDENTIALS_DIRECTORY"]
