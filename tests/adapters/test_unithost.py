import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jeepney.low_level import Message

from tests.adapters.pid1 import Line, Pid1
from tests.adapters.processes import open_folder
from torchsync.adapters import unithost
from torchsync.adapters.unithost import why_no_units


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host that systemd runs, as root; `private` is where systemd answers, if it does."""
    with open_folder() as folder:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(unithost, "_RUNS_THE_HOST", folder)
        monkeypatch.setattr(unithost, "unified", lambda: folder)
        yield folder


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("250", ""),
        ("252.39-1~deb12u2", ""),
        ("v257.13", ""),
        ("249.11-0ubuntu3.12", "systemd 249.11-0ubuntu3.12 is older than 250"),
        ("devel", "systemd devel is older than 250"),
    ],
)
def test_the_version_decides(folder: Path, version: str, why: str) -> None:
    def on_call(line: Line, call: Message) -> None:
        line.answer(call, "s", version)

    pid1 = Pid1(folder / "private", on_call)
    assert why_no_units(str(folder / "private")) == why
    pid1.close()


def test_a_systemd_that_does_not_answer_runs_nothing(folder: Path) -> None:
    assert why_no_units(str(folder / "private")).startswith("systemd does not answer: ")


def test_only_root_may_start_units(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert why_no_units() == "the agent does not run as root"


def test_a_host_without_systemd_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unithost, "_RUNS_THE_HOST", folder / "none")
    assert why_no_units() == "systemd does not run this host"


def test_a_host_with_the_old_control_groups_alone_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unithost, "unified", lambda: None)
    assert why_no_units() == "control groups of version 2 are not mounted"
