"""Tasks of Gotorch as jobs (`core/foreign/job.py`): the documented meaning of its task list, and where the program does something else. Pure.

The list is JSON, an array of `{Command, TaskType, Times, Max, Ips}`; /etc/gotorch.conf names its path. Keys may be written in any case, as Go's
encoding/json has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from posixpath import basename

from torchsync.core.foreign.gotorchjson import Entry, read_entries
from torchsync.core.foreign.gotorchtimes import GotorchTimes, read_times, really_matches, schedule_of
from torchsync.core.foreign.job import (
    NOT_TRANSLATED,
    NOT_UNDERSTOOD,
    UNREADABLE,
    ForeignJob,
    Found,
    Origin,
    Reading,
    Remark,
    RemarkKind,
    SourceFile,
    SourceHost,
    reading_of,
)
from torchsync.core.foreign.refusal import NoEqual, hint_of
from torchsync.core.inventory import Inventory
from torchsync.core.jsontext import Json
from torchsync.errors import Problem

CONF = "etc/gotorch.conf"
_KEYS = {"command": "Command", "tasktype": "TaskType", "times": "Times", "max": "Max", "ips": "Ips"}
_MEANT = {
    "dir": "`working_dir`", "cwd": "`working_dir`", "user": "`user`", "env": "`env`", "timeout": "`timeout`", "name": "the name of the task",
    "logfile": "`torchsync logs`: the output of each run is kept", "log": "`torchsync logs`: the output of each run is kept",
    "mail": "`notify`", "mailto": "`notify`", "desc": "`description`", "description": "`description`",
}  # fmt: skip
_FOR_SHELL = re.compile(r"[\"'`]|\$[A-Za-z_({]|(?:^|\s)(?:\|\|?|&&?|;|[0-9]?>>?|<|[0-9]>&[0-9])(?:\s|$)|(?:^|\s)[0-9]?>>?\S|\S;(?:\s|$)")
_INTERPRETERS = re.compile(r"(?:php|python|perl|ruby|node|java|ba|da|z|k)?(?:sh)?[0-9.]*$")
_MOST_RUNNING = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GotorchWishes:
    """What the task list does not say. `inventory` gives addresses names."""

    user: str = "root"
    folder: str = "/"
    inventory: Inventory = field(default_factory=Inventory)


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A task list of a host, and the shell that its gotorch.conf names."""

    host: str
    file: SourceFile
    shell: str = ""


def read_hosts(hosts: Sequence[SourceHost], wishes: GotorchWishes) -> Reading:
    """All jobs of all hosts, and all that is in the way of others."""
    return reading_of(found for host in hosts for found in _of_host(host, wishes))


def _of_host(host: SourceHost, wishes: GotorchWishes) -> Iterator[Found]:
    confs = [file for file in host.files if _is_conf(file)]
    shell = ""
    for conf in confs:
        settings = _settings(conf)
        shell = settings.get("bash", "")
        yield from _of_conf(host, conf, settings)
    for file in _lists(host, confs):
        if file.fault:
            yield Problem(code=UNREADABLE, message=file.fault, path=file.path, hint="see that it is a text that you may read")
        else:
            yield from _of_list(_List(host=host.name, file=file, shell=shell), wishes)


def _is_conf(file: SourceFile) -> bool:
    return file.path.endswith(".conf") or file.inner == CONF


def _lists(host: SourceHost, confs: Sequence[SourceFile]) -> list[SourceFile]:
    """The list that gotorch.conf names, when it is there; else every file that may be one."""
    named = {_settings(conf).get("tasks", "").lstrip("/") for conf in confs}
    others = [file for file in host.files if not _is_conf(file)]
    found = [file for file in others if file.inner in named]
    return found or [file for file in others if file.path.endswith(".json") or not file.inner or "/" not in file.inner]


def _settings(conf: SourceFile) -> dict[str, str]:
    found = {}
    for line in conf.content.decode("utf-8", "replace").splitlines():
        name, sign, value = line.partition("#")[0].partition("=")
        if sign:
            found[name.strip()] = value.strip()
    return found


