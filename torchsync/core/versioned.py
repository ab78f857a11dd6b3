"""The envelope of JSON state files: what kind of state it is and which version of its form, around the body. Pure.

A file of an older version is brought up step by step on reading; one of a newer version, of another kind or cut short is `Damaged`, which
means: set it aside, say so, and rebuild.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torchsync.core.jsontext import Json, canonical, parse_json

Migration = Callable[[Json], Json]
"""Makes a body of one version into a body of the next; raises ValueError for what cannot be one."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """The file cannot be used; `why` is a sentence."""

    why: str


def wrap(kind: str, version: int, body: Json) -> bytes:
    """The content of a state file that holds `body`, one line of ASCII."""
    return wrap_text(kind, version, canonical(body))


def wrap_text(kind: str, version: int, body: str) -> bytes:
    """As `wrap`, for a body that is canonical JSON already."""
    return f'{{"body":{body},"kind":{canonical(kind)},"schema_version":{version}}}\n'.encode("ascii")


def unwrap(data: bytes, kind: str, migrations: Sequence[Migration] = ()) -> Json | Damaged:
    """The body in the newest version. `migrations[0]` leads from version 1 to 2 and so on, so the newest is one more than there are."""
    newest = len(migrations) + 1
    try:
        document = parse_json(data)
    except ValueError as error:
        return Damaged(f"it is not JSON: {error}")
    if not isinstance(document, dict) or not {"kind", "schema_version", "body"} <= document.keys():
        return Damaged("it is JSON, but not a state file of torchsync")
    if document["kind"] != kind:
        return Damaged(f"it holds {document['kind']!r} where {kind!r} was expected")
    version = document["schema_version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        return Damaged(f"its version is {version!r}, which is none")
    if version > newest:
        return Damaged(f"it was written by a newer torchsync: version {version}, this one knows up to {newest}")
    return _migrated(document["body"], version, migrations)


def _migrated(body: Json, version: int, migrations: Sequence[Migration]) -> Json | Damaged:
    for number, migrate in enumerate(migrations[version - 1 :], start=version):
        try:
            body = migrate(body)
        except ValueError as error:
            return Damaged(f"it cannot be brought from version {number} to {number + 1}: {error}")
    return body
