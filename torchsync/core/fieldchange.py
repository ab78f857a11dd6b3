"""The fields in which two definitions of a task differ, with values as a task file would hold them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from torchsync.core.diff import Change, described
from torchsync.core.durations import format_duration, format_size
from torchsync.core.jsontext import Json
from torchsync.core.model import DaemonTiming, Limits, Millis, ProgramCommand, Retry
from torchsync.core.notify import Notify, written

_DURATIONS = frozenset(
    {"timeout", "jitter", "starting_deadline", "stop_grace", "delay", "max_delay", "reset_after", "alert.max_age", "alert.max_duration"}
)
_SIZES = frozenset({"output.max_size"})
_NONE_AT_ZERO = frozenset({"timeout", "jitter", "alert.max_duration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field in the words of a task file, with values as one would write them there; None for a field that is not given.

    The field `inputs` without values stands for the content of files that the task depends on, `host.timezone` for the zone of the host.
    """

    field: str
    old: Json
    new: Json


def field_changes(change: Change) -> tuple[FieldChange, ...]:
    """What differs, by the name of the field."""
    before, after = described(change.old), described(change.new)
    return tuple(_field_change(field, before.get(field), after.get(field)) for field in change.fields)


def _field_change(field: str, old: object, new: object) -> FieldChange:
    if old == new:
        return FieldChange(field=field, old=None, new=None)
    return FieldChange(field=field, old=_written(field, old), new=_written(field, new))


def _written(field: str, value: object) -> Json:
    """The value as a task file has it; None for one that a task file would leave out."""
    match value:
        case Limits():
            return _written_limits(value)
        case DaemonTiming() | Retry():
            return {item.name: _written(item.name, getattr(value, item.name)) for item in fields(value)}
        case ProgramCommand(argv=argv):
            return list(argv)
        case Enum():
            return str(value.value)
        case int() | float():
            return _written_number(field, value)
        case _:
            return _written_text(value)


def _written_limits(limits: Limits) -> Json:
    given: dict[str, Json] = {
        "files": limits.files or None,
        "nice": limits.nice,
        "io": limits.io or None,
        "memory": format_size(limits.memory) if limits.memory else None,
        "cpu": f"{limits.cpu}%" if limits.cpu else None,
        "pids": limits.pids or None,
    }
    return {name: value for name, value in given.items() if value is not None} or None


def _written_number(field: str, value: float) -> Json:
    if field in _NONE_AT_ZERO and not value:
        return None
    if field in _DURATIONS:
        return format_duration(Millis(int(value)))
    return format_size(int(value)) if field in _SIZES else value


def _written_text(value: object) -> Json:
    """Of a text, of texts in a list or a mapping: empty ones are as good as none."""
    match value:
        case str():
            return value or None
        case (Notify(), *_):
            return [written(entry) for entry in value if isinstance(entry, Notify)]
        case tuple():
            return list(value) or None
        case Mapping():
            return dict(value) or None
        case _:
            return None