def _of_conf(host: SourceHost, conf: SourceFile, settings: Mapping[str, str]) -> Iterator[Found]:
    origin = Origin(host=host.name, path=conf.path)
    tasks = settings.get("tasks", "")
    if not any(file.inner == tasks.lstrip("/") for file in host.files) and not _lists(host, [conf]):
        hint = "copy it from the host and name it as well, as HOST=FILE"
        yield Problem(
            code=NOT_TRANSLATED,
            message=f"the task list {tasks or '(none)'} that it names is not among the files",
            path=conf.path,
            hint=hint,
        )
    if settings.get("mail_to"):
        message = f"mail_to = {settings['mail_to']} was read by Gotorch and never used"
        yield origin, Remark(RemarkKind.LOST, message, "write `notify` into the tasks, or let an alert tell")
    if settings.get("log_dir"):
        yield (
            origin,
            Remark(RemarkKind.CHANGED, f"log_dir = {settings['log_dir']}: `torchsync logs` and `torchsync history` are instead of it"),
        )


def _of_list(source: _List, wishes: GotorchWishes) -> Iterator[Found]:
    file = source.file
    entries, mistakes = read_entries(file.content.decode("utf-8", "replace"))
    for mistake in mistakes:
        yield Problem(
            code=NOT_UNDERSTOOD, message=mistake.message, path=file.path, line=mistake.line, column=mistake.column, hint=mistake.hint
        )
    twice = [command for command, count in Counter(str(_given(entry).get("Command")) for entry in entries).items() if count > 1]
    for entry in entries:
        try:
            yield _job(source, entry, wishes, is_double=str(_given(entry).get("Command")) in twice)
        except ValueError as error:
            hint = hint_of(error, "correct it, or write the task by hand")
            yield Problem(code=NOT_TRANSLATED, message=str(error), path=file.path, line=entry.line, hint=hint)
    if entries:
        yield from _of_all(Origin(host=source.host, path=file.path), wishes)


def _of_all(origin: Origin, wishes: GotorchWishes) -> Iterator[Found]:
    """What holds for every task of a list."""
    account = (
        f"the tasks run as {wishes.user}, in {wishes.folder} and in a clean environment; Gotorch hands on the user, the folder and the environment "
        "that it was started with"
    )
    built = (
        "as built, Gotorch leaves out the last value of `*` (second 59, minute 59, hour 23, day 31, December) and every Sunday; "
        "the tasks run then too"
    )
    killed = "Gotorch kills what runs when its entry changes; a run of torchsync ends by itself"
    yield origin, Remark(RemarkKind.CHANGED, account, "see --gotorch-user and --gotorch-dir, and write `env` where a task needs more")
    yield origin, Remark(RemarkKind.CHANGED, built)
    yield origin, Remark(RemarkKind.CHANGED, killed, "see `on_change`")


def _given(entry: Entry) -> dict[str, Json]:
    """The keys of an entry as Gotorch knows them; the last wins where one is written in two ways."""
    return {_KEYS[key.lower()]: value for key, value in entry.values.items() if key.lower() in _KEYS}


def _job(source: _List, entry: Entry, wishes: GotorchWishes, *, is_double: bool) -> ForeignJob:
    given = _given(entry)
    remarks = list(_of_unknown_keys(entry))
    if is_double:
        remarks.append(
            Remark(RemarkKind.CHANGED, "Gotorch keeps one of several entries with the same Command, the last; each is a task here")
        )
    text = _text(given, "Command").strip()
    command, said = _command(text)
    fields: dict[str, Json] = {"command": command, "user": wishes.user, "working_dir": wishes.folder}
    if isinstance(command, str) and source.shell not in ("", "/bin/sh"):
        fields["shell"] = source.shell
    remarks += said
    is_daemon = _text(given, "TaskType") == "daemon"
    times = None if is_daemon else read_times(_text(given, "Times").strip())
    if times is None:
        remarks += _daemon(fields, _max(given))
    else:
        fields["schedule"] = schedule_of(times)
        fields["max_running"] = _max(given)
        remarks += _really(times)
        remarks += _of_kind(_text(given, "TaskType"))
    remarks += _hosts(fields, given, wishes)
    return ForeignJob(
        origin=Origin(host=source.host, path=source.file.path, line=entry.line),
        name=_name(text),
        fields=fields,
        clock=times,
        uncompared="a daemon has no instants" if is_daemon else "",
        remarks=tuple(remarks),
    )


def _text(given: Mapping[str, Json], key: str) -> str:
    value = given.get(key) or ""
    if not isinstance(value, str):
        raise NoEqual(f"{key}: found `{value}`, expected a text in quotes", "Gotorch ends when it reads this")
    return value


def _max(given: Mapping[str, Json]) -> int:
    value = given.get("Max") or 0
    if not isinstance(value, int) or value > _MOST_RUNNING:
        raise NoEqual(f"Max: found `{value}`, expected a whole number up to {_MOST_RUNNING}", "Gotorch ends when it reads anything else")
    return max(value, 0)


