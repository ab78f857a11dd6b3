"""The week's fires of a fleet, as the page gets them: each distinct week once, and for each task the number of its week.

Most tasks fire at the same instants on every host. Where `H`, jitter or a host's own zone make a difference, the task has a list instead, in the
order of its hosts. There is an end to that, since a page is sent around: beyond `MOST_OWN` such pairs of task and host the page tells no times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torchsync.core.cron import has_hash
from torchsync.core.jsontext import Json
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, TaskName
from torchsync.core.timetable import delay_of, rhythm_of
from torchsync.core.week import Listed, Week, clocks_of, week_of

MOST_OWN = 40_000


@dataclass(slots=True)
class FleetWeeks:
    """Collects the weeks of tasks from `start` on, and the zones they are told in."""

    start: Instant
    weeks: dict[Week, int] = field(default_factory=dict)
    zones: set[str] = field(default_factory=lambda: {"UTC"})
    own: int = 0

    def fires_of(self, task: dict[str, Any], hosts: Sequence[tuple[str, str | None]]) -> dict[str, Json]:
        """`week`, a number, or one for each of the hosts (name and zone); `delays` in milliseconds where the task has jitter; nothing when the task
        has no instants that are known here.
        """
        if not task["enabled"] or task["schedule"] is None:
            return {}
        timing = CronTiming(schedule=task["schedule"], zone=task["timezone"], jitter=Millis(int(task["jitter_seconds"] * 1000)))
        name = TaskName(task["name"])
        is_same = timing.zone != "local" and not has_hash(timing.schedule)
        if is_same and not timing.jitter:
            return {"week": self._shared(name, timing)}
        self.own += len(hosts)
        if self.own > MOST_OWN:
            return {"too_many": True}
        found: dict[str, Json] = {"week": self._shared(name, timing) if is_same else self._by_host(name, timing, hosts)}
        if timing.jitter:
            found["delays"] = [delay_of(name, timing, HostFacts(name=host)) for host, _ in hosts]
        return found

    def listed(self) -> list[Json]:
        """The distinct weeks by number, in seconds from the start."""
        return [self._as_json(week) for week in self.weeks]

    def clocks(self) -> dict[str, Json]:
        """For each zone, since when its clocks show UTC plus how much, in seconds; the first entry is from the start on."""
        return {
            zone: [[(clock.since - self.start) // 1000, clock.offset // 1000] for clock in clocks_of(zone, self.start)]
            for zone in sorted(self.zones)
        }

    def _shared(self, task: TaskName, timing: CronTiming) -> int:
        return self._number(task, timing, HostFacts(name="", zone=timing.zone))

    def _by_host(self, task: TaskName, timing: CronTiming, hosts: Sequence[tuple[str, str | None]]) -> list[Json]:
        """None where only the host knows its zone."""
        return [
            None if timing.zone == "local" and zone is None else self._number(task, timing, HostFacts(name=name, zone=zone or "UTC"))
            for name, zone in hosts
        ]

    def _number(self, task: TaskName, timing: CronTiming, facts: HostFacts) -> int:
        rhythm = rhythm_of(task, timing, facts)
        self.zones.add(rhythm.zone)
        return self.weeks.setdefault(week_of(rhythm.schedule, rhythm.zone, self.start), len(self.weeks))

    def _as_json(self, week: Week) -> Json:
        if isinstance(week, Listed):
            return {"series": [[(one.first - self.start) // 1000, one.step // 1000, one.count] for one in week.series]}
        return {"bands": [[band.slots, band.each] for band in week.bands]}
