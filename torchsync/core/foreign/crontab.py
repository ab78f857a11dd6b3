"""The files of cron and anacron of any number of hosts, as jobs. Pure.

What a file is goes by where it lies on its host, else by what the user says of it, else by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from torchsync.core.foreign.anacrontab import read_anacrontab
from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.crontabfile import Crontab, read_crontab
from torchsync.core.foreign.crontabline import CronLine, read_job, read_setting
from torchsync.core.foreign.job import ForeignJob, Origin, Reading, Remark, RemarkKind, SourceFile, SourceHost
from torchsync.core.foreign.runparts import USUAL_LINES, expanded, folders_of, uncalled

WANTED = (
    "etc/crontab",
    "etc/cron.d/",
    "etc/anacrontab",
    *(f"{folder}/" for folder in USUAL_LINES),
    "var/spool/cron/crontabs/",
    "var/spool/cron/tabs/",
    "var/spool/cron/",
)
"""Where these files lie on a host: Debian's, SUSE's and Red Hat's places."""
_CRONIE_SPOOLS = ("var/spool/cron/tabs", "var/spool/cron")
_SPOOLS = ("var/spool/cron/crontabs", *_CRONIE_SPOOLS)
_CRONIE_LINE = re.compile(rb"^\s*(?:(?:[\d*,/-]+\s+){0,4}\d*~\d*[ \t]|-[\d*@])", re.MULTILINE)
"""A time that is drawn by lot, or a `-` in front."""
_DEBIAN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CRONIE_NAME = re.compile(r"(?![.#]).*(?<!~)(?<!\.rpmsave)(?<!\.rpmorig)(?<!\.rpmnew)")
_USER = re.compile(r"[a-z_][a-z0-9_-]*\$?")
_USERS = frozenset({"root", "www-data", "nobody", "daemon", "postgres", "nginx", "apache", "deploy", "ubuntu", "debian"})
"""Users that many hosts have, and that no program is named for."""


class CrontabKind(Enum):
    """What a file is, where its place does not tell."""

    USER = "user"
    SYSTEM = "system"
    ANACRON = "anacron"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabOptions:
    """What the user says of the files; `user` and `kind` are for those whose place does not tell, `dialect` is for hosts that do not."""

    kind: CrontabKind | None = None
    user: str = ""
    dialect: Dialect | None = None
    keeps_disabled: bool = False


def read_hosts(hosts: Sequence[SourceHost], options: CrontabOptions) -> Reading:
    """All jobs of all hosts, and what became of everything else."""
    readings = [_read_host(host, options) for host in hosts]
    jobs = tuple(job for reading in readings for job in reading.jobs)
    return Reading(
        jobs=jobs,
        problems=tuple(problem for reading in readings for problem in reading.problems),
        remarks=(*((Origin(path="cron"), remark) for remark in _of_all(jobs)), *(told for reading in readings for told in reading.remarks)),
    )


def _read_host(host: SourceHost, options: CrontabOptions) -> Reading:
    dialect = options.dialect or _dialect(host.files)
    folders = folders_of(host.files)
    readings = []
    called: frozenset[str] = frozenset()
    for file in host.files:
        if file.inner.rpartition("/")[0] not in USUAL_LINES:
            reading, more = expanded(_read_file(host.name, file, dialect, options), folders)
            readings.append(reading)
            called |= more
    readings.append(uncalled(folders, called, host.name, dialect))
    return Reading(
        jobs=tuple(job for reading in readings for job in reading.jobs),
        problems=tuple(problem for reading in readings for problem in reading.problems),
        remarks=tuple(told for reading in readings for told in reading.remarks),
    )


def _dialect(files: Sequence[SourceFile]) -> Dialect:
    """cronie, where a file lies as only Red Hat and SUSE have it, or a line is written as only cronie takes it; else Debian's cron."""
    at_home = any(
        file.inner == "etc/cron.d/0hourly" or (not file.fault and file.inner.rpartition("/")[0] in _CRONIE_SPOOLS) for file in files
    )
    is_its_own = any(_CRONIE_LINE.search(file.content) for file in files)
    return Dialect.CRONIE if at_home or is_its_own else Dialect.DEBIAN


def _read_file(host: str, file: SourceFile, dialect: Dialect, options: CrontabOptions) -> Reading:
    folder, _, name = file.inner.rpartition("/")
    tab = Crontab(host=host, file=file, dialect=dialect, keeps_disabled=options.keeps_disabled)
    if folder == "etc/cron.d":
        taken = _DEBIAN_NAME if dialect is Dialect.DEBIAN else _CRONIE_NAME
        return read_crontab(replace(tab, has_user=True)) if taken.fullmatch(name) else _passed_over(host, file, name)
    if file.inner == "etc/crontab":
        return read_crontab(replace(tab, has_user=True))
    if file.inner == "etc/anacrontab":
        return read_anacrontab(host, file)
    if folder in _SPOOLS:
        return read_crontab(replace(tab, user=name))
    return _read_unplaced(tab, options)


