"""`torchsync fleet`: which machine runs what, told from the repository and its inventory, and with Prometheus what it really runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torchsync.cli.checkedout import CheckedOut, checked_out
from torchsync.cli.fleetlive import add_live_arguments, ask_prometheus, prometheus_of
from torchsync.cli.fleetview import Style, fleet_lines
from torchsync.cli.fleetwords import By, Extent
from torchsync.cli.moment import moment_of
from torchsync.cli.sides import read_side, read_sides, uncommitted_words
from torchsync.cli.terminal import is_coloured
from torchsync.core.fleet import fleet_of
from torchsync.core.fleetchange import fleet_change
from torchsync.core.fleetdoc import Compared, FleetReport, fleet_document
from torchsync.core.fleetfilter import FleetFilter, Place, Unmatched, chosen, narrowed, narrowed_change, unmatched
from torchsync.core.fleetfires import next_fires
from torchsync.core.livemetrics import Expected
from torchsync.core.model import Instant
from torchsync.core.plan import Side
from torchsync.core.selector import check_selector
from torchsync.errors import NotFound, Problem, UsageError

_FORMATS = ("table", "json", "markdown", "html")
_LONGEST_LIST = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder of the task repository (default: the current one)")
    parser.add_argument("--task", action="append", default=[], metavar="GLOB", help="only tasks of this name, and the hosts that run them")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="SELECTOR",
        help="only these hosts, and what they run: named as in a task file, such as 'db-*', 10.2.0.0/16, role=db, @eu, '!db-test-*'",
    )
    parser.add_argument("--owner", action="append", default=[], metavar="GLOB", help="only tasks of this owner")
    parser.add_argument("--label", action="append", default=[], type=_label, metavar="NAME=GLOB", help="only tasks that carry this label")
    parser.add_argument("--base", metavar="REV", help="also show what differs from this revision")
    parser.add_argument("--head", metavar="REV", help="the revision to show (default: the folder as it is)")
    parser.add_argument("--after", metavar="T", help="show the next fires after this moment, such as 2026-03-29T00:00:00Z (default: now)")
    parser.add_argument("--by", type=By, choices=list(By), metavar="task|host|owner", help="one table only: by task, by host or by owner")
    parser.add_argument("--full", action="store_true", help="name everything, however many there are")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="html is a page of its own (default: table)")
    parser.add_argument("--json", action="store_const", dest="format", const="json", help="the same as --format json")
    add_live_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """The fleet is on stdout. 0; raises NotFound (66) when a filter matches nothing."""
    now, prometheus = moment_of(args.after), prometheus_of(args)
    wanted = FleetFilter(tasks=tuple(args.task), owners=tuple(args.owner), labels=tuple(args.label), hosts=_selectors(args.host))
    read = _read(args)
    _check(wanted, read)
    report = _report(read, wanted, now, _filters(args))
    if prometheus:
        report = replace(report, live=ask_prometheus(prometheus, args.host_label, _expected(report, wanted, read)))
    match args.format:
        case "json":
            print(json.dumps(fleet_document(report)))
        case "markdown":
            from torchsync.cli.fleetmarkdown import fleet_markdown

            print(fleet_markdown(report, Extent(full=args.full), args.by))
        case "html":
            from torchsync.pages.fleet import render_fleet

            print(render_fleet(fleet_document(report)))
        case _:
            style = Style(extent=Extent(full=args.full), coloured=is_coloured(), by=args.by)
            print("\n".join((*fleet_lines(report, style), *_live_lines(report, style))))
    return 0


def _live_lines(report: FleetReport, style: Style) -> Iterator[str]:
    if report.live:
        from torchsync.cli.fleetliveview import live_lines

        yield ""
        yield from live_lines(report.live, style, is_narrowed=bool(report.filters))


def _label(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not name or not equals or not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=GLOB")
    return name, pattern


def _selectors(texts: list[str]) -> tuple[str, ...]:
    """Raises UsageError for what is no selector."""
    for text in texts:
        if fault := check_selector(text):
            problem = Problem(code="TS357", message=f"--host {text}: {fault.message}", hint=fault.hint)
            raise UsageError("TS357", problem.message, (problem,))
    return tuple(texts)


# What is read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The two sides that are shown; `base` is None where none was named."""

    head: Side
    place: Place
    base: Side | None = None
    base_place: Place | None = None
    notices: tuple[str, ...] = ()
    is_dirty: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        return (self.place,) if self.base_place is None else (self.place, self.base_place)


