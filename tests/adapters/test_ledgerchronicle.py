"""Which generation was in force when, with which definition of each task."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import BACKUP, admitted, finish, minute, skip
from tests.builders import generation, record, task
from torchsync.adapters.ledger import LedgerReader, SqliteLedger, open_readonly
from torchsync.adapters.ledgerschema import _LADDER, APPLICATION_ID
from torchsync.core.chronicle import PutStart, in_force, successor, whole
from torchsync.core.entries import Admit, PutHold, PutRecord, TurnBack
from torchsync.core.evidence import Evidence
from torchsync.core.holds import SYNCS, HoldAct, HoldChange
from torchsync.core.model import Generation, Instant, Millis, Revision, SkipReason, TaskName

A, B = task("a"), task("b")
ANOTHER = Revision("a" * 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, tmp_path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger(path, tmp_path)) as opened:
        yield opened


def told(path: Path, name: str, at: Instant) -> Evidence:
    with closing(open_readonly(path, path.parent)) as reader:
        return reader.evidence(TaskName(name), at)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def swapped(number: int, *tasks, **changes) -> Generation:
    at = minute(number)
    return generation(*tasks, number=number, applied_at=at, baselines={one.name: at for one in tasks}, **changes)


def test_each_moment_has_the_definition_it_had_then(path, ledger):
    changed = replace(A, owner="new")
    ledger.commit([whole(swapped(1, A, B))])
    ledger.commit([successor(swapped(5, changed, B, revision=ANOTHER), ["a"], [])])
    ledger.commit([successor(swapped(9, changed), [], ["b"])])

    def owner(at: int) -> str | None:
        term = told(path, "a", minute(at)).term
        return term.task.owner if term else None

    assert [owner(at) for at in (0, 1, 4, 5, 9, 99)] == [None, "", "", "new", "new", "new"]
    found = told(path, "b", minute(10))
    assert (found.term, found.before.since, found.before.until, found.in_force.number) == (None, minute(1), minute(9), 9)
    found = told(path, "b", minute(0))
    assert (found.began, found.in_force, found.term, found.before, found.after.since) == (minute(1), None, None, None, minute(1))
    assert told(path, "b", minute(6)).in_force.revision == ANOTHER
    assert told(path, "a", minute(6)).term.baseline == minute(5)


def test_only_what_changes_is_written(path, ledger):
    tasks = [task(f"t{number}") for number in range(50)]
    ledger.commit([whole(swapped(1, *tasks))])
    for number in range(2, 30):
        ledger.commit([successor(swapped(number, *tasks), [], [])])
    assert (rows(path, "term"), rows(path, "definition"), rows(path, "generation")) == (50, 50, 29)


def test_a_generation_that_is_told_as_a_whole_ends_what_is_not_in_it_and_leaves_the_rest(path, ledger):
    ledger.commit([whole(swapped(1, A, B))])
    kept = {A.name: minute(1)}
    ledger.commit([whole(replace(swapped(7, A, task("c")), baselines=kept | {TaskName("c"): minute(7)}))])
    assert told(path, "a", minute(8)).term.since == minute(1)
    assert (told(path, "b", minute(8)).term, told(path, "b", minute(8)).before.until) == (None, minute(7))
    assert told(path, "c", minute(8)).term.since == minute(7)


def test_a_task_that_counts_from_another_moment_begins_anew(path, ledger):
    ledger.commit([whole(swapped(1, A))])
    ledger.commit([successor(swapped(5, A), ["a"], [])])
    assert [told(path, "a", minute(at)).term.baseline for at in (4, 6)] == [minute(1), minute(5)]
    assert rows(path, "definition") == 1


def test_the_newest_generation_comes_back_as_it_was(path, ledger):
    assert ledger.in_force() is None
    one = swapped(3, A)
    ledger.commit([whole(swapped(1, A)), successor(one, [], [])])
    assert ledger.in_force() == in_force(one)


def test_what_is_old_and_over_is_pruned_and_what_was_in_force_then_stays(path, ledger):
    ledger.commit([whole(swapped(1, A, B)), PutStart(at=minute(1), boot_id="x", last_sign=Instant(0))])
    changed = replace(A, owner="new")
    ledger.commit([successor(swapped(5, changed, B), ["a"], []), PutStart(at=minute(6), boot_id="x", last_sign=minute(5))])
    ledger.commit([successor(swapped(9, changed), [], ["b"])])
    while ledger.prune(minute(7)):
        pass
    assert (rows(path, "term"), rows(path, "generation"), rows(path, "agent"), rows(path, "definition")) == (2, 2, 1, 2)
    assert told(path, "b", minute(8)).term.task.name == "b"
    assert told(path, "a", minute(8)).start.at == minute(6)
    while ledger.prune(minute(1000)):
        pass
    assert (rows(path, "term"), rows(path, "generation"), rows(path, "definition")) == (1, 1, 1)
    assert told(path, "a", minute(1001)).term.task == changed


def test_a_definition_goes_with_the_last_that_needs_it(path, ledger):
    run = admitted(1)
    ledger.commit([whole(swapped(1, BACKUP)), Admit(run), finish(run)])
    ledger.commit([successor(swapped(3, A), ["a"], [BACKUP.name])])
    while ledger.prune(minute(2)):
        pass
    assert (rows(path, "run"), rows(path, "definition")) == (0, 2)
    while ledger.prune(minute(4)):
        pass
    assert rows(path, "definition") == 1


def test_no_generation_lies_later_than_a_clock_that_turned_back(path, ledger):
    one = swapped(60, A)
    ledger.commit([whole(one), PutStart(at=minute(60), boot_id="x", last_sign=minute(59))])
    ledger.commit([TurnBack(minute(10), Millis(50 * 60_000), minute(5))])
    assert ledger.in_force().applied_at == minute(10)
    found = told(path, "a", minute(11))
    assert (found.term.since, found.term.baseline, found.start.at, found.start.last_sign) == (minute(10), minute(10), minute(10), minute(9))


def test_what_is_known_of_an_instant_comes_in_one_piece(path, ledger):
    running, later = admitted(1), admitted(9)
    pause = HoldChange(number=1, at=minute(3), act=HoldAct.PLACED, what=SYNCS, actor="alice")
    ledger.commit([Admit(running), skip(2, 4, count=3, reason=SkipReason.OVERLAP), Admit(later), PutHold(pause)])
    ledger.commit([PutRecord(record("backup", decided_through=minute(9))), finish(running, finished_at=minute(20))])
    found = told(path, "backup", minute(3))
    assert (found.entry.reason, found.entry.first, found.entry.last) == (SkipReason.OVERLAP, minute(2), minute(4))
    assert [run.id for run in found.running] == [running.id]
    assert (found.newest.id, found.record.decided_through, found.holds) == (later.id, minute(9), (pause,))
    assert told(path, "backup", minute(1)).entry.run.id == running.id
    assert told(path, "backup", minute(5)).entry is None
    assert not told(path, "another", minute(5)).is_known


def test_the_names_that_are_known_are_those_of_tasks_and_of_what_ran(path, ledger):
    ledger.commit([whole(swapped(1, A)), Admit(admitted(1)), PutRecord(record("gone"))])
    with closing(open_readonly(path, path.parent)) as reader:
        assert sorted(reader.known_tasks()) == ["a", "backup", "gone"]


@pytest.mark.parametrize("standing", [1, 2, 3])
def test_a_ledger_of_an_earlier_version_begins_to_remember(path, standing):
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in (statement for rung in _LADDER[:standing] for statement in rung):
            old.execute(statement)
        old.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (standing,))
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    with closing(SqliteLedger(path, path.parent)) as ledger:
        assert ledger.in_force() is None
        assert told(path, "a", minute(1)).began is None
        ledger.commit([whole(swapped(1, A))])
        assert told(path, "a", minute(1)).term.task == A


def test_every_question_about_an_instant_has_an_index(path, ledger):
    ledger.commit([whole(swapped(1, A)), Admit(admitted(1))])
    with closing(open_readonly(path, path.parent)) as reader:
        assert scans(reader, lambda: reader.evidence(TaskName("a"), minute(1))) <= {"hold"}


def scans(reader: LedgerReader, ask) -> set[str]:
    """The tables that are read from one end to the other."""
    connection, asked = reader._connection, []
    connection.set_trace_callback(asked.append)
    ask()
    connection.set_trace_callback(None)
    plans = [row[3] for statement in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert plans
    return {plan.split()[1] for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan}
