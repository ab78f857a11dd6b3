"""What Prometheus answers to the queries of a dashboard, asked as Grafana asks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.grafana import Annotation, Dashboard, Panel, Query
from scripts.preview_fleet import Answer, Prometheus


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time range of a dashboard, in seconds since the epoch. `rate` is what becomes of `$__rate_interval`: four scrapes."""

    begin: float
    end: float
    step: float
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A panel, and the series for each of its queries."""

    panel: Panel
    answers: tuple[tuple[Answer, ...], ...]


def filled(expr: str, dashboard: Dashboard, span: Span, choice: Mapping[str, str] | None = None) -> str:
    """The expression as Grafana sends it when everything is chosen, but what `choice` names."""
    values = {variable.name: variable.everything for variable in dashboard.variables} | dict(choice or {})
    for name, value in (("__rate_interval", span.rate), *values.items()):
        expr = expr.replace(f"${name}", value)
    return expr


def answered(prometheus: Prometheus, dashboard: Dashboard, span: Span, choice: Mapping[str, str] | None = None) -> list[Answered]:
    """Every panel of the dashboard. Raises ValueError with what Prometheus says of a query that it does not understand."""

    def ask(panel: Panel, query: Query) -> tuple[Answer, ...]:
        expr = filled(query.expr, dashboard, span, choice)
        return tuple(prometheus.at(expr, span.end) if panel.is_instant else prometheus.over(expr, span.begin, span.end, span.step))

    return [Answered(panel=panel, answers=tuple(ask(panel, query) for query in panel.asked)) for panel in dashboard.panels]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A stretch of time that an annotation marks; a moment when both ends are the same."""

    begin: float
    end: float
    text: str
    color: str


def marks(prometheus: Prometheus, dashboard: Dashboard, span: Span) -> list[Mark]:
    """What the annotations mark within the span, in order, each stretch once: as Grafana joins points that are no further apart than a step."""
    found = [mark for one in dashboard.annotations for mark in _marks(prometheus, dashboard, one, span)]
    return sorted((mark for mark in found if mark.end >= span.begin), key=lambda mark: mark.begin)


def _marks(prometheus: Prometheus, dashboard: Dashboard, one: Annotation, span: Span) -> list[Mark]:
    found = []
    for series in prometheus.over(filled(one.expr, dashboard, span), span.begin, span.end, span.step):
        text = one.title
        for name, value in series.labels.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        times = [value / 1000 if one.is_time else moment for moment, value in series.points if value > 0]
        for begin, end in _stretches(times, span.step):
            found.append(Mark(begin=begin, end=end, text=text, color=one.color))
    return found


def _stretches(times: list[float], step: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for moment in times:
        if joined and moment <= joined[-1][1] + step * 1.01:
            joined[-1] = joined[-1][0], max(moment, joined[-1][1])
        else:
            joined.append((moment, moment))
    return joined
