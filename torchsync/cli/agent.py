"""`torchsync agent`: puts the parts of the agent together and runs them. The only place that picks adapters."""

from __future__ import annotations

import argparse
import os
import random
import signal
import threading
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from torchsync.adapters import hostfacts
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.configchild import ConfigChild, read_in_child
from torchsync.adapters.courier import ChildCourier, Folders
from torchsync.adapters.hookapi import AT_ONCE, HookSurface
from torchsync.adapters.http import THREADS
from torchsync.adapters.journal import Format, Journal, choose_format
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.process import ProcessExecutor
from torchsync.adapters.procfs import boot_id
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.sdnotify import Notifier
from torchsync.adapters.spool import SpoolFile
from torchsync.adapters.statefile import StateDirectory
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.adapters.watch import Watcher, config_file, local_repository
from torchsync.adapters.zonefiles import HostZoneFiles
from torchsync.agent.config import AgentConfig, Watch, config_from_document
from torchsync.agent.dispatch import Dispatch
from torchsync.agent.holds import Holding
from torchsync.agent.loop import Loop, Parts, Settings
from torchsync.agent.recorder import Recorder
from torchsync.agent.recovery import recover
from torchsync.agent.reload import Reloads
from torchsync.agent.runner import Runner
from torchsync.agent.saved import Saved
from torchsync.cli.agentcheck import run_check
from torchsync.cli.agentonce import run_once
from torchsync.cli.agentsettings import hook_settings, settings_of, syncs_of
from torchsync.cli.executors import choose
from torchsync.cli.facts import configured_facts
from torchsync.cli.place import add_config_argument, config_path
from torchsync.cli.startorder import order_of
from torchsync.cli.surfaces import Listen, Surfaces
from torchsync.cli.tidier import Tidier
from torchsync.core.engine import Engine
from torchsync.core.herald import Herald
from torchsync.core.logevents import Level, LogEvent
from torchsync.core.model import Instant, Millis, NotBegun, Run, RunId
from torchsync.core.policy import ExecutorName
from torchsync.core.snapshot import Snapshot
from torchsync.errors import ConfigInvalid
from torchsync.ports import ConfigTouched, HangUp, RepositoryTouched, StartOrder, StopAgent

if TYPE_CHECKING:
    from torchsync.adapters.units import Units


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="sync once, store what it brings, run nothing, and exit")
    how.add_argument("--check", action="store_true", help="check the configuration, contact nobody, write nothing, and exit")


def execute(args: argparse.Namespace) -> int:
    """The exit status of the agent: 0 after it was told to end."""
    path = config_path(args)
    config = _read_config(path)
    if args.check:
        return run_check(config, path)
    return run_once(config) if args.once else _run(config, path)


def _read_config(path: Path) -> AgentConfig:
    read = read_in_child(str(path))
    if read.document is None:
        raise ConfigInvalid(read.problems[0].code, f"{path} cannot be used", read.problems)
    return config_from_document(read.document)


def _run(config: AgentConfig, path: Path) -> int:
    agent = _Agent(config, path)
    try:
        agent.run()
    finally:
        agent.close()
    return 0


