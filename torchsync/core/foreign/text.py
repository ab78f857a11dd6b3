"""The text of task files and of hosts.yaml as an import writes them. Pure.

Texts are written plain where nobody could take them for something else, else in double quotes as JSON has them, which YAML 1.2 reads alike.
A file stays below the limits of a task file (`core/yamltext.py`): more tasks make more files.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from torchsync.core.address import is_address
from torchsync.core.foreign.job import RemarkKind
from torchsync.core.foreign.merge import ImportedTask
from torchsync.core.jsontext import Json

_MODELINE = "# yaml-language-server: $schema=../schemas/task.schema.json"
_MOST_BYTES = 60_000
_MOST_TASKS = 150
_PLAIN = re.compile(r"[A-Za-z/~][A-Za-z0-9_./~@+=-]*(?: [A-Za-z0-9_./~@+=-]+)*")
_TAKEN = {"true", "false", "null", "y", "n", "yes", "no", "on", "off", "~"}
_ORDER = (
    "description", "owner", "enabled", "type", "schedule", "timezone", "jitter", "command", "shell", "working_dir", "user", "group", "umask",
    "env", "env_file", "hosts",
)  # fmt: skip


def task_files_text(tasks: Sequence[ImportedTask], heading: Sequence[str]) -> tuple[str, ...]:
    """The tasks, in their order, as the texts of as few task files as may be; none without tasks. `heading` goes on top of each, as comments."""
    return tuple(_file(part, heading) for part in _parts(tasks))


def hosts_text(zones: Mapping[str, str], heading: Sequence[str]) -> str:
    """The text of a hosts.yaml with these hosts and their zones."""
    lines = [f"# {line}" for line in heading]
    lines += ["version: 1", "hosts:"]
    lines += [f"  {scalar(host)}: {scalar(_host(host, zone))}" for host, zone in sorted(zones.items())]
    return "\n".join(lines) + "\n"


def _host(name: str, zone: str) -> dict[str, Json]:
    """What is known of a host; one that is named by its address is selected by that."""
    address: dict[str, Json] = {"addresses": [name]} if is_address(name) else {}
    return address | ({"timezone": zone} if zone else {})


def scalar(value: Json) -> str:
    """`value` on one line, as YAML 1.2 and JSON readers with YAML rules take it."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _TAKEN:
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar(key)}: {scalar(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parts(tasks: Sequence[ImportedTask]) -> Iterator[Sequence[ImportedTask]]:
    start = size = 0
    for index, task in enumerate(tasks):
        length = len("\n".join(_task_lines(task, "")).encode())
        if index > start and (size + length > _MOST_BYTES or index - start >= _MOST_TASKS):
            yield tasks[start:index]
            start, size = index, 0
        size += length
    if tasks:
        yield tasks[start:]


def _file(tasks: Sequence[ImportedTask], heading: Sequence[str]) -> str:
    zone = _usual_zone(tasks)
    lines = [_MODELINE, *(f"# {line}".rstrip() for line in heading), "version: 1"]
    if zone:
        lines += ["defaults:", f"  timezone: {scalar(zone)}"]
    lines.append("tasks:")
    for task in tasks:
        lines += _task_lines(task, zone)
    return "\n".join(lines) + "\n"


def _usual_zone(tasks: Sequence[ImportedTask]) -> str:
    zones = Counter(str(task.fields["timezone"]) for task in tasks if "timezone" in task.fields)
    return min(zones, key=lambda zone: (-zones[zone], zone)) if zones else ""


def _task_lines(task: ImportedTask, usual_zone: str) -> Iterator[str]:
    yield f"  {scalar(task.name)}:"
    origins = [f"{job.origin.host}: {job.origin}" if job.origin.host else str(job.origin) for job in task.jobs]
    yield f"    # from {_comment(_few(origins))}"
    for remark in task.remarks:
        if remark.kind is not RemarkKind.KEPT:
            yield f"    # {remark.kind.value}: {_comment(remark.message)}"
    for name, value in sorted(task.fields.items(), key=_place):
        if name != "timezone" or value != usual_zone:
            yield from _field_lines(name, value)


def _place(field: tuple[str, Json]) -> tuple[int, str]:
    name = field[0]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER), name


def _field_lines(name: str, value: Json) -> Iterator[str]:
    if isinstance(value, dict) and len(value) > 1:
        yield f"    {name}:"
        yield from (f"      {scalar(key)}: {scalar(item)}" for key, item in value.items())
    elif isinstance(value, str) and _is_block(value):
        yield f"    {name}: |"
        yield from (f"      {line}".rstrip() for line in value.splitlines())
    else:
        yield f"    {name}: {scalar(value)}"


def _is_block(text: str) -> bool:
    """Lines that can stand as they are below a `|`."""
    lines = text.split("\n")
    is_plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return is_plain and len(lines) > 2 and not lines[-1] and lines[-2] != "" and lines[0][:1] not in ("", " ")


def _few(places: Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(places[:3]) + more


def _comment(text: str) -> str:
    """`text` as the rest of a comment: on one line, without what a YAML file must not hold."""
    return "".join(character if character.isprintable() else "?" for character in text)[:300]
