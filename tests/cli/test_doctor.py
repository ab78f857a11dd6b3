"""The checks as they are run and told; what each finds is judged in tests/core."""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.agent.test_config import document
from tests.builders import generation, snapshot, task, task_status
from tests.certificates import Authority
from tests.cli.agents import agent
from tests.gitserver import free_port
from torchsync.adapters.schemas import read_schema
from torchsync.adapters.statefile import StateDirectory
from torchsync.agent.config import MetricsConfig, config_from_document
from torchsync.agent.saved import Saved
from torchsync.cli import configchecks, doctor, hostchecks, repositorychecks
from torchsync.cli.agentchecks import answers as check_of_answers
from torchsync.cli.agentchecks import leftovers, ports, state_folder
from torchsync.cli.checktable import CHECKS, Check, Need, obstacle
from torchsync.cli.doctor import examined, finding_lines
from torchsync.cli.hostchecks import cron_jobs
from torchsync.cli.secured import file_problems
from torchsync.cli.site import Answers, Site, look
from torchsync.cli.webchecks import certificate, passwords
from torchsync.core.api import tasks_document
from torchsync.core.checkup import Finding, Level, fine, problem
from torchsync.core.metrictable import PerTask
from torchsync.core.model import Instant, ProgramCommand, ShellCommand
from torchsync.core.syncdoc import TrustSpec, VerifyMode
from torchsync.errors import Unavailable

NOWHERE = Site(path=Path("/nonexistent/agent.yaml"), config=None, silence=Unavailable("TS350", "no agent answers"))


def site(folder: Path, **settings: object) -> Site:
    """With a configuration whose paths lie in the folder."""
    config = config_from_document({**document(), "paths": {"state": f"{folder}/state", "run": f"{folder}/run"}, **settings})
    path = folder / "agent.yaml"
    path.touch(mode=0o644)
    return Site(path=path, config=config, silence=Unavailable("TS350", "no agent answers"))


def levels(findings: Iterator[Finding]) -> dict[Level, str]:
    return {finding.level: finding.message for finding in findings}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.execute(parser.parse_args(words))


# How checks are run.


def test_every_check_says_in_one_sentence_what_it_looks_at_and_has_a_name_of_its_own() -> None:
    assert all(check.summary.endswith(".") for check in CHECKS)
    assert len({(check.group, check.name) for check in CHECKS}) == len(CHECKS)


def test_a_check_that_breaks_and_one_that_hangs_are_told_and_hold_up_nobody() -> None:
    gate = threading.Event()

    def breaks(_: Site) -> Iterator[Finding]:
        yield fine("half of it")
        raise OSError("the disk is gone")

    def hangs(_: Site) -> Iterator[Finding]:
        gate.wait(60)
        yield fine("too late")

    checks = (
        Check(group="g", name="breaks", look=breaks),
        Check(group="g", name="hangs", look=hangs, patience=0.05),
        Check(group="g", name="silent", look=lambda _: []),
        Check(group="g", name="works", look=lambda _: [problem("bad", "do this")]),
    )
    results = list(examined(checks, NOWHERE, is_offline=False))
    gate.set()
    assert [result.findings[0].level for result in results] == [Level.UNKNOWN, Level.UNKNOWN, Level.UNKNOWN, Level.PROBLEM]
    assert "the disk is gone" in results[0].findings[0].message
    assert "did not end within 0 s" in results[1].findings[0].message


@pytest.mark.parametrize(
    ("needs", "changes", "is_offline", "why"),
    [
        (Need.NOTHING, {}, True, ""),
        (Need.CONFIG, {}, False, "agent.yaml cannot be used"),
        (Need.NETWORK, {}, True, "asks the network (--offline)"),
        (Need.AGENT, {}, False, "no agent answers"),
        (Need.RIGHTS, {"own_uid": 1000, "agent_uid": 0}, False, "only root and the agent's user can (sudo torchsync doctor)"),
        (Need.RIGHTS, {"own_uid": 1000, "agent_uid": 1000}, False, ""),
        (Need.RIGHTS, {"own_uid": 0, "agent_uid": 1000}, False, ""),
    ],
)
def test_what_cannot_be_looked_at_is_told_with_its_reason(needs: Need, changes: dict[str, int], is_offline: bool, why: str) -> None:
    check = Check(group="g", name="n", look=lambda _: [], needs=needs)
    assert obstacle(check, replace(NOWHERE, **changes), is_offline=is_offline) == why  # type: ignore[arg-type]


