"""A run as a transient service of systemd. Part of the executor, whose theory of operation is in `process.py`.

The unit `torchsync-run-<attempt id>.service` in `torchsync.slice` has the shim as its main process, with nothing of what systemd puts into an
environment. The command is in the group `run` below the unit's own, so that a signal to everything the run started spares the shim; what the unit
limits and counts, it limits and counts for both. systemd takes the unit to be running until the last process in it is gone (ExitType=cgroup), and
forgets it then: what a command leaves behind is left alone, and there is nothing to tidy up. Nothing that systemd could end it for is left at a
default: no time-out, no limit of processes, no policy for out of memory. Only an orderly stop ends it, by an operator or with the machine, and
gives the command the grace of its task.

`Type=exec` does not tell a command that ended at once with 203 from a program that could not be executed: systemd 252 lets the job fail either way.
So what systemd says about the start counts only for a run that was not claimed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from torchsync.adapters.cgroup import SLICE, unit_of
from torchsync.adapters.spawn import Shim, script_of
from torchsync.adapters.systemdbus import Failure, Properties, SystemdBus
from torchsync.core.model import Run
from torchsync.core.startscript import PATH

_FOREVER = 2**64 - 1
_NOTICE = 5
"""systemd does not log the start and the end of each run, which the agent does, but what is wrong with one."""

_EXEC_STAGE = {
    200: "CHDIR", 201: "NICE", 202: "FDS", 203: "EXEC", 204: "MEMORY", 205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN",
    209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 212: "TIMERSLACK", 213: "SECUREBITS", 214: "SETSCHEDULER", 215: "CPUAFFINITY", 216: "GROUP",
    217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 220: "SETSID", 221: "CONFIRM", 222: "STDERR", 224: "PAM", 225: "NETWORK",
    226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT", 230: "PERSONALITY", 231: "APPARMOR",
    232: "ADDRESS_FAMILIES", 233: "RUNTIME_DIRECTORY", 235: "CHOWN", 236: "SMACK_PROCESS_LABEL", 237: "KEYRING", 238: "STATE_DIRECTORY",
    239: "CACHE_DIRECTORY", 240: "LOGS_DIRECTORY", 241: "CONFIGURATION_DIRECTORY", 242: "NUMA_POLICY", 243: "CREDENTIALS",
}  # fmt: skip
"""What systemd's own step before the exec says by its exit status: systemd.exec(5)."""


class Units:
    """Starts shims as units."""

    def __init__(self, bus: SystemdBus) -> None:
        self._bus = bus
        self._env = shutil.which("env", path=PATH) or "/usr/bin/env"

    def launch(self, shim: Shim, words: Sequence[str], run: Run, on_settled: Callable[[str], None]) -> None:
        """The shim, which `words` of env(1) become, will run, and `on_settled` is called with nothing then; or with the reason why it does not,
        which counts unless the run has been claimed. Raises OSError when its script cannot be written.
        """
        script = script_of(shim.fifo)
        descriptor = os.open(script, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(shim.script.encode("utf-8", "surrogateescape"))
        unit = unit_of(run.attempt_id)
        properties = self._properties(shim, words, run)
        self._bus.start_unit(unit, properties, lambda failure: on_settled(_sentence(unit, failure)))

    def _properties(self, shim: Shim, words: Sequence[str], run: Run) -> Properties:
        output = Path(shim.folder, "output")
        return (
            ("Description", ("s", f"torchsync: {run.task.name}, run {run.attempt_id}")),
            ("Type", ("s", "exec")),
            ("ExitType", ("s", "cgroup")),
            ("CollectMode", ("s", "inactive-or-failed")),
            ("ExecStartEx", ("a(sasas)", [(self._env, list(words), ["no-env-expand"])])),
            ("StandardInputFile", ("s", str(script_of(shim.fifo)))),
            ("StandardOutputFileToAppend", ("s", str(output if output.exists() else os.devnull))),
            ("StandardError", ("s", "null")),
            ("Slice", ("s", SLICE)),
            ("Delegate", ("b", True)),
            ("KillMode", ("s", "control-group")),
            ("IgnoreSIGPIPE", ("b", False)),
            ("OOMPolicy", ("s", "continue")),
            ("TimeoutStartUSec", ("t", _FOREVER)),
            ("RuntimeMaxUSec", ("t", _FOREVER)),
            ("TimeoutStopUSec", ("t", max(1_000, run.task.stop_grace) * 1_000)),
            ("LogLevelMax", ("i", _NOTICE)),
            ("CPUAccounting", ("b", True)),
            ("MemoryAccounting", ("b", True)),
            *_limits(run),
        )


def _limits(run: Run) -> Properties:
    """The shim is a process too."""
    limits = run.task.limits
    memory: Properties = (("MemoryMax", ("t", limits.memory)),) if limits.memory else ()
    cpu: Properties = (("CPUQuotaPerSecUSec", ("t", limits.cpu * 10_000)),) if limits.cpu else ()
    return (*memory, *cpu, ("TasksMax", ("t", limits.pids + 1 if limits.pids else _FOREVER)))


def _sentence(unit: str, failure: Failure | None) -> str:
    if failure is None:
        return ""
    if failure.status is None:
        return failure.why
    stage = _EXEC_STAGE.get(failure.status, "")
    named = f"{stage}, exit status {failure.status}" if stage else f"exit status {failure.status}"
    return f"{failure.why} ({named}); `journalctl -u {unit}` says more"
