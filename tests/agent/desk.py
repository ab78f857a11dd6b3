"""An agent made of fakes, on a machine that outlives it: `Desk.crash` kills the agent and starts another one on what is durable."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from itertools import count

from tests.builders import facts
from tests.fakes import Behaviour, FakeClock, FakeExecutor, FakeMachine, FakeWakeups
from tests.fakes_courier import FakeCourier, Receivers
from tests.fakes_git import FakeGitSource
from tests.fakes_state import MemoryLedger, MemorySpool, MemoryStore
from torchsync.adapters.zonefiles import HostZoneFiles
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.agent.dispatch import Dispatch
from torchsync.agent.holds import Holding
from torchsync.agent.loop import Loop, Parts, Settings
from torchsync.agent.recorder import Recorder
from torchsync.agent.recovery import recover
from torchsync.agent.reload import Reloads
from torchsync.agent.runlog import RunLog
from torchsync.agent.runner import Runner
from torchsync.agent.saved import Saved
from torchsync.agent.sync import Syncs, SyncSettings
from torchsync.core.control import Answer, Ask, Request
from torchsync.core.engine import Engine
from torchsync.core.entries import HistoryQuery
from torchsync.core.herald import Herald
from torchsync.core.logevents import LogEvent
from torchsync.core.model import HostFacts, Instant, Millis, Outcome, Run, RunId, SkipReason
from torchsync.core.policy import no_groups, seen_accounts
from torchsync.core.runoutput import EndedAttempt
from torchsync.core.snapshot import Snapshot
from torchsync.errors import Problem
from torchsync.ports import ConfigRead, StartOrder, StopAgent

UIDS = {"root": 0, "torchsync-run": 990}


def document(**changes: Mapping[str, object]) -> dict[str, object]:
    """What the reader of agent.yaml makes, with these sections changed."""
    sections: dict[str, Mapping[str, object]] = {
        "account": {"user": "root", "is_root": True},
        "repository": {
            "url": "file:///srv/tasks.git",
            "ref": "main",
            "path": ".",
            "interval": 30_000,
            "jitter": 0.0,
            "timeout": 60_000,
            "clone_timeout": 900_000,
            "username": "",
            "token_file": "",
            "ca_file": "",
            "ssh_key": "",
            "known_hosts": "",
            "proxy": "",
            "credential_command": [],
            "insecure": False,
            "rewind": "refuse",
            "watch": "off",
        },
        "host": {"name": "db-1", "labels": {}, "addresses": []},
        "paths": {"state": "/state", "run": "/run"},
        "http": {
            "listen": "127.0.0.1:9747",
            "hooks_listen": "",
            "tls_cert": "",
            "tls_key": "",
            "client_ca": "",
            "basic_auth_file": "",
            "webhook_secret_file": "",
            "allow_plain": False,
        },
        "policy": {"users": {}, "default_user": "torchsync-run", "allow_root": False, "max_tasks": 2000},
        "retention": {"ledger_days": 90, "runs_days": 30, "total_output": 2 << 30},
        "log": {"format": "auto", "level": "info"},
    }
    merged: dict[str, object] = {name: {**values, **changes.get(name, {})} for name, values in sections.items()}
    return {**merged, "executor": "auto"}


class ConfigShelf:
    """agent.yaml as the test wants it to be read next."""

    def __init__(self) -> None:
        self.next = ConfigRead(document())
        self.wakeups: FakeWakeups | None = None

    def read(self) -> None:
        assert self.wakeups is not None
        self.wakeups.post(self.next)


class Desk:
    """One host. The machine, the remote, the ledger, the spool and the store stay when the agent goes."""

    def __init__(self, behaviour: Behaviour = lambda order: (Millis(100), 0)) -> None:
        self.clock = FakeClock()
        self.machine = FakeMachine()
        self.ledger = MemoryLedger()
        self.spool = MemorySpool()
        self.store = MemoryStore()
        self.git = FakeGitSource(self._post)
        self.shelf = ConfigShelf()
        self.receivers = Receivers()
        self.behaviour = behaviour
        self.logged: list[tuple[LogEvent, str]] = []
        self.passed_on: list[EndedAttempt] = []
        self.snapshots = 0
        self.notices: tuple[Problem, ...] = ()
        self.addresses: tuple[str, ...] = ("10.2.0.7",)
        self.zone = "UTC"
        self.uids = dict(UIDS)
        self._numbers = count(1)
        self.config: AgentConfig = config_from_document(document())
        self.start()

    def start(self) -> None:
        """An agent process begins."""
        self.wakeups = FakeWakeups(self.clock)
        self.shelf.wakeups = self.wakeups
        self.executor = FakeExecutor(self.wakeups, self.clock, self.machine, self.behaviour)
        settings = self.settings_of(self.config)
        self.syncs = Syncs(self.git, settings.sync, state="/state", version="1")
        self.syncs.tree_is_whole = lambda tree: tree in self.git.trees
        self.syncs.look_up = lambda users: seen_accounts(users, self.uid_of, no_groups)
        self.engine = Engine(boot_id=self.machine.boot_id, policy=settings.policy, new_run_id=self._run_id)
        self.recorder = Recorder(self.ledger, self.spool, self.log)
        self.loop = Loop(self._parts(), settings, self._blank(settings))
        self.holding.restore(self.ledger.holds)
        self.dispatch.restore(recover(self.engine, self.syncs, self.loop_saved, self.recorder, clock=self.clock, log=self.log))

    def crash(self) -> None:
        self.executor.abandon()
        self.git.cancel()
        self.courier.cancel()
        self.start()
        self.loop.begin()

    def pass_time(self, length: int) -> None:
        """`length` milliseconds go by for a living agent."""
        end = self.clock.monotonic() + length
        while self.clock.monotonic() < end:
            patience = min(self.loop.patience(), Millis(end - self.clock.monotonic()))
            self.loop.turn(self.wakeups.wait(patience))

    def sleep(self, length: int) -> None:
        """`length` milliseconds go by without a turn of the loop."""
        self.clock.advance(length)

    def ask(self, request: Request) -> Answer:
        """What the agent answers in one turn."""
        reply: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.loop.turn([Ask(request, reply)])
        return reply.get_nowait()

    def stop(self) -> None:
        self.loop.turn([StopAgent()])

    def uid_of(self, user: str) -> int | None:
        return self.uids.get(user)

    def settings_of(self, config: AgentConfig) -> Settings:
        seen = self.look_at_host(config)
        sync = SyncSettings(remote=config.remote, interval=config.repository.interval, jitter=0.0, facts=seen)
        return Settings(config=config, sync=sync, policy=config.host_policy)

    def look_at_host(self, config: AgentConfig) -> HostFacts:
        addresses = config.host.addresses or self.addresses
        return facts(name=config.host.name, labels=dict(config.host.labels), addresses=addresses, zone=self.zone)

    def log(self, event: LogEvent, message: str, /, **fields: object) -> None:
        assert set(fields) <= set(event.fields), f"{event.label} has fields that it is not known for: {fields}"
        self.logged.append((event, message))

    # Questions.

    @property
    def snapshot(self) -> Snapshot:
        return self.loop.snapshot

    def runs(self, task: str) -> list[Run]:
        """Oldest first."""
        rows = self.ledger.history(HistoryQuery(task=task, limit=100_000))
        return sorted((row.run for row in rows if row.run), key=lambda run: run.id)

    def outcomes(self, task: str) -> list[Outcome | None]:
        return [run.outcome for run in self.runs(task)]

    def skips(self, task: str) -> list[tuple[SkipReason | None, int]]:
        """Oldest first."""
        rows = self.ledger.history(HistoryQuery(task=task, limit=100_000))
        return [(row.reason, row.count) for row in reversed(rows) if row.run is None and row.hold is None]

    def events(self, event: LogEvent) -> list[str]:
        return [message for one, message in self.logged if one is event]

    def _parts(self) -> Parts:
        self.loop_saved = Saved(self.store)
        self.courier = FakeCourier(self.wakeups, self.receivers)
        self.dispatch = Dispatch(
            herald=Herald("db-1"),
            courier=self.courier,
            clock=self.clock,
            record=self.recorder.write,
            randomness=lambda: 0.5,
            log=self.log,
        )
        runner = Runner(
            recorder=self.recorder,
            executor=self.executor,
            order=lambda run: StartOrder(run=run, tree=f"/state/worktrees/{run.tree}", environment={"A": "b"}),
            post=self.wakeups.post,
            announce=self.dispatch.see,
            runlog=RunLog(self.log, self.passed_on.append),
        )
        self.holding = Holding(self.engine, self.syncs, self.loop_saved, runner.perform, self.log)
        return Parts(
            clock=self.clock,
            zones=HostZoneFiles(),
            wakeups=self.wakeups,
            git=self.git,
            engine=self.engine,
            syncs=self.syncs,
            reloads=Reloads(self.shelf),
            runner=runner,
            dispatch=self.dispatch,
            saved=self.loop_saved,
            holding=self.holding,
            log=self.log,
            uid_of=self.uid_of,
            groups_of=no_groups,
            randomness=lambda: 0.5,
            settings_of=self.settings_of,
            look_at_host=self.look_at_host,
            notices=lambda: self.notices,
            on_turn=self._count,
        )

    def _blank(self, settings: Settings) -> Snapshot:
        now = self.clock.now()
        return Snapshot(taken_at=now, started_at=now, version="1", facts=settings.facts, executor="process", sync=self.syncs.status)

    def _post(self, event: object) -> None:
        """To the agent process of the moment."""
        self.wakeups.post(event)

    def _count(self, snapshot: Snapshot) -> None:
        self.snapshots += 1

    def _run_id(self, now: Instant) -> RunId:
        return RunId(f"{now:012x}-{next(self._numbers):08x}")
