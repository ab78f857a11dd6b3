"""The hosts that a change is planned for: what they say of themselves, as far as that can be told here, and their policies where they are known."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torchsync.adapters.hostfacts import Accounts, read_host_facts
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli.configreader import read_config_file
from torchsync.cli.executors import expected
from torchsync.cli.facts import configured_facts
from torchsync.cli.place import config_path, is_named
from torchsync.cli.sides import Sides
from torchsync.cli.stepview import number, shown
from torchsync.core.cron import check_zone
from torchsync.core.fleetplan import FleetHost
from torchsync.core.hostmask import Selection, places
from torchsync.core.hostsheet import HostSheet, sheet_from_document
from torchsync.core.inventory import Inventory
from torchsync.core.jsontext import parse_json
from torchsync.core.model import CronTiming, HostFacts, Task
from torchsync.core.policy import HostRules
from torchsync.core.selector import NamePattern, Selector, parse_selector, selects
from torchsync.errors import ConfigInvalid, NotFound, Problem, UsageError

_EVERY_KIND_OF_SELECTOR = ("0.0.0.0/0", "::/0")
_NAMED = 5


def _config(args: argparse.Namespace) -> AgentConfig | None:
    """The agent's configuration when it was named. Raises ConfigInvalid when it cannot be used."""
    if not is_named(args):
        return None
    path = config_path(args)
    document, problems = read_config_file(path)
    if document is None:
        raise ConfigInvalid(problems[0].code, f"{path} cannot be used", problems)
    return config_from_document(document)


@dataclass(frozen=True, slots=True)
class PlannedHost:
    """The host that is planned for: its facts, and the rules it judges by with words for them, where these are known."""

    facts: HostFacts
    rules: HostRules | None = None
    words: str = ""


def one_host(args: argparse.Namespace, base: Inventory, head: Inventory) -> PlannedHost:
    """The host to plan for; one that only has a name here is what hosts.yaml says of it, as in `fleet_hosts`. A policy that comes with the facts is
    that of the host, and counts before the one of a configuration here.

    Raises ConfigInvalid for a configuration that cannot be used, NotFound and UsageError for facts that cannot.
    """
    config = _config(args)
    return _with_rules(_sheet(args.facts[0]) if args.facts else HostSheet(facts=_facts(args, config, base, head)), config)


def fleet_hosts(args: argparse.Namespace, base: Inventory, head: Inventory) -> tuple[FleetHost, ...]:
    """The hosts of hosts.yaml, as far as that tells: before or after the change, so that one which is taken out is planned for as well. A host
    whose facts or agent.yaml are given is what these say. Raises NotFound (TS359) when there is none, and as `one_host`.
    """
    own = {name: _as_named(base, head, name) for name in {*base.hosts, *head.hosts}}
    hosts = {name: FleetHost(own=facts) for name, facts in own.items()}
    given = [_with_rules(_sheet(path), None) for path in args.facts or ()]
    if (config := _config(args)) is not None:
        given.append(_with_rules(HostSheet(facts=configured_facts(config)), config))
    hosts |= {host.facts.name: FleetHost(own=host.facts, rules=host.rules) for host in given}
    if not hosts:
        raise _no_inventory()
    return tuple(hosts.values())


def _no_inventory() -> NotFound:
    message = "the repository has no hosts.yaml that names hosts, so nobody here knows all of them"
    hint = "write `hosts: {web-1: {}, db-1: {}}` with your hosts in hosts.yaml, or plan for one with --host NAME or --facts FILE"
    return NotFound("TS359", message, (Problem(code="TS359", message=message, hint=hint),))


def _with_rules(sheet: HostSheet, config: AgentConfig | None) -> PlannedHost:
    if sheet.policy is not None:
        words = f"the policy of {sheet.facts.name}, for an agent that runs as {sheet.policy.rules.agent_user}"
        return PlannedHost(sheet.facts, sheet.rules, words)
    if config is None:
        return PlannedHost(sheet.facts)
    words = f"the policy of this host, for an agent that runs as {config.account.user}"
    return PlannedHost(sheet.facts, HostRules(expected(config).policy(config), Accounts().uid, Accounts().groups), words)


def _facts(args: argparse.Namespace, config: AgentConfig | None, base: Inventory, head: Inventory) -> HostFacts:
    """What the host says of itself, as far as it can be told here: of a host that only has a name here, hosts.yaml knows the addresses."""
    if args.host is not None:
        return _checked(_as_named(base, head, args.host.lower()), "--host")
    if config is None:
        return read_host_facts()
    return configured_facts(config)


def _as_named(base: Inventory, head: Inventory, name: str) -> HostFacts:
    """What the host of this name says of itself: labels and zone are left for the inventory of each side to say."""
    inventory = head if name in head.hosts else base
    return replace(inventory.named(name), labels={}, zone="UTC")


