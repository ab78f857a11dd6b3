"""The timers of a host, and on request its daemons, as jobs (`core/foreign/job.py`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torchsync.core.foreign.job import NOT_TRANSLATED, ForeignJob, Found, Origin, Reading, Remark, RemarkKind, SourceHost, reading_of
from torchsync.core.foreign.unitdraft import Draft
from torchsync.core.foreign.unitfile import Unit, instance_of
from torchsync.core.foreign.unitservice import draft_of
from torchsync.core.foreign.unitset import UnitSet, problems_of, unit_sets
from torchsync.core.foreign.unitspecifiers import Naming
from torchsync.core.foreign.unittimer import TimerPart, read_timer
from torchsync.errors import Problem

_READ = (".timer", ".service", ".conf")
_KEPT_RUNNING = ("always", "on-failure", "on-success", "on-abnormal", "on-abort", "on-watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitWishes:
    """What the user asked for beyond the timers of the host itself."""

    packaged: bool = False
    daemons: bool = False
    disabled: bool = False


def read_hosts(hosts: Sequence[SourceHost], wishes: UnitWishes) -> Reading:
    """All jobs of all hosts, and all that is in the way of others."""
    reading = reading_of(found for host in hosts for found in _of_host(host, wishes))
    common = [(Origin(path="systemd"), remark) for remark in _of_all()] if any("schedule" in job.fields for job in reading.jobs) else []
    return replace(reading, remarks=(*common, *reading.remarks))


def _of_host(host: SourceHost, wishes: UnitWishes) -> Iterator[Found]:
    yield from problems_of(host)
    yield from _of_strangers(host)
    for units in unit_sets(host):
        yield from _read_set(units, wishes)


def _of_strangers(host: SourceHost) -> Iterator[tuple[Origin, Remark]]:
    """Files that were named themselves and are no unit of a kind that is read here."""
    for file in host.files:
        if "/" not in file.inner and not file.path.endswith(_READ):
            message = "passed over: its name does not say that it is a timer, a service or a drop-in"
            yield (
                Origin(host=host.name, path=file.path),
                Remark(RemarkKind.LOST, message, "give files their names on the host, such as backup.timer"),
            )


def _read_set(units: UnitSet, wishes: UnitWishes) -> Iterator[Found]:
    timers = list(_names(units, ".timer"))
    left = [name for name in timers if name in units.packaged and not wishes.packaged]
    own = [name for name in timers if name not in left]
    for name in own:
        yield from _timer(units, name, wishes)
    timed = {_service_name(unit) for name in own if (unit := units.unit(name))}
    daemons = [name for name in _names(units, ".service") if name not in timed and name not in units.packaged and _is_daemon(units, name)]
    if wishes.daemons:
        for name in daemons:
            yield from _daemon(units, name, wishes)
    elif daemons:
        message = f"{len(daemons)} services that are kept running are left to systemd: {_few(daemons)}"
        yield _of_set(units), Remark(RemarkKind.KEPT, message, "--with-daemons imports them too")
    if left:
        message = f"{len(left)} timers of packages are left to systemd: {_few(left)}"
        yield _of_set(units), Remark(RemarkKind.KEPT, message, "--with-packaged imports them too")
    if own and units.scope.of_user:
        message = "timers of a user wait only while that user is logged in, or lingers; tasks always"
        yield _of_set(units), Remark(RemarkKind.CHANGED, message, "take out what shall not run without the user")
    yield from ((_of_set(units), remark) for remark in _shared(units, own))


def _of_all() -> Iterator[Remark]:
    """What is different for every timer."""
    message = (
        "a timer without AccuracySec= may start up to a minute late, as systemd likes to do things at once; a task starts at its second"
    )
    yield Remark(RemarkKind.CHANGED, message, "write `jitter` where starts should be spread")
    message = "a time at which a host was suspended is made up for when it wakes, by any timer; by a task with `misfire: latest` only"
    yield Remark(RemarkKind.CHANGED, message, "set it for hosts that sleep")
    message = "a unit has the LANG of /etc/locale.conf, a task LANG=C.UTF-8"
    yield Remark(RemarkKind.CHANGED, message, "`env` sets what a job relies on")


def _shared(units: UnitSet, timers: Sequence[str]) -> Iterator[Remark]:
    """A service runs once at a time, whichever timer starts it; tasks of several timers do not know each other."""
    by_service: dict[str, list[str]] = {}
    for name in timers:
        if (unit := units.unit(name)) and not units.is_masked(name):
            by_service.setdefault(Naming(unit=name).expand(_service_name(unit)), []).append(name)
    for service, names in by_service.items():
        if len(names) > 1:
            message = f"{service} is started by {_few(names)}, and runs once at a time; the tasks of these do not wait for each other"
            yield Remark(RemarkKind.CHANGED, message, "give them a `pool` of one place")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _of_set(units: UnitSet) -> Origin:
    return Origin(host=units.host, path=next(iter(units.files.values())).path)


def _names(units: UnitSet, kind: str) -> Iterator[str]:
    """The units of that kind, templates left out where there are instances of them."""
    found = {name for name in units.files if name.endswith(kind)}
    for template in [name for name in found if name.partition("@")[1] and not instance_of(name)]:
        instances = units.instances(template)
        found.update(instances)
        found -= {template} if instances else set()
    yield from sorted(found)


def _service_name(timer: Unit) -> str:
    return timer.text("Timer", "Unit") or timer.name.removesuffix(".timer") + ".service"


def _timer(units: UnitSet, name: str, wishes: UnitWishes) -> Iterator[Found]:
    timer = units.unit(name)
    if timer is None or units.is_masked(name):
        masked = units.files[name].path if name in units.files else ""
        yield (
            Origin(host=units.host, path=masked),
            Remark(RemarkKind.KEPT, f"{name} is masked, so it is left out", "unmask it to have it imported"),
        )
        return
    if units.is_unreadable(name):
        return
    if name.partition("@")[1] and not instance_of(name):
        yield _refused(units, name, "it is a template, and no instance of it is named here", "name it after one, such as `backup@db.timer`")
        return
    wanted = Naming(unit=name).expand(_service_name(timer))
    service = units.unit(wanted)
    if service is None or units.is_masked(wanted) or units.is_unreadable(wanted) or not wanted.endswith(".service"):
        yield _without_service(units, timer, wanted)
        return
    yield from _jobs(units, timer, service, wishes)


def _jobs(units: UnitSet, timer: Unit, service: Unit, wishes: UnitWishes) -> Iterator[Found]:
    try:
        draft = draft_of(service, Naming(unit=service.name, account=units.scope.account, of_user=units.scope.of_user))
    except ValueError as error:
        yield _untranslated(timer.name, service, error)
        return
    _take_state(draft, units, timer, wishes)
    if "description" not in draft.fields and timer.text("Unit", "Description"):
        draft.fields["description"] = timer.text("Unit", "Description")
    reading = read_timer(timer)
    if len(reading.parts) > 1:
        draft.changed(
            f"{timer.name} says {len(reading.parts)} times that no one schedule has, so it became as many tasks, which do not wait for each other"
        )
    for part in reading.parts:
        yield _job(units, timer, part, draft)
    yield from reading.problems


def _job(units: UnitSet, timer: Unit, part: TimerPart, draft: Draft) -> ForeignJob:
    return ForeignJob(
        origin=Origin(host=units.host, path=part.line.path, line=part.line.line),
        name=timer.name.removesuffix(".timer"),
        fields={**draft.fields, **part.fields},
        zone=part.zone,
        clock=part.clock,
        uncompared=part.uncompared,
        remarks=(*part.remarks, *draft.remarks),
    )


def _take_state(draft: Draft, units: UnitSet, unit: Unit, wishes: UnitWishes) -> None:
    """A unit that nothing pulls in does not run there: its task is imported as disabled, unless it is asked for."""
    is_installed = bool(unit.all("Install", "WantedBy", "RequiredBy", "UpheldBy"))
    if units.enabled is None or unit.name in units.enabled or not is_installed or wishes.disabled:
        return
    draft.fields["enabled"] = False
    draft.changed(f"{unit.name} is not enabled on this host, so the task is not either", "take `enabled: false` out to have it run")


def _is_daemon(units: UnitSet, name: str) -> bool:
    """Whether it is a service, no template, that systemd starts again when it ends."""
    service = units.unit(name)
    is_template = bool(name.partition("@")[1]) and not instance_of(name)
    return service is not None and not is_template and not units.is_masked(name) and service.text("Service", "Restart") in _KEPT_RUNNING


def _daemon(units: UnitSet, name: str, wishes: UnitWishes) -> Iterator[Found]:
    service = units.unit(name)
    assert service is not None
    try:
        draft = draft_of(service, Naming(unit=name, account=units.scope.account, of_user=units.scope.of_user), is_daemon=True)
    except ValueError as error:
        yield _untranslated(name, service, error)
        return
    _take_state(draft, units, service, wishes)
    yield ForeignJob(
        origin=Origin(host=units.host, path=service.path),
        name=name.removesuffix(".service"),
        fields=draft.fields,
        uncompared="a daemon has no instants",
        remarks=tuple(draft.remarks),
    )


def _untranslated(name: str, service: Unit, error: ValueError) -> Problem:
    message = f"{name}: {service.name} cannot be translated: {error}"
    return Problem(code=NOT_TRANSLATED, message=message, path=service.path, hint="correct it, or write the task by hand")


def _without_service(units: UnitSet, timer: Unit, wanted: str) -> Problem:
    if not wanted.endswith(".service"):
        return _refused(units, timer.name, f"it starts {wanted}, which is no service", "write the task by hand")
    if units.is_unreadable(wanted):
        return _refused(units, timer.name, f"its service {wanted} cannot be read", "see that it can be, or write the task by hand")
    if units.is_masked(wanted):
        return _refused(
            units, timer.name, f"its service {wanted} is masked, so the timer starts nothing", "leave it, or unmask it before the import"
        )
    return _refused(units, timer.name, f"its service {wanted} is not among the files", f"name {wanted} too, or the folder that has both")


def _refused(units: UnitSet, name: str, message: str, hint: str) -> Problem:
    file = units.files.get(name) or next(iter(units.files.values()))
    unit = units.unit(name)
    return Problem(code=NOT_TRANSLATED, message=f"{name}: {message}", path=unit.path if unit else file.path, hint=hint)
