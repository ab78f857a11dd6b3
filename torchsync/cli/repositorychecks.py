"""Checks of the remote and of what is in it: the same questions that the agent asks, with its code and its credentials, in a folder of our own."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from torchsync.adapters.clock import SystemClock
from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, commit_id
from torchsync.adapters.hostfacts import Accounts
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.remoteclock import drift_from
from torchsync.adapters.statefile import StateDirectory, read_at_most
from torchsync.adapters.trustfiles import trust_files, trust_stamp
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.agent.config import AgentConfig
from torchsync.agent.once import host_judge, sync_once
from torchsync.agent.saved import GENERATION, Saved
from torchsync.agent.sync import Syncs, SyncSettings
from torchsync.cli.executors import expected
from torchsync.cli.facts import configured_facts
from torchsync.cli.site import Site
from torchsync.core.checkup import Finding, Stake, fine, note, told, unknown
from torchsync.core.hostcheck import drift_findings
from torchsync.core.model import Millis
from torchsync.core.policy import HostRules
from torchsync.core.remoteurl import Scheme, scheme_of
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed

_MOST_CLONE = 120_000
"""Milliseconds: the whole history is fetched, as for a host that is new."""
_MOST_STATE = 64 << 20

_STAKES = {SyncOutcome.REJECTED: Stake.COMMIT, SyncOutcome.REFUSED: Stake.POLICY, SyncOutcome.UNAVAILABLE: Stake.REMOTE}


def remote(site: Site) -> Iterator[Finding]:
    """The remote answers, lets us in, and has the ref: one `ls-remote`, as the agent makes it."""
    spec = site.settings.remote
    by = f" through {spec.proxy}" if spec.proxy else ""
    if commit_id(spec.ref):
        yield note(f"repository.ref is a commit id: the remote is asked when it is fetched, and no newer commit is looked for{by}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torchsync-doctor-") as folder:
        wakeups = SelectorWakeups()
        source = RemoteGit(Path(folder), wakeups, SystemClock())
        source.resolve(spec)
        events = wakeups.wait(Millis(spec.timeout_ms + 5_000))
        source.cancel()
    took = time.monotonic() - start
    match next(iter(events), None):
        case Resolved(revision=revision, ref_name=name):
            yield fine(f"{spec.url} answers in {took:.1f} s{by}: {name or 'the commit'} is {revision[:12]}")
        case ResolveFailed(problem=found):
            yield told(found)
        case _:
            yield unknown(f"{spec.url} said nothing for {took:.0f} s{by}")


def newest_commit(site: Site) -> Iterator[Finding]:
    """The newest commit would be accepted, by its own verdict and by that of this host; in a folder of its own, so nothing of the agent's changes."""
    with tempfile.TemporaryDirectory(prefix="torchsync-doctor-") as folder:
        result = _tried(site.settings, Path(folder))
    match result.outcome:
        case SyncOutcome.UNCHANGED:
            yield fine(f"{result.revision[:12]} is in force here, and is the newest")
        case SyncOutcome.APPLIED:
            yield fine(f"would be accepted here: {result.sentence}")
        case outcome:
            found = result.problems or (Problem(code="TS220", message=result.sentence),)
            yield from (told(one, stake=_STAKES.get(outcome)) for one in found)


def _tried(config: AgentConfig, folder: Path) -> SyncResult:
    """One sync as the agent makes it, over a copy of what it has in force: guards, the floor and what is new depend on that."""
    clock, wakeups = SystemClock(), SelectorWakeups()
    store = StateDirectory(folder / "state", folder / "run")
    try:
        if kept := read_at_most(Path(config.paths.state, GENERATION), _MOST_STATE):
            store.write(GENERATION, kept)
        saved = Saved(store)
        facts = configured_facts(config)
        spec = replace(config.remote, clone_timeout_ms=min(config.remote.clone_timeout_ms, _MOST_CLONE))
        trust = config.repository.verify
        settings = SyncSettings(remote=spec, interval=config.repository.interval, jitter=0.0, facts=facts, trust=trust, config=config.stamp)
        source = RemoteGit(store.path, wakeups, clock)
        syncs = Syncs(source, settings, state=str(store.path), version=version("torchsync"))
        syncs.trust_stamp = lambda trust: trust_stamp(trust, trust_files(trust), os.environ.get("PATH", DEFAULT_SEARCH_PATH))
        accounts = Accounts()
        rules = HostRules(expected(config).policy(config), accounts.uid, accounts.groups)
        return sync_once(syncs, saved, wakeups, clock, host_judge(syncs, facts, rules, clock))
    finally:
        store.close()


def remote_clock(site: Site) -> Iterator[Finding]:
    """The clock of this host and that of the remote agree, where the remote is a web server that is reached directly."""
    spec = site.settings.remote
    if scheme_of(spec.url) is not Scheme.HTTPS or spec.proxy:
        yield fine("not compared: only an https remote without a proxy tells its time")
        return
    server = spec.url.split("/")[2].rpartition("@")[2]
    try:
        drift = drift_from(spec.url, spec.ca_file)
    except OSError as error:
        yield note(f"not compared: {server} cannot be asked for the time: {error.strerror or error}", "see the check of the remote")
        return
    yield from drift_findings(server, drift)
