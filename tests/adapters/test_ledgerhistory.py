"""The newest of a million rows cost what they cost: no question of an operator reads a table from one end to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import admitted, minute, skip
from torchsync.adapters.ledger import LedgerReader, SqliteLedger, open_readonly
from torchsync.adapters.ledgerhistory import history_query, parameters
from torchsync.core.entries import Admit, HistoryQuery


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[LedgerReader]:
    with closing(SqliteLedger(tmp_path / "ledger.sqlite", tmp_path)) as ledger:
        ledger.commit([Admit(admitted(1)), skip(2)])
    with closing(open_readonly(tmp_path / "ledger.sqlite", tmp_path)) as opened:
        yield opened


def plan_of(reader: LedgerReader, query: HistoryQuery) -> list[str]:
    found = reader._connection.execute(f"EXPLAIN QUERY PLAN {history_query(query)}", parameters(query))
    return [row[3] for row in found]


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (HistoryQuery(since=minute(1)), ["run_newest", "fire_newest_skip", "annulled_newest", "hold_newest"]),
        (HistoryQuery(task="backup"), ["run_of_task", "fire_newest_skip_of_task", "annulled_of_task", "hold_newest"]),
        (HistoryQuery(failed=True, since=minute(1)), ["run_failed"]),
        (HistoryQuery(failed=True, task="backup"), ["run_failed_of_task"]),
        (HistoryQuery(runs=True, task="backup", limit=1), ["run_of_task"]),
        (HistoryQuery(until=minute(1), skip=3), ["run_newest", "fire_newest_skip", "annulled_newest", "hold_newest"]),
    ],
)
def test_every_question_goes_by_an_index(reader, query, indexes):
    plan = plan_of(reader, query)
    assert [step for step in plan if step.startswith("SCAN") and "subquery" not in step] == []
    searched = [step.split("INDEX ")[1].split(" ")[0] for step in plan if step.startswith("SEARCH") and "annulled_of_run" not in step]
    assert searched == indexes


@pytest.mark.parametrize("query", [HistoryQuery(), HistoryQuery(task="backup"), HistoryQuery(failed=True)])
def test_runs_and_skips_are_read_in_the_order_of_their_index(reader, query):
    """What is sorted is only what was decided in the same millisecond."""
    plan = plan_of(reader, query)
    for number, step in enumerate(plan):
        if step.startswith(("SEARCH run", "SEARCH fire")):
            sorting = next(later for later in plan[number:] if later.startswith("USE TEMP B-TREE"))
            assert sorting != "USE TEMP B-TREE FOR ORDER BY"
