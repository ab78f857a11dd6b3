"""How long a service may take, how it ends, how often it is tried again, and what it may use: settings of a service as fields of a task. Pure."""

from __future__ import annotations

from torchsync.core.durations import format_duration, format_size
from torchsync.core.foreign.unitdraft import Draft, brief
from torchsync.core.foreign.unitfile import Setting
from torchsync.core.foreign.unitvalues import read_size, read_statuses
from torchsync.core.jsontext import Json
from torchsync.core.values import Millis

_STOP = Millis(90_000)
"""DefaultTimeoutStopSec= (systemd-system.conf(5))."""
_MOST_ATTEMPTS = 100
_BURST, _INTERVAL, _DELAY = 5, Millis(10_000), Millis(100)
"""StartLimitBurst=, StartLimitIntervalSec= and RestartSec= when nothing is said."""
_IO_CLASSES = {
    "0": "",
    "none": "",
    "1": "realtime",
    "realtime": "realtime",
    "2": "best-effort",
    "best-effort": "best-effort",
    "3": "idle",
    "idle": "idle",
}
_READY = ("notify", "notify-reload", "dbus")


def take_conduct(draft: Draft) -> None:
    """The steps of this file."""
    _take_type(draft)
    _take_times(draft)
    _take_ending(draft)
    _take_restart(draft)
    _take_limits(draft)


def _take_type(draft: Draft) -> None:
    kind = draft.text("Type", "simple")
    if kind == "forking":
        draft.changed("Type=forking: the program goes into the background, so the run ends at once and what it left behind is not watched",
                      "start it in the foreground")  # fmt: skip
    elif kind in _READY:
        draft.changed(f"Type={kind}: nobody waits for the program to say that it is ready; a run succeeds by its exit status")
    if draft.unit.yes("Service", "RemainAfterExit"):
        draft.changed(
            "RemainAfterExit=yes: systemd takes the service for active after its end and does not start it again; the task starts each time"
        )
    draft.used.update(("RemainAfterExit", "PIDFile", "GuessMainPID", "BusName", "NotifyAccess", "ExitType"))


def _take_times(draft: Draft) -> None:
    """A oneshot service is limited by TimeoutStartSec=, which is infinite when nothing is said, any other by RuntimeMaxSec=."""
    is_oneshot = draft.unit.text("Service", "Type") == "oneshot"
    both, start, most, stop = (draft.span(key) for key in ("TimeoutSec", "TimeoutStartSec", "RuntimeMaxSec", "TimeoutStopSec"))
    timeout = (start or both) if is_oneshot else most
    has_timeout = bool(timeout) and not draft.is_daemon
    if draft.is_daemon and timeout:
        draft.lost("RuntimeMaxSec=: a daemon has no timeout", "let the program end by itself")
    if has_timeout:
        draft.set_span("timeout", timeout)
    grace = stop or both
    if grace is None and draft.unit.text("Service", "TimeoutStopSec") == "infinity":
        draft.changed("TimeoutStopSec=infinity: a task is killed in the end; it gets a day", "see `stop_grace`")
        grace = Millis(86_400_000)
    if grace or has_timeout or draft.is_daemon:
        draft.set_span("stop_grace", grace or _STOP)


def _take_ending(draft: Draft) -> None:
    signal = draft.text("KillSignal")
    if signal not in ("", "SIGTERM", "TERM"):
        draft.fields["stop_signal"] = signal.removeprefix("SIG")
    statuses = {0}
    for setting in draft.all("SuccessExitStatus"):
        try:
            statuses.update(read_statuses(setting.value))
        except ValueError as error:
            draft.lost(f"`{brief(setting)}`: {error}", "add the number to `success_exit_codes`")
    if statuses != {0}:
        draft.fields["success_exit_codes"] = list[Json](sorted(statuses))
    mode = draft.last("KillMode")
    if mode and mode.value not in ("control-group", "mixed"):
        draft.changed(
            f"`{brief(mode)}`: a task that is stopped takes all that it started with it", "start what should stay on by a task of its own"
        )
    draft.used.update(("SendSIGKILL", "SendSIGHUP", "FinalKillSignal"))


def _take_restart(draft: Draft) -> None:
    when = draft.text("Restart", "no")
    delay = draft.span("RestartSec")
    attempts = _attempts(draft, _DELAY if delay is None else delay)
    if draft.is_daemon:
        draft.fields["restart"] = {"delay": format_duration(_DELAY if delay is None else delay), "backoff": 1}
        if when != "always":
            draft.changed(f"Restart={when}: a daemon starts again however it ended, also after exit 0")
    elif when in ("on-failure", "on-abnormal", "on-abort", "on-watchdog"):
        draft.fields["retry"] = {"attempts": attempts, "delay": format_duration(_DELAY if delay is None else delay)}
        if when != "on-failure":
            draft.changed(f"Restart={when}: a task is tried again after each failure, an exit status included")
    elif when != "no":
        draft.changed(f"Restart={when}: systemd keeps the service running once the timer has started it; the task runs once for each instant",
                      "make it a daemon without a schedule if it is to run all the time")  # fmt: skip


def _attempts(draft: Draft, delay: Millis) -> int:
    """How often systemd starts the service before it gives up; 100 where it never does, since so many starts do not fit into the interval."""
    burst = draft.last("StartLimitBurst", "Unit") or draft.last("StartLimitBurst")
    window = draft.span("StartLimitIntervalSec", "Unit")
    number = int(burst.value) if burst and burst.value.isascii() and burst.value.isdigit() else _BURST
    interval = _INTERVAL if window is None else window
    if number and interval and number * delay < interval:
        return min(number, _MOST_ATTEMPTS)
    if draft.unit.text("Service", "Restart").startswith("on-") and not draft.is_daemon:
        draft.changed(f"systemd would try again without end; a task is tried {_MOST_ATTEMPTS} times", "see `retry`")
    return _MOST_ATTEMPTS


def _take_limits(draft: Draft) -> None:
    limits: dict[str, Json] = {}
    for key, name in (
        ("LimitNOFILE", "files"),
        ("Nice", "nice"),
        ("MemoryMax", "memory"),
        ("MemoryLimit", "memory"),
        ("CPUQuota", "cpu"),
        ("TasksMax", "pids"),
    ):
        setting = draft.last(key)
        value = _limit(draft, setting) if setting else None
        if value is not None:
            limits[name] = value
    priority = draft.text("IOSchedulingPriority")
    io = _IO_CLASSES.get(draft.text("IOSchedulingClass", "best-effort" if priority else ""), "")
    if io == "realtime":
        draft.lost("IOSchedulingClass=realtime: a task has `idle` or `best-effort`", 'write `limits: {io: "best-effort:0"}`')
    elif io:
        limits["io"] = f"{io}:{priority}" if priority and io == "best-effort" else io
    if limits:
        draft.fields["limits"] = limits
    if limits.keys() & {"memory", "cpu", "pids"}:
        draft.kept("limits of memory, cpu and pids are enforced by hosts with the systemd executor; others refuse the task")


def _limit(draft: Draft, setting: Setting) -> Json:
    """The value of a limit in the words of a task file; None where there is none."""
    value = setting.value.partition(":")[0] if setting.key == "LimitNOFILE" else setting.value
    if value == "infinity":
        return None
    try:
        if setting.key.startswith("Memory"):
            size = read_size(value)
            return None if size is None else format_size(size)
        if setting.key == "CPUQuota":
            return f"{max(round(float(value.removesuffix('%'))), 1)}%"
        return int(value)
    except ValueError:
        draft.lost(f"`{brief(setting)}` is not a number that is the same on every host", "write it into `limits`")
        return None
