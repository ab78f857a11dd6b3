from __future__ import annotations

import gc
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.contract_store import CONTRACT
from tests.adapters.disks import fill, remount, small_disk
from torchsync.adapters.statefile import Keeper, StateDirectory, is_held, replace_file
from torchsync.errors import StateHeld, StateUncreatable, StateUnwritable

WRITE = """
import itertools, sys
from pathlib import Path
from torchsync.adapters.statefile import replace_file
print("writing", flush=True)
for number in itertools.count():
    replace_file(Path(sys.argv[1]), b"%d" % (number % 10) * 50_000)
"""

HOLD = """
import sys
from pathlib import Path
from torchsync.adapters.statefile import StateDirectory
held = StateDirectory(Path(sys.argv[1]), Path(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateDirectory]:
    with closing(StateDirectory(tmp_path / "state", tmp_path / "run")) as opened:
        yield opened


@pytest.fixture
def other_agent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, tmp_path / "state", tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def open_descriptors() -> int:
    gc.collect()  # what earlier tests left is closed when it is collected: not while we count
    return len(list(Path("/proc/self/fd").iterdir()))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_state_directory_keeps_the_contract_of_a_store(contract, folder):
    contract(folder)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_folders_have_their_rights_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with closing(StateDirectory(tmp_path / "a/state", tmp_path / "b/run")) as made:
            made.write("sync.json", b"{}")
            assert [mode(path) for path in (made.path, made.worktrees, made.runs, made.run)] == [0o711, 0o755, 0o700, 0o755]
            assert mode(made.path / "sync.json") == mode(made.path / "lock") == 0o600
            assert made.notices == []
    finally:
        os.umask(before)


def test_rights_that_were_too_wide_are_narrowed(tmp_path):
    (tmp_path / "state/runs").mkdir(parents=True)
    for path in ("state", "state/runs"):
        (tmp_path / path).chmod(0o777)
    with closing(StateDirectory(tmp_path / "state", tmp_path / "run")) as made:
        assert (mode(made.path), mode(made.runs)) == (0o711, 0o700)


def test_a_second_agent_is_told_who_holds_the_state(other_agent, tmp_path):
    with pytest.raises(StateHeld, match=f"process {other_agent.pid}") as caught:
        StateDirectory(tmp_path / "state", tmp_path / "run")
    assert (caught.value.code, caught.value.exit_status) == ("TS330", 75)


def test_a_refused_agent_leaves_no_descriptor_behind(other_agent, tmp_path):
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(StateHeld):
            StateDirectory(tmp_path / "state", tmp_path / "run")
    assert open_descriptors() <= before, "fewer, when threads of earlier tests close theirs"


def test_the_state_is_free_once_its_agent_was_killed(other_agent, tmp_path):
    assert is_held(tmp_path / "state")
    other_agent.kill()
    other_agent.wait()
    assert not is_held(tmp_path / "state")
    StateDirectory(tmp_path / "state", tmp_path / "run").close()


def test_a_started_program_does_not_keep_the_lock(folder, tmp_path):
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        folder.close()
        StateDirectory(tmp_path / "state", tmp_path / "run").close()
        child.kill()
    folder._folder = os.open("/dev/null", os.O_RDONLY)


def test_nobody_holds_a_state_that_is_not_there(tmp_path):
    assert not is_held(tmp_path / "state")


def test_a_state_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateUncreatable, match="cannot be made: Not a directory") as caught:
        StateDirectory(tmp_path / "file/state", tmp_path / "run")
    assert (caught.value.code, caught.value.exit_status) == ("TS331", 73)


@pytest.mark.parametrize("which", ["state", "run"])
def test_a_folder_of_another_owner_is_refused(tmp_path, which):
    (tmp_path / which).mkdir()
    try:
        os.chown(tmp_path / which, 12345, -1)
    except PermissionError:
        pytest.skip("only as root: giving a folder away")
    with pytest.raises(StateUncreatable, match=f"paths.{which}.* user with id 12345") as caught:
        StateDirectory(tmp_path / "state", tmp_path / "run")
    assert caught.value.code == "TS332"


def test_what_a_crash_left_half_written_is_removed(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/.new-generation.json").write_bytes(b"half")
    with closing(StateDirectory(tmp_path / "state", tmp_path / "run")) as made:
        assert made.read("generation.json") is None
        assert [path.name for path in made.path.glob(".new-*")] == []


def test_a_reader_sees_the_old_content_or_the_new_one(folder):
    folder.write("sync.json", b"old")
    with (folder.path / "sync.json").open("rb") as reader:
        folder.write("sync.json", b"new content")
        assert reader.read() == b"old"
    assert folder.read("sync.json") == b"new content"


def test_a_file_that_cannot_be_written_keeps_its_old_content(tmp_path):
    target = tmp_path / "sync.json"
    replace_file(target, b"old")
    (tmp_path / ".new-sync.json").mkdir()
    with pytest.raises(StateUnwritable, match=r"sync\.json cannot be written") as caught:
        replace_file(target, b"new")
    assert caught.value.code == "TS333"
    assert target.read_bytes() == b"old"


def test_the_rights_of_a_file_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "file", b"", mode=0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o644


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".new-sync.json").symlink_to(victim)
    with pytest.raises(StateUnwritable):
        replace_file(tmp_path / "sync.json", b"new")
    assert victim.read_bytes() == b"precious"


def test_a_writer_killed_at_any_moment_leaves_the_old_content_or_the_new(tmp_path):
    target = tmp_path / "sync.json"
    replace_file(target, b"0" * 50_000)
    moments = random.Random(3)
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITE, target], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(moments.uniform(0, 0.03))
            writer.kill()
        content = target.read_bytes()
        assert len(content) == 50_000
        assert len(set(content)) == 1


@pytest.mark.parametrize("options", [["size=64k"], ["size=1m", "nr_inodes=4"]], ids=["bytes", "inodes"])
def test_a_full_disk_keeps_what_is_there_and_recovers(tmp_path, options):
    with small_disk(tmp_path / "disk", *options) as disk:
        target = disk / "sync.json"
        replace_file(target, b"old")
        for name in ("a", "b"):
            (disk / name).touch()
        ballast = fill(disk) if len(options) == 1 else disk / "a"
        for _ in range(3):
            with pytest.raises(StateUnwritable, match="No space left"):
                replace_file(target, b"new" * 5000)
            assert target.read_bytes() == b"old"
        ballast.unlink()
        replace_file(target, b"new" * 5000)
        assert target.read_bytes() == b"new" * 5000


def test_an_agent_starts_on_a_full_disk_and_still_holds_it(tmp_path):
    with small_disk(tmp_path / "disk", "size=16k") as disk:
        (disk / "state").mkdir(mode=0o711)
        fill(disk)
        with closing(StateDirectory(disk / "state", tmp_path / "run")) as made:
            assert [notice.code for notice in made.notices] == ["TS333"]
            with pytest.raises(StateHeld):
                StateDirectory(disk / "state", tmp_path / "run")


def test_an_agent_starts_on_a_read_only_disk_and_still_holds_it(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        with closing(StateDirectory(disk / "state", tmp_path / "run")) as before:
            before.write("sync.json", b"kept")
        remount(disk, "ro")
        with closing(StateDirectory(disk / "state", tmp_path / "run")) as made:
            assert [notice.code for notice in made.notices] == ["TS333"]
            assert made.read("sync.json") == b"kept"
            with pytest.raises(StateUnwritable, match="Read-only"):
                made.write("sync.json", b"lost")
            with pytest.raises(StateHeld, match=f"process {os.getpid()}"):
                StateDirectory(disk / "state", tmp_path / "run")


def test_a_first_start_on_a_read_only_disk_cannot_make_its_state(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        remount(disk, "ro")
        with pytest.raises(StateUncreatable, match="Read-only") as caught:
            StateDirectory(disk / "state", tmp_path / "run")
        assert caught.value.code == "TS331"


def test_an_agent_refuses_what_a_shadow_keeps_and_a_shadow_takes_it_up_again(tmp_path):
    StateDirectory(tmp_path / "state", tmp_path / "run", Keeper.SHADOW).close()
    with pytest.raises(StateUncreatable, match="kept by a shadow") as refused:
        StateDirectory(tmp_path / "state", tmp_path / "run")
    assert (refused.value.code, refused.value.exit_status) == ("TS370", 73)
    StateDirectory(tmp_path / "state", tmp_path / "run", Keeper.SHADOW).close()


def test_a_shadow_refuses_what_an_agent_keeps(tmp_path):
    StateDirectory(tmp_path / "state", tmp_path / "run").close()
    with pytest.raises(StateUncreatable, match="holds lock of an agent") as refused:
        StateDirectory(tmp_path / "state", tmp_path / "run", Keeper.SHADOW)
    assert refused.value.code == "TS371"
    StateDirectory(tmp_path / "state", tmp_path / "run").close()


def test_a_shadow_that_cannot_mark_its_state_does_not_begin(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / ".new-shadow").mkdir()  # In the way of the mark.
    with pytest.raises(StateUncreatable, match="cannot be written"):
        StateDirectory(tmp_path / "state", tmp_path / "run", Keeper.SHADOW)
    assert not is_held(tmp_path / "state")
