from __future__ import annotations

import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import skip
from tests.adapters.contract_spool import CONTRACT, batch
from tests.adapters.disks import fill, remount, small_disk
from torchsync.adapters.spool import NAME, SpoolFile
from torchsync.core.entries import Batch
from torchsync.errors import StateUnwritable

WRITER = """
import itertools, os, sys
from pathlib import Path
from tests.adapters.contract_spool import batch
from torchsync.adapters.spool import SpoolFile

spool = SpoolFile(Path(sys.argv[1]))
for number in itertools.count(int(sys.argv[2])):
    spool.append([batch(number)])
    os.write(1, b"%d\\n" % number)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=64k") as folder:
        yield folder


def numbers(folder: Path) -> list[int]:
    return [one.number for one in SpoolFile(folder).read()]


def small(number: int) -> Batch:
    return batch(number, skip(number))


def has_taken(spool: SpoolFile, *some: int) -> bool:
    try:
        spool.append([small(number) for number in some])
    except StateUnwritable:
        return False
    return True


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_spool_keeps_the_contract(contract, tmp_path) -> None:
    contract(SpoolFile(tmp_path))


def test_a_later_process_finds_what_was_kept_and_nobody_else_may_read_it(tmp_path) -> None:
    SpoolFile(tmp_path).append([batch(1)])
    assert numbers(tmp_path) == [1]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_a_cleared_spool_leaves_no_file(tmp_path) -> None:
    spool = SpoolFile(tmp_path)
    spool.append([batch(1)])
    spool.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_append_returned_for_survives_kill_9(tmp_path) -> None:
    moments = random.Random(5)
    confirmed = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(confirmed + 1)], stdout=subprocess.PIPE) as process:
            said = process.stdout.readline()
            time.sleep(moments.uniform(0, 0.05))
            process.kill()
            said += process.stdout.read()
        confirmed = int(said.decode().split("\n")[-2])
        found = numbers(tmp_path)
        assert found in (list(range(1, confirmed + 1)), list(range(1, confirmed + 2)))
        confirmed = found[-1]


@pytest.mark.parametrize("torn", [b"", b"{", b'{"number": 2, "operations": []}'], ids=["nothing", "begun", "all but the newline"])
def test_an_incomplete_last_line_is_no_batch_and_spoils_none(tmp_path, torn) -> None:
    SpoolFile(tmp_path).append([batch(1)])
    with (tmp_path / NAME).open("ab") as file:
        file.write(torn)
    spool = SpoolFile(tmp_path)
    assert [one.number for one in spool.read()] == [1]
    spool.append([batch(2), batch(3)])
    assert numbers(tmp_path) == [1, 2, 3]
    assert spool.notices == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"\0\0\0", id="zeros"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"number": 2, "operations": [{"kind": "explode"}]}', id="an unknown operation"),
        pytest.param(b'{"number": 2, "operations": [{"kind": "withdraw", "run": "../../etc"}]}', id="a run that is a path"),
    ],
)
def test_a_damaged_line_is_set_aside_and_said_and_the_others_count(tmp_path, damage) -> None:
    spool = SpoolFile(tmp_path)
    spool.append([batch(1)])
    with (tmp_path / NAME).open("ab") as file:
        file.write(damage + b"\n")
    spool.append([batch(3)])
    assert [one.number for one in spool.read()] == [1, 3]
    (notice,) = spool.notices
    assert notice.code == "TS334"
    assert "is damaged" in notice.message
    assert (tmp_path / "spool.damaged").read_bytes() == damage + b"\n"


def test_a_spool_that_cannot_be_read_at_all_is_said(tmp_path) -> None:
    (tmp_path / NAME).mkdir()
    spool = SpoolFile(tmp_path)
    assert list(spool.read()) == []
    assert "cannot be read" in spool.notices[0].message
    with pytest.raises(StateUnwritable):
        spool.append([batch(1)])
    with pytest.raises(StateUnwritable):
        spool.clear()


def test_a_link_in_its_place_is_not_followed(tmp_path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / NAME).symlink_to("victim")
    with pytest.raises(StateUnwritable):
        SpoolFile(tmp_path).append([batch(1)])
    assert (tmp_path / "victim").read_text() == "precious"


def test_on_a_full_disk_all_of_what_is_given_is_kept_or_nothing(disk) -> None:
    spool = SpoolFile(disk)
    spool.append([batch(1)])
    ballast = fill(disk)
    taken = 1
    while has_taken(spool, *range(taken + 1, taken + 8)):
        taken += 7
    assert numbers(disk) == list(range(1, taken + 1))
    ballast.unlink()
    spool.append([batch(taken + 1)])
    assert numbers(disk) == list(range(1, taken + 2))


def test_a_read_only_disk_takes_nothing_and_is_still_read(disk) -> None:
    spool = SpoolFile(disk)
    spool.append([batch(1)])
    remount(disk, "ro")
    with pytest.raises(StateUnwritable):
        spool.append([batch(2)])
    with pytest.raises(StateUnwritable):
        spool.clear()
    assert numbers(disk) == [1]
