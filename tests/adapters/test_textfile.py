import os
import stat

import pytest

from tests.adapters.disks import fill, small_disk
from torchsync.adapters.textfile import remove_textfile, write_textfile


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_holds_the_content_and_everybody_may_read_it(tmp_path):
    path = tmp_path / "torchsync.prom"
    before = os.umask(0o077)
    try:
        assert write_textfile(path, b"one 1\n") is None
        assert write_textfile(path, b"two 2\n") is None
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(tmp_path) == ["torchsync.prom"]


def test_who_reads_it_meanwhile_keeps_the_whole_old_one(tmp_path):
    path = tmp_path / "torchsync.prom"
    write_textfile(path, b"old 1\n")
    with path.open("rb") as reader:
        write_textfile(path, b"new 1\n")
        assert reader.read() == b"old 1\n"


@pytest.mark.parametrize("name", ["torchsync.prom", ".torchsync.prom.new"])
def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).symlink_to(precious)
    assert write_textfile(tmp_path / "folder/torchsync.prom", b"one 1\n") is None
    assert precious.read_text() == "precious"
    assert not (tmp_path / "folder/torchsync.prom").is_symlink()
    assert names(tmp_path / "folder") == ["torchsync.prom"]


def test_a_pipe_in_its_place_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "torchsync.prom")
    os.mkfifo(tmp_path / ".torchsync.prom.new")
    assert write_textfile(tmp_path / "torchsync.prom", b"one 1\n") is None
    assert (tmp_path / "torchsync.prom").read_bytes() == b"one 1\n"


def test_a_folder_in_its_place_is_a_problem_and_nothing_is_left_of_the_attempt(tmp_path):
    (tmp_path / "torchsync.prom").mkdir()
    assert "Is a directory" in write_textfile(tmp_path / "torchsync.prom", b"one 1\n").message
    assert names(tmp_path) == ["torchsync.prom"]


def test_a_missing_folder_is_a_problem_that_names_the_setting(tmp_path):
    problem = write_textfile(tmp_path / "nowhere/torchsync.prom", b"one 1\n")
    assert problem.code == "TS390"
    assert problem.message == f"{tmp_path}/nowhere/torchsync.prom (metrics.textfile) cannot be written: No such file or directory"


def test_on_a_full_disk_the_old_content_stands_and_nothing_is_left_of_the_new(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        path = disk / "torchsync.prom"
        write_textfile(path, b"old 1\n")
        ballast = fill(disk)
        assert "No space left" in write_textfile(path, b"new 1\n" * 1000).message
        assert path.read_bytes() == b"old 1\n"
        assert names(disk) == ["ballast", "torchsync.prom"]
        ballast.unlink()
        assert write_textfile(path, b"new 1\n") is None


def test_removing_what_is_not_there_is_no_error(tmp_path):
    write_textfile(tmp_path / "a.prom", b"one 1\n")
    remove_textfile(tmp_path / "a.prom")
    remove_textfile(tmp_path / "a.prom")
    assert names(tmp_path) == []
