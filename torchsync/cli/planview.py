"""A plan as text for people and as a JSON document (`schemas/plan.schema.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torchsync.cli.report import problems_document
from torchsync.cli.terminal import Tone, clock, paint
from torchsync.core.durations import format_duration
from torchsync.core.fieldchange import FieldChange
from torchsync.core.instants import rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import Conduct, CronTiming, Instant, Task
from torchsync.core.plan import HostPlan, Running, Side, Step

_LONGEST_VALUE = 80
_SHOWN_BEFORE = 20
_NOT_GIVEN = "(none)"
_ADDED, _REMOVED, _CHANGED = ("+", Tone.GOOD), ("-", Tone.BAD), ("~", Tone.HEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plan and everything that is said with it.

    `rules` says whose policy was applied and is empty when it is not known. `notices` are sentences without a full stop.
    """

    plan: HostPlan
    base: Side
    head: Side
    now: Instant
    rules: str = ""
    notices: tuple[str, ...] = ()


# JSON


def plan_document(report: Report) -> dict[str, Json]:
    plan, facts = report.plan, report.plan.facts
    return {
        "host": facts.name,
        "facts": {"name": facts.name, "addresses": list(facts.addresses), "labels": dict(facts.labels), "zone": facts.zone},
        "base": report.base.revision,
        "head": report.head.revision,
        "after": rfc3339_short(report.now),
        "added": [_added_document(step) for step in plan.added],
        "removed": [_removed_document(step) for step in plan.removed],
        "changed": [_changed_document(step) for step in plan.changed],
        "unchanged": plan.unchanged,
        "not_selected": plan.not_selected,
        "policy_known": plan.refused is not None,
        "refused": problems_document(plan.refusals),
        "notices": list(report.notices),
    }


def _added_document(step: Step) -> Json:
    return {**_task_document(step, step.new), "why": step.why, "next": _fires(step), "starts": step.starts}


def _removed_document(step: Step) -> Json:
    return {**_task_document(step, step.old), "why": step.why, "running_copies": step.running.value}


def _changed_document(step: Step) -> Json:
    return {
        **_task_document(step, step.new),
        "fields": [{"field": change.field, "old": change.old, "new": change.new} for change in step.fields],
        "reschedules": step.reschedules,
        "next": _fires(step),
        "running_copies": step.running.value,
        "starts": step.starts,
        "restarts": step.restarts,
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


def _fires(step: Step) -> list[Json]:
    return [rfc3339_short(fire) for fire in step.next_fires]


# Text


def plan_lines(report: Report, *, coloured: bool) -> Iterator[str]:
    """The plan for people: the sum of it, then every task by name, then what is not touched."""
    plan = report.plan
    yield paint(f"{shown(plan.facts.name)}: {_sum(plan)}", Tone.HEAD, coloured=coloured)
    yield f"from {_side_words(report.base)} to {_side_words(report.head)}"
    yield from (paint(f"notice: {notice}", Tone.BAD, coloured=coloured) for notice in report.notices)
    for step in plan.steps:
        yield ""
        yield from _step_lines(step, coloured=coloured)
    yield ""
    if plan.unchanged and not plan.is_empty:
        yield f"{_number(plan.unchanged, 'unchanged task')}: not touched, nor are running copies."
    if plan.removal:
        yield paint("Refused by the guard against removal, whole; what is in force would stay.", Tone.BAD, coloured=coloured)
    yield paint(_policy_line(report), Tone.BAD if plan.refused else Tone.PLAIN, coloured=coloured)


def shown(value: Json) -> str:
    """The value on one line, with nothing in it that a terminal acts on; quoted as JSON where it would not be plain otherwise."""
    if value is None:
        return _NOT_GIVEN
    if isinstance(value, str):
        is_plain = value.isprintable() and value.strip() == value and value and value[0] not in "\"'(["
        return value if is_plain else json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _sum(plan: HostPlan) -> str:
    counts = ((len(plan.added), "to add"), (len(plan.changed), "to change"), (len(plan.removed), "to remove"))
    changes = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing changes"
    return f"{changes}; {plan.unchanged} unchanged, {plan.not_selected} for other hosts"


def _side_words(side: Side) -> str:
    return f"{side.words} ({side.revision[:12]})" if side.revision and side.revision[:12] != side.words else side.words


def _policy_line(report: Report) -> str:
    refused = report.plan.refused
    if refused is None:
        return "What this host itself allows is not known here: give its agent.yaml with --config to have that judged too."
    if refused:
        return f"Refused by this host, whole: {_number(len(refused), 'problem')} by {report.rules}; what is in force would stay."
    return f"Accepted by {report.rules}."


def _step_lines(step: Step, *, coloured: bool) -> Iterator[str]:
    mark, tone = _ADDED if step.old is None else _REMOVED if step.new is None else _CHANGED
    task = step.new or step.old
    yield paint(f"{mark} {step.name}", tone, coloured=coloured) + (f"  {_timing_words(task)}" if task else "")
    pairs = [("why", step.why)] if step.why else []
    pairs += [pair for change in step.fields for pair in _field_pairs(change)]
    if step.next_fires:
        pairs.append(("next", ", ".join(clock(rfc3339_short(fire)) for fire in step.next_fires)))
    pairs.append(("then", _consequence(step)))
    width = max(len(word) for word, _ in pairs)
    yield from (f"    {word.ljust(width)}  {text}" for word, text in pairs)


def _timing_words(task: Task) -> str:
    match task.timing:
        case CronTiming(schedule=schedule, zone=zone):
            words = f"{schedule} {zone}"
        case _:
            words = "daemon" if task.max_running == 1 else f"daemon, {task.max_running} copies"
    return words if task.enabled else f"{words}, disabled"


def _field_pairs(change: FieldChange) -> Iterator[tuple[str, str]]:
    """A mapping is told key by key."""
    if change.field == "inputs" and change.old is None and change.new is None:
        yield "inputs", "the content of a file that the task depends on"
    elif isinstance(change.old, Mapping) or isinstance(change.new, Mapping):
        old, new = _mapping(change.old), _mapping(change.new)
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield f"{change.field}.{shown(key)}", _from_to(shown(old.get(key)), shown(new.get(key)))
    else:
        yield change.field, _from_to(shown(change.old), shown(change.new))


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _from_to(old: str, new: str) -> str:
    """Long values are cut where they still show what is different."""
    same = next((place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new)))
    return f"{_cut(old, same)} -> {_cut(new, same)}"


