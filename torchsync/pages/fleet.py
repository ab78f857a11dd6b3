"""The page of a fleet: who runs what, from the document that `torchsync fleet --format json` prints (`schemas/fleet.schema.json`).

The document is sent along once, made small: names that stand in many places are numbers, and hosts that run the same tasks share one list. Without
JavaScript the page shows the same as plain tables, where such hosts share a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from torchsync.core.instants import parse_rfc3339
from torchsync.core.jsontext import Json
from torchsync.core.model import Instant
from torchsync.pages.fleetweeks import FleetWeeks
from torchsync.pages.page import page

Document = Mapping[str, Any]

_HOUR = 3_600_000


def render_fleet(document: Document) -> str:
    """One page of HTML that needs no other file and no network."""
    made = datetime.fromisoformat(document["generated_at"]).astimezone(UTC)
    return page("fleet", payload(document), fleet=document, cohorts=cohorts(document), made=f"{made:%a} {made.day} {made:%b %Y, %H:%M} UTC")


def payload(document: Document) -> dict[str, Json]:
    """What the script of the page gets. Times are seconds since 1970, or since `start`, which is the hour in which the document was made."""
    made = parse_rfc3339(document["generated_at"])
    weeks = FleetWeeks(Instant(made // _HOUR * _HOUR))
    places = {task["name"]: place for place, task in enumerate(document["tasks"])}
    sets: dict[tuple[int, ...], int] = {}
    hosts = [_host(host, sets, places) for host in document["hosts"]]
    zones = {host["name"]: host["zone"] for host in document["hosts"]}
    tasks = [_task(task) | weeks.fires_of(task, [(name, zones[name]) for name in task["hosts"]]) for task in document["tasks"]]
    weeks.zones.update(zone for zone in zones.values() if zone)
    return {
        "made": made // 1000,
        "start": weeks.start // 1000,
        "has_inventory": document["has_inventory"],
        "sets": [list(one) for one in sets],
        "hosts": [*hosts],
        "tasks": [*tasks],
        "idle_tasks": document["idle_tasks"],
        "idle_hosts": document["idle_hosts"],
        "weeks": weeks.listed(),
        "clocks": weeks.clocks(),
        "differences": document["differences"],
        "live": _live(document["live"], places, made) if document["live"] else None,
    }


def cohorts(document: Document) -> list[tuple[list[Document], list[str]]]:
    """The hosts that run the same tasks, and those tasks, in the order of their first hosts."""
    found: dict[tuple[str, ...], list[Document]] = {}
    for host in document["hosts"]:
        found.setdefault(tuple(host["tasks"]), []).append(host)
    return [(hosts, list(tasks)) for tasks, hosts in found.items()]


def _host(host: Document, sets: dict[tuple[int, ...], int], places: Mapping[str, int]) -> dict[str, Json]:
    chosen = tuple(places[name] for name in host["tasks"])
    return _filled(host, without="tasks") | {"set": sets.setdefault(chosen, len(sets))}


def _task(task: Document) -> dict[str, Json]:
    return _filled(task, without="hosts")


def _filled(item: Document, without: str) -> dict[str, Json]:
    """What is given of it: a page of many tasks is mostly words for what is not."""
    return {key: value for key, value in item.items() if key != without and value not in ("", None, [], {}, 0)}


def _live(live: Document, places: Mapping[str, int], made: Instant) -> dict[str, Json]:
    kept = {key: value for key, value in live.items() if key != "hosts"}
    return kept | {"hosts": [_live_host(host, places, made) for host in live["hosts"]]}


def _live_host(host: Document, places: Mapping[str, int], made: Instant) -> dict[str, Json]:
    return _filled(host, without="tasks") | {"tasks": [_live_task(task, places, made) for task in host["tasks"]]}


def _live_task(task: Document, places: Mapping[str, int], made: Instant) -> list[Json]:
    """The number or name of the task; how many seconds ago it came, ran last and succeeded last, -1 for never; then, as far as there is
    something to tell, failures in a row, running copies, and `p` for paused, `l` for late.
    """
    flags = ("p" if task["paused"] else "") + ("l" if task["late"] else "")
    rest: list[Json] = [task["failures"], task["running"], flags]
    while rest and not rest[-1]:
        rest.pop()
    return [places.get(task["name"], task["name"]), *(_age(task[key], made) for key in ("since", "last_run", "last_success")), *rest]


def _age(text: str | None, made: Instant) -> int:
    return max(0, made - parse_rfc3339(text)) // 1000 if text else -1
