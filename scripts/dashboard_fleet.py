"""The dashboard of a fleet: which commit is in force where, what fails or is late, and how the agents are."""

from __future__ import annotations

from scripts.dashboard_alerts import ALARMS
from scripts.dashboard_colors import OUTCOMES, REASONS, SHARE, SKIPS, STATES, SYNCS, TROUBLE
from scripts.grafana import INSTANCE, JOB, Annotation, Column, Dashboard, Draw, Kind, Panel, Row, State, chosen, query

UID = "torchsync-fleet"
TASK_UID = "torchsync-task"

NO_YES = (State(value=0, text="no", color="green"), State(value=1, text="yes", color="red"))
UP_DOWN = (State(value=0, text="down", color="red"), State(value=1, text="up", color="green"))
NONE_OR_SOME = ((None, "green"), (1, "red"))
TO_THE_HOST = f"/d/{TASK_UID}?${{job:queryparam}}&var-instance=${{__value.raw}}&${{__url_time_range}}"
TO_THE_TASK = f"/d/{TASK_UID}?${{job:queryparam}}&var-instance=${{__data.fields.host}}&var-task=${{__value.raw}}&${{__url_time_range}}"

# The success that counts for the age: without any, the moment the task came to the host. A limit of 0 is none.
SUCCESS = "(torchsync_task_last_success_timestamp_seconds{TASKS} > 0 or torchsync_task_first_seen_timestamp_seconds{TASKS})"
LIMIT = "(torchsync_task_max_success_age_seconds{TASKS} > 0)"
FAILED = "failed|timed_out|start_failed|lost"
PAUSED = "torchsync_task_paused{TASKS} == 1"
# Whose task it is. When an owner or a severity changes while Prometheus does not look, the series of before lives on for five minutes beside its
# successor, and a join with both would fail: so there is only the newest.
INFO = """on (job, instance, task) group_left (owner, severity)
  (topk by (job, instance, task) (1, timestamp(torchsync_task_info{HOSTS})) > bool -1)"""
# When all jobs are chosen, only those that have agents, or had some a day ago: `up` is there for whatever else is scraped, too.
UP = "(up{HOSTS} and on (job) (torchsync_build_info{HOSTS} or torchsync_build_info{HOSTS} offset 1d))"
DOWN = f"count({UP}) - sum({UP})"
# What every task of every host did, recorded by host: read as it is, it would be thirteen series of each task.
RUNS = "job_instance_result:torchsync_task_runs:rate5m"
SKIPPED = "job_instance_reason:torchsync_task_runs_skipped:rate5m"
UNRECORDED = "nothing recorded by grafana/rules"
NO_TASKS = "no tasks told"
SINCE_TURN = "timestamp(torchsync_scheduler_last_tick_timestamp_seconds{HOSTS}) - torchsync_scheduler_last_tick_timestamp_seconds{HOSTS}"

DEPLOYED = Annotation(
    name="Deployed commits",
    expr=chosen(
        """min by (commit) (
             torchsync_commit_info{HOSTS, state="running"} * on (job, instance) group_left () torchsync_sync_last_apply_timestamp_seconds{HOSTS} > 0
           ) * 1000"""
    ),
    title="{{commit}} in force",
    text="The first host has put it in force.",
    color="green",
    is_time=True,
)
REJECTED = Annotation(
    name="Rejected commits",
    expr=chosen('count by (commit) (torchsync_commit_info{HOSTS, state="rejected"})'),
    title="{{commit}} rejected",
    text="Rejected or refused for as long as this is marked; the tasks of the commit before it go on.",
    color="red",
)


def of_hosts(expr: str) -> str:
    """The expression, for all tasks of the hosts that are chosen."""
    return expr.replace("TASKS", "HOSTS")


def stat(title: str, description: str, expr: str, steps: tuple[tuple[float | None, str], ...] = NONE_OR_SOME, none: str = "") -> Panel:
    return Panel(title=title, description=description, kind=Kind.STAT, width=3, height=4, queries=(query(expr),), steps=steps, none=none)


