"""What a service unit runs, as the fields of a task (systemd.service(5), systemd.exec(5)). Pure.

Each step deals with some settings: it fills fields, or says what was changed or lost. What no step has dealt with is said in the end, so nothing is
passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torchsync.core.foreign.unitcommand import ExecCommand, command_of, environment_of, read_commands
from torchsync.core.foreign.unitconduct import take_conduct
from torchsync.core.foreign.unitdraft import Draft, brief
from torchsync.core.foreign.unitfile import Unit
from torchsync.core.foreign.unitleftover import take_leftovers
from torchsync.core.foreign.unitspecifiers import Naming
from torchsync.core.foreign.unitvalues import split_words
from torchsync.core.jsontext import Json

_SECRET = re.compile(r"passw|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
_LONGEST_DESCRIPTION = 2_000


def draft_of(service: Unit, naming: Naming, *, is_daemon: bool = False) -> Draft:
    """The fields of the task that runs what the service runs. Raises ValueError, with a sentence, when there is nothing that could be run."""
    draft = Draft(unit=service, naming=naming, is_daemon=is_daemon)
    if is_daemon:
        draft.fields["type"] = "daemon"
    steps: tuple[Callable[[Draft], None], ...] = (
        _take_words, _take_command, _take_account, _take_place, _take_umask, _take_environment, take_conduct, take_leftovers,
    )  # fmt: skip
    for step in steps:
        step(draft)
    return draft


def _take_words(draft: Draft) -> None:
    description = draft.text("Description", section="Unit").strip()
    if description:
        draft.fields["description"] = description[:_LONGEST_DESCRIPTION]
    pages = [word for setting in draft.all("Documentation", section="Unit") for word in setting.value.split()]
    address = next((page for page in pages if page.startswith(("https://", "http://"))), "")
    if address:
        draft.fields["runbook"] = address


def _take_command(draft: Draft) -> None:
    """Commands before and after the main ones are part of what a oneshot service does; after the start of any other kind they come too early."""
    before, main = _commands(draft, "ExecStartPre"), _commands(draft, "ExecStart")
    if not main:
        raise ValueError("it has no ExecStart=, so there is nothing to run")
    is_oneshot = draft.unit.text("Service", "Type") == "oneshot"
    if len(main) > 1 and not is_oneshot:
        draft.changed("systemd refuses several ExecStart= but for Type=oneshot; here they run one after the other")
    after = _commands(draft, "ExecStartPost")
    if after and not is_oneshot:
        draft.lost("ExecStartPost= runs beside a service that is not oneshot, which a task cannot do", "start it from the command")
        after = ()
    commands = [*before, *main, *after]
    draft.fields["command"] = command_of(commands)
    if len(commands) > 1:
        draft.kept(f"{len(commands)} commands became one text for the shell, which ends with the first that fails, as the unit does")
    _remark_on_prefixes(draft, commands)
    _remark_on_variables(draft, commands)


def _commands(draft: Draft, key: str) -> tuple[ExecCommand, ...]:
    found: list[ExecCommand] = []
    for setting in draft.all(key):
        try:
            found.extend(read_commands(setting.value, draft.naming.expand_in_command))
        except ValueError as error:
            raise ValueError(f"`{brief(setting)}`: {error}") from error
        unknown = draft.naming.unknown_in_command(setting.value)
        if unknown:
            draft.lost(f"`{brief(setting)}`: {', '.join(unknown)} is not known here and stays as it is", "write what it stands for")
    return tuple(found)


def _remark_on_prefixes(draft: Draft, commands: list[ExecCommand]) -> None:
    prefixes = "".join(command.prefixes for command in commands)
    if ("+" in prefixes or "!" in prefixes) and draft.unit.text("Service", "User") not in ("", "root"):
        draft.lost(
            "a command with `+` or `!` runs as root beside User=; here all of them run as the user",
            "make a task of its own for it, with `user: root`",
        )
    if "@" in prefixes:
        draft.lost(
            "a command with `@` gives its program another name to know itself by, which is lost",
            "where that matters, call it through a script",
        )


def _remark_on_variables(draft: Draft, commands: list[ExecCommand]) -> None:
    if any(command.has_variables for command in commands):
        draft.kept("variables in the arguments are expanded by the shell, `${NAME}` as one word and `$NAME` as several, as systemd does")
    gone = [word for command in commands for word in command.vanished]
    if gone:
        draft.changed(
            f"systemd takes {', '.join(f'`{word}`' for word in gone)} for a variable that there cannot be, so the program never saw it",
            "was `${NAME}` meant?",
        )
    given = {name: value for setting in draft.unit.all("Service", "Environment") for name, value in _assignments(setting.value).items()}
    quoted = [name for command in commands for name in command.split if re.search(r"[\"'\\\\]", given.get(name, ""))]
    if quoted:
        draft.changed(
            f"systemd heeds the quotes in the value of {', '.join(quoted)}, and the shell does not", "write the arguments into the command"
        )


def _assignments(text: str) -> Mapping[str, str]:
    """Those of a line that can be read; the step for the environment says what is wrong with others."""
    try:
        return environment_of(text, str)
    except ValueError:
        return {}


def _take_account(draft: Draft) -> None:
    """A system service without User= runs as root, a task without `user` as the host's default user, so it is always written."""
    user, group = draft.text("User"), draft.text("Group")
    is_dynamic = draft.unit.yes("Service", "DynamicUser")
    if draft.naming.of_user:
        user = draft.naming.account
        if not user:
            draft.changed("this is a unit of users: whose is not known, so the task runs as the host's default user", "write `user:`")
    elif is_dynamic and not user:
        draft.changed("DynamicUser= makes a user for each start; the task runs as the host's default user", "write `user:`")
    else:
        user = user or "root"
    draft.used.add("DynamicUser")
    draft.fields |= {name: value for name, value in (("user", user), ("group", group)) if value}


