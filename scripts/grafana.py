"""Grafana dashboards as values, and the JSON document that Grafana reads of one.

`scripts/dashboard_fleet.py` and `scripts/dashboard_task.py` say what is on ours; here is how that is written down. Names and values of fields are
those of Grafana's own package `@grafana/schema`, against which `tests/grafana` checks the documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Document = dict[str, Any]

SOURCE: Document = {"type": "prometheus", "uid": "${datasource}"}
HOSTS = 'job=~"$job", instance=~"$instance"'
TASKS = f'{HOSTS}, task=~"$task"'
COLUMNS = 24
"""How wide a dashboard is, in the units of its grid."""
SCHEMA_VERSION = 41
TAG = "torchsync"


class Kind(Enum):
    STAT = "stat"
    GRAPH = "timeseries"
    TIMELINE = "state-timeline"
    TABLE = "table"


class Draw(Enum):
    """How a graph draws its series."""

    LINES = "lines"
    AREAS = "areas"
    """On top of each other."""
    BARS = "bars"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to Prometheus. `legend` names each series by its labels (`{{label}}`)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: the values of a label, or those of a query. A query with no title only brings rows."""

    title: str = ""
    label: str = ""
    query: Query | None = None
    unit: str = "none"
    states: tuple[State, ...] = ()
    link: str = ""
    """Where a click on a cell leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a number means, and its colour."""

    value: int
    text: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`steps` are (from, colour), the first from wherever numbers begin. `by_name` shows the names of series instead of their values."""

    title: str
    description: str
    kind: Kind
    width: int
    height: int = 8
    queries: tuple[Query, ...] = ()
    columns: tuple[Column, ...] = ()
    unit: str = "none"
    draw: Draw = Draw.LINES
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    states: tuple[State, ...] = ()
    by_name: bool = False
    none: str = ""
    """What is shown where a query finds nothing."""
    most: float | None = None
    """Where the axis ends at least."""
    colors: Mapping[str, str] = field(default_factory=dict)
    """Of series by their names; the others take what is next."""

    @property
    def asked(self) -> tuple[Query, ...]:
        """All its queries: those of a table stand with its columns."""
        return self.queries or tuple(column.query for column in self.columns if column.query)

    @property
    def is_instant(self) -> bool:
        """Whether only the end of the time range is asked about."""
        return self.kind in (Kind.STAT, Kind.TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Marks on every graph: where `expr` is above 0, or with `is_time` at the milliseconds that are its value."""

    name: str
    expr: str
    title: str
    text: str
    color: str
    is_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What is chosen above the panels: several values of a label, or all of them."""

    name: str
    query: str
    everything: str = ".+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


JOB = Variable(name="job", query="label_values(torchsync_build_info, job)")
INSTANCE = Variable(name="instance", query='label_values(torchsync_build_info{job=~"$job"}, instance)')


def query(expr: str, legend: str = "") -> Query:
    """A query in which HOSTS and TASKS stand for the matchers of what is chosen."""
    return Query(expr=chosen(expr), legend=legend)


def chosen(expr: str) -> str:
    return " ".join(expr.split()).replace("HOSTS", HOSTS).replace("TASKS", TASKS)


def text_of(dashboard: Dashboard) -> str:
    """The file that Grafana imports."""
    return json.dumps(document_of(dashboard), indent=2, ensure_ascii=False) + "\n"


def document_of(dashboard: Dashboard) -> Document:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "timezone": "browser",
        "links": [_link_to_the_others()],
        "templating": {"list": [_SOURCE_VARIABLE, *(_variable(one) for one in dashboard.variables)]},
        "annotations": {"list": [_annotation(one) for one in dashboard.annotations]},
        "panels": list(_placed(dashboard.rows)),
    }


def _link_to_the_others() -> Document:
    return {
        "title": "torchsync",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


_SOURCE_VARIABLE: Document = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(one: Variable) -> Document:
    return {
        "name": one.name,
        "label": one.name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": one.query,
        "refresh": 2,  # with every change of the time range
        "sort": 1,  # by name
        "multi": True,
        "includeAll": True,
        "allValue": one.everything,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation(one: Annotation) -> Document:
    return {
        "name": one.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": one.color,
        "target": {"refId": "Anno", "datasource": SOURCE, "expr": one.expr},
        "titleFormat": one.title,
        "textFormat": one.text,
        "useValueForTime": one.is_time,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a panel or the heading of a row stands, in units of the grid."""

    x: int
    y: int
    width: int
    height: int