def test_nothing_of_a_message_acts_on_the_terminal() -> None:
    lines = list(finding_lines(problem("a\x1b[2Jb\n", "c\x07"), coloured=False))
    assert lines == ["  problem  a?[2Jb?", "             to do: c?"]


# The whole, where there is nothing yet.


def test_without_a_configuration_it_says_what_to_do_first_and_looks_at_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(tmp_path / "agent.yaml"), "--offline") == 78
    out = capsys.readouterr().out
    assert "to do: write it; two lines are enough: `version: 1` and `repository:" in out
    assert "agent.yaml cannot be used: config owner, config metrics, credentials files" in out
    assert "ok       Linux " in out
    assert "\x1b" not in out


def test_the_json_is_as_its_schema_says_and_every_check_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "agent.yaml").write_text("version: 1\nrepository: {url: /nonexistent}\npolcy: {}\n")
    assert run("--config", str(tmp_path / "agent.yaml"), "--json") == 78
    report = json.loads(capsys.readouterr().out)
    Draft202012Validator(read_schema("doctor")).validate(report)
    assert [(check["group"], check["name"]) for check in report["checks"]] == [(check.group, check.name) for check in CHECKS]
    (finding,) = report["checks"][0]["findings"]
    assert "agent.yaml:3:1: " in finding["message"]
    assert finding["remedy"] == "did you mean `policy`?"


# The site.


