"""200 tasks due at one second, decided, written down, run and recorded, against the least that could do it: for each run one posix_spawn of the
same argv and one durable row, in a bare loop.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import tempfile
from pathlib import Path

from bench.fixtures import generation_of, new_engine, some_tasks
from bench.harness import Bench
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.hostfacts import Accounts
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.process import ProcessExecutor
from torchsync.adapters.procfs import boot_id
from torchsync.adapters.spool import SpoolFile
from torchsync.adapters.statefile import StateDirectory
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.agent.recorder import Recorder
from torchsync.agent.runlog import RunLog
from torchsync.agent.runner import Runner
from torchsync.core.ledgerview import LedgerView
from torchsync.core.model import Instant, Millis, Run
from torchsync.core.startscript import run_environment
from torchsync.ports import RunEnded, RunStarted, StartOrder

RUNS = 200
ARGV = ("/bin/true",)
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="due-", dir="/var/tmp"))
    user = pwd.getpwuid(os.geteuid()).pw_name

    def agent() -> int:
        host = _Host(folder, user)
        host.run_all()
        host.close()
        shutil.rmtree(folder)
        return RUNS

    def bare() -> int:
        database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE run (id TEXT PRIMARY KEY, task TEXT, status INT)"
        )
        pids = []
        for number in range(RUNS):
            database.execute("INSERT INTO run VALUES (?, ?, NULL)", (f"run-{number}", f"task-{number}"))
            pids.append(os.posix_spawn(ARGV[0], ARGV, _ENVIRONMENT))
        for pid in pids:
            os.waitpid(pid, 0)
        database.close()
        shutil.rmtree(folder)
        return RUNS

    return Bench(
        name="due_runs",
        operation="a run due together with 199 others, from its instant to its recorded end",
        floor_is="one posix_spawn of the same argv and one durable row a run, in a bare loop",
        floor=bare,
        sides={"agent": agent},
    )


class _Host:
    """The agent's engine, ledger and executor, without the remote and the surfaces."""

    def __init__(self, folder: Path, user: str) -> None:
        self.clock = SystemClock()
        self.wakeups = SelectorWakeups()
        self.store = StateDirectory(folder / "state", folder / "run")
        self.ledger = SqliteLedger(self.store.ledger, self.store.run)
        self.executor = ProcessExecutor(self.store.path, self.store.run, self.wakeups, self.clock, notice=lambda _: None)
        (self.store.worktrees / ("b" * 40)).mkdir()
        account = Accounts().get(user)
        assert account is not None

        def environment(run: Run) -> dict[str, str]:
            return run_environment(run, account, "bench")

        self.runner = Runner(
            recorder=Recorder(self.ledger, SpoolFile(self.store.run), lambda *_, **__: None),
            executor=self.executor,
            order=lambda run: StartOrder(run=run, tree=f"{self.store.worktrees}/{run.tree}", environment=environment(run)),
            post=self.wakeups.post,
            runlog=RunLog(lambda *_, **__: None),
        )
        self.engine = new_engine(boot_id(), user)

    def run_all(self) -> None:
        """Every task had an instant a moment ago, and comes due in the first turn."""
        now = self.clock.now()
        baseline = Instant(now - now % 3_600_000 - 1)
        tasks = some_tasks(RUNS, "@every 1h", ARGV)
        for number, task in enumerate(tasks):
            object.__setattr__(task.timing, "starting_deadline", Millis(7_200_000 + number))
        self.engine.restore(generation_of(tasks, baseline), LedgerView({}, {}), now, self.clock.monotonic())
        over = 0
        while over < RUNS:
            over += self._turn(self.wakeups.wait(Millis(0 if over == 0 else 1_000)))

    def _turn(self, events: object) -> int:
        now, mono, over = self.clock.now(), self.clock.monotonic(), 0
        for event in events:  # type: ignore[attr-defined]
            match event:
                case RunStarted(attempt=run, started_at=started_at):
                    self.engine.saw_start(run, started_at, now, mono)
                case RunEnded(attempt=run, ending=ending, leftovers=leftovers):
                    self.engine.saw_end(run, ending, now, mono, leftovers=leftovers)
                    over += 1
        self.engine.tick(now, mono)
        self.runner.perform(self.engine.flush())
        return over

    def close(self) -> None:
        self.ledger.close()
        self.store.close()
