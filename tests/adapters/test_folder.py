"""A folder is listed as git would list it, checked against git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from torchsync.adapters.folder import list_folder, read_files
from torchsync.errors import NotFound


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    words = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout


def a_folder(root: Path) -> Path:
    for path, text in {
        "tasks/a.yaml": "version: 1\n",
        "tasks/.hidden": "",
        "scripts/x.sh": "#!/bin/sh\n",
        "ü n.txt": "x" * 100_000,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "scripts/x.sh").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("scripts/x.sh")
    (root / "folder-link").symlink_to("scripts")
    (root / "dangling").symlink_to("../nowhere")
    (root / ".gitignore").write_text("")
    os.mkfifo(root / "pipe")
    return root


def test_entries_are_those_of_git(tmp_path: Path) -> None:
    root = a_folder(tmp_path)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    tree = git(root, "write-tree").strip()
    listed = git(root, "ls-tree", "-r", "-z", "--long", tree).split("\0")[:-1]
    expected = []
    for line in listed:
        head, path = line.split("\t")
        mode, _, object_id, size = head.split()
        expected.append((path, mode, object_id, int(size)))
    found = [(entry.path, entry.mode, entry.object_id, entry.size) for entry in list_folder(root)]
    assert sorted(found) == sorted(expected)


def test_a_repository_inside_is_a_submodule(tmp_path: Path) -> None:
    (tmp_path / "vendor/x/.git").mkdir(parents=True)
    (tmp_path / "vendor/x/file").write_text("x")
    assert [(entry.path, entry.mode) for entry in list_folder(tmp_path)] == [("vendor/x", "160000")]


def test_a_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff")).write_text("x")
    (found,) = list_folder(tmp_path)
    assert os.fsencode(found.path) == b"a\xff"


def test_contents_are_bytes_and_the_targets_of_links(tmp_path: Path) -> None:
    root = a_folder(tmp_path)
    assert read_files(root, ("tasks/a.yaml", "link")) == {"tasks/a.yaml": b"version: 1\n", "link": b"scripts/x.sh"}


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        list_folder(tmp_path / "nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        read_files(tmp_path, ("nowhere",))
