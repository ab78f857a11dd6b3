"""A notice, and what it says to each kind of receiver. Pure.

`id` is made from what the notice is about, so it is the same however often it is sent: a receiver that sees it again, after an agent died
between sending it and writing that down, can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import NewType

from torchsync.core.instants import brief_duration, rfc3339, rfc3339_short
from torchsync.core.jsontext import Json, canonical
from torchsync.core.model import Instant, Millis, Outcome, Revision, Severity, Task, TaskName, TreeId
from torchsync.core.noticeaddress import Address, parse_address
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Receiver, Webhook, WebhookFormat

NoticeId = NewType("NoticeId", str)
"""A UUID."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a command needs to be run: the definition it belongs to, the tree of its commit, and the name of the folder that the last attempt
    of the run has left its output in, if there is one.
    """

    task: Task
    tree: TreeId
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to one receiver. What it does not know is empty or None; `since` is from when on a task is late.

    `user` is the one the task runs as: what the host grants it decides where the notice may go. `place` is there for a command.
    """

    id: NoticeId
    event: NoticeEvent
    to: Receiver
    task: TaskName
    made_at: Instant
    host: str
    user: str
    owner: str = ""
    severity: Severity = Severity.WARNING
    runbook: str = ""
    revision: Revision | None = None
    run: str = ""
    outcome: Outcome | None = None
    exit_status: int | None = None
    scheduled_at: Instant | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    failures: int = 0
    """Failed runs in a row, this one included."""
    since: Instant | None = None
    detail: str = ""
    place: Place | None = None


def notice_id(*parts: str) -> NoticeId:
    """The id of the notice about what the parts name, and about nothing else."""
    return NoticeId(_uuid("notice", *parts))


def run_uuid(run: str) -> str:
    """The run as a ping names it (`rid`): start and end of one run have the same."""
    return _uuid("run", run)


def _uuid(*parts: str) -> str:
    """A UUID of version 8 (RFC 9562, 5.8) from SHA-256 over the parts: the same ones always give the same, here and elsewhere."""
    digest = bytearray(sha256("\0".join(("torchsync", *parts)).encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def sentence(notice: Notice) -> str:
    """What happened, for people: one line."""
    head = f"{notice.task} on {notice.host}"
    match notice.event:
        case NoticeEvent.START:
            return f"{head} began"
        case NoticeEvent.LATE:
            return f"{head} is late: no success in time, {_age(notice)} overdue"
        case NoticeEvent.RECOVERY:
            after = f" after {notice.failures} failed run{'s' if notice.failures > 1 else ''}" if notice.failures else ""
            return f"{head} succeeded again{after}"
        case _:
            status = "" if notice.exit_status is None else f" with exit status {notice.exit_status}"
            outcome = notice.outcome.value.replace("_", " ") if notice.outcome else "ended"
            row = f" ({notice.failures} in a row)" if notice.event is NoticeEvent.FAILURE and notice.failures > 1 else ""
            return f"{head} {outcome}{status}{f': {notice.detail}' if notice.detail else ''}{row}"


def _age(notice: Notice) -> str:
    return brief_duration(Millis(notice.made_at - (notice.since or notice.made_at)))


def document(notice: Notice) -> dict[str, Json]:
    """The notice as the schema `notice` has it."""
    times = {
        "scheduled": notice.scheduled_at,
        "started": notice.started_at,
        "finished": notice.finished_at,
        "late_since": notice.since,
    }
    return {
        "version": 1,
        "id": notice.id,
        "event": notice.event.value,
        "text": sentence(notice),
        "task": notice.task,
        "host": notice.host,
        "owner": notice.owner,
        "severity": notice.severity.value,
        "runbook": notice.runbook,
        "run": notice.run or None,
        "outcome": notice.outcome.value if notice.outcome else None,
        "exit_status": notice.exit_status,
        "failures": notice.failures,
        "commit": notice.revision,
        "detail": notice.detail,
        "time": rfc3339(notice.made_at),
        **{name: None if at is None else rfc3339(at) for name, at in times.items()},
    }


_MARKS = {NoticeEvent.FAILURE: "🔴", NoticeEvent.LATE: "🟠", NoticeEvent.RECOVERY: "🟢", NoticeEvent.SUCCESS: "🟢"}


def webhook_body(notice: Notice, form: WebhookFormat) -> str:
    """What is posted to a webhook: one JSON document."""
    if form is WebhookFormat.JSON:
        return canonical(document(notice))
    about = [f"owner {notice.owner}"] if notice.owner else []
    about += [f"run `{notice.run}`"] if notice.run else []
    about += [f"commit `{notice.revision[:12]}`"] if notice.revision else []
    about += [f"<{notice.runbook}|runbook>"] if notice.runbook else []
    return canonical({"text": "\n".join((f"{_MARKS.get(notice.event, '')} {_escaped(sentence(notice))}", " · ".join(about)))})


def _escaped(text: str) -> str:
    """Slack's own marks mean nothing in what we quote."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ping_address(base: Address, notice: Notice) -> Address:
    """Where the ping for this notice goes: the address itself is a success; below it are the start, the exit status of a failure, and a failure."""
    rid = f"rid={run_uuid(notice.run)}"
    match notice.event:
        case NoticeEvent.START:
            return base.below("start", rid)
        case NoticeEvent.FAILURE if notice.outcome is Outcome.FAILED and notice.exit_status:
            return base.below(str(notice.exit_status), rid)
        case NoticeEvent.FAILURE:
            return base.below("fail", rid)
        case _:
            return base.below("", rid)


def environment(notice: Notice) -> dict[str, str]:
    """What torchsync tells a command in its environment; what is not known is empty."""
    times = {
        "SCHEDULED_AT": notice.scheduled_at,
        "STARTED_AT": notice.started_at,
        "FINISHED_AT": notice.finished_at,
        "LATE_SINCE": notice.since,
    }
    told = {
        "EVENT": notice.event.value,
        "TEXT": sentence(notice),
        "NOTICE_ID": notice.id,
        "TASK": notice.task,
        "HOST": notice.host,
        "OWNER": notice.owner,
        "SEVERITY": notice.severity.value,
        "RUNBOOK": notice.runbook,
        "RUN_ID": notice.run,
        "OUTCOME": notice.outcome.value if notice.outcome else "",
        "EXIT_STATUS": "" if notice.exit_status is None else str(notice.exit_status),
        "FAILURES": str(notice.failures),
        "COMMIT": notice.revision or "",
        "DETAIL": notice.detail,
        **{name: "" if at is None else rfc3339_short(at) for name, at in times.items()},
    }
    return {f"TORCHSYNC_{name}": value for name, value in told.items()}


def label(to: Receiver) -> str:
    """The receiver for logs and status: never more of an address than its server."""
    match to:
        case NoticeCommand(argv=argv):
            return f"exec {argv[0]}"
        case Webhook() | Ping():
            kind = "webhook" if isinstance(to, Webhook) else "ping"
            address = parse_address(to.url) if to.url else to.secret
            return f"{kind} {address.origin if isinstance(address, Address) else address}"
