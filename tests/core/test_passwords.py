import base64

import pytest

from torchsync.core.model import Millis
from torchsync.core.passwords import LONGEST_PASSWORD, Credentials, Pace, Passwords, credentials_of, read_passwords

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


def test_twenty_failures_may_come_at_once_and_then_five_a_second() -> None:
    pace = Pace()
    tried = 0
    while pace.allows(Millis(1000)):
        pace.failed(Millis(1000))
        tried += 1
    assert tried == 20
    for second in range(2, 6):
        tried = 0
        while pace.allows(Millis(second * 1000)):
            pace.failed(Millis(second * 1000))
            tried += 1
        assert tried == 5
    assert pace.allows(Millis(60_000))
