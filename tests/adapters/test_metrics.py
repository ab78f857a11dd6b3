import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.builders import busy_snapshot, many_tasks, snapshot, task, task_status
from torchsync.adapters import metrics
from torchsync.adapters.metrics import Exposition, families
from torchsync.core.exposition import Format
from torchsync.core.metrictable import PerTask, Scope, most_series, rows

PARSERS = {Format.TEXT: parse_text, Format.OPENMETRICS: parse_openmetrics}
FORMATS = pytest.mark.parametrize("form", [pytest.param(form, id=form.name.lower()) for form in Format])
STATES = pytest.mark.parametrize("one", [pytest.param(busy_snapshot(), id="busy"), pytest.param(snapshot(), id="fresh")])


def text_of(one, per_task=PerTask.FULL, form=Format.TEXT):
    return Exposition(lambda: one, per_task).render(form).decode()


def parsed(text, form=Format.TEXT):
    """Metrics in their order, and of each its samples in any."""
    return [
        (
            family.name,
            family.type,
            family.documentation,
            sorted((sample.name, sorted(sample.labels.items()), sample.value) for sample in family.samples),
        )
        for family in PARSERS[form](text)
    ]


def series_of(text):
    return [line.partition(" ")[0] for line in text.splitlines() if not line.startswith("#")]


class Library:
    """What the client library is told by the same rows."""

    def __init__(self, one):
        self.registry = CollectorRegistry()
        self.collect = lambda: families(one, rows())
        self.registry.register(self)


@pytest.mark.parametrize(("form", "name"), [(Format.TEXT, "metrics.txt"), (Format.OPENMETRICS, "metrics.openmetrics.txt")])
def test_the_text_of_a_busy_agent_is_the_golden_one(golden, form, name):
    golden(name, text_of(busy_snapshot(), form=form))


@STATES
def test_our_text_says_the_same_as_that_of_the_client_library(one):
    assert parsed(text_of(one)) == parsed(generate_latest(Library(one).registry).decode())


@STATES
def test_our_openmetrics_says_the_same_as_that_of_the_client_library(one):
    theirs = generate_openmetrics(Library(one).registry).decode()
    assert parsed(text_of(one, form=Format.OPENMETRICS), Format.OPENMETRICS) == parsed(theirs, Format.OPENMETRICS)


@STATES
@FORMATS
def test_samples_are_grouped_by_metric_and_none_is_said_twice(one, form):
    text = text_of(one, form=form)
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) == len(rows())
    assert len(series_of(text)) == len(set(series_of(text)))


def test_openmetrics_ends_with_its_mark_and_text_has_none():
    assert text_of(busy_snapshot(), form=Format.OPENMETRICS).endswith("\n# EOF\n")
    assert "# EOF" not in text_of(busy_snapshot())


@FORMATS
@pytest.mark.parametrize(
    "owner", [pytest.param(text, id=repr(text)) for text in ('a"b', "a\\b", "a\nb", "a\\nb", "", "ümlaut ✓", 'x"} 1\nfake{a="')]
)
def test_a_label_value_comes_back_as_it_was(owner, form):
    text = text_of(snapshot(task_status(task(owner=owner))), form=form)
    found = [sample.labels["owner"] for family in PARSERS[form](text) for sample in family.samples if "owner" in sample.labels]
    assert found == [owner]


@FORMATS
def test_a_help_text_comes_back_as_it_was(monkeypatch, form):
    odd = 'says "so", with \\ and\na line'
    monkeypatch.setattr(metrics, "rows", lambda mode: [replace(row, help=odd) for row in rows(mode)])
    text = text_of(snapshot(task_status()), form=form)
    assert {family.documentation for family in PARSERS[form](text)} == {odd}
    assert (r"\"so\"" in text) == (form is Format.OPENMETRICS), "where the parser of the client library is lenient"


@FORMATS
def test_nothing_of_a_command_a_path_or_an_environment_is_exported(form):
    text = text_of(busy_snapshot(), form=form)
    for secret in ("backup.sh", "PGPASSFILE", "pgpass", "tasks/db.yaml", "alice", "length of time"):
        assert secret not in text


@FORMATS
def test_no_series_tells_when_a_counter_was_created(form):
    assert "_created" not in text_of(busy_snapshot(), form=form)


