import base64

import pytest

from torchsync.core.model import Millis
from torchsync.core.passwords import LONGEST_PASSWORD, MOST_SOURCES, Credentials, Pace, Passwords, credentials_of, read_passwords

BCRYPT = "$2y$10$" + "a" * 53
SHA512 = "$6$rounds=5000$salt$" + "b" * 86


def test_users_and_hashes_are_read_among_comments_and_blank_lines() -> None:
    content = f"# who may scrape\n\nprometheus:{BCRYPT}\r\n  grafana:{SHA512}  \n".encode()
    assert read_passwords(content) == Passwords({"prometheus": BCRYPT, "grafana": SHA512})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a", "line 1 is not of the form `USER:HASH`"),
        (f":{BCRYPT}", "line 1 is not of the form `USER:HASH`"),
        ("a:hunter2", "line 1: what follows the user is no hash of bcrypt or SHA-512"),
        ("a:$apr1$x$yyyyyyyyyyyyyyyyyyyyyy", "no hash of bcrypt or SHA-512"),
        ("a:{SHA}hunter2", "no hash of bcrypt or SHA-512"),
        ("a:$1$hunter2", "no hash of bcrypt or SHA-512"),
        (f"a:{BCRYPT}x", "no hash of bcrypt or SHA-512"),
        (f"a:{BCRYPT.replace('$10$', '$15$')}", "the cost of the hash is 15; 4 to 14 can be checked"),
        (f"a:{SHA512.replace('5000', '9999999')}", "the hash has 9999999 rounds; 1000 to 1000000 can be checked"),
        ("", "it names no user"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_without_what_may_be_a_secret(line: str, told: str) -> None:
    faults = read_passwords(line.encode())
    assert isinstance(faults, tuple)
    assert told in faults[0]
    assert "hunter2" not in faults[0]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert read_passwords(f"a:{BCRYPT}\nb\na:{SHA512}\n".encode()) == (
        "line 2 is not of the form `USER:HASH`",
        "line 3 names a user that an earlier line has",
    )


def header(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "found"),
    [
        (header("u:p"), Credentials("u", "p")),
        (header("u:p:q", "bASIC"), Credentials("u", "p:q")),
        (header("\u00fc:\u00e4"), Credentials("\u00fc", "\u00e4")),
        (header("u:"), Credentials("u", "")),
        (header(":p"), None),
        (header("u"), None),
        (header("u:p\0q"), None),
        (header("u:" + "p" * LONGEST_PASSWORD), None),
        (header("u:p", "Bearer"), None),
        ("Basic dTpw, Basic dTpw", None),
        ("Basic =", None),
        ("Basic /w==", None),
        ("Basic", None),
        ("", None),
    ],
)
def test_a_header_gives_a_user_and_a_password_or_nothing(authorization: str, found: Credentials | None) -> None:
    assert credentials_of(authorization) == found


def test_a_password_is_not_shown_by_what_holds_it() -> None:
    assert "hunter2" not in repr(Credentials("u", "hunter2"))


def tries(pace: Pace, source: str, mono: int) -> int:
    """How many the source may make now, all of which fail."""
    made = 0
    while pace.allows(source, Millis(mono)):
        pace.failed(source, Millis(mono))
        made += 1
    return made


def test_ten_failures_may_come_at_once_and_then_one_a_second_whatever_others_do() -> None:
    pace = Pace()
    assert tries(pace, "a", 1000) == 10
    assert [tries(pace, "a", mono) for mono in (1500, 2000, 2500, 3000)] == [0, 1, 0, 1]
    assert tries(pace, "b", 3000) == 10
    assert tries(pace, "a", 60_000) == 10


def test_of_more_sources_than_can_be_known_the_longest_silent_ones_are_forgotten() -> None:
    pace = Pace()
    for number in range(MOST_SOURCES):
        pace.failed(str(number), Millis(0))
    assert tries(pace, "0", 0) == 9
    pace.failed("one more", Millis(0))
    assert (tries(pace, "0", 0), tries(pace, "1", 0)) == (0, 10), "who fails most is remembered"
    pace.failed("much later", Millis(60_000))
    assert tries(pace, "0", 60_000) == 10
