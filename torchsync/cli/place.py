"""Where the agent's configuration is, and with it its socket and its state directory."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from torchsync.errors import ConfigInvalid

USUAL_CONFIG = "/etc/torchsync/agent.yaml"


def add_config_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help=f"the agent's configuration (default: $TORCHSYNC_CONFIG, else {USUAL_CONFIG})")


def config_path(args: Namespace) -> Path:
    """The file that is meant, named or usual; absolute."""
    return Path(getattr(args, "config", None) or os.environ.get("TORCHSYNC_CONFIG") or USUAL_CONFIG).absolute()


def is_named(args: Namespace) -> bool:
    """The configuration was asked for by name, so that it is an error when it is not there."""
    return bool(getattr(args, "config", None) or os.environ.get("TORCHSYNC_CONFIG"))


def paths_of(args: Namespace) -> tuple[Path, Path] | None:
    """The state directory and the run directory of the agent, or with `--shadow` of its shadow; None when no configuration says.

    Raises ConfigInvalid when a configuration that is there, or was named, cannot be used.
    """
    path = config_path(args)
    if not is_named(args) and not os.access(path, os.R_OK):
        return None
    from torchsync.agent.config import config_from_document
    from torchsync.cli.configreader import read_config_file

    document, problems = read_config_file(path)
    if document is None:
        raise ConfigInvalid(problems[0].code, f"{path} cannot be used", problems)
    paths = config_from_document(document).paths
    paths = paths.shadow if getattr(args, "shadow", False) else paths
    return Path(paths.state), Path(paths.run)
