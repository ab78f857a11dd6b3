"""Who runs are and what they may use, with a whole agent: from the facts of the host and the pull request to the end of the run."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.host import Document, Host, environment, never, wait_for
from tests.e2e.test_secrets import search_everywhere, watching

ME = pwd.getpwuid(os.geteuid()).pw_name
CANARY = "canary-of-a-run-41f7"


@pytest.fixture
def secret(host: Host) -> Path:
    """Granted to the user of all tasks here, under the name `db`."""
    path = host.folder / "db-password"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o600)
    grant(host, db={"file": str(path), "users": [ME]})
    return path


def grant(host: Host, **secrets: Document) -> None:
    policy: Document = {"default_user": "root", "allow_root": True} if os.geteuid() == 0 else {}
    host.configure(policy={**policy, "secrets": secrets})


def torchsync(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchsync", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=host.folder, check=False, timeout=60)


def handed(host: Host) -> list[str]:
    folder = host.run_folder / "credentials"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_facts_of_a_host_say_in_the_pull_request_what_it_will_refuse(host: Host, secret: Path) -> None:
    """And the host refuses exactly that."""
    facts = host.folder / "facts.json"
    facts.write_text(torchsync(host, "facts", "--config", str(host.config), "--json").stdout)
    policy = json.loads(facts.read_text())["policy"]
    assert (policy["executor"], policy["secrets"]) == ("process", {"db": {"file": "", "users": [ME], "notify": False}})
    assert str(secret) not in facts.read_text(), "where a secret lies is nobody's business"
    host.start()
    good = host.tasks(one=never("true", credentials=["db"]))
    host.wait_for_revision(good)
    host.tasks(
        one=never("true", credentials=["db", "slack"]),
        two=never("true", limits={"memory": "1GiB", "pids": 10}),
        three=never("true", group="no-such-group"),
    )
    planned = torchsync(host, "plan", str(host.clone), "--base", good, "--facts", str(facts), "--json")
    assert planned.returncode == 77
    refused = json.loads(planned.stdout)["refused"]
    assert [problem["code"] for problem in refused] == ["TS316", "TS315", "TS312", "TS312"], "in the order of the file and of names"
    wait_for("the verdict of the host", lambda: (host.status()["sync"]["last"] or {}).get("outcome") == "refused")
    assert [problem["message"] for problem in host.status()["sync"]["last"]["problems"]] == [problem["message"] for problem in refused]
    assert host.revision() == good


def test_a_secret_reaches_its_run_and_nobody_else(host: Host, secret: Path) -> None:
    env_file = host.folder / "service.env"
    env_file.write_text(f"FROM_FILE=x{CANARY}\n")
    env_file.chmod(0o600)
    check = f'[ "$(cat "$CREDENTIALS_DIRECTORY/db")" = "$(cat {secret})" ] && [ "$FROM_FILE" = "x$(cat {secret})" ] && sleep 0.3'
    host.start()
    revision = host.tasks(
        good=never(check, credentials=["db"], env_file=str(env_file)), bad=never("true", env_file=str(host.folder / "bad.env"))
    )
    (host.folder / "bad.env").write_text(f"1={CANARY}\n")
    (host.folder / "bad.env").chmod(0o600)
    host.wait_for_revision(revision)
    with watching(CANARY) as watch:
        for task in ("good", "bad"):
            host.torchsync("run", task)
            wait_for(f"the end of {task}", lambda task=task: bool(host.outcomes(task)))  # type: ignore[misc]
        search_everywhere(watch, host)
    assert host.outcomes("good") == ["succeeded"]
    assert host.outcomes("bad") == ["start_failed"]
    assert "line 1 of the env_file" in host.runs("bad")[0]["detail"]
    assert {place for place in watch.found if not place.startswith("the environment of ")} == set(), (
        "but in the environment it was asked for"
    )
    wait_for("the secret to be gone", lambda: handed(host) == [])


def test_secrets_of_a_run_that_ended_while_the_agent_was_dead_are_gone_with_the_next(host: Host, secret: Path) -> None:
    host.start()
    host.wait_for_revision(host.tasks(one=never(f"until [ -e {host.folder}/go ]; do sleep 0.05; done", credentials=["db"])))
    host.torchsync("run", "one")
    wait_for("the secret to be there", lambda: len(handed(host)) == 1)
    host.kill()
    (host.folder / "go").touch()
    exits = host.state / "runs" / handed(host)[0] / "exit"
    wait_for("the run to end", exits.exists)
    assert len(handed(host)) == 1
    host.start()
    wait_for("its end to be told", lambda: host.outcomes("one") == ["succeeded"])
    wait_for("the secret to be gone", lambda: handed(host) == [])


def test_a_grant_that_is_taken_back_holds_for_the_next_start(host: Host, secret: Path) -> None:
    host.start()
    host.wait_for_revision(host.tasks(one=never("true", credentials=["db"])))
    grant(host)
    assert host.torchsync("reload", "--wait").returncode == 0
    host.torchsync("run", "one")
    wait_for("the end", lambda: host.outcomes("one") == ["start_failed"])
    assert f"the secret 'db' is not granted to user '{ME}'" in host.runs("one")[0]["detail"]


def test_a_user_that_is_taken_back_holds_for_the_next_start(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: switches users")
    policy: Document = {"default_user": "root", "allow_root": True}
    host.configure(policy={**policy, "users": {"nobody": ["tasks/**"]}})
    host.start()
    host.wait_for_revision(host.tasks(one=never("true", user="nobody")))
    host.configure(policy=policy)
    assert host.torchsync("reload", "--wait").returncode == 0
    host.torchsync("run", "one")
    wait_for("the end", lambda: host.outcomes("one") == ["start_failed"])
    assert host.runs("one")[0]["detail"].startswith("user 'nobody' is not granted to tasks/")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param(0o604, "every user may read or change the secret 'db'", id="readable by all"),
        pytest.param(0o602, "every user may read or change the secret 'db'", id="writable by all"),
        pytest.param(None, "the secret 'db' cannot be handed over", id="missing"),
    ],
)
def test_a_check_finds_a_secret_that_is_none(mode: int | None, expected: str, host: Host, secret: Path) -> None:
    assert torchsync(host, "agent", "--check", "--config", str(host.config)).returncode == 0
    secret.unlink() if mode is None else secret.chmod(mode)
    done = torchsync(host, "agent", "--check", "--config", str(host.config))
    assert done.returncode == 78
    assert expected in done.stderr
    assert CANARY not in done.stderr


def test_a_check_finds_a_user_of_a_secret_that_is_not_there(host: Host, secret: Path) -> None:
    grant(host, db={"file": str(secret), "users": ["no-such-user"]})
    done = torchsync(host, "agent", "--check", "--config", str(host.config))
    assert (done.returncode, "the user 'no-such-user' of the policy does not exist" in done.stderr) == (78, True)


# What hostile jobs come to.

STUBBORN = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) ; while :; do sleep 1; done"


def test_jobs_that_do_not_want_to_end_are_timed_out_with_everything_they_started(host: Host) -> None:
    host.start()
    tasks = {
        "stubborn": never(STUBBORN, timeout="500ms", stop_grace="300ms"),
        "still": never("kill -STOP $$", timeout="500ms", stop_grace="300ms"),
        "deaf": never("exec 0<&- 1>&- 2>&-; trap '' TERM; while :; do sleep 1; done", timeout="500ms", stop_grace="300ms"),
    }
    host.wait_for_revision(host.tasks(**tasks))
    for name in tasks:
        host.torchsync("run", name)
    for name in tasks:
        wait_for(f"the end of {name}", lambda name=name: host.outcomes(name) == ["timed_out"])  # type: ignore[misc]
    wait_for("nothing to be left", lambda: not carriers(host))


def carriers(host: Host) -> list[str]:
    """The processes that carry the id of one of the host's runs."""
    ids = [path.name.encode() for path in (host.state / "runs").iterdir()]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            content = (process / "environ").read_bytes()
        except OSError:
            continue
        found += [process.name for run in ids if b"TORCHSYNC_RUN_ID=" + run in content]
    return found


