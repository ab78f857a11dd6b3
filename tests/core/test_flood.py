from torchsync.core.flood import MOST_LINES, WINDOW, Flood
from torchsync.core.model import Millis


def test_the_first_few_of_a_minute_pass_and_the_rest_is_counted_and_told_once_it_is_over() -> None:
    flood = Flood()
    assert [flood.passes(Millis(mono)) for mono in range(100)].count(True) == MOST_LINES
    assert flood.drain(Millis(100)) == 0
    assert flood.drain(WINDOW) == 100 - MOST_LINES
    assert flood.drain(WINDOW) == 0


def test_the_next_minute_has_lines_of_its_own() -> None:
    flood = Flood()
    told = [mono for mono in range(0, 3 * WINDOW, 1_000) if flood.passes(Millis(mono))]
    assert len(told) == 3 * MOST_LINES
    assert flood.drain(Millis(4 * WINDOW)) == 3 * (60 - MOST_LINES)


def test_what_is_rare_always_passes() -> None:
    flood = Flood()
    assert all(flood.passes(Millis(mono)) for mono in range(0, 100 * WINDOW, WINDOW))
    assert flood.drain(Millis(101 * WINDOW)) == 0
