"""The shipped rules and examples of `grafana/`, made to go N times as fast, so that a test meets in seconds what takes a fleet minutes.

What a rule says stays as it is; only time is counted in units N times as short. Divided by N are

- `for` and `keep_firing_for` of a rule;
- durations within an expression: ranges (`[15m]`), offsets (`offset 15m`);
- numbers of 60 and above within an expression: those are seconds, since nothing else that a rule counts to is as large;
- the intervals of Prometheus and of Alertmanager (scrape, evaluation, group, repeat), and the defaults of Prometheus that `DEFAULTS` names.

Left alone are numbers below 60 (counts, shares, and the 5 s of lag that are late), what agents and tasks export of their own limits
(`alert.max_age`, the sync interval), which a test sets as short as it likes, and the agent's own rhythm: its loop turns once a second, so that
N must leave a minute well above that. Nor can it be set for how long Prometheus repeats that an alert has ended: 15 minutes, at any speed.

A hastened document is for tests alone: with N = 30 an agent is dead after ten seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).parents[1] / "grafana"
RULES = GRAFANA / "rules" / "torchsync.rules.yaml"

Document = dict[str, Any]

_TIMES = frozenset(
    {"for", "keep_firing_for", "interval", "scrape_interval", "evaluation_interval", "group_wait", "group_interval", "repeat_interval"}
)
"""Fields of the three documents that hold a duration."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
"""Of durations as Prometheus reads them, in milliseconds."""

_LEAST_SECONDS = 60
"""A number in an expression that is at least this large is seconds."""

_TOKEN = re.compile(
    r"""
    (?P<text> "[^"]*" | '[^']*' | `[^`]*` )
  | (?P<name> [a-zA-Z_:][a-zA-Z0-9_:]* )
  | (?P<time> (?: [0-9]+ (?:ms|[smhdwy]) )+ )
  | (?P<number> [0-9.]+ (?: [eE][+-]?[0-9]+ )? )
    """,
    re.VERBOSE,
)
"""What may look like a number in PromQL (prometheus.io/docs/prometheus/latest/querying/basics): texts and names are passed over whole."""

DEFAULTS = {"query.lookback-delta": "5m", "rules.alert.resend-delay": "1m"}
"""Flags of Prometheus that a hastened one needs, with the defaults of its manual: how long a series without samples lives on, and how
often Alertmanager is told again what it has been told."""


def shipped(path: Path) -> Document:
    return yaml.safe_load(path.read_text())


def hastened(document: Any, speed: int) -> Any:
    """A rules file, a `prometheus.yaml` or an `alertmanager.yaml` at that many times the speed. The document itself stays as it is."""
    match document:
        case dict():
            return {key: _field(key, value, speed) for key, value in document.items()}
        case list():
            return [hastened(item, speed) for item in document]
        case _:
            return document


def hastened_defaults(speed: int) -> dict[str, str]:
    return {flag: _shortened(time, speed) for flag, time in DEFAULTS.items()}


def hastened_expression(text: str, speed: int) -> str:
    return _TOKEN.sub(_replacing(speed), text)


def seconds_in(text: str) -> list[float]:
    """The numbers of an expression that count as seconds."""
    return [float(found["number"]) for found in _TOKEN.finditer(text) if _is_seconds(found)]


def _field(key: str, value: Any, speed: int) -> Any:
    if key == "expr":
        return hastened_expression(value, speed)
    return _shortened(value, speed) if key in _TIMES else hastened(value, speed)


def _replacing(speed: int) -> Callable[[re.Match[str]], str]:
    def replaced(found: re.Match[str]) -> str:
        if found["time"]:
            return _shortened(found["time"], speed)
        return f"{float(found['number']) / speed:g}" if _is_seconds(found) else found[0]

    return replaced


def _is_seconds(found: re.Match[str]) -> bool:
    return found["number"] is not None and float(found["number"]) >= _LEAST_SECONDS


def _shortened(time: str, speed: int) -> str:
    length = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", time))
    return f"{length // speed}ms"