def _take_place(draft: Draft) -> None:
    """Services start in `/`, those of users in their home."""
    home = draft.unit.text("Service", "WorkingDirectory").removeprefix("-")
    if draft.naming.of_user and home.startswith("%h"):
        draft.used.add("WorkingDirectory")
        draft.fields["working_dir"] = f"~{home.removeprefix('%h')}"
        return
    folder = draft.text("WorkingDirectory", "~" if draft.naming.of_user else "/")
    if folder.startswith("-"):
        draft.changed("WorkingDirectory= with `-` may be missing; for a task that is an error", "see that it is there")
    draft.fields["working_dir"] = folder.removeprefix("-")


def _take_umask(draft: Draft) -> None:
    umask = draft.text("UMask")
    if umask:
        draft.fields["umask"] = umask.rjust(3, "0")


def _take_environment(draft: Draft) -> None:
    env: dict[str, Json] = {}
    for setting in draft.all("Environment"):
        draft.expand(setting)
        try:
            env |= environment_of(setting.value, draft.naming.expand)
        except ValueError as error:
            draft.lost(f"a setting Environment= cannot be read: {error}", "correct it")
    for setting in draft.all("UnsetEnvironment"):
        for word in split_words(setting.value):
            env.pop(word.partition("=")[0], None)
    passed = draft.last("PassEnvironment")
    if passed:
        draft.lost(f"`{brief(passed)}` hands on variables of the service manager, which a task does not see", "write them into `env`")
    if env:
        draft.fields["env"] = env
    secrets = [name for name in env if _SECRET.search(name)]
    if secrets:
        hint = "take it out of the task and put it into a file of the host: `env_file`, or `credentials`"
        draft.changed(f"{', '.join(secrets)} in Environment= may be a secret, and whatever is in git is read by many", hint)
    _take_environment_files(draft, has_env=bool(env))


def _take_environment_files(draft: Draft, *, has_env: bool) -> None:
    files = [draft.expand(setting) for setting in draft.all("EnvironmentFile")]
    if not files:
        return
    path = files[0].removeprefix("-")
    draft.fields["env_file"] = path
    draft.changed(
        f"{path} is read as the user of the task, and must be theirs or root's and closed to all others", f"chmod 600 {path} on the hosts"
    )
    if files[0].startswith("-"):
        draft.changed(
            f"EnvironmentFile= with `-` may be missing; for a task that is an error: {path}", "see that it is there, or take `env_file` out"
        )
    if has_env:
        draft.changed(
            "where both have a variable, the unit takes that of EnvironmentFile=, the task that of `env`", "keep each in one place"
        )
    if len(files) > 1:
        draft.lost(f"a task has one env_file: {', '.join(files[1:])} is left out", "join the files")
