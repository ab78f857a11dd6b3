"""Graphs and timelines of a preview as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from scripts.grafana import Draw, Panel
from scripts.preview_queries import Mark, Span
from scripts.preview_units import shown

PALETTE = (
    "#73BF69",
    "#F2CC0C",
    "#5794F2",
    "#FF9830",
    "#F2495C",
    "#B877D9",
    "#8AB8FF",
    "#96D98D",
    "#FFA6B0",
    "#CA95E5",
    "#C0D8FF",
    "#FADE2A",
)
COLORS = {
    "green": "#73BF69",
    "dark-green": "#37872D",
    "red": "#F2495C",
    "dark-red": "#C4162A",
    "orange": "#FF9830",
    "yellow": "#FADE2A",
    "blue": "#5794F2",
    "light-blue": "#8AB8FF",
    "purple": "#B877D9",
    "text": "#CCCCDC",
    "transparent": "#2b2f36",
}
LEFT, RIGHT, BOTTOM, TOP = 62, 8, 18, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series under its name in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where times and numbers stand, in pixels."""

    width: float
    height: float
    span: Span
    top: float
    """The number at the upper edge; 0 is at the lower one."""

    def x(self, moment: float) -> float:
        part = (moment - self.span.begin) / (self.span.end - self.span.begin)
        return LEFT + min(max(part, 0), 1) * (self.width - LEFT - RIGHT)

    def y(self, number: float) -> float:
        return self.height - BOTTOM - number / self.top * (self.height - BOTTOM - TOP)


def graph(panel: Panel, lines: Sequence[Line], marks: Iterable[Mark], span: Span, size: tuple[float, float]) -> str:
    """The picture, without a legend."""
    below = [_numbers(line) for line in lines] if panel.draw is Draw.LINES else _stacked(lines)
    highest = max((number for column in below for number in column.values()), default=0)
    canvas = Canvas(
        width=size[0],
        height=size[1],
        span=span,
        top=max(_round_up(highest), panel.most or 0) if highest > (panel.most or 0) else panel.most or 1,
    )
    drawn = [_grid(canvas, panel.unit), *(_mark(canvas, mark) for mark in marks)]
    if not lines:
        drawn.append(f'<text x="{size[0] / 2:.0f}" y="{size[1] / 2:.0f}" text-anchor="middle">{escape(panel.none or "No data")}</text>')
    upwards = [_series(canvas, panel.draw, numbers, color) for numbers, color in zip(below, painted(panel, lines), strict=True)]
    return _svg(size, [*drawn, *reversed(upwards)])  # the lowest of a stack lies on top


def painted(panel: Panel, lines: Sequence[Line]) -> list[str]:
    """The colour of each series."""
    chosen = (panel.colors.get(line.name) for line in lines)
    return [COLORS[color] if color else PALETTE[number % len(PALETTE)] for number, color in enumerate(chosen)]


def timeline(panel: Panel, lines: Sequence[Line], span: Span, size: tuple[float, float]) -> str:
    """A band for each series, coloured by its states."""
    color_of = {state.value: COLORS[state.color] for state in panel.states}
    canvas = Canvas(width=size[0], height=size[1], span=span, top=1)
    each = (size[1] - BOTTOM) / max(len(lines), 1)
    drawn = [_times(canvas)]
    for number, line in enumerate(lines):
        upper = number * each
        drawn.append(f'<text x="{LEFT + 90}" y="{upper + each / 2 + 4:.1f}" text-anchor="end">{escape(line.name)}</text>')
        for moment, value in line.points:
            x = _after_names(canvas, moment)
            width = _after_names(canvas, moment + span.step) - x + 0.5
            fill = color_of.get(int(value), "#444")
            drawn.append(f'<rect x="{x:.1f}" y="{upper + 3:.1f}" width="{width:.1f}" height="{each - 6:.1f}" fill="{fill}"/>')
    return _svg(size, drawn)