def test_a_flood_of_output_is_bounded_by_the_agent_itself(host: Host) -> None:
    host.start()
    host.wait_for_revision(host.tasks(flood=never("head -c 100M /dev/zero", output={"max_size": "1MiB"})))
    host.torchsync("run", "flood")
    wait_for("the flood", lambda: bool(host.runs("flood")))
    path = host.state / "runs" / host.runs("flood")[0]["id"] / "output"
    wait_for("the end", lambda: host.outcomes("flood") == ["succeeded"])
    assert path.stat().st_size == 100 << 20
    wait_for("the bound", lambda: path.stat().st_blocks * 512 <= (1 << 20) + 16384)


def test_what_a_command_says_is_never_taken_for_a_start_that_failed(host: Host) -> None:
    host.start()
    host.wait_for_revision(
        host.tasks(own126=never("exit 126"), own127=never("no-such-program-of-its-own"), none=never(["no-such-program"]))
    )
    for name in ("own126", "own127", "none"):
        host.torchsync("run", name)
    wait_for("all of them", lambda: all(host.outcomes(name) for name in ("own126", "own127", "none")))
    (one,), (two,), (three,) = (host.runs(name) for name in ("own126", "own127", "none"))
    assert (one["outcome"], one["exit_status"]) == ("failed", 126)
    assert "126 often means" in one["detail"]
    assert (two["outcome"], two["exit_status"]) == ("failed", 127)
    assert "127 often means" in two["detail"]
    assert (three["outcome"], three["exit_status"]) == ("start_failed", None)
    assert "no such program in PATH" in three["detail"]
