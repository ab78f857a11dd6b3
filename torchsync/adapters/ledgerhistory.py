"""The question that the history is the answer to, as SQL: runs, skips and holds in one order.

Each part is cut to what can be wanted of it before they are put together, and each has an index for its order: so the newest rows of a million cost
what those rows cost.
"""

from __future__ import annotations

from torchsync.core.entries import HistoryQuery

FAILED = "('failed', 'timed_out', 'start_failed', 'lost')"
"""As in the indexes of the runs that failed: SQLite takes those only for the very same words."""

_ORDER = "ORDER BY decided_at DESC, last DESC, run DESC, hold DESC"


def history_query(query: HistoryQuery) -> str:
    """Fixed fragments only; the values are parameters."""
    parts = (
        [_runs(query)] if query.failed or query.runs else [_runs(query), _skips("fire", query), _skips("annulled", query), _holds(query)]
    )
    together = " UNION ALL ".join(f"SELECT * FROM ({part} {_ORDER} LIMIT :most)" for part in parts)  # noqa: S608 - our own fragments
    return f"{together} {_ORDER} LIMIT :limit OFFSET :skip"


def parameters(query: HistoryQuery) -> dict[str, object]:
    """The values for it."""
    return {
        "task": query.task,
        "since": query.since,
        "until": query.until,
        "limit": query.limit,
        "skip": query.skip,
        "most": query.limit + query.skip,
    }


def _runs(query: HistoryQuery) -> str:
    failed = f" AND outcome IN {FAILED}" if query.failed else ""
    return f"""SELECT admitted_at AS decided_at, task, instant AS first, instant AS last, 1 AS count, NULL AS reason, id AS run,
        EXISTS (SELECT 1 FROM annulled WHERE annulled.run = run.id) AS annulled, NULL AS hold, NULL AS queued
        FROM run WHERE admitted_at BETWEEN :since AND :until{_of_task(query)}{failed}"""  # noqa: S608 - as above


def _skips(table: str, query: HistoryQuery) -> str:
    return f"""SELECT decided_at, task, first, last, count, reason, NULL AS run, {table == "annulled"} AS annulled, NULL AS hold, trigger AS queued
        FROM {table} WHERE reason IS NOT NULL AND decided_at BETWEEN :since AND :until{_of_task(query)}"""  # noqa: S608 - as above


def _holds(query: HistoryQuery) -> str:
    return f"""SELECT at AS decided_at, task, NULL AS first, NULL AS last, 1 AS count, NULL AS reason, NULL AS run, 0 AS annulled, number AS hold,
        NULL AS queued FROM hold WHERE at BETWEEN :since AND :until{_of_task(query)}"""  # noqa: S608 - as above


def _of_task(query: HistoryQuery) -> str:
    return " AND task = :task" if query.task else ""
