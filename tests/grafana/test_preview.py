"""How a preview draws what queries found."""

from __future__ import annotations

import math

import pytest

from scripts.grafana import Column, Dashboard, Draw, Kind, Panel, Query, Row
from scripts.preview import main
from scripts.preview_chart import Line, graph
from scripts.preview_fleet import Answer
from scripts.preview_page import page, rows_of
from scripts.preview_queries import Answered, Mark, Span
from scripts.preview_units import color_of, shown

SPAN = Span(begin=1000, end=1010, step=1, rate="4s")


def panel(kind: Kind, **more: object) -> Panel:
    return Panel(**({"title": "tea", "description": "of it", "width": 8, "kind": kind} | more))


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.00042, "s", "420 µs"),
        (61, "s", "1.02 mins"),
        (-0.46, "s", "-460 ms"),
        (86400 * 459, "s", "459 days"),
        (0.5, "short", "0.5"),
        (1234, "short", "1.23 K"),
        (0.256, "percentunit", "25.6 %"),
        (3 * 2**20, "bytes", "3 MiB"),
        (4, "ops", "4 ops/s"),
        (143, "none", "143"),
        (math.nan, "s", "no data"),
    ],
)
def test_a_number_has_three_digits_and_its_unit(number: float, unit: str, text: str) -> None:
    assert shown(number, unit) == text


def test_a_number_has_the_colour_of_the_step_it_reached() -> None:
    steps = ((None, "green"), (1, "red"))
    assert [color_of(number, steps) for number in (-1, 0.9, 1, 7)] == ["green", "green", "red", "red"]


def test_series_with_the_same_labels_are_one_row() -> None:
    commit, age = Query(expr="a"), Query(expr="b")
    columns = (
        Column(title="host", label="instance"),
        Column(query=commit),
        Column(title="commit", label="commit"),
        Column(title="age", query=age),
    )
    found = (
        (Answer(labels={"instance": "h1", "commit": "c"}, points=((0, 1),)),),
        (Answer(labels={"instance": "h1"}, points=((0, 5),)), Answer(labels={"instance": "h2"}, points=((0, 6),))),
    )
    rows = rows_of(Answered(panel=panel(Kind.TABLE, columns=columns), answers=found))
    assert [(row["instance"], row.get("commit"), row["age"]) for row in rows] == [("h1", "c", 5), ("h2", None, 6)]


def test_a_stack_is_as_high_as_its_series_together() -> None:
    lines = [Line(name=name, points=((1000, 30.0), (1010, 30.0))) for name in ("a", "b")]
    assert ">100<" in graph(panel(Kind.GRAPH, draw=Draw.AREAS), lines, [], SPAN, (400, 200))
    assert ">50<" in graph(panel(Kind.GRAPH, draw=Draw.LINES), lines, [], SPAN, (400, 200))


def test_a_graph_without_series_says_so() -> None:
    assert "No data" in graph(panel(Kind.GRAPH), [], [], SPAN, (400, 200))


def test_texts_of_metrics_stay_texts() -> None:
    query = Query(expr="a", legend="{{owner}}")
    one = panel(Kind.GRAPH, queries=(query,))
    dashboard = Dashboard(uid="x", title="<b>", description="", variables=(), annotations=(), rows=(Row(title="r", panels=(one,)),))
    answer = Answer(labels={"owner": "<script>alert(1)</script>"}, points=((1000, 1.0),))
    text = page(dashboard, [Answered(panel=one, answers=((answer,),))], [Mark(begin=1, end=2, text="<i>", color="red")], SPAN)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<h1>&lt;b&gt;</h1>" in text


def test_what_the_preview_lacks_on_this_machine_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["preview"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert main() == 1
    assert capsys.readouterr().err == "the previews need Debian's chromium and prometheus: apt-get install chromium prometheus\n"
