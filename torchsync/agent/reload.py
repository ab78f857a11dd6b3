"""Reading agent.yaml again while the agent runs: a bad one is refused and the old one kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torchsync.agent.config import AgentConfig, HttpConfig, config_from_document
from torchsync.errors import Problem
from torchsync.ports import ConfigRead, ConfigSource

_RESULTS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration to go on with, and in sentences what of the new one waits for a restart."""

    config: AgentConfig
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The new configuration is wrong; the old one stays."""

    problems: tuple[Problem, ...]


class Reloads:
    """The reloads of one agent, one at a time; requests during one are served by one more after it."""

    def __init__(self, source: ConfigSource) -> None:
        self.results: dict[int, tuple[Problem, ...]] = {}
        self._source = source
        self._ticket = 0
        self._is_reading = False
        self._again = False

    @property
    def newest_ticket(self) -> int:
        return self._ticket

    def request(self) -> int:
        """agent.yaml is being read, or will be once more; the ticket of that reading."""
        if self._is_reading:
            self._again = True
            return self._ticket + 1
        self._ticket += 1
        self._is_reading = True
        self._source.read()
        return self._ticket

    def finish(self, problems: tuple[Problem, ...]) -> None:
        """The reading is over with these problems, none when the new configuration is in force."""
        self.results[self._ticket] = problems
        self.results.pop(self._ticket - _RESULTS_KEPT, None)
        self._is_reading = False
        if self._again:
            self._again = False
            self.request()


def reloaded(old: AgentConfig, event: ConfigRead) -> Reloaded | ReloadRefused:
    """What comes of a reading. Raises ValueError when the document is not one that the reader makes."""
    if event.document is None:
        return ReloadRefused(event.problems)
    new = config_from_document(event.document)
    fixed = {
        "host.name": (old.host.name, new.host.name),
        "paths": (old.paths, new.paths),
        "executor": (old.executor, new.executor),
        "http.listen": (old.http.listen, new.http.listen),
        "http.hooks_listen": (old.http.hooks_listen, new.http.hooks_listen),
        "log.format": (old.log.format, new.log.format),
    }
    waits = tuple(
        f"{name} has changed: it takes effect when the agent is restarted" for name, (was, is_now) in fixed.items() if was != is_now
    )
    merged = replace(
        new,
        host=replace(new.host, name=old.host.name),
        paths=old.paths,
        executor=old.executor,
        http=_merged_http(old.http, new.http),
        log=replace(new.log, format=old.log.format),
    )
    return Reloaded(merged, waits)


def _merged_http(old: HttpConfig, new: HttpConfig) -> HttpConfig:
    """What keeps the addresses safe was judged together with them: while others wait for a restart, those that stay keep what they had."""
    if (old.listen, old.hooks_listen) == (new.listen, new.hooks_listen):
        return new
    return replace(old, webhook_secret_file=new.webhook_secret_file)
