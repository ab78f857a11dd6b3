import time
from pathlib import Path

from tests.builders import NOON, run_id, snapshot
from torchsync.cli.tidier import EVERY, KEPT_FOR, Tidier
from torchsync.core.model import Millis


def gone(folder: Path) -> bool:
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not folder.exists()


def test_what_is_older_than_a_month_goes_at_the_first_round_and_not_before(tmp_path: Path) -> None:
    old, young = tmp_path / run_id(1, NOON - KEPT_FOR - 1), tmp_path / run_id(2, NOON - 1)
    old.mkdir()
    young.mkdir()
    tidier = Tidier(tmp_path)
    tidier.tick(snapshot(taken_at=NOON), Millis(0))
    tidier.tick(snapshot(taken_at=NOON), Millis(EVERY - 1))
    assert old.exists()
    tidier.tick(snapshot(taken_at=NOON), EVERY)
    assert gone(old)
    assert young.exists()


def test_a_folder_that_cannot_be_read_harms_nobody(tmp_path: Path) -> None:
    tidier = Tidier(tmp_path / "nowhere")
    tidier.tick(snapshot(), Millis(0))
    tidier.tick(snapshot(), EVERY)