def places(rows: Iterable[Row]) -> list[tuple[Row | Panel, Place]]:
    """Panels from left to right, in lines as high as their highest panel, under the headings of their rows."""
    placed: list[tuple[Row | Panel, Place]] = []
    top = 0
    for row in rows:
        placed.append((row, Place(x=0, y=top, width=COLUMNS, height=1)))
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            placed.append((panel, Place(x=left, y=top, width=panel.width, height=panel.height)))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return placed


def _placed(rows: Sequence[Row]) -> Iterable[Document]:
    for number, (one, place) in enumerate(places(rows), start=1):
        where = {"id": number, "gridPos": {"x": place.x, "y": place.y, "w": place.width, "h": place.height}}
        if isinstance(one, Row):
            yield {**where, "type": "row", "title": one.title, "collapsed": False, "panels": []}
        else:
            yield {**where, **_panel(one)}


def _panel(panel: Panel) -> Document:
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(panel, number, one) for number, one in enumerate(panel.asked)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind](panel),
        **({"transformations": _transformations(panel)} if panel.columns else {}),
    }


def _target(panel: Panel, number: int, one: Query) -> Document:
    return {
        "refId": _ref(number),
        "datasource": SOURCE,
        "expr": one.expr,
        "legendFormat": one.legend or "__auto",
        "instant": panel.is_instant,
        "range": not panel.is_instant,
        "format": "table" if panel.columns else "time_series",
    }


def _ref(number: int) -> str:
    return chr(ord("A") + number)


def _defaults(panel: Panel) -> Document:
    return {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind is Kind.GRAPH else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in panel.steps]},
        "mappings": _mappings(panel.states),
        "custom": _custom(panel),
        **({"noValue": panel.none} if panel.none else {}),
        **({"min": 0} if panel.kind is Kind.GRAPH else {}),
        **({"max": panel.most} if panel.most is not None else {}),
    }


def _mappings(states: Iterable[State]) -> list[Document]:
    options = {str(state.value): {"text": state.text, "color": state.color, "index": at} for at, state in enumerate(states)}
    return [{"type": "value", "options": options}] if options else []


def _custom(panel: Panel) -> Document:
    match panel.kind:
        case Kind.GRAPH:
            return {
                "drawStyle": "bars" if panel.draw is Draw.BARS else "line",
                "lineWidth": 1,
                "fillOpacity": {Draw.LINES: 5, Draw.AREAS: 40, Draw.BARS: 80}[panel.draw],
                "stacking": {"mode": "none" if panel.draw is Draw.LINES else "normal", "group": "A"},
                "showPoints": "never",
                "spanNulls": False,
            }
        case Kind.TIMELINE:
            return {"lineWidth": 0, "fillOpacity": 80}
        case Kind.TABLE:
            return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
        case Kind.STAT:
            return {}


def _overrides(panel: Panel) -> list[Document]:
    painted = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]}
        for name, color in panel.colors.items()
    ]
    return [_override(one) for one in panel.columns if one.title] + painted


def _override(column: Column) -> Document:
    properties: list[Document] = [{"id": "unit", "value": column.unit}]
    if column.states:
        properties += [
            {"id": "mappings", "value": _mappings(column.states)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    if column.link:
        properties.append({"id": "links", "value": [{"title": column.title, "url": column.link, "targetBlank": False}]})
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


def _transformations(panel: Panel) -> list[Document]:
    """Rows of several queries with the same labels become one; columns get their titles, in their order."""
    fields = [(field_of(panel, column), column) for column in panel.columns]
    hidden = ["Time", *(field for field, column in fields if not column.title)]
    organized = {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {field: at for at, (field, _) in enumerate(fields)},
        "renameByName": {field: column.title for field, column in fields if column.title},
    }
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


def field_of(panel: Panel, column: Column) -> str:
    """How Grafana calls it: a value by the query where there are several."""
    if column.query is None:
        return column.label
    number = [one for one in panel.columns if one.query].index(column)
    return f"Value #{_ref(number)}" if len(panel.asked) > 1 else "Value"


def _stat_options(panel: Panel) -> Document:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "name" if panel.by_name else "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }


def _graph_options(_: Panel) -> Document:
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": True}}


def _timeline_options(_: Panel) -> Document:
    return {**_graph_options(_), "mergeValues": True, "rowHeight": 0.8, "showValue": "never", "alignValue": "left"}


def _table_options(_: Panel) -> Document:
    return {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}


_OPTIONS = {Kind.STAT: _stat_options, Kind.GRAPH: _graph_options, Kind.TIMELINE: _timeline_options, Kind.TABLE: _table_options}
