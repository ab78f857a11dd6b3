"""The ledger when its writer is killed, its disk is full or read-only, and fsync fails."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import admitted, minute, skip
from tests.adapters.disks import fill, remount, small_disk
from tests.builders import record, task
from torchsync.adapters.ledger import SqliteLedger, open_readonly
from torchsync.core.entries import Admit, Batch, HistoryQuery, LedgerOp, PutRecord
from torchsync.core.model import SkipReason
from torchsync.errors import StateUnwritable

EVERYTHING = HistoryQuery(limit=1_000_000)
BATCH = 5

WRITER = """
import os, signal, sys
from pathlib import Path
from tests.adapters.test_ledger_faults import batch
from torchsync.adapters.ledger import SqliteLedger

ledger = SqliteLedger(Path(sys.argv[1]), Path(sys.argv[1]).parent)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    ledger.commit(batch(number))
    os.write(1, b"%d\\n" % number)
os.write(1, b"done\\n")
signal.pause()
"""


def batch(number: int) -> list[LedgerOp]:
    """A transaction that can be recognised whole: some runs, a span and the mark behind them, each batch in an hour of its own."""
    start = number * 60
    runs = [Admit(admitted(start + place, task(f"task-{place}"))) for place in range(BATCH)]
    return [*runs, skip(start + 10, start + 20, count=11), PutRecord(record("backup", decided_through=minute(start + 20)))]


def numbered(number: int) -> Batch:
    """For a ledger that took batch 0 as its first."""
    return Batch(number=number + 1, operations=tuple(batch(number)))


def numbers_found(ledger: SqliteLedger) -> list[int]:
    """The batches in the ledger; fails when one of them is not whole."""
    found: dict[int, list[bool]] = {}
    for row in ledger.history(EVERYTHING):
        found.setdefault((row.first - minute(0)) // minute_length() // 60, []).append(row.reason is SkipReason.MISSED)
    assert all(sorted(rows) == [False] * BATCH + [True] for rows in found.values())
    numbers = sorted(found)
    if numbers:
        assert ledger.records()["backup"].decided_through == minute(numbers[-1] * 60 + 20)
    return numbers


def minute_length() -> int:
    return minute(1) - minute(0)


def killed_after(seconds: float, path: Path, first: int) -> int:
    """The last batch a writer said was committed before kill -9 met it; `first - 1` when there was none."""
    with writer(path, first, 10**6) as process:
        said = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        said += process.stdout.read()
    lines = said.decode().split("\n")[:-1]
    return int(lines[-1]) if lines else first - 1


def left_by_a_killed_writer(path: Path, batches: int) -> None:
    """So many batches are committed, and the writer had no time to tidy up."""
    with writer(path, 0, batches) as process:
        while process.stdout.readline() != b"done\n":
            assert process.poll() is None
        process.kill()
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0


def writer(path: Path, first: int, end: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, path, str(first), str(end)], stdout=subprocess.PIPE)


def test_what_commit_returned_for_survives_kill_9_and_batches_stay_whole(tmp_path):
    path = tmp_path / "ledger.sqlite"
    moments = random.Random(7)
    confirmed = -1
    for _ in range(12):
        confirmed = killed_after(moments.uniform(0, 0.08), path, confirmed + 1)
        with closing(SqliteLedger(path, tmp_path)) as ledger:
            found = numbers_found(ledger)
            assert ledger.notices == ()
        assert found in (list(range(confirmed + 1)), list(range(confirmed + 2)))
        confirmed = found[-1]


def whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def commit_until_unwritable(ledger: SqliteLedger, first: int = 0) -> int:
    for number in range(first, first + 5000):
        try:
            ledger.commit(batch(number))
        except StateUnwritable:
            return number
    raise AssertionError("the disk never filled up")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=2m") as folder:
        yield folder


def test_a_full_disk_stops_writing_but_neither_reading_nor_what_was_written(disk, tmp_path):
    path = disk / "ledger.sqlite"
    with closing(SqliteLedger(path, tmp_path)) as ledger:
        ledger.commit(batch(0))
        ballast = fill(disk)
        refused = commit_until_unwritable(ledger, 1)
        held_back = [*batch(refused)]
        for extra in range(1, 4):
            assert numbers_found(ledger) == list(range(refused))
            held_back += batch(refused + extra)
            with pytest.raises(StateUnwritable):
                ledger.commit(held_back)
        ballast.unlink()
        ledger.commit(held_back)
        assert numbers_found(ledger) == list(range(refused + 4))
    assert whole(path)


def test_a_disk_without_room_for_another_file_is_no_reason_to_stop(tmp_path):
    with small_disk(tmp_path / "disk", "size=8m", "nr_inodes=4") as disk:
        path = disk / "ledger.sqlite"
        (disk / "file").touch()
        (disk / "another").touch()
        with closing(SqliteLedger(path, tmp_path)) as ledger:
            with pytest.raises(StateUnwritable):
                ledger.commit(batch(0))
            assert numbers_found(ledger) == []
            (disk / "file").unlink()
            (disk / "another").unlink()
            ledger.commit(batch(0))
            assert numbers_found(ledger) == [0]


def test_an_agent_starts_on_a_full_disk_and_knows_what_a_killed_one_committed(disk, tmp_path):
    path = disk / "ledger.sqlite"
    left_by_a_killed_writer(path, 10)
    ballast = fill(disk)
    with closing(SqliteLedger(path, tmp_path)) as ledger:
        assert numbers_found(ledger) == list(range(10))
        refused = commit_until_unwritable(ledger, 10)
        ballast.unlink()
        ledger.commit(batch(refused))
        assert numbers_found(ledger) == list(range(refused + 1))


def test_an_agent_starts_on_a_read_only_disk_and_knows_what_a_killed_one_committed(disk, tmp_path):
    path = disk / "ledger.sqlite"
    left_by_a_killed_writer(path, 10)
    remount(disk, "ro")
    with closing(SqliteLedger(path, tmp_path)) as ledger:
        (notice,) = ledger.notices
        assert notice.code == "TS333"
        assert not ledger.was_replaced
        assert numbers_found(ledger) == list(range(10))
        with pytest.raises(StateUnwritable):
            ledger.commit(batch(10))
        remount(disk, "rw")
        ledger.commit(batch(10))
        assert numbers_found(ledger) == list(range(11))
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_a_first_start_on_a_read_only_disk_finds_an_empty_ledger(disk, tmp_path):
    remount(disk, "ro")
    with closing(SqliteLedger(disk / "ledger.sqlite", tmp_path)) as ledger:
        assert (ledger.open_runs(), ledger.records()) == ([], {})
        with pytest.raises(StateUnwritable):
            ledger.commit(batch(0))
        remount(disk, "rw")
        ledger.commit(batch(0))
        assert numbers_found(ledger) == [0]


def test_the_history_is_read_from_a_read_only_disk(disk, tmp_path):
    path = disk / "ledger.sqlite"
    left_by_a_killed_writer(path, 10)
    remount(disk, "ro")
    with closing(open_readonly(path, tmp_path)) as reader:
        assert len(reader.history(EVERYTHING)) == 10 * (BATCH + 1)


FAILING_FSYNC = """
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>
int calls, failing;
static int judge(long number, int fd) {
    calls++;
    if (failing > 0) { failing--; errno = EIO; return -1; }
    return syscall(number, fd);
}
int fsync(int fd) { return judge(SYS_fsync, fd); }
int fdatasync(int fd) { return judge(SYS_fdatasync, fd); }
"""

USES_FSYNC = """
import json, sys
from ctypes import CDLL, c_int
from pathlib import Path
from tests.adapters.test_ledger_faults import batch, numbered, numbers_found
from torchsync.adapters.ledger import SqliteLedger
from torchsync.errors import StateUnwritable

