import re

import pytest

from tests.builders import NOON, busy_snapshot, daemon, run_id, snapshot, sync_status, task, task_status
from torchsync.core.holds import EVERY_TASK, HOST, SYNCS, Hold, Holds, held_task, placed
from torchsync.core.metrictable import TABLE, Kind, PerTask, Scope, rows
from torchsync.core.model import AlertLimits, Millis
from torchsync.core.snapshot import Histogram
from torchsync.errors import Problem


def samples(name, of):
    row = next(row for row in TABLE if row.name == name)
    return dict(row.read(of))


def test_names_are_unique_and_say_their_type_by_their_ending():
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    for row in TABLE:
        assert re.fullmatch("[a-z][a-z0-9_]*", row.name)
        assert row.name.endswith("_total") == (row.kind is Kind.COUNTER)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in TABLE])
def test_every_sample_has_a_value_for_every_label(row):
    for values, value in row.read(busy_snapshot()):
        assert len(values) == len(row.labels)
        assert isinstance(value, Histogram) == (row.kind is Kind.HISTOGRAM)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in TABLE if row.values])
def test_a_closed_label_has_every_value_from_the_first_scrape(row):
    fresh = snapshot(task_status())
    assert [values[-1] for values, _ in row.read(fresh)] == list(row.values)
    assert [values[-1] for values, _ in row.read(busy_snapshot())][: len(row.values)] == list(row.values)


def test_an_agent_without_a_generation_still_shows_every_metric_of_its_own():
    fresh = snapshot()
    shown = {row.name for row in TABLE if row.scope is Scope.AGENT and list(row.read(fresh))}
    assert shown == {row.name for row in TABLE if row.scope is Scope.AGENT} - {"commit_info"}


def test_commits_are_cut_to_twelve_digits():
    commits = set(samples("commit_info", busy_snapshot()))
    assert commits == {("running", "1234567890ab"), ("fetched", "fedcba098765"), ("rejected", "fedcba098765")}


def test_a_removed_task_has_no_series():
    with_task, without = snapshot(task_status(task("gone")), task_status(task("kept"))), snapshot(task_status(task("kept")))
    for row in TABLE:
        if row.scope is Scope.TASK:
            assert "gone" not in {values[0] for values, _ in row.read(without)}
    assert ("gone",) in samples("task_running", with_task)


def test_only_daemons_count_restarts():
    both = snapshot(task_status(task("cronish")), task_status(daemon("lasting")))
    assert set(samples("task_restarts_total", both)) == {("lasting",)}


def test_tasks_are_counted_by_state():
    assert samples("tasks", busy_snapshot()) == {("active",): 1, ("disabled",): 1, ("paused",): 1, ("not_selected",): 4}


def test_without_metrics_of_tasks_there_are_only_those_of_the_agent():
    assert {row.scope for row in rows(PerTask.OFF)} == {Scope.AGENT}


@pytest.mark.parametrize("what", [SYNCS, EVERY_TASK, HOST, held_task("gone")])
def test_whatever_is_held_shows_in_its_scope_alone(what):
    shown = samples("paused", snapshot(holds=placed(Holds(), what, Hold(actor="alice", since=NOON))))
    assert shown == {(scope,): int(scope == what.scope.value) for scope in ("sync", "all", "task", "drain")}
    assert samples("pinned", snapshot(holds=placed(Holds(), what, Hold(actor="alice", since=NOON)))) == {(): 0}


def test_a_mismatch_of_facts_is_no_pin():
    assert samples("host_facts_mismatch", snapshot(facts_mismatch=True)) == {(): 1}
    assert samples("pinned", snapshot(facts_mismatch=True)) == {(): 0}


def test_a_disabled_task_asks_for_no_alert_about_failures():
    both = snapshot(task_status(task("off", enabled=False)), task_status(task("on")))
    assert samples("task_alert_failures", both) == {("off",): 0, ("on",): 1}


@pytest.mark.parametrize(
    ("changes", "status", "missing"),
    [
        ({}, {}, 3),
        ({}, {"running": (run_id(1),)}, 2),
        ({"enabled": False}, {}, 0),
        ({}, {"paused": True}, 0),
        ({"max_running": 1}, {"running": (run_id(1), run_id(2))}, 0),
    ],
)
def test_copies_are_missing_where_they_are_to_run_and_do_not(changes, status, missing):
    lasting = task_status(daemon("lasting", **{"max_running": 3, **changes}), **status)
    assert samples("task_missing_copies", snapshot(lasting, task_status(task("cronish")))) == {("lasting",): missing}


def test_a_daemon_is_never_too_long_under_way_whatever_its_file_says_for_all_of_its_tasks():
    limits = AlertLimits(max_duration=Millis(3_600_000))
    both = snapshot(task_status(daemon("lasting", alert=limits)), task_status(task("cronish", alert=limits)))
    assert samples("task_max_duration_seconds", both) == {("lasting",): 0, ("cronish",): 3_600}


@pytest.mark.parametrize(
    ("code", "signature", "rewind"),
    [
        pytest.param("TS206", 1, 0, id="a signature"),
        pytest.param("TS207", 0, 1, id="going back"),
        pytest.param("TS101", 0, 0, id="a mistake in a file"),
    ],
)
def test_a_commit_is_untrusted_as_long_as_that_is_what_is_wrong_with_the_newest(code, signature, rewind):
    turned_down = sync_status(problems=(Problem(code=code, message="no"),))
    assert samples("commit_untrusted", snapshot(sync=turned_down)) == {("signature",): signature, ("rewind",): rewind}
