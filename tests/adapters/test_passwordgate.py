"""Who is let in, what is told, and what a guesser costs; with a check that the tests hold in their hands."""

import base64
import threading
import time
from collections.abc import Mapping

import pytest

from torchsync.adapters.passwordgate import AT_ONCE, PasswordGate
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Millis
from torchsync.core.web import Request, Response

HASH, OTHER = "$2y$10$" + "a" * 53, "$2y$10$" + "b" * 53
PASSWORDS = {HASH: "right", OTHER: "other"}


class Door:
    def __init__(self, folder):
        self.file = folder / "passwords"
        self.write(f"prometheus:{HASH}\n")
        self.logged, self.refused, self.checked = [], [], []
        self.now = 0
        self.can_check = True
        self.gate = PasswordGate(
            str(self.file),
            find_check=lambda: self.check if self.can_check else None,
            log=self.log,
            monotonic=lambda: Millis(self.now),
            on_refused=self.refused.append,
        )
        self.handler = self.gate.guard(lambda _: Response(200, "text/plain", b"in"))

    def write(self, text, mode=0o600):
        self.file.write_text(text)
        self.file.chmod(mode)

    def look(self):
        self.gate.look()
        return self.gate.problem.message if self.gate.problem else ""

    def check(self, password, digest):
        self.checked.append((password, digest))
        return PASSWORDS[digest] == password

    def log(self, event, message, /, **fields):
        self.logged.append((event, message))

    def ask(self, user="prometheus", password="right", source="10.0.0.9"):
        text = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.answer({"authorization": f"Basic {text}"}, source).status

    def answer(self, headers: Mapping[str, str], source="10.0.0.9") -> Response:
        return self.handler(Request(method="GET", path="/metrics", headers=headers, source=source))


@pytest.fixture
def door(tmp_path):
    door = Door(tmp_path)
    door.gate.look()
    return door


def test_who_says_nothing_is_asked(door):
    answer = door.answer({})
    assert (answer.status, answer.headers) == (401, (("WWW-Authenticate", 'Basic realm="torchsync", charset="UTF-8"'),))
    assert door.refused == []


def test_who_knows_a_password_gets_in_and_the_next_time_it_costs_nothing(door):
    assert [door.ask() for _ in range(5)] == [200] * 5
    assert door.checked == [("right", HASH)]


def test_a_wrong_password_and_an_unknown_user_are_checked_alike_and_told_without_either(door):
    assert (door.ask(password="wrong"), door.ask(user="nobody"), door.ask(user="nobody", password="wrong")) == (401, 401, 401)
    assert door.checked == [("wrong", HASH), ("right", HASH), ("wrong", HASH)]
    assert door.refused == ["10.0.0.9 gave a user and a password that do not go together"] * 3


def test_a_guesser_is_slowed_down_and_neither_who_is_known_nor_who_comes_from_elsewhere(door):
    assert door.ask() == 200
    assert [door.ask(password=f"guess {number}") for number in range(20)] == [401] * 10 + [429] * 10
    assert len(door.checked) == 11
    assert door.ask() == 200
    door.write(f"grafana:{HASH}\nprometheus:{HASH}\n")
    door.look()
    assert door.ask(user="grafana") == 429
    assert door.ask(user="grafana", source="10.0.0.8") == 200
    door.now = 2000
    assert [door.ask(password=f"guess {number}") for number in range(4)] == [401, 401, 429, 429]


def test_one_is_checked_at_a_time_and_one_waits_and_the_others_are_told_to_come_again(door):
    is_checking, may_go_on = threading.Event(), threading.Event()
    statuses = []

    def slow(password, digest):
        door.checked.append((password, digest))
        is_checking.set()
        assert may_go_on.wait(60)
        return True

    door.check = slow
    threads = [threading.Thread(target=lambda: statuses.append(door.ask())) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    assert is_checking.wait(60)
    until = time.monotonic() + 60
    while door.gate._places._value and time.monotonic() < until:
        time.sleep(0.001)
    answer = door.answer({"authorization": "Basic dTpw"})
    assert (answer.status, answer.headers) == (429, (("Retry-After", "1"),))
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * AT_ONCE
    assert len(door.checked) == 1, "who waited is known by then"


def test_another_line_counts_from_the_next_look_on_and_what_was_remembered_no_more(door):
    assert door.ask() == 200
    door.write(f"prometheus:{OTHER}\n")
    assert door.ask() == 200
    assert door.look() == ""
    assert (door.ask(), door.ask(password="other")) == (401, 200)
    door.write(f"grafana:{HASH}\n")
    door.look()
    assert (door.ask(), door.ask(password="other"), door.ask(user="grafana")) == (401, 401, 200)
    assert [event for event, _ in door.logged] == [LogEvent.HTTP_SECURED] * 3


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("prometheus:hunter2\n", 0o600, "line 1: what follows the user is no hash"),
        (f"prometheus:{HASH}\n", 0o644, "is open to every user of this host (mode 0644)"),
        ("", 0o600, "names no user"),
        (f"prometheus:{HASH}\n" + "#" * 70_000, 0o600, "more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_lets_nobody_in_or_those_of_before(door, tmp_path, text, mode, words):
    assert door.ask() == 200
    door.write(text, mode)
    told = door.look()
    assert words in told
    assert told.endswith("; those read before stay in force")
    assert "hunter2" not in told
    assert door.ask() == 200
    fresh = Door(tmp_path)
    fresh.write(text, mode)
    assert fresh.look().endswith("; everything on TCP is answered with 503 until it is right")
    fresh.look()
    assert fresh.ask() == 503
    assert [event for event, _ in fresh.logged] == [LogEvent.HTTP_NOT_SECURED]
    fresh.write(f"prometheus:{HASH}\n")
    assert fresh.look() == ""
    assert fresh.ask() == 200


def test_a_file_that_is_gone_is_told(door):
    door.file.unlink()
    assert "cannot be read: No such file or directory" in door.look()
    assert door.ask() == 200


def test_a_host_that_cannot_check_lets_nobody_in(door, tmp_path):
    fresh = Door(tmp_path)
    fresh.can_check = False
    assert fresh.look().startswith("this host has no crypt(3)")
    assert fresh.ask() == 503


def test_without_a_file_in_the_configuration_everybody_may_ask(door):
    door.gate.file = ""
    door.look()
    assert door.answer({}).status == 200
