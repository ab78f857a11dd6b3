"""`torchsync import crontab`: what the command line says of crontabs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from torchsync.core.foreign.crontab import WANTED, CrontabKind, CrontabOptions, read_hosts
from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.job import Reading, SourceHost
from torchsync.core.model import Instant

__all__ = ["WANTED", "add_arguments", "read"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        choices=tuple(kind.value for kind in CrontabKind),
        help="crontab: what files are whose place does not tell; `system` has a user in each line (default: by their content)",
    )
    parser.add_argument("--user", default="", metavar="NAME", help="crontab: whose crontab it is where its place does not tell")
    parser.add_argument(
        "--dialect",
        choices=tuple(dialect.value for dialect in Dialect),
        help="crontab: which cron the hosts have (default: cronie where files lie as on Red Hat, else debian)",
    )
    parser.add_argument("--disabled", action="store_true", help="crontab: import jobs that are commented out too, with `enabled: false`")


def read(hosts: Sequence[SourceHost], args: Namespace, after: Instant) -> Reading:
    """All jobs of the crontabs."""
    del after
    options = CrontabOptions(
        kind=CrontabKind(args.kind) if args.kind else None,
        user=args.user,
        dialect=Dialect(args.dialect) if args.dialect else None,
        keeps_disabled=args.disabled,
    )
    return read_hosts(hosts, options)
