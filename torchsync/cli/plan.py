"""`torchsync plan`: what a change of the repository would do to a host, or to all hosts, told before it is applied."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from torchsync.cli.check import uncollected
from torchsync.cli.moment import moment_of
from torchsync.cli.plandoc import fleet_document, plan_document
from torchsync.cli.planhosts import fleet_hosts, one_host, unknown_facts, unknown_grants, unknown_of_fleet
from torchsync.cli.planmarkdown import fleet_markdown, plan_markdown
from torchsync.cli.planview import FleetReport, Report, fleet_lines, plan_lines
from torchsync.cli.report import print_problems
from torchsync.cli.sides import Sides, read_sides
from torchsync.cli.terminal import is_coloured
from torchsync.core.fleetplan import FleetPlan, plan_fleet
from torchsync.core.jsontext import Json
from torchsync.core.model import Instant
from torchsync.core.plan import HostPlan, plan_host
from torchsync.errors import Problem, Refused, UsageError

CHANGES = 10
FORMATS = ("text", "json", "markdown")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder of the task repository (default: the current one)")
    parser.add_argument("--base", metavar="REV", help="the revision to compare with (default: HEAD; outside of git: nothing)")
    parser.add_argument("--head", metavar="REV", help="the revision to plan (default: the folder as it is)")
    host = parser.add_mutually_exclusive_group()
    host.add_argument("--host", metavar="NAME", help="plan for the host of this name (default: this machine)")
    host.add_argument(
        "--all-hosts", action="store_true", help="plan for every host of hosts.yaml; hosts with the same change are told together"
    )
    parser.add_argument(
        "--facts",
        metavar="FILE",
        action="append",
        help="plan for the host of this file: what `torchsync facts --json` printed there; with --all-hosts several may be given",
    )
    parser.add_argument("--config", metavar="FILE", help="judge by the policy of this agent.yaml too (default: $TORCHSYNC_CONFIG)")
    parser.add_argument("--after", metavar="T", help="show fires later than this, such as 2026-03-29T00:00:00Z (default: now)")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="how the plan is printed; markdown is for a pull request (default: text)"
    )
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument("--no-cache", action="store_true", help="judge every file anew, and keep nothing")


def execute(args: argparse.Namespace) -> int:
    """0: nothing changes; 10: something does; 77: a host refuses."""
    now = moment_of(args.after)
    _check_hosts(args)
    with uncollected():
        sides = read_sides(args.path, args.base, args.head, use_cache=not args.no_cache)
        return _plan_all(args, sides, now) if args.all_hosts else _plan_one(args, sides, now)


def _check_hosts(args: argparse.Namespace) -> None:
    if args.host is not None and args.facts:
        raise UsageError("TS357", "give either --host or --facts: the facts of a host say its name")
    if len(args.facts or ()) > 1 and not args.all_hosts:
        raise UsageError("TS357", "give one --facts FILE, or --all-hosts too")


def _plan_one(args: argparse.Namespace, sides: Sides, now: Instant) -> int:
    host = one_host(args, sides.base.inventory, sides.head.inventory)
    plan = _from_here(plan_host(sides.base, sides.head, own=host.facts, now=now, rules=host.rules), args.path)
    more = unknown_facts(sides, host.facts) if args.host else sides.head.inventory.notices(host.facts)
    grants = unknown_grants(sides) if host.rules is None else ()
    report = Report(plan=plan, base=sides.base, head=sides.head, now=now, rules=host.words, notices=(*sides.notices, *more, *grants))
    match args.format:
        case "json":
            _print_json(plan_document(report))
        case "markdown":
            print(plan_markdown(report))
        case _:
            _print_text(plan_lines(report, coloured=is_coloured()), plan.refusals)
    return _status(refuses=bool(plan.refusals), is_empty=plan.is_empty)


def _plan_all(args: argparse.Namespace, sides: Sides, now: Instant) -> int:
    hosts = fleet_hosts(args, sides.base.inventory, sides.head.inventory)
    plan = _fleet_from_here(plan_fleet(sides.base, sides.head, hosts=hosts, now=now), args.path)
    grants = unknown_grants(sides) if any(host.rules is None for host in hosts) else ()
    notices = (*sides.notices, *unknown_of_fleet(sides, hosts), *grants)
    report = FleetReport(plan=plan, base=sides.base, head=sides.head, now=now, notices=notices)
    match args.format:
        case "json":
            _print_json(fleet_document(report))
        case "markdown":
            print(fleet_markdown(report))
        case _:
            refusals = dict.fromkeys(problem for group in plan.groups for problem in group.refusals)
            _print_text(fleet_lines(report, coloured=is_coloured()), tuple(refusals))
    return _status(refuses=bool(plan.refusing), is_empty=not plan.touched)


def _status(*, refuses: bool, is_empty: bool) -> int:
    if refuses:
        return Refused.exit_status
    return 0 if is_empty else CHANGES


def _print_json(document: Json) -> None:
    print(json.dumps(document, indent=2))


def _print_text(lines: Iterable[str], refusals: tuple[Problem, ...]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()  # problems come after the plan, also where both streams end in one file
    print_problems(refusals, sys.stderr)


# The paths of problems lead there from the current folder.


def _from_here(plan: HostPlan, path: str) -> HostPlan:
    return replace(plan, refused=plan.refused and _problems_from_here(plan.refused, path))


def _fleet_from_here(plan: FleetPlan, path: str) -> FleetPlan:
    groups = [
        replace(group, plan=_from_here(group.plan, path), refusals=_problems_from_here(group.refusals, path)) for group in plan.groups
    ]
    return replace(plan, groups=tuple(groups))


def _problems_from_here(problems: tuple[Problem, ...], path: str) -> tuple[Problem, ...]:
    return tuple(replace(problem, path=str(Path(path, problem.path))) if problem.path else problem for problem in problems)
