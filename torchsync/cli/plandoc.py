"""A plan as a JSON document: `schemas/plan.schema.json` describes it."""

from __future__ import annotations

from torchsync.cli.planview import FleetReport, Report
from torchsync.cli.report import problems_document
from torchsync.core.clockchange import Night
from torchsync.core.fleetplan import HostGroup
from torchsync.core.forecast import Fires, Forecast
from torchsync.core.instants import rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import CronTiming, Instant, Task
from torchsync.core.nightwords import night_told
from torchsync.core.plan import HostPlan, Step


def plan_document(report: Report) -> dict[str, Json]:
    """The plan of one host."""
    plan, facts = report.plan, report.plan.facts
    return {
        "host": facts.name,
        "facts": {"name": facts.name, "addresses": list(facts.addresses), "labels": dict(facts.labels), "zone": facts.zone},
        "base": report.base.revision,
        "head": report.head.revision,
        "after": rfc3339_short(report.now),
        **_steps_document(plan),
        "unchanged": plan.unchanged,
        "not_selected": plan.not_selected,
        "policy_known": plan.refused is not None,
        "refused": problems_document(plan.refusals),
        "notices": list(report.notices),
    }


def fleet_document(report: FleetReport) -> dict[str, Json]:
    """The plan of all hosts, by groups."""
    plan = report.plan
    return {
        "hosts": plan.hosts,
        "touched": plan.touched,
        "refusing": plan.refusing,
        "base": report.base.revision,
        "head": report.head.revision,
        "after": rfc3339_short(report.now),
        "groups": [_group_document(group) for group in plan.groups],
        "notices": list(report.notices),
    }


def _group_document(group: HostGroup) -> Json:
    return {
        "hosts": list(group.hosts),
        "told_for": group.hosts[0],
        **_steps_document(group.plan),
        "unchanged": {"least": group.unchanged[0], "most": group.unchanged[1]},
        "not_selected": {"least": group.not_selected[0], "most": group.not_selected[1]},
        "policy_known": group.plan.refused is not None,
        "refused": problems_document(group.refusals),
    }


def _steps_document(plan: HostPlan) -> dict[str, Json]:
    return {
        "added": [_added_document(step) for step in plan.added],
        "removed": [_removed_document(step) for step in plan.removed],
        "changed": [_changed_document(step) for step in plan.changed],
        "pools": [{"pool": pool.name, "old": pool.old, "new": pool.new} for pool in plan.pools],
    }


def _added_document(step: Step) -> Json:
    return {
        **_task_document(step, step.new),
        "why": step.why,
        "next": _instants(step.next_fires),
        "starts": step.starts,
        **_time_document(step),
    }


def _removed_document(step: Step) -> Json:
    return {**_task_document(step, step.old), "why": step.why, "running_copies": step.running.value, **_time_document(step)}


def _changed_document(step: Step) -> Json:
    return {
        **_task_document(step, step.new),
        "fields": [{"field": change.field, "old": change.old, "new": change.new} for change in step.fields],
        "reschedules": step.reschedules,
        "inputs": [{"path": one.path, "change": one.effect.value} for one in step.inputs],
        "next": _instants(step.next_fires),
        "running_copies": step.running.value,
        "starts": step.starts,
        "restarts": step.restarts,
        **_time_document(step),
    }


def _task_document(step: Step, task: Task | None) -> dict[str, Json]:
    timing = task.timing if task else None
    is_cron = isinstance(timing, CronTiming)
    return {
        "task": step.name,
        "type": "cron" if is_cron else "daemon",
        "enabled": bool(task and task.enabled),
        "schedule": timing.schedule if isinstance(timing, CronTiming) else None,
        "timezone": timing.zone if isinstance(timing, CronTiming) else None,
    }


def _time_document(step: Step) -> dict[str, Json]:
    return {
        "by_host": step.is_by_host,
        "forecast": _forecast_document(step.forecast) if step.forecast else None,
        "clock_changes": [_night_document(step.zone, night) for night in step.nights],
    }


def _forecast_document(found: Forecast) -> Json:
    return {
        "gained": _fires_document(found.gained),
        "lost": _fires_document(found.lost),
        "until": rfc3339_short(found.until),
        "whole": found.is_whole,
    }


def _fires_document(fires: Fires) -> Json:
    return {"count": fires.count, "first": _instants(fires.first)}


def _night_document(zone: str, night: Night) -> Json:
    at = rfc3339_short(Instant(night.change.at * 1_000))
    return {"timezone": zone, "at": at, "effect": night.effect.value, "fires": night.count, "message": night_told(night)}


def _instants(instants: tuple[Instant, ...]) -> list[Json]:
    return [rfc3339_short(instant) for instant in instants]
