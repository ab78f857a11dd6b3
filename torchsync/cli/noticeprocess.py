"""Sends notices, in a process of its own: to one server, or by running commands.

Theory of operation. The agent starts this program, writes one `Errand` as one line of JSON to its standard input, and reads a `Result`, one a line,
from its standard output as soon as each is known: what was sent before this process dies is known to be sent. When the agent's end of
standard input closes, the agent is gone or has lost interest, and everything here ends, a command with all that it started. The secret is read, and
what the host trusts, before the rights of root are given up; then it speaks with the server as nobody.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
import threading
import time
from contextlib import suppress

from torchsync.adapters.httppost import Poster, PostFailed
from torchsync.adapters.noticecommand import NoticeCommand
from torchsync.core.errand import Call, Errand, Mail, errand_from_text, of_answer, of_command, result_text
from torchsync.core.model import Instant
from torchsync.core.notice import Notice, ping_address, webhook_body
from torchsync.core.noticeaddress import Address, allows_plain, parse_address
from torchsync.core.notify import Webhook
from torchsync.core.postbox import Fate, Result

_LIMITS = {resource.RLIMIT_AS: 1 << 30, resource.RLIMIT_CPU: 60, resource.RLIMIT_CORE: 0}
_NOBODY = 65534
"""The user and group that own nothing (user_namespaces(7), overflowuid)."""
_MOST_SECRET = 4096


class Sender:
    """Does one errand. `command` is the one that runs just now."""

    def __init__(self) -> None:
        self.command: NoticeCommand | None = None

    def do(self, errand: Errand) -> None:
        """A result was written for each notice, up to the first that has to wait."""
        if errand.mail is not None:
            self._send(errand.mail, errand)
        for call in errand.calls:
            if _say(self._call(call, errand.patience / 1000)) is Fate.LATER:
                return

    def _send(self, mail: Mail, errand: Errand) -> None:
        for limit, value in _LIMITS.items():
            resource.setrlimit(limit, (value, value))
        address = _address(mail)
        if isinstance(address, str):
            _say(Result(notice=mail.notices[0].id, fate=Fate.LATER, why=address))
            return
        poster = Poster(errand.patience / 1000)
        _become_nobody()
        for notice in mail.notices:
            if _say(_posted(poster, address, notice, errand.version)) is Fate.LATER:
                return

    def _call(self, call: Call, seconds: float) -> Result:
        try:
            self.command = NoticeCommand(call, seconds)
        except OSError as error:
            return Result(notice=call.notice, fate=Fate.LATER, why=f"no process could be started: {error.strerror}")
        end = self.command.wait()
        self.command = None
        if not end.is_reached:
            return Result(notice=call.notice, fate=Fate.LATER, why=f"it could not be started yet: {end.report.strip()}")
        return of_command(call.notice, end.status, end.report, end.output)


def _posted(poster: Poster, address: Address, notice: Notice, version: str) -> Result:
    to = notice.to
    body = webhook_body(notice, to.format) if isinstance(to, Webhook) else ""
    where = address if isinstance(to, Webhook) else ping_address(address, notice)
    kind = "application/json" if isinstance(to, Webhook) else "text/plain"
    headers = {"Content-Type": kind, "User-Agent": f"torchsync/{version}", "Idempotency-Key": notice.id, "Connection": "close"}
    try:
        reply = poster.post(where, body.encode(), headers)
    except PostFailed as error:
        return Result(notice=notice.id, fate=Fate.LATER, why=str(error))
    return of_answer(notice.id, reply.status, reply.retry_after, Instant(time.time_ns() // 1_000_000))


def _address(mail: Mail) -> Address | str:
    """The address, or what is wrong with it and quotes none of it."""
    text = mail.url or _secret(mail.secret_file)
    if text is None:
        return f"{mail.secret_file} cannot be read, or is no file of one address"
    address = parse_address(text)
    if isinstance(address, str):
        return f"the address in {mail.secret_file} {address}"
    if not allows_plain(mail.hosts, address):
        return "the address is not encrypted, and policy.notify_hosts does not name it with `http://`"
    return address


def _secret(path: str) -> str | None:
    """The one line of the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer must not hold us up
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_MOST_SECRET + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        lines = content.decode("ascii").split()
    except (OSError, ValueError):
        return None
    return lines[0] if len(lines) == 1 and len(content) <= _MOST_SECRET else None


def _become_nobody() -> None:
    if os.geteuid() == 0:
        with suppress(PermissionError):  # root in a sandbox that may not change users: then there is little to give up
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _say(result: Result) -> Fate:
    sys.stdout.write(f"{result_text(result)}\n")
    sys.stdout.flush()
    return result.fate


def _end_with_the_agent(sender: Sender) -> None:
    """Never returns: standard input has no more to say, and its end is ours."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # it is for the thread that waits for a server
    while os.read(0, 4096):
        pass
    if command := sender.command:
        command.kill()
    os._exit(1)


def main() -> int:
    errand = errand_from_text(sys.stdin.buffer.readline())
    sender = Sender()
    threading.Thread(target=_end_with_the_agent, args=(sender,), daemon=True, name="stdin").start()
    sender.do(errand)
    return 0


if __name__ == "__main__":
    sys.exit(main())
