"""`ExecStart=` and its kin as commands of torchsync (systemd.service(5), "Command lines"). Pure.

systemd starts programs without a shell, but expands variables itself: `${NAME}` anywhere in an argument, `$NAME` where it is a whole argument,
which may become several; never in the name of the program. An argument that begins with `$` and is no such name, as `$NAME/x`, vanishes (looked at
with systemd 252). A command without variables is a list of arguments; one with them, and several commands in a row, become a text for the shell
that means the same.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torchsync.core.foreign.unitvalues import words_and_sources
from torchsync.core.jsontext import Json

_PREFIXES = "@-:+!"
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_IN_ARGUMENT = re.compile(r"(\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecCommand:
    """One program with its arguments, specifiers expanded. `prefixes` are the signs before it."""

    prefixes: str
    program: str
    arguments: tuple[str, ...] = ()

    @property
    def may_fail(self) -> bool:
        """Whether a failure counts as success."""
        return "-" in self.prefixes

    @property
    def expands(self) -> bool:
        """Whether variables are expanded in its arguments."""
        return ":" not in self.prefixes

    @property
    def vanished(self) -> tuple[str, ...]:
        """The arguments that the program never sees, since systemd takes them for the name of a variable that there cannot be."""
        return tuple(word for word in self.arguments if self.expands and _vanishes(word))

    @property
    def split(self) -> tuple[str, ...]:
        """The variables whose values become arguments of their own."""
        return tuple(word[1:] for word in self.arguments if self.expands and _VARIABLE.fullmatch(word))

    @property
    def has_variables(self) -> bool:
        """Whether any argument is not passed on as it stands."""
        in_arguments = self.expands and any(_VARIABLE.fullmatch(word) or _names_variable(word) for word in self.arguments)
        return in_arguments or _names_variable(self.program)


def read_commands(text: str, expand: Callable[[str], str]) -> tuple[ExecCommand, ...]:
    """The commands of one setting, which a lone `;` parts. `expand` replaces specifiers. Raises ValueError, with a sentence, for what is none."""
    commands: list[list[str]] = [[]]
    for word, source in words_and_sources(text):
        if source == ";":
            commands.append([])
        elif "$" in word and not commands[-1]:
            raise ValueError("systemd expands no variable in the name of a program")
        else:
            commands[-1].append(";" if source == "\\;" else expand(word))
    return tuple(_command(words) for words in commands if words)


def _command(words: Sequence[str]) -> ExecCommand:
    program = words[0].lstrip(_PREFIXES)
    prefixes = words[0][: len(words[0]) - len(program)]
    arguments = tuple(words[1:])
    if "@" in prefixes:
        arguments = arguments[1:]
    if not program:
        raise ValueError("no program is named")
    return ExecCommand(prefixes=prefixes, program=program, arguments=arguments)


def command_of(commands: Sequence[ExecCommand]) -> Json:
    """`command` of a task that runs them one after the other and ends with the first that fails: a list when nothing has to be expanded."""
    if len(commands) > 1:
        return _without_globs(commands, " && ".join(_in_row(command) for command in commands))
    command = commands[0]
    if command.may_fail:
        return _without_globs(commands, f"{_shell_line(command)} || :")
    if command.has_variables:
        return _without_globs(commands, f"exec {_shell_line(command)}")
    return [command.program, *_plain(command)]


def environment_of(text: str, expand: Callable[[str], str]) -> Mapping[str, str]:
    """The variables of one `Environment=`. Raises ValueError for a word that is no assignment."""
    found = {}
    for word, _ in words_and_sources(text):
        name, sign, value = expand(word).partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"`{word[:60]}` is not `NAME=value`")
        found[name] = value
    return found


def _plain(command: ExecCommand) -> Iterable[str]:
    if not command.expands:
        return command.arguments
    return (word.replace("$$", "$") for word in command.arguments if not _vanishes(word))


def _in_row(command: ExecCommand) -> str:
    line = _shell_line(command)
    return f"{{ {line} || :; }}" if command.may_fail else line


def _without_globs(commands: Sequence[ExecCommand], line: str) -> str:
    """What the shell splits into words, systemd splits as well; but file names are no business of it."""
    return f"set -f; {line}" if any(command.split for command in commands) else line


def _shell_line(command: ExecCommand) -> str:
    seen = [word for word in command.arguments if word not in command.vanished]
    return " ".join([_shell_word(command.program, expands=True), *(_shell_word(word, expands=command.expands) for word in seen)])


def _shell_word(word: str, *, expands: bool) -> str:
    if not expands:
        return shlex.quote(word)
    if _VARIABLE.fullmatch(word):
        return word
    text, literal = "", ""
    for part in _IN_ARGUMENT.split(word):
        if part.startswith("${") and _IN_ARGUMENT.fullmatch(part):
            text, literal = f'{text}{shlex.quote(literal) if literal else ""}"{part}"', ""
        else:
            literal += "$" if part == "$$" else part
    return text + (shlex.quote(literal) if literal or not text else "")


def _vanishes(word: str) -> bool:
    return word.startswith("$") and word[1:2] not in ("{", "$") and not _VARIABLE.fullmatch(word)


def _names_variable(word: str) -> bool:
    return any(part.startswith("${") for part in _IN_ARGUMENT.findall(word))
