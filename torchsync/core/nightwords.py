"""What a schedule does on the night of a clock change, in words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from torchsync.core.clockchange import Effect, Night


def night_told(night: Night) -> str:
    """Date, hours and what becomes of the fires, in a sentence without a full stop; times are those of the wall clock."""
    change = night.change
    first, end = change.span
    span = f"the clock {'skips' if change.is_gap else 'shows'} {_time(first)} to {_time(end)}{'' if change.is_gap else ' twice'}"
    fires = f"the fire of {_time(night.wall)}" if night.count == 1 else f"{night.count} fires from {_time(night.wall)} on"
    match night.effect:
        case Effect.MADE_UP:
            what = f"{fires} {'is' if night.count == 1 else 'are'} made up for at {_time(end)}{'' if night.count == 1 else ', once'}"
        case Effect.LOST:
            what = f"{fires} {'does' if night.count == 1 else 'do'} not come"
        case Effect.ONCE:
            what = f"{fires} {'comes' if night.count == 1 else 'come'} the first time only"
        case Effect.TWICE:
            what = f"{fires} {'comes' if night.count == 1 else 'come'} both times"
    return f"on {_moment(first):%Y-%m-%d} {span}, and {what}"


def _moment(wall: int) -> datetime:
    return datetime.fromtimestamp(wall, UTC)


def _time(wall: int) -> str:
    return f"{_moment(wall):%H:%M:%S}".removesuffix(":00")
