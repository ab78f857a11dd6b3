"""Where the agent's configuration is, and with it its socket and its state directory."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from torchsync.errors import ConfigInvalid

if TYPE_CHECKING:
    from torchsync.core.configfile import Account

USUAL_CONFIG = "/etc/torchsync/agent.yaml"


def add_config_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help=f"the agent's configuration (default: $TORCHSYNC_CONFIG, else {USUAL_CONFIG})")


def config_path(args: Namespace) -> Path:
    """The file that is meant, named or usual; absolute."""
    return Path(getattr(args, "config", None) or os.environ.get("TORCHSYNC_CONFIG") or USUAL_CONFIG).absolute()


def is_named(args: Namespace) -> bool:
    """The configuration was asked for by name, so that it is an error when it is not there."""
    return bool(getattr(args, "config", None) or os.environ.get("TORCHSYNC_CONFIG"))


def accounts_of(owner: int | None, own: int) -> tuple[Account | None, ...]:
    """Whose agents a configuration of the user `owner` is for when the user `own` reads it, the likeliest first; None is our own."""
    if owner != 0 or own == 0:
        return (None,)
    from torchsync.core.configfile import Account

    return (Account(user="root", is_root=True), None)


def owner_of(path: Path) -> int | None:
    """The user id of whom it belongs to; None when that cannot be seen."""
    try:
        return path.stat().st_uid
    except OSError:
        return None


def paths_of(args: Namespace) -> tuple[tuple[Path, Path], ...]:
    """The state directory and the run directory of the agent, or with `--shadow` of its shadow; none when no configuration says.

    Of a configuration that is root's, read by somebody else, root's agent comes first, and one of our own is the second that may be meant. Raises
    ConfigInvalid when a configuration that is there, or was named, cannot be used.
    """
    path = config_path(args)
    if not is_named(args) and not os.access(path, os.R_OK):
        return ()
    from torchsync.agent.config import config_from_document
    from torchsync.cli.configreader import read_config_file

    read = [read_config_file(path, account) for account in accounts_of(owner_of(path), os.geteuid())]
    good = [config_from_document(document).paths for document, _ in read if document is not None]
    if not good:
        problems = read[0][1]
        raise ConfigInvalid(problems[0].code, f"{path} cannot be used", problems)
    chosen = [paths.shadow if getattr(args, "shadow", False) else paths for paths in good]
    return tuple((Path(paths.state), Path(paths.run)) for paths in chosen)
