"""The JSON Schemas that are bundled with torchsync."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from torchsync.core.formats import Formats
from torchsync.core.verdictcache import Rules

NAMES = ("agent", "hosts", "problems", "task", "torchsync")
_FORMATS = ("task", "torchsync", "hosts")
_JUDGES = ("torchsync", "croniter", "tzdata", "pyyaml", "jsonschema")
"""The packages that have a say in the verdict on a task file."""


def schema_names() -> tuple[str, ...]:
    """The schemas that are bundled: of every file that torchsync reads, and of every document that it prints."""
    found = (entry.name.partition(".schema.json") for entry in files("torchsync").joinpath("schemas").iterdir())
    return tuple(sorted(name for name, ending, rest in found if ending and not rest))


@cache
def read_schema(name: str) -> dict[str, Any]:
    """The schema of that name, one of `NAMES`. It is shared: do not change it. Raises FileNotFoundError for any other name."""
    schema: dict[str, Any] = json.loads(read_schema_text(name))
    return schema


@cache
def repository_formats() -> Formats:
    """The readers of the files of a task repository, as this version of torchsync reads them."""
    return Formats({name: read_schema(name) for name in _FORMATS}, version("torchsync"))


def verdict_rules() -> Rules:
    """What makes a verdict of another version of torchsync, or of what it stands on, worthless."""
    schema = hashlib.sha256("".join(map(read_schema_text, _FORMATS)).encode()).hexdigest()
    return Rules(schema=schema, versions={name: version(name) for name in _JUDGES})


def read_schema_text(name: str) -> str:
    """The text of the schema of that name, as editors and `torchsync schema` get it."""
    return files("torchsync").joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
