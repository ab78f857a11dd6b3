r"""One line of a crontab: a setting, a job, or something that is neither. Pure.

Settings follow `load_env()` of cron and cronie: `NAME = value`, either side in quotes if need be, nothing expanded. A job is five fields or a
macro, in system crontabs a user, and a command in which `%` ends the command and begins the lines of its standard input (crontab(5)). In the
command, `\%` is a percent sign, and `\\` is one backslash to Debian's cron (measured) and two to cronie (`do_command.c`); either way a `%` behind it
is a plain one. In the input only `\%` is anything else than it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torchsync.core.foreign.crontabfield import KINDS, REBOOT, CronField, Dialect, FieldFault, fields_of_macro, ignored_end, read_field
from torchsync.errors import Problem

_SETTING = re.compile(
    r"""\s*(?P<name>"[^"=]*"|'[^'=]*'|[^\s="'][^\s=]*)\s*=\s*(?P<value>"[^"]*"\s*|'[^']*'\s*|[^\s"'][^\n]*?\s*|)""", re.DOTALL
)
_USER = re.compile(r"[^-/:~*$=.\"'`()\[{&|;<>][^/:\"'`()&|;<>]*")
"""What passwd(5) can hold, those of other directories included; not what a shell would read."""
_COMMAND = re.compile(r"(?:[^\\%]|\\.|\\$)*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_JOB = re.compile(r"[ \t]*(?P<mark>-?)(?P<when>@\S+|\S+(?:[ \t]+\S+){4})(?:[ \t]+(?P<rest>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Setting:
    """`name = value`, for the lines below it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CronLine:
    """A job as it stands. `fields` are empty for `@reboot`; `when` is its schedule for torchsync; `user` is empty in a user's crontab."""

    when: str
    fields: tuple[CronField, ...]
    user: str
    command: str
    stdin: str | None = None
    is_unlogged: bool = False
    mails_failures_only: bool = False
    ignored: str = ""
    """What cron passes over at the end of a field."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """Why a line is not taken, in a sentence without a full stop, and what to do. `by_cron`: it is cron itself that does not take it."""

    message: str
    hint: str
    by_cron: bool = True

    def problem(self, code: str, path: str, line: int) -> Problem:
        return Problem(code=code, message=self.message, path=path, line=line, hint=self.hint)


def read_setting(text: str) -> Setting | None:
    """The setting of the line; None when it is none."""
    match = _SETTING.fullmatch(text)
    if match is None:
        return None
    return Setting(_unquoted(match["name"]), _unquoted(match["value"].strip()))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def read_job(text: str, dialect: Dialect, *, has_user: bool) -> CronLine | LineFault:
    """The job of the line, or why cron does not take it. `has_user`: a system crontab, with the user before the command."""
    match = _JOB.fullmatch(text)
    if match is None:
        return LineFault("neither a setting nor a job", "a job has five fields such as `30 2 * * *`, or `@daily`, and a command")
    when, fields = _when(match["when"], dialect)
    if isinstance(fields, FieldFault):
        return LineFault(f"cron does not run this line: {fields.message}", "write what was meant, or leave it out", by_cron=fields.by_cron)
    user, command = _user(match["rest"] or "") if has_user else ("", match["rest"] or "")
    if not command:
        return LineFault(
            "the line has no command" if user or not has_user else "the line has no user and no command", "add it, or leave it out"
        )
    if has_user and not _USER.fullmatch(user):
        return LineFault(f"cron takes {user!r} for a user, and there is none of that name", "write the user before the command")
    if match["mark"] and dialect is Dialect.DEBIAN:
        return LineFault("Debian's cron does not take a `-` in front", "leave it out; --dialect cronie reads it as cronie does")
    mails_failures_only = dialect is Dialect.CRONIE and re.match(r"-n[ \t]+\S", command) is not None
    command, stdin = _input(command.removeprefix("-n") if mails_failures_only else command, dialect)
    ignored = next((end for part in match["when"].split() if (end := ignored_end(part, dialect))), "") if fields else ""
    return CronLine(
        when=when,
        fields=fields,
        user=user,
        command=command.strip(),
        stdin=stdin,
        is_unlogged=bool(match["mark"]),
        mails_failures_only=mails_failures_only,
        ignored=ignored,
    )


def _when(text: str, dialect: Dialect) -> tuple[str, tuple[CronField, ...] | FieldFault]:
    if text == REBOOT:
        return "@startup", ()
    macro = fields_of_macro(text)
    if text.startswith("@") and macro is None:
        return text, FieldFault(f"{text!r} is no macro of cron")
    parts = macro or tuple(text.split())
    fields: list[CronField] = []
    for kind, part in zip(KINDS, parts, strict=True):
        field = read_field(kind, part, dialect)
        if isinstance(field, FieldFault):
            return text, field
        fields.append(field)
    return text if macro else " ".join(field.text for field in fields), tuple(fields)


def _user(rest: str) -> tuple[str, str]:
    words = re.split(r"[ \t]+", rest, maxsplit=1)
    return words[0], words[1] if len(words) > 1 else ""


def _input(text: str, dialect: Dialect) -> tuple[str, str | None]:
    """The command up to the first plain `%`, and what it gets on standard input: a line for each further one, and nothing where nothing follows."""
    end = len(_COMMAND.match(text)[0])  # type: ignore[index]  # it matches anything
    single = "%\\" if dialect is Dialect.DEBIAN else "%"
    command = _ESCAPED.sub(lambda pair: pair[1] if pair[1] in single else pair[0], text[:end])
    lines = [line.replace(r"\%", "%") for line in re.split(r"(?<!\\)%", text[end + 1 :])]
    return command, "\n".join(lines).removesuffix("\n") + "\n" if lines != [""] else None


def with_input(command: str, stdin: str) -> str:
    """`command` for a POSIX shell that reads `stdin`, which ends with a newline: in the same shell, so that its exit status stays."""
    mark = "END_OF_INPUT"
    while mark in stdin.splitlines():
        mark += "_"
    return f"{{ {command}\n}} <<'{mark}'\n{stdin}{mark}\n"
