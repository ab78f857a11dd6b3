"""The questions, asked of Prometheus' own engine about series that are written down: promtool(1), "test rules"."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from torchsync.core.livequestions import AGENT_METRICS, LAST_TICK, TASK_METRICS, Questions
from torchsync.core.metrictable import PREFIX, TABLE

DAY = 24 * 60


def series(name: str, instance: str, values: str, **labels: str) -> dict[str, str]:
    told = {"instance": instance, "job": "torchsync"} | labels
    return {"series": f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in told.items())}}}", "values": values}


INPUT = [
    series(LAST_TICK, "db-1:1", f"0+60x{4 * DAY}"),
    series(LAST_TICK, "web-1:1", f"0+60x{DAY + 3} stale"),
    series(LAST_TICK, "old-9:1", "7 stale"),
    series("up", "db-1:1", f"1x{9 * DAY}"),
    series("up", "web-1:1", f"0x{9 * DAY}"),
    series("up", "db-1:2", f"1x{9 * DAY}", job="node"),
    series(f"{PREFIX}task_running", "db-1:1", f"2x{9 * DAY}", task="a.b", other="x"),
    series(f"{PREFIX}task_running", "db-1:1", f"3x{9 * DAY}", task="a-b"),
    *(series(f"{PREFIX}task_last_success_timestamp_seconds", "db-1:1", f"0x{9 * DAY}", task=task) for task in ("a.b", "a-b")),
]


def answer(question: str, at: str, *samples: tuple[str, float]) -> dict[str, object]:
    return {"expr": question, "eval_time": at, "exp_samples": [{"labels": labels, "value": value} for labels, value in samples]}


def by(instance: str, job: str = "torchsync") -> str:
    return f'{{instance="{instance}", job="{job}"}}'


def test_prometheus_understands_the_questions_as_we_do(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    ask = Questions()
    expected = [
        answer(ask.last_seen(), "4d", (by("db-1:1"), 345_600), (by("web-1:1"), 86_400), (by("old-9:1"), 7)),
        answer(ask.last_seen(), "8d", (by("db-1:1"), 345_600), (by("web-1:1"), 86_400)),
        answer(ask.last_seen(), "1d4m", (by("db-1:1"), 86_640), (by("web-1:1"), 86_580), (by("old-9:1"), 7)),
        answer(ask.up(["torchsync"]), "4d", (by("db-1:1"), 1), (by("web-1:1"), 0)),
        answer(ask.task("task_running"), "4d", ('{instance="db-1:1", task="a.b"}', 2), ('{instance="db-1:1", task="a-b"}', 3)),
        answer(Questions(tasks=["a.b"]).task("task_running"), "4d", ('{instance="db-1:1", task="a.b"}', 2)),
        answer(ask.exported(), "4d", ('{instance="db-1:1"}', 2)),
        answer(f"count({ask.agents()})", "1h", ("{}", 2)),
    ]
    tests = {"rule_files": [], "tests": [{"interval": "1m", "input_series": INPUT, "promql_expr_test": expected}]}
    (tmp_path / "questions.json").write_text(json.dumps(tests))
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "questions.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_metrics_are_asked_for_that_agents_have() -> None:
    assert {*AGENT_METRICS, *TASK_METRICS} <= {row.name for row in TABLE}


def test_of_many_tasks_the_answer_for_all_is_taken() -> None:
    assert "=~" not in Questions(tasks=[f"task-{number}" for number in range(101)]).task("task_running")
    assert 'task=~"a|b"' in Questions(tasks=["b", "a"]).task("task_running")


def test_another_label_is_kept_beside_the_address() -> None:
    assert Questions("host").task("task_paused") == "max by (instance, host, task) (torchsync_task_paused)"