def _read_unplaced(tab: Crontab, options: CrontabOptions) -> Reading:
    kind = options.kind or (CrontabKind.USER if options.user else _guessed(tab.file))
    match kind:
        case CrontabKind.ANACRON:
            return read_anacrontab(tab.host, tab.file)
        case CrontabKind.SYSTEM:
            reading = read_crontab(replace(tab, has_user=True))
        case CrontabKind.USER:
            reading = read_crontab(replace(tab, user=options.user))
    return replace(reading, remarks=(*reading.remarks, *_guesses(tab, reading, kind, options)))


def _guesses(tab: Crontab, reading: Reading, kind: CrontabKind, options: CrontabOptions) -> Iterator[tuple[Origin, Remark]]:
    origin = Origin(host=tab.host, path=tab.file.path)
    if not reading.jobs:
        return
    if options.kind is None and not options.user:
        other = "user" if kind is CrontabKind.SYSTEM else "system"
        yield origin, Remark(RemarkKind.KEPT, f"taken for a {kind.value} crontab by its content", f"--kind {other} if it is not")
    if kind is CrontabKind.USER and not options.user:
        yield (
            origin,
            Remark(
                RemarkKind.CHANGED, "nobody says whose crontab it is, so its tasks run as the default user of the host", "give --user NAME"
            ),
        )


def _guessed(file: SourceFile) -> CrontabKind:
    """By name, by the heading that Debian puts on system crontabs, and by whether the sixth word of the jobs is a user."""
    text = file.content.decode("latin-1")
    if file.path.rsplit("/", 1)[-1] == "anacrontab":
        return CrontabKind.ANACRON
    if re.search(r"^#\s*m\s+h\s+dom\s+mon\s+dow\s+user\b", text, re.MULTILINE):
        return CrontabKind.SYSTEM
    lines = [line.strip() for line in text.splitlines()]
    jobs = [read_job(line, Dialect.CRONIE, has_user=True) for line in lines if line and not line.startswith("#") and not read_setting(line)]
    users = [job.user for job in jobs if isinstance(job, CronLine)]
    is_system = len(users) == len(jobs) and all(map(_USER.fullmatch, users)) and not _USERS.isdisjoint(users)
    return CrontabKind.SYSTEM if is_system else CrontabKind.USER


def _passed_over(host: str, file: SourceFile, name: str) -> Reading:
    if name == ".placeholder":
        return Reading()
    remark = Remark(
        RemarkKind.LOST, f"cron passes over a file named {name}, and so does the import", "rename it, and import it, if it shall run"
    )
    return Reading(remarks=((Origin(host=host, path=file.path), remark),))


def _of_all(jobs: Sequence[ForeignJob]) -> Iterator[Remark]:
    """What is different for every job."""
    if not jobs:
        return
    yield Remark(
        RemarkKind.CHANGED,
        "cron mails what a job prints; torchsync keeps it with the run",
        "`torchsync logs TASK` shows it, `notify` tells of failures",
    )
    yield Remark(
        RemarkKind.CHANGED,
        "cron starts a job while an earlier run of it still goes on; a task skips that fire, and says so",
        "`max_running: 0` lets runs overlap, `overlap: queue` lets them wait",
    )
    if any(job.fields.get("working_dir") == "~" for job in jobs):
        yield Remark(
            RemarkKind.CHANGED,
            "where the home of a user is not there, as that of nobody, Debian's cron starts the job in /var/spool/cron; a task does not start",
            "`working_dir: /` for such users",
        )
    if any("PATH" not in _env(job) for job in jobs):
        yield Remark(
            RemarkKind.CHANGED,
            "where a crontab sets no PATH, cron has /usr/bin:/bin, and a task looks into /usr/local/sbin, /usr/local/bin, /usr/sbin and /sbin too; "
            "a task has LANG=C.UTF-8, SHELL is that of its user, and variables of /etc/environment are not set",
            "`env` sets what a job relies on",
        )
    users = sorted({str(job.fields["user"]) for job in jobs if "user" in job.fields})
    if users:
        yield Remark(
            RemarkKind.CHANGED,
            f"the tasks run as {', '.join(users[:10])}{' and others' if len(users) > 10 else ''}, which each host has to allow",
            "`policy.users` of its agent.yaml, and `policy.allow_root` for root",
        )


def _env(job: ForeignJob) -> dict[str, object]:
    env = job.fields.get("env")
    return dict(env) if isinstance(env, dict) else {}
