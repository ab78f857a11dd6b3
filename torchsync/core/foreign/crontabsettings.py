"""What the settings of a crontab (`NAME=value`) make of a job, in the fields of a task. Pure.

cron itself looks at SHELL, HOME, MAILTO and LOGNAME, cronie at CRON_TZ and RANDOM_DELAY as well; the rest is the environment of the command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.job import Remark, RemarkKind
from torchsync.core.jsontext import Json
from torchsync.core.localtime import check_zone

_MAIL_ONLY = {"MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"}
_SECRET_NAME = re.compile(r"PASS(?:WORD|WD|PHRASE)?\b|SECRET|TOKEN|API_?KEY|CREDENTIAL|PASSWORD", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"://[^/\s:@]+:[^/\s@$]+@|--?(?:password|passwd|token|secret)[= ]\S|\bmysql\S*\s(?:.*\s)?-p\S")
_NAME = re.compile(r"(?!TORCHSYNC_)[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_OWNER = 100
_LONGEST_DELAY = 24 * 60
_USUAL_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the settings above a line make of it. `zone` is set where the schedule itself goes by it; `delay` is in minutes."""

    fields: Mapping[str, Json]
    zone: str
    delay: int
    shell: str
    remarks: tuple[Remark, ...]


def surroundings(settings: Mapping[str, str], dialect: Dialect) -> Surroundings:
    """The fields that the settings stand for."""
    remarks: list[Remark] = []
    env: dict[str, Json] = {}
    for name, value in settings.items():
        if name in ("SHELL", "MAILTO", "LOGNAME", "USER", *_MAIL_ONLY) or (
            dialect is Dialect.CRONIE and name in ("CRON_TZ", "RANDOM_DELAY")
        ):
            continue
        if not _NAME.fullmatch(name):
            remarks.append(Remark(RemarkKind.LOST, f"the variable {name!r} has a name that `env` does not take", "give it another one"))
            continue
        env[name] = value
        remarks += _env_remarks(name, value)
    fields: dict[str, Json] = {"working_dir": "~"}
    home = settings.get("HOME", "")
    if home.startswith("/"):
        fields["working_dir"] = home
    if home and ("$" in home or not home.startswith("/")):
        remarks.append(_odd_home(home, dialect))
    shell = settings.get("SHELL") or _USUAL_SHELL
    if shell != _USUAL_SHELL:
        fields["shell"] = shell
    if env:
        fields["env"] = env
    remarks += _mail(settings, fields)
    zone, delay = ("", 0) if dialect is Dialect.DEBIAN else _of_cronie(settings, remarks)
    return Surroundings(fields=fields, zone=zone, delay=delay, shell=shell, remarks=tuple(remarks))


def has_secret(command: str) -> bool:
    """Whether something in the command looks like a password."""
    return _SECRET_TEXT.search(command) is not None


SECRET = Remark(
    RemarkKind.CHANGED,
    "the command seems to hold a password, and everybody who can read the repository can read it there",
    "take it out, and use `credentials` or `env_file`",
)


def _odd_home(home: str, dialect: Dialect) -> Remark:
    """Looked at with Debian's cron; cronie by its `do_command.c`."""
    there = "starts the command in /var/spool/cron" if dialect is Dialect.DEBIAN else "does not start the command"
    return Remark(
        RemarkKind.CHANGED, f"HOME={home} is the name of no folder, and cron {there}", "write the folder that is meant, as `working_dir`"
    )


def _env_remarks(name: str, value: str) -> Iterator[Remark]:
    if value and _SECRET_NAME.search(name):
        yield Remark(
            RemarkKind.CHANGED,
            f"the variable {name} seems to hold a secret, and everybody who can read the repository can read it there",
            "take it out, and use `credentials` or `env_file`",
        )
    if "$" in value and name != "HOME":
        yield Remark(RemarkKind.KEPT, f"the variable {name} holds a `$`, which neither cron nor `env` expands")
    if name == "TZ":
        yield Remark(RemarkKind.KEPT, "TZ is for the command only, there as here: the schedule goes by `timezone`")
    if name == "CRON_TZ":
        yield Remark(
            RemarkKind.CHANGED,
            "Debian's cron does not know CRON_TZ, so the schedule went by the zone of the host, and still does",
            "where it was meant, set `timezone`; --dialect cronie reads it as cronie does",
        )
    if name == "RANDOM_DELAY":
        yield Remark(RemarkKind.CHANGED, "Debian's cron does not know RANDOM_DELAY, so nothing was delayed, and nothing is", "set `jitter`")


def _mail(settings: Mapping[str, str], fields: dict[str, Json]) -> Iterator[Remark]:
    """MAILTO becomes the owner: who got the output is who answers for the job."""
    to = settings.get("MAILTO", "").strip()
    if "MAILTO" not in settings:
        return
    if not to:
        yield Remark(RemarkKind.KEPT, 'no mail, as MAILTO="" had it')
    elif len(to) <= _LONGEST_OWNER and to.isprintable():
        fields["owner"] = to
        yield Remark(RemarkKind.CHANGED, f"mail to {to} is not sent any more; it is the `owner` now", "add `notify` to be told of failures")
    else:
        yield Remark(RemarkKind.LOST, "MAILTO is too long for an `owner`", "add `notify` to be told of failures")


def _of_cronie(settings: Mapping[str, str], remarks: list[Remark]) -> tuple[str, int]:
    zone, delay = settings.get("CRON_TZ", ""), settings.get("RANDOM_DELAY", "")
    if zone and check_zone(zone) is not None:
        remarks.append(Remark(RemarkKind.CHANGED, f"CRON_TZ={zone} is no zone, so the zone of the host holds", "set `timezone`"))
        zone = ""
    minutes = int(delay) if delay.isdecimal() else 0
    if delay and not (delay.isdecimal() and minutes <= _LONGEST_DELAY):
        remarks.append(Remark(RemarkKind.LOST, f"RANDOM_DELAY={delay} is not a number of minutes up to {_LONGEST_DELAY}", "set `jitter`"))
        minutes = 0
    return zone, minutes