def _of_unknown_keys(entry: Entry) -> Iterator[Remark]:
    for key in entry.values:
        if key.lower() not in _KEYS:
            hint = _MEANT.get(key.lower().replace("_", ""), "")
            yield Remark(RemarkKind.LOST, f"Gotorch does not know `{key}` and passes it over", f"what may be meant: {hint}" if hint else "")


def _command(text: str) -> tuple[Json, list[Remark]]:
    """Gotorch cuts at each single blank and starts the program with the parts. What can only have been meant for a shell goes to one."""
    if not text:
        raise NoEqual("Command is empty", "there is nothing to run; take the entry out")
    if _FOR_SHELL.search(text):
        message = (
            "Command has quotes, variables or operators of a shell: Gotorch hands them on as they stand, the task gives them to the shell"
        )
        return text, [Remark(RemarkKind.CHANGED, message, "make it a list of arguments if they are meant as they stand")]
    words = text.split(" ")
    if "" in words:
        message = "Command has several blanks in a row: Gotorch makes empty arguments of them, the task has none"
        return list[Json](word for word in words if word), [Remark(RemarkKind.CHANGED, message, 'add `""` to the list where one is meant')]
    return list[Json](words), []


def _daemon(fields: dict[str, Json], most: int) -> Iterator[Remark]:
    fields["type"] = "daemon"
    fields["max_running"] = most or 1
    if not most:
        message = "Max is 0: Gotorch starts ten more copies a second, without end; the daemon has one copy"
        yield Remark(RemarkKind.CHANGED, message, "write the number of copies as `max_running`")
    yield Remark(RemarkKind.KEPT, "Times means nothing for a daemon")
    yield Remark(
        RemarkKind.CHANGED,
        "Gotorch starts a copy that ended within a tenth of a second; a daemon waits 1 s, then longer, up to a minute",
        "see `restart`",
    )


def _really(times: GotorchTimes) -> Iterator[Remark]:
    """What the program does with these times, where that is nothing at all."""
    names = [name for name, values in really_matches(times.text) if not values]
    if names:
        fields = dict(zip(("second", "minute", "hour", "day", "week", "month"), times.text.split(), strict=False))
        found = ", ".join(f"{name} `{fields[name]}`" for name in names)
        message = f"as built, Gotorch never started this: {found} never match there, as no number and no range does; now it will run"
        yield Remark(RemarkKind.CHANGED, message, "see that it still should")


def _of_kind(kind: str) -> Iterator[Remark]:
    if kind not in ("", "common", "cron"):
        yield Remark(
            RemarkKind.CHANGED, f"TaskType `{kind}` is none that Gotorch knows, so it is taken for a task with times", "was `daemon` meant?"
        )


def _hosts(fields: dict[str, Json], given: Mapping[str, Json], wishes: GotorchWishes) -> Iterator[Remark]:
    addresses = given.get("Ips") or []
    if not isinstance(addresses, list):
        raise NoEqual(f"Ips: found `{addresses}`, expected a list of addresses", "Gotorch ends when it reads this")
    found = [str(address).strip() for address in addresses]
    for address in found:
        _check_address(address)
    if not found:
        return
    names = {address: _name_of(address, wishes.inventory) for address in found}
    fields["hosts"] = list[Json](dict.fromkeys(names[address] or address for address in found))
    unnamed = [address for address in found if not names[address]]
    if len(unnamed) < len(found):
        told = ", ".join(f"{address} is {name}" for address, name in names.items() if name)
        yield Remark(RemarkKind.KEPT, f"Ips became names by the inventory: {told}")
    if unnamed:
        message = f"Ips is by address: a host runs the task when {' or '.join(unnamed)} is one of its own"
        yield Remark(RemarkKind.CHANGED, message, "names are easier to read: give --gotorch-inventory hosts.yaml")


def _check_address(address: str) -> None:
    try:
        ip_address(address)
    except ValueError:
        raise NoEqual(
            f"Ips: `{address}` is not an address, so no host of Gotorch ever ran it", "write the address, or take it out"
        ) from None


def _name_of(address: str, inventory: Inventory) -> str:
    wanted = ip_address(address)
    for name, entry in sorted(inventory.hosts.items()):
        if any(ip_address(own) == wanted for own in entry.addresses or ()):
            return name
    return ""


def _name(command: str) -> str:
    """The program, or the script that an interpreter is given."""
    words = [word for word in command.split() if word]
    first = basename(words[0])
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    chosen = basename(script) if script and first and _INTERPRETERS.fullmatch(first) else first
    return re.sub(r"\.(?:sh|php|py|pl|rb|js|jar)$", "", chosen)
