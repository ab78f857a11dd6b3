"""docs/how-to/leave-gotorch.md and leave-systemd-timers.md: what they tell people to type leads to a repository that is valid."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.test_importgotorch import CONF, TASKS
from tests.cli.test_importsystemd import ETC, UNITS
from tests.test_how_to import blocks
from torchsync.cli.check import read_path
from torchsync.cli.main import main


def machine(files: dict[str, str]) -> None:
    for path, text in files.items():
        place = Path("machines/web-1", path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.mark.parametrize(
    ("page", "files", "tasks"),
    [
        ("leave-gotorch.md", {"etc/gotorch.conf": CONF, "data/gotorch/task.json": TASKS}, {"clean", "curl", "date", "poll"}),
        ("leave-systemd-timers.md", {f"{ETC}/{name}": text for name, text in UNITS.items()}, {"backup", "half", "poll"}),
    ],
)
def test_the_commands_of_the_page_make_a_valid_repository(tmp_path, monkeypatch, page, files, tasks) -> None:
    """Status 65: some of what the machine has cannot be translated, and the page says that the rest is written."""
    monkeypatch.chdir(tmp_path)
    machine(files)
    lines = [shlex.split(line) for block in blocks(page, "sh") for line in block.splitlines()]
    assert [words[0] for words in lines] == ["torchsync"]
    assert [main(words[1:]) for words in lines] == [65]
    checked = read_path("tasks-repo")
    assert checked.problems == ()
    assert {task.name for task in checked.tasks} == tasks
    assert "became" in Path("import.txt").read_text()


@pytest.mark.parametrize(
    ("page", "source"),
    [("leave-gotorch.md", "gotorch"), ("leave-systemd-timers.md", "systemd")],
)
def test_the_options_that_the_page_names_are_there(page, source, capsys) -> None:
    text = (Path(__file__).parent.parent / "docs/how-to" / page).read_text()
    options = {word for line in text.splitlines() for word in line.replace("`", " ").split() if word.startswith("--") and word != "--now"}
    with pytest.raises(SystemExit):
        main(["import", source, "--help"])
    told = capsys.readouterr().out
    assert options - {"--ignore-failed-read"}
    assert all(option in told for option in options - {"--ignore-failed-read"})