stub, path, failures = CDLL(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls, failing = c_int.in_dll(stub, "calls"), c_int.in_dll(stub, "failing")
ledger = SqliteLedger(path, path.parent)
ledger.commit(batch(0))
before = calls.value
ledger.fold([numbered(number) for number in range(1, 41)])
fsyncs = calls.value - before

failing.value = failures
held_back, refusals, number = [], 0, 41
while not held_back or failing.value > 0:
    held_back.append(numbered(number))
    number += 1
    try:
        ledger.fold(held_back)
        break
    except StateUnwritable:
        refusals += 1
        numbers_found(ledger)
else:
    held_back.append(numbered(number))
    number += 1
    ledger.fold(held_back)
print(json.dumps({"fsyncs": fsyncs, "refusals": refusals, "found": numbers_found(ledger), "given": number}))
"""


USES_FSYNC_AND_DIES = """
import json, os, signal, sys
from ctypes import CDLL, c_int
from pathlib import Path
from tests.adapters.test_ledger_faults import batch, numbered
from torchsync.adapters.ledger import SqliteLedger
from torchsync.errors import StateUnwritable

stub, path = CDLL(sys.argv[1]), Path(sys.argv[2])
ledger = SqliteLedger(path, path.parent)
ledger.commit(batch(0))
print(json.dumps({"turn": ledger.turn()}), flush=True)
c_int.in_dll(stub, "failing").value = int(sys.argv[3])
try:
    ledger.fold([numbered(1)])
except StateUnwritable:
    os._exit(0)
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that lets the next fsyncs of a process fail."""
    compiler = shutil.which("cc") or pytest.skip("a C compiler is not installed")
    library = tmp_path_factory.mktemp("stub") / "fsync.so"
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library]
    subprocess.run(command, input=FAILING_FSYNC, text=True, check=True)
    return library


def run_with(stub: Path, path: Path, failures: int, script: str = USES_FSYNC) -> dict[str, object]:
    command = [sys.executable, "-c", script, stub, path, str(failures)]
    environment = {"LD_PRELOAD": str(stub), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("failures", [1, 2, 3, 4, 5, 8, 13])
def test_after_a_failed_fsync_every_operation_is_done_exactly_once(tmp_path, stub, failures):
    path = tmp_path / "ledger.sqlite"
    told = run_with(stub, path, failures)
    assert told["refusals"] >= 1
    assert told["found"] == list(range(told["given"]))
    with closing(SqliteLedger(path, tmp_path)) as ledger:
        assert numbers_found(ledger) == told["found"]


@pytest.mark.parametrize("failures", [1, 1000], ids=["one fsync fails", "every fsync fails"])
def test_what_a_killed_process_seemed_to_fail_with_is_not_done_again_by_the_next(tmp_path, stub, failures):
    path = tmp_path / "ledger.sqlite"
    assert run_with(stub, path, failures, USES_FSYNC_AND_DIES) == {"turn": 1}
    with closing(SqliteLedger(path, tmp_path)) as ledger:
        was_there = ledger.turn() == 2
        ledger.fold([numbered(1)])
        assert not was_there or path.with_name(f"{path.name}-wal").stat().st_size == 0, "it is still in the log only"
        ledger.fold([numbered(1), numbered(2)])
        assert numbers_found(ledger) == [0, 1, 2]
        assert ledger.turn() == 3
    assert was_there == (failures > 1), "else this test shows nothing"


def test_two_hundred_operations_are_one_fsync(tmp_path, stub):
    assert run_with(stub, tmp_path / "ledger.sqlite", 1)["fsyncs"] == 1
