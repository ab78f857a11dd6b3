"""A crontab, line by line, as jobs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from torchsync.core.cron import CronSchedule, parse_schedule, shortest_gap
from torchsync.core.foreign.crontabclock import CrontabClock
from torchsync.core.foreign.crontabcomment import description_of, is_boilerplate, name_of
from torchsync.core.foreign.crontabfield import CronField, Dialect
from torchsync.core.foreign.crontabline import CronLine, LineFault, Setting, read_job, read_setting, with_input
from torchsync.core.foreign.crontabname import program_of
from torchsync.core.foreign.crontabsettings import SECRET, Surroundings, has_secret, surroundings
from torchsync.core.foreign.job import (
    NOT_TRANSLATED,
    NOT_UNDERSTOOD,
    UNREADABLE,
    ForeignJob,
    Origin,
    Reading,
    Remark,
    RemarkKind,
    SourceFile,
)
from torchsync.core.jsontext import Json
from torchsync.errors import Problem

_LONGEST_COMMAND = 998
_MOST_LINES = 10_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BACKGROUND = re.compile(r"(?<![&>\\])&\s*(?:#[^'\"]*)?$")
_POSIX_SHELL = re.compile(r".*/(?:sh|bash|dash|ksh|zsh|ash|busybox)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """A crontab, and how it is to be read. `user` is whose it is, where that is known; `has_user`: each line names its user."""

    host: str
    file: SourceFile
    dialect: Dialect
    user: str = ""
    has_user: bool = False
    keeps_disabled: bool = False


def read_crontab(tab: Crontab) -> Reading:
    """All of its jobs, and everything that could not become one."""
    text, remarks, problem = decoded(tab.file)
    if problem is not None:
        return Reading(problems=(problem,))
    origin = Origin(host=tab.host, path=tab.file.path)
    reader = _Reader(tab=tab, refused=list(_odd_lines(tab.file.content)))
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    why = _why_ignored(reader, lines)
    jobs = tuple(_never_run(job, f"{tab.file.path}, since {why}") if why else job for job in reader.jobs)
    cut = [_idle("its last line, since no newline ends it")] if jobs and not why and lines[-1].strip() else []
    told = ((origin, remark) for remark in (*remarks, *cut))
    return Reading(jobs=jobs, problems=tuple(reader.problems), remarks=(*told, *reader.remarks))


def decoded(file: SourceFile) -> tuple[str, list[Remark], Problem | None]:
    """The text of the file with plain line ends, what is odd about it, and the problem (TS172) with a file that has no text."""
    fault = file.fault or ("holds NUL bytes, so it is no text" if b"\0" in file.content else "")
    if fault:
        hint = (
            "read it as root, or copy it from the host as root"
            if fault.startswith("cannot be read")
            else "name a file that holds a crontab"
        )
        return "", [], Problem(code=UNREADABLE, message=fault, path=file.path, hint=hint)
    remarks = []
    if file.content.startswith(_BYTE_ORDER_MARK):
        remarks.append(
            Remark(RemarkKind.CHANGED, "it begins with a byte order mark, so cron does not take its first line; the import does")
        )
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = file.content.decode("latin-1")
        remarks.append(
            Remark(
                RemarkKind.CHANGED,
                "it is not UTF-8 and was read as Latin-1; commands are UTF-8 from now on",
                "look at umlauts and the like",
            )
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        remarks.append(Remark(RemarkKind.CHANGED, "its lines end with CR LF; cron passes the CR on to the command, a task does without"))
    return text, remarks, None


def _odd_lines(content: bytes) -> Iterator[int]:
    """Lines that say nothing and that cron does not take: a byte order mark in front, a CR and nothing else."""
    if content.startswith(_BYTE_ORDER_MARK):
        yield 1
    yield from (number for number, line in enumerate(content.split(b"\n"), 1) if line.strip(b" \t") == b"\r")


def _why_ignored(reader: _Reader, lines: list[str]) -> str:
    """Why Debian's cron ignores the whole file (measured), in a few words; empty where it does not. cronie passes over single lines only."""
    if reader.tab.dialect is not Dialect.DEBIAN:
        return ""
    if refused := sorted(set(reader.refused)):
        which = ", ".join(map(str, refused[:5])) + (" and others" if len(refused) > 5 else "")
        return f"it does not take line{'s' if len(refused) > 1 else ''} {which}"
    if lines[-1].strip():
        return "no newline ends its last line"
    return f"it has more than {_MOST_LINES:,} lines" if len(lines) > _MOST_LINES else ""


