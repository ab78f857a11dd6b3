"""Unit files of systemd as text: sections, settings and drop-ins (systemd.syntax(7), systemd.unit(5)). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_COMMENTS = ("#", ";")
_MOST_GARBAGE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One assignment, and where it stands; an empty value takes back what was said before."""

    section: str
    key: str
    value: str
    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A line that systemd passes over, and why."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit by its name, with its settings in the order in which they were said: those of its file, then those of its drop-ins."""

    name: str
    path: str
    settings: tuple[Setting, ...] = ()

    def all(self, section: str, *keys: str) -> tuple[Setting, ...]:
        """What holds of settings that may be given several times: all since the last empty one."""
        found: list[Setting] = []
        for setting in self.settings:
            if setting.section != section or setting.key not in keys:
                continue
            if setting.value:
                found.append(setting)
            else:
                found.clear()
        return tuple(found)

    def last(self, section: str, *keys: str) -> Setting | None:
        """What holds of settings of which the last wins; None when there is none, or an empty one came last."""
        found = self.all(section, *keys)
        return found[-1] if found else None

    def text(self, section: str, key: str, default: str = "") -> str:
        """The value of a setting of which the last wins."""
        setting = self.last(section, key)
        return setting.value if setting else default

    def yes(self, section: str, key: str) -> bool:
        """Whether the setting says so, in one of the words that systemd takes for it."""
        return self.text(section, key).lower() in ("1", "yes", "y", "true", "t", "on")


def read_unit(path: str, content: bytes) -> tuple[tuple[Setting, ...], tuple[Garbage, ...]]:
    """The settings of one file, and the lines that are none. A line that ends with a backslash goes on in the next, comments left out."""
    if b"\0" in content[:8_192]:
        return (), (Garbage(path=path, line=1, message="this is not a text"),)
    settings: list[Setting] = []
    garbage: list[Garbage] = []
    section = ""
    for number, line in _lines(content.decode("utf-8-sig", "replace")):
        key, sign, value = line.partition("=")
        if "\ufffd" in line:
            garbage.append(Garbage(path=path, line=number, message="this line is not UTF-8, so systemd passes it over"))
        elif line.startswith("["):
            section = line[1:-1] if line.endswith("]") else ""
            garbage.extend([] if section else [Garbage(path=path, line=number, message=f"`{line[:60]}` is not the name of a section")])
        elif not sign or not key.strip():
            garbage.append(Garbage(path=path, line=number, message=f"`{line[:60]}` is not a setting: `Key=value` was expected"))
        elif not section:
            garbage.append(
                Garbage(path=path, line=number, message=f"`{key.strip()}=` stands before the first section, so systemd passes it over")
            )
        else:
            settings.append(Setting(section=section, key=key.strip(), value=value.strip(), path=path, line=number))
    if len(garbage) > _MOST_GARBAGE:
        rest = Garbage(
            path=path, line=garbage[_MOST_GARBAGE].line, message=f"{len(garbage) - _MOST_GARBAGE:,} more lines from here on are no settings"
        )
        garbage[_MOST_GARBAGE:] = [rest]
    return tuple(settings), tuple(garbage)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The logical lines that are not empty, each with the number of its first line."""
    started, parts = 0, list[str]()
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith(_COMMENTS) or (not line and not parts):
            continue
        started = started if parts else number
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            yield started, " ".join(parts).strip()
            parts = []
    if parts:
        yield started, " ".join(parts).strip()


def dropin_folders(name: str) -> tuple[str, ...]:
    """The folders whose `*.conf` files add to a unit, the least special first: `service.d`, `foo-.service.d`, `foo@.service.d`."""
    stem, _, kind = name.rpartition(".")
    prefix, at, _ = stem.partition("@")
    dashes = [prefix[: place + 1] for place, character in enumerate(prefix[:-1]) if character == "-"]
    return (f"{kind}.d", *(f"{dash}.{kind}.d" for dash in dashes), *([f"{prefix}@.{kind}.d"] if at else []), f"{name}.d")


def template_of(name: str) -> str:
    """`foo@.service` for `foo@bar.service`; the name itself for a unit that is no instance."""
    stem, _, kind = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{kind}" if at and instance else name


def instance_of(name: str) -> str:
    """`bar` for `foo@bar.service`, else empty."""
    return name.rpartition(".")[0].partition("@")[2]
