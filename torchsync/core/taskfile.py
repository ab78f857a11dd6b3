"""One task file: from bytes to typed tasks, or to everything that is wrong with them. Pure.

Four steps, each told in full: the text is YAML (`core/yamltext.py`), the document keeps to the schema (`core/schema.py`), each task with its
defaults keeps to the rules below, and what is left is a `TaskDraft`. A field that one step refuses is passed over by the next ones, so that a
mistake is told once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torchsync.core import firefields
from torchsync.core.cron import ScheduleRefusal, check_zone, parse_schedule
from torchsync.core.crongap import shortest_gap
from torchsync.core.definition import definition
from torchsync.core.durations import format_duration
from torchsync.core.model import (
    AlertLimits,
    Command,
    Conduct,
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Limits,
    Millis,
    Position,
    ProgramCommand,
    Retry,
    Severity,
    ShellCommand,
    Task,
    TaskName,
    Timing,
    usual_conduct,
)
from torchsync.core.notifyfields import notify_entries
from torchsync.core.schema import Schema, bad_routes, task_of
from torchsync.core.selector import check_selector
from torchsync.core.taskfields import Layer, TaskFields
from torchsync.core.yamlfault import Fault, brief
from torchsync.core.yamltext import Document, Route, load
from torchsync.errors import Problem

_NOT_FOR_A_DAEMON = ("schedule", "timezone", *firefields.FIELDS, "starting_deadline", "jitter", "timeout", "retry")
_NOT_FOR_CRON = ("restart",)
_OF_WHOLE_TASKS = frozenset({"TS112", "TS114"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A task that has everything but its fingerprint, which depends on the tree of the commit. Tasks of a file with problems have no
    definition: there will be no fingerprint.

    `places` tells where the task says what other files have a part in: `command`, `working_dir`, `schedule`, `hosts.0`, `inputs.0`.
    """

    task: Task
    places: Mapping[str, Position]
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonRules:
    """What torchsync.yaml says to every task file. `defaults` is None where there are none; `min_interval` is in milliseconds."""

    defaults: Layer | None = None
    min_interval: Millis = Millis(1_000)


