from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import BACKUP, CONTRACT, FAILED, WAIT, admitted, finish, minute, notice, skip, waiting
from tests.builders import record, task
from torchsync.adapters.ledger import SqliteLedger, open_readonly
from torchsync.adapters.ledgerschema import _ATTEMPTS, _LADDER, _QUEUE, _USAGE, APPLICATION_ID
from torchsync.core.entries import Admit, AwaitAttempt, Enqueue, HistoryQuery, PutHold, PutLate, PutNotice, PutRecord
from torchsync.core.holds import SYNCS, HoldAct, HoldChange
from torchsync.core.jsontext import canonical
from torchsync.core.model import Outcome, SkipReason, Trigger
from torchsync.core.notify import Ping
from torchsync.core.taskdoc import task_document
from torchsync.core.usage import UNKNOWN
from torchsync.errors import NotFound, Refused, StateUncreatable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, tmp_path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger(path, tmp_path)) as opened:
        yield opened


def reopened(path: Path) -> SqliteLedger:
    return SqliteLedger(path, path.parent)


def settings(ledger: SqliteLedger) -> tuple[str, int]:
    connection = ledger._connection
    return connection.execute("PRAGMA journal_mode").fetchone()[0], connection.execute("PRAGMA synchronous").fetchone()[0]


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_ledger_keeps_the_contract(contract, ledger):
    contract(ledger)


def test_everything_is_there_after_a_restart(path, ledger):
    one = admitted(1)
    ledger.commit([Admit(one), skip(2, 4, count=3), PutRecord(record("backup", decided_through=minute(4)))])
    before = ledger.history(HistoryQuery()), ledger.open_runs(), ledger.records()
    ledger.close()
    with closing(reopened(path)) as again:
        assert (again.history(HistoryQuery()), again.open_runs(), again.records()) == before
        again.commit([skip(5, extends=True)])
        assert again.notices == ()


def test_the_file_is_for_the_agent_alone(path, ledger):
    ledger.commit([Admit(admitted(1))])
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600, name