def _sheet(path: str) -> HostSheet:
    try:
        sheet = sheet_from_document(parse_json(Path(path).read_bytes()))
    except OSError as error:
        raise NotFound("TS353", f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    return replace(sheet, facts=_checked(replace(sheet.facts, name=sheet.facts.name.lower()), path))


def _checked(facts: HostFacts, where: str) -> HostFacts:
    """Facts that every selector and every schedule can be held against."""
    if not facts.name or not facts.name.isprintable() or " " in facts.name:
        raise _unusable(where, f"{facts.name!r} is not the name of a host")
    try:
        selects(_EVERY_KIND_OF_SELECTOR, facts)
    except ValueError as error:
        raise _unusable(where, str(error)) from error
    if refusal := check_zone(facts.zone):
        raise _unusable(where, refusal.message)
    return facts


def _unusable(where: str, why: str) -> UsageError:
    hint = 'expected JSON such as {"name": "db-1", "addresses": ["10.2.0.7"], "labels": {"role": "db"}, "zone": "Europe/Berlin"}'
    problem = Problem(code="TS357", message=why, path=where, hint=hint)
    return UsageError("TS357", f"{where}: {why}", (problem,))


def unknown_facts(sides: Sides, facts: HostFacts) -> Iterable[str]:
    """What the name of a host alone cannot tell, when there are tasks that ask and the inventory does not answer."""
    if facts.name in sides.head.inventory.hosts:
        yield from _without_zone(sides, [facts.name])
        return
    if facts.name in sides.base.inventory.hosts:
        yield _gone([facts.name])
        return
    yield from sides.head.inventory.notices(facts)
    tasks = (*sides.base.tasks, *sides.head.tasks)
    if any(not _is_by_name(selector) for task in tasks for selector in task.hosts):
        yield f"only the name {facts.name} is known: selectors by address or label match nothing; give --facts FILE"
    if any(_is_in_local_time(task) for task in tasks):
        yield f"the time zone of {facts.name} is not known: `timezone: local` is shown as {facts.zone}; give --facts FILE"


def unknown_of_fleet(sides: Sides, hosts: Sequence[FleetHost]) -> Iterable[str]:
    """What hosts.yaml does not tell of hosts, when there are tasks that ask, and which hosts it tells nothing of any more."""
    before, after = sides.base.inventory.hosts, sides.head.inventory.hosts
    if gone := sorted(before.keys() - after.keys()):
        yield _gone(gone)
    if new := sorted(after.keys() - before.keys()) if before else []:
        yield f"new in hosts.yaml, and planned for as if their agents ran the base: {_named(new)}"
    for host in hosts:
        if host.own.name in after or host.own.name not in before:
            yield from sides.head.inventory.notices(host.own)
    local = {task.hosts for task in sides.head.tasks if _is_in_local_time(task)}
    facts = [host.own for host in hosts if host.own.name in after and host.rules is None and host.own.zone == "UTC"]
    selection = Selection([sides.head.inventory.facts_of(own) for own in facts], sides.head.inventory.groups)
    concerned = {place for selectors in local for place in places(selection.of(selectors))}
    yield from _without_zone(sides, sorted(facts[place].name for place in concerned))


def _gone(names: Sequence[str]) -> str:
    return f"no longer in hosts.yaml, and planned for as if their agents go on: {_named(names)}"


def unknown_grants(sides: Sides) -> Iterable[str]:
    """That tasks which name a user are in another file now. Nothing of them changed, and a host grants its users to files (`policy.users`)."""
    before = {task.name: task.source.path for task in sides.base.tasks}
    moved = [task for task in sides.head.tasks if task.user and before.get(task.name, task.source.path) != task.source.path]
    if moved:
        files = ", ".join(sorted({shown(f"{before[task.name]} -> {task.source.path}") for task in moved})[:_NAMED])
        yield f"{number(len(moved), 'task')} with `user` in another file, which hosts may not grant that user: {files}; give --facts FILE"


def _without_zone(sides: Sides, names: Iterable[str]) -> Iterable[str]:
    inventory = sides.head.inventory.hosts
    without = [name for name in names if not inventory[name].zone]
    if without and any(_is_in_local_time(task) for task in sides.head.tasks):
        yield f"hosts.yaml does not give the time zone of {_named(without)}: `timezone: local` is shown as UTC"


def _named(hosts: Sequence[str]) -> str:
    more = len(hosts) - _NAMED
    return ", ".join(hosts[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_by_name(selector: str) -> bool:
    understood = parse_selector(selector)
    return isinstance(understood, Selector) and isinstance(understood.test, NamePattern)


def _is_in_local_time(task: Task) -> bool:
    return isinstance(task.timing, CronTiming) and task.timing.zone == "local"
