"""`agent --once`: syncs once, stores what it brings, runs nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from torchsync.adapters import hostfacts
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.statefile import StateDirectory
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.agent.config import AgentConfig
from torchsync.agent.once import host_judge, sync_once
from torchsync.agent.saved import Saved
from torchsync.cli.agentsettings import settings_of, syncs_of
from torchsync.cli.executors import choose
from torchsync.core.factswatch import FactsWatch
from torchsync.core.policy import HostRules
from torchsync.core.syncdoc import SyncOutcome

_STATUS = {
    SyncOutcome.APPLIED: 0,
    SyncOutcome.UNCHANGED: 0,
    SyncOutcome.PAUSED: 0,
    SyncOutcome.REJECTED: 65,
    SyncOutcome.UNAVAILABLE: 69,
    SyncOutcome.REFUSED: 77,
    SyncOutcome.FAILED: 1,
}


def run_once(config: AgentConfig) -> int:
    clock, wakeups = SystemClock(), SelectorWakeups()
    store = StateDirectory(Path(config.paths.state), Path(config.paths.run))
    saved = Saved(store)
    before = saved.load_generation()
    settings = settings_of(config, choose(config))
    settings = settings.with_facts(FactsWatch(settings.facts, before.observed if before else None).facts)
    syncs = syncs_of(RemoteGit(store.path, wakeups, clock), settings, store, clock)
    judge = host_judge(syncs, settings.facts, HostRules(settings.policy, hostfacts.Accounts().uid, hostfacts.Accounts().groups), clock)
    result = sync_once(syncs, saved, wakeups, clock, judge)
    for problem in result.problems:
        print(problem, file=sys.stderr)
    print(f"{result.outcome.value}: {result.sentence}", file=sys.stderr if result.problems else sys.stdout)
    return _STATUS[result.outcome]
