"""The files of other schedulers, from folders that were copied off several hosts, from this host, from single files, or from standard input.

A *root* is a folder that looks like the root directory of a host: some of the wanted paths are in it. Links in a root are followed as they
would be on that host, so they never lead out of it. What cannot be read is kept as a file with a `fault`: its name may be all that is needed.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, normpath
from typing import BinaryIO

from torchsync.core.foreign.job import NOT_THERE, NOTHING, SourceFile, SourceHost
from torchsync.core.localtime import check_zone
from torchsync.errors import Problem

_LARGEST = 1024 * 1024
_MOST_LINKS = 10
_HOST = re.compile(r"[a-z0-9][a-z0-9._-]{0,251}[a-z0-9]|[a-z0-9]")
_FOLDERS = "name a file, a folder copied from the root of a host, or a folder of such folders"
_TIMEZONE, _LOCALTIME = "etc/timezone", "etc/localtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where the files of a scheduler lie on a host: files, folders of which every file is meant, and folders with all that is below them."""

    paths: tuple[str, ...]

    def is_in(self, root: Path) -> bool:
        return any((root / path.removesuffix("**/")).exists() for path in self.paths)

    def leads_to(self, inner: str) -> bool:
        """Whether `inner` is one of these, lies in one of these folders, or is a folder above one."""
        return any(self._covers(path, inner) or path.startswith(f"{inner}/") for path in self.paths)

    @staticmethod
    def _covers(path: str, inner: str) -> bool:
        folder = path.removesuffix("**/")
        if not folder.endswith("/"):
            return inner == folder
        below = inner.removeprefix(folder)
        return inner == folder.rstrip("/") or (inner != below and (path != folder or "/" not in below))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWords:
    """What the user named: `PATH` or `HOST=PATH` each; `-` is standard input. `host` is for words that name none. `zones` by host; `""`: for all."""

    words: tuple[str, ...]
    wanted: Wanted
    host: str = ""
    zones: tuple[tuple[str, str], ...] = ()


def gather(named: SourceWords) -> tuple[tuple[SourceHost, ...], tuple[Problem, ...]]:
    """The files by host, in the order of the words, and the words with nothing behind them (TS353, TS173)."""
    found: list[SourceHost] = []
    problems: list[Problem] = []
    for word in named.words:
        host, path = _split(word, named.host)
        try:
            hosts = list(_hosts(host, path, named.wanted))
        except OSError as error:
            problems.append(Problem(code=NOT_THERE, message=_said(error), path=path, hint="name a file or a folder that is there"))
            continue
        found += hosts
        problems += _left_out(Path(path), named.wanted)
        if not any(one.files for one in hosts):
            problems.append(Problem(code=NOTHING, message="the folder holds no file of this scheduler", path=path, hint=_FOLDERS))
    zones = dict(named.zones)
    told = [SourceHost(name=one.name, zone=zones.get(one.name) or zones.get("") or one.zone, files=one.files) for one in found]
    return tuple(_joined(told)), tuple(problems)


def gather_root(root: Path, wanted: Wanted) -> SourceHost:
    """The files of the host that has this root directory; it has no name."""
    return _of_root("", root, wanted)


def _split(word: str, usual: str) -> tuple[str, str]:
    host, equals, path = word.partition("=")
    if equals and path and _HOST.fullmatch(host.lower()) and not Path(word).exists():
        return host.lower(), path
    return usual, word


def _joined(hosts: Sequence[SourceHost]) -> Iterator[SourceHost]:
    """What several words say of one host, as one."""
    by_name: dict[str, list[SourceHost]] = {}
    for host in hosts:
        by_name.setdefault(host.name, []).append(host)
    for name, parts in by_name.items():
        zone = next((part.zone for part in parts if part.zone), "")
        yield SourceHost(name=name, zone=zone, files=tuple(file for part in parts for file in part.files))


def _hosts(host: str, path: str, wanted: Wanted) -> Iterator[SourceHost]:
    if path == "-":
        yield SourceHost(name=host, files=(_streamed(sys.stdin.buffer, "stdin"),))
        return
    place = Path(path)
    if not place.is_dir():
        root, inner = _root_above(place, wanted)
        file = _read(place, path, inner) if place.is_file() else _from_pipe(place, path)
        yield SourceHost(name=host, zone=_zone(root) if root else "", files=(file,))
    elif wanted.is_in(place):
        yield _of_root(host or _folder_name(place), place, wanted)
    elif (found := _root_above(place, wanted))[0] is not None:
        yield _of_part(host, found[0], place, wanted)
    else:
        yield from _of_folder(host, place, wanted)


def _from_pipe(place: Path, path: str) -> SourceFile:
    """What is named itself may be a pipe, as in `<(ssh web-1 crontab -l)`; what is found in a folder may not."""
    with place.open("rb") as stream:
        return _streamed(stream, path)


def _streamed(stream: BinaryIO, path: str) -> SourceFile:
    content = stream.read(_LARGEST + 1)
    return SourceFile(path=path, content=content, fault="is larger than 1 MiB" if len(content) > _LARGEST else "")


