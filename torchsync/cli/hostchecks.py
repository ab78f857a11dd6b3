"""Checks of the machine: kernel, programs, disks, clock, systemd, cron."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from torchsync.adapters import machine
from torchsync.adapters.cgroup import unified
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.sourcefiles import Wanted, gather_root
from torchsync.adapters.statefile import read_at_most
from torchsync.adapters.templates import unit_path
from torchsync.adapters.unithost import why_no_units
from torchsync.agent.config import ExecutorKind
from torchsync.agent.saved import GENERATION
from torchsync.cli.site import Site
from torchsync.core.checkup import Finding, fine, note, problem, unknown
from torchsync.core.clockwatch import RELEASED
from torchsync.core.foreign.crontab import WANTED, CrontabOptions, read_hosts
from torchsync.core.foreign.crontwice import TaskCommand, twice_findings
from torchsync.core.foreign.job import UNREADABLE
from torchsync.core.hostcheck import (
    ClockFacts,
    clock_findings,
    controller_findings,
    disk_findings,
    git_findings,
    kernel_findings,
    package_release,
    python_findings,
    watch_findings,
    zone_findings,
)
from torchsync.core.model import ProgramCommand, ShellCommand, Task
from torchsync.core.remoteurl import Scheme, scheme_of
from torchsync.core.taskdoc import generation_from_document
from torchsync.core.unitcheck import DROP_IN, PROPERTIES, UNIT, unit_findings
from torchsync.core.unitdiff import UnitText, difference_findings
from torchsync.core.versioned import Damaged, unwrap

_RUNS_THE_HOST = Path("/run/systemd/system")
_ROOT = Path("/")
_MOST_STATE = 64 << 20


def kernel(_: Site) -> Iterator[Finding]:
    """Linux 5.4 or later (pidfd)."""
    yield from kernel_findings(machine.kernel_release())


def control_groups(_: Site) -> Iterator[Finding]:
    """Control groups of version 2, with the controllers that limits need."""
    root = unified()
    yield from controller_findings(str(root) if root else None, machine.controllers(root) if root else ())


def file_watches(_: Site) -> Iterator[Finding]:
    """inotify, and how many files a user may watch."""
    yield from watch_findings(machine.watches_limit())


def programs(site: Site) -> Iterator[Finding]:
    """Python 3.11, git 2.39, and the programs that runs and remotes need."""
    yield from python_findings(tuple(sys.version_info[:3]))
    yield from git_findings(machine.git_version())
    needed = {"setpriv": "util-linux", "timeout": "coreutils"}
    if site.config and scheme_of(site.config.remote.url) is Scheme.SSH:
        needed["ssh"] = "openssh-client"
    for name in machine.missing_programs([*needed, "sh"]):
        yield problem(f"{name} is not installed", f"apt-get install {needed.get(name, 'dash')}", "TS320")


def disks(site: Site) -> Iterator[Finding]:
    """Space, inodes and mount options of paths.state and paths.run; no ledger on a file system of the network, no noexec under the trees."""
    paths = site.settings.paths
    yield from disk_findings(machine.disk_of(Path(paths.state), "paths.state"), runs_programs=True, keeps_ledger=True)
    yield from disk_findings(machine.disk_of(Path(paths.run), "paths.run"), runs_programs=False, keeps_ledger=False)


def clock(_: Site) -> Iterator[Finding]:
    """The clock is synchronised, and the hardware clock shows UTC."""
    system = SystemClock()
    yield from clock_findings(
        ClockFacts(
            is_synchronised=system.is_synchronised(),
            daemons=machine.time_daemons(),
            in_container=machine.is_in_container(),
            rtc_is_local=machine.rtc_is_local(),
            too_early=time.time() * 1000 < RELEASED,
        )
    )


def zone_data(_: Site) -> Iterator[Finding]:
    """The zone data of the host is not older than that of the package, since the host's counts."""
    yield from zone_findings(machine.zone_release(), package_release(machine.zone_package()))


