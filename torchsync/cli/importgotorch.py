"""`torchsync import gotorch`: the task lists of Gotorch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from torchsync.core.foreign.gotorch import CONF, GotorchWishes, read_hosts
from torchsync.core.foreign.job import Reading, SourceHost
from torchsync.core.inventory import Inventory
from torchsync.core.model import Instant
from torchsync.errors import NotFound

WANTED = (CONF, "etc/gotorch/", "opt/gotorch/", "usr/local/gotorch/", "data/gotorch/", "tmp/gotorch/")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--gotorch-user", default="root", metavar="USER", help="gotorch: whom Gotorch runs as (default: root)")
    parser.add_argument("--gotorch-dir", default="/", metavar="DIR", help="gotorch: the folder that Gotorch was started in (default: /)")
    parser.add_argument("--gotorch-inventory", metavar="FILE", help="gotorch: a hosts.yaml that has names for the addresses in Ips")


def read(hosts: Sequence[SourceHost], args: Namespace, after: Instant) -> Reading:
    """The jobs of the task lists. Raises NotFound when there is no such inventory."""
    del after
    inventory = _inventory(args.gotorch_inventory) if args.gotorch_inventory else Inventory()
    return read_hosts(hosts, GotorchWishes(user=args.gotorch_user, folder=args.gotorch_dir, inventory=inventory))


def _inventory(path: str) -> Inventory:
    """What can be read of it: `validate` is what says what is wrong with it."""
    from torchsync.adapters.schemas import repository_formats

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise NotFound("TS353", f"{path}: cannot be read: {error.strerror or error}") from error
    return repository_formats().inventory.read(content)[0] or Inventory()
