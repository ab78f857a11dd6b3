"""Plain JSON values, and their one canonical text. Pure."""

from __future__ import annotations

import json
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical(document: Json) -> str:
    """The same text for equal documents: sorted keys, no spaces, ASCII only. Raises ValueError for numbers that JSON does not have."""
    return _ENCODER.encode(document)


def parse_json(text: str | bytes) -> Json:
    """The document the text holds. Raises ValueError when it is not JSON."""
    try:
        document: Json = _DECODER.decode(text) if isinstance(text, str) else json.loads(text, parse_constant=_no_such_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return document


def _no_such_number(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


# Made once: that takes longer than a small document.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_such_number)