class _Agent:
    """A running agent: its parts in the order they are made, and closed in the opposite one."""

    def __init__(self, config: AgentConfig, path: Path) -> None:
        self._clock = SystemClock()
        self._wakeups = SelectorWakeups()
        self._notifier = Notifier(os.environ)
        self._log = Journal(self._clock.now, choose_format(Format(config.log.format.value), os.environ), Level[config.log.level.name])
        self._store = StateDirectory(Path(config.paths.state), Path(config.paths.run))
        self._ledger = SqliteLedger(self._store.ledger, self._store.run)
        self._recorder = Recorder(self._ledger, SpoolFile(self._store.run), self._log)
        self._choice = choose(config)
        settings = settings_of(config, self._choice)
        self._git = RemoteGit(self._store.path, self._wakeups, self._clock)
        self._syncs = syncs_of(self._git, settings, self._store, self._clock)
        self._engine = Engine(boot_id=boot_id(), policy=settings.policy, new_run_id=_run_id)
        self._hooks = HookSurface(
            hook_settings(config),
            post=self._wakeups.post,
            log=self._log,
            monotonic=self._clock.monotonic,
            at_once=THREADS if config.http.hooks_listen else AT_ONCE,
        )
        self._surfaces = Surfaces(
            listen=Listen(public=config.http.listen, hooks=config.http.hooks_listen, host=settings.facts.name),
            hooks=self._hooks,
            store=self._store,
            read=lambda: self._loop.snapshot,
            now=self._clock.now,
            log=self._log,
        )
        self._executor = ProcessExecutor(
            self._store.path, self._store.run, self._wakeups, self._clock, notice=self._cannot, units=self._units()
        )
        self._secret_files = config.secret_files
        self._saved = Saved(self._store)
        self._courier = ChildCourier(
            self._wakeups,
            self._clock,
            folders=Folders(self._store.worktrees, self._store.runs),
            version=version("torchsync"),
            in_units=self._choice.name is ExecutorName.SYSTEMD,
        )
        self._dispatch = self._new_dispatch(settings.facts.name)
        self._runner = self._new_runner(settings.facts.name)
        self._holding = Holding(self._engine, self._syncs, self._saved, self._runner.perform, self._log)
        self._loop = Loop(self._parts(path), settings, self._blank(settings))
        self._config_watcher = Watcher(
            [config_file(path, lambda: self._wakeups.post(ConfigTouched()))],
            self._polling,
            polls=config.repository.watch is Watch.POLL,
        )
        self._repository_watcher = self._watch_repository(config)
        self._tidier = Tidier(self._store.runs, config.retention)
        self._next_sign_of_life = Millis(0)
        self._said = ""

    def run(self) -> None:
        """Returns once the agent was told to end. Runs in flight go on."""
        threading.excepthook = self._thread_died
        _on_signals(self._wakeups.post)
        self._log(LogEvent.EXECUTOR_CHOSEN, self._choice.sentence, executor=self._choice.name.value)
        if self._choice.limit:
            self._cannot(self._choice.limit)
        for notice in (*self._store.notices, *self._ledger.notices):
            self._log(LogEvent.STATE_SET_ASIDE if notice.code == "TS334" else LogEvent.STATE_DEGRADED, notice.message, code=notice.code)
        self._holding.restore(self._ledger.holds)
        view = recover(self._engine, self._syncs, self._saved, self._recorder, clock=self._clock, log=self._log)
        self._dispatch.restore(view)
        self._surfaces.open(self._wakeups.post, self._clock.monotonic())
        self._loop.run(on_ready=lambda: self._notifier.ready(_sentence(self._loop.snapshot)))
        self._notifier.stopping("ending; runs go on")

    def close(self) -> None:
        """Nothing of the agent is left but the runs."""
        self._surfaces.close()
        self._git.cancel()
        self._courier.cancel()
        self._config_watcher.close()
        self._repository_watcher.close()
        self._ledger.close()
        self._store.close()
        self._notifier.close()

    def _blank(self, settings: Settings) -> Snapshot:
        now = self._clock.now()
        return Snapshot(
            taken_at=now,
            started_at=now,
            version=version("torchsync"),
            croniter=version("croniter"),
            tzdata=version("tzdata"),
            facts=settings.facts,
            executor=self._choice.name.value,
            sync=self._syncs.status,
        )

    def _watch_repository(self, config: AgentConfig) -> Watcher:
        """Watches the remote when it is a folder of this machine."""
        self._watched = (config.repository.url, config.repository.watch)
        folder = config.repository.url.removeprefix("file://").removeprefix("localhost")
        is_watched = config.repository.watch is not Watch.OFF and folder.startswith("/")
        repositories = [local_repository(Path(folder), lambda: self._wakeups.post(RepositoryTouched()))] if is_watched else []
        return Watcher(repositories, self._polling, polls=config.repository.watch is Watch.POLL)

    def _polling(self, sentence: str) -> None:
        self._log(LogEvent.WATCH_POLLS, sentence)

    def _units(self) -> Units | None:
        if self._choice.name is ExecutorName.PROCESS:
            return None
        from torchsync.adapters.systemdbus import SystemdBus
        from torchsync.adapters.units import Units

        return Units(SystemdBus(self._wakeups, Timer(self._wakeups, self._clock), self._clock))

    def _cannot(self, sentence: str) -> None:
        self._log(LogEvent.EXECUTOR_LIMITED, sentence)

    def _new_runner(self, host: str) -> Runner:
        return Runner(
            recorder=self._recorder,
            executor=self._executor,
            order=lambda run: self._order(run, host),
            post=self._wakeups.post,
            announce=self._dispatch.see,
            log=self._log,
        )

    def _order(self, run: Run, host: str) -> StartOrder | NotBegun:
        policy, credentials = self._engine.policy, self._secret_files(run.user)
        return order_of(run, host, policy=policy, trees=self._store.worktrees, credentials=credentials)

    def _new_dispatch(self, host: str) -> Dispatch:
        return Dispatch(
            herald=Herald(host),
            courier=self._courier,
            clock=self._clock,
            record=self._recorder.write,
            randomness=random.random,
            log=self._log,
        )

    def _parts(self, path: Path) -> Parts:
        return Parts(
            clock=self._clock,
            zones=HostZoneFiles(),
            wakeups=self._wakeups,
            git=self._git,
            engine=self._engine,
            syncs=self._syncs,
            reloads=Reloads(ConfigChild(str(path), self._wakeups.post)),
            runner=self._runner,
            dispatch=self._dispatch,
            saved=self._saved,
            holding=self._holding,
            log=self._log,
            uid_of=hostfacts.Accounts().uid,
            groups_of=hostfacts.Accounts().groups,
            randomness=random.random,
            settings_of=self._resettle,
            look_at_host=configured_facts,
            notices=self._surfaces.notices,
            on_turn=self._on_turn,
        )

    def _resettle(self, config: AgentConfig) -> Settings:
        """What a new configuration comes to; log level, webhooks, secrets of runs, what is kept and the watch of the repository follow it."""
        self._log.least = Level[config.log.level.name]
        self._hooks.settings = hook_settings(config)
        self._secret_files = config.secret_files
        self._tidier.retention = config.retention
        if (config.repository.url, config.repository.watch) != self._watched:
            self._repository_watcher.leave()
            self._repository_watcher = self._watch_repository(config)
        return settings_of(config, self._choice)

    def _thread_died(self, hook: threading.ExceptHookArgs) -> None:
        name = hook.thread.name if hook.thread else "unknown"
        where = "".join(traceback.format_exception(hook.exc_type, hook.exc_value, hook.exc_traceback))
        self._log(LogEvent.INTERNAL_ERROR, f"the thread {name!r} died: {hook.exc_type.__name__}: {hook.exc_value}", traceback=where)

    def _on_turn(self, snapshot: Snapshot) -> None:
        mono = self._clock.monotonic()
        self._surfaces.tick(mono)
        self._tidier.tick(snapshot, mono)
        if self._notifier.watchdog is not None and mono >= self._next_sign_of_life:
            self._next_sign_of_life = Millis(mono + self._notifier.watchdog)
            self._notifier.alive()
        sentence = _sentence(snapshot)
        if sentence != self._said:
            self._said = sentence
            self._notifier.status(sentence)


def _sentence(snapshot: Snapshot) -> str:
    generation = snapshot.generation
    if generation is None:
        return "no tasks yet"
    rejected = f", {snapshot.sync.rejected[:12]} turned down" if snapshot.sync.rejected else ""
    return f"{len(generation.tasks)} tasks of {generation.revision[:12]}{rejected}, {len(snapshot.runs)} runs in flight"


def _on_signals(post: Callable[[object], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: post(StopAgent()))
    signal.signal(signal.SIGHUP, lambda *_: post(HangUp()))


def _run_id(now: Instant) -> RunId:
    return RunId(f"{now:012x}-{os.urandom(4).hex()}")