def test_a_ledger_that_others_could_read_is_closed_to_them(path, ledger):
    ledger.close()
    path.chmod(0o644)
    reopened(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_commits_outlive_a_loss_of_power(ledger):
    assert settings(ledger) == ("wal", 2)


def test_a_definition_is_stored_once_however_many_runs_have_it(path, ledger):
    ledger.commit([Admit(admitted(number)) for number in range(1, 40)])
    ledger.commit([Admit(admitted(number, task("backup"))) for number in range(40, 50)])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM definition").fetchone() == (1,)


def test_another_process_reads_while_the_agent_writes(path, ledger, tmp_path):
    ledger.commit([Admit(admitted(1))])
    with closing(open_readonly(path, tmp_path)) as reader:
        assert len(reader.open_runs()) == 1
        ledger.commit([Admit(admitted(2))])
        assert len(reader.history(HistoryQuery())) == 2
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM run")


def test_the_history_is_read_without_an_agent(path, ledger, tmp_path):
    ledger.commit([Admit(admitted(1))])
    ledger.close()
    with closing(open_readonly(path, tmp_path)) as reader:
        assert len(reader.history(HistoryQuery())) == 1


def test_reading_a_ledger_that_is_not_there_makes_none(path, tmp_path):
    with pytest.raises(NotFound, match="no ledger"):
        open_readonly(path, tmp_path)
    assert not path.exists()


def test_reading_needs_the_right_to(path, ledger, tmp_path):
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("only as an ordinary user: root may read every file")
    with pytest.raises(Refused):
        open_readonly(path, tmp_path)


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def damage_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def damage_one_page(path: Path) -> None:
    """A page that nothing reads when the ledger is opened."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'run'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def cut_short(path: Path) -> None:
    os.truncate(path, 5000)


def replace_by_text(path: Path) -> None:
    path.write_text("this is not a database at all\n" * 50)


def replace_by_another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")


@pytest.mark.parametrize("damage", [damage_header, damage_middle, damage_one_page, cut_short, replace_by_text, replace_by_another_database])
def test_a_damaged_ledger_is_kept_aside_and_a_new_one_begun(path, ledger, damage):
    ledger.commit([Admit(admitted(number, task(f"task-{number}"))) for number in range(1, 200)])
    ledger.close()
    damage(path)
    spoilt = path.read_bytes()
    with closing(reopened(path)) as again:
        (notice,) = again.notices
        assert (notice.code, again.was_replaced) == ("TS334", True)
        assert "ledger.sqlite.damaged-1" in notice.message
        assert again.open_runs() == []
        again.commit([Admit(admitted(1))])
    assert path.with_name("ledger.sqlite.damaged-1").read_bytes() == spoilt
    with closing(reopened(path)) as third:
        assert third.notices == ()
        assert len(third.open_runs()) == 1


def test_a_second_damaged_ledger_does_not_replace_the_first(path, ledger):
    for number in (1, 2):
        ledger.close()
        replace_by_text(path)
        ledger = reopened(path)
        assert f"damaged-{number}" in ledger.notices[0].message
    ledger.close()


def test_an_empty_file_is_an_empty_ledger(path):
    path.touch()
    with closing(reopened(path)) as ledger:
        ledger.commit([Admit(admitted(1))])
        assert ledger.notices == ()


def test_a_ledger_of_a_newer_version_is_left_alone(path, ledger):
    ledger.commit([Admit(admitted(1))])
    ledger.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    before = path.read_bytes()
    with pytest.raises(StateUncreatable, match="newer torchsync: version 99") as caught:
        reopened(path)
    assert caught.value.code == "TS335"
    assert path.read_bytes() == before


def test_a_ledger_of_the_first_version_climbs_with_all_that_it_holds(path, tmp_path):
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in _LADDER[0]:
            old.execute(statement)
        old.execute("UPDATE meta SET value = 1 WHERE key = 'schema_version'")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO fire VALUES ('backup', ?, ?, 3, ?, 'missed', NULL)", (minute(1), minute(3), minute(3)))
        old.execute(
            "INSERT INTO record VALUES ('backup', ?, ?, ?, 0, 0, 0, 0, 0, 0, '{}', '{\"missed\": 3}')", (minute(0), minute(0), minute(3))
        )
    with pytest.raises(StateUncreatable, match="older form"):
        open_readonly(path, tmp_path)
    with closing(reopened(path)) as ledger:
        assert ledger.notices == ()
        assert ledger.clock() is None
        assert ledger.tagged() == []
        assert ledger.records() == {
            "backup": record("backup", first_seen=minute(0), last_seen=minute(0), decided_through=minute(3), skipped={SkipReason.MISSED: 3})
        }
        ledger.commit([skip(4, extends=True)])
        (row,) = ledger.history(HistoryQuery())
        assert (row.first, row.last, row.count, row.annulled) == (minute(1), minute(4), 4, False)
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([skip(2)])


def test_a_ledger_of_the_second_version_learns_of_holds(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in (*_LADDER[0], *_LADDER[1]):
            old.execute(statement)
        old.execute("UPDATE meta SET value = 2 WHERE key = 'schema_version'")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO fire VALUES ('backup', ?, ?, 3, ?, 'overlap', NULL, 7)", (minute(1), minute(3), minute(3)))
    change = HoldChange(number=1, at=minute(5), act=HoldAct.PLACED, what=SYNCS, actor="alice")
    with closing(reopened(path)) as ledger:
        assert [(tagged.jump, tagged.last) for tagged in ledger.tagged()] == [(7, minute(3))]
        ledger.commit([PutHold(change)])
        assert [(row.reason, row.hold) for row in ledger.history(HistoryQuery())] == [(None, change), (SkipReason.OVERLAP, None)]


def test_a_ledger_of_the_third_version_learns_of_notices(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in (*_LADDER[0], *_LADDER[1], *_LADDER[2]):
            old.execute(statement)
        old.execute("UPDATE meta SET value = 3 WHERE key = 'schema_version'")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO fire VALUES ('backup', ?, ?, 3, ?, 'overlap', NULL, 7)", (minute(1), minute(3), minute(3)))
    with closing(reopened(path)) as ledger:
        assert (ledger.notices_waiting(), ledger.late()) == ([], {})
        ledger.commit([PutNotice(notice("a", Ping(secret="hc"))), PutLate(BACKUP.name, minute(1))])
    with closing(reopened(path)) as ledger:
        assert [one.id for one in ledger.notices_waiting()] == ["a"]
        assert ledger.late() == {"backup": minute(1)}
        assert len(ledger.history(HistoryQuery())) == 1


def test_a_ledger_of_before_attempts_learns_of_them(path):
    ladder = _LADDER[: _LADDER.index(_ATTEMPTS)]
    one = admitted(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in (statement for rung in ladder for statement in rung):
            old.execute(statement)
        old.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (len(ladder),))
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO definition VALUES (x'00', ?)", (canonical(task_document(one.task)),))
        old.execute(
            "INSERT INTO run VALUES (?, 'backup', x'00', ?, ?, 'schedule', ?, ?, 'torchsync-run', ?, ?, 0, 1, '', NULL, NULL, NULL, NULL, NULL, '')",
            (one.id, one.revision, one.tree, one.admitted_at, one.boot_id, one.instant, one.due),
        )
        old.execute("INSERT INTO record VALUES ('backup', ?, ?, 0, 0, 0, 0, 0, 0, 4, '{}', '{}', '[]')", (minute(0), minute(0)))
    with closing(reopened(path)) as ledger:
        assert list(ledger.open_runs()) == [one]
        assert (ledger.records()["backup"].restarts, ledger.records()["backup"].retries, ledger.records()["backup"].pauses) == (4, 0, ())
        ledger.commit([AwaitAttempt(run=one.id, wait=WAIT, over=FAILED)])
        assert [run.earlier for run in ledger.open_runs()] == [(FAILED,)]


def test_a_ledger_of_before_the_queue_learns_of_fires_that_wait(path):
    ladder = _LADDER[: _LADDER.index(_QUEUE)]
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in (statement for rung in ladder for statement in rung):
            old.execute(statement)
        old.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (len(ladder),))
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO fire VALUES ('backup', ?, ?, 3, ?, 'missed', NULL, 7)", (minute(1), minute(3), minute(3)))
        old.execute("INSERT INTO annulled VALUES ('backup', ?, ?, 1, ?, 'missed', NULL, 7)", (minute(9), minute(9), minute(3)))
    with closing(reopened(path)) as ledger:
        assert ledger.queue() == []
        ledger.commit([Enqueue(waiting(4)), skip(5)])
        assert [(row.reason, row.queued, row.annulled) for row in ledger.history(HistoryQuery())] == [
            (SkipReason.MISSED, None, False),
            (None, Trigger.SCHEDULE, False),
            (SkipReason.MISSED, None, True),
            (SkipReason.MISSED, None, False),
        ]
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([skip(4)])


def test_what_runs_used_is_unknown_in_a_ledger_that_did_not_keep_it(path):
    run = "01999-old"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in chain.from_iterable(_LADDER[: _LADDER.index(_USAGE)]):
            old.execute(statement)
        old.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (_LADDER.index(_USAGE),))
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("INSERT INTO definition VALUES (x'00', ?)", (canonical(task_document(BACKUP)),))
        old.execute(
            "INSERT INTO run (id, task, definition, revision, tree, trigger, admitted_at, boot_id, user, copy, attempt, actor, outcome, detail)"
            " VALUES (?, 'backup', x'00', 'r', 't', 'manual', ?, 'b', 'u', 0, 1, '', 'succeeded', '')",
            (run, minute(1)),
        )
    with closing(reopened(path)) as ledger:
        assert ledger.run(run).usage == UNKNOWN


def test_old_entries_are_pruned_and_the_marks_stay(path, ledger):
    old, long_running, young = admitted(1), admitted(2), admitted(50, task("backup", owner="new"))
    ledger.commit([Admit(old), Admit(long_running), skip(3, 5, count=3), Admit(young), finish(old), finish(young, Outcome.FAILED)])
    ledger.commit([PutRecord(record("backup", decided_through=minute(50)))])
    assert ledger.prune(minute(10)) == 2
    assert ledger.prune(minute(10)) == 0
    assert [row.run.id for row in ledger.history(HistoryQuery())] == [young.id, long_running.id]
    assert ledger.records()["backup"].decided_through == minute(50)
    ledger.commit([skip(60, extends=True), finish(long_running)])
    assert ledger.prune(minute(55)) == 2
    assert [row.reason is None for row in ledger.history(HistoryQuery())] == [False]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM definition").fetchone() == (0,)
    ledger.commit([Admit(admitted(61, BACKUP))])


def test_much_is_pruned_in_small_steps(ledger):
    ledger.commit([skip(number * 2) for number in range(2500)])
    steps = []
    while gone := ledger.prune(minute(10**6)):
        steps.append(gone)
    assert steps == [1000, 1000, 500]
