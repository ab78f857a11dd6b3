"""Whether the unit of the agent keeps what torchsync promises, judged from what systemd has loaded. Pure.

Drop-ins and newer releases may say more than the file. What counts is what systemd goes by in the end, as `systemctl show` tells it, for the
settings that a promise rests on. What else the file says is looked at by `core/unitdiff.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torchsync.core.checkup import Finding, fine, note, problem, warning

UNIT = "torchsync.service"
DROP_IN = "process-executor.conf"
FLAPPING = 5


@dataclass(frozen=True, slots=True)
class Expected:
    """A setting of the unit file, the property that systemd shows for it, what both say, what is lost without, and the section it stands in."""

    setting: str
    property: str
    written: str
    shown: str
    otherwise: str
    section: str = "Service"


EXPECTED = (
    Expected("KillMode", "KillMode", "process", "process", "a restart of the agent ends every run"),
    Expected("Type", "Type", "notify", "notify", "systemd does not know when the agent is ready"),
    Expected("Restart", "Restart", "always", "always", "an agent that ends stays away"),
    Expected("OOMPolicy", "OOMPolicy", "continue", "continue", "one task without memory stops the unit with every other run in it"),
    Expected("TasksMax", "TasksMax", "infinity", "infinity", "tasks fail once all of them together have many processes"),
    Expected("Delegate", "Delegate", "yes", "yes", "stopping a run of the process executor may miss what it started"),
    Expected("RuntimeDirectoryPreserve", "RuntimeDirectoryPreserve", "yes", "yes", "records of a full disk are lost in a restart"),
    Expected("WatchdogSec", "WatchdogUSec", "30s", "30s", "an agent that hangs is not started again"),
    Expected("StartLimitIntervalSec", "StartLimitIntervalUSec", "0", "0", "after a few failures systemd gives the agent up", "Unit"),
)

PROPERTIES = (
    *(one.property for one in EXPECTED),
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "NoNewPrivileges",
)


def unit_findings(shown: Mapping[str, str], *, runs_are_units: bool | None, wants_process: bool, shipped: str) -> Iterator[Finding]:
    """Of the properties of the unit. `runs_are_units`: this host can start runs as units, None where this user cannot tell; `wants_process`:
    agent.yaml asks for processes; `shipped` is the path of the unit that comes with torchsync.
    """
    if shown.get("LoadState") == "masked":
        remedy = "systemctl unmask torchsync, and install it again where it is gone then"
        yield warning(f"{UNIT} is masked: nothing starts the agent", remedy)
        return
    if shown.get("LoadState") != "loaded":
        remedy = f"cp {shipped} /etc/systemd/system/, see that its ExecStart= is right, then `systemctl enable --now torchsync`"
        yield warning(
            f"{UNIT} is not installed ({shown.get('LoadState') or 'systemd does not know it'}): nothing starts the agent at boot", remedy
        )
        return
    yield from _settings(shown)
    yield from _state(shown)
    drop_ins = shown.get("DropInPaths", "").split()
    if drop_ins:
        yield note(f"drop-ins change the unit: {', '.join(drop_ins)}", "see the whole with `systemctl cat torchsync`")
    yield from _sandbox(shown, runs_are_units=runs_are_units, wants_process=wants_process, shipped=shipped)


def _sandbox(shown: Mapping[str, str], *, runs_are_units: bool | None, wants_process: bool, shipped: str) -> Iterator[Finding]:
    """It is there where runs are units, and lifted where they are processes of the agent."""
    place = f"/etc/systemd/system/{UNIT}.d"
    match shown.get("NoNewPrivileges"):
        case "yes" if wants_process or runs_are_units is False:
            remedy = f"mkdir -p {place}; cp {shipped}.d/{DROP_IN} {place}; systemctl daemon-reload; systemctl restart torchsync"
            remedy += "; or write `executor: systemd`" if runs_are_units else ""
            message = "runs are processes of the agent, and its unit is sandboxed: tasks inherit that and cannot write or use sudo"
            yield problem(message, remedy, "TS377")
        case "no" if runs_are_units and not wants_process:
            remedy = f"take {place}/{DROP_IN} away; systemctl daemon-reload; systemctl restart torchsync"
            yield warning("the sandbox of the agent is lifted, which only runs that are its processes need", remedy, "TS377")


def _settings(shown: Mapping[str, str]) -> Iterator[Finding]:
    wrong = [one for one in EXPECTED if shown.get(one.property, one.shown) not in (one.shown, one.written)]
    for one in wrong:
        found = shown[one.property] or "nothing"
        remedy = f"systemctl edit torchsync: [{one.section}] {one.setting}={one.written}; then `systemctl restart torchsync` (runs go on)"
        yield problem(f"{one.setting}= of {UNIT} is {found}, not {one.written}: {one.otherwise}", remedy, "TS377")
    if not wrong:
        yield fine(f"{UNIT} ({shown.get('FragmentPath')}) has the settings that promises rest on")


def _state(shown: Mapping[str, str]) -> Iterator[Finding]:
    if shown.get("NeedDaemonReload") == "yes":
        yield warning("the unit on disk is not the one that systemd goes by", "systemctl daemon-reload")
    if shown.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "generated", "linked"):
        yield warning(
            f"{UNIT} is {shown.get('UnitFileState') or 'not enabled'}: the agent does not start at boot", "systemctl enable torchsync"
        )
    restarts = int(shown.get("NRestarts") or 0)
    active = f"{shown.get('ActiveState')} ({shown.get('SubState')})"
    if shown.get("ActiveState") == "failed" or shown.get("SubState") == "auto-restart":
        yield problem(f"{UNIT} is {active}, {shown.get('Result')}, after {restarts} restarts", "journalctl -u torchsync -n 50", "TS377")
    elif restarts >= FLAPPING:
        yield warning(f"systemd has started {UNIT} again {restarts} times", "journalctl -u torchsync -p warning", "TS377")
    elif shown.get("ActiveState") != "active":
        yield warning(f"{UNIT} is {active}", "systemctl start torchsync")
    else:
        yield fine(f"{UNIT} is {active}")
