"""Numbers as the units of a panel show them, the way Grafana words them."""

from __future__ import annotations

import math
from collections.abc import Sequence

_TIMES = ((86400.0, "days"), (3600.0, "hours"), (60.0, "mins"), (1.0, "s"), (0.001, "ms"), (0.000001, "µs"))
_SIZES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_COUNTS = ((1e9, "Bil"), (1e6, "Mil"), (1e3, "K"), (1.0, ""))
_SCALES = {"s": _TIMES, "bytes": _SIZES, "short": _COUNTS}
_AFTER = {"ops": "ops/s"}


def shown(number: float, unit: str) -> str:
    """The number with three digits at most."""
    if not math.isfinite(number):
        return "no data"
    if unit in _SCALES:
        return _scaled(number, _SCALES[unit])
    if unit == "percentunit":
        return f"{_digits(number * 100)} %"
    return f"{_digits(number)} {_AFTER.get(unit, '')}".strip()


def _scaled(number: float, scales: Sequence[tuple[float, str]]) -> str:
    if number == 0:
        return f"0 {dict(scales).get(1.0, '')}".strip()
    size, name = next(((size, name) for size, name in scales if abs(number) >= size), scales[-1])
    return f"{_digits(number / size)} {name}".strip()


def _digits(number: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def color_of(number: float, steps: Sequence[tuple[float | None, str]]) -> str:
    """The colour of the highest step that the number has reached."""
    return [color for begin, color in steps if begin is None or number >= begin][-1]
