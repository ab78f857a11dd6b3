"""The rules of Grafana's dashboard-linter, for dashboards whose queries go to Prometheus.

A rule takes a document and gives the mistakes it finds. The linter passes over panel types that it does not know; here every panel is looked at.
Whether PromQL is valid is asked of promtool (`as_rules`). The linter's two rules for LogQL come down to: there is none.

Source: https://github.com/grafana/dashboard-linter, docs/rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
Rule = Callable[[Document], list[str]]

SOURCE = "${datasource}"
UNITS = {"none", "short", "s", "ops", "bytes", "percentunit"}
"""Those of the linter's list that we use."""
SELECTOR = re.compile(r"\b(?P<metric>(?:\w+:)?torchsync_\w+(?::\w+)?|up)\b(?:\{(?P<matchers>[^}]*)\})?(?:\[(?P<range>[^\]]*)\])?")
RATES = ("rate", "irate", "increase")


def panels(document: Document) -> list[Document]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def targets(document: Document) -> Iterator[tuple[str, Document]]:
    """With the title of the panel, or the name of the annotation."""
    for panel in panels(document):
        yield from ((panel["title"], target) for target in panel["targets"])
    yield from ((one["name"], one["target"]) for one in document["annotations"]["list"])


def variable(document: Document, name: str) -> Document:
    found: Document = next((one for one in document["templating"]["list"] if one["name"] == name), {})
    return found


def template_datasource(document: Document) -> list[str]:
    one = variable(document, "datasource")
    is_right = one.get("type") == "datasource" and one.get("query") == "prometheus" and one.get("label") == "Data source"
    return [] if is_right else ["no variable `datasource`, labelled Data source, for data sources that are a Prometheus"]


def _template(document: Document, name: str) -> list[str]:
    one = variable(document, name)
    wanted = {"type": "query", "label": name.capitalize(), "multi": True, "includeAll": True, "allValue": ".+"}
    wrong = [f"{name}: {field} is {one.get(field)!r}" for field, value in wanted.items() if one.get(field) != value]
    return wrong + ([] if one.get("datasource", {}).get("uid") == SOURCE else [f"{name}: asks another data source"])


def template_job(document: Document) -> list[str]:
    return _template(document, "job")


def template_instance(document: Document) -> list[str]:
    return _template(document, "instance")


def template_label_promql(document: Document) -> list[str]:
    queries = [one["query"] for one in document["templating"]["list"] if one["type"] == "query"]
    return [query for query in queries if not re.fullmatch(r"label_values\(torchsync_\w+(\{[^{}]+\})?, [a-z]+\)", query)]


def template_on_time_change_reload(document: Document) -> list[str]:
    return [one["name"] for one in document["templating"]["list"] if one["type"] == "query" and one["refresh"] != 2]


def panel_datasource(document: Document) -> list[str]:
    return [panel["title"] for panel in panels(document) if panel["datasource"]["uid"] != SOURCE]


def panel_title_description(document: Document) -> list[str]:
    return [str(panel["id"]) for panel in panels(document) if not panel["title"] or not panel["description"]]


def panel_units(document: Document) -> list[str]:
    def units(panel: Document) -> Iterator[Any]:
        yield panel["fieldConfig"]["defaults"].get("unit")
        for override in panel["fieldConfig"]["overrides"]:
            yield from (one["value"] for one in override["properties"] if one["id"] == "unit")

    return [panel["title"] for panel in panels(document) if not set(units(panel)) <= UNITS]


def panel_no_targets(document: Document) -> list[str]:
    return [panel["title"] for panel in panels(document) if not panel["targets"]]


def target_logql(document: Document) -> list[str]:
    sources = [(title, target["datasource"]) for title, target in targets(document)]
    return [title for title, source in sources if source != {"type": "prometheus", "uid": SOURCE}]


def target_rate_interval(document: Document) -> list[str]:
    found = [(title, one) for title, target in targets(document) for one in SELECTOR.finditer(target["expr"])]
    return [f"{title}: [{one['range']}]" for title, one in found if one["range"] not in (None, "$__rate_interval")]


def _matcher(document: Document, name: str) -> list[str]:
    found = [(title, one) for title, target in targets(document) for one in SELECTOR.finditer(target["expr"])]
    wanted = f'{name}=~"${name}"'
    return [f"{title}: {one[0]}" for title, one in found if wanted not in (one["matchers"] or "").split(", ")]


def target_job(document: Document) -> list[str]:
    return _matcher(document, "job")


def target_instance(document: Document) -> list[str]:
    return _matcher(document, "instance")


def target_counter_agg(document: Document) -> list[str]:
    """Buckets of histograms count, too."""
    wrong = []
    for title, target in targets(document):
        for one in SELECTOR.finditer(target["expr"]):
            is_counter = one["metric"].endswith(("_total", "_bucket", "_sum", "_count"))
            is_rated = one["range"] is not None and target["expr"][: one.start()].endswith(tuple(f"{name}(" for name in RATES))
            if is_counter and not is_rated:
                wrong.append(f"{title}: {one[0]}")
    return wrong


def uneditable_dashboard(document: Document) -> list[str]:
    return [] if document.get("editable") is False else ["may be edited"]


RULES: tuple[Rule, ...] = (
    template_datasource,
    template_job,
    template_instance,
    template_label_promql,
    template_on_time_change_reload,
    panel_datasource,
    panel_title_description,
    panel_units,
    panel_no_targets,
    target_logql,
    target_rate_interval,
    target_job,
    target_instance,
    target_counter_agg,
    uneditable_dashboard,
)


def as_rules(document: Document) -> str:
    """A file of recording rules with every query of the document, for `promtool check rules`; JSON is YAML."""
    filled = [re.sub(r"\$(?!__)\w+", ".+", target["expr"]).replace("$__rate_interval", "1m") for _, target in targets(document)]
    names = [f"{document['uid'].replace('-', '_')}:query_{number}" for number in range(len(filled))]
    rules = [{"record": name, "expr": expr} for name, expr in zip(names, filled, strict=True)]
    return json.dumps({"groups": [{"name": document["uid"], "rules": rules}]})
