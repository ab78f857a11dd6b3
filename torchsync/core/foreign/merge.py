"""Tasks out of the jobs of several hosts: what is equal becomes one, and each gets a name of its own. Pure.

Jobs are equal when every field is, descriptions aside: the comment above a line often differs where the line does not. The zone of a host is no
part of that: equal jobs of hosts in different zones are one task with `timezone: local`. So are jobs of hosts whose zone is not known.

The same files give the same names in whatever order they are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torchsync.core.foreign.job import ForeignJob, Remark, RemarkKind
from torchsync.core.jsontext import Json, canonical
from torchsync.core.model import TaskName

LOCAL = "local"
_LONGEST_NAME = 63
_UNNAMED = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTask:
    """A task, and the jobs it stands for. `fields` are complete; `zones` are those in which `jobs` are judged, by host name, empty where unknown."""

    name: TaskName
    fields: Mapping[str, Json]
    jobs: tuple[ForeignJob, ...]
    zones: Mapping[str, str]
    remarks: tuple[Remark, ...] = ()


def merged(jobs: Iterable[ForeignJob], zones: Mapping[str, str]) -> tuple[ImportedTask, ...]:
    """The tasks, by name. `zones` are those of the hosts, as far as they are known; hosts that the jobs name themselves stay as they are."""
    groups: dict[str, list[ForeignJob]] = {}
    known = [(job.origin, _sameness(job), job) for job in jobs]
    for _, sameness, job in sorted(known, key=lambda one: one[:2]):
        groups.setdefault(sameness, []).append(job)
    tasks = [_task(group, zones) for group in groups.values()]
    return tuple(sorted(_named(tasks), key=lambda task: task.name))


def slug(text: str) -> str:
    """`text` as a task name may be written: lower-case letters, digits and `._-`."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return plain[:_LONGEST_NAME].strip("._-") or _UNNAMED


def _sameness(job: ForeignJob) -> str:
    """What equal jobs share."""
    fields = {name: value for name, value in job.fields.items() if name != "description"}
    return canonical([slug(job.name), job.zone, fields])


def _task(jobs: Sequence[ForeignJob], zones: Mapping[str, str]) -> ImportedTask:
    first = jobs[0]
    fields: dict[str, Json] = dict(first.fields)
    if not fields.get("description"):
        text = next((text for job in jobs if (text := job.fields.get("description"))), "")
        fields |= {"description": text} if text else {}
    hosts = sorted({job.origin.host for job in jobs})
    if "hosts" not in fields and all(hosts):
        fields["hosts"] = list(hosts)
    judged = {job.origin.host: job.zone or zones.get(job.origin.host, "") for job in jobs}
    if "schedule" in fields and _goes_by_zone(str(fields["schedule"])):
        fields["timezone"] = first.zone or _common(judged.values())
    remarks = dict.fromkeys(remark for job in jobs for remark in job.remarks)
    return ImportedTask(name=TaskName(slug(first.name)), fields=fields, jobs=tuple(jobs), zones=judged, remarks=(*remarks, *_doubles(jobs)))


def _goes_by_zone(schedule: str) -> bool:
    return not schedule.startswith(("@startup", "@every"))


def _common(zones: Iterable[str]) -> str:
    found = set(zones)
    return found.pop() or LOCAL if len(found) == 1 else LOCAL


def _doubles(jobs: Sequence[ForeignJob]) -> Iterator[Remark]:
    """A host that has the same job twice starts it twice at each instant; the task starts once."""
    for host, number in Counter(job.origin.host for job in jobs).items():
        if number > 1:
            places = " and ".join(str(job.origin) for job in jobs if job.origin.host == host)
            yield Remark(
                RemarkKind.CHANGED,
                f"the same job stands {number} times, at {places}, and becomes one task",
                "where it is to run several times at once, add the task again under another name",
            )


def _named(tasks: Sequence[ImportedTask]) -> Iterator[ImportedTask]:
    """The tasks under names of their own: where several would have the same, with the user, the host or a number behind it."""
    by_name: dict[TaskName, list[ImportedTask]] = {}
    for task in tasks:
        by_name.setdefault(task.name, []).append(task)
    taken = set(by_name)
    for name, group in by_name.items():
        for task, own in zip(group, _apart(name, group, taken), strict=True):
            yield replace(task, name=own)


def _apart(name: TaskName, group: Sequence[ImportedTask], taken: set[TaskName]) -> list[TaskName]:
    if len(group) == 1:
        return [name]
    for marks in (_users(group), _hosts(group)):
        names = [_with(name, mark) for mark in marks]
        if all(marks) and len(set(names)) == len(names) and not taken & set(names):
            taken |= set(names)
            return names
    return [name, *_numbered(name, len(group) - 1, taken)]


def _users(group: Sequence[ImportedTask]) -> list[str]:
    return [str(task.fields.get("user", "")) for task in group]


def _hosts(group: Sequence[ImportedTask]) -> list[str]:
    """The one host of each task; nothing for a task of several."""
    return [next(iter(task.zones)) if len(task.zones) == 1 else "" for task in group]


def _numbered(name: TaskName, count: int, taken: set[TaskName]) -> Iterator[TaskName]:
    number = 1
    for _ in range(count):
        number += 1
        while _with(name, str(number)) in taken:
            number += 1
        taken.add(_with(name, str(number)))
        yield _with(name, str(number))


def _with(name: TaskName, mark: str) -> TaskName:
    end = slug(mark)[: _LONGEST_NAME // 2]
    return TaskName(f"{name[: _LONGEST_NAME - len(end) - 1].rstrip('._-')}-{end}".rstrip("._-"))
