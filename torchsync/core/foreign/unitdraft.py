"""A task in the making out of a unit: fields, and what became of each setting. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from torchsync.core.durations import LONGEST, format_duration
from torchsync.core.foreign.job import Remark, RemarkKind
from torchsync.core.foreign.unitfile import Setting, Unit
from torchsync.core.foreign.unitspecifiers import Naming
from torchsync.core.foreign.unitvalues import read_span
from torchsync.core.jsontext import Json
from torchsync.core.values import Millis


@dataclass(slots=True, kw_only=True)
class Draft:
    """Filled by one step after the other; `used` are the settings of the unit that some step has dealt with."""

    unit: Unit
    naming: Naming
    is_daemon: bool = False
    fields: dict[str, Json] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def kept(self, message: str, hint: str = "") -> None:
        self.remarks.append(Remark(RemarkKind.KEPT, message, hint))

    def changed(self, message: str, hint: str = "") -> None:
        self.remarks.append(Remark(RemarkKind.CHANGED, message, hint))

    def lost(self, message: str, hint: str = "") -> None:
        self.remarks.append(Remark(RemarkKind.LOST, message, hint))

    def last(self, key: str, section: str = "Service") -> Setting | None:
        """What holds of a setting of which the last wins."""
        self.used.add(key)
        return self.unit.last(section, key)

    def all(self, *keys: str, section: str = "Service") -> tuple[Setting, ...]:
        """What holds of settings that add up."""
        self.used.update(keys)
        return self.unit.all(section, *keys)

    def text(self, key: str, default: str = "", section: str = "Service") -> str:
        """A value with its specifiers expanded, and a remark when one of them is not known."""
        setting = self.last(key, section)
        return self.expand(setting) if setting else default

    def expand(self, setting: Setting) -> str:
        unknown = self.naming.unknown(setting.value)
        if unknown:
            self.lost(f"`{brief(setting)}`: {', '.join(unknown)} is not known here and stays as it is", "write what it stands for")
        return self.naming.expand(setting.value)

    def span(self, key: str, section: str = "Service") -> Millis | None:
        """The length of time of a setting; None where it is not there, `infinity`, or no time, which is said."""
        setting = self.last(key, section)
        if setting is None:
            return None
        try:
            return read_span(setting.value)
        except ValueError as error:
            self.lost(f"`{brief(setting)}`: {error}", "correct it")
            return None

    def set_span(self, name: str, length: Millis | None) -> None:
        """The field, when there is such a length, and a task file may have it."""
        if length is not None and length > LONGEST:
            self.changed(f"{name}: more than {format_duration(LONGEST)} is no limit, so it is left out")
        elif length is not None:
            self.fields[name] = format_duration(length)


def brief(setting: Setting) -> str:
    """A setting as a remark quotes it."""
    text = f"{setting.key}={setting.value}"
    return text if len(text) <= 100 else f"{text[:99]}…"