def test_a_configuration_of_root_is_read_as_root_means_it_whoever_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user would be told that `policy.users` cannot be, which is wrong for the agent of root."""
    path = tmp_path / "agent.yaml"
    path.write_text("version: 1\nrepository: {url: /srv/tasks.git}\npolicy: {users: {deploy: ['tasks/**']}}\n")
    monkeypatch.setattr("torchsync.cli.site.owner_of", lambda looked: 0 if looked == path else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = look(path)
    assert found.problems == ()
    assert (found.agent_uid, found.has_its_rights) == (0, False)


def test_the_agent_is_asked_where_the_configuration_says(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        json.dumps({"version": 1, "repository": {"url": "/srv/t.git"}, "paths": {"state": f"{tmp_path}/s", "run": str(tmp_path)}})
    )
    with agent(tmp_path):
        found = look(path)
    assert found.answers is not None
    assert found.answers.status["host"] == "db-1"
    assert [task["name"] for task in found.answers.tasks] == ["nightly-backup", "old-report", "web-proxy"]
    assert look(path).silence is not None


def test_no_agent_is_a_problem_with_the_line_that_starts_one() -> None:
    (finding,) = check_of_answers(NOWHERE)
    assert (finding.level, finding.code) == (Level.PROBLEM, "TS350")
    assert "systemctl enable --now torchsync" in finding.remedy


# Files.


def test_who_may_change_the_configuration_is_told(tmp_path: Path) -> None:
    one = site(tmp_path)
    assert set(levels(configchecks.agent_yaml_owner(one))) == {Level.OK}
    one.path.chmod(0o664)
    assert "others can say what this host runs" in levels(configchecks.agent_yaml_owner(one))[Level.PROBLEM]


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), ("a\nb\n", "has several lines"), ("token\n", "")])
def test_a_token_is_one_line_and_never_told(tmp_path: Path, content: str, said: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    token.chmod(0o600)
    one = site(tmp_path)
    assert one.config is not None
    repository = replace(one.config.repository, url="https://git.example.org/x.git", token_file=str(token))
    found = levels(configchecks.credentials(replace(one, config=replace(one.config, repository=repository))))
    assert said in found.get(Level.PROBLEM, "")
    assert (Level.OK in found) == (not said)
    assert "token\n" not in "".join(found.values())


def test_a_server_for_notices_that_has_no_address_is_told(tmp_path: Path) -> None:
    one = site(tmp_path)
    assert one.config is not None

    def told(*hosts: str) -> dict[Level, str]:
        policy = replace(one.config.policy, notify_hosts=hosts)  # type: ignore[union-attr]
        return levels(configchecks.notify_hosts(replace(one, config=replace(one.config, policy=policy))))  # type: ignore[type-var]

    assert set(told("127.0.0.1:8080", "*.example.org", "http://localhost")) == {Level.OK}
    assert "https://no-such-host.invalid" in told("localhost", "no-such-host.invalid")[Level.WARNING]
    assert "names none" in told()[Level.OK]


@pytest.mark.parametrize(("per_task", "level"), [(PerTask.OFF, Level.NOTE), (PerTask.COMPACT, Level.OK), (PerTask.FULL, Level.OK)])
def test_a_host_that_has_no_metrics_of_tasks_is_told_that_no_alert_on_one_can_fire(tmp_path: Path, per_task: PerTask, level: Level) -> None:
    one = site(tmp_path)
    assert one.config is not None
    (found,) = configchecks.metrics(replace(one, config=replace(one.config, metrics=MetricsConfig(per_task=per_task))))
    assert found.level is level
    assert ("no alert" in found.message) == (per_task is PerTask.OFF)


def test_a_remote_that_cannot_be_asked_for_the_time_is_no_failed_check(tmp_path: Path) -> None:
    one = site(tmp_path)
    assert one.config is not None
    repository = replace(one.config.repository, url=f"https://alice@127.0.0.1:{free_port()}/x.git", token_file="/nonexistent")
    away = replace(one, config=replace(one.config, repository=repository))
    found = levels(repositorychecks.remote_clock(away))
    assert "127.0.0.1" in found[Level.NOTE]
    assert "alice" not in found[Level.NOTE]
    here = replace(one, config=replace(one.config, repository=replace(repository, url="/srv/tasks.git")))
    assert "not compared" in levels(repositorychecks.remote_clock(here))[Level.OK]


def test_signing_keys_that_run_out_are_told(tmp_path: Path) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text('alice@example.org valid-before="20200101" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk\n')
    signers.chmod(0o644)
    one = site(tmp_path)
    assert one.config is not None
    trust = TrustSpec(mode=VerifyMode.HEAD, allowed_signers=str(signers))
    signed = replace(one, config=replace(one.config, repository=replace(one.config.repository, verify=trust)))
    assert "every key" in levels(configchecks.signing_keys(signed))[Level.PROBLEM]
    assert "without a signature" in levels(configchecks.signing_keys(one))[Level.NOTE]


def test_the_state_folder_can_be_made_or_is_ours(tmp_path: Path) -> None:
    one = site(tmp_path)
    assert "not there yet" in levels(state_folder(one))[Level.OK]
    one.state.touch()
    assert "is no folder" in levels(state_folder(one))[Level.PROBLEM]


def test_what_an_earlier_agent_left_is_told(tmp_path: Path) -> None:
    one = site(tmp_path)
    assert set(levels(leftovers(one))) == {Level.OK}
    (one.state / "repo.git/refs").mkdir(parents=True)
    (one.state / "repo.git/refs/x.lock").touch()
    (one.state / "generation.json.damaged-1").touch()
    found = levels(leftovers(one))
    assert "repo.git/refs/x.lock" in found[Level.NOTE]
    assert "generation.json.damaged-1" in found[Level.WARNING]


def test_jobs_of_cron_are_compared_with_the_tasks_in_force_or_that_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, report, rotate = (
        task("backup", command=ShellCommand(text="/opt/backup.sh --all")),
        task("report", command=ProgramCommand(argv=("report", "a b"))),
        task("rotate", command=ShellCommand(text="/etc/cron.daily/rotate")),
    )
    root = tmp_path / "root"
    for name, text in {
        "etc/crontab": "@daily root\t/opt/backup.sh --all\n@daily root report 'a b' >/dev/null\n25 6 * * * root run-parts /etc/cron.daily\n",
        "etc/cron.daily/rotate": "#!/bin/sh\n",
        "var/spool/cron/crontabs/alice": "\0",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    monkeypatch.setattr(hostchecks, "_ROOT", root)
    one = site(tmp_path)
    assert [finding.level for finding in cron_jobs(one)] == [Level.NOTE, Level.OK]
    store = StateDirectory(one.state, tmp_path / "run")
    Saved(store).save_generation(generation(backup, report, rotate))
    store.close()
    places = {"etc/crontab:1": "backup", "etc/crontab:2": "report", "etc/cron.daily/rotate": "rotate"}
    expected = [f"{root / place} is what the task {name} does" for place, name in places.items()]
    assert [finding.message.rpartition(":")[0] for finding in cron_jobs(one) if finding.level is Level.WARNING] == expected
    tasks = tasks_document(snapshot(task_status(backup), task_status(report), task_status(rotate)), full=True)["tasks"]
    running = replace(NOWHERE, answers=Answers(status={}, tasks=tasks))  # type: ignore[arg-type]
    assert [finding.message.rpartition(":")[0] for finding in cron_jobs(running) if finding.level is Level.WARNING] == expected
    assert [found.message for found in cron_jobs(replace(one, own_uid=1000, agent_uid=0)) if "nothing was compared" in found.message]
    (one.state / "generation.json").write_text("{")
    assert [finding.level for finding in cron_jobs(one)] == [Level.NOTE, Level.OK]


def test_a_port_that_somebody_has_is_a_problem_while_no_agent_answers(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        one = site(tmp_path, http={**document()["http"], "listen": listen})
        assert "no agent answers" in levels(ports(one))[Level.PROBLEM]
    assert levels(ports(one)) == {Level.OK: f"{listen} is free (http.listen)"}
    for codes, level, said in (((), Level.WARNING, "has changed since it started"), (("TS340",), Level.NOTE, "tries again by itself")):
        status = {"notices": [{"code": code} for code in codes]}
        assert said in levels(ports(replace(one, answers=Answers(status=status, tasks=[]))))[level]  # type: ignore[arg-type]


# What the TCP addresses ask.


def secured(folder: Path, **http: object) -> Site:
    return site(folder, http={**document()["http"], **http})


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(0, Level.OK, "in order, good until "), (29, Level.WARNING, "runs out in 23 hours"), (31, Level.PROBLEM, "ran out on ")],
)
def test_a_certificate_is_judged_by_what_is_left_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: Level, words: str
) -> None:
    pair = Authority(tmp_path).issue("agent", days=30)
    here = secured(tmp_path, tls_cert=str(pair.cert), tls_key=str(pair.key))
    later = time.time_ns() + (days * 24 * 3600 + 60) * 1_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)
    assert words in levels(certificate(here))[level]
    pair.key.chmod(0o644)
    assert "is open to every user" in levels(certificate(here))[Level.PROBLEM]


def test_passwords_are_judged_and_those_in_the_clear_are_told(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("a:" + "$2y$10$" + "a" * 53 + "\n")
    file.chmod(0o600)
    here = secured(tmp_path, basic_auth_file=str(file), listen="0.0.0.0:9747", allow_plain=True)
    found = levels(passwords(here))
    assert found[Level.OK] == f"1 users of {file} may ask on TCP"
    assert "in the clear" in found[Level.WARNING]
    file.write_text("a:b\n")
    assert "line 1: " in levels(passwords(here))[Level.PROBLEM]


def test_nothing_is_asked_where_nothing_is_configured(tmp_path: Path) -> None:
    assert levels(certificate(site(tmp_path))) == {Level.OK: "no TLS is asked for"}
    assert levels(passwords(site(tmp_path))) == {Level.OK: "no passwords are asked for"}


def test_files_that_cannot_be_used_now_or_soon_are_told_apart(tmp_path: Path) -> None:
    """As `agent --check` tells them."""
    pair = Authority(tmp_path).issue("agent")
    now = Instant(time.time_ns() // 1_000_000)
    http = secured(tmp_path, tls_cert=str(pair.cert), tls_key=str(pair.key), basic_auth_file=str(tmp_path / "none")).settings.http
    day = 24 * 3600 * 1000
    bad, soon = file_problems(http, now)
    assert ([problem.code for problem in bad], soon) == (["TS344"], ())
    bad, soon = file_problems(replace(http, basic_auth_file=""), Instant(now + 29 * day))
    assert (bad, [problem.code for problem in soon]) == ((), ["TS343"])
    bad, soon = file_problems(replace(http, basic_auth_file="", tls_key="/nonexistent"), now)
    assert ([problem.code for problem in bad], soon) == (["TS342"], ())
    bad, soon = file_problems(replace(http, basic_auth_file=""), Instant(now + 31 * day))
    assert ([problem.code for problem in bad], soon) == (["TS343"], ())
    bad, soon = file_problems(replace(http, tls_cert="", basic_auth_file="", webhook_secret_file="/nonexistent"), now)
    assert ([problem.code for problem in bad], soon) == (["TS341"], ())
