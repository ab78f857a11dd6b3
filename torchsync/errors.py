"""The errors torchsync can tell, and the codes they carry.

    TorchsyncError            every error that ends a command; has a code and an exit status
    ├── UsageError            2   the command line makes no sense
    ├── CommitInvalid        65   the commit breaks a rule; carries all its problems
    ├── NotFound             66   no such file, folder, revision, task or run
    ├── Unavailable          69   the remote or the agent does not answer; try again
    ├── StateUncreatable     73   the state directory cannot be made or belongs to another owner
    ├── StateHeld            75   another agent holds the state directory
    ├── StateUnwritable       1   the state cannot be written just now (full, read-only); the agent catches it and goes on degraded
    ├── Refused              77   signature, rewind, guard, policy or permission
    └── ConfigInvalid        78   agent.yaml is missing or wrong; carries all its problems

What is wrong with a file is a `Problem`, a value. Exceptions are for what ends the work at hand. Every code is listed once, in `codes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torchsync.codes import CODES
from torchsync.codetable.row import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file, a commit, a host or a setting.

    `line` and `column` count from 1; 0 means that the problem has no place in a file. `message` is one sentence that says what was found and
    what was expected; `hint` says what to write instead and may be empty.
    """

    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    task: str = ""
    hint: str = ""

    @property
    def reason(self) -> Reason | None:
        return CODES[self.code].reason

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part)
        head = f"{place}: {self.code}" if place else self.code
        tail = f" ({self.hint})" if self.hint else ""
        return f"{head} {self.message}{tail}"


class TorchsyncError(Exception):
    """An error with a code of the table and the exit status of the command it ends."""

    exit_status = 1

    def __init__(self, code: str, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.problems = tuple(problems)


class UsageError(TorchsyncError):
    exit_status = 2


class CommitInvalid(TorchsyncError):
    exit_status = 65


class NotFound(TorchsyncError):
    exit_status = 66


class Unavailable(TorchsyncError):
    exit_status = 69


class StateUncreatable(TorchsyncError):
    exit_status = 73


class StateUnwritable(TorchsyncError):
    exit_status = 1


class StateHeld(TorchsyncError):
    exit_status = 75


class Refused(TorchsyncError):
    exit_status = 77


class ConfigInvalid(TorchsyncError):
    exit_status = 78
