"""Instants and lengths of time as text. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from torchsync.core.model import Instant, Millis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(instant: Instant) -> str:
    """`2026-11-23T20:00:00.000Z`: UTC, always with milliseconds, so that texts sort as instants do."""
    moment = _EPOCH + timedelta(milliseconds=instant)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % 1000:03d}Z"


def rfc3339_short(instant: Instant) -> str:
    """As `rfc3339`, but without milliseconds where there are none, as instants of a schedule are."""
    return rfc3339(instant).replace(".000Z", "Z")


def parse_rfc3339(text: str) -> Instant:
    """The instant that `text` names. Raises ValueError when it is no date and time, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date and time; write it as 2026-11-23T20:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it as 2026-11-23T20:00:00Z")
    return Instant((moment - _EPOCH) // timedelta(milliseconds=1))


def brief_duration(length: Millis) -> str:
    """`850ms`, `12s`, `4m05s`, `3h20m`, `2d04h`: two units at most, for people."""
    seconds = abs(length) // 1000
    if seconds == 0:
        return f"{abs(length)}ms"
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds // 60 % 60:02d}m"
    return f"{seconds // 86400}d{seconds // 3600 % 24:02d}h"