AT_A_GLANCE = Row(
    title="At a glance",
    panels=(
        stat("Agents down", "Agents that Prometheus knows and that do not answer.", DOWN),
        stat(
            "Commits in force",
            "Different commits whose tasks are in force. More than one for longer than a sync takes: some host does not follow.",
            'count(count by (commit) (torchsync_commit_info{HOSTS, state="running"}))',
            steps=((None, "green"), (2, "orange")),
        ),
        stat(
            "Stale hosts",
            "Hosts whose last successful sync is older than ten intervals and ten minutes, while they are to follow and turned no commit down.",
            """sum((time() - torchsync_sync_last_success_timestamp_seconds{HOSTS}
                     > bool clamp_min(10 * torchsync_sync_interval_seconds{HOSTS}, 600))
                 * ignoring (scope) (1 - torchsync_paused{HOSTS, scope="sync"}) * (1 - torchsync_commit_rejected{HOSTS}))""",
        ),
        stat(
            "Commit rejected",
            "Hosts on which the newest commit is rejected or refused; their tasks go on as they were.",
            "sum(torchsync_commit_rejected{HOSTS})",
        ),
        stat(
            "Held by operators",
            "Hosts on which operators hold back syncs, tasks or the host, or pin a revision.",
            "sum(max by (job, instance) (torchsync_paused{HOSTS} or torchsync_pinned{HOSTS}))",
            steps=((None, "green"), (1, "blue")),
        ),
        stat(
            "Failing tasks",
            "Tasks whose newest run failed, counted on each host.",
            "sum(torchsync_task_consecutive_failures{HOSTS} > bool 0)",
            none=NO_TASKS,
        ),
        stat(
            "Late tasks",
            "Tasks whose last success is older than `alert.max_age` allows, counted on each host.",
            of_hosts(f"sum((time() - {SUCCESS} > bool {LIMIT}) unless {PAUSED})"),
            none=NO_TASKS,
        ),
        stat("Runs under way", "Runs under way on all hosts.", "sum(torchsync_runs_in_progress{HOSTS})", steps=((None, "text"),)),
    ),
)

COMMITS = Row(
    title="Commits and syncs",
    panels=(
        Panel(
            title="Commits in force",
            description="On how many hosts each commit is in force: a change of the task repository on its way through the fleet.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.AREAS,
            queries=(query('count by (commit) (torchsync_commit_info{HOSTS, state="running"})', "{{commit}}"),),
        ),
        Panel(
            title="Syncs",
            description="Syncs a second, by result.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.AREAS,
            unit="ops",
            colors=SYNCS,
            queries=(query("sum by (result) (rate(torchsync_sync_total{HOSTS}[$__rate_interval]))", "{{result}}"),),
        ),
        Panel(
            title="Phases of syncs",
            description="How long each phase took, in the slowest of twenty syncs. A phase that did not happen has no line.",
            kind=Kind.GRAPH,
            width=12,
            unit="s",
            queries=(
                query(
                    "histogram_quantile(0.95, sum by (le, phase) (rate(torchsync_sync_duration_seconds_bucket{HOSTS}[$__rate_interval])))",
                    "{{phase}}",
                ),
            ),
        ),
        Panel(
            title="Rejections",
            description="Commits turned down, by reason, counted on each host. Red: by every host; orange: by this one; purple: not trusted.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.BARS,
            unit="short",
            colors=REASONS,
            none="none",
            queries=(query("sum by (reason) (increase(torchsync_rejections_total{HOSTS}[$__rate_interval])) > 0", "{{reason}}"),),
        ),
        Panel(
            title="Hosts",
            description="Each host: the commit in force, when its last sync succeeded, and what holds it back. A click on a host leads to its tasks.",
            kind=Kind.TABLE,
            width=24,
            height=8,
            columns=(
                Column(title="host", label="instance", link=TO_THE_HOST),
                Column(title="agent", query=query(f"max by (instance) ({UP})"), states=UP_DOWN),
                Column(
                    title="running for",
                    query=query("time() - max by (instance) (torchsync_agent_start_timestamp_seconds{HOSTS})"),
                    unit="s",
                ),
                Column(title="commit", label="commit"),
                Column(query=query('max by (instance, commit) (torchsync_commit_info{HOSTS, state="running"})')),
                Column(
                    title="last successful sync",
                    query=query("time() - max by (instance) (torchsync_sync_last_success_timestamp_seconds{HOSTS} > 0)"),
                    unit="s",
                ),
                Column(
                    title="failed syncs in a row",
                    query=query("max by (instance) (torchsync_sync_consecutive_failures{HOSTS})"),
                    unit="short",
                ),
                Column(title="newest rejected", query=query("max by (instance) (torchsync_commit_rejected{HOSTS})"), states=NO_YES),
                Column(title="untrusted", query=query("max by (instance) (torchsync_commit_untrusted{HOSTS})"), states=NO_YES),
                Column(title="paused", query=query("max by (instance) (torchsync_paused{HOSTS})"), states=NO_YES),
                Column(title="pinned", query=query("max by (instance) (torchsync_pinned{HOSTS})"), states=NO_YES),
                Column(title="tasks", query=query('sum by (instance) (torchsync_tasks{HOSTS, state="active"})'), unit="short"),
            ),
        ),
    ),
)

