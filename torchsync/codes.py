"""Every code torchsync can tell, with its cause and what to do: one table, which also makes `docs/reference/errors.md` and answers `explain`."""

from __future__ import annotations

from torchsync.codetable.commit import COMMIT_CODES
from torchsync.codetable.host import HOST_CODES
from torchsync.codetable.row import CodeInfo
from torchsync.codetable.sync import SYNC_CODES

CODES: dict[str, CodeInfo] = {info.code: info for info in (*COMMIT_CODES, *SYNC_CODES, *HOST_CODES)}
