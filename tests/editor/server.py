"""A language server on its standard streams, asked as an editor asks it (Language Server Protocol 3.17)."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 60.0

# The paths of settings that a server asks for, and what it gets for each.
Settings = Mapping[str, Any]


def nested(settings: Settings) -> dict[str, Any]:
    """`{"yaml.schemas": x}`, as VS Code writes it, as `{"yaml": {"schemas": x}}`, as servers ask for it."""
    made: dict[str, Any] = {}
    for name, value in settings.items():
        *above, last = name.split(".")
        place = made
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return made


class LanguageServer:
    """One server for the files below `folder`, with these settings. What it says is read in a thread, and its questions are answered there."""

    def __init__(self, command: Sequence[str], folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = nested(settings)
        self._answers: dict[int, queue.Queue[Any]] = {}
        self._diagnostics: queue.Queue[Any] = queue.Queue()
        self._number = 0
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._listen, daemon=True).start()
        root = {"uri": folder.as_uri(), "name": folder.name}
        does = {"workspace": {"configuration": True, "workspaceFolders": True}, "textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        self.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": does, "workspaceFolders": [root]})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})
        # The server asks for its settings, then the network for a catalogue, and meanwhile marks what it would without them; this waits for both.
        self.ask("textDocument/codeLens", {"textDocument": {"uri": folder.as_uri()}})

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def mistakes(self, path: str, text: str) -> list[tuple[int, str]]:
        """The line, from 1, and the message of each mistake in the file when it holds that text."""
        document = {"uri": (self._folder / path).as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while (told := self._diagnostics.get(timeout=PATIENCE))["uri"] != document["uri"]:
            pass
        return [(one["range"]["start"]["line"] + 1, one["message"]) for one in told["diagnostics"]]

    def at(self, method: str, path: str, text: str, mark: str) -> Any:
        """The answer to a question about the place right behind the first `mark` in the file, which is open with that text."""
        before = text[: text.index(mark) + len(mark)]
        place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        return self.ask(method, {"textDocument": {"uri": (self._folder / path).as_uri()}, "position": place})

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        self._number += 1
        self._answers[self._number] = queue.Queue()
        self._send({"id": self._number, "method": method, "params": params})
        return self._answers[self._number].get(timeout=PATIENCE)

    def _tell(self, method: str, params: Mapping[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            stream.readline()
            self._heard(json.loads(stream.read(int(header.split(b":")[1]))))

    def _heard(self, message: Mapping[str, Any]) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics.put(message["params"])
        elif "method" in message and "id" in message:
            items = message.get("params", {}).get("items", []) if message["method"] == "workspace/configuration" else None
            self._send({"id": message["id"], "result": items and [self._settings.get(item["section"]) for item in items]})
        elif "id" in message:
            self._answers[message["id"]].put(message.get("result"))