def _read(args: argparse.Namespace) -> _Read:
    """Raises CommitInvalid, and NotFound for a folder or a revision that is not there."""
    sides = read_sides(args.path, args.base, args.head) if args.base else None
    head = sides.head if sides else read_side(args.path, args.head)
    state = checked_out(args.path, head) if args.head is None else CheckedOut(revision=head.revision)
    told = sides.notices if sides else (uncommitted_words(state.files),) if state.files else ()
    return _Read(
        head=replace(head, revision=state.revision),
        place=_place(head),
        base=sides.base if sides else None,
        base_place=_place(sides.base) if sides else None,
        notices=(*told, *_inventory_notices(head)),
        is_dirty=bool(state.files),
    )


def _place(side: Side) -> Place:
    return Place(fleet=fleet_of(side.tasks, side.inventory), inventory=side.inventory)


def _inventory_notices(side: Side) -> Iterator[str]:
    if not side.inventory.hosts:
        yield (
            "hosts.yaml names no hosts, so only the selectors of tasks can be shown: list the hosts in it, "
            "as `hosts: {web-1: {addresses: [10.1.1.11], labels: {role: web}}}`"
        )


# What is asked for


def _check(wanted: FleetFilter, read: _Read) -> None:
    """Raises NotFound (TS364) for patterns that match nothing, and UsageError for a group that is none."""
    if wanted.hosts and not any(place.inventory.hosts for place in read.places):
        message = "--host: hosts.yaml names no hosts, so that there are none to choose from"
        raise NotFound("TS364", message, (Problem(code="TS364", message=message, hint="list the hosts in hosts.yaml"),))
    try:
        problems = tuple(map(_problem, unmatched(wanted, read.places)))
    except ValueError as error:
        raise UsageError("TS357", f"--host: {error}") from error
    if problems:
        raise NotFound("TS364", problems[0].message, problems)


def _problem(stranger: Unmatched) -> Problem:
    what = "host of hosts.yaml" if stranger.option == "host" else "task"
    near = " or ".join(map(repr, stranger.near[:_LONGEST_LIST]))
    hint = f"did you mean {near}?" if near else _elsewhere(stranger)
    return Problem(code="TS364", message=f"--{stranger.option} {stranger.pattern}: no {what} matches", hint=hint)


def _elsewhere(stranger: Unmatched) -> str:
    if stranger.option == "host":
        return f"`torchsync plan --host {stranger.pattern}` tells what a host of that name would run"
    return "`torchsync fleet --by task` shows all tasks" if stranger.option == "task" else "`torchsync fleet --by owner` shows all owners"


# What is told


def _report(read: _Read, wanted: FleetFilter, now: Instant, filters: Mapping[str, tuple[str, ...]]) -> FleetReport:
    asked = chosen(wanted, read.places)
    whole, inventory = read.place.fleet, read.place.inventory
    shown = narrowed(whole, asked)
    fires = next_fires(shown, inventory, now)
    compared = None
    if read.base and read.base_place:
        change = narrowed_change(fleet_change(read.base_place.fleet, whole), asked, whole)
        compared = Compared(words=read.base.words, revision=read.base.revision, change=change)
    return FleetReport(
        whole=whole,
        shown=shown,
        inventory=inventory,
        words=read.head.words,
        now=now,
        revision=read.head.revision,
        is_dirty=read.is_dirty,
        next_fires=fires.known,
        by_host=fires.by_host,
        filters=filters,
        notices=read.notices,
        compared=compared,
    )


def _expected(report: FleetReport, wanted: FleetFilter, read: _Read) -> Expected:
    return Expected(whole=report.whole, inventory=report.inventory, asked=chosen(wanted, read.places), head=report.revision or "")


def _filters(args: argparse.Namespace) -> Mapping[str, tuple[str, ...]]:
    given = {"task": args.task, "host": args.host, "owner": args.owner, "label": ["=".join(pair) for pair in args.label]}
    return {option: tuple(values) for option, values in given.items() if values}
