"""The fields of a task that say what becomes of its fires when they are late or find no room. Pure."""

from __future__ import annotations

from dataclasses import replace

from torchsync.core.model import CronTiming, Misfire, Overlap
from torchsync.core.taskfields import TaskFields

FIELDS = ("overlap", "queue_limit", "misfire", "misfire_limit")
"""For cron tasks only."""
_QUEUE_LIMIT, _MISFIRE_LIMIT = 1, 100


def with_fire_fields(timing: CronTiming, fields: TaskFields) -> CronTiming:
    """The timing with what the task says of its fires. What the task itself says in vain is a problem; from defaults it means nothing."""
    overlap = Overlap(fields.value("overlap") or "skip")
    misfire = Misfire(fields.value("misfire") or "skip")
    if overlap is not Overlap.QUEUE:
        _check_limit(fields, "queue_limit", _QUEUE_LIMIT, "overlap", "queue")
    if misfire is not Misfire.ALL:
        _check_limit(fields, "misfire_limit", _MISFIRE_LIMIT, "misfire", "all")
    _check_overlap(fields, overlap)
    return replace(
        timing,
        overlap=overlap,
        queue_limit=int(fields.value("queue_limit") or _QUEUE_LIMIT),
        misfire=misfire,
        misfire_limit=int(fields.value("misfire_limit") or _MISFIRE_LIMIT),
    )


def _check_limit(fields: TaskFields, limit: str, default: int, key: str, value: str) -> None:
    """A default that is spelt out does no harm."""
    if not fields.is_own(limit) or fields.is_unsure(key) or fields.value(limit) in (None, default):
        return
    message = f"`{limit}` means nothing without `{key}: {value}`, found `{key}: {fields.text(key, 'skip')}`"
    fields.complain("TS114", message, fields.key_spot(limit), f"add `{key}: {value}`, or drop `{limit}`")


def _check_overlap(fields: TaskFields, overlap: Overlap) -> None:
    """Without a limit of copies a task is never full; a pool may be, and then a fire can wait."""
    waits = overlap is Overlap.QUEUE and ("pool" in fields or fields.is_unsure("pool"))
    if overlap is Overlap.SKIP or waits or fields.value("max_running") != 0 or not fields.is_own("overlap"):
        return
    message = f"`overlap: {overlap.value}` means nothing while `max_running` is 0, which is no limit"
    fields.complain("TS114", message, fields.spot("overlap"), "write how many copies may run, or drop `overlap`")
