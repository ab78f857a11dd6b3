import time
from pathlib import Path

from tests.builders import NOON, run_id, snapshot
from torchsync.agent.config import DAY, RetentionConfig
from torchsync.cli.tidier import EVERY, Tidier
from torchsync.core.model import Millis

KEPT = RetentionConfig()


def gone(folder: Path) -> bool:
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not folder.exists()


def wait_until_idle(tidier: Tidier) -> bool:
    if tidier._thread is not None:
        tidier._thread.join(timeout=60)
    return tidier._thread is None or not tidier._thread.is_alive()


def test_what_is_older_than_a_month_goes_at_the_first_round_and_not_before(tmp_path: Path) -> None:
    old, young = tmp_path / run_id(1, NOON - KEPT.runs - 1), tmp_path / run_id(2, NOON - 1)
    old.mkdir()
    young.mkdir()
    tidier = Tidier(tmp_path, KEPT)
    tidier.tick(snapshot(taken_at=NOON), Millis(0))
    tidier.tick(snapshot(taken_at=NOON), Millis(EVERY - 1))
    assert old.exists()
    tidier.tick(snapshot(taken_at=NOON), EVERY)
    assert gone(old)
    assert young.exists()


def test_how_long_and_how_much_is_kept_can_change_and_is_never_more_than_the_ledger_knows(tmp_path: Path) -> None:
    folders = [tmp_path / run_id(number, NOON - number * DAY) for number in range(1, 9)]
    for folder in folders:
        folder.mkdir()
        (folder / "output").write_bytes(b"x" * 64 * 1024)
    tidier = Tidier(tmp_path, KEPT)
    tidier.tick(snapshot(taken_at=NOON), Millis(0))
    tidier.retention = RetentionConfig(ledger_days=5, runs_days=30)
    tidier.tick(snapshot(taken_at=NOON), EVERY)
    assert gone(folders[4])
    assert gone(folders[7])
    assert folders[3].exists()
    assert wait_until_idle(tidier)
    tidier.retention = RetentionConfig(total_output=2 * 100 * 1024)
    tidier.tick(snapshot(taken_at=NOON), Millis(2 * EVERY))
    assert gone(folders[2])
    assert folders[1].exists()


def test_a_full_disk_is_tidied_at_once_and_not_again_and_again(tmp_path: Path) -> None:
    tidier = Tidier(tmp_path, KEPT)
    tidier.tick(snapshot(taken_at=NOON), Millis(0))
    old = [tmp_path / run_id(number, NOON - 40 * DAY) for number in (1, 2)]
    old[0].mkdir()
    tidier.tick(snapshot(taken_at=NOON, state_degraded=True), Millis(1_000))
    assert gone(old[0])
    assert wait_until_idle(tidier)
    old[1].mkdir()
    tidier.tick(snapshot(taken_at=NOON, state_degraded=True), Millis(2_000))
    assert wait_until_idle(tidier)
    assert old[1].exists()


def test_a_folder_that_cannot_be_read_harms_nobody(tmp_path: Path) -> None:
    tidier = Tidier(tmp_path / "nowhere", KEPT)
    tidier.tick(snapshot(), Millis(0))
    tidier.tick(snapshot(), EVERY)
