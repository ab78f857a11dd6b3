"""What lies in a mirror, as one walk tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchsync.adapters.mirrorfiles import MirrorFiles, look_at

ID = "0123456789abcdef0123456789abcdef01234567"
MIB = 1 << 20


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "repo.git"
    put(folder, "HEAD", "config", "refs/torchsync/tip", f"objects/pack/pack-{ID}.pack", f"objects/pack/pack-{ID}.idx")
    return folder


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)


def names(paths: list[Path], folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in paths}


def test_a_mirror_in_good_order_has_nothing_to_tell(mirror: Path) -> None:
    put(mirror, f"objects/pack/pack-{ID}.rev", "objects/info/packs", "description")
    assert look_at(mirror) == MirrorFiles(packs=[100])


def test_locks_are_found_wherever_they_are(mirror: Path) -> None:
    locks = {"shallow.lock", "refs/torchsync/tip.lock", "objects/info/commit-graphs/commit-graph-chain.lock", "gc.pid"}
    put(mirror, *locks)
    assert names(look_at(mirror).locks, mirror) == locks


def test_what_writers_left_unfinished_is_found(mirror: Path) -> None:
    other = ID.replace("0", "f")
    left = {
        "objects/ab/tmp_obj_Xy",
        "objects/pack/tmp_pack_Xy",
        "objects/pack/tmp_idx_Xy",
        f"objects/pack/.tmp-7-pack-{ID}.pack",
        f"objects/pack/pack-{ID}.keep",
        f"objects/pack/pack-{other}.pack",
        f"objects/pack/pack-{other}.rev",
    }
    put(mirror, *left, "objects/incoming-1/pack/x")
    assert names(look_at(mirror).unfinished, mirror) == left | {"objects/incoming-1"}


def test_an_index_without_its_pack_is_of_no_use(mirror: Path) -> None:
    (mirror / f"objects/pack/pack-{ID}.pack").unlink()
    assert names(look_at(mirror).unfinished, mirror) == {f"objects/pack/pack-{ID}.idx"}


def test_a_link_and_a_pipe_are_foreign_and_not_followed(mirror: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "x.lock")
    (mirror / "hooks").symlink_to(tmp_path / "elsewhere")
    found = look_at(mirror)
    assert (found.is_foreign, found.locks) == (True, [])
    (mirror / "hooks").unlink()
    os.mkfifo(mirror / "hooks")
    assert look_at(mirror).is_foreign


@pytest.mark.parametrize("name", ["shallow", "info/grafts", "objects/info/alternates"])
def test_a_file_that_shows_git_other_objects_or_another_history_is_foreign(mirror: Path, name: str) -> None:
    put(mirror, name)
    assert look_at(mirror).is_foreign


def test_what_another_user_owns_is_foreign_and_not_entered(mirror: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    put(mirror, "theirs/x.lock")
    os.chown(mirror / "theirs", 65534, 65534)
    found = look_at(mirror)
    assert (found.is_foreign, found.locks) == (True, [])


@pytest.mark.parametrize(
    ("files", "is_spread_out"),
    [
        (MirrorFiles(), False),
        (MirrorFiles(packs=[15 * MIB, 400 * MIB]), False),
        (MirrorFiles(packs=[9 * MIB, 9 * MIB, 10 * MIB]), True),
        (MirrorFiles(packs=[200 * MIB, 199 * MIB]), False),
        (MirrorFiles(packs=[200 * MIB, 199 * MIB], loose=10, loose_bytes=2 * MIB), True),
        (MirrorFiles(packs=[1] * 50), False),
        (MirrorFiles(packs=[1] * 51), True),
        (MirrorFiles(loose=2_001), True),
        (MirrorFiles(loose=100, loose_bytes=17 * MIB), True),
    ],
)
def test_a_mirror_is_packed_when_that_makes_it_half_as_large_or_much_simpler(files: MirrorFiles, is_spread_out: bool) -> None:
    assert files.is_spread_out is is_spread_out
