"""The dashboard of a host and its tasks: what was deployed here, what runs, what came of it, and what comes next."""

from __future__ import annotations

from scripts.dashboard_colors import OUTCOMES, SKIPS
from scripts.dashboard_fleet import DOWN, LIMIT, NO_YES, SUCCESS, TASK_UID, UP
from scripts.grafana import INSTANCE, JOB, Annotation, Column, Dashboard, Draw, Kind, Panel, Row, State, Variable, chosen, query

TASK = Variable(name="task", query='label_values(torchsync_task_next_run_timestamp_seconds{job=~"$job", instance=~"$instance"}, task)')

# As the scrape saw it: a task that is due every second is not overdue because the scrape was a while ago.
NEXT = "(torchsync_task_next_run_timestamp_seconds{TASKS} > 0) - timestamp(torchsync_task_next_run_timestamp_seconds{TASKS})"

RUNNING = (State(value=0, text="idle", color="transparent"), State(value=1, text="running", color="green"))
HELD = (State(value=0, text="no", color="transparent"), State(value=1, text="yes", color="orange"))
PLAIN: tuple[tuple[float | None, str], ...] = ((None, "text"),)
NONE_OR_SOME: tuple[tuple[float | None, str], ...] = ((None, "green"), (1, "red"))

DEPLOYED = Annotation(
    name="Deployed commits",
    expr=chosen(
        """max by (instance, commit) (
             torchsync_commit_info{HOSTS, state="running"} * on (job, instance) group_left () torchsync_sync_last_apply_timestamp_seconds{HOSTS} > 0
           ) * 1000"""
    ),
    title="{{commit}} in force",
    text="on {{instance}}",
    color="green",
    is_time=True,
)
REJECTED = Annotation(
    name="Rejected commits",
    expr=chosen('max by (instance, commit) (torchsync_commit_info{HOSTS, state="rejected"})'),
    title="{{commit}} rejected",
    text="on {{instance}}, for as long as this is marked; the tasks of the commit before it go on.",
    color="red",
)


def stat(title: str, description: str, expr: str, unit: str = "short", steps: tuple[tuple[float | None, str], ...] = PLAIN) -> Panel:
    return Panel(
        title=title, description=description, kind=Kind.STAT, width=4, height=4, queries=(query(expr),), unit=unit, steps=steps, none="-"
    )


HOST = Row(
    title="Host",
    panels=(
        Panel(
            title="Commit in force",
            description="The commit whose tasks are in force.",
            kind=Kind.STAT,
            width=6,
            height=4,
            queries=(query('max by (commit) (torchsync_commit_info{HOSTS, state="running"})', "{{commit}}"),),
            by_name=True,
            steps=PLAIN,
        ),
        Panel(
            title="Last successful sync",
            description="How long ago a sync last ended applied or unchanged; of several hosts the oldest.",
            kind=Kind.STAT,
            width=6,
            height=4,
            unit="s",
            queries=(query("time() - min(torchsync_sync_last_success_timestamp_seconds{HOSTS} > 0)"),),
            steps=((None, "green"), (600, "orange")),
            none="never",
        ),
        stat("Active tasks", "Tasks in force that are neither disabled nor paused.", 'sum(torchsync_tasks{HOSTS, state="active"})'),
        stat("Runs under way", "Runs under way.", "sum(torchsync_runs_in_progress{HOSTS})"),
        stat(
            "Agents down",
            "Of the chosen agents those that do not answer.",
            DOWN,
            steps=NONE_OR_SOME,
        ),
        Panel(
            title="Held back or in trouble",
            description="When operators held something back, the newest commit was rejected, or the agent was in trouble.",
            kind=Kind.TIMELINE,
            width=24,
            height=8,
            states=HELD,
            queries=(
                query("max by (scope) (torchsync_paused{HOSTS})", "paused: {{scope}}"),
                query("max(torchsync_pinned{HOSTS})", "pinned"),
                query("max(torchsync_commit_rejected{HOSTS})", "newest commit rejected"),
                query("max(torchsync_state_degraded{HOSTS})", "state cannot be written"),
                query("1 - min(torchsync_config_last_reload_successful{HOSTS})", "agent.yaml refused"),
                query(f"1 - min({UP})", "agent down"),
            ),
        ),
        Panel(
            title="Tasks",
            description="The chosen tasks on the chosen hosts.",
            kind=Kind.TABLE,
            width=24,
            height=10,
            columns=(
                Column(title="task", label="task"),
                Column(title="host", label="instance"),
                Column(
                    title="next run in",
                    query=query(f"max by (instance, task) ({NEXT})"),
                    unit="s",
                ),
                Column(title="running", query=query("max by (instance, task) (torchsync_task_running{TASKS})"), unit="short"),
                Column(
                    title="last success",
                    query=query("time() - max by (instance, task) (torchsync_task_last_success_timestamp_seconds{TASKS} > 0)"),
                    unit="s",
                ),
                Column(title="may be", query=query(f"max by (instance, task) ({LIMIT})"), unit="s"),
                Column(
                    title="failures in a row",
                    query=query("max by (instance, task) (torchsync_task_consecutive_failures{TASKS})"),
                    unit="short",
                ),
                Column(title="exit status", query=query("max by (instance, task) (torchsync_task_last_exit_status{TASKS})")),
                Column(title="paused", query=query("max by (instance, task) (torchsync_task_paused{TASKS})"), states=NO_YES),
            ),
        ),
    ),
)

