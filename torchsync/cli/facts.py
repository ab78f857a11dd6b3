"""`torchsync facts`: what this host is, as its configuration and the host itself say it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from torchsync.adapters.hostfacts import read_host_facts
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli.place import add_config_argument, config_path, is_named
from torchsync.core.inventory import Inventory
from torchsync.core.model import HostFacts
from torchsync.core.taskdoc import facts_document
from torchsync.errors import CommitInvalid, ConfigInvalid


def configured_facts(config: AgentConfig) -> HostFacts:
    """What the configuration says, and where it says nothing, what the system does."""
    return read_host_facts(name=config.host.name, labels=config.host.labels, addresses=config.host.addresses or None)


def add_arguments(parser: ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--path", metavar="PATH", help="with what hosts.yaml of the task repository in this folder says of the host")
    parser.add_argument("--json", action="store_true", help="print JSON, as `plan --facts` takes it")


def execute(args: Namespace) -> int:
    """The facts are on stdout: what the host says of itself, or with --path what is in force for it by that repository."""
    own = own_facts(args)
    inventory = _inventory(args.path) if args.path else Inventory()
    facts = inventory.facts_of(own)
    if args.json:
        print(json.dumps(facts_document(facts), indent=2))
    else:
        for line in _lines(facts):
            print(line)
    for notice in inventory.notices(own):
        print(f"notice: {notice}", file=sys.stderr)
    return 0


def own_facts(args: Namespace) -> HostFacts:
    """By the configuration that was named, or the usual one where it can be read, else by the host alone.

    Raises ConfigInvalid when a configuration that is there cannot be used.
    """
    path = config_path(args)
    if not is_named(args) and not path.exists():
        return read_host_facts()
    from torchsync.cli.configreader import read_config_file

    document, problems = read_config_file(path)
    if document is None:
        raise ConfigInvalid(problems[0].code, f"{path} cannot be used", problems)
    return configured_facts(config_from_document(document))


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
