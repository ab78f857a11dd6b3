"""The dashboards as files: what Grafana's linter asks for, and that they speak of metrics that there are."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.grafana import lint
from tests.grafana.lint import RULES, SELECTOR, Document, as_rules, panels, targets, variable
from torchsync.core.metrictable import PREFIX, TABLE, PerTask, rows

FOLDER = Path(__file__).parents[2] / "grafana/dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
ROWS = {f"{PREFIX}{row.name}": row for row in TABLE}
RULES_FILE = FOLDER.parent / "rules/torchsync.rules.yaml"
RECORDED = {
    rule["record"]: rule["expr"]
    for group in yaml.safe_load(RULES_FILE.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}


def metrics_of(name: str) -> set[str]:
    """The metrics of agents behind a name in a query: those that its rule reads when it is a recorded one."""
    read = re.findall(rf"\b{PREFIX}\w+", RECORDED[name]) if ":" in name else [name]
    return {re.sub(r"_bucket$", "", metric) for metric in read}


@pytest.fixture(params=DASHBOARDS)
def dashboard(request: pytest.FixtureRequest) -> Document:
    return DASHBOARDS[request.param]


def test_there_is_one_for_the_fleet_and_one_for_a_host_and_its_tasks() -> None:
    assert {document["uid"] for document in DASHBOARDS.values()} == {"torchsync-fleet", "torchsync-task"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_dashboard_passes_each_rule_of_the_linter(rule: lint.Rule, dashboard: Document) -> None:
    assert rule(dashboard) == []


def last_query(document: Document, change: Callable[[str], str]) -> None:
    target = panels(document)[-1]["targets"][-1]
    target["expr"] = change(target["expr"])


MISTAKES: dict[str, Callable[[Document], object]] = {
    "template_datasource": lambda d: variable(d, "datasource").update(query="loki"),
    "template_job": lambda d: variable(d, "job").update(allValue=".*"),
    "template_instance": lambda d: variable(d, "instance").update(multi=False),
    "template_label_promql": lambda d: variable(d, "job").update(query="label_value(up, job)"),
    "template_on_time_change_reload": lambda d: variable(d, "instance").update(refresh=1),
    "panel_datasource": lambda d: panels(d)[3].update(datasource={"type": "prometheus", "uid": "mine"}),
    "panel_title_description": lambda d: panels(d)[3].update(description=""),
    "panel_units": lambda d: panels(d)[3]["fieldConfig"]["defaults"].pop("unit"),
    "panel_no_targets": lambda d: panels(d)[3].update(targets=[]),
    "target_logql": lambda d: panels(d)[3]["targets"][0].update(datasource={"type": "loki", "uid": "${datasource}"}),
    "target_rate_interval": lambda d: last_query(d, lambda _: 'rate(torchsync_sync_total{job=~"$job", instance=~"$instance"}[5m])'),
    "target_job": lambda d: last_query(d, lambda expr: expr.replace('job=~"$job"', 'job="torchsync"')),
    "target_instance": lambda d: last_query(d, lambda expr: f'{expr} + up{{job=~"$job"}}'),
    "target_counter_agg": lambda d: last_query(d, lambda _: 'sum(torchsync_sync_total{job=~"$job", instance=~"$instance"})'),
    "uneditable_dashboard": lambda d: d.update(editable=True),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_finds_its_mistake_and_no_other_rule_does(rule: lint.Rule, dashboard: Document) -> None:
    document = copy.deepcopy(dashboard)
    MISTAKES[rule.__name__](document)
    assert [other.__name__ for other in RULES if other(document)] == [rule.__name__]


def test_promtool_understands_every_query(dashboard: Document, tmp_path: Path) -> None:
    assert said_of(as_rules(dashboard), tmp_path) == ""
    broken = copy.deepcopy(dashboard)
    last_query(broken, lambda expr: f"sum({expr}")
    assert "unclosed left parenthesis" in said_of(as_rules(broken), tmp_path)


def said_of(rules: str, folder: Path) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    (folder / "rules.yml").write_text(rules)
    done = subprocess.run(["promtool", "check", "rules", str(folder / "rules.yml")], text=True, capture_output=True, check=False)
    return done.stderr.strip()


def test_every_metric_and_every_value_of_a_label_is_one_that_agents_export(dashboard: Document) -> None:
    for title, target in targets(dashboard):
        for found in SELECTOR.finditer(target["expr"]):
            if found["metric"] == "up":
                continue
            (metric,) = metrics_of(found["metric"])
            row = ROWS[metric]
            own = [part for part in (found["matchers"] or "").split(", ") if "$" not in part]
            for label, values in (re.fullmatch(r'(\w+)=~?"([^"]*)"', part).groups() for part in own):
                assert label == row.labels[-1] or label in row.labels, f"{title}: {found[0]}"
                closed = row.values or ("running", "fetched", "rejected")
                assert set(values.split("|")) <= set(closed), f"{title}: {found[0]}"


def test_every_metric_of_the_table_is_on_a_panel_or_left_out_for_a_reason() -> None:
    text = "".join(target["expr"] for document in DASHBOARDS.values() for _, target in targets(document))
    shown = {metric for found in SELECTOR.finditer(text) for metric in metrics_of(found["metric"])}
    left_out = {
        "sync_last_attempt_timestamp_seconds",  # the loop is seen by its turns, syncs by their results
        "task_changes_total",  # commits are marked, and tasks counted by state
        "task_last_run_timestamp_seconds",  # the timeline has runs
        "task_missing_copies",  # those that run are shown; an alert tells of the others
        "task_alert_failures",  # only an alert compares with it
        "http_certificate_begin_timestamp_seconds",  # of hosts with TLS only, for whom there is an alert
        "http_certificate_end_timestamp_seconds",
    }
    assert set(ROWS) - shown == {f"{PREFIX}{name}" for name in left_out}


def test_panels_have_numbers_of_their_own_and_do_not_overlap(dashboard: Document) -> None:
    taken: dict[tuple[int, int], int] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["id"]) == panel["id"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_titles_tell_panels_apart_and_tables_have_their_columns_in_order(dashboard: Document) -> None:
    titles = [panel["title"] for panel in panels(dashboard) if panel["type"] != "stat"]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        if panel["type"] == "table":
            organized = panel["transformations"][1]["options"]
            named = sorted(organized["renameByName"], key=organized["indexByName"].__getitem__)
            overridden = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
            assert [organized["renameByName"][field] for field in named] == overridden


def test_links_lead_to_dashboards_and_variables_that_there_are() -> None:
    known = {document["uid"]: {one["name"] for one in document["templating"]["list"]} for document in DASHBOARDS.values()}
    text = json.dumps(DASHBOARDS)
    links = re.findall(r"/d/([\w-]+)\?([^\"]*)", text)
    assert links
    for uid, query in links:
        assert set(re.findall(r"var-(\w+)=", query)) <= known[uid]


def test_commits_are_marked_when_they_are_in_force_and_while_they_are_rejected(dashboard: Document) -> None:
    marks = {one["name"]: one for one in dashboard["annotations"]["list"]}
    assert set(marks) == {"Deployed commits", "Rejected commits"}
    assert marks["Deployed commits"]["useValueForTime"] is True
    assert marks["Deployed commits"]["target"]["expr"].endswith("* 1000")  # milliseconds, as Grafana wants them
    assert marks["Rejected commits"]["iconColor"] == "red"


def test_compact_mode_leaves_those_panels_empty_that_the_page_names() -> None:
    """A panel stays as long as one of its queries does."""
    compact = {f"{PREFIX}{row.name}" for row in rows(PerTask.COMPACT)} | {"up"}

    def is_told(target: Document) -> bool:
        return {metric for found in SELECTOR.finditer(target["expr"]) for metric in metrics_of(found["metric"])} <= compact

    empty = {panel["title"] for document in DASHBOARDS.values() for panel in panels(document) if not any(map(is_told, panel["targets"]))}
    page = (FOLDER.parents[1] / "docs/how-to/dashboards.md").read_text()
    (named,) = re.findall(r"`metrics.per_task: compact`(.+?) stay empty", page, re.DOTALL)
    assert empty == set(re.findall(r"\*([^*]+)\*", " ".join(named.split())))
