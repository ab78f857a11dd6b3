"""One step of a plan in words: a task that comes, goes or changes, and what that means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from torchsync.cli.terminal import Tone, clock, paint
from torchsync.core.durations import format_duration
from torchsync.core.fieldchange import FieldChange
from torchsync.core.forecast import HORIZON, Forecast
from torchsync.core.inputchange import InputChange, InputEffect
from torchsync.core.instants import rfc3339_short
from torchsync.core.jsontext import Json
from torchsync.core.model import Conduct, CronTiming, Instant, Task
from torchsync.core.nightwords import night_told
from torchsync.core.plan import GONE, Running, Step
from torchsync.core.treepaths import PLAIN, PROGRAM

_LONGEST_VALUE = 80
_SHOWN_BEFORE = 20
_MOST_INPUTS = 20
_NOT_GIVEN = "(none)"
_ADDED, _REMOVED, _CHANGED = ("+", Tone.GOOD), ("-", Tone.BAD), ("~", Tone.HEAD)
_INPUT_WORDS = {
    InputEffect.ADDED: "new among the files that the task depends on",
    InputEffect.REMOVED: "no longer among the files that the task depends on",
    InputEffect.CONTENT: "its content changed",
    InputEffect.MODE: "its mode changed",
    InputEffect.BOTH: "its content and its mode changed",
}


def step_lines(step: Step, *, coloured: bool, of: str = "") -> Iterator[str]:
    mark, tone = _ADDED if step.old is None else _REMOVED if step.new is None else _CHANGED
    task = step.new or step.old
    yield paint(f"{mark} {step.name}", tone, coloured=coloured) + (f"  {_timing_words(task)}" if task else "")
    pairs = [*_pairs(step, of), ("then", _consequence(step))]
    width = max(len(word) for word, _ in pairs)
    yield from (f"    {word.ljust(width)}  {text}" for word, text in pairs)


def _pairs(step: Step, of: str) -> Iterator[tuple[str, str]]:
    """What there is to say of the step. `of` names the host whose words and fires these are, where they speak for others too."""
    if step.why:
        yield "why", f"on {of}: {step.why}" if of and step.why != GONE else step.why
    for change in step.fields:
        yield from _field_pairs(change, step)
    if step.inputs and not any(change.field == "inputs" and change.old is None for change in step.fields):
        yield from _input_pairs(step)
    where = f"per host, on {of}: " if of and step.is_by_host else ""
    if step.next_fires:
        yield "next", where + _listed(step.next_fires)
    if step.forecast:
        yield "fires", where + _forecast_words(step.forecast)
    for night in step.nights:
        yield "clock", f"{where}{step.zone}: {night_told(night)}"


def _listed(fires: Iterable[Instant]) -> str:
    return ", ".join(clock(rfc3339_short(fire)) for fire in fires)


def _forecast_words(found: Forecast) -> str:
    """How many fires come and go, and the first of those that go: those that come are told as the next ones."""
    days = f"{HORIZON // 86_400_000} days"
    when = f"in the next {days}" if found.is_whole else f"until {clock(rfc3339_short(found.until))}, and not counted further"
    if not (found.gained.count or found.lost.count):
        return f"none gained or lost {when}"
    lost = found.lost.count
    more = ", ..." if lost > len(found.lost.first) else ""
    what = [f"{found.gained.count:,} gained"] if found.gained.count else []
    what += [f"{lost:,} lost"] if lost else []
    return f"{' and '.join(what)} {when}" + (f"; lost: {_listed(found.lost.first)}{more}" if lost else "")


def _input_pairs(step: Step) -> Iterator[tuple[str, str]]:
    for change in step.inputs[:_MOST_INPUTS]:
        yield "inputs", f"{shown(change.path)}: {_INPUT_WORDS[change.effect]}{_new_mode(change)}"
    if len(step.inputs) > _MOST_INPUTS:
        yield "inputs", f"and {len(step.inputs) - _MOST_INPUTS} more files"


def _new_mode(change: InputChange) -> str:
    if change.effect not in (InputEffect.MODE, InputEffect.BOTH):
        return ""
    return {PLAIN: ", and it cannot be executed", PROGRAM: ", and it can be executed"}.get(change.mode, "")


def _timing_words(task: Task) -> str:
    match task.timing:
        case CronTiming(schedule=schedule, zone=zone):
            words = f"{schedule} {zone}"
        case _:
            words = "daemon" if task.max_running == 1 else f"daemon, {task.max_running} copies"
    return words if task.enabled else f"{words}, disabled"


def _field_pairs(change: FieldChange, step: Step) -> Iterator[tuple[str, str]]:
    """A mapping is told key by key, files by path."""
    if change.field == "inputs" and change.old is None and change.new is None:
        yield from _input_pairs(step) if step.inputs else [("inputs", "the content of a file that the task depends on")]
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


def shown(value: Json) -> str:
    """The value on one line, with nothing in it that a terminal acts on; quoted as JSON where it would not be plain otherwise."""
    if value is None:
        return _NOT_GIVEN
    if isinstance(value, str):
        is_plain = value.isprintable() and value.strip() == value and value and value[0] not in "\"'(["
        return value if is_plain else json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
