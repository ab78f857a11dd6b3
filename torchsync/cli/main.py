"""The command line: finds the command, imports only what it needs, and turns every end into an exit status.

No traceback reaches a user: an error of ours is told with its code and its remedy, anything else as TS901. `TORCHSYNC_DEBUG=1` shows the
traceback of the latter.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TextIO

from torchsync.codes import CODES
from torchsync.errors import TorchsyncError

INTERRUPTED, READER_GONE = 130, 141
"""As a shell tells SIGINT and SIGPIPE; the latter where the output ended before the command did, so that nobody takes it for a yes."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and the module and functions that carry it out: `add_arguments(parser)` and `execute(args) -> int`."""

    name: str
    summary: str
    module: str
    add_arguments: str = "add_arguments"
    execute: str = "execute"

    def load(self) -> tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]:
        module = import_module(self.module)
        return getattr(module, self.add_arguments), getattr(module, self.execute)


COMMANDS: tuple[Command, ...] = (
    Command("agent", "run the agent of this host", "torchsync.cli.agent"),
    Command("validate", "check task files, without git and without a host", "torchsync.cli.validate"),
    Command("plan", "show what a change would do to a host", "torchsync.cli.plan"),
    Command("init", "begin a new task repository", "torchsync.cli.init"),
    Command("fleet", "show which machine runs what", "torchsync.cli.fleet"),
    Command("next", "show when tasks fire next", "torchsync.cli.next"),
    Command("import", "turn the jobs of another scheduler into tasks", "torchsync.cli.imports"),
    Command("facts", "show what this host is: its name, addresses, labels and zone", "torchsync.cli.facts"),
    Command("schema", "print a JSON Schema", "torchsync.cli.lookup", "add_schema_arguments", "execute_schema"),
    Command("explain", "say what a code means and what to do", "torchsync.cli.lookup", "add_explain_arguments", "execute_explain"),
    Command("doctor", "look for whatever keeps this host from working, and say what to do", "torchsync.cli.doctor"),
    Command("status", "show what the agent runs, and how it fares", "torchsync.cli.inspect", "add_status_arguments", "execute_status"),
    Command("top", "watch tasks and runs, live", "torchsync.cli.top"),
    Command("history", "show what ran, and what did not and why", "torchsync.cli.inspect", "add_history_arguments", "execute_history"),
    Command("logs", "show the output of a run", "torchsync.cli.logs"),
    Command("why", "say why a task did or did not run at a moment", "torchsync.cli.why"),
    Command("run", "start a task now", "torchsync.cli.control", "add_run_arguments", "execute_run"),
    Command("stop", "end a run, or every run of a task", "torchsync.cli.control", "add_stop_arguments", "execute_stop"),
    Command("sync", "ask the remote now", "torchsync.cli.control", "add_sync_arguments", "execute_sync"),
    Command("reload", "read agent.yaml again", "torchsync.cli.control", "add_reload_arguments", "execute_reload"),
    Command("pause", "hold back tasks or syncs", "torchsync.cli.holds", "add_pause_arguments", "execute_pause"),
    Command("resume", "end a pause or a drain", "torchsync.cli.holds", "add_resume_arguments", "execute_resume"),
    Command("drain", "empty this host: start nothing, end the daemons", "torchsync.cli.holds", "add_drain_arguments", "execute_drain"),
    Command("pin", "stay at a commit, whatever the remote has", "torchsync.cli.holds", "add_pin_arguments", "execute_pin"),
    Command("unpin", "follow the remote again", "torchsync.cli.holds", "add_unpin_arguments", "execute_unpin"),
    Command(
        "rollback",
        "go back to the commit before, until a newer one comes",
        "torchsync.cli.holds",
        "add_rollback_arguments",
        "execute_rollback",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command line `argv`, without the program's name; all that was said is written by then."""
    _open_streams()
    status = READER_GONE
    try:
        try:
            status = _told(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        status = _tell_unexpected(error)
    finally:
        _drop_unwritten(sys.stdout, sys.stderr)
    return status


def _told(words: list[str]) -> int:
    """The exit status; why the command ended early is on stderr."""
    try:
        return _run(words)
    except TorchsyncError as error:
        _tell(error)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 the top of the command line: no traceback reaches a user
        return _tell_unexpected(error)


def _open_streams() -> None:
    """Each of the three is there, where whoever started us closed it too, and what an encoding does not have is written as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 they are open until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_unwritten(*streams: TextIO) -> None:
    """What nobody takes is not tried again at exit."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _run(words: list[str]) -> int:
    parser = build_parser(next((word for word in words if not word.startswith("-")), None))
    args, unknown = parser.parse_known_args(words)
    if unknown:
        getattr(args, "parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    execute: Callable[[argparse.Namespace], int] | None = getattr(args, "execute", None)
    if execute is None:
        parser.print_help()
        return 2
    return execute(args)


def build_parser(only: str | None = None, *, every: bool = False) -> argparse.ArgumentParser:
    """The parser of the command line. Only the module of the command `only` is imported, or all of them with `every`.

    Options are written in full: one that comes with a later version must not change what a script of today means.
    """
    parser = argparse.ArgumentParser(prog="torchsync", description="Cron for a fleet, driven by git.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command in COMMANDS:
        description = command.summary[0].upper() + command.summary[1:] + "."
        one = commands.add_parser(command.name, help=command.summary, description=description, allow_abbrev=False)
        if every or command.name == only:
            add_arguments, execute = command.load()
            add_arguments(one)
            one.set_defaults(execute=execute, parser=one)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"torchsync {version('torchsync')}")
        parser.exit()


def _tell(error: TorchsyncError) -> None:
    for problem in error.problems:
        _complain(str(problem))
    if not error.problems:
        info = CODES[error.code]
        _complain(f"torchsync: {error.code} {error.message}", f"  what to do: {info.remedy}")


def _tell_unexpected(error: Exception) -> int:
    if os.environ.get("TORCHSYNC_DEBUG"):
        traceback.print_exception(error)
    remedy = "this is a bug; please report it with the output of the same command under TORCHSYNC_DEBUG=1"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "make room on the disk that is written to, also by the output of this command"
    _complain(f"torchsync: TS901 {type(error).__name__}: {error}", f"  what to do: {remedy}")
    return 1


def _complain(*lines: str) -> None:
    """On stderr, as far as somebody listens: the status says it anyway. Where stderr is the journal, as errors: it takes a number in front of a line
    for the priority (sd-daemon(3)).
    """
    mark = "<3>" if os.environ.get("JOURNAL_STREAM") and _is_journal() else ""
    with suppress(OSError):
        for line in lines:
            print(f"{mark}{line}", file=sys.stderr)


def _is_journal() -> bool:
    from torchsync.adapters.journal import Format, choose_format

    return choose_format(Format.AUTO, os.environ) is Format.JOURNALD


if __name__ == "__main__":
    sys.exit(main())
