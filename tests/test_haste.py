"""What is hastened is what the shipped documents say, and nothing else in them."""

from __future__ import annotations

import re

import pytest

from tests.haste import DEFAULTS, GRAFANA, RULES, hastened, hastened_defaults, hastened_expression, seconds_in, shipped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("increase(a_total[15m]) > 3", "increase(a_total[30000ms]) > 3", id="a range, and a count"),
        pytest.param("a offset 1h30m", "a offset 180000ms", id="an offset of two units"),
        pytest.param("time() - a > 60", "time() - a > 2", id="seconds"),
        pytest.param("clamp_min(10 * a, 600)", "clamp_min(10 * a, 20)", id="seconds beside a factor"),
        pytest.param("a > 0.5 and b > 1", "a > 0.5 and b > 1", id="a share"),
        pytest.param('{job=~"torchsync(-.+)?", le="900"}', '{job=~"torchsync(-.+)?", le="900"}', id="a text"),
        pytest.param("job:a_900:rate15m > bool -1", "job:a_900:rate15m > bool -1", id="a name"),
        pytest.param("histogram_quantile(0.99, rate(a[1d]))", "histogram_quantile(0.99, rate(a[2880000ms]))", id="a day"),
    ],
)
def test_an_expression_counts_time_in_shorter_units_and_everything_else_as_before(text: str, expected: str) -> None:
    assert hastened_expression(text, 30) == expected


def test_the_rules_differ_from_the_shipped_ones_in_time_alone() -> None:
    rules = shipped(RULES)
    fast = hastened(rules, 30)
    assert _without_times(fast) == _without_times(rules)
    assert fast != rules
    assert hastened(rules, 1)["groups"][0]["rules"][0]["for"] == "300000ms"


def test_the_large_numbers_of_the_rules_are_seconds() -> None:
    """Read this again when it fails: a new number must be of seconds, or `haste` must learn to leave it alone."""
    found = {number for group in shipped(RULES)["groups"] for rule in group["rules"] for number in seconds_in(rule["expr"])}
    assert found == {60.0, 600.0, 86_400.0, 1_209_600.0}


def test_no_length_of_time_is_left_as_it_was() -> None:
    for path in (RULES, GRAFANA / "prometheus.example.yaml", GRAFANA / "alertmanager.example.yaml"):
        for key, text in _leaves(hastened(shipped(path), 30)):
            times = re.fullmatch(r"([0-9]+[smhdwy])+", text) or (key == "expr" and re.search(r"(\[|offset )[0-9]+[smhdwy]\b", text))
            assert not times, f"{path.name}: {key}: {text} is a time that `haste` does not know"


def test_an_interval_in_any_unit_is_shortened() -> None:
    document = {"route": {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "12h"}, "rules": [{"for": "1m"}]}
    expected = {
        "route": {"group_wait": "1000ms", "group_interval": "10000ms", "repeat_interval": "1440000ms"},
        "rules": [{"for": "2000ms"}],
    }
    assert hastened(document, 30) == expected
    assert document["rules"] == [{"for": "1m"}]


def test_the_defaults_of_prometheus_go_along() -> None:
    assert hastened_defaults(30) == {"query.lookback-delta": "10000ms", "rules.alert.resend-delay": "2000ms"}
    assert hastened_defaults(30).keys() == DEFAULTS.keys()


def _without_times(document: object) -> str:
    """Everything but the fields and numbers that may differ."""
    leaves = [(key, re.sub(r"\b[0-9][0-9a-z.]*", "N", text) if key == "expr" else text) for key, text in _leaves(document)]
    return str([leaf for leaf in leaves if leaf[0] not in ("for", "keep_firing_for", "interval")])


def _leaves(document: object, key: str = "") -> list[tuple[str, str]]:
    match document:
        case dict():
            return [leaf for name, value in document.items() for leaf in _leaves(value, name)]
        case list():
            return [leaf for value in document for leaf in _leaves(value, key)]
        case _:
            return [(key, str(document))]
