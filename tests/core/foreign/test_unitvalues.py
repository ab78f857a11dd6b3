from __future__ import annotations

import pytest

from torchsync.core.foreign.unitvalues import read_size, read_span, read_statuses, split_words, unescape_name


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("90", 90_000), ("5min 20s", 320_000), ("1.5h", 5_400_000), ("2h30min", 9_000_000), ("300ms", 300), ("1us", 0), ("1d", 86_400_000),
        ("1w", 604_800_000), ("1M", 2_629_800_000), ("1m", 60_000), ("0", 0), ("infinity", None), (" 1 day ", 86_400_000),
    ],
)  # fmt: skip
def test_time_spans(text: str, millis: int | None) -> None:
    assert read_span(text) == millis


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "5min,", "-1"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        read_span(text)


def test_sizes_and_statuses() -> None:
    assert (read_size("512M"), read_size("1024"), read_size("infinity")) == (512 << 20, 1024, None)
    assert (read_size("1.5G"), read_size("1P")) == (1536 << 20, 1 << 50)
    assert read_statuses("1 TEMPFAIL SIGPIPE") == (1, 75, 141)
    for reader, text in ((read_size, "10%"), (read_statuses, "256"), (read_statuses, "OOPS")):
        with pytest.raises(ValueError, match="is not"):
            reader(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ('"a b" \'c d\' e"f g"h', ["a b", "c d", "ef gh"]),
        (r"a\x20b \101 \t \\ \s \q", ["a b", "A", "\t", "\\", " ", "\\q"]),
        ('""', [""]),
        ("", []),
        ("trailing\\", ["trailing\\"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(split_words(text)) == words


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(ValueError, match=r'a quote \("\) is opened and not closed'):
        split_words('/bin/true "x')


def test_names_are_unescaped_as_systemd_escape_does() -> None:
    assert unescape_name(r"srv-my\x2ddata") == "srv/my-data"
