import shutil
import subprocess
import time
from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import busy_snapshot, many_tasks, snapshot, task, task_status
from torchsync.adapters.metrics import new_registry, render
from torchsync.core.metrictable import PerTask


def text_of(one, per_task=PerTask.FULL):
    return render(new_registry(lambda: one, per_task)).decode()


def parsed(text):
    return [
        (family.name, family.type, family.documentation, sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def test_the_text_of_a_busy_agent_is_the_golden_one(golden):
    golden("metrics.txt", text_of(busy_snapshot()))


@pytest.mark.parametrize("one", [pytest.param(busy_snapshot(), id="busy"), pytest.param(snapshot(), id="fresh")])
def test_our_text_says_the_same_as_that_of_the_client_library(one):
    registry = new_registry(lambda: one)
    assert parsed(render(registry).decode()) == parsed(generate_latest(registry).decode())


@pytest.mark.parametrize(
    "owner", [pytest.param(text, id=repr(text)) for text in ('a"b', "a\\b", "a\nb", "a\\nb", "", "ümlaut ✓", 'x"} 1\nfake{a="')]
)
def test_a_label_value_comes_back_as_it_was(owner):
    text = text_of(snapshot(task_status(task(owner=owner))))
    found = [
        sample.labels["owner"] for family in text_string_to_metric_families(text) for sample in family.samples if "owner" in sample.labels
    ]
    assert found == [owner]


def test_nothing_of_a_command_a_path_or_an_environment_is_exported():
    text = text_of(busy_snapshot())
    for secret in ("backup.sh", "PGPASSFILE", "pgpass", "tasks/db.yaml", "alice", "length of time"):
        assert secret not in text


def test_no_series_tells_when_a_counter_was_created():
    assert "_created" not in text_of(busy_snapshot())


def test_the_registry_knows_its_names_without_reading_the_agent():
    def never():
        raise AssertionError("read while registering")

    registry = new_registry(never)
    assert registry.restricted_registry(["torchsync_pinned"]) is not None


def test_compact_mode_is_several_times_smaller():
    many = many_tasks(50)
    assert len(text_of(many, PerTask.COMPACT)) * 2 < len(text_of(many))


def test_a_thousand_tasks_take_well_under_a_second():
    many = many_tasks(1000)
    registry = new_registry(lambda: many)
    begun = time.process_time()
    render(registry)
    assert time.process_time() - begun < 0.5


def test_promtool_finds_nothing_to_complain_about():
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=text_of(busy_snapshot()), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_newest_snapshot_is_read_at_every_scrape():
    current = [snapshot()]
    registry = new_registry(lambda: current[0])
    assert "torchsync_runs_lost_total 0" in render(registry).decode()
    current[0] = replace(current[0], runs_lost=7)
    assert "torchsync_runs_lost_total 7" in render(registry).decode()
