"""Files that are made where none were: all of them or none, and nothing that was there is touched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def in_the_way(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is there already and keeps these files from being made in `folder`: its path from there, and what is wrong with it.

    A file that holds the very text it is to have is in nobody's way. A link on the way to a file is, since it may lead anywhere.
    """
    if folder.exists() and not folder.is_dir():
        yield ".", "is no folder"
        return
    told: set[Path] = set()
    for path, text in files.items():
        place = folder / path
        above = [parent for parent in reversed(place.parents) if parent.is_relative_to(folder) and parent != folder]
        blocked = next((parent for parent in above if parent.is_symlink() or (parent.exists() and not parent.is_dir())), None)
        if blocked and blocked not in told:
            told.add(blocked)
            yield str(blocked.relative_to(folder)), "is a link or a file where a folder must be"
        elif not blocked and _is_another(place, text):
            yield path, "is there already"


def _is_another(place: Path, text: str) -> bool:
    if place.is_symlink() or not place.is_file():
        return place.is_symlink() or place.exists()
    return place.read_bytes() != text.encode()


def create(folder: Path, files: Mapping[str, str], finish: Callable[[Path], None] = lambda _: None) -> list[str]:
    """All of the files are in `folder`, and `finish` was called with the folder that they are in: or, after any error, nothing was made.
    The answer names those that were not there before.

    A folder that was not there is filled aside and appears whole, so that even a `kill -9` leaves none that is half done. Raises OSError, and what
    `finish` raises.
    """
    with _undone_on_error() as made:
        _make_folder(folder.parent, made)
        if folder.exists():
            new = _write(folder, files, made)
            finish(folder)
            return new
        aside = Path(tempfile.mkdtemp(prefix=".torchsync-init-", dir=folder.parent))
        try:
            whole = aside / "whole"
            whole.mkdir()  # with the mode of a usual folder, which that around it has not
            new = _write(whole, files, [])
            finish(whole)
            whole.rename(folder)
            return new
        finally:
            shutil.rmtree(aside)


@contextmanager
def _undone_on_error() -> Iterator[list[Path]]:
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for place in reversed(made):
            place.rmdir() if place.is_dir() else place.unlink()
        raise


def _write(folder: Path, files: Mapping[str, str], made: list[Path]) -> list[str]:
    new = [path for path in files if not (folder / path).exists()]  # one that is there has the same text: `in_the_way` has looked
    for path in new:
        place = folder / path
        _make_folder(place.parent, made)
        with place.open("x", encoding="utf-8") as file:
            made.append(place)
            file.write(files[path])
    return new


def _make_folder(folder: Path, made: list[Path]) -> None:
    if not folder.exists():
        _make_folder(folder.parent, made)
        folder.mkdir()
        made.append(folder)
