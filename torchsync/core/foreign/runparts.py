"""Folders such as /etc/cron.daily, whose scripts run-parts(8) runs: each becomes a task, at the times of the line that calls run-parts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.crontabfile import Crontab, clock_of, job_of
from torchsync.core.foreign.crontabline import CronLine, read_job
from torchsync.core.foreign.crontabsettings import surroundings
from torchsync.core.foreign.job import ForeignJob, Origin, Reading, Remark, RemarkKind, SourceFile
from torchsync.core.jsontext import Json

USUAL_LINES: Mapping[str, str] = MappingProxyType(
    {
        "etc/cron.hourly": "17 * * * * root run-parts /etc/cron.hourly",
        "etc/cron.daily": "25 6 * * * root run-parts /etc/cron.daily",
        "etc/cron.weekly": "47 6 * * 7 root run-parts /etc/cron.weekly",
        "etc/cron.monthly": "52 6 1 * * root run-parts /etc/cron.monthly",
    }
)
"""The folders, and the lines of Debian's /etc/crontab for them."""
_CALL = re.compile(r"\brun-parts\s+(?:-\S+\s+)*/?(?P<folder>[^\s;)}&|]+?)/?(?=[\s;)}&|]|$)")
_LEFT_TO_ANACRON = re.compile(r"(?:test|\[)\s+-x\s+/usr/sbin/anacron\b.*\|\|", re.DOTALL)
_RUN_CRONS = re.compile(r"/run-crons\b")
"""What SUSE and Gentoo start every few minutes: it knows when each of the usual folders is due."""
_STARTS_ANACRON = re.compile(r"(?:^|[\s/;&])anacron(?=\s+-|\s+start\b|\s*$|\s*[;&>])")
_ANACRONS_OWN = "0anacron"
"""The script by which Red Hat starts anacron each hour, and by which Debian tells it that cron has run a folder."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ONE_AFTER_ANOTHER = Remark(
    RemarkKind.CHANGED,
    "run-parts runs the scripts of a folder one after the other; as tasks they start at the same time",
    "give them a `pool` of one place and `overlap: queue`, or `jitter`",
)
_AS_A_WHOLE = Remark(
    RemarkKind.KEPT,
    "run-crons knows when the scripts of /etc/cron.hourly and the like are due, and stays one task",
    "import these folders alone to have a task for each script",
)
_OF_ANACRON = Remark(RemarkKind.KEPT, "left out: it is there for anacron, whose jobs become tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The scripts of one host by their folder (`etc/cron.daily`); `has_anacron`: it has an anacrontab."""

    scripts: Mapping[str, tuple[SourceFile, ...]]
    has_anacron: bool

    def keeps_out(self, script: SourceFile) -> bool:
        """Whether the script is anacron's own."""
        return self.has_anacron and script.inner.endswith(f"/{_ANACRONS_OWN}")


def folders_of(files: Sequence[SourceFile]) -> Folders:
    """What there is of such folders among the files of a host."""
    scripts: dict[str, list[SourceFile]] = {}
    for file in files:
        folder, _, name = file.inner.rpartition("/")
        if folder in USUAL_LINES and name != ".placeholder":
            scripts.setdefault(folder, []).append(file)
    return Folders(
        scripts={folder: tuple(found) for folder, found in scripts.items()},
        has_anacron=any(file.inner == "etc/anacrontab" for file in files),
    )


def expanded(reading: Reading, folders: Folders) -> tuple[Reading, frozenset[str]]:
    """The reading with jobs that call run-parts on a folder at hand replaced by a job for each script, and the folders that were called.

    A folder that is not at hand, and those of run-crons, stay with the one job that runs them. Where anacron is, what a line leaves to it is left
    out, and so is what starts it: its jobs are tasks of their own.
    """
    jobs: list[ForeignJob] = []
    remarks = list(reading.remarks)
    called: set[str] = set()
    for job in reading.jobs:
        command = str(job.fields["command"])
        match = _CALL.search(command)
        folder = match["folder"].lstrip("/") if match else ""
        if folders.has_anacron and _LEFT_TO_ANACRON.search(command) and folder:
            remarks.append((job.origin, Remark(RemarkKind.KEPT, f"left out: it leaves /{folder} to anacron, which is there")))
        elif folders.has_anacron and not folder and _STARTS_ANACRON.search(command):
            remarks.append((job.origin, _OF_ANACRON))
        elif _RUN_CRONS.search(command):
            called.update(folders.scripts)
            remarks.append((job.origin, _AS_A_WHOLE))
            jobs.append(job)
        elif folder in folders.scripts:
            called.add(folder)
            jobs += _scripts(job, folders, folder, remarks)
        else:
            jobs.append(job)
    return replace(reading, jobs=tuple(jobs), remarks=tuple(remarks)), frozenset(called)


def uncalled(folders: Folders, called: frozenset[str], host: str, dialect: Dialect) -> Reading:
    """The scripts of folders for which no file says when: at the times of Debian's /etc/crontab."""
    jobs: list[ForeignJob] = []
    remarks: list[tuple[Origin, Remark]] = []
    for folder, files in folders.scripts.items():
        line = read_job(USUAL_LINES[folder], dialect, has_user=True)
        if folder in called or not isinstance(line, CronLine) or not any(_runs(file) for file in files):
            continue
        message = f"no file says when /{folder} is run, so Debian's usual time is taken: {line.when}"
        remarks.append(
            (Origin(host=host, path=files[0].path.rpartition("/")[0]), Remark(RemarkKind.CHANGED, message, "import etc/crontab too"))
        )
        jobs += _scripts(_usual(line, files[0], host, dialect), folders, folder, remarks)
    return Reading(jobs=tuple(jobs), remarks=tuple(remarks))


def _usual(line: CronLine, file: SourceFile, host: str, dialect: Dialect) -> ForeignJob:
    tab = Crontab(host=host, file=file, dialect=dialect, has_user=True)
    job = job_of(line, surroundings({}, dialect), Origin(host=host, path=file.path), tab)
    return replace(job, clock=clock_of(line.fields))


def _scripts(job: ForeignJob, folders: Folders, folder: str, remarks: list[tuple[Origin, Remark]]) -> Iterator[ForeignJob]:
    """A job for each script that run-parts runs; `remarks` gets the others."""
    files = folders.scripts[folder]
    run = [file for file in files if _runs(file) and not folders.keeps_out(file)]
    if len(run) > 1:
        remarks.append((Origin(host=job.origin.host, path=files[0].path.rpartition("/")[0]), _ONE_AFTER_ANOTHER))
    for file in files:
        origin = Origin(host=job.origin.host, path=file.path)
        name = file.inner.rsplit("/", 1)[-1]
        if folders.keeps_out(file):
            remarks.append((origin, _OF_ANACRON))
            continue
        if file not in run:
            remarks.append((origin, Remark(RemarkKind.LOST, f"run-parts passes it over: {_why_not(name)}")))
            continue
        fields: dict[str, Json] = {name: value for name, value in job.fields.items() if name != "description"}
        yield replace(job, origin=origin, name=name, fields={**fields, "command": f"/{file.inner}", "working_dir": "/"})


def _runs(file: SourceFile) -> bool:
    return file.is_executable and _NAME.fullmatch(file.inner.rsplit("/", 1)[-1]) is not None


def _why_not(name: str) -> str:
    return "it is not executable" if _NAME.fullmatch(name) else "its name has other characters than letters, digits, `_` and `-`"
