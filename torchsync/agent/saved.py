"""The agent's own JSON state: `generation.json`, the one commit point of a swap, `sync.json`, what the last syncs came to, and `control.json`, what
operators hold.

A file that cannot be read is set aside and said; the next sync rebuilds the generation, and the rest begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from torchsync.core.holds import Holds
from torchsync.core.jsontext import Json, canonical
from torchsync.core.model import Generation
from torchsync.core.syncmemory import SyncMemory
from torchsync.core.taskdoc import CODEC, generation_document, generation_from_document
from torchsync.core.tasktexts import TaskTexts
from torchsync.core.timetable import check_timing
from torchsync.core.versioned import Damaged, unwrap, wrap, wrap_text
from torchsync.errors import Problem, StateUnwritable
from torchsync.ports import Store

GENERATION = "generation.json"
SYNC = "sync.json"
CONTROL = "control.json"

_VERSION = 1

Value = TypeVar("Value")


class Saved:
    """Reads and writes these files through the store. `notices` holds what was found damaged."""

    def __init__(self, store: Store, texts: TaskTexts | None = None) -> None:
        self.notices: list[Problem] = []
        self._store = store
        self._written: SyncMemory | None = None
        self._texts = texts or TaskTexts()

    def load_generation(self) -> Generation | None:
        """The generation that was in force, or None when there is none that can be used."""
        return self._load(GENERATION, "generation", _generation)

    def save_generation(self, generation: Generation) -> None:
        """The generation is the one in force from now on, over restarts too. Raises StateUnwritable, and the old one is."""
        self._store.write(GENERATION, wrap_text("generation", _VERSION, self._body(generation)))

    def load_syncs(self) -> SyncMemory:
        """What is remembered of the syncs; nothing when it cannot be read."""
        return self._load(SYNC, "sync", lambda body: CODEC.value(SyncMemory, body, "the memory of syncs")) or SyncMemory()

    def save_syncs(self, memory: SyncMemory) -> None:
        """It is remembered what the syncs came to. Raises StateUnwritable."""
        if memory != self._written:
            self._store.write(SYNC, wrap("sync", _VERSION, CODEC.document(memory)))
            self._written = memory

    def load_holds(self) -> Holds | None:
        """What operators hold; None when it was never written, or cannot be read."""
        return self._load(CONTROL, "control", lambda body: CODEC.value(Holds, body, "what operators hold"))

    def save_holds(self, holds: Holds) -> None:
        """That is held, over restarts too. Raises StateUnwritable, and what was held before is."""
        self._store.write(CONTROL, wrap("control", _VERSION, CODEC.document(holds)))

    def _body(self, generation: Generation) -> str:
        """The canonical text of the generation; a task that was in the last one too is not put into words again."""
        texts = self._texts.follow(generation.tasks)
        tasks = ",".join(f'"{name}":{texts[name]}' for name in sorted(texts))
        rest = canonical(generation_document(replace(generation, tasks={})))
        # A quote inside of a text is escaped, so this stands in one place only.
        return rest.replace('"tasks":{}', f'"tasks":{{{tasks}}}', 1)

    def _load(self, name: str, kind: str, read: Callable[[Json], Value]) -> Value | None:
        try:
            content = self._store.read(name)
        except StateUnwritable as error:
            self.notices.append(Problem(code=error.code, message=error.message))
            return None
        if content is None:
            return None
        body = unwrap(content, kind)
        if isinstance(body, Damaged):
            self._set_aside(name, body.why)
            return None
        try:
            return read(body)
        except ValueError as error:
            self._set_aside(name, str(error))
            return None

    def _set_aside(self, name: str, why: str) -> None:
        try:
            aside = f"it was moved to {self._store.set_aside(name).name}"
        except StateUnwritable as error:
            aside = f"it stays where it is: {error.message}"
        self.notices.append(Problem(code="TS334", message=f"{name} cannot be used: {why}; {aside}"))


def _generation(body: Json) -> Generation:
    generation = generation_from_document(body)
    for task in generation.tasks.values():
        check_timing(task)
    return generation
