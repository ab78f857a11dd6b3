"""`torchsync facts`: what this host is, as its configuration and the host itself say it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from torchsync.adapters.hostfacts import Accounts, read_host_facts
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli.executors import expected
from torchsync.cli.place import add_config_argument, config_path, is_named
from torchsync.core.hostsheet import GrantedPolicy, HostSheet, granted, sheet_document
from torchsync.core.inventory import Inventory
from torchsync.core.model import HostFacts
from torchsync.errors import CommitInvalid, ConfigInvalid


def configured_facts(config: AgentConfig) -> HostFacts:
    """What the configuration says, and where it says nothing, what the system does."""
    return read_host_facts(name=config.host.name, labels=config.host.labels, addresses=config.host.addresses or None)


def add_arguments(parser: ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--path", metavar="PATH", help="with what hosts.yaml of the task repository in this folder says of the host")
    parser.add_argument("--json", action="store_true", help="print JSON with the policy of the host too, as `plan --facts` takes it")


def execute(args: Namespace) -> int:
    """The facts are on stdout: what the host says of itself, or with --path what is in force for it by that repository."""
    config = usual_config(args)
    own = configured_facts(config) if config else read_host_facts()
    inventory = _inventory(args.path) if args.path else Inventory()
    facts = inventory.facts_of(own)
    if args.json:
        print(json.dumps(sheet_document(HostSheet(facts=facts, policy=_policy(config))), indent=2))
    else:
        for line in _lines(facts):
            print(line)
        if config:
            print(f"executor   {expected(config).name.value}")
    for notice in inventory.notices(own):
        print(f"notice: {notice}", file=sys.stderr)
    return 0


def usual_config(args: Namespace) -> AgentConfig | None:
    """The configuration that was named, or the usual one where there is one.

    Raises ConfigInvalid when a configuration that is there cannot be used.
    """
    path = config_path(args)
    if not is_named(args) and not path.exists():
        return None
    from torchsync.cli.configreader import read_config_file

    document, problems = read_config_file(path)
    if document is None:
        raise ConfigInvalid(problems[0].code, f"{path} cannot be used", problems)
    return config_from_document(document)


def _policy(config: AgentConfig | None) -> GrantedPolicy | None:
    return granted(expected(config).policy(config), Accounts().uid, Accounts().groups) if config else None


def _inventory(path: str) -> Inventory:
    from torchsync.cli.check import read_folder

    read = read_folder(path)
    if read.found is None:
        raise CommitInvalid(read.problems[0].code, f"{path} is not valid", read.problems)
    return read.found.inventory


def _lines(facts: HostFacts) -> Iterator[str]:
    yield f"name       {facts.name}"
    yield f"addresses  {', '.join(facts.addresses) or 'none'}"
    yield f"labels     {', '.join(f'{name}={value}' for name, value in sorted(facts.labels.items())) or 'none'}"
    yield f"zone       {facts.zone}"
