"""Takes up where an earlier agent process left off, from durable state alone.

Theory of operation. Before the first tick and without any remote: the generation in force is loaded, the ledger, with what was written down
while it could not be written, tells which runs have no outcome and how far each task's instants are decided, and the engine is put back to that
point. The executor is then asked about each open
run; whether it lives, ended meanwhile or never began comes back as an event like any other. A task without a baseline (a generation that
was stored without running it) gets one now, and that is made durable first, so that a crash cannot move it.
"""

from __future__ import annotations

from dataclasses import replace

from torchsync.agent.recorder import Recorder
from torchsync.agent.saved import Saved
from torchsync.agent.sync import Syncs
from torchsync.core.chronicle import PutStart
from torchsync.core.clockwatch import ClockState
from torchsync.core.engine import Engine
from torchsync.core.generation import with_baselines
from torchsync.core.ledgerview import LedgerView
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Generation, Instant
from torchsync.core.syncmemory import SyncMemory
from torchsync.errors import StateUnwritable
from torchsync.ports import Clock


def recover(engine: Engine, syncs: Syncs, saved: Saved, recorder: Recorder, *, clock: Clock, log: Log) -> LedgerView:
    """The engine and the syncs are as the earlier process left them; what was found damaged has been said. What is held is restored before. What was
    found written down is the answer.
    """
    view = recorder.take_over()
    stored = saved.load_generation()
    now, mono = clock.moment()
    generation = _counting(stored, is_ledger_lost=recorder.found_empty_ledger, now=now) if stored else None
    if stored and stored.baselines and recorder.found_empty_ledger:
        view = _without_ledger(view, stored, engine.boot_id, log)
    if generation is not None and generation is not stored:
        try:
            saved.save_generation(generation)
        except StateUnwritable as error:
            log(LogEvent.STATE_DEGRADED, error.message)
    engine.restore(generation, view, now, mono)
    memory = saved.load_syncs()
    recorder.write([PutStart(at=now, boot_id=engine.boot_id, last_sign=min(now, _last_sign(view, memory, stored)))])
    syncs.remember(memory)
    syncs.take_over(generation, clock.monotonic())
    syncs.note_in_force(generation)
    for notice in saved.notices:
        log(LogEvent.STATE_SET_ASIDE, notice.message, code=notice.code)
    what = f"{len(generation.tasks)} task(s) of {generation.revision[:12]} are in force" if generation else "nothing is in force yet"
    log(
        LogEvent.AGENT_STARTED,
        f"the agent is up: {what}, {len(view.runs)} run(s) of the one before are to be taken up",
        revision=generation.revision if generation else None,
        runs=len(view.runs),
    )
    return view


def _without_ledger(view: LedgerView, stored: Generation, boot_id: str, log: Log) -> LedgerView:
    """It is said what that means. `@startup` may have run in this boot."""
    count = len(stored.baselines)
    sentence = (
        f"the ledger knows nothing of the {count} task(s) in force: they count from now on, and runs in flight, if any, are not known"
    )
    log(LogEvent.LEDGER_LOST, sentence, code="TS334", count=count)
    return view if view.clock else replace(view, clock=ClockState(started_in=boot_id))


def _last_sign(view: LedgerView, memory: SyncMemory, stored: Generation | None) -> Instant:
    """Until when the agent process before certainly lived; 0 when there was none."""
    told = (instant for one in view.records.values() for instant in (one.last_run, one.last_success, one.decided_through, one.last_seen))
    return max((memory.last_success, stored.applied_at if stored else Instant(0), *told))


def _counting(stored: Generation, *, is_ledger_lost: bool, now: Instant) -> Generation:
    """With the ledger the knowledge of what was decided is gone: nothing before `now` may run, since it may have run already."""
    return with_baselines(replace(stored, baselines={}) if is_ledger_lost else stored, now)
