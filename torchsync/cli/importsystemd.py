"""`torchsync import systemd`: timers with their services, and on request services that are kept running."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from torchsync.adapters.systemdanalyze import second_opinion
from torchsync.core.foreign.job import Reading, SourceHost
from torchsync.core.foreign.unitjobs import UnitWishes, read_hosts
from torchsync.core.model import Instant

WANTED = (
    "etc/systemd/system/**/",
    "etc/systemd/user/**/",
    "run/systemd/system/**/",
    "usr/local/lib/systemd/system/**/",
    "usr/lib/systemd/system/**/",
    "lib/systemd/system/**/",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--with-daemons", action="store_true", help="systemd: services without a timer that are kept running (Restart=) become daemons"
    )
    parser.add_argument(
        "--with-packaged", action="store_true", help="systemd: timers that came with packages (usr/lib/systemd) are imported too"
    )
    parser.add_argument("--with-disabled", action="store_true", help="systemd: timers that are not enabled become enabled tasks")


def read(hosts: Sequence[SourceHost], args: Namespace, after: Instant) -> Reading:
    """The jobs, with what `systemd-analyze` says of their times where that is installed."""
    wishes = UnitWishes(packaged=args.with_packaged, daemons=args.with_daemons, disabled=args.with_disabled)
    zones = {host.name: host.zone for host in hosts}
    return second_opinion(read_hosts(hosts, wishes), zones, after)
