"""Who is told what about the runs of a task, as a task says it in `notify`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torchsync.core.jsontext import Json


class NoticeEvent(Enum):
    """What a notice is about: a closed set. `start` goes to pings alone."""

    START = "start"
    FAILURE = "failure"
    """A run ended without success, and there is no further attempt."""
    SUCCESS = "success"
    RECOVERY = "recovery"
    """The first success after a failure, or after the task was late."""
    LATE = "late"
    """The task has not succeeded for longer than it should take; once until it does."""


class WebhookFormat(Enum):
    JSON = "json"
    """The document of `notice.schema.json`."""
    SLACK = "slack"
    """An object with `text`, as Slack, Mattermost and others take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A POST to `url`, else to the address in the host's secret of that name."""

    url: str = ""
    secret: str = ""
    format: WebhookFormat = WebhookFormat.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A service that watches for pings, as healthchecks does: told of every start and of every end. The address as for a webhook."""

    url: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class NoticeCommand:
    """A program with its arguments, run as the task's user in the tree of the commit."""

    argv: tuple[str, ...]


Receiver = Webhook | Ping | NoticeCommand

USUAL_EVENTS = (NoticeEvent.FAILURE, NoticeEvent.RECOVERY, NoticeEvent.LATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """One entry of `notify`. With `repeat` every failure is told, without only the first one until a success."""

    to: Receiver
    on: tuple[NoticeEvent, ...] = USUAL_EVENTS
    repeat: bool = True


def written(notify: Notify) -> dict[str, Json]:
    """The entry as a task file has it."""
    kept: dict[str, Json] = {} if notify.repeat else {"repeat": False}
    match notify.to:
        case NoticeCommand(argv=argv):
            return {"on": [event.value for event in notify.on], **kept, "exec": list(argv)}
        case Webhook(format=form):
            told: dict[str, Json] = {**_written_address(notify.to), **({"format": form.value} if form is WebhookFormat.SLACK else {})}
            return {"on": [event.value for event in notify.on], **kept, "webhook": told}
        case Ping():
            return {"ping": _written_address(notify.to)}


def _written_address(to: Webhook | Ping) -> dict[str, Json]:
    return {"url": to.url} if to.url else {"url_secret": to.secret}
