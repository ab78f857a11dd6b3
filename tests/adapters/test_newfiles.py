"""New files: all or none, and nothing that was there is touched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from torchsync.adapters.newfiles import create, in_the_way

FILES = {"a.yaml": "a\n", "b/c.yaml": "c\n", "b/d/e.yaml": "é\n"}


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fail(_: Path) -> None:
    raise OSError("no space")


@pytest.mark.parametrize("there", ["", "new", "new/deep"], ids=["here", "new", "deep"])
def test_all_files_are_there_and_nothing_else(tmp_path: Path, there: str) -> None:
    folder = tmp_path / there
    assert list(in_the_way(folder, FILES)) == []
    seen: list[dict[str, str]] = []
    assert create(folder, FILES, lambda place: seen.append(everything(place))) == list(FILES)
    assert everything(folder) == FILES == seen[0]
    assert len(list(tmp_path.rglob("*.yaml"))) == 3
    assert not list(tmp_path.rglob(".torchsync*"))


def test_a_new_folder_has_the_mode_of_any_new_folder(tmp_path: Path) -> None:
    create(tmp_path / "new", FILES)
    (tmp_path / "usual").mkdir()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("there", ["", "new", "new/deep", "old"], ids=["here", "new", "deep", "beside others"])
def test_after_an_error_nothing_was_made(tmp_path: Path, there: str) -> None:
    (tmp_path / "old/b").mkdir(parents=True)
    (tmp_path / "old/b/mine").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="no space"):
        create(tmp_path / there, FILES, fail)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old/b/mine").read_text() == "mine"


def test_a_folder_that_was_not_there_is_whole_or_absent_even_after_a_kill(tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from torchsync.adapters.newfiles import create
create(Path({str(tmp_path / "new")!r}), {FILES!r}, lambda _: os.kill(os.getpid(), 9))
"""
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(Path(__file__).parents[2])}, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "new").exists()
    create(tmp_path / "new", FILES)
    assert everything(tmp_path / "new") == FILES


def test_an_error_in_the_middle_takes_back_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(OSError):
        create(tmp_path, {**FILES, "x" * 300: "too long a name\n"})
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_everything_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine\n")
    (tmp_path / "b").symlink_to(tmp_path)
    assert list(in_the_way(tmp_path, FILES)) == [("a.yaml", "is there already"), ("b", "is a link or a file where a folder must be")]
    assert list(in_the_way(tmp_path / "a.yaml", FILES)) == [(".", "is no folder")]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), os.mkfifo], ids=["folder", "link", "pipe"])
def test_whatever_has_the_name_of_a_file_is_in_its_way(tmp_path: Path, make: object) -> None:
    make(tmp_path / "a.yaml")  # type: ignore[operator]
    assert list(in_the_way(tmp_path, FILES)) == [("a.yaml", "is there already")]


def test_a_file_that_has_the_text_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a\n")
    inode = (tmp_path / "a.yaml").stat().st_ino
    assert list(in_the_way(tmp_path, FILES)) == []
    assert create(tmp_path, FILES) == ["b/c.yaml", "b/d/e.yaml"]
    assert (tmp_path / "a.yaml").stat().st_ino == inode
    assert everything(tmp_path) == FILES