def _after_names(canvas: Canvas, moment: float) -> float:
    """Names of bands need more room than numbers."""
    part = (canvas.x(moment) - LEFT) / (canvas.width - LEFT - RIGHT)
    return LEFT + 100 + part * (canvas.width - LEFT - RIGHT - 100)


def _numbers(line: Line) -> dict[float, float]:
    return {moment: number for moment, number in line.points if math.isfinite(number)}


def _stacked(lines: Sequence[Line]) -> list[dict[float, float]]:
    """Each series on top of those before it."""
    heights: dict[float, float] = {}
    stacked = []
    for line in lines:
        for moment, number in _numbers(line).items():
            heights[moment] = heights.get(moment, 0) + number
        stacked.append(dict(heights))
    return stacked


def _top(highest: float, most: float | None) -> float:
    return most if most is not None and highest <= most else _round_up(highest)


def _round_up(number: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    if number <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(number))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= number * 1.0001 or step == 10)


def _series(canvas: Canvas, draw: Draw, numbers: dict[float, float], color: str) -> str:
    points = [(canvas.x(moment), canvas.y(number)) for moment, number in sorted(numbers.items())]
    floor = canvas.y(0)
    if draw is Draw.BARS:
        width = max(1.0, (canvas.width - LEFT - RIGHT) * canvas.span.step / (canvas.span.end - canvas.span.begin) - 0.5)
        bars = (f"M{x - width / 2:.1f} {floor:.1f}V{y:.1f}h{width:.1f}V{floor:.1f}z" for x, y in points if y < floor)
        return f'<path d="{"".join(bars)}" fill="{color}"/>'
    pieces = "".join(
        f"{'M' if at == 0 or x - points[at - 1][0] > _gap(canvas) else 'L'}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(points)
    )
    drawn = f'<path d="{pieces}" fill="none" stroke="{color}" stroke-width="1.5"/>'
    if draw is Draw.AREAS and points:
        under = "".join(f"L{x:.1f} {y:.1f}" for x, y in points)
        drawn += f'<path d="M{points[0][0]:.1f} {floor:.1f}{under}L{points[-1][0]:.1f} {floor:.1f}z" fill="{color}" fill-opacity="0.35"/>'
    return drawn


def _gap(canvas: Canvas) -> float:
    return 1.5 * (canvas.width - LEFT - RIGHT) * canvas.span.step / (canvas.span.end - canvas.span.begin)


def _grid(canvas: Canvas, unit: str) -> str:
    drawn = []
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = canvas.y(canvas.top * part)
        drawn.append(f'<path d="M{LEFT} {y:.1f}H{canvas.width - RIGHT:.1f}" stroke="#2c3036"/>')
        if part in (0, 0.5, 1):
            drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(shown(canvas.top * part, unit))}</text>')
    return "".join([*drawn, _times(canvas)])


def _times(canvas: Canvas) -> str:
    begin, end = canvas.span.begin, canvas.span.end
    moments = [begin + (end - begin) * part for part in (0.1, 0.35, 0.6, 0.85)]
    return "".join(
        f'<text x="{canvas.x(moment):.1f}" y="{canvas.height - 3:.1f}" text-anchor="middle">{datetime.fromtimestamp(moment, UTC):%H:%M:%S}</text>'
        for moment in moments
    )


def _mark(canvas: Canvas, mark: Mark) -> str:
    begin, end, color = canvas.x(mark.begin), canvas.x(mark.end), COLORS[mark.color]
    height = canvas.height - BOTTOM - TOP
    band = f'<rect x="{begin:.1f}" y="{TOP}" width="{end - begin:.1f}" height="{height:.1f}" fill="{color}" fill-opacity="0.12"/>'
    return band + f'<path d="M{begin:.1f} {TOP}V{canvas.height - BOTTOM:.1f}" stroke="{color}" stroke-dasharray="4 3"/>'


def _svg(size: tuple[float, float], drawn: Iterable[str]) -> str:
    return f'<svg width="{size[0]:.0f}" height="{size[1]:.0f}">{"".join(drawn)}</svg>'
