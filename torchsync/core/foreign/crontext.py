r"""A command as cron writes it into the system log, and a task's command as cron would have written it. Pure.

cron shows each byte that is not printable ASCII: `^I` for a tab, `^?` for DEL, `\303` for what is above (`mkprints()` of its misc.c). It shows a
command up to the first `%`, and without the environment: what follows is standard input (crontab(5)).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache

from torchsync.core.model import Command, ProgramCommand, ShellCommand

_BLANKS = re.compile(r"(?:\s|\^I|\^J)+")
_INPUT = re.compile(r"(?P<command>.*?)\s*<<-?\s*(?P<quote>['\"]?)(?P<mark>\w+)(?P=quote)\n(?:.*\n)?(?P=mark)\s*", re.DOTALL)
_BRACES = re.compile(r"\{\s(?P<command>.*?)[;\s]\}", re.DOTALL)
_PIPED = re.compile(r"(?:printf|echo)\s[^|]*\|\s*(?P<command>.*)", re.DOTALL)
_AT_HOME = re.compile(r"cd\s+(?:--\s+)?(?:\"?\$\{?HOME\}?\"?|~|/\S*)?\s*(?:&&|;)\s*(?P<command>.*)", re.DOTALL)
_RUN_PARTS = re.compile(r"\brun-parts\b(?:\s+-\S+)*\s+(?P<folder>/[^\s;)}|&]+)")
_ANACRON_FOLDER = re.compile(r"anacron cron\.(?P<period>\w+)")
_SHELLS = frozenset({"sh", "bash", "dash"})


def as_logged(text: str) -> str:
    """The text with what is not printable shown as cron does, and without blanks that do not matter to compare by."""
    shown = "".join(_shown(byte) for byte in text.strip().encode("utf-8", "surrogateescape"))
    return _BLANKS.sub(" ", shown).strip()


def _shown(byte: int) -> str:
    if byte < 0x20:
        return f"^{chr(byte + 0x40)}"
    if byte == 0x7F:
        return "^?"
    return chr(byte) if byte < 0x7F else f"\\{byte:03o}"


@lru_cache(maxsize=4096)
def logged_forms(command: Command) -> frozenset[str]:
    """Every text by which cron may have logged what is now this command: also without what stands for standard input (`%`) or the home (`HOME`)."""
    return frozenset(as_logged(text) for text in _texts(command) if text.strip())


def _texts(command: Command) -> Iterator[str]:
    match command:
        case ShellCommand(text=text):
            yield from _unwrapped(text)
        case ProgramCommand(argv=argv):
            yield from (shlex.join(argv), " ".join(argv))
            if len(argv) == 3 and argv[0].rpartition("/")[2] in _SHELLS and argv[1] == "-c":
                yield from _unwrapped(argv[2])


def _unwrapped(text: str) -> Iterator[str]:
    """The text, and what is in it once something is taken off around it."""
    yield text
    for pattern in (_INPUT, _BRACES, _PIPED, _AT_HOME):
        if match := pattern.fullmatch(text.strip()):
            yield from _unwrapped(match["command"])


def folder_of(logged: str) -> str:
    """The folder whose scripts the logged command runs, by run-parts(8) or as Debian's anacron does; empty for none."""
    if match := _RUN_PARTS.search(logged):
        return match["folder"].rstrip("/")
    match = _ANACRON_FOLDER.fullmatch(logged)
    return f"/etc/cron.{match['period']}" if match else ""


def runs_folder(form: str, folder: str) -> bool:
    """The command runs the scripts that lie directly in the folder, or one of them."""
    word = form.partition(" ")[0].strip("'\"")
    return word.rpartition("/")[0] == folder or folder_of(form) == folder
