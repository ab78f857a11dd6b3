"""`torchsync agent`: puts the parts of the agent together and runs them. The only place that picks adapters."""

from __future__ import annotations

import argparse
import os
import random
import signal
import threading
import traceback
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from torchsync.adapters import hostfacts
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.configchild import ConfigChild, read_in_child
from torchsync.adapters.hookapi import AT_ONCE, HookSurface
from torchsync.adapters.http import THREADS
from torchsync.adapters.journal import Format, open_journal
from torchsync.adapters.journaloutput import open_outputs
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.outputfile import output_end
from torchsync.adapters.procfs import boot_id
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.sdnotify import Notifier
from torchsync.adapters.spool import SpoolFile
from torchsync.adapters.statefile import StateDirectory
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
from torchsync.agent.runlog import RunLog
from torchsync.agent.runner import Runner
from torchsync.agent.saved import Saved
from torchsync.cli.agentconfig import run_check
from torchsync.cli.agentonce import run_once
from torchsync.cli.agentsettings import settings_of, syncs_of
from torchsync.cli.executors import choose
from torchsync.cli.facts import configured_facts
from torchsync.cli.guise import Ground, Guise, Itself, Shadow
from torchsync.cli.metricsfile import MetricsFile
from torchsync.cli.place import add_config_argument, config_path
from torchsync.cli.secured import Secured, security_settings
from torchsync.cli.startorder import order_of
from torchsync.cli.surfaces import Listen, Surfaces
from torchsync.cli.tidier import Tidier
from torchsync.core.engine import Engine
from torchsync.core.herald import Herald
from torchsync.core.logevents import Level, LogEvent
from torchsync.core.model import Instant, Millis, NotBegun, Run, RunId
from torchsync.core.remoteurl import local_folder
from torchsync.core.snapshot import Snapshot
from torchsync.core.tasktexts import TaskTexts
from torchsync.errors import ConfigInvalid, Problem
from torchsync.ports import ConfigTouched, HangUp, RepositoryTouched, StartOrder, StopAgent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="sync once, store what it brings, run nothing, and exit")
    how.add_argument(
        "--shadow",
        action="store_true",
        help="decide every fire, start nothing, and note what would have been started; beside an agent or cron",
    )
    how.add_argument("--check", action="store_true", help="check the configuration, contact nobody, write nothing, and exit")


def execute(args: argparse.Namespace) -> int:
    """The exit status of the agent: 0 after it was told to end."""
    path = config_path(args)
    config = _read_config(path)
    if args.check:
        return run_check(config, path)
    return run_once(config) if args.once else _run(config, path, Shadow() if args.shadow else Itself())


def _read_config(path: Path) -> AgentConfig:
    read = read_in_child(str(path))
    if read.document is None:
        raise ConfigInvalid(read.problems[0].code, f"{path} cannot be used", read.problems)
    return config_from_document(read.document)


def _run(config: AgentConfig, path: Path, guise: Guise) -> int:
    agent = _Agent(config, path, guise)
    try:
        agent.run()
    finally:
        agent.close()
    return 0


