"""The JSON Schemas that are bundled with torchsync."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("agent", "problems", "task")


@cache
def read_schema(name: str) -> dict[str, Any]:
    """The schema of that name, one of `NAMES`. It is shared: do not change it. Raises FileNotFoundError for any other name."""
    schema: dict[str, Any] = json.loads(read_schema_text(name))
    return schema


def read_schema_text(name: str) -> str:
    """The text of the schema of that name, as editors and `torchsync schema` get it."""
    return files("torchsync").joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