TASKS_ROW = Row(
    title="Tasks",
    panels=(
        Panel(
            title="Ended runs",
            description="Runs that ended a second, by outcome.",
            kind=Kind.GRAPH,
            width=8,
            draw=Draw.AREAS,
            unit="ops",
            colors=OUTCOMES,
            none=UNRECORDED,
            queries=(query(f"sum by (result) ({RUNS}{{HOSTS}})", "{{result}}"),),
        ),
        Panel(
            title="Share of failed runs",
            description="Of the runs that ended, those that failed, timed out, could not start or were lost.",
            kind=Kind.GRAPH,
            width=8,
            unit="percentunit",
            most=1,
            colors=SHARE,
            none=UNRECORDED,
            queries=(query(f'sum({RUNS}{{HOSTS, result=~"{FAILED}"}}) / sum({RUNS}{{HOSTS}})', "failed"),),
        ),
        Panel(
            title="Skipped instants",
            description="Instants a minute that did not become runs, by reason.",
            kind=Kind.GRAPH,
            width=8,
            draw=Draw.AREAS,
            unit="short",
            colors=SKIPS,
            none=UNRECORDED,
            queries=(query(f"60 * sum by (reason) ({SKIPPED}{{HOSTS}})", "{{reason}}"),),
        ),
        Panel(
            title="Failing tasks",
            description="Tasks whose newest run failed, the longest row of failures first.",
            kind=Kind.TABLE,
            width=12,
            columns=(
                Column(title="task", label="task", link=TO_THE_TASK),
                Column(title="host", label="instance"),
                Column(title="owner", label="owner"),
                Column(title="severity", label="severity"),
                Column(
                    title="failures in a row",
                    query=query(
                        f"""topk(20, max by (instance, task, owner, severity) (
                              (torchsync_task_consecutive_failures{{HOSTS}} > 0) * {INFO}))"""
                    ),
                    unit="short",
                ),
            ),
            none="none",
        ),
        Panel(
            title="Late tasks",
            description="Tasks whose last success is older than `alert.max_age` allows, and by how much.",
            kind=Kind.TABLE,
            width=12,
            columns=(
                Column(title="task", label="task", link=TO_THE_TASK),
                Column(title="host", label="instance"),
                Column(title="owner", label="owner"),
                Column(title="severity", label="severity"),
                Column(
                    title="over the limit",
                    query=query(
                        of_hosts(
                            f"topk(20, max by (instance, task, owner, severity) (((time() - {SUCCESS} - {LIMIT} > 0) unless {PAUSED}) * {INFO}))"
                        )
                    ),
                    unit="s",
                ),
            ),
            none="none",
        ),
        Panel(
            title="Who runs what",
            description="Every task, and on how many of the chosen hosts it is in force.",
            kind=Kind.TABLE,
            width=16,
            height=10,
            columns=(
                Column(title="task", label="task"),
                Column(title="type", label="type"),
                Column(title="schedule", label="schedule"),
                Column(title="zone", label="timezone"),
                Column(title="owner", label="owner"),
                Column(title="severity", label="severity"),
                Column(
                    title="hosts",
                    query=query("count by (task, type, schedule, timezone, owner, severity) (torchsync_task_info{HOSTS})"),
                    unit="short",
                ),
            ),
        ),
        Panel(
            title="Tasks by state",
            description="Tasks in force on all hosts. `not_selected` are those of the repository that are for other hosts.",
            kind=Kind.GRAPH,
            width=8,
            height=10,
            draw=Draw.AREAS,
            unit="short",
            colors=STATES,
            queries=(query("sum by (state) (torchsync_tasks{HOSTS})", "{{state}}"),),
        ),
    ),
)

