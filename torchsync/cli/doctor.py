"""`torchsync doctor`: everything between this host and an agent that works, each finding with what to do. Looks, and changes nothing.

Every check runs in a thread of its own, all of them at once: the whole takes as long as the slowest, and one that hangs or breaks is told as
unknown and holds up nobody. What hangs is left to the end of the process.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Generic, TypeVar

from torchsync.cli.checktable import CHECKS, Check, obstacle
from torchsync.cli.place import add_config_argument, config_path
from torchsync.cli.site import Site, look
from torchsync.cli.terminal import Tone, is_coloured, paint, printable
from torchsync.core.checkup import Checked, Finding, Level, checked, count, exit_status, report_document, skipped, unknown
from torchsync.errors import TorchsyncError

T = TypeVar("T")

_AT_FIRST = 40.0
"""Seconds in which the configuration is read and the agent asked."""
_TONES = {Level.OK: Tone.GOOD, Level.NOTE: Tone.FAINT, Level.WARNING: Tone.HELD, Level.PROBLEM: Tone.BAD, Level.UNKNOWN: Tone.BAD}
_WIDTH = max(len(level.value) for level in Level)


def add_arguments(parser: ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--offline", action="store_true", help="do not ask the remote, nor judge its newest commit")
    parser.add_argument("--json", action="store_true", help="print JSON, by the schema `doctor`")


def execute(args: Namespace) -> int:
    """What was found is on stdout. The exit status is 0 when nothing is worse than a warning; else it is that of the worst problem."""
    site = _site(args)
    results = _Told(args).through(examined(CHECKS, site, is_offline=args.offline))
    if args.json:
        name = site.config.host.name if site.config else ""
        report = report_document(results, version=version("torchsync"), config=str(site.path), host=name or socket.gethostname().lower())
        print(json.dumps(report, indent=2))
    return exit_status(results)


def _site(args: Namespace) -> Site:
    """As `look` has it. An agent that does not even refuse us is none that answers."""
    path = config_path(args)
    watched = _Watched(lambda: iter((look(path),)))
    found = watched.result(_AT_FIRST)
    if not isinstance(found, str):
        return found[0]
    raise TorchsyncError("TS381", f"{path} and the agent cannot be looked at: {found}")


def examined(checks: Sequence[Check], site: Site, *, is_offline: bool) -> Iterator[Checked]:
    """The results in the order of the table, each as soon as it and those before it are there."""
    running = [(check, _begun(check, site, is_offline=is_offline)) for check in checks]
    for check, begun in running:
        if isinstance(begun, str):
            yield skipped(check.group, check.name, begun)
        else:
            yield checked(check.group, check.name, check.stake, _findings(check, begun))


def _begun(check: Check, site: Site, *, is_offline: bool) -> _Watched[Finding] | str:
    """The check under way, or what keeps it from being made."""
    return obstacle(check, site, is_offline=is_offline) or _Watched(lambda: check.look(site))


def _findings(check: Check, watched: _Watched[Finding]) -> Iterable[Finding]:
    found = watched.result(check.patience)
    if isinstance(found, str):
        return (unknown(f"the check itself failed: {found}", "please report it, unless the reason is on this host"),)
    return found or (unknown("the check said nothing", "please report it"),)


class _Watched(Generic[T]):
    """A piece of work in a thread of its own."""

    def __init__(self, work: Callable[[], Iterable[T]]) -> None:
        self._work = work
        self._began = time.monotonic()
        self._found: list[T] = []
        self._why = ""
        self._thread = threading.Thread(target=self._run, daemon=True, name="check")
        self._thread.start()

    def result(self, patience: float) -> list[T] | str:
        """What came of it, or in a few words why nothing did; waits until `patience` seconds after its beginning."""
        self._thread.join(max(0.0, self._began + patience - time.monotonic()))
        if self._thread.is_alive():
            return f"it did not end within {patience:.0f} s"
        return self._why or self._found

    def _run(self) -> None:
        try:
            self._found = list(self._work())
        except Exception as error:  # noqa: BLE001 a check that breaks is told, and the others go on
            self._why = f"{type(error).__name__}: {error}"


class _Told:
    """Tells the results as text while they come, unless JSON is wished for."""

    def __init__(self, args: Namespace) -> None:
        self._is_silent = args.json
        self._coloured = is_coloured()
        self._group = ""

    def through(self, results: Iterable[Checked]) -> list[Checked]:
        kept = []
        for result in results:
            kept.append(result)
            if not self._is_silent:
                self._tell(result)
        if not self._is_silent:
            self._close(kept)
        return kept

    def _tell(self, result: Checked) -> None:
        if result.skipped:
            return
        if result.group != self._group:
            self._group = result.group
            print(paint(result.group, Tone.HEAD, coloured=self._coloured))
        for finding in result.findings:
            for line in finding_lines(finding, coloured=self._coloured):
                print(line)
        sys.stdout.flush()

    def _close(self, results: list[Checked]) -> None:
        reasons = dict.fromkeys(result.skipped for result in results if result.skipped)
        if reasons:
            print(paint("not looked at", Tone.HEAD, coloured=self._coloured))
        for reason in reasons:
            names = ", ".join(f"{result.group} {result.name}" for result in results if result.skipped == reason)
            print(f"  {paint(reason, Tone.HELD, coloured=self._coloured)}: {names}")
        counted = [f"{count(results, level)} {level.value}" for level in Level if count(results, level)]
        print(f"\n{', '.join(counted)}; exit status {exit_status(results)}")


def finding_lines(finding: Finding, *, coloured: bool) -> Iterator[str]:
    """A finding for people: the level, what was found, and below it what to do."""
    mark = paint(finding.level.value.ljust(_WIDTH), _TONES[finding.level], coloured=coloured)
    code = f"{finding.code} " if finding.code else ""
    yield f"  {mark}  {code}{printable(finding.message)}"
    if finding.remedy:
        yield f"  {' ' * _WIDTH}    to do: {printable(finding.remedy)}"
