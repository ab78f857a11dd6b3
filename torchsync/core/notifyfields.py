"""The field `notify` of a task: what the schema cannot say about it, and the values it stands for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchsync.core.noticeaddress import parse_address
from torchsync.core.notify import USUAL_EVENTS, NoticeCommand, NoticeEvent, Notify, Ping, Receiver, Webhook, WebhookFormat
from torchsync.core.taskfields import TaskFields

_KINDS = ("webhook", "ping", "exec")


def notify_entries(fields: TaskFields, *, is_daemon: bool) -> tuple[Notify, ...]:
    """The entries as far as they make sense; what does not is told."""
    found = [_entry(fields, index, entry, is_daemon=is_daemon) for index, entry in fields.mappings("notify")]
    return tuple(entry for entry in found if entry is not None)


def _entry(fields: TaskFields, index: int, entry: Mapping[str, Any], *, is_daemon: bool) -> Notify | None:
    kinds = [kind for kind in _KINDS if entry.get(kind) is not None]
    if len(kinds) != 1:
        what = " and ".join(f"`{kind}`" for kind in kinds) or "none of them"
        hint = "write one entry for each" if kinds else "say where the notice goes, as in `webhook: {url_secret: NAME}`"
        fields.complain(
            "TS111", f"an entry of `notify` has one of `webhook`, `ping` and `exec`, found {what}", fields.spot("notify", index), hint
        )
        return None
    if kinds[0] == "ping":
        _complain_of_idle_keys(fields, index, entry)
    receiver = _receiver(fields, index, kinds[0], entry[kinds[0]])
    if receiver is None:
        return None
    on = tuple(NoticeEvent(word) for word in entry.get("on") or [])
    if isinstance(receiver, Ping):
        return Notify(to=receiver, on=())
    if is_daemon and NoticeEvent.LATE in on and fields.is_own("notify"):
        hint = "drop it: a daemon that does not live is a failure"
        fields.complain("TS114", "a daemon is never `late`", fields.spot("notify", index, "on"), hint)
    return Notify(to=receiver, on=on or USUAL_EVENTS, repeat=entry.get("repeat") is not False)


def _complain_of_idle_keys(fields: TaskFields, index: int, entry: Mapping[str, Any]) -> None:
    for key in ("on", "repeat"):
        if entry.get(key) is not None:
            message = f"`{key}` means nothing for a `ping`, which is told of every start and of every end"
            fields.complain("TS114", message, fields.key_spot("notify", index, key), "drop it")


def _receiver(fields: TaskFields, index: int, kind: str, value: Any) -> Receiver | None:
    if kind == "exec":
        if not value[0]:
            hint = "write the program first, then its arguments"
            fields.complain("TS111", "the program in `exec` is an empty text", fields.spot("notify", index, kind, 0), hint)
        return NoticeCommand(tuple(value))
    url, secret = value.get("url") or "", value.get("url_secret") or ""
    if bool(url) == bool(secret):
        found = "both" if url else "neither"
        hint = "`url_secret` names a secret of the host that holds the address; `url` is an address that everybody may know"
        fields.complain("TS111", f"a `{kind}` has either `url` or `url_secret`, found {found}", fields.spot("notify", index, kind), hint)
        return None
    if url and isinstance(fault := parse_address(url), str):
        hint = "write it as in `https://alerts.example.org/hook`; an address that is secret belongs to the host, as `url_secret`"
        fields.complain("TS111", f"the address {fault}", fields.spot("notify", index, kind, "url"), hint)
        return None
    if kind == "ping":
        return Ping(url=url, secret=secret)
    return Webhook(url=url, secret=secret, format=WebhookFormat(value.get("format") or "json"))