AGENTS = Row(
    title="Agents",
    panels=(
        Panel(
            title="Lag of starts",
            description="From when a run was due to its start: half of the runs, and the slowest of a hundred.",
            kind=Kind.GRAPH,
            width=8,
            unit="s",
            queries=tuple(
                query(
                    f"histogram_quantile({part}, sum by (le) (rate(torchsync_scheduler_lag_seconds_bucket{{HOSTS}}[$__rate_interval])))",
                    legend,
                )
                for part, legend in (("0.5", "half"), ("0.99", "slowest of a hundred"))
            ),
        ),
        Panel(
            title="Since the loop turned",
            description="How long ago the loop had turned when an agent was scraped. More than a minute is a loop that stands still.",
            kind=Kind.GRAPH,
            width=8,
            unit="s",
            queries=(query(f"max({SINCE_TURN})", "at worst"), query(f"quantile(0.5, {SINCE_TURN})", "usually")),
        ),
        Panel(
            title="Agents in trouble",
            description="Hosts whose agent does not answer, cannot write its state, refuses agent.yaml, or finds other facts than those in force.",
            kind=Kind.GRAPH,
            width=8,
            unit="short",
            colors=TROUBLE,
            queries=(
                query(DOWN, "do not answer"),
                query("sum(torchsync_state_degraded{HOSTS})", "state cannot be written"),
                query("sum(1 - torchsync_config_last_reload_successful{HOSTS})", "agent.yaml refused"),
                query("sum(torchsync_host_facts_mismatch{HOSTS})", "other facts"),
            ),
        ),
        Panel(
            title="Out of the ordinary",
            description="What agents coped with: repairs, steps of the clock, git that hung, runs adopted after a restart, runs lost.",
            kind=Kind.GRAPH,
            width=12,
            draw=Draw.BARS,
            unit="short",
            queries=(
                query("sum by (action) (increase(torchsync_repo_recoveries_total{HOSTS}[$__rate_interval]))", "repaired: {{action}}"),
                query(
                    "sum by (direction) (increase(torchsync_scheduler_clock_jumps_total{HOSTS}[$__rate_interval]))", "clock: {{direction}}"
                ),
                query("sum(increase(torchsync_git_timeouts_total{HOSTS}[$__rate_interval]))", "git hung"),
                query("sum(increase(torchsync_runs_adopted_total{HOSTS}[$__rate_interval]))", "runs adopted"),
                query("sum(increase(torchsync_runs_lost_total{HOSTS}[$__rate_interval]))", "runs lost"),
            ),
        ),
        Panel(
            title="Versions",
            description="What runs on how many hosts. `executor` is what starts runs.",
            kind=Kind.TABLE,
            width=12,
            columns=(
                Column(title="torchsync", label="version"),
                Column(title="executor", label="executor"),
                Column(title="croniter", label="croniter"),
                Column(title="tzdata", label="tzdata"),
                Column(
                    title="hosts",
                    query=query("count by (version, executor, croniter, tzdata) (torchsync_build_info{HOSTS})"),
                    unit="short",
                ),
            ),
        ),
    ),
)

FLEET = Dashboard(
    uid=UID,
    title="torchsync: fleet",
    description="Which commit is in force where, what fails or is late, and how the agents are.",
    variables=(JOB, INSTANCE),
    annotations=(DEPLOYED, REJECTED),
    rows=(AT_A_GLANCE, ALARMS, COMMITS, TASKS_ROW, AGENTS),
)
