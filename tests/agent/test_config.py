"""The typed configuration, from what the reader of agent.yaml makes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from torchsync.adapters.schemas import read_schema
from torchsync.agent.config import AgentConfig, ExecutorKind, LogLevel, PathsConfig, Rewind, Watch, config_from_document
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.policy import HostPolicy, Secret
from torchsync.core.syncdoc import RemoteSpec

ROOT = Account(user="root", is_root=True)
TEXT = b"""\
version: 1
repository: {url: https://git.example.org/x, ref: main, interval: 5m, jitter: 20%, rewind: allow, watch: off, token_file: /etc/token}
host: {name: db-01, labels: {role: db}, addresses: [10.2.0.7]}
http: {listen: "[::1]:9747"}
policy:
  users: {deploy: ["tasks/web/**"]}
  secrets: {slack: {file: /slack, users: [deploy], notify: true}, db: {file: /etc/s/db, users: [deploy, www]}}
  notify_hosts: [hc-ping.com]
log: {level: debug}
"""


def document() -> dict[str, object]:
    read, problems = ConfigFileReader(read_schema("agent")).read("agent.yaml", TEXT, ROOT)
    assert not problems
    assert read is not None
    return json.loads(json.dumps(read))


def config() -> AgentConfig:
    return config_from_document(document())


@pytest.mark.parametrize(
    ("state", "run", "shadow"),
    [
        ("/var/lib/torchsync", "/run/torchsync", ("/var/lib/torchsync-shadow", "/run/torchsync-shadow")),
        ("/home/u/state/", "/home/u/state/run", ("/home/u/state-shadow", "/home/u/state-shadow/run")),
    ],
)
def test_a_shadow_has_folders_that_are_not_in_those_of_the_agent(state: str, run: str, shadow: tuple[str, str]) -> None:
    paths = PathsConfig(state=state, run=run).shadow
    assert (paths.state, paths.run) == shadow


def test_what_the_reader_makes_is_a_configuration() -> None:
    found = config()
    assert (found.repository.interval, found.repository.jitter) == (300_000, 0.2)
    assert (found.repository.rewind, found.repository.watch) == (Rewind.ALLOW, Watch.OFF)
    assert (found.executor, found.log.level) == (ExecutorKind.AUTO, LogLevel.DEBUG)
    assert (found.host.name, found.host.addresses) == ("db-01", ("10.2.0.7",))
    assert found.paths.socket == "/run/torchsync/control.sock"
    assert found.http.address == ("::1", 9747)


def test_the_remote_is_told_as_the_git_source_takes_it() -> None:
    assert config().remote == RemoteSpec(
        url="https://git.example.org/x",
        ref="main",
        path=".",
        token_file="/etc/token",
        rewind_allowed=True,
        timeout_ms=60_000,
        clone_timeout_ms=900_000,
    )


def test_the_policy_is_told_as_the_host_verdict_takes_it() -> None:
    expected = HostPolicy(
        agent_user="root",
        is_root=True,
        users={"deploy": ("tasks/web/**",)},
        secrets={"slack": Secret(file="/slack", users=("deploy",), notify=True), "db": Secret(file="/etc/s/db", users=("deploy", "www"))},
        notify_hosts=("hc-ping.com",),
    )
    assert config().host_policy == expected


def test_a_user_is_handed_the_secrets_that_are_granted_to_it() -> None:
    assert config().secret_files("www") == {"db": "/etc/s/db"}
    assert config().secret_files("deploy") == {"db": "/etc/s/db"}, "the address of notices is no credential"
    assert config().secret_files("root") == {}


def test_what_the_agent_can_give_a_run_is_part_of_the_policy_and_of_the_stamp() -> None:
    changed = document()
    changed["account"] = {"user": "root", "is_root": True, "most_files": 1024, "least_nice": 5}
    found = config_from_document(changed)
    assert (found.host_policy.most_files, found.host_policy.least_nice) == (1024, 5)
    assert found.stamp != config().stamp


@pytest.mark.parametrize("missing", ["account", "repository", "host", "paths", "http", "executor", "policy", "log"])
def test_a_document_without_a_part_is_refused(missing: str) -> None:
    changed = document()
    del changed[missing]
    with pytest.raises(ValueError, match=f"the configuration lacks '{missing}'"):
        config_from_document(changed)


def test_typed_values_need_no_parser() -> None:
    script = "import sys, torchsync.agent.config; print(*sorted({'yaml', 'jsonschema', 'croniter'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []
