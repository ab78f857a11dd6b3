"""A commit that changes one of 10,000 tasks takes over, against the durable writing of as many bytes, which every swap must do."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.fixtures import FACTS, REVISION, TREE, generation_of, new_engine, policy, some_tasks
from bench.harness import Bench
from torchsync.adapters.statefile import StateDirectory
from torchsync.agent.saved import GENERATION, Saved
from torchsync.agent.swap import Prepared, prepare
from torchsync.core.ledgerview import LedgerView
from torchsync.core.model import Fingerprint, Instant, Millis
from torchsync.core.policy import HostRules
from torchsync.core.syncdoc import SyncAnswer, Verdict

TASKS = 10_000
NOW = Instant(1_795_435_200_000)


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="swap-", dir="/var/tmp"))
    store = StateDirectory(folder / "state", folder / "run")
    saved, engine = Saved(store), new_engine("boot", "root")
    tasks = some_tasks(TASKS)
    old = generation_of(tasks, NOW)
    saved.save_generation(old)
    engine.restore(old, LedgerView({}, {}), NOW, Millis(0))
    engine.flush()
    content = (store.path / GENERATION).read_bytes()
    changed = replace(tasks[5], fingerprint=Fingerprint("f" * 64), description="changed")
    kept = tuple(task.name for task in tasks if task is not tasks[5])
    answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=REVISION, tree=TREE, tasks=(changed,), kept=kept)

    def swap() -> int:
        found = prepare(old, answer, observed=FACTS, origin="bench", rules=HostRules(policy("root"), lambda _: 0), now=NOW)
        assert isinstance(found, Prepared)
        saved.save_generation(found.generation)
        engine.apply(found.generation, found.found, NOW, Millis(0))
        engine.flush()
        shutil.rmtree(folder)
        return 1

    def write() -> int:
        store.write(GENERATION, content)
        shutil.rmtree(folder)
        return 1

    return Bench(
        name="swap",
        operation=f"a swap of {TASKS:,} tasks, one of them changed",
        floor_is="the same bytes, written durably",
        floor=write,
        sides={"swap": swap},
    )
