"""What runs wrote, sent to the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.adapters.contract_ledger import admitted
from tests.builders import NOON
from tests.e2e.host import wait_for
from tests.journald import Journald, parsed
from torchsync.adapters.journal import Journal
from torchsync.adapters.journaloutput import MOST_OUTPUT, MOST_QUEUED, OutputSender, content_of_output
from torchsync.adapters.journalsocket import JournalSocket
from torchsync.adapters.journaltext import LineForm
from torchsync.adapters.outputfile import output_end
from torchsync.core.logevents import Level, LogEvent
from torchsync.core.model import Attempt, Instant, Outcome
from torchsync.core.runoutput import EndedAttempt

RUN = admitted(1)


def ended(outcome: Outcome = Outcome.FAILED, number: int = 1) -> EndedAttempt:
    status = 3 if outcome is Outcome.FAILED else 0
    over = Attempt(number=number, outcome=outcome, finished_at=Instant(NOON + 5), started_at=NOON, exit_status=status)
    return EndedAttempt(RUN, over)


class Bench:
    """A sender with a journal of its own and a folder for what runs write."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"
        self.journald = Journald(folder / "socket")
        self.stderr = (folder / "stderr").open("wb")
        self.journal = Journal(lambda: NOON, LineForm.TEXT, Level.INFO, self.stderr.fileno(), socket=JournalSocket(self.journald.address))
        self.sender = OutputSender(self.journal, partial(output_end, self.runs), JournalSocket(self.journald.address))
        self.found: list[dict[str, str]] = []

    def write(self, content: bytes, attempt: str = RUN.id) -> None:
        (self.runs / attempt).mkdir(parents=True)
        (self.runs / attempt / "output").write_bytes(content)

    def received(self, count: int) -> list[dict[str, str]]:
        def are_there() -> bool:
            self.found += self.journald.entries()
            return len(self.found) >= count

        wait_for("the entries", are_there)
        return self.found

    def close(self) -> None:
        self.sender.close()
        self.journal.close()
        self.journald.close()
        self.stderr.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as made:
        yield made


def test_the_output_of_an_attempt_is_one_entry_under_the_name_of_its_task(bench: Bench) -> None:
    bench.write(b"one\n\ttwo\r\nthree\n")
    bench.sender(ended())
    assert bench.received(1) == [
        {
            "MESSAGE": "one\n\ttwo\nthree",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": f"torchsync/{RUN.task.name}",
            "MESSAGE_ID": LogEvent.RUN_OUTPUT.message_id,
            "TORCHSYNC_EVENT": "run_output",
            "TORCHSYNC_TASK": RUN.task.name,
            "TORCHSYNC_RUN_ID": RUN.id,
            "TORCHSYNC_COMMIT": RUN.revision,
            "TORCHSYNC_TRIGGER": RUN.trigger.value,
            "TORCHSYNC_ATTEMPT": "1",
            "TORCHSYNC_OUTCOME": "failed",
            "TORCHSYNC_EXIT_STATUS": "3",
        }
    ]


def test_each_attempt_has_the_output_of_its_own(bench: Bench) -> None:
    bench.write(b"first\n")
    bench.write(b"second\n", f"{RUN.id}.2")
    bench.sender(ended())
    bench.sender(ended(Outcome.SUCCEEDED, 2))
    told = [(one["MESSAGE"], one["PRIORITY"], one["TORCHSYNC_ATTEMPT"]) for one in bench.received(2)]
    assert told == [("first", "4", "1"), ("second", "6", "2")]


def test_of_a_long_output_it_is_the_end_from_the_beginning_of_a_line_on(bench: Bench) -> None:
    bench.write(b"".join(b"line %d\n" % number for number in range(100_000)))
    bench.sender(ended())
    (entry,) = bench.received(1)
    first, second, *_, last = entry["MESSAGE"].split("\n")
    assert (first, second[:5], last) == ("... the end of it ...", "line ", "line 99999")
    assert MOST_OUTPUT - 100 < len(entry["MESSAGE"]) <= MOST_OUTPUT + 100


def test_output_may_hold_anything(bench: Bench) -> None:
    said = parsed(content_of_output(ended(), b"PRIORITY=0\n\x00\x1b[2J\xff\xe2\x80\xae\npassword=hunter2-canary\n\nTORCHSYNC_TASK=other\n"))
    assert said["MESSAGE"] == "PRIORITY=0\n\\u0000\\u001b[2J\\xff\\u202e\npassword=[hidden]\n\nTORCHSYNC_TASK=other"
    assert (said["PRIORITY"], said["TORCHSYNC_TASK"]) == ("4", RUN.task.name)


def test_nothing_is_sent_of_what_is_empty_gone_or_below_the_level(bench: Bench) -> None:
    bench.sender(ended())
    bench.write(b" \n")
    bench.sender(ended())
    bench.journal.least = Level.WARNING
    bench.write(b"fine\n", f"{RUN.id}.2")
    bench.sender(ended(Outcome.SUCCEEDED, 2))
    bench.write(b"bad\n", f"{RUN.id}.3")
    bench.sender(ended(number=3))
    assert [one["MESSAGE"] for one in bench.received(1)] == ["bad"]


def test_a_journal_that_is_gone_keeps_nobody_waiting_and_what_is_lost_is_told(bench: Bench) -> None:
    bench.write(b"one\n")
    address = Path(bench.journald.address)
    bench.journald.close()
    for _ in range(MOST_QUEUED):
        bench.sender(ended())
    wait_for("the sender to have tried", bench.sender.is_idle)
    bench.journald = Journald(address)
    bench.sender(ended())
    told = {one["TORCHSYNC_EVENT"]: one for one in bench.received(2)}
    assert set(told) == {"run_output", "output_not_sent"}
    assert told["output_not_sent"]["TORCHSYNC_COUNT"] == str(MOST_QUEUED)


def test_without_a_journal_nothing_is_read(bench: Bench) -> None:
    def read(*_: object) -> bytes:
        raise AssertionError("it is read")

    sender = OutputSender(bench.journal, read, None)
    sender(ended())
    assert sender.is_idle()
    sender.close()


def test_a_start_that_failed_is_no_attempt_that_wrote(bench: Bench) -> None:
    over = replace(ended().over, outcome=Outcome.START_FAILED, started_at=None)
    assert not EndedAttempt(RUN, over).has_begun
