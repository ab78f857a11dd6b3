"""What an agent goes as: itself, or its own shadow, which decides everything and does nothing.

The composition root asks the guise for every part that differs between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from torchsync.adapters.clock import SystemClock
from torchsync.adapters.courier import ChildCourier, Folders
from torchsync.adapters.hookapi import HookSettings
from torchsync.adapters.process import ProcessExecutor
from torchsync.adapters.procfs import boot_id
from torchsync.adapters.shadow import ShadowCourier, ShadowExecutor
from torchsync.adapters.statefile import Keeper, StateDirectory
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.agent.config import AgentConfig, PathsConfig
from torchsync.cli.agentsettings import hook_settings
from torchsync.cli.executors import Choice
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.policy import ExecutorName
from torchsync.errors import ConfigInvalid, Problem
from torchsync.ports import Courier, Executor

if TYPE_CHECKING:
    from torchsync.adapters.units import Units

_LONGEST_SOCKET = 107
"""unix(7)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the parts that differ are built on."""

    choice: Choice
    store: StateDirectory
    wakeups: SelectorWakeups
    clock: SystemClock
    log: Log


class Guise(Protocol):
    @property
    def keeper(self) -> Keeper:
        """Whose history the state directory holds."""
        ...

    @property
    def is_public(self) -> bool:
        """It answers on TCP, and tells the receivers of `notify`."""
        ...

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What operators are to know all the time."""
        ...

    def paths(self, config: AgentConfig) -> PathsConfig: ...

    def hooks(self, config: AgentConfig) -> HookSettings: ...

    def told_by(self, log: Log) -> Log:
        """How the agent says what happens."""
        ...

    def starter(self, choice: Choice) -> tuple[str, str]:
        """What starts runs: its name, and a sentence."""
        ...

    def executor(self, ground: Ground) -> Executor: ...

    def courier(self, ground: Ground) -> Courier: ...


class Itself:
    """An agent that starts what is due. Fits `Guise`."""

    keeper = Keeper.AGENT
    is_public = True
    notices: tuple[Problem, ...] = ()

    def paths(self, config: AgentConfig) -> PathsConfig:
        return config.paths

    def hooks(self, config: AgentConfig) -> HookSettings:
        return hook_settings(config)

    def told_by(self, log: Log) -> Log:
        return log

    def starter(self, choice: Choice) -> tuple[str, str]:
        return choice.name.value, choice.sentence

    def executor(self, ground: Ground) -> Executor:
        def cannot(sentence: str) -> None:
            ground.log(LogEvent.EXECUTOR_LIMITED, sentence)

        if ground.choice.limit:
            cannot(ground.choice.limit)
        return ProcessExecutor(ground.store.path, ground.store.run, ground.wakeups, ground.clock, notice=cannot, units=_units(ground))

    def courier(self, ground: Ground) -> Courier:
        return ChildCourier(
            ground.wakeups,
            ground.clock,
            folders=Folders(ground.store.worktrees, ground.store.runs),
            version=version("torchsync"),
            in_units=ground.choice.name is ExecutorName.SYSTEMD,
        )


class Shadow:
    """An agent that notes what it would have started. Fits `Guise`.

    It has folders and a control socket of its own. It is not public: what watches the host must not take its word for that of an agent that works.
    """

    keeper = Keeper.SHADOW
    is_public = False
    notices = (
        Problem(
            code="TS372",
            message="nothing is started, this is a shadow: how long a run takes it cannot know, so it takes each to end at once, and judges overlap, "
            "queue and pool by that",
        ),
    )

    def paths(self, config: AgentConfig) -> PathsConfig:
        """Raises ConfigInvalid when the path of the socket becomes too long."""
        paths = config.paths.shadow
        if (length := len(paths.socket.encode())) > _LONGEST_SOCKET:
            message = f"the socket of the shadow, {paths.socket}, has a path of {length} bytes, at most {_LONGEST_SOCKET} are possible"
            raise ConfigInvalid("TS303", message, (Problem(code="TS303", message=message, hint="set `paths.run` to a shorter path"),))
        return paths

    def hooks(self, config: AgentConfig) -> HookSettings:
        return HookSettings(secret_file="", ref=config.repository.ref)

    def told_by(self, log: Log) -> Log:
        def told(event: LogEvent, message: str, /, **fields: object) -> None:
            log(event, f"shadow: {message}", **fields)

        return told

    def starter(self, choice: Choice) -> tuple[str, str]:
        return "shadow", f"nothing is started, what would be is noted; without --shadow {choice.sentence}"

    def executor(self, ground: Ground) -> Executor:
        return ShadowExecutor(ground.wakeups, ground.clock, boot_id())

    def courier(self, ground: Ground) -> Courier:
        return ShadowCourier(ground.wakeups)


def _units(ground: Ground) -> Units | None:
    if ground.choice.name is ExecutorName.PROCESS:
        return None
    from torchsync.adapters.systemdbus import SystemdBus
    from torchsync.adapters.units import Units

    return Units(SystemdBus(ground.wakeups, Timer(ground.wakeups, ground.clock), ground.clock))