class _Agent:
    """A running agent: its parts in the order they are made, and closed in the opposite one."""

    def __init__(self, config: AgentConfig, path: Path, guise: Guise) -> None:
        self._guise = guise
        self._clock = SystemClock()
        self._wakeups = SelectorWakeups()
        self._notifier = Notifier(os.environ)
        self._journal = open_journal(self._clock.now, Format(config.log.format.value), os.environ, Level[config.log.level.name])
        self._log = guise.told_by(self._journal)
        paths = guise.paths(config)
        self._store = StateDirectory(Path(paths.state), Path(paths.run), guise.keeper)
        self._outputs = open_outputs(self._journal, partial(output_end, self._store.runs))
        texts = TaskTexts()
        self._ledger = SqliteLedger(self._store.ledger, self._store.run, texts)
        self._recorder = Recorder(self._ledger, SpoolFile(self._store.run), self._log)
        self._choice = choose(config)
        settings = settings_of(config, self._choice)
        self._git = RemoteGit(self._store.path, self._wakeups, self._clock)
        self._syncs = syncs_of(self._git, settings, self._store, self._clock)
        self._engine = Engine(boot_id=boot_id(), policy=settings.policy, new_run_id=_run_id)
        self._hooks = HookSurface(
            guise.hooks(config),
            post=self._wakeups.post,
            log=self._log,
            monotonic=self._clock.monotonic,
            at_once=THREADS if config.http.hooks_listen else AT_ONCE,
        )
        secured = Secured(security_settings(config.http), log=self._log, now=self._clock.now, monotonic=self._clock.monotonic)
        self._surfaces = Surfaces(
            listen=Listen(
                public=config.http.listen if guise.is_public else "",
                hooks=config.http.hooks_listen if guise.is_public else "",
                host=settings.facts.name,
                secured=secured,
            ),
            hooks=self._hooks,
            store=self._store,
            read=lambda: self._loop.snapshot,
            now=self._clock.now,
            log=self._log,
        )
        self._surfaces.exposition.per_task = config.metrics.per_task
        self._metrics_file = MetricsFile(self._textfile(config), self._surfaces.exposition.render, self._log)
        ground = Ground(choice=self._choice, store=self._store, wakeups=self._wakeups, clock=self._clock, log=self._log)
        self._executor = guise.executor(ground)
        self._secret_files = config.secret_files
        self._saved = Saved(self._store, texts)
        self._courier = guise.courier(ground)
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
        name, sentence = self._guise.starter(self._choice)
        self._log(LogEvent.EXECUTOR_CHOSEN, sentence, executor=name)
        for notice in (*self._store.notices, *self._ledger.notices):
            self._log(LogEvent.STATE_SET_ASIDE if notice.code == "TS334" else LogEvent.STATE_DEGRADED, notice.message, code=notice.code)
        self._holding.restore(self._ledger.holds)
        view = recover(self._engine, self._syncs, self._saved, self._recorder, clock=self._clock, log=self._log)
        self._dispatch.restore(view)
        self._loop.run(on_ready=self._answer)
        self._notifier.stopping("ending; runs go on")

    def _answer(self) -> None:
        """Whoever asks is answered. Not before the first turn: a scrape would find no task, and 0 for every time that is kept."""
        self._surfaces.open(self._wakeups.post, self._clock.monotonic())
        self._notifier.ready(_sentence(self._loop.snapshot))

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
        self._outputs.close()
        self._journal.close()

    def _blank(self, settings: Settings) -> Snapshot:
        now = self._clock.now()
        return Snapshot(
            taken_at=now,
            started_at=now,
            version=version("torchsync"),
            croniter=version("croniter"),
            tzdata=version("tzdata"),
            facts=settings.facts,
            executor=self._guise.starter(self._choice)[0],
            sync=self._syncs.status,
        )

    def _watch_repository(self, config: AgentConfig) -> Watcher:
        """Watches the remote when it is a folder of this machine."""
        self._watched = (config.repository.url, config.repository.watch)
        folder = local_folder(config.repository.url)
        is_watched = config.repository.watch is not Watch.OFF and folder
        repositories = [local_repository(Path(folder), lambda: self._wakeups.post(RepositoryTouched()))] if is_watched else []
        return Watcher(repositories, self._polling, polls=config.repository.watch is Watch.POLL)

    def _polling(self, sentence: str) -> None:
        self._log(LogEvent.WATCH_POLLS, sentence)

    def _new_runner(self, host: str) -> Runner:
        return Runner(
            recorder=self._recorder,
            executor=self._executor,
            order=lambda run: self._order(run, host),
            post=self._wakeups.post,
            announce=self._dispatch.see,
            runlog=RunLog(self._log, self._outputs),
        )

    def _order(self, run: Run, host: str) -> StartOrder | NotBegun:
        policy, credentials = self._engine.policy, self._secret_files(run.user)
        return order_of(run, host, policy=policy, trees=self._store.worktrees, credentials=credentials)

    def _new_dispatch(self, host: str) -> Dispatch:
        return Dispatch(
            herald=Herald(host, is_silent=not self._guise.is_public),
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
            notices=self._notices,
            on_turn=self._on_turn,
        )

    def _notices(self) -> tuple[Problem, ...]:
        surfaces = (self._surfaces, self._journal, self._metrics_file)
        return (*self._guise.notices, *(notice for surface in surfaces for notice in surface.notices()))

    def _resettle(self, config: AgentConfig) -> Settings:
        """What a new configuration comes to; log level, webhooks, secrets, what is kept, metrics and the watch of the repository follow it."""
        self._journal.least = Level[config.log.level.name]
        self._hooks.settings = self._guise.hooks(config)
        self._surfaces.secure(security_settings(config.http))
        self._secret_files = config.secret_files
        self._tidier.retention = config.retention
        self._surfaces.exposition.per_task = config.metrics.per_task
        self._metrics_file.follow(self._textfile(config))
        if (config.repository.url, config.repository.watch) != self._watched:
            self._repository_watcher.leave()
            self._repository_watcher = self._watch_repository(config)
        return settings_of(config, self._choice)

    def _textfile(self, config: AgentConfig) -> str:
        return config.metrics.textfile if self._guise.is_public else ""

    def _thread_died(self, hook: threading.ExceptHookArgs) -> None:
        name = hook.thread.name if hook.thread else "unknown"
        where = "".join(traceback.format_exception(hook.exc_type, hook.exc_value, hook.exc_traceback))
        self._log(LogEvent.INTERNAL_ERROR, f"the thread {name!r} died: {hook.exc_type.__name__}: {hook.exc_value}", traceback=where)

    def _on_turn(self, snapshot: Snapshot) -> None:
        mono = self._clock.monotonic()
        self._journal.flush()
        self._surfaces.tick(mono)
        self._tidier.tick(snapshot, mono)
        self._metrics_file.tick(snapshot, mono)
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
