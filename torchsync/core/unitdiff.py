"""What a unit file that is installed says otherwise than the one that comes with this version. Pure.

Settings are compared, not texts: comments and the order of settings do not matter, nor does the folder that the program lies in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torchsync.core.checkup import Finding, fine, warning
from torchsync.core.foreign.unitfile import read_unit

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitText:
    """A unit file, or a drop-in of one."""

    path: str
    content: bytes


def difference_findings(installed: UnitText, shipped: UnitText) -> Iterator[Finding]:
    """Whether the file is that of this version, and by name what it says otherwise."""
    found = list(_differences(_settings(installed), _settings(shipped)))
    if not found:
        yield fine(f"{installed.path} is that of this version")
        return
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    remedy = (
        f"take over what `diff {installed.path} {shipped.path}` shows, and keep changes of your own in a drop-in (`systemctl edit torchsync`); then "
        "`systemctl daemon-reload` and `systemctl restart torchsync` (runs go on)"
    )
    yield warning(f"{installed.path} is not that of this version: {'; '.join(found[:_MOST_NAMED])}{more}", remedy, "TS383")


def _settings(text: UnitText) -> Mapping[str, tuple[str, ...]]:
    """The values of each setting, in their order, by section and name."""
    found: dict[str, tuple[str, ...]] = {}
    for setting in read_unit(text.path, text.content)[0]:
        name = f"[{setting.section}] {setting.key}="
        value = _without_folder(setting.value) if setting.key.startswith("Exec") else setting.value
        found[name] = (*found.get(name, ()), value)
    return found


def _without_folder(command: str) -> str:
    program, blank, arguments = command.partition(" ")
    return f"{program.rpartition('/')[2]}{blank}{arguments}"


def _differences(installed: Mapping[str, tuple[str, ...]], shipped: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name in dict.fromkeys((*shipped, *installed)):
        mine, theirs = installed.get(name), shipped.get(name)
        if mine is None:
            yield f"{name} is missing"
        elif theirs is None:
            yield f"{name}{_shown(mine)} is not in it"
        elif mine != theirs:
            yield f"{name} is {_shown(mine)}, not {_shown(theirs)}"


def _shown(values: tuple[str, ...]) -> str:
    return ", ".join(value or "nothing" for value in values)
