"""Has notices sent by processes of their own, one for each parcel, which the loop watches and never waits for. Fits `ports.Courier`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.child import Child, ChildEnd, ChildOrder
from torchsync.adapters.noticecommand import kill_units
from torchsync.adapters.spawn import CannotStart, Launcher
from torchsync.adapters.syscalls import Timer
from torchsync.core.errand import (
    ANSWER_PATIENCE,
    COMMAND_PATIENCE,
    Call,
    Errand,
    Mail,
    command_environment,
    command_of,
    errand_text,
    results_from_text,
)
from torchsync.core.model import Millis
from torchsync.core.notice import Notice
from torchsync.core.postbox import Fate, Line, Parcel, Result
from torchsync.core.startscript import start_script
from torchsync.ports import Clock, ParcelAnswered, Wakeups

_MOST_ANSWER = 1 << 20
_SLACK = Millis(15_000)
"""On top of what the notices may take: to start, and to look up the name of a server, which nothing else bounds."""
_BOOT = "import sys; sys.path.append(sys.argv[1]); from torchsync.cli.noticeprocess import main; sys.exit(main())"
_PACKAGE_HOME = str(Path(__file__).parents[2])
_BUS = Path("/run/dbus/system_bus_socket")
"""Without it systemd-run(1) cannot wait for a unit."""
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server may take to answer, and a command to end."""

    answer: Millis = ANSWER_PATIENCE
    command: Millis = COMMAND_PATIENCE


USUAL = Patience()


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the trees and what runs leave are."""

    trees: Path
    runs: Path


class ChildCourier:
    """At most one process for each line. With `in_units` commands run as transient services, since the sandbox of the agent is not theirs: within it
    a sendmail could not queue a mail.
    """

    def __init__(
        self, wakeups: Wakeups, clock: Clock, *, folders: Folders, version: str, patience: Patience = USUAL, in_units: bool = False
    ) -> None:
        self._in_units = in_units
        self._wakeups = wakeups
        self._timer = Timer(wakeups, clock)
        self._launcher = Launcher(("/bin/sh",))
        self._folders = folders
        self._version = version
        self._patience = patience
        self._children: dict[Line, Child] = {}
        self._units: dict[Line, tuple[str, ...]] = {}

    def send(self, parcel: Parcel, mail: Mail | None) -> None:
        """`ParcelAnswered` will be posted, once."""
        known: list[Result] = []
        patience = self._patience.answer if mail else self._patience.command
        calls = () if mail else tuple(self._calls(parcel.notices, known))
        errand = Errand(version=self._version, patience=patience, mail=mail, calls=calls)
        if not (errand.mail or errand.calls):
            self._wakeups.post(ParcelAnswered(parcel, tuple(known)))
            return
        order = ChildOrder(
            argv=(sys.executable, "-I", "-c", _BOOT, _PACKAGE_HOME),
            environment=_environment(),
            patience=Millis(_SLACK + patience * len(parcel.notices)),
            most_output=_MOST_ANSWER,
            stdin=errand_text(errand).encode() + b"\n",
        )

        def on_end(end: ChildEnd) -> None:
            self._children.pop(parcel.line, None)
            self._units.pop(parcel.line, None)
            self._wakeups.post(ParcelAnswered(parcel, (*known, *results_from_text(end.stdout), *_without_answer(parcel, end))))

        try:
            self._children[parcel.line] = Child(order, self._wakeups, self._timer, on_end)
            self._units[parcel.line] = tuple(call.unit for call in calls if call.unit)
        except OSError as error:
            why = f"no process could be started: {error.strerror}"
            self._wakeups.post(ParcelAnswered(parcel, (Result(notice=parcel.notices[0].id, fate=Fate.LATER, why=why),)))

    def cancel(self) -> None:
        """No process of ours is left, and nothing is posted for any of them."""
        for child in self._children.values():
            child.cancel()
        if units := [unit for units in self._units.values() for unit in units]:
            kill_units(units)
        self._children.clear()
        self._units.clear()

    def _calls(self, notices: Iterable[Notice], known: list[Result]) -> Iterator[Call]:
        """The calls for the commands that can be started; why the others cannot is known."""
        for notice in notices:
            try:
                account = self._launcher.account(notice.user)
            except CannotStart as reason:
                known.append(Result(notice=notice.id, fate=Fate.REFUSED, why=str(reason)))
                continue
            place = command_of(notice)
            environment = command_environment(notice, account)
            is_switched = account.uid != os.geteuid()
            script = start_script(
                place.task, account, tree=str(self._folders.trees / place.tree), environment=environment, is_switched=is_switched
            )
            output = str(self._folders.runs / place.folder / "output") if place.folder else ""
            unit = f"torchsync-notice-{notice.id}.service" if self._in_units and _BUS.exists() else ""
            yield Call(notice=notice.id, argv=self._launcher.becoming(account), script=script, output=output, unit=unit)


def _environment() -> Mapping[str, str]:
    """Short answers of the resolver (resolv.conf(5), RES_OPTIONS), and what OpenSSL trusts if it is not the default."""
    trust = {name: os.environ[name] for name in _TRUST if os.environ.get(name)}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "RES_OPTIONS": "timeout:2 attempts:2", **trust}


def _without_answer(parcel: Parcel, end: ChildEnd) -> Iterator[Result]:
    """For the first notice without a result: why it has none."""
    answered = {result.notice: result.fate for result in results_from_text(end.stdout)}
    open_ones = [notice.id for notice in parcel.notices if notice.id not in answered]
    if open_ones and Fate.LATER not in answered.values():
        last = end.stderr.strip().rpartition("\n")[2][:200]
        why = "took too long" if end.timed_out else f"ended with status {end.status}{f': {last}' if last and end.status != 0 else ''}"
        yield Result(notice=open_ones[0], fate=Fate.LATER, why=f"the process that sends notices {why}")