NOW = Row(
    title="Chosen tasks now",
    panels=(
        stat(
            "Oldest success",
            "How old the last success is; of several tasks the oldest. A task without any counts from when it came to the host.",
            f"max(time() - {SUCCESS})",
            unit="s",
        ),
        stat(
            "Of the limit",
            "The age of the last success as a part of `alert.max_age`; of several tasks the largest. From 100 % on it is late.",
            f"max((time() - {SUCCESS}) / {LIMIT})",
            unit="percentunit",
            steps=((None, "green"), (0.8, "orange"), (1, "red")),
        ),
        stat(
            "Next run in",
            "When the next of the chosen tasks is due.",
            f"min({NEXT})",
            unit="s",
        ),
        stat(
            "Running for",
            "How long the oldest run that is not over has run by now.",
            "time() - min(torchsync_task_running_since_timestamp_seconds{TASKS} > 0)",
            unit="s",
        ),
        stat(
            "Failures in a row",
            "Runs in a row that failed; of several tasks the most.",
            "max(torchsync_task_consecutive_failures{TASKS})",
            steps=NONE_OR_SOME,
        ),
        stat(
            "Last exit status",
            "Exit status of the newest ended run, 128+n for a signal; of several tasks the largest.",
            "max(torchsync_task_last_exit_status{TASKS})",
            unit="none",
            steps=NONE_OR_SOME,
        ),
    ),
)

HISTORY = Row(
    title="Chosen tasks over time",
    panels=(
        Panel(
            title="Running",
            description="When each task ran, as far as scrapes saw it.",
            kind=Kind.TIMELINE,
            width=24,
            height=7,
            states=RUNNING,
            queries=(query("clamp_max(max by (task) (torchsync_task_running{TASKS}), 1)", "{{task}}"),),
        ),
        Panel(
            title="Duration",
            description="How long the newest ended run took, and the limits of `timeout` and `alert.max_duration` where a task has them.",
            kind=Kind.GRAPH,
            width=12,
            unit="s",
            queries=(
                query("max by (task) (torchsync_task_last_run_duration_seconds{TASKS})", "{{task}}"),
                query("min by (task) (torchsync_task_timeout_seconds{TASKS} > 0)", "{{task}}: timeout"),
                query("min by (task) (torchsync_task_max_duration_seconds{TASKS} > 0)", "{{task}}: alert"),
            ),
        ),
        Panel(
            title="Age of the last success, of the limit",
            description="Saws up to where the next success comes; from 100 % on the task is late. Tasks with `alert.max_age: off` are not here.",
            kind=Kind.GRAPH,
            width=12,
            unit="percentunit",
            queries=(query(f"max by (task) ((time() - {SUCCESS}) / {LIMIT})", "{{task}}"),),
        ),
        Panel(
            title="Ended runs",
            description="Runs that ended, by outcome.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.BARS,
            unit="short",
            colors=OUTCOMES,
            queries=(query("sum by (result) (increase(torchsync_task_runs_total{TASKS}[$__rate_interval]))", "{{result}}"),),
        ),
        Panel(
            title="Skipped instants",
            description="Instants that did not become runs, by reason.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.BARS,
            unit="short",
            colors=SKIPS,
            queries=(query("sum by (reason) (increase(torchsync_task_runs_skipped_total{TASKS}[$__rate_interval]))", "{{reason}}"),),
        ),
        Panel(
            title="Retries and restarts",
            description="Attempts after the first, and restarts of daemons.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.BARS,
            unit="short",
            queries=(
                query("sum by (task) (increase(torchsync_task_retries_total{TASKS}[$__rate_interval]))", "{{task}}: retries"),
                query("sum by (task) (increase(torchsync_task_restarts_total{TASKS}[$__rate_interval]))", "{{task}}: restarts"),
            ),
        ),
        Panel(
            title="Failures in a row",
            description="Runs in a row that failed, up to now.",
            kind=Kind.GRAPH,
            width=12,
            unit="short",
            queries=(query("max by (task) (torchsync_task_consecutive_failures{TASKS})", "{{task}}"),),
        ),
        Panel(
            title="Processor time of a run",
            description="What the newest ended run used, with everything it started; nothing where the host does not count it.",
            kind=Kind.GRAPH,
            width=12,
            unit="s",
            queries=(query("max by (task) (torchsync_task_last_run_cpu_seconds{TASKS})", "{{task}}"),),
        ),
        Panel(
            title="Memory of a run",
            description="The most that the newest ended run had at once; nothing where the host does not count it.",
            kind=Kind.GRAPH,
            width=12,
            unit="bytes",
            queries=(query("max by (task) (torchsync_task_last_run_memory_peak_bytes{TASKS})", "{{task}}"),),
        ),
    ),
)

HOST_AND_TASK = Dashboard(
    uid=TASK_UID,
    title="torchsync: host and task",
    description="What was deployed on a host, what runs, what came of it, and what comes next.",
    variables=(JOB, INSTANCE, TASK),
    annotations=(DEPLOYED, REJECTED),
    rows=(HOST, NOW, HISTORY),
)
