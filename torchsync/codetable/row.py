"""What a row of the code table holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why a commit was rejected or refused: a closed set, the label of `torchsync_rejections_total`."""

    YAML = "yaml"
    SCHEMA = "schema"
    SCHEDULE = "schedule"
    REFERENCE = "reference"
    DUPLICATE = "duplicate"
    PATH = "path"
    SIZE = "size"
    VERSION = "version"
    SIGNATURE = "signature"
    REWIND = "rewind"
    GUARD = "guard"
    POLICY = "policy"
    USER = "user"
    LIMIT = "limit"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """One row of the code table: what the code means and what to do about it."""

    code: str
    title: str
    cause: str
    remedy: str
    reason: Reason | None = None
    """Set for what can reject or refuse a commit."""
