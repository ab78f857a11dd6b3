import os
import subprocess
from pathlib import Path

import pytest

from tests.builders import run_id
from torchsync.adapters.outputfile import MOST_AT_ONCE, kept_output, kept_stretch, run_output

MIB = 1024 * 1024


def read(path):
    return b"".join(kept_output(path))


def test_a_short_output_comes_back_as_it_is(tmp_path):
    (tmp_path / "output").write_bytes(b"one\ntwo\x00\xff")
    assert read(tmp_path / "output") == b"one\ntwo\x00\xff"


def test_an_empty_output_is_empty_and_a_missing_one_is_none(tmp_path):
    (tmp_path / "output").touch()
    assert read(tmp_path / "output") == b""
    assert kept_output(tmp_path / "nothing") is None


RUN = run_id(1)


def wrote(runs, attempt, text):
    """What an attempt wrote; None for one that is known never to have begun."""
    (runs / attempt).mkdir()
    if text is not None:
        (runs / attempt / "output").write_bytes(text)


def test_a_run_of_one_attempt_has_its_output_byte_for_byte(tmp_path):
    wrote(tmp_path, RUN, b"one\xff")
    assert b"".join(run_output(tmp_path, RUN)) == b"one\xff"
    assert b"".join(run_output(tmp_path, RUN, 1)) == b"one\xff"
    assert run_output(tmp_path, RUN, 2) is None
    assert run_output(tmp_path, run_id(2)) is None


def test_of_several_attempts_each_is_there_and_it_is_said_which(tmp_path):
    wrote(tmp_path, RUN, b"one")
    wrote(tmp_path, f"{RUN}.2", None)
    wrote(tmp_path, f"{RUN}.2.1", b"two\n")
    wrote(tmp_path, f"{RUN}.4", b"four\n")
    wrote(tmp_path, f"{run_id(2)}", b"of another run")
    assert b"".join(run_output(tmp_path, RUN)) == b"... attempt 1 ...\none\n... attempt 2 ...\ntwo\n... attempt 4 ...\nfour\n"
    assert b"".join(run_output(tmp_path, RUN, 2)) == b"two\n"
    assert run_output(tmp_path, RUN, 3) is None


def punched(path, start, length):
    done = subprocess.run(["fallocate", "--punch-hole", "--offset", str(start), "--length", str(length), path], check=False)
    if done.returncode:
        pytest.skip("this file system has no holes")


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        pytest.param(MIB, 2 * MIB, b"a" * MIB + b"\n... 2097152 bytes dropped ...\n" + b"a" * MIB, id="middle"),
        pytest.param(0, MIB, b"\n... 1048576 bytes dropped ...\n" + b"a" * 3 * MIB, id="start"),
        pytest.param(2 * MIB, 2 * MIB, b"a" * 2 * MIB + b"\n... 2097152 bytes dropped ...\n", id="end"),
        pytest.param(0, 4 * MIB, b"\n... 4194304 bytes dropped ...\n", id="all"),
    ],
)
def test_a_hole_is_told_in_its_place(tmp_path, start, length, expected):
    path = tmp_path / "output"
    path.write_bytes(b"a" * 4 * MIB)
    punched(path, start, length)
    assert read(path) == expected


def test_what_is_appended_while_reading_does_not_make_it_longer(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(b"a" * 200_000)
    pieces = kept_output(path)
    first = next(pieces)
    with path.open("ab") as more:
        more.write(b"b" * 200_000)
    assert len(first) + sum(len(piece) for piece in pieces) == 200_000


def test_an_output_that_shrinks_while_reading_ends(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(b"a" * 200_000)
    pieces = kept_output(path)
    next(pieces)
    os.truncate(path, 0)
    assert b"".join(pieces) == b""


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "output").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        kept_output(tmp_path / "output")


def test_a_reader_that_leaves_early_leaves_no_descriptor(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(b"a" * 200_000)
    pieces = kept_output(path)
    next(pieces)
    assert descriptors_of(path) == 1
    pieces.close()
    assert descriptors_of(path) == 0


def descriptors_of(path):
    return sum(link.is_symlink() and link.resolve() == path.resolve() for link in Path("/proc/self/fd").iterdir())


def followed(path):
    """What one who asks again and again is shown."""
    shown, place = b"", 0
    while (found := kept_stretch(path, place)) and found.content:
        shown, place = shown + found.content, found.end
    return shown, place


def test_a_long_output_comes_in_stretches_and_nothing_is_told_twice(tmp_path):
    path = tmp_path / "output"
    content = os.urandom(2 * MOST_AT_ONCE + 77)
    path.write_bytes(content)
    first = kept_stretch(path, 0)
    assert (first.content, first.end) == (content[:MOST_AT_ONCE], MOST_AT_ONCE)
    assert followed(path) == (content, len(content))
    with path.open("ab") as more:
        more.write(b"more")
    assert kept_stretch(path, len(content)).content == b"more"


def test_a_hole_ahead_of_who_follows_is_told_once_and_one_behind_him_is_not(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(b"a" * MIB + b"b" * 3 * MIB + b"c" * MIB)
    punched(path, MIB, 3 * MIB)
    assert followed(path)[0] == b"a" * MIB + b"\n... 3145728 bytes dropped ...\n" + b"c" * MIB
    assert kept_stretch(path, 5 * MIB).content == b""
    assert kept_stretch(path, 2 * MIB).content == b"\n... 2097152 bytes dropped ...\n" + b"c" * MIB


def test_who_follows_an_output_that_was_cut_goes_on_where_it_ends(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(b"a" * 100)
    place = kept_stretch(path, 0).end
    os.truncate(path, 10)
    cut = kept_stretch(path, place)
    assert (cut.content, cut.end) == (b"", 10)
    with path.open("ab") as more:
        more.write(b"new")
    assert kept_stretch(path, cut.end).content == b"new"


def test_what_is_not_there_yet_is_none(tmp_path):
    assert kept_stretch(tmp_path / "output", 0) is None
