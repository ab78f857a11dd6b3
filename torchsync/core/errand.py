"""What the process that sends notices is told to do, what it answers, and what the answers of servers and commands come to. Pure.

The agent says to which server or command notices go, and that process does the talking: it alone reads secrets, and nothing that a server answers
is seen by the agent but what is made of its status here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Instant, Millis, ProgramCommand
from torchsync.core.notice import Notice, NoticeId, Place, environment
from torchsync.core.notify import NoticeCommand, Ping, Webhook
from torchsync.core.policy import HostPolicy, Secret, refused_address
from torchsync.core.postbox import Fate, Parcel, Result
from torchsync.core.startscript import Account, account_environment
from torchsync.core.taskdoc import CODEC

ANSWER_PATIENCE = Millis(10_000)
COMMAND_PATIENCE = Millis(30_000)
OUTPUT = 5
"""The descriptor on which a command has the output of the run."""
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits(3): a command that ends with it is run again later."""

_MOST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Notices for one server, one after the other: to `url`, else to the address in `secret_file`. `hosts` are those of `policy.notify_hosts`: what
    goes unencrypted has to be among them.
    """

    notices: tuple[Notice, ...]
    url: str = ""
    secret_file: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command to run: `argv` starts a shell as the user, which reads `script`. `output` is a file that the command may read. `unit` is the name of
    the transient service it runs as; empty for a child of the process that sends notices.
    """

    notice: NoticeId
    argv: tuple[str, ...]
    script: str
    output: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Mail, or calls. Each notice may take as long as `patience`. `version` is that of torchsync."""

    version: str
    patience: Millis
    mail: Mail | None = None
    calls: tuple[Call, ...] = ()


def mail_of(parcel: Parcel, policy: HostPolicy) -> Mail | str:
    """The mail for the receiver of the parcel, or why the host does not let its notices go there."""
    to = parcel.line.to
    if not isinstance(to, Webhook | Ping):
        raise TypeError("a command is no server")
    if why := refused_address(to, parcel.line.user, policy):
        return why
    secret = policy.secrets.get(to.secret, Secret(file=""))
    notices = tuple(replace(notice, place=None) for notice in parcel.notices)
    return Mail(notices=notices, url=to.url, secret_file=secret.file, hosts=policy.notify_hosts)


def command_of(notice: Notice) -> Place:
    """The place of the notice, with the command of the notice for that of its task. Raises ValueError when there is no command."""
    if notice.place is None or not isinstance(notice.to, NoticeCommand):
        raise ValueError(f"the notice {notice.id} has no command")
    return replace(notice.place, task=replace(notice.place.task, command=ProgramCommand(notice.to.argv)))


def command_environment(notice: Notice, account: Account) -> dict[str, str]:
    """The complete environment of the command of a notice: that of every run of its task, then what torchsync tells of the notice. TORCHSYNC_OUTPUT
    names what the run wrote, which the command has open: the folder it lies in is closed to it.
    """
    own = dict(notice.place.task.env) if notice.place else {}
    return account_environment(account) | own | environment(notice) | {"TORCHSYNC_OUTPUT": f"/proc/self/fd/{OUTPUT}"}


# The two directions.


def errand_text(errand: Errand) -> str:
    """One line."""
    return canonical(CODEC.document(errand))


def errand_from_text(text: str | bytes) -> Errand:
    """The errand the text stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(Errand, parse_json(text), "the errand")


def result_text(result: Result) -> str:
    """One line."""
    return canonical(CODEC.document(result))


def results_from_text(text: bytes) -> Iterator[Result]:
    """The results in whole lines; what is none of them is passed over, so that its notice counts as one without a result."""
    for line in text.split(b"\n")[:-1]:
        try:
            result = CODEC.value(Result, parse_json(line), "the result")
        except ValueError:
            continue
        yield replace(result, why=_plain(result.why))


def _plain(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text[:_MOST_WORDS])
    return " ".join(shown.split())


# What answers come to.


def of_answer(notice: NoticeId, status: int, retry_after: str, now: Instant) -> Result:
    """What the status of a server's answer says, with its header Retry-After (RFC 9110, 10.2.3): a redirect is not followed."""
    if 200 <= status < 300:
        return Result(notice=notice, fate=Fate.SENT)
    if status in (408, 425, 429) or status >= 500:
        wait = _asked_wait(retry_after, now)
        return Result(notice=notice, fate=Fate.LATER, why=f"the server answered {status}", wait=wait)
    redirect = ", a redirect, and none is followed" if 300 <= status < 400 else ""
    return Result(notice=notice, fate=Fate.REFUSED, why=f"the server answered {status}{redirect}")


def _asked_wait(text: str, now: Instant) -> Millis:
    if text.isascii() and text.isdecimal():
        return Millis(int(text[:9]) * 1000)
    try:
        moment = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return Millis(0)
    return Millis(max(0, (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1) - now))


def of_command(notice: NoticeId, status: int | None, report: str, output: str) -> Result:
    """What the end of a command says. `status` is None for one that was killed at the end of its time, `report` is `begun` unless it never began,
    `output` the end of what it wrote.
    """
    last = _plain(output.rstrip().rpartition("\n")[2])
    said = f": {last}" if last else ""
    if status is None:
        return Result(notice=notice, fate=Fate.REFUSED, why="it took too long and was killed")
    if report.strip() != "begun":
        return Result(notice=notice, fate=Fate.REFUSED, why=_plain(report.replace("begun\n", "")) or "it could not be started")
    if status == 0:
        return Result(notice=notice, fate=Fate.SENT)
    if status == TRY_AGAIN:
        return Result(notice=notice, fate=Fate.LATER, why=f"it asks to be run again (exit status {TRY_AGAIN}){said}")
    return Result(notice=notice, fate=Fate.REFUSED, why=f"it ended with exit status {status}{said}")
