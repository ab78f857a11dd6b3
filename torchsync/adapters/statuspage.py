"""Who makes the status page: one thread, for everybody.

The page of a thousand tasks takes a tenth of a second and some megabytes, which each thread of the HTTP server would keep for itself (malloc(3),
"arenas"). So one thread makes it, one at a time, and whoever asks within a second of somebody else gets the same: however many look, or try to wear
the agent out, it costs the scheduler a bounded share of its process. Neither the thread nor the template engine is there before somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torchsync.core.model import Instant, Millis
from torchsync.core.snapshot import Snapshot
from torchsync.core.web import StatusPage

FRESH = Millis(1_000)


@dataclass(frozen=True, slots=True)
class _Made:
    at: Instant
    page: str


class StatusPages:
    """Makes the page by what `load` gives, which is called once, with the first page."""

    def __init__(self, load: Callable[[], StatusPage]) -> None:
        self._load = load
        self._render: StatusPage | None = None
        self._made: dict[bool, _Made] = {}
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="page")

    def __call__(self, snapshot: Snapshot, now: Instant, is_still: bool) -> str:
        """The page of now, or of less than a second ago. Raises what making it raises."""
        return self._maker.submit(self._page, snapshot, now, is_still).result()

    def _page(self, snapshot: Snapshot, now: Instant, is_still: bool) -> str:
        made = self._made.get(is_still)
        if made and abs(now - made.at) < FRESH:
            return made.page
        self._render = self._render or self._load()
        page = self._render(snapshot, now, is_still)
        self._made[is_still] = _Made(now, page)
        return page
