"""Trees on a real disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.adapters.disks import small_disk
from torchsync.adapters.tree import Trees, remove_all
from torchsync.core.model import TreeId
from torchsync.core.syncdoc import RecoveryAction
from torchsync.core.taskset import TreeEntry
from torchsync.errors import StateUnwritable

TREE, OTHER = TreeId("a" * 40), TreeId("b" * 40)
FILES = (
    ("README", "100644", b"read me\n"),
    ("bin/link", "120000", b"../scripts/backup.sh"),
    ("scripts/backup.sh", "100755", b"#!/bin/sh\n"),
    ("scripts/lib/deep/er/x", "100644", b""),
    ("scripts/lib/y", "100644", b"y"),
    ("scripts2", "100644", b"not a folder\n"),
    ("tasks/a.yaml", "100644", b"version: 1\n"),
)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "worktrees")


def contents(files: tuple[tuple[str, str, bytes], ...] = FILES) -> Callable[[], Iterator[tuple[TreeEntry, bytes]]]:
    return lambda: ((TreeEntry(path=path, mode=mode, object_id="c" * 40, size=len(content)), content) for path, mode, content in files)


def never() -> Iterator[tuple[TreeEntry, bytes]]:
    raise AssertionError("the tree is there: nobody should ask for its content")


def test_a_tree_is_written_with_its_content_modes_and_links(trees: Trees) -> None:
    before = os.umask(0o077)
    try:
        assert trees.store(TREE, contents()) is None
    finally:
        os.umask(before)
    root = trees.path(TREE)
    assert {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()} == {path for path, _, _ in FILES}
    assert (root / "scripts/backup.sh").read_bytes() == b"#!/bin/sh\n"
    assert (root / "bin/link").readlink() == Path("../scripts/backup.sh")
    modes = {
        name: oct((root / name).lstat().st_mode & 0o7777) for name in ("README", "scripts/backup.sh", "scripts", "scripts/lib/deep", ".")
    }
    assert modes == {"README": "0o644", "scripts/backup.sh": "0o755", "scripts": "0o755", "scripts/lib/deep": "0o755", ".": "0o755"}


def test_a_whole_tree_is_used_as_it_is(trees: Trees) -> None:
    trees.store(TREE, contents())
    inode = trees.path(TREE).stat().st_ino
    assert trees.store(TREE, never) is None
    assert trees.path(TREE).stat().st_ino == inode


def test_an_empty_tree_is_a_tree(trees: Trees) -> None:
    trees.store(TREE, contents(()))
    assert trees.is_whole(TREE)


def edit_content(root: Path) -> None:
    (root / "README").write_text("READ me\n")


def keep_size_and_time_but_not_the_file(root: Path) -> None:
    (root / "README").unlink()
    (root / "README").symlink_to("/etc/hosts")


def delete_file(root: Path) -> None:
    (root / "scripts/lib/y").unlink()


def change_mode(root: Path) -> None:
    (root / "scripts/backup.sh").chmod(0o644)


def close_folder(root: Path) -> None:
    (root / "scripts").chmod(0o700)


def turn_link(root: Path) -> None:
    (root / "bin/link").unlink()
    (root / "bin/link").symlink_to("../scripts/lib/y")


def delete_tree(root: Path) -> None:
    remove_all([root])


def lose_manifest(root: Path) -> None:
    root.with_name(f"{root.name}.manifest").unlink()


def cut_manifest(root: Path) -> None:
    path = root.with_name(f"{root.name}.manifest")
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    "damage",
    [
        edit_content,
        keep_size_and_time_but_not_the_file,
        delete_file,
        change_mode,
        close_folder,
        turn_link,
        delete_tree,
        lose_manifest,
        cut_manifest,
    ],
)
def test_a_damaged_tree_is_noticed_and_written_anew(trees: Trees, damage: Callable[[Path], None]) -> None:
    trees.store(TREE, contents())
    wait_for_a_tick(trees.path(TREE))
    damage(trees.path(TREE))
    assert not trees.is_whole(TREE)
    assert trees.store(TREE, contents()) is RecoveryAction.TREE
    assert trees.is_whole(TREE)
    assert (trees.path(TREE) / "README").read_text() == "read me\n"


def wait_for_a_tick(root: Path) -> None:
    """The clock of a file system has ticks: what is written now has another time than what was written before."""
    written = max(path.lstat().st_ctime_ns for path in (root, *root.rglob("*")))
    probe = root.with_name("probe")
    deadline = time.monotonic() + 60
    while probe.write_text("") or probe.stat().st_ctime_ns <= written:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    probe.unlink()


def test_files_that_a_run_added_are_no_damage(trees: Trees) -> None:
    trees.store(TREE, contents())
    (trees.path(TREE) / "scripts/__pycache__").mkdir()
    (trees.path(TREE) / "scripts/__pycache__/x.pyc").write_text("x")
    assert trees.is_whole(TREE)


def test_a_run_in_a_tree_that_was_replaced_keeps_its_files(trees: Trees) -> None:
    trees.store(TREE, contents())
    working_dir = os.open(trees.path(TREE), os.O_RDONLY)
    (trees.path(TREE) / "tasks/a.yaml").unlink()
    trees.store(TREE, contents())
    remove_all(trees.retire([TREE]))
    assert os.stat("scripts/backup.sh", dir_fd=working_dir).st_size == 10
    remove_all(trees.retire([]))
    with pytest.raises(FileNotFoundError):
        os.stat("scripts/backup.sh", dir_fd=working_dir)
    os.close(working_dir)


def test_copies_of_a_tree_that_is_edited_again_and_again_do_not_pile_up(trees: Trees, tmp_path: Path) -> None:
    trees.store(TREE, contents())
    for _ in range(5):
        (trees.path(TREE) / "tasks/a.yaml").unlink()
        trees.store(TREE, contents())
    assert len(list((tmp_path / "worktrees").glob(".old-*"))) == 2


def test_a_tree_is_not_seen_before_it_is_complete(trees: Trees, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def watching() -> Iterator[tuple[TreeEntry, bytes]]:
        for item in contents()():
            seen.append([path.name for path in (tmp_path / "worktrees").iterdir() if not path.name.startswith(".")])
            yield item

    trees.store(TREE, watching)
    assert seen == [[]] * len(FILES)


def test_a_writer_that_breaks_off_leaves_nothing(trees: Trees, tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[TreeEntry, bytes]]:
        yield from list(contents()())[:3]
        raise OSError(errno.EIO, "the disk is on fire")

    with pytest.raises(StateUnwritable) as caught:
        trees.store(TREE, broken)
    assert caught.value.code == "TS333"
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_what_a_killed_writer_left_is_tidied_away(trees: Trees, tmp_path: Path) -> None:
    left = tmp_path / "worktrees" / ".new-1234"
    (left / "sub").mkdir(parents=True)
    (tmp_path / "worktrees" / ".new-5678.manifest").write_text("{}")
    trees.tidy()
    assert list((tmp_path / "worktrees").iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        pytest.param((("a", "120000", b"/etc"), ("a/passwd", "100644", b"x")), id="through a link"),
        pytest.param((("a", "100644", b""), ("a", "100644", b"x")), id="twice"),
        pytest.param((("../evil", "100644", b"x"),), id="up"),
        pytest.param((("a/../../evil", "100644", b"x"),), id="up from inside"),
        pytest.param((("/tmp/evil", "100644", b"x"),), id="absolute"),
    ],
)
def test_a_name_that_leads_elsewhere_is_not_written(trees: Trees, tmp_path: Path, files: tuple[tuple[str, str, bytes], ...]) -> None:
    """The verdict on the commit refuses such trees; the writer does not rely on it."""
    with pytest.raises(StateUnwritable):
        trees.store(TREE, contents(files))
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "worktrees" / "evil").exists()
    assert not trees.is_present(TREE)


def test_trees_that_are_not_kept_are_out_of_sight_at_once_and_then_gone(trees: Trees, tmp_path: Path) -> None:
    trees.store(TREE, contents())
    trees.store(OTHER, contents())
    (tmp_path / "worktrees" / "lost+found").mkdir()
    gone = trees.retire([OTHER])
    assert not trees.path(TREE).exists()
    assert not trees.is_present(TREE)
    remove_all(gone)
    assert sorted(path.name for path in (tmp_path / "worktrees").iterdir()) == [OTHER, f"{OTHER}.manifest", "lost+found"]


def test_a_deletion_that_was_cut_short_is_taken_up_again(trees: Trees, tmp_path: Path) -> None:
    trees.store(TREE, contents())
    trees.retire([])
    remove_all(trees.retire([]))
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        trees = Trees(disk / "worktrees")
        with pytest.raises(StateUnwritable) as caught:
            trees.store(TREE, contents((("big", "100644", b"x" * 4_000_000),)))
        assert "space" in caught.value.message
        assert list((disk / "worktrees").iterdir()) == []
