"""The metrics as they are promised: names, kinds, labels and values that dashboards and alerts rely on. A change here is a change for users."""

from tests.builders import snapshot, task, task_status
from torchsync.core.metrictable import TABLE, Kind, PerTask, Scope, most_series, rows

RESULTS = "succeeded failed timed_out stopped replaced start_failed lost"
REASONS = "yaml schema schedule reference duplicate path size version signature rewind guard policy user limit count"
PHASES = "resolve fetch verify read validate select swap"

AGENT = {
    "build_info{version,croniter,tzdata,executor}": "",
    "sync_total{result}": "applied unchanged rejected refused unavailable paused failed",
    "sync_duration_seconds{phase}": PHASES,
    "sync_last_success_timestamp_seconds": "",
    "sync_last_attempt_timestamp_seconds": "",
    "sync_last_apply_timestamp_seconds": "",
    "sync_interval_seconds": "",
    "sync_consecutive_failures": "",
    "commit_info{state,commit}": "",
    "commit_rejected": "",
    "commit_untrusted{reason}": "signature rewind",
    "rejections_total{reason}": REASONS,
    "paused{scope}": "sync all task drain",
    "pinned": "",
    "tasks{state}": "active disabled paused not_selected",
    "task_changes_total{action}": "added changed removed",
    "scheduler_lag_seconds": "",
    "agent_start_timestamp_seconds": "",
    "scheduler_last_tick_timestamp_seconds": "",
    "scheduler_clock_jumps_total{direction}": "forward backward",
    "runs_in_progress": "",
    "runs_adopted_total": "",
    "runs_lost_total": "",
    "repo_recoveries_total{action}": "lock ref mirror tree owner state",
    "git_timeouts_total": "",
    "state_degraded": "",
    "host_facts_mismatch": "",
    "config_last_reload_successful": "",
    "http_certificate_begin_timestamp_seconds": "",
    "http_certificate_end_timestamp_seconds": "",
}
TASK = {
    "task_info{schedule,timezone,type,owner,severity}": "",
    "task_first_seen_timestamp_seconds": "",
    "task_next_run_timestamp_seconds": "",
    "task_last_run_timestamp_seconds": "",
    "task_last_success_timestamp_seconds": "",
    "task_last_run_duration_seconds": "",
    "task_last_exit_status": "",
    "task_last_run_cpu_seconds": "",
    "task_last_run_memory_peak_bytes": "",
    "task_consecutive_failures": "",
    "task_running": "",
    "task_running_since_timestamp_seconds": "",
    "task_max_success_age_seconds": "",
    "task_max_duration_seconds": "",
    "task_alert_failures": "",
    "task_timeout_seconds": "",
    "task_paused": "",
    "task_runs_total{result}": RESULTS,
    "task_runs_skipped_total{reason}": "overlap missed paused pool lease removed",
    "task_retries_total": "",
    "task_missing_copies": "",
    "task_restarts_total": "",
}
BOUNDS = {
    "scheduler_lag_seconds": (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60),
    "sync_duration_seconds": (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300),
}


def listed(scope):
    found = {}
    for row in TABLE:
        if row.scope is scope:
            labels = ",".join(label for label in row.labels if label != "task")
            found[f"{row.name}{{{labels}}}" if labels else row.name] = " ".join(row.values)
    return found


def test_the_agent_has_these_metrics_and_no_others():
    assert listed(Scope.AGENT) == AGENT


def test_each_task_has_these_metrics_and_no_others_and_its_name_is_their_first_label():
    assert listed(Scope.TASK) == TASK
    assert {row.labels[0] for row in TABLE if row.scope is Scope.TASK} == {"task"}


def test_two_metrics_are_histograms_with_these_bounds():
    assert {row.name: row.bounds for row in TABLE if row.kind is Kind.HISTOGRAM} == BOUNDS
    fresh = snapshot()
    shown = {row.name: histogram.bounds for row in TABLE if row.kind is Kind.HISTOGRAM for _, histogram in row.read(fresh)}
    assert shown == BOUNDS


def test_before_anything_has_happened_everything_is_zero_but_what_the_agent_is_and_how_it_is_set():
    fresh = snapshot()
    counts = [number for row in TABLE if row.scope is Scope.AGENT and row.kind is not Kind.HISTOGRAM for _, number in row.read(fresh)]
    named = {row.name for row in TABLE if row.kind is not Kind.HISTOGRAM for _, number in row.read(fresh) if number}
    times = {"agent_start_timestamp_seconds", "scheduler_last_tick_timestamp_seconds"}
    assert named == times | {"build_info", "sync_interval_seconds", "config_last_reload_successful"}
    assert len(counts) > 40


def test_a_task_that_never_ran_has_all_its_counters_at_zero():
    one = snapshot(task_status(task("new")))
    counters = {row.name: [number for _, number in row.read(one)] for row in TABLE if row.scope is Scope.TASK and row.kind is Kind.COUNTER}
    expected = {"task_runs_total": [0] * 7, "task_runs_skipped_total": [0] * 6, "task_retries_total": [0], "task_restarts_total": []}
    assert counters == expected


def test_the_number_of_series_is_bounded_by_this():
    assert {mode.value: (most_series(Scope.AGENT, mode), most_series(Scope.TASK, mode)) for mode in PerTask} == {
        "full": (164, 33),
        "compact": (164, 13),
        "off": (164, 0),
    }


def test_everything_that_alerts_on_tasks_need_is_in_compact_mode():
    compact = {row.name for row in rows(PerTask.COMPACT) if row.scope is Scope.TASK}
    assert compact == {
        "task_info",
        "task_first_seen_timestamp_seconds",
        "task_next_run_timestamp_seconds",
        "task_last_success_timestamp_seconds",
        "task_consecutive_failures",
        "task_running",
        "task_running_since_timestamp_seconds",
        "task_max_success_age_seconds",
        "task_max_duration_seconds",
        "task_alert_failures",
        "task_paused",
        "task_missing_copies",
        "task_restarts_total",
    }
