from tests.builders import NOON
from torchsync.cli.terminal import Tone, ago, clock, lasting, paint, printable, table
from torchsync.core.instants import rfc3339


def test_a_table_is_as_wide_as_its_widest_cells_and_has_no_trailing_spaces():
    assert table(("A", "LONGER"), [("wide cell", "x"), ("y", ("z", Tone.BAD))], coloured=False) == [
        "A          LONGER",
        "wide cell  x",
        "y          z",
    ]


def test_colours_are_there_only_when_wanted():
    assert paint("x", Tone.BAD, coloured=False) == "x"
    assert paint("x", Tone.BAD, coloured=True) == "\x1b[31mx\x1b[0m"
    assert "\x1b" not in "".join(table(("A",), [(("x", Tone.BAD),)], coloured=False))


def test_what_a_terminal_would_act_on_is_not_printed():
    assert printable("a\x1b[2Jb\nc") == "a?[2Jb?c"
    assert table(("A",), [("\x1b]0;title\x07",)], coloured=False)[1] == "?]0;title?"


def test_instants_are_told_for_people():
    assert clock(rfc3339(NOON)) == "2026-11-23 12:00:00Z"
    assert clock(None) == "-"
    assert ago(rfc3339(NOON), rfc3339(NOON + 61_000)) == "1m01s ago"
    assert ago(None, rfc3339(NOON)) == "never"
    assert lasting(rfc3339(NOON), rfc3339(NOON + 1_500)) == "1s"
    assert lasting(rfc3339(NOON), None) == "-"
