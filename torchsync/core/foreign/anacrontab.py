"""anacrontab(5): jobs that are to run every so many days, whenever the host is up. Pure.

anacron has no instants. It is started once an hour or a day, looks at how many days ago each job ran, and starts what is due, `delay` minutes
later. A task has an instant, and `misfire: latest` makes up for the newest one that the host slept through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.crontabfile import decoded
from torchsync.core.foreign.crontabname import program_of
from torchsync.core.foreign.crontabsettings import SECRET, has_secret, surroundings
from torchsync.core.foreign.job import NOT_UNDERSTOOD, ForeignJob, Origin, Reading, Remark, RemarkKind, SourceFile
from torchsync.core.jsontext import Json
from torchsync.errors import Problem

_SETTING = re.compile(r"[ \t]*(?P<name>[^ \t=]+)[ \t]*=(?P<value>.*)")
_JOB = re.compile(r"[ \t]*(?P<period>[0-9]+|@[a-z]+)[ \t]+(?P<delay>[0-9]+)[ \t]+(?P<name>[^ \t/]+)[ \t]+(?P<command>[^ \t].*)")
_DAYS: Mapping[str, str] = MappingProxyType(
    {
        "1": "* * *", "@daily": "* * *", "7": "* * 0", "@weekly": "* * 0", "30": "1 * *", "31": "1 * *", "@monthly": "1 * *",
        "365": "1 1 *", "@yearly": "1 1 *", "@annually": "1 1 *",
    }
)  # fmt: skip
"""The last three fields for a period."""
_USUAL_START = 7
_LONGEST_PERIOD = 366
_OWN = ("START_HOURS_RANGE", "RANDOM_DELAY", "PREFERRED_HOUR", "NO_MAIL_OUTPUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    period: str
    delay: int
    name: str
    command: str


def read_anacrontab(host: str, file: SourceFile) -> Reading:
    """All of its jobs, run as root in `/`, and the lines that are none."""
    text, told, problem = decoded(file)
    if problem is not None:
        return Reading(problems=(problem,))
    settings: dict[str, str] = {}
    jobs: list[ForeignJob] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.replace("\\\n", " \n").split("\n"), 1):
        job, setting = _JOB.fullmatch(line), _SETTING.fullmatch(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if setting:
            settings[setting["name"]] = setting["value"].strip()
        elif job and (job["period"] in _DAYS or (job["period"].isdecimal() and 0 < int(job["period"]) <= _LONGEST_PERIOD)):
            found = _Line(period=job["period"], delay=int(job["delay"]), name=job["name"], command=job["command"].strip())
            jobs.append(_job(found, settings, Origin(host=host, path=file.path, line=number)))
        else:
            hint = "a job is a period in days or `@daily` and the like, a delay in minutes, a name and a command"
            problems.append(
                Problem(code=NOT_UNDERSTOOD, message=f"anacron does not take {line[:80]!r}", path=file.path, line=number, hint=hint)
            )
    origin = Origin(host=host, path=file.path)
    return Reading(jobs=tuple(jobs), problems=tuple(problems), remarks=tuple((origin, remark) for remark in told))


def _job(line: _Line, settings: Mapping[str, str], origin: Origin) -> ForeignJob:
    around = surroundings({name: value for name, value in settings.items() if name not in _OWN}, Dialect.DEBIAN)
    start = _start(settings)
    schedule, is_every = _schedule(line, start)
    fields: dict[str, Json] = {**around.fields, "schedule": schedule, "command": line.command, "misfire": "latest", "user": "root"}
    fields["working_dir"] = "/"
    if settings.get("RANDOM_DELAY", "").isdecimal() and int(settings["RANDOM_DELAY"]):
        fields["jitter"] = f"{int(settings['RANDOM_DELAY'])}m"
    name = line.name if line.name not in ("cron.daily", "cron.weekly", "cron.monthly") else program_of(line.command, line.name)
    return ForeignJob(
        origin=origin,
        name=name,
        fields=fields,
        uncompared="anacron counts days since the last run, and has no instants",
        remarks=(*around.remarks, *_remarks(line, settings, is_every=is_every)),
    )


def _start(settings: Mapping[str, str]) -> int:
    hours = re.fullmatch(r"([0-9]+)-([0-9]+)", settings.get("START_HOURS_RANGE", "").strip())
    return min(int(hours[1]), 23) if hours else _USUAL_START


def _schedule(line: _Line, start: int) -> tuple[str, bool]:
    """The schedule, and whether it is one of every so many days."""
    days = _DAYS.get(line.period)
    if days is None:
        return f"@every {line.period}d", True
    minute = min(start * 60 + 30 + line.delay, 23 * 60 + 59)
    return f"{minute % 60} {minute // 60} {days}", False


def _how_often(period: str) -> str:
    if period == "1":
        return "every day"
    return f"every {period} days" if period.isdecimal() else f"by {period}"


def _remarks(line: _Line, settings: Mapping[str, str], *, is_every: bool) -> Iterator[Remark]:
    where = "counted from 1970, at midnight UTC" if is_every else "at a fixed time, the delay included"
    yield Remark(
        RemarkKind.CHANGED,
        f"anacron runs it {_how_often(line.period)}, counted from its last run, once the host is up; the task has an instant {where}, and "
        "`misfire: latest` runs the newest one that was missed",
        "choose the time",
    )
    if "START_HOURS_RANGE" in settings:
        message = (
            f"START_HOURS_RANGE={settings['START_HOURS_RANGE']} is the hour of the instant only; what was missed is made up at any hour"
        )
        yield Remark(RemarkKind.LOST, message)
    if "PREFERRED_HOUR" in settings:
        yield Remark(RemarkKind.LOST, "PREFERRED_HOUR was not used", "choose the time")
    if has_secret(line.command):
        yield SECRET
