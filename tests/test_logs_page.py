"""The page about logs: its matches are fields that there are, and its questions to JSON lines are answered."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import NOON
from tests.test_how_to import blocks
from torchsync.adapters.journaltext import LineForm, entry_of, line_of
from torchsync.core.logevents import FIELDS, LogEvent

PAGE = "logs.md"
LINES = (
    (LogEvent.RUN_FAILED, "backup failed with exit status 3", {"task": "backup", "outcome": "failed"}),
    (LogEvent.RUN_FAILED, "report timed out", {"task": "report", "outcome": "timed_out"}),
    (LogEvent.RUN_FAILED, "backup failed with exit status 4", {"task": "backup", "outcome": "failed"}),
    (LogEvent.RUN_ENDED, "beat succeeded", {"task": "beat", "outcome": "succeeded"}),
    (LogEvent.SYNC_REJECTED, "1234: minute 61", {"revision": "1234", "code": "TS120"}),
)
FAILED = """\
2026-11-23T12:00:00.000Z\tbackup\tfailed\tbackup failed with exit status 3
2026-11-23T12:00:00.000Z\treport\ttimed_out\treport timed out
2026-11-23T12:00:00.000Z\tbackup\tfailed\tbackup failed with exit status 4
"""
COUNTED = """\
      2 backup
      1 report
2026-11-23T12:00:00.000Z\t1234\tTS120
"""


def scripts(word: str) -> list[str]:
    return [text for text in blocks(PAGE, "sh") if text.startswith(word)]


def test_what_is_matched_in_the_journal_is_there() -> None:
    matches = re.findall(r"\b(TORCHSYNC_[A-Z_]+)=(\S+)", "\n".join(scripts("journalctl")))
    assert len(matches) > 4
    known = {"TORCHSYNC_EVENT", *(field.journal for field in FIELDS.values())}
    assert {name for name, _ in matches} <= known
    assert {value for name, value in matches if name == "TORCHSYNC_EVENT"} <= {event.label for event in LogEvent}


@pytest.mark.parametrize(("number", "answer"), [(0, FAILED), (1, COUNTED)])
def test_json_lines_answer_the_questions_of_the_page(tmp_path: Path, number: int, answer: str) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    lines = [line_of(LineForm.JSON, entry_of(NOON, event, sentence, fields)) for event, sentence, fields in LINES]
    (tmp_path / "agent.log").write_text("\n".join(lines))
    done = subprocess.run(["sh", "-ec", scripts("jq")[number]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", answer)
