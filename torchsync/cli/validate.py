"""`torchsync validate`: the commit verdict on a folder or a single task file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from torchsync.cli.check import FORMATS, validate


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="a task repository, or one task file (default: the current folder)"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="how problems are told (default: text)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def execute(args: Namespace) -> int:
    """0 when all of it is valid; 65 otherwise."""
    return validate(args.path, args.format)
