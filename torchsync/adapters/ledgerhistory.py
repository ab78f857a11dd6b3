"""The question that the history is the answer to, as SQL: runs, skips and holds in one order."""

from __future__ import annotations

from torchsync.core.entries import HistoryQuery

_FAILED = "('failed', 'timed_out', 'start_failed', 'lost')"


def history_query(query: HistoryQuery) -> str:
    """Fixed fragments only; the values are parameters."""
    of_task = " AND task = :task" if query.task else ""
    is_annulled = "EXISTS (SELECT 1 FROM annulled WHERE annulled.run = run.id) AS annulled"
    runs = f"""SELECT admitted_at AS decided_at, task, instant AS first, instant AS last, 1 AS count, NULL AS reason, id AS run, {is_annulled},
        NULL AS hold, NULL AS queued FROM run WHERE admitted_at >= :since{of_task}"""  # noqa: S608 - as above
    skips = " UNION ALL ".join(
        f"""SELECT decided_at, task, first, last, count, reason, NULL AS run, {table == "annulled"} AS annulled, NULL AS hold,
        trigger AS queued FROM {table}
        WHERE reason IS NOT NULL AND decided_at >= :since{of_task}"""  # noqa: S608 - as above
        for table in ("fire", "annulled")
    )
    holds = f"""SELECT at AS decided_at, task, NULL AS first, NULL AS last, 1 AS count, NULL AS reason, NULL AS run, 0 AS annulled, number AS hold,
        NULL AS queued FROM hold WHERE at >= :since{of_task}"""  # noqa: S608 - as above
    every = f"{runs} AND outcome IN {_FAILED}" if query.failed else f"{runs} UNION ALL {skips} UNION ALL {holds}"
    return f"{every} ORDER BY 1 DESC, 4 DESC, 7 DESC, 9 DESC LIMIT :limit"
