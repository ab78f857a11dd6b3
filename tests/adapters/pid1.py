"""A systemd that does what a test wants: a server that speaks as much D-Bus as the real one does on its own socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jeepney import DBusAddress, new_error, new_method_return, new_signal
from jeepney.low_level import Message, Parser

MANAGER = DBusAddress("/org/freedesktop/systemd1", bus_name="org.freedesktop.systemd1", interface="org.freedesktop.systemd1.Manager")


class Line:
    """One connection, greeted; `unit` is the name in a call."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._serial = 100

    def accept(self, call: Message) -> None:
        self._send(new_method_return(call, "o", ("/org/freedesktop/systemd1/job/1",)))

    def answer(self, call: Message, kind: str, value: object) -> None:
        self._send(new_method_return(call, "v", ((kind, value),)))

    def refuse(self, call: Message, name: str, text: str) -> None:
        self._send(new_error(call, f"org.freedesktop.systemd1.{name}", "s", (text,)))

    def end_job(self, unit: str, result: str) -> None:
        self._send(new_signal(MANAGER, "JobRemoved", "uoss", (1, "/org/freedesktop/systemd1/job/1", unit, result)))

    def tell_of(self, unit: str, status: int, result: str) -> None:
        """The change of a service that comes before the end of its job."""
        escaped = "".join(letter if letter.isalnum() else f"_{ord(letter):02x}" for letter in unit)
        place = DBusAddress(f"/org/freedesktop/systemd1/unit/{escaped}", interface="org.freedesktop.DBus.Properties")
        changed = {"ExecMainStatus": ("i", status), "Result": ("s", result)}
        self._send(new_signal(place, "PropertiesChanged", "sa{sv}as", ("org.freedesktop.systemd1.Service", changed, [])))

    def hang_up(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, message: Message) -> None:
        self._serial += 1
        for byte in _pieces(message.serialise(self._serial)):
            self._connection.sendall(byte)


def _pieces(content: bytes) -> list[bytes]:
    return [content[:7], content[7:40], content[40:]]


def unit_in(call: Message) -> str:
    return str(call.body[0])


class Pid1:
    """Listens at `path`; `on_call` is what it does about a call. `calls` and `connections` are what has come in."""

    def __init__(self, path: Path, on_call: Callable[[Line, Message], None]) -> None:
        self._on_call = on_call
        self.calls: list[Message] = []
        self.connections = 0
        self.closed = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(BrokenPipeError, ConnectionResetError):  # Who gave us up does not wait to be told so.
            heard = b""
            while b"BEGIN\r\n" not in heard:
                heard += connection.recv(4096)
            connection.sendall(b"OK 0123456789abcdef\r\nAGREE_UNIX_FD\r\n")
            self._obey(connection, heard.partition(b"BEGIN\r\n")[2])
        self.closed += 1

    def _obey(self, connection: socket.socket, heard: bytes) -> None:
        parser, line = Parser(), Line(connection)
        parser.add_data(heard)
        while True:
            while (call := parser.get_next_message()) is not None:
                self.calls.append(call)
                self._on_call(line, call)
            try:
                piece = connection.recv(65536)
            except OSError:
                return
            if not piece:
                return
            parser.add_data(piece)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
