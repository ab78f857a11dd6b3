"""Reads agent.yaml: in a process of its own for the agent, which imports no YAML, and in-process for commands that may.

As a program (`python -m torchsync.cli.configreader FILE`) it prints one JSON document: `{"document": ..., "problems": [...]}`.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from torchsync.adapters.ownlimits import least_nice, most_files
from torchsync.adapters.schemas import read_schema
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.jsontext import Json, canonical
from torchsync.core.taskdoc import problem_document
from torchsync.errors import Problem


def read_config_file(path: Path, account: Account | None = None) -> tuple[dict[str, Json] | None, tuple[Problem, ...]]:
    """The document of agent.yaml for an agent of this account (None: our own), or None and what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        return None, (Problem(code="TS304", message=message, hint="write it, or name another file with --config"),)
    return ConfigFileReader(read_schema("agent")).read(str(path), content, account or _account())


def _account() -> Account:
    uid = os.geteuid()
    home = Path(os.environ.get("HOME") or "/")
    return Account(
        user=_user_name(uid),
        is_root=uid == 0,
        state_home=os.environ.get("XDG_STATE_HOME") or str(home / ".local" / "state"),
        runtime_dir=os.environ.get("XDG_RUNTIME_DIR", ""),
        most_files=most_files(),
        least_nice=least_nice(),
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def main() -> int:
    document, problems = read_config_file(Path(sys.argv[1]))
    answer: Json = {"document": document, "problems": [problem_document(problem) for problem in problems]}
    print(canonical(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
