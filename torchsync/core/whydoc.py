"""The answer to `why` as a JSON document, full: it is on the control socket only. Pure; the keys are described by `schemas/why.schema.json`."""

from __future__ import annotations

from torchsync.core.api import Document, entry_document
from torchsync.core.chronicle import PutStart, RememberedGeneration, Term
from torchsync.core.instants import rfc3339
from torchsync.core.model import CronTiming, Instant
from torchsync.core.schedulematch import Match
from torchsync.core.why import Explanation


def why_document(found: Explanation) -> Document:
    """Instants are RFC 3339 texts in UTC or null."""
    evidence = found.evidence
    return {
        "task": found.task,
        "at": rfc3339(found.at),
        "now": rfc3339(found.now),
        "finding": found.finding.value,
        "sentence": found.sentence,
        "notes": list(found.notes),
        "schedule": _schedule(found.match) if found.match else None,
        "entry": entry_document(evidence.entry) if evidence.entry else None,
        "annulled": [entry_document(row) for row in evidence.annulled],
        "previous": entry_document(found.previous) if found.previous else None,
        "generation": _generation(evidence.in_force) if evidence.in_force else None,
        "definition": _definition(evidence.term) if evidence.term else None,
        "agent_start": _start(evidence.start) if evidence.start else None,
        "remembered_since": _instant(evidence.began),
    }


def _schedule(found: Match) -> Document:
    return {
        "schedule": found.schedule,
        "timezone": found.zone,
        "local": found.local,
        "is_instant": found.is_instant,
        "due": rfc3339(found.due) if found.is_instant else None,
        "before": _instant(found.before),
        "after": _instant(found.after),
        "fields": [
            {"name": one.name, "text": one.text, "values": one.values, "actual": one.actual, "matches": one.matches} for one in found.fields
        ],
        "notes": list(found.notes),
    }


def _generation(one: RememberedGeneration) -> Document:
    return {
        "number": one.number,
        "revision": one.revision,
        "applied_at": rfc3339(one.applied_at),
        "host": one.host,
        "timezone": one.zone,
    }


def _definition(term: Term) -> Document:
    source = term.task.source
    return {
        "type": "cron" if isinstance(term.task.timing, CronTiming) else "daemon",
        "enabled": term.task.enabled,
        "since": rfc3339(term.since),
        "until": _instant(term.until),
        "baseline": rfc3339(term.baseline),
        "generation": term.generation,
        "source": {"path": source.path, "line": source.line, "column": source.column},
    }


def _start(start: PutStart) -> Document:
    return {"at": rfc3339(start.at), "boot_id": start.boot_id, "last_sign": _instant(start.last_sign)}


def _instant(instant: Instant | None) -> str | None:
    return rfc3339(instant) if instant else None
