"""`torchsync plan`: what a change of the repository would do to a host, told before it is applied."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from torchsync.adapters.hostfacts import Accounts, read_host_facts
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli.configreader import read_config_file
from torchsync.cli.executors import expected
from torchsync.cli.facts import configured_facts
from torchsync.cli.place import config_path, is_named
from torchsync.cli.planview import Report, plan_document, plan_lines
from torchsync.cli.report import print_problems
from torchsync.cli.sides import Sides, read_sides
from torchsync.cli.terminal import is_coloured
from torchsync.core.cron import check_zone
from torchsync.core.hostsheet import HostSheet, sheet_from_document
from torchsync.core.instants import parse_rfc3339
from torchsync.core.inventory import Inventory
from torchsync.core.jsontext import parse_json
from torchsync.core.model import CronTiming, HostFacts, Instant, Task
from torchsync.core.plan import HostPlan, plan_host
from torchsync.core.policy import HostRules
from torchsync.core.selector import NamePattern, Selector, parse_selector, selects
from torchsync.errors import ConfigInvalid, NotFound, Problem, Refused, UsageError

CHANGES = 10

_EVERY_KIND_OF_SELECTOR = ("0.0.0.0/0", "::/0")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder of the task repository (default: the current one)")
    parser.add_argument("--base", metavar="REV", help="the revision to compare with (default: HEAD; outside of git: nothing)")
    parser.add_argument("--head", metavar="REV", help="the revision to plan (default: the folder as it is)")
    host = parser.add_mutually_exclusive_group()
    host.add_argument("--host", metavar="NAME", help="plan for the host of this name (default: this machine)")
    host.add_argument(
        "--facts",
        metavar="FILE",
        help="plan for the host of this file: what `torchsync facts --json` printed there",
    )
    parser.add_argument("--config", metavar="FILE", help="judge by the policy of this agent.yaml too (default: $TORCHSYNC_CONFIG)")
    parser.add_argument("--after", metavar="T", help="show fires later than this, such as 2026-03-29T00:00:00Z (default: now)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how the plan is printed (default: text)")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")


def execute(args: argparse.Namespace) -> int:
    """0: nothing changes; 10: something does; 77: the host refuses."""
    now = _after(args.after)
    config = _config(args)
    sides = read_sides(args.path, args.base, args.head)
    host = _host(args, config, sides.head.inventory)
    own = host.facts
    plan = plan_host(sides.base, sides.head, own=own, now=now, rules=host.rules)
    report = Report(
        plan=_from_here(plan, args.path),
        base=sides.base,
        head=sides.head,
        now=now,
        rules=host.words,
        notices=(*sides.notices, *(_unknown_facts(sides, own) if args.host else sides.head.inventory.notices(own))),
    )
    _print(report, as_json=args.format == "json")
    if plan.refusals:
        return Refused.exit_status
    return 0 if plan.is_empty else CHANGES


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan_document(report), indent=2))
        return
    for line in plan_lines(report, coloured=is_coloured()):
        print(line)
    sys.stdout.flush()  # problems come after the plan, also where both streams end in one file
    print_problems(report.plan.refusals, sys.stderr)


def _after(text: str | None) -> Instant:
    if text is None:
        return Instant(time.time_ns() // 1_000_000)
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise UsageError("TS357", f"--after: {error}") from error


def _from_here(plan: HostPlan, path: str) -> HostPlan:
    """The paths of problems lead there from the current folder."""
    problems = plan.refused and tuple(
        replace(problem, path=str(Path(path, problem.path))) if problem.path else problem for problem in plan.refused
    )
    return replace(plan, refused=problems)


# The host


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
class _Host:
    """The host that is planned for: its facts, and the rules it judges by with words for them, where these are known."""

    facts: HostFacts
    rules: HostRules | None = None
    words: str = ""


def _host(args: argparse.Namespace, config: AgentConfig | None, inventory: Inventory) -> _Host:
    """A policy that comes with the facts is that of the host, and counts before the one of a configuration here."""
    sheet = _sheet(args.facts) if args.facts is not None else HostSheet(facts=_facts(args, config, inventory))
    if sheet.policy is not None:
        words = f"the policy of {sheet.facts.name}, for an agent that runs as {sheet.policy.rules.agent_user}"
        return _Host(sheet.facts, sheet.rules, words)
    if config is None:
        return _Host(sheet.facts)
    words = f"the policy of this host, for an agent that runs as {config.account.user}"
    return _Host(sheet.facts, HostRules(expected(config).policy(config), Accounts().uid, Accounts().groups), words)


def _facts(args: argparse.Namespace, config: AgentConfig | None, inventory: Inventory) -> HostFacts:
    """What the host says of itself, as far as it can be told here: of a host that only has a name here, hosts.yaml knows the addresses."""
    if args.host is not None:
        named = inventory.named(args.host.lower())
        return _checked(replace(named, labels={}, zone="UTC"), "--host")
    if config is None:
        return read_host_facts()
    return configured_facts(config)


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


def _unknown_facts(sides: Sides, facts: HostFacts) -> Iterable[str]:
    """What a name alone cannot tell, when there are tasks that ask and the inventory does not answer."""
    if facts.name in sides.head.inventory.hosts:
        if not sides.head.inventory.hosts[facts.name].zone and any(_is_in_local_time(task) for task in sides.head.tasks):
            yield f"hosts.yaml does not give the time zone of {facts.name}: `timezone: local` is shown as {facts.zone}"
        return
    yield from sides.head.inventory.notices(facts)
    tasks = (*sides.base.tasks, *sides.head.tasks)
    if any(not _is_by_name(selector) for task in tasks for selector in task.hosts):
        yield f"only the name {facts.name} is known: selectors by address or label match nothing; give --facts FILE"
    if any(_is_in_local_time(task) for task in tasks):
        yield f"the time zone of {facts.name} is not known: `timezone: local` is shown as {facts.zone}; give --facts FILE"


def _is_by_name(selector: str) -> bool:
    understood = parse_selector(selector)
    return isinstance(understood, Selector) and isinstance(understood.test, NamePattern)


def _is_in_local_time(task: Task) -> bool:
    return isinstance(task.timing, CronTiming) and task.timing.zone == "local"
