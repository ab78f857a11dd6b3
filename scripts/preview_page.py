"""A dashboard with what its queries found, drawn as one page of HTML: a preview of how Grafana shows it, not its drawing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from scripts.grafana import Column, Dashboard, Kind, Panel, Place, Query, Row, places
from scripts.preview_chart import COLORS, Line, graph, painted, timeline
from scripts.preview_fleet import Answer
from scripts.preview_queries import Answered, Mark, Span
from scripts.preview_units import color_of, shown

WIDTH = 1360
UNIT, HIGH, GAP = WIDTH / 24, 36, 8
HEAD, LEGEND = 30, 40
ABOVE = 64

_STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 13px/1.35 "DejaVu Sans", sans-serif; }
header { position: absolute; left: 8px; top: 10px; } h1 { display: inline; font-size: 19px; font-weight: 500; margin: 0 12px 0 0; }
header p { margin: 4px 0 0; color: #f2cc0c; font-size: 12px; }
section, h2 { position: absolute; box-sizing: border-box; overflow: hidden; }
section { background: #181b1f; border: 1px solid #2c3036; border-radius: 3px; }
h2 { margin: 0; padding: 8px 4px; font-size: 15px; font-weight: 500; }
h3 { margin: 0; padding: 6px 10px; font-size: 13px; font-weight: 500; height: 18px; white-space: nowrap; }
svg { display: block; } svg text { fill: #9fa3a9; font-size: 11px; }
ul { margin: 2px 10px; padding: 0; height: 34px; overflow: hidden; font-size: 11px; line-height: 17px; }
li { display: inline-block; margin-right: 12px; white-space: nowrap; } li i { display: inline-block; width: 12px; height: 3px; margin: 0 5px 3px 0; }
.number { text-align: center; font-size: 34px; padding-top: 14px; white-space: nowrap; } .name { font-size: 20px; padding-top: 26px; }
table { border-collapse: collapse; width: 100%; font-size: 12px; } th { text-align: left; font-weight: 500; color: #6e9fff; }
th, td { padding: 4px 10px; border-bottom: 1px solid #2c3036; white-space: nowrap; } .of { text-align: right; }
"""
NOTE = """Preview: the queries of the dashboard, answered by a real Prometheus that scrapes two real agents, drawn by `make preview`. \
Grafana draws in its own way."""


def page(dashboard: Dashboard, found: Sequence[Answered], marks: Sequence[Mark], span: Span) -> str:
    answers = {id(one.panel): one for one in found}
    drawn, bottom = [], 0
    for one, place in places(dashboard.rows):
        bottom = max(bottom, place.y + place.height)
        inside = f"<h2 {_style(place)}>{escape(one.title)}</h2>" if isinstance(one, Row) else ""
        drawn.append(inside or _panel(answers[id(one)], place, marks, span))
    head = f"<header><h1>{escape(dashboard.title)}</h1><span>{escape(dashboard.description)}</span><p>{escape(NOTE)}</p></header>"
    height = ABOVE + bottom * HIGH + GAP
    body = f'<body style="width: {WIDTH}px; height: {height}px; position: relative">{head}{"".join(drawn)}</body>'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(dashboard.title)}</title><style>{_STYLE}</style>{body}</html>'
    )


def _style(place: Place) -> str:
    width, height = _size(place)
    return (
        f'style="left: {place.x * UNIT + GAP / 2:.0f}px; top: {ABOVE + place.y * HIGH:.0f}px; width: {width:.0f}px; height: {height:.0f}px"'
    )


def _size(place: Place) -> tuple[float, float]:
    return place.width * UNIT - GAP, place.height * HIGH - GAP


def _panel(one: Answered, place: Place, marks: Sequence[Mark], span: Span) -> str:
    width, height = _size(place)
    lines = [_line(query, answer) for query, answers in zip(one.panel.asked, one.answers, strict=True) for answer in answers]
    match one.panel.kind:
        case Kind.STAT:
            inside = _stat(one.panel, lines)
        case Kind.TABLE:
            inside = _table(one)
        case Kind.TIMELINE:
            inside = timeline(one.panel, lines, span, (width - 2, height - HEAD - 2))
        case Kind.GRAPH:
            inside = graph(one.panel, lines, marks, span, (width - 2, height - HEAD - LEGEND)) + _legend(one.panel, lines)
    return f"<section {_style(place)}><h3>{escape(one.panel.title)}</h3>{inside}</section>"


def _line(query: Query, answer: Answer) -> Line:
    name = re.sub(r"{{(\w+)}}", lambda label: answer.labels.get(label[1], ""), query.legend)
    return Line(name=name, points=answer.points)


def _legend(panel: Panel, lines: Sequence[Line]) -> str:
    colors = painted(panel, lines)
    items = [f'<li><i style="background: {color}"></i>{escape(line.name)}</li>' for line, color in zip(lines, colors, strict=True)]
    return f"<ul>{''.join(items)}</ul>"


def _stat(panel: Panel, lines: Sequence[Line]) -> str:
    if panel.by_name:
        return f'<div class="number name">{escape(", ".join(line.name for line in lines))}</div>'
    if not lines or not math.isfinite(lines[0].points[-1][1]):
        return f'<div class="number">{escape(panel.none or "No data")}</div>'
    number = lines[0].points[-1][1]
    return f'<div class="number" style="color: {COLORS[color_of(number, panel.steps)]}">{escape(shown(number, panel.unit))}</div>'


def _table(one: Answered) -> str:
    columns = [column for column in one.panel.columns if column.title]
    head = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    lines = ["".join(_cell(column, row) for column in columns) for row in rows_of(one)]
    if not lines:
        return f'<div class="number name">{escape(one.panel.none or "No data")}</div>'
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


TableRow = dict[str, str | float]


def rows_of(one: Answered) -> list[TableRow]:
    """The rows of a table: series with the same labels, as far as both have them, are one row. Numbers stand under the titles of their columns."""
    rows: list[TableRow] = []
    for column, answers in zip((column for column in one.panel.columns if column.query), one.answers, strict=True):
        for answer in answers:
            labels: TableRow = dict(answer.labels)
            fitting = [row for row in rows if all(row.get(name, value) == value for name, value in labels.items())]
            for row in fitting or [{}]:
                row.update({**labels, column.title: answer.points[-1][1]})
                if not fitting:
                    rows.append(row)
    return rows


def _cell(column: Column, row: TableRow) -> str:
    value = row.get(column.title if column.query else column.label, "")
    if not isinstance(value, float):
        return f"<td>{escape(value)}</td>"
    state = next((state for state in column.states if state.value == value), None)
    text, color = (state.text, COLORS[state.color]) if state else (shown(value, column.unit), COLORS["text"])
    return f'<td style="color: {color}">{escape(text)}</td>'
