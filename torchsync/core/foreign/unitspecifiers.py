"""`%` specifiers of unit files (systemd.unit(5), "Specifiers"), as far as they are the same on every host of a fleet. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torchsync.core.foreign.unitfile import instance_of
from torchsync.core.foreign.unitvalues import unescape_name

_SPECIFIER = re.compile(r"%(.?)")
_FOLDERS = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc"}
_TEMPORARY = {"T": "/tmp", "V": "/var/tmp"}  # noqa: S108 - what the specifiers stand for
_ROOT = {"h": "/root", "u": "root", "U": "0", "g": "root", "G": "0"}
_VARIABLES = {"H": "${TORCHSYNC_HOST}", "l": "${TORCHSYNC_HOST}", "d": "${CREDENTIALS_DIRECTORY}"}
_VARIABLES_OF_USER = {"h": "${HOME}", "u": "${USER}", "s": "${SHELL}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What the specifiers of a unit are made of. `account` is the user whose manager runs the unit, where that is known."""

    unit: str
    account: str = ""
    of_user: bool = False

    def expand(self, text: str) -> str:
        """`text` with the specifiers replaced that are the same wherever the unit runs; the others stay."""
        return _SPECIFIER.sub(partial(_value, self._values()), text)

    def expand_in_command(self, text: str) -> str:
        """The same, and what differs from host to host, or from user to user, becomes a variable for the shell."""
        return _SPECIFIER.sub(partial(_value, self._values() | self._variables()), text)

    def unknown(self, text: str) -> tuple[str, ...]:
        """The specifiers that `expand` leaves in `text`."""
        return self._beyond(text, self._values())

    def unknown_in_command(self, text: str) -> tuple[str, ...]:
        """The specifiers that `expand_in_command` leaves in `text`."""
        return self._beyond(text, self._values() | self._variables())

    @staticmethod
    def _beyond(text: str, values: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"%{letter}" for letter in _SPECIFIER.findall(text) if letter not in values))

    def _values(self) -> dict[str, str]:
        stem = self.unit.rpartition(".")[0]
        prefix = stem.partition("@")[0]
        instance, last = instance_of(self.unit), prefix.rpartition("-")[2]
        names = {"%": "%", "n": self.unit, "N": stem, "p": prefix, "i": instance, "j": last}
        plain = {
            "P": unescape_name(prefix),
            "I": unescape_name(instance),
            "J": unescape_name(last),
            "f": f"/{unescape_name(instance or prefix)}",
        }
        return names | plain | _TEMPORARY | ({} if self.of_user else _FOLDERS | _ROOT)

    def _variables(self) -> dict[str, str]:
        return _VARIABLES | (_VARIABLES_OF_USER if self.of_user else {})


def _value(values: Mapping[str, str], found: re.Match[str]) -> str:
    return values.get(found[1], found[0])
