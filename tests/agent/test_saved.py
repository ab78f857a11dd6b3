import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOON, REVISION, daemon, facts, generation, task
from torchsync.agent.saved import GENERATION, SYNC, Saved
from torchsync.core.model import CronTiming, Generation
from torchsync.core.snapshot import Refusal
from torchsync.core.syncdoc import SyncOutcome
from torchsync.core.syncmemory import Judged, SyncMemory
from torchsync.core.taskdoc import generation_document
from torchsync.core.versioned import wrap
from torchsync.errors import Problem, StateUnwritable


class Drawer:
    """A store in memory that can be full."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.is_full = False

    def write(self, name: str, document: bytes) -> None:
        if self.is_full:
            raise StateUnwritable("TS333", "no space left")
        self.writes += 1
        self.files[name] = document

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def set_aside(self, name: str) -> Path:
        if self.is_full:
            raise StateUnwritable("TS333", "read-only")
        self.files[f"{name}.damaged-1"] = self.files.pop(name)
        return Path(f"/state/{name}.damaged-1")


def odd() -> Generation:
    """A generation with everything that could confuse a text that is put together from parts."""
    labels = {"tasks": "{}", 'a"tasks":{}': '"tasks":{}'}
    return generation(
        task("b", description='"tasks":{} é ☃ \u2028'), daemon("a"), facts=facts(labels=labels), origin='x "tasks":{} y', floor=REVISION
    )


def test_a_generation_comes_back_as_it_was() -> None:
    drawer = Drawer()
    Saved(drawer).save_generation(odd())
    assert Saved(drawer).load_generation() == odd()


def test_the_text_put_together_is_the_canonical_text() -> None:
    drawer = Drawer()
    saved = Saved(drawer)
    saved.save_generation(odd())
    again = replace(odd(), tasks={**odd().tasks, "c": task("c")})
    saved.save_generation(again)
    assert drawer.files[GENERATION] == wrap("generation", 1, generation_document(again))


def test_a_task_that_changed_is_put_into_words_again() -> None:
    drawer = Drawer()
    saved = Saved(drawer)
    saved.save_generation(generation(task("a", description="old")))
    saved.save_generation(generation(task("a", description="new")))
    assert json.loads(drawer.files[GENERATION])["body"]["tasks"]["a"]["description"] == "new"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"body": {"number"', id="cut short"),
        pytest.param(b'{"body":{"number":1},"kind":"generation","schema_version":1}\n', id="fields missing"),
        pytest.param(b'{"body":{},"kind":"generation","schema_version":99}\n', id="from the future"),
        pytest.param(
            wrap("generation", 1, generation_document(generation(task(timing=CronTiming(schedule="@nonsense"))))), id="unknown schedule"
        ),
    ],
)
def test_a_generation_that_cannot_be_used_is_set_aside_and_said(content: bytes) -> None:
    drawer = Drawer()
    drawer.files[GENERATION] = content
    saved = Saved(drawer)
    assert saved.load_generation() is None
    assert [notice.code for notice in saved.notices] == ["TS334"]
    assert drawer.files == {f"{GENERATION}.damaged-1": content}


def test_no_generation_at_all_is_nothing_to_speak_of() -> None:
    saved = Saved(Drawer())
    assert saved.load_generation() is None
    assert saved.notices == []


def test_what_is_remembered_of_the_syncs_comes_back() -> None:
    problem = Problem(code="TS120", message="61 is out of range", path="tasks/a.yaml", line=3, column=5)
    judged = Judged(revision=REVISION, outcome=SyncOutcome.REJECTED, problems=(problem,), origin="o", facts=facts(), version="1")
    refusal = Refusal(revision=REVISION, outcome=SyncOutcome.REJECTED, at=NOON, problems=(problem,), more=7)
    memory = SyncMemory(last_success=NOON, last_apply=NOON, judged=judged, applied=(REVISION,), refusals=(refusal,))
    drawer = Drawer()
    Saved(drawer).save_syncs(memory)
    assert Saved(drawer).load_syncs() == memory


def test_a_memory_of_an_earlier_version_is_read() -> None:
    drawer = Drawer()
    drawer.files[SYNC] = wrap("sync", 1, {"applied": [REVISION], "judged": None, "last_apply": 0, "last_success": NOON})
    assert Saved(drawer).load_syncs() == SyncMemory(last_success=NOON, applied=(REVISION,))


def test_what_has_not_changed_is_not_written_again() -> None:
    drawer = Drawer()
    saved = Saved(drawer)
    saved.save_syncs(SyncMemory(last_success=NOON))
    saved.save_syncs(SyncMemory(last_success=NOON))
    assert drawer.writes == 1


def test_a_damaged_memory_of_syncs_is_set_aside_and_begins_anew() -> None:
    drawer = Drawer()
    drawer.files[SYNC] = b"\x00\x00"
    saved = Saved(drawer)
    assert saved.load_syncs() == SyncMemory()
    assert len(saved.notices) == 1


def test_what_is_damaged_on_a_disk_that_cannot_be_written_stays_and_is_said() -> None:
    drawer = Drawer()
    drawer.files[GENERATION] = b"odd"
    drawer.is_full = True
    saved = Saved(drawer)
    assert saved.load_generation() is None
    assert "stays where it is" in saved.notices[0].message
    assert drawer.files[GENERATION] == b"odd"


def test_a_full_disk_is_the_callers_to_know_of() -> None:
    drawer = Drawer()
    drawer.is_full = True
    with pytest.raises(StateUnwritable):
        Saved(drawer).save_generation(generation())