@pytest.mark.parametrize("mode", PerTask)
def test_there_are_no_more_series_than_the_table_says(mode):
    one, two = (len(series_of(text_of(busy_snapshot_of(count), mode))) for count in (1, 2))
    assert one - (two - one) == most_series(Scope.AGENT, mode)
    of_a_task = most_series(Scope.TASK, mode)
    assert of_a_task - 2 <= two - one <= of_a_task, "a daemon has missing copies and restarts, any other task has retries"


def busy_snapshot_of(count):
    """As many tasks of which everything is known."""
    busy = busy_snapshot()
    known = busy.tasks["nightly-backup"]
    return replace(busy, tasks={f"t{n}": replace(known, task=replace(known.task, name=f"t{n}")) for n in range(count)})


@pytest.mark.parametrize("mode", PerTask)
def test_promtool_finds_nothing_to_complain_about(mode):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    text = text_of(busy_snapshot(), mode)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# What is kept from one scrape to the next.


class Agent:
    """A snapshot that can be replaced, its exposition, and how often a task was put into words."""

    def __init__(self, monkeypatch, one):
        self.now = one
        self.exposition = Exposition(lambda: self.now)
        self.written = 0
        monkeypatch.setattr(metrics, "rows", lambda mode: [self._counted(row) for row in rows(mode)])

    def _counted(self, row):
        if row.name != "task_running":
            return row

        def of_task(status):
            self.written += 1
            return row.of_task(status)

        return replace(row, of_task=of_task)

    def text(self, form=Format.TEXT):
        return self.exposition.render(form).decode()


@pytest.fixture
def agent(monkeypatch):
    return Agent(monkeypatch, snapshot(task_status(task("a")), task_status(task("b"))))


def test_a_task_is_put_into_words_again_only_when_its_status_changed(agent):
    agent.text()
    agent.text(Format.OPENMETRICS)
    assert agent.written == 2
    changed = replace(agent.now.tasks["a"], paused=True)
    agent.now = replace(agent.now, tasks={**agent.now.tasks, "a": changed})
    assert 'torchsync_task_paused{task="a"} 1\n' in agent.text()
    assert agent.written == 3


def test_tasks_that_come_and_go_leave_the_words_of_the_others_alone(monkeypatch):
    agent = Agent(monkeypatch, many_tasks(2_000))
    agent.text()
    assert agent.written == 2_000
    gone = dict(list(agent.now.tasks.items())[1:])
    agent.now = replace(agent.now, tasks={**gone, "new": task_status(task("new"))})
    text = agent.text()
    assert ('task="new"' in text, 'task="task-00000"' in text, 'task="task-00001"' in text) == (True, False, True)
    assert 2_000 < agent.written < 2_020, "the neighbours of the two"


def test_a_status_that_was_made_anew_and_says_the_same_is_the_same(agent):
    before = agent.text()
    agent.now = replace(agent.now, tasks={name: replace(status) for name, status in agent.now.tasks.items()})
    assert (agent.text(), agent.written) == (before, 2)


def test_what_is_kept_says_what_would_be_said_anew(agent):
    agent.text()
    agent.now = busy_snapshot()
    agent.text()
    assert agent.text() == text_of(busy_snapshot())


def test_the_series_of_a_removed_task_end_at_once_and_nothing_of_it_is_kept(agent):
    agent.text()
    kept = agent.now.tasks
    agent.now = replace(agent.now, tasks={"b": kept["b"]})
    assert 'task="a"' not in agent.text()
    agent.now = replace(agent.now, tasks=kept)
    assert 'task="a"' in agent.text()
    assert agent.written == 3


def test_how_much_is_told_of_each_task_may_change_at_any_time(agent):
    full = agent.text()
    agent.exposition.per_task = PerTask.COMPACT
    assert agent.text() == text_of(agent.now, PerTask.COMPACT)
    agent.exposition.per_task = PerTask.OFF
    assert agent.text() == text_of(agent.now, PerTask.OFF)
    agent.exposition.per_task = PerTask.FULL
    assert agent.text() == full


def test_the_newest_snapshot_is_read_at_every_scrape(agent):
    assert "torchsync_runs_lost_total 0" in agent.text()
    agent.now = replace(agent.now, runs_lost=7)
    assert "torchsync_runs_lost_total 7" in agent.text()
