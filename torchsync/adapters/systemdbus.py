"""Starts units of the systemd that runs the host, without a moment of waiting. Part of the executor; `units.py` says what is started.

Theory of operation. systemd answers root on a socket of its own, /run/systemd/private, with nobody between: it is there before and without a
dbus-daemon, and whatever restarts that. What is said on it is D-Bus, which jeepney writes and reads; the socket is watched by the inbox. A
connection is made when there is a unit to start and closed when there is none left, since systemd tells everybody who is connected everything
that happens to any unit. Of that only the bytes are looked at, but for news of our own units.

A unit is started by one call, StartTransientUnit. Its reply says that systemd took it, the signal JobRemoved whether it could be started. A
connection may break in between, as each does when systemd executes itself anew: then the call is made again. That is safe. While the unit is there,
systemd refuses another one of its name; and once it is gone, the run has been claimed, so a second one ends at once (`rundir.py`). In the same
way it is safe to give up: who gives up claims the run.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jeepney import DBusAddress, new_method_call
from jeepney.low_level import Header, HeaderFields, Message, MessageType, calc_msg_size

from torchsync.adapters.syscalls import Timer
from torchsync.core.model import Millis
from torchsync.ports import Clock, Wakeups

SOCKET = "/run/systemd/private"
PATIENCE = Millis(10_000)
"""How long systemd may say nothing at all while we wait for it."""
_AGAIN = Millis(100)
_CALLS_AT_ONCE = 8
"""Few enough for the buffer of the socket, so that sending never blocks."""
_PIECE = 256 * 1024
# Without the negotiation of descriptors, which nobody needs here, systemd 252 says nothing after BEGIN.
_GREETING = f"\0AUTH EXTERNAL {str(os.geteuid()).encode().hex()}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".encode()
_ANSWERS = (b"OK ", b"AGREE_UNIX_FD")
_NAME = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", bus_name=_NAME, interface=f"{_NAME}.Manager")
_PROPERTIES = DBusAddress("/org/freedesktop/systemd1", bus_name=_NAME, interface="org.freedesktop.DBus.Properties")
_SIGNAL = 4

Properties = Sequence[tuple[str, tuple[str, object]]]
"""Names, and values with their D-Bus types."""


class BusLost(Exception):
    """The connection is of no use any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a unit was not started. `status` is the exit status of what systemd started for it, None when there is none."""

    why: str
    status: int | None = None


OnSettled = Callable[[Failure | None], None]
"""Called with None when the unit was started, or may have been."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Start:
    unit: str
    call: Message
    on_settled: OnSettled
    asked_at: Millis
    calls: int = 0
    news: bytes = b""
    """The newest message about the service."""