class TaskFileReader:
    """Reads task files by the schema `task.schema.json`."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = Schema(schema)

    def read(self, path: str, content: bytes, rules: CommonRules = CommonRules()) -> tuple[tuple[TaskDraft, ...], tuple[Problem, ...]]:
        """The tasks of the file, and what is wrong with it, in the order of its lines. With problems the tasks serve further checks only."""
        loaded = load(content)
        problems = [_problem(path, fault) for fault in loaded.faults]
        drafts: list[TaskDraft] = []
        if loaded.document is not None:
            violations = self._schema.check(loaded.document)
            problems += [_problem(path, violation.fault, task_of(violation.route)) for violation in violations]
            for fields in _tasks(path, loaded.document, bad_routes(loaded.document, violations), rules):
                drafts.append(_draft(fields, rules))
                problems += fields.problems
        if problems:
            return tuple(drafts), _in_order(problems)
        return tuple(replace(draft, definition=definition(draft.task)) for draft in drafts), ()


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """By place; what is wrong with a default is told once, and not for every task."""
    told = {(problem.line, problem.column, problem.code, problem.message): problem for problem in reversed(problems)}
    return tuple(told[key] for key in sorted(told))


def _problem(path: str, fault: Fault, task: str = "") -> Problem:
    return Problem(
        code=fault.code, message=fault.message, path=path, line=fault.line, column=fault.column, task=brief(task, most=63), hint=fault.hint
    )


def _tasks(path: str, document: Document, bad: frozenset[Route], rules: CommonRules) -> Iterator[TaskFields]:
    """The tasks that can be looked at, although parts of them may be wrong."""
    root: Any = document.value
    if bad & {(), ("tasks",), ("defaults",)}:
        return
    shared = [Layer(path=path, document=document, root=("defaults",), bad=bad), *([rules.defaults] if rules.defaults else [])]
    for name in root.get("tasks", {}):
        if ("tasks", name) not in bad:
            yield TaskFields(name, (Layer(path=path, document=document, root=("tasks", name), bad=bad), *shared))


def checked_defaults(defaults: Layer) -> tuple[Layer, tuple[Problem, ...]]:
    """The defaults with what is wrong in them marked, and those problems, whatever task they come to.

    What only excludes other fields is no mistake here; it shows in the tasks.
    """
    problems: list[Problem] = []
    faulty: set[str] = set()
    for is_daemon in (False, True):
        fields = TaskFields("", (defaults,))
        _task(fields, _daemon_timing(fields) if is_daemon else _cron_timing(fields, CommonRules()))
        found = [problem for problem in fields.problems if problem.code not in _OF_WHOLE_TASKS]
        problems += found
        faulty |= fields.faulty if found else set()
    bad = frozenset((*defaults.bad, *((*defaults.root, key) for key in faulty)))
    return replace(defaults, bad=bad), _in_order(problems)


def _draft(fields: TaskFields, rules: CommonRules) -> TaskDraft:
    is_daemon = fields.value("type") == "daemon"
    if not fields.is_unsure("type"):
        _drop_inapplicable(fields, is_daemon)
    task = _task(fields, _daemon_timing(fields) if is_daemon else _cron_timing(fields, rules))
    return TaskDraft(task=task, places=dict(_places(fields, task)))


def _places(fields: TaskFields, task: Task) -> Iterator[tuple[str, Position]]:
    for key in ("command", "working_dir"):
        if key in fields:
            yield key, fields.position(key)
    if isinstance(task.timing, CronTiming):
        yield "schedule", fields.position_inside("schedule", task.timing.schedule)
    for key, texts in (("hosts", task.hosts), ("inputs", task.inputs), ("notify", task.notify)):
        for index in range(len(texts)):
            yield f"{key}.{index}", fields.position(key, index)


def _task(fields: TaskFields, timing: Timing) -> Task:
    return Task(
        name=TaskName(fields.name),
        timing=timing,
        command=_command(fields),
        fingerprint=Fingerprint(""),
        source=fields.position(),
        description=fields.text("description"),
        owner=fields.text("owner"),
        runbook=fields.text("runbook"),
        severity=Severity(fields.value("alert", "severity") or "warning"),
        alert=_alert(fields, is_daemon=isinstance(timing, DaemonTiming)),
        labels=fields.texts("labels"),
        enabled=fields.value("enabled") is not False,
        hosts=_hosts(fields),
        inputs=tuple(text for _, text in fields.entries("inputs")),
        max_running=_max_running(fields, isinstance(timing, DaemonTiming)),
        pool=fields.text("pool"),
        user=fields.text("user"),
        working_dir=fields.text("working_dir"),
        group=fields.text("group"),
        umask=fields.text("umask", "022")[-3:],
        env=fields.texts("env"),
        env_file=fields.text("env_file"),
        credentials=tuple(text for _, text in fields.entries("credentials")),
        limits=_limits(fields),
        success_exit_codes=tuple(sorted({int(code) for code in fields.value("success_exit_codes") or (0,)})),
        stop_signal=fields.text("stop_signal", "TERM").removeprefix("SIG"),
        stop_grace=fields.duration("stop_grace", default="10s", least=Millis(0)),
        on_change=_conduct(fields, "on_change", is_daemon=isinstance(timing, DaemonTiming)),
        on_remove=_conduct(fields, "on_remove", is_daemon=isinstance(timing, DaemonTiming)),
        output_max=fields.size("output", "max_size", default="10MiB", least="64KiB", most="1TiB"),
        notify=notify_entries(fields, is_daemon=isinstance(timing, DaemonTiming)),
    )


def _alert(fields: TaskFields, *, is_daemon: bool) -> AlertLimits:
    text, failures = fields.value("alert", "max_age"), fields.value("alert", "failures")
    age: Millis | None = None
    if is_daemon and text is not None:
        age = Millis(0)
        if not fields.spot("alert", "max_age").is_shared and not fields.is_unsure("type"):
            message = "`alert.max_age` is not for a daemon, which is kept running"
            fields.complain("TS114", message, fields.key_spot("alert", "max_age"), "drop `max_age`, or drop `type: daemon`")
    elif text == "off":
        age = Millis(0)
    elif text is not None and text != "auto":
        age = fields.duration("alert", "max_age", default="1s", least=Millis(1_000))
    return AlertLimits(
        max_age=None if is_daemon else age,
        max_duration=fields.duration("alert", "max_duration", default="0s", least=Millis(1_000))
        if fields.value("alert", "max_duration") is not None
        else Millis(0),
        failures=1 if failures is None else int(failures),
    )


def _limits(fields: TaskFields) -> Limits:
    nice, cpu = fields.value("limits", "nice"), fields.value("limits", "cpu")
    is_bounded = fields.value("limits", "memory") is not None
    return Limits(
        files=int(fields.value("limits", "files") or 0),
        nice=None if nice is None else int(nice),
        io=str(fields.value("limits", "io") or ""),
        memory=fields.size("limits", "memory", default="0B", least="1MiB", most="1024TiB") if is_bounded else 0,
        cpu=int(str(cpu).removesuffix("%")) if cpu else 0,
        pids=int(fields.value("limits", "pids") or 0),
    )


def _drop_inapplicable(fields: TaskFields, is_daemon: bool) -> None:
    """Fields of the other type of task are a mistake in the task itself, and mean nothing when they come from the defaults."""
    kind = "a daemon, which is kept running" if is_daemon else "a cron task: only a daemon is started again"
    for key in _NOT_FOR_A_DAEMON if is_daemon else _NOT_FOR_CRON:
        if key in fields and fields.is_own(key):
            hint = f"drop `{key}`, or drop `type: daemon`" if is_daemon else f"drop `{key}`, or add `type: daemon`"
            fields.complain("TS114", f"`{key}` is not for {kind}", fields.key_spot(key), hint)
        fields.drop(key)


def _daemon_timing(fields: TaskFields) -> Timing:
    timing = DaemonTiming(
        delay=fields.duration("restart", "delay", default="1s", least=Millis(100)),
        backoff=float(fields.value("restart", "backoff") or 2),
        max_delay=fields.duration("restart", "max_delay", default="1m", least=Millis(100)),
        reset_after=fields.duration("restart", "reset_after", default="1m", least=Millis(0)),
    )
    _check_delays(fields, "restart", timing)
    return timing


def _check_delays(fields: TaskFields, key: str, found: DaemonTiming | Retry) -> None:
    if found.delay > found.max_delay and not fields.is_unsure(key):
        fields.complain("TS114", f"`{key}.delay` is longer than `{key}.max_delay`", fields.spot(key), "raise `max_delay`")


def _cron_timing(fields: TaskFields, rules: CommonRules) -> Timing:
    jitter = fields.duration("jitter", default="0s", least=Millis(0))
    timing = CronTiming(
        schedule=_schedule(fields, jitter, rules.min_interval),
        zone=_zone(fields),
        jitter=jitter,
        starting_deadline=fields.duration("starting_deadline", default="60s", least=Millis(1)),
        timeout=fields.duration("timeout", default="0s", least=Millis(1)) if "timeout" in fields else Millis(0),
        retry=_retry(fields) if "retry" in fields else None,
    )
    return firefields.with_fire_fields(timing, fields)


def _retry(fields: TaskFields) -> Retry | None:
    """One attempt in all is the same as no `retry`."""
    retry = Retry(
        attempts=int(fields.value("retry", "attempts") or 3),
        delay=fields.duration("retry", "delay", default="10s", least=Millis(100)),
        backoff=float(fields.value("retry", "backoff") or 2),
        max_delay=fields.duration("retry", "max_delay", default="5m", least=Millis(100)),
    )
    _check_delays(fields, "retry", retry)
    return retry if retry.attempts > 1 else None


def _conduct(fields: TaskFields, key: str, *, is_daemon: bool) -> Conduct | None:
    """None for what copies of such a task do anyway, whether it is written down or not."""
    conduct = Conduct(fields.value(key)) if key in fields else None
    return None if conduct is usual_conduct(is_daemon=is_daemon) else conduct


def _schedule(fields: TaskFields, jitter: Millis, min_interval: Millis) -> str:
    text = fields.text("schedule")
    if "schedule" in fields:
        found = parse_schedule(text)
        _complain_of(fields, "schedule", found)
        if not isinstance(found, ScheduleRefusal):
            _check_gap(fields, shortest_gap(found), jitter, min_interval)
    elif not fields.is_unsure("schedule") and not fields.is_unsure("type"):
        fields.complain(
            "TS112", f"the task `{brief(fields.name, most=63)}` lacks `schedule`", fields.key_spot(), "add it, or `type: daemon`"
        )
    return text


def _check_gap(fields: TaskFields, gap: Millis | None, jitter: Millis, min_interval: Millis) -> None:
    if gap is None:
        return
    if gap < min_interval:
        message = (
            f"the schedule has instants {format_duration(gap)} apart, and the repository wants at least {format_duration(min_interval)}"
        )
        fields.complain(
            "TS123", message, fields.spot("schedule"), "let it fire less often, or lower `guards.min_interval` in torchsync.yaml"
        )
    if jitter >= gap:
        message = f"`jitter` must be shorter than the shortest gap of the schedule, which is {format_duration(gap)}, found {fields.text('jitter')}"
        fields.complain("TS114", message, fields.spot("jitter"), "shorten it, or let the schedule fire less often")


def _zone(fields: TaskFields) -> str:
    zone = fields.text("timezone", "UTC")
    _complain_of(fields, "timezone", None if zone == "local" else check_zone(zone))
    return zone


def _complain_of(fields: TaskFields, key: str, found: object) -> None:
    if isinstance(found, ScheduleRefusal):
        fields.complain(found.code, found.message, fields.spot_inside(key, fields.text(key), found.column), found.hint)


def _command(fields: TaskFields) -> Command:
    command = fields.value("command")
    if command is None:
        if not fields.is_unsure("command"):
            hint = "add it, such as `command: ./scripts/backup.sh`"
            fields.complain("TS112", f"the task `{brief(fields.name, most=63)}` lacks `command`", fields.key_spot(), hint)
        return ShellCommand("")
    if isinstance(command, str):
        return ShellCommand(command, fields.text("shell", "/bin/sh"))
    if not command[0]:
        hint = "write the program first, then its arguments"
        fields.complain("TS111", "the program in `command` is an empty text", fields.spot("command", 0), hint)
    if fields.is_own("shell") and "shell" in fields:
        fields.complain(
            "TS114", "`shell` means nothing for a command given as a list", fields.key_spot("shell"), "give the command as a text"
        )
    return ProgramCommand(tuple(command))


def _hosts(fields: TaskFields) -> tuple[str, ...]:
    selectors = dict(fields.entries("hosts"))
    for index, selector in selectors.items():
        if fault := check_selector(selector):
            fields.complain(fault.code, fault.message, fields.spot("hosts", index), fault.hint)
    return tuple(selectors.values())


def _max_running(fields: TaskFields, is_daemon: bool) -> int:
    number = fields.value("max_running")
    if is_daemon and number == 0:
        hint = "write the number of copies to keep alive; `enabled: false` keeps none"
        fields.complain("TS114", "`max_running` must be at least 1 for a daemon, found 0", fields.spot("max_running"), hint)
    return 1 if number is None else int(number)
