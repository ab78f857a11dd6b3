"""What `doctor` looks at: the configuration that is there, the agent that answers, and with whose rights we look."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli.client import DEFAULT_SOCKET, ControlClient
from torchsync.cli.place import accounts_of, owner_of
from torchsync.core.configfile import Account
from torchsync.errors import Problem, TorchsyncError

Document = dict[str, Any]

_PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the running agent says of itself. `alive` and `ready` are empty, or why it is not."""

    status: Document
    tasks: list[Document]
    alive: str = ""
    ready: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`config` is None when agent.yaml cannot be used, and `problems` say why. `silence` says why there are no `answers`."""

    path: Path
    config: AgentConfig | None
    problems: tuple[Problem, ...] = ()
    agent_uid: int = field(default_factory=os.geteuid)
    own_uid: int = field(default_factory=os.geteuid)
    answers: Answers | None = None
    silence: TorchsyncError | None = None

    @property
    def has_its_rights(self) -> bool:
        """We may look at what the agent looks at, and see what it sees."""
        return self.own_uid in (0, self.agent_uid)

    @property
    def settings(self) -> AgentConfig:
        """For checks that are only asked when there are some."""
        assert self.config is not None
        return self.config

    @property
    def state(self) -> Path:
        return Path(self.settings.paths.state)


def look(path: Path) -> Site:
    """The site as it is now. Of a configuration that is root's, read by somebody else, it is told what it means for an agent of root."""
    from torchsync.cli.configreader import read_config_file

    account = accounts_of(owner_of(path), os.geteuid())[0]
    document, problems = read_config_file(path, account)
    config = None if document is None else config_from_document(document)
    answers, silence = _ask(Path(config.paths.socket if config else DEFAULT_SOCKET))
    who = {"own_uid": os.geteuid(), "agent_uid": _uid(config, account)}
    return Site(path=path, config=config, problems=problems, answers=answers, silence=silence, **who)


def _uid(config: AgentConfig | None, account: Account | None) -> int:
    """Whose agent it is: that of the state directory where there is one, else root's or our own."""
    owner = owner_of(Path(config.paths.state)) if config else None
    return owner if owner is not None else 0 if account else os.geteuid()


def _ask(socket: Path) -> tuple[Answers | None, TorchsyncError | None]:
    client = ControlClient(socket, _PATIENCE)
    try:
        status, tasks = client.get("/api/v1/status"), client.get("/api/v1/tasks")
        return Answers(status=status, tasks=tasks["tasks"], alive=client.probe("/healthz"), ready=client.probe("/readyz")), None
    except TorchsyncError as error:
        return None, error
