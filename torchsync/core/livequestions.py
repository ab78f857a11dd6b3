"""What is asked of Prometheus to learn what a fleet really runs. Pure.

Theory of operation. One question tells all there is of the agents. One more for each metric of tasks asks for the labels only that are needed:
with 1,000 hosts and 100 tasks on each, an answer has 100,000 samples. Series of a host that is not heard end at once, so when it was heard last is
asked for besides: in detail for ten minutes, in steps of five minutes for as long as `REMEMBERED`, which Prometheus can answer without reading
every sample. Jobs that scrape agents are those that have had the metrics of one; what else is `up` or not is nobody's concern here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torchsync.core.metrictable import PREFIX
from torchsync.core.prometheus import any_of

REMEMBERED = "7d"
MOST_TASKS_NAMED = 100
"""Of more than that the answer for all is taken, and what is not wanted dropped."""

AGENT_METRICS = (
    "build_info",
    "commit_info",
    "tasks",
    "paused",
    "pinned",
    "state_degraded",
    "host_facts_mismatch",
    "scheduler_last_tick_timestamp_seconds",
    "sync_last_success_timestamp_seconds",
    "sync_last_apply_timestamp_seconds",
    "sync_consecutive_failures",
)
TASK_METRICS = (
    "task_last_success_timestamp_seconds",
    "task_first_seen_timestamp_seconds",
    "task_last_run_timestamp_seconds",
    "task_next_run_timestamp_seconds",
    "task_consecutive_failures",
    "task_running",
    "task_paused",
    "task_max_success_age_seconds",
)
LAST_TICK = f"{PREFIX}scheduler_last_tick_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions for hosts that are told by `label`. Where `tasks` are given, only those are asked for."""

    label: str = "instance"
    tasks: Collection[str] = ()

    def agents(self) -> str:
        return f'{{__name__=~"{any_of(PREFIX + name for name in AGENT_METRICS)}"}}'

    def last_seen(self) -> str:
        by = f"max by (job, {self._labels})"
        return f"{by} (max_over_time({LAST_TICK}[10m])) or {by} (max_over_time({LAST_TICK}[{REMEMBERED}:5m]))"

    def up(self, jobs: Collection[str]) -> str:
        return f'max by (job, {self._labels}) (up{{job=~"{any_of(jobs)}"}})'

    def exported(self) -> str:
        """How many tasks each host tells of, whichever are asked for."""
        return f"count by ({self._labels}) ({PREFIX}{TASK_METRICS[0]})"

    def task(self, metric: str) -> str:
        """About one of `TASK_METRICS`."""
        chosen = f'{{task=~"{any_of(self.tasks)}"}}' if 0 < len(self.tasks) <= MOST_TASKS_NAMED else ""
        return f"max by ({self._labels}, task) ({PREFIX}{metric}{chosen})"

    @property
    def _labels(self) -> str:
        return "instance" if self.label == "instance" else f"instance, {self.label}"