class SystemdBus:
    """Every unit asked for is started, in order, or it is said why not; nothing here waits."""

    def __init__(self, wakeups: Wakeups, timer: Timer, clock: Clock, *, path: str = SOCKET, patience: Millis = PATIENCE) -> None:
        self._patience = patience
        self._wakeups = wakeups
        self._timer = timer
        self._clock = clock
        self._path = path
        self._socket: socket.socket | None = None
        self._incoming = _Incoming()
        self._waiting: deque[_Start] = deque()
        self._sent: dict[int, _Start] = {}
        self._accepted: dict[str, _Start] = {}
        self._serial = 0
        self._heard_at = Millis(0)
        self._trouble = ""
        self._is_ticking = False

    def start_unit(self, unit: str, properties: Properties, on_settled: OnSettled) -> None:
        """The unit was started once, or may have been, when `on_settled` is called with None; and was not, or may not have been, with a failure."""
        call = new_method_call(_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", list(properties), []))
        self._waiting.append(_Start(unit=unit, call=call, on_settled=on_settled, asked_at=self._clock.monotonic()))
        self._send()
        self._tick()

    def close(self) -> None:
        """Nothing is under way any more, and nothing more is told."""
        self._waiting.clear()
        self._sent.clear()
        self._accepted.clear()
        self._disconnect()

    # The connection.

    def _send(self) -> None:
        try:
            while self._waiting and len(self._sent) < _CALLS_AT_ONCE:
                connection = self._socket or self._connect()
                start = self._waiting.popleft()
                self._serial += 1
                self._sent[self._serial] = start
                _send_whole(connection, start.call.serialise(self._serial))
                start.calls += 1
        except OSError as error:
            self._lose(f"{self._path}: {error.strerror or error}")

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            connection.connect(self._path)
            _send_whole(connection, _GREETING)
        except OSError:
            connection.close()
            raise
        self._socket, self._incoming = connection, _Incoming()
        self._wakeups.watch(connection.fileno(), self._receive)
        return connection

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            piece = self._socket.recv(_PIECE)
            self._heard_at = self._clock.monotonic()
            for message in self._incoming.take(piece):
                self._take(message)
        except BlockingIOError:
            return
        except (OSError, BusLost) as error:
            self._lose(str(error))
            return
        self._send()
        self._close_when_idle()

    def _lose(self, why: str) -> None:
        """What was sent is sent again with the next tick; of what systemd took only the claim tells what became of it."""
        self._trouble = why
        self._disconnect()
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        for start in list(self._accepted.values()):
            self._settle(start, None)

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._wakeups.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _close_when_idle(self) -> None:
        if not self._waiting and not self._sent and not self._accepted:
            self._disconnect()

    # What systemd says.

    def _take(self, raw: bytes) -> None:
        if raw[1] != _SIGNAL:
            self._take_reply(Message.from_buffer(raw))
        elif b"JobRemoved\0" in raw:
            self._take_end_of_job(Message.from_buffer(raw))
        elif b"ExecMainStatus" in raw:
            self._keep_news(raw)

    def _take_reply(self, message: Message) -> None:
        fields = message.header.fields
        start = self._sent.pop(fields.get(HeaderFields.reply_serial, 0), None)
        if start is None:
            return
        if message.header.message_type is not MessageType.error:
            self._accepted[start.unit] = start
        elif start.calls > 1 and fields.get(HeaderFields.error_name) == f"{_NAME}.UnitExists":
            self._settle(start, None)  # The call before the connection broke was heard.
        else:
            said = message.body[0] if message.body else fields.get(HeaderFields.error_name)
            self._settle(start, Failure(why=f"systemd does not start the unit of the run: {said}"))

    def _take_end_of_job(self, message: Message) -> None:
        _, _, unit, result = message.body
        start = self._accepted.get(unit)
        if start is not None:
            self._settle(start, None if result == "done" else _failure(start, result))

    def _keep_news(self, raw: bytes) -> None:
        unit = _unit_of(Header.from_buffer(raw)[0].fields.get(HeaderFields.path, ""))
        start = self._accepted.get(unit)
        if start is not None:
            start.news = raw

    def _settle(self, start: _Start, failure: Failure | None) -> None:
        self._accepted.pop(start.unit, None)
        start.on_settled(failure)

    # Time.

    def _tick(self) -> None:
        """While something is under way, what has waited too long is given up, and what could not be sent is sent."""
        if not self._is_ticking and (self._waiting or self._sent or self._accepted):
            self._is_ticking = True
            self._timer.after(_AGAIN, self._look)

    def _look(self) -> None:
        self._is_ticking = False
        before = Millis(self._clock.monotonic() - self._patience)
        if self._heard_at < before:
            self._give_up(before)
        self._send()
        self._close_when_idle()
        self._tick()

    def _give_up(self, before: Millis) -> None:
        late = [start for start in (*self._sent.values(), *self._accepted.values(), *self._waiting) if start.asked_at < before]
        self._sent = {serial: start for serial, start in self._sent.items() if start not in late}
        self._waiting = deque(start for start in self._waiting if start not in late)
        for start in late:
            said = f" ({self._trouble})" if self._trouble else ""
            self._settle(start, Failure(why=f"systemd did not answer for {self._patience // 1000} s{said}"))


class _Incoming:
    """The bytes of a connection, as messages. The first two lines are the answers to the greeting."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._expected = list(_ANSWERS)

    def take(self, piece: bytes) -> list[bytes]:
        """The messages that are whole now. Raises BusLost when the greeting was not taken."""
        if not piece:
            raise BusLost("systemd closed the connection")
        self._bytes += piece
        while self._expected:
            line, end, rest = self._bytes.partition(b"\r\n")
            if not end:
                return []
            if not line.startswith(self._expected.pop(0)):
                raise BusLost(f"systemd answered the greeting with {line.decode(errors='replace')!r}")
            self._bytes = rest
        return self._messages()

    def _messages(self) -> list[bytes]:
        found, place = list[bytes](), 0
        view = bytes(self._bytes)
        while len(view) - place >= 16:
            size = calc_msg_size(view[place : place + 16])
            if len(view) - place < size:
                break
            found.append(view[place : place + size])
            place += size
        del self._bytes[:place]
        return found


def _send_whole(connection: socket.socket, content: bytes) -> None:
    if connection.send(content) != len(content):
        raise OSError("systemd does not read what it is told")


def _unit_of(path: str) -> str:
    """The name of the unit with this object path: what is neither letter nor digit stands there as `_` and its code."""
    head, *rest = path.rpartition("/")[2].split("_")
    return head + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest if part[:2])


def _failure(start: _Start, result: str) -> Failure:
    if not start.news:
        return Failure(why=f"systemd could not start the unit of the run: its job was {result}")
    _, changed, _ = Message.from_buffer(start.news).body
    status = changed["ExecMainStatus"][1]
    return Failure(why=f"systemd could not start the unit of the run: {changed['Result'][1]}", status=status or None)


def manager_property(name: str, path: str = SOCKET, patience: Millis = PATIENCE) -> str:
    """A property of systemd's manager, such as its `Version`. Waits; raises OSError or BusLost when there is no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(patience / 1000)
        connection.connect(path)
        connection.sendall(_GREETING + new_method_call(_PROPERTIES, "Get", "ss", (f"{_NAME}.Manager", name)).serialise(1))
        incoming = _Incoming()
        while True:
            for raw in incoming.take(connection.recv(_PIECE)):
                if raw[1] != _SIGNAL:
                    return _text_of(Message.from_buffer(raw))


def _text_of(reply: Message) -> str:
    if reply.header.message_type is MessageType.error:
        raise BusLost(str(reply.body[0] if reply.body else "an error without a text"))
    return str(reply.body[0][1])
