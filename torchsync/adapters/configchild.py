"""Has agent.yaml read by a process of its own, so that the agent never parses YAML. Fits `ports.ConfigSource`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from torchsync.core.jsontext import parse_json
from torchsync.core.taskdoc import problem_from_document
from torchsync.errors import Problem
from torchsync.ports import ConfigRead

_PATIENCE = 30.0
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from torchsync.cli.configreader import main; sys.exit(main())"
_PACKAGE_HOME = str(Path(__file__).parents[2])


class ConfigChild:
    """Reads one file, again and again; each reading posts one `ConfigRead`."""

    def __init__(self, path: str, post: Callable[[object], None]) -> None:
        self._path = path
        self._post = post

    def read(self) -> None:
        """The reading is under way in a thread of its own."""
        threading.Thread(target=lambda: self._post(read_in_child(self._path)), name="config", daemon=True).start()


def read_in_child(path: str) -> ConfigRead:
    """What the child found. A child that dies or answers nonsense is a problem like any other."""
    words = [sys.executable, "-I", "-c", _BOOT, _PACKAGE_HOME, path]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=True)
        return _answer(done.stdout)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return _failed(f"the process that reads {path} ended with {error.returncode}: {last}")
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        return _failed(f"{path} could not be read: {error}")


def _answer(text: bytes) -> ConfigRead:
    match parse_json(text):
        case {"document": (None | dict()) as document, "problems": list(problems)}:
            return ConfigRead(document, tuple(problem_from_document(problem) for problem in problems))
        case _:
            raise ValueError("the answer is not of the form agreed on")


def _failed(message: str) -> ConfigRead:
    return ConfigRead(None, (Problem(code="TS304", message=message),))