def _never_run(job: ForeignJob, what: str) -> ForeignJob:
    """The job of a file that cron ignores: there is nothing that its instants could be the same as."""
    return replace(job, clock=None, uncompared="cron ignores its file, and never starts it", remarks=(_idle(what), *job.remarks))


def _idle(what: str) -> Remark:
    return Remark(RemarkKind.CHANGED, f"cron ignores {what}; this never ran there, and now it will", "take it out if it shall not run")


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Goes through the lines from the top: settings hold for what stands below them, comments for the job right below them. `refused` are the
    numbers of the lines that cron does not take.
    """

    tab: Crontab
    settings: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    jobs: list[ForeignJob] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[tuple[Origin, Remark]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def take(self, number: int, line: str) -> None:
        text = line.strip(" \t")
        if not text:
            self.comments = []
        elif text.startswith("#"):
            self._comment(number, text[1:])
        elif setting := read_setting(line):
            self._setting(number, line, setting)
        else:
            self._job(number, line.lstrip(" \t"))

    def _setting(self, number: int, line: str, setting: Setting) -> None:
        self.settings[setting.name] = setting.value
        self.comments = []
        if self.tab.dialect is Dialect.DEBIAN and not setting.value and line.rstrip().endswith("="):
            message = f"Debian's cron does not take {setting.name}= with nothing behind it; the import takes it for an empty value"
            self._fault(number, LineFault(message, f'write {setting.name}=""'))

    def _fault(self, number: int, fault: LineFault, code: str = NOT_UNDERSTOOD) -> None:
        self.problems.append(fault.problem(code, self.tab.file.path, number))
        if fault.by_cron:
            self.refused.append(number)

    def _comment(self, number: int, text: str) -> None:
        if self._is_job(text.strip()):
            self._disabled(number, text.strip())
        else:
            self.comments.append(text)

    def _is_job(self, text: str) -> bool:
        if is_boilerplate(text):
            return False
        found = read_job(text, self.tab.dialect, has_user=self.tab.has_user)
        return isinstance(found, CronLine) and re.match(r"[\w./~$({\[]", found.command) is not None

    def _disabled(self, number: int, text: str) -> None:
        if self.tab.keeps_disabled:
            self._job(number, text, {"enabled": False})
            return
        origin = Origin(host=self.tab.host, path=self.tab.file.path, line=number)
        self.remarks.append(
            (
                origin,
                Remark(
                    RemarkKind.LOST, f"a job that is commented out: {_short(text)}", "--disabled imports such jobs with `enabled: false`"
                ),
            )
        )

    def _job(self, number: int, text: str, more: Mapping[str, Json] | None = None) -> None:
        found = read_job(text, self.tab.dialect, has_user=self.tab.has_user)
        if isinstance(found, LineFault):
            self._fault(number, replace(found, message=f"{found.message}: {_short(text)}"))
            return
        around = surroundings(self.settings, self.tab.dialect)
        if found.stdin is not None and not _POSIX_SHELL.fullmatch(around.shell):
            fault = LineFault(
                f"a `%` gives the command its input, which can be written for POSIX shells only, and SHELL is {around.shell}",
                "write a script",
                by_cron=False,
            )
            self._fault(number, fault, NOT_TRANSLATED)
            return
        if not more and self.tab.dialect is Dialect.DEBIAN and len(found.command) > _LONGEST_COMMAND:
            self.refused.append(number)
        origin = Origin(host=self.tab.host, path=self.tab.file.path, line=number)
        job = job_of(found, around, origin, self.tab)
        extra = {"description": description_of(self.comments), **(more or {})}
        fields = {**{name: value for name, value in extra.items() if value != ""}, **job.fields}
        self.jobs.append(replace(job, fields=fields, name=name_of(self.comments) or job.name))
        self.comments = []


def job_of(line: CronLine, around: Surroundings, origin: Origin, tab: Crontab) -> ForeignJob:
    """The job of a line, without its comments."""
    user = line.user or tab.user
    command = line.command if line.stdin is None else with_input(line.command, line.stdin)
    fields: dict[str, Json] = {"schedule": line.when, "command": command, **around.fields}
    if user:
        fields["user"] = user
    remarks = [*around.remarks, *_line_remarks(line, tab)]
    if around.delay:
        remarks += _delay(line, around.delay, fields)
    return ForeignJob(
        origin=origin,
        name=program_of(line.command, tab.file.path.rsplit("/", 1)[-1]),
        fields=fields,
        zone=around.zone,
        clock=clock_of(line.fields) if line.fields and not any(field.drawn for field in line.fields) else None,
        uncompared=_uncompared(line),
        remarks=tuple(remarks),
    )


def clock_of(fields: tuple[CronField, ...]) -> CrontabClock:
    """The model of cron for a line."""
    minute, hour, day, month, weekday = fields
    return CrontabClock(
        minutes=minute.values,
        hours=hour.values,
        days=day.values,
        months=month.values,
        weekdays=weekday.values - {7},
        is_wildcard=minute.is_starred or hour.is_starred,
        needs_both_days=day.is_starred or weekday.is_starred,
    )


def _uncompared(line: CronLine) -> str:
    if not line.fields:
        return "it runs once at each start of the host"
    return "cronie draws its time by lot each time it loads the file" if any(field.drawn for field in line.fields) else ""


def _line_remarks(line: CronLine, tab: Crontab) -> Iterator[Remark]:
    if line.stdin is not None:
        yield Remark(
            RemarkKind.KEPT,
            "what stood behind `%` is given to the command as a here-document",
            "write `\\%` there where a plain `%` was meant",
        )
    if _BACKGROUND.search(line.command):
        message = "the command ends with `&`, so the run ends before what it started, and the result of that is not seen"
        yield Remark(RemarkKind.CHANGED, message, "take the `&` out; `type: daemon` keeps a program running")
    if line.is_unlogged:
        yield Remark(RemarkKind.LOST, "the `-` in front kept it out of syslog; a task is always in the ledger")
    if line.mails_failures_only:
        yield Remark(
            RemarkKind.CHANGED,
            "`-n` had cronie mail the output of failures only; no output is mailed",
            "add `notify` to be told of failures",
        )
    if line.ignored:
        yield Remark(
            RemarkKind.CHANGED,
            f"Debian's cron passes over {line.ignored!r} at the end of a field, and so does the task",
            "look at what was meant",
        )
    if not line.fields:
        yield Remark(RemarkKind.KEPT, "`@reboot` is `@startup`: once a boot, also when the agent is restarted later")
    if any(field.drawn for field in line.fields):
        yield Remark(
            RemarkKind.CHANGED,
            "`a~b` is `H(a-b)`: a value fixed for each host and task, where cronie draws one each time it loads the file",
        )
    if tab.dialect is Dialect.DEBIAN and len(line.command) > _LONGEST_COMMAND:
        message = f"the command is longer than {_LONGEST_COMMAND} characters, which Debian's cron does not take; the task will run"
        yield Remark(RemarkKind.CHANGED, message, "take it out if it shall not run")
    if has_secret(line.command):
        yield SECRET


def _delay(line: CronLine, minutes: int, fields: dict[str, Json]) -> Iterator[Remark]:
    """RANDOM_DELAY as jitter, where the schedule leaves room for it."""
    schedule = parse_schedule(line.when)
    gap = shortest_gap(schedule) if isinstance(schedule, CronSchedule) else None
    if gap is not None and minutes * 60_000 >= gap:
        yield Remark(RemarkKind.LOST, f"RANDOM_DELAY={minutes} is as long as the time between two runs", "set a shorter `jitter`")
    elif line.fields:
        fields["jitter"] = f"{minutes}m"
        yield Remark(
            RemarkKind.CHANGED,
            f"RANDOM_DELAY={minutes} is `jitter: {minutes}m`: fixed for each host and task, where cronie draws at each of its starts",
        )


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