def _root_above(place: Path, wanted: Wanted) -> tuple[Path, str] | tuple[None, str]:
    """The root that `place` must lie in, going by the end of its path, and the path from there."""
    parts = place.absolute().parts[1:]
    for length in range(min(len(parts), 6), 0, -1):
        inner = "/".join(parts[-length:])
        if wanted.leads_to(inner):
            return Path("/", *parts[:-length]), inner
    return None, ""


def _folder_name(root: Path) -> str:
    name = root.absolute().name.lower()
    return name if _HOST.fullmatch(name) else ""


def _of_root(host: str, root: Path, wanted: Wanted) -> SourceHost:
    files = [file for path in wanted.paths for file in _below(root, path, str(root))]
    return SourceHost(name=host, zone=_zone(root), files=tuple(files))


def _of_part(host: str, root: Path, part: Path, wanted: Wanted) -> SourceHost:
    """The wanted files of a root that lie below a folder of it."""
    inner = part.absolute().relative_to(root.absolute()).as_posix()
    files = [file for path in wanted.paths for file in _below(root, path, str(root)) if file.inner.startswith(f"{inner}/")]
    return SourceHost(name=host, zone=_zone(root), files=tuple(files))


def _of_folder(host: str, folder: Path, wanted: Wanted) -> Iterator[SourceHost]:
    """A folder of roots, one for each host; else the files in it."""
    roots = _roots(folder, wanted)
    yield from (_of_root(_folder_name(root), root, wanted) for root in roots)
    files = [_read(entry, str(entry), entry.name) for entry in sorted(folder.iterdir()) if not entry.is_dir()]
    if files and not roots:
        yield SourceHost(name=host, files=tuple(files))


def _roots(folder: Path, wanted: Wanted) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and _folder_name(entry) and wanted.is_in(entry)]


def _left_out(place: Path, wanted: Wanted) -> Iterator[Problem]:
    """What lies beside the roots in a folder of roots, and is none (TS173)."""
    if not place.is_dir() or wanted.is_in(place) or _root_above(place, wanted)[0] is not None:
        return
    roots = _roots(place, wanted)
    for entry in sorted(place.iterdir()):
        if roots and entry not in roots and not entry.name.startswith("."):
            is_named = not entry.is_dir() or _folder_name(entry)
            message = "no file of this scheduler is in it" if is_named else f"{entry.name!r} is no name of a host"
            yield Problem(code=NOTHING, message=f"left out beside the folders of hosts: {message}", path=str(entry), hint=_FOLDERS)


def _below(root: Path, path: str, shown: str) -> Iterator[SourceFile]:
    if not path.endswith("/"):
        if os.path.lexists(root / path):
            yield _read_inside(root, path, shown)
        return
    folder = path.removesuffix("**/")
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            yield SourceFile(path=_shown(shown, folder.rstrip("/")), content=b"", inner=folder.rstrip("/"), fault=_said(error))
        return
    for entry in entries:
        if not _is_folder(entry):
            yield _read_inside(root, folder + entry.name, shown)
        elif path != folder and not entry.is_symlink():
            yield from _below(root, f"{folder}{entry.name}/**/", shown)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself


def _read_inside(root: Path, inner: str, shown: str) -> SourceFile:
    """The file at that path of the root, its links followed as if `root` were `/`."""
    link, target = "", inner
    for _ in range(_MOST_LINKS):
        if not (root / target).is_symlink():
            break
        link = str((root / target).readlink())
        target = normpath(f"/{dirname(target)}/{link}").lstrip("/") if not link.startswith("/") else normpath(link).lstrip("/")
        if target.startswith("lib/") and not os.path.lexists(root / "lib"):
            target = f"usr/{target}"  # file-hierarchy(7): /lib is a link to usr/lib, which a copy of parts does not have.
    if not (root / target).parent.resolve().is_relative_to(root.resolve()):
        return SourceFile(path=_shown(shown, inner), content=b"", inner=inner, link=link, fault="is reached by a link out of the folder")
    return _read(root / target, _shown(shown, inner), inner, link)


def _shown(root: str, inner: str) -> str:
    return f"{root.rstrip('/')}/{inner}"


def _read(place: Path, path: str, inner: str, link: str = "") -> SourceFile:
    fault, content, is_executable = "", b"", False
    try:
        status = place.stat()
        is_executable = bool(status.st_mode & 0o111)
        if not stat.S_ISREG(status.st_mode):
            fault = "is not a regular file"
        elif status.st_size > _LARGEST:
            fault = "is larger than 1 MiB"
        else:
            content = place.read_bytes()
    except OSError as error:
        if not link and isinstance(error, FileNotFoundError):
            raise
        fault = _said(error)
    return SourceFile(path=path, content=content, inner=inner, is_executable=is_executable, link=link, fault=fault)


def _said(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _zone(root: Path) -> str:
    """The zone of a host: that of `etc/timezone` (Debian), else what `etc/localtime` links to (localtime(5)); empty when neither says."""
    names = []
    if (root / _TIMEZONE).is_file():
        names.append((root / _TIMEZONE).read_text(encoding="utf-8", errors="replace").strip())
    if (root / _LOCALTIME).is_symlink():
        names.append(re.sub(r"^.*zoneinfo/(?:posix/|right/)?", "", str((root / _LOCALTIME).readlink())))
    return next((name for name in names if check_zone(name) is None), "")
