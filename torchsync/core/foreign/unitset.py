"""The units of a host out of its files: which file is which unit, which come with packages, what is enabled and what is masked. Pure.

Where a file lies says what it is (systemd.unit(5), "Unit File Load Path"): etc before run before usr/local/lib before usr/lib. A file whose place
is not known is taken for one of etc/systemd/system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import basename, dirname

from torchsync.core.foreign.job import NOT_UNDERSTOOD, UNREADABLE, SourceFile, SourceHost
from torchsync.core.foreign.unitfile import Setting, Unit, dropin_folders, instance_of, read_unit, template_of
from torchsync.errors import Problem

_KINDS = (".timer", ".service")
_PACKAGED = re.compile(r"(?:usr/)?lib/systemd/(?P<scope>system|user)(?:/|$)")
_PLACES = (
    re.compile(r"etc/systemd/(?P<scope>system|user)(?:/|$)"),
    re.compile(r"run/systemd/(?P<scope>system|user)(?:/|$)"),
    re.compile(r"usr/local/lib/systemd/(?P<scope>system|user)(?:/|$)"),
    _PACKAGED,
)
_HOME = re.compile(r"(?:^|/)(?P<account>[^/]+)/\.config/systemd/user(?:/|$)")
_ENABLING = (".wants", ".requires", ".upholds")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Scope:
    """A service manager: that of the system, or that of a user, whose name is empty where it is not known."""

    of_user: bool = False
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSet:
    """The units that one service manager would find.

    `files` holds the text of each by name, the first of the load path; `dropins` what adds to them, by folder and in order. `enabled` names the
    units that some other pulls in; None where that cannot be seen. `packaged` are those that come with packages.
    """

    host: str
    scope: Scope
    files: Mapping[str, SourceFile]
    dropins: Mapping[str, tuple[SourceFile, ...]]
    enabled: frozenset[str] | None
    packaged: frozenset[str]

    def is_masked(self, name: str) -> bool:
        """A unit that is a link to /dev/null, or empty, is never started."""
        file = self.files.get(name)
        return file is not None and (file.link == "/dev/null" or (not file.content and not file.fault))

    def is_unreadable(self, name: str) -> bool:
        """A unit whose file is there, but not its text; `problems_of` has said why."""
        file = self.files.get(name) or self.files.get(template_of(name))
        return file is not None and bool(file.fault) and not self.is_masked(name)

    def unit(self, name: str) -> Unit | None:
        """The unit with all its drop-ins; an instance of a template when there is no file of its own; None when there is neither."""
        file = self.files.get(name) or self.files.get(template_of(name))
        if file is None:
            return None
        dropins = {basename(dropin.path): dropin for folder in dropin_folders(name) for dropin in self.dropins.get(folder, ())}
        settings: list[Setting] = []
        for one in (file, *(dropins[name] for name in sorted(dropins))):
            settings.extend(read_unit(one.path, one.content)[0])
        return Unit(name=name, path=file.path, settings=tuple(settings))

    def instances(self, template: str) -> tuple[str, ...]:
        """The instances of `foo@.timer` that something here names."""
        named = {*self.files, *(self.enabled or ()), *(folder.removesuffix(".d") for folder in self.dropins)}
        return tuple(sorted(name for name in named if instance_of(name) and template_of(name) == template))


def unit_sets(host: SourceHost) -> tuple[UnitSet, ...]:
    """The sets of the host: first the system's, then those of users."""
    by_scope: dict[Scope, list[tuple[int, SourceFile]]] = {}
    for file in host.files:
        scope, rank = _place(file)
        by_scope.setdefault(scope, []).append((rank, file))
    return tuple(_unit_set(host.name, scope, by_scope[scope]) for scope in sorted(by_scope))


def problems_of(host: SourceHost) -> Iterator[Problem]:
    """Files that could not be read, and lines that systemd passes over, for what does not come with packages."""
    for file in host.files:
        if not _is_unit_text(file) or _PACKAGED.match(file.inner):
            continue
        if file.fault and file.link != "/dev/null":
            yield Problem(code=UNREADABLE, message=file.fault, path=file.path, hint="see that it is a text that you may read")
        for garbage in read_unit(file.path, file.content)[1]:
            hint = "systemd passes it over; correct it, or take it out"
            yield Problem(code=NOT_UNDERSTOOD, message=garbage.message, path=garbage.path, line=garbage.line, hint=hint)


def _is_unit_text(file: SourceFile) -> bool:
    if dirname(file.path).endswith(_ENABLING):
        return False
    return file.path.endswith(_KINDS) or (file.path.endswith(".conf") and dirname(file.path).endswith(".d"))


def _place(file: SourceFile) -> tuple[Scope, int]:
    home = _HOME.search(file.path)
    if home:
        return Scope(of_user=True, account=home["account"]), 0
    for rank, place in enumerate(_PLACES):
        found = place.match(file.inner)
        if found:
            return Scope(of_user=found["scope"] == "user"), rank
    return Scope(), 0


def _is_alias(file: SourceFile) -> bool:
    """Whether the file is a link to a unit of another name, which says the same under its own."""
    name, other = basename(file.path), basename(file.link)
    return other.endswith(_KINDS) and other not in (name, template_of(name))


def _unit_set(host: str, scope: Scope, ranked: Iterable[tuple[int, SourceFile]]) -> UnitSet:
    files: dict[str, SourceFile] = {}
    dropins: dict[str, dict[str, SourceFile]] = {}
    enabled: set[str] = set()
    packaged: set[str] = set()
    for _, file in sorted(ranked, key=lambda pair: (pair[0], pair[1].path)):
        folder, name = basename(dirname(file.path)), basename(file.path)
        if folder.endswith(_ENABLING):
            enabled.add(name)
        elif folder.endswith(".d") and name.endswith(".conf"):
            dropins.setdefault(folder, {}).setdefault(name, file)
        elif name.endswith(_KINDS) and name not in files and not _is_alias(file):
            files[name] = file
            packaged.update([name] if _PACKAGED.match(file.inner) else [])
    return UnitSet(
        host=host,
        scope=scope,
        files=files,
        dropins={folder: tuple(found.values()) for folder, found in dropins.items()},
        enabled=frozenset(enabled) if enabled else None,
        packaged=frozenset(packaged),
    )