def unit(site: Site) -> Iterator[Finding]:
    """torchsync.service is that of this version, enabled and running, and has the settings that promises rest on, drop-ins included."""
    if not _RUNS_THE_HOST.is_dir():
        yield note("systemd does not run this host: see that something starts the agent at boot, and again when it ends")
    elif site.agent_uid != 0:
        yield note("the agent is no root's: see that something starts it at boot, such as a unit of its user", "loginctl enable-linger")
    elif (shown := machine.shown_properties(UNIT, PROPERTIES)) is None:
        yield unknown("systemd does not answer `systemctl show`", "systemctl status")
    else:
        wants_process = bool(site.config) and site.settings.executor is ExecutorKind.PROCESS
        may_be_units = None if site.own_uid != 0 else not why_no_units()
        yield from unit_findings(shown, runs_are_units=may_be_units, wants_process=wants_process, shipped=str(unit_path(UNIT)))
        yield from _texts_of_unit(shown)


def _texts_of_unit(shown: Mapping[str, str]) -> Iterator[Finding]:
    """Of the unit file and the drop-in for processes, where they are installed."""
    ours = {UNIT: unit_path(UNIT), DROP_IN: unit_path(f"{UNIT}.d/{DROP_IN}")}
    for path in map(Path, (shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split())):
        if path.name in ours:
            try:
                installed = UnitText(path=str(path), content=path.read_bytes())
            except OSError as error:
                yield note(f"not looked at: {path}: {error.strerror}", "sudo torchsync doctor")
            else:
                shipped = ours[path.name]
                yield from difference_findings(installed, UnitText(path=str(shipped), content=shipped.read_bytes()))


def executor(site: Site) -> Iterator[Finding]:
    """What agent.yaml asks to start runs with can do so here."""
    why, asked = why_no_units(), site.settings.executor
    if why and asked is ExecutorKind.SYSTEMD:
        yield problem(f"`executor: systemd` cannot work: {why}", "write `executor: auto` or `executor: process`", "TS303")
    elif why and asked is ExecutorKind.AUTO:
        yield note(f"runs are processes of the agent, since {why}: limits.memory, limits.cpu and limits.pids are refused")
    else:
        yield fine(f"runs are {'processes of the agent' if asked is ExecutorKind.PROCESS else 'units of systemd'}")


def cron_jobs(site: Site) -> Iterator[Finding]:
    """No crontab of this host has the job of a task too: it would run twice."""
    if not (site.answers or site.has_its_rights):
        yield note("the tasks of the agent are not for this user to see, so nothing was compared", "sudo torchsync doctor")
        return
    reading = read_hosts([gather_root(_ROOT, Wanted(paths=WANTED))], CrontabOptions())
    for found in reading.problems:
        if found.code == UNREADABLE:
            yield note(f"not looked at: {found.path}: {found.message}", "sudo torchsync doctor")
    yield from twice_findings(reading.jobs, list(_commands(site)))


def _commands(site: Site) -> Iterator[TaskCommand]:
    """Those of the tasks that the agent has in force, or had when it ended, as far as we may know."""
    if site.answers:
        for told in site.answers.tasks:
            command = told["command"]
            yield TaskCommand(task=told["name"], command=command.get("text") or shlex.join(command.get("argv", ())))
    elif site.config:
        for task in _saved_tasks(site.state):
            match task.command:
                case ShellCommand(text=text):
                    yield TaskCommand(task=task.name, command=text)
                case ProgramCommand(argv=argv):
                    yield TaskCommand(task=task.name, command=shlex.join(argv))


def _saved_tasks(state: Path) -> Collection[Task]:
    """Those of the generation that is stored; none when it cannot be read, which the agent will say."""
    body = unwrap(read_at_most(state / GENERATION, _MOST_STATE) or b"", "generation")
    if isinstance(body, Damaged):
        return ()
    try:
        return generation_from_document(body).tasks.values()
    except ValueError:
        return ()
