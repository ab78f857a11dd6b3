"""`docs/how-to/fleet.md`: what it tells people to type works in the sample repository, and shows what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitrepo import Repo
from torchsync.adapters.schemas import repository_formats
from torchsync.cli.main import build_parser, main

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/how-to/fleet.md").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(PAGE) if kind == language]


def commands() -> Iterator[list[str]]:
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("torchsync "):
            yield shlex.split(line, comments=True)[1:]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "sample"
    repo = Repo(folder)
    shutil.copytree(ROOT / "sample-repo", folder, dirs_exist_ok=True)
    repo.commit({})
    return folder


def test_every_command_without_prometheus_answers(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sample)
    asked = [words for words in commands() if "--live" not in words]
    assert len(asked) > 5
    for words in asked:
        assert main(words) == 0, words
        assert len(capsys.readouterr().out.splitlines()) > 2 or "--json" in words


def test_every_command_with_prometheus_is_understood() -> None:
    asked = [words for words in commands() if "--live" in words]
    assert asked
    for words in asked:
        assert build_parser("fleet").parse_args(words).live


def test_the_table_is_that_of_the_sample_repository(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = blocks("text")
    assert main(["fleet", str(sample)]) == 0
    assert table in capsys.readouterr().out


def test_the_inventory_is_one() -> None:
    (text,) = blocks("yaml")
    inventory, problems = repository_formats().inventory.read(text.encode())
    assert problems == ()
    assert inventory is not None
    assert len(inventory.hosts) == 2