def _cut(text: str, place: int) -> str:
    if len(text) <= _LONGEST_VALUE:
        return text
    start = max(0, min(place - _SHOWN_BEFORE, len(text) - _LONGEST_VALUE))
    end = start + _LONGEST_VALUE
    return f"{'...' if start else ''}{text[start:end]}{'...' if end < len(text) else ''}"


def _consequence(step: Step) -> str:
    """What happens to copies of the task on this host when the change is applied."""
    sentences = [_of_running(step), _of_new_copies(step), _of_instants(step)]
    return "; ".join(sentence for sentence in sentences if sentence) or "nothing runs"


def _of_running(step: Step) -> str:
    if step.old is None or step.running is Running.NONE:
        return ""
    if step.running is Running.FINISH:
        is_followed = step.finishes_first and step.new is not None and step.new.is_daemon and step.new.enabled
        return f"running copies finish{', each is started anew then' if is_followed else ''}"
    end = f"({step.old.stop_signal}, KILL after {format_duration(step.old.stop_grace)})"
    if step.running is Running.STOP:
        return f"running copies are stopped {end}"
    if step.surplus <= 0:
        return "running copies are not touched"
    gone, ends = step.surplus, step.old.when_changed is Conduct.STOP
    surplus = f"the last {gone} copies" if gone > 1 else "the last copy"
    how = f"{'are' if gone > 1 else 'is'} stopped {end}" if ends else f"finish{'' if gone > 1 else 'es'}"
    return f"{surplus} {how}, the others are not touched"


def _of_new_copies(step: Step) -> str:
    if step.new is None or not step.starts:
        return ""
    copies = step.new_copies
    return f"{copies if copies > 1 else 'one'} {'copies are' if copies > 1 else 'copy is'} started{' anew' if step.restarts else ''}"


def _of_instants(step: Step) -> str:
    if step.new is None or step.new.is_daemon:
        return ""
    if not step.new.enabled:
        return "disabled, so that no instant fires"
    if not step.reschedules:
        return "its instants count on as before"
    if step.next_fires:
        return "instants count from the moment it is applied"
    return "fires once at each start of the host" if step.at_startup else "no instant is to come"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
