"""What a shadow noted, for people: what would have been started when, as whom."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from torchsync.cli.terminal import Cell, Tone, clock, table

Document = dict[str, Any]

_HEAD = ("INSTANT", "TASK", "RESULT", "DUE", "USER", "COMMAND OR DETAIL")
_LONGEST = 100


def shadow_lines(entries: Sequence[Document], *, coloured: bool) -> list[str]:
    """One line an entry, those of runs told as what they are: starts that did not happen."""
    return table(_HEAD, [_run(entry, entry["run"]) if entry["run"] else _other(entry) for entry in entries], coloured=coloured)


def _run(entry: Document, run: Document) -> list[Cell]:
    when = clock(run["instant"]) if run["instant"] else f"({run['trigger']})"
    copy = f", copy {run['copy']}" if run["copy"] else ""
    return [when, entry["task"], _result(run, copy), clock(run["due"] or run["admitted_at"]), run["user"], _command(run)]


def _result(run: Document, copy: str) -> Cell:
    if run["outcome"] in (None, "succeeded"):
        return f"would run{copy}", Tone.GOOD
    return f"would be {run['outcome']}{copy}", Tone.BAD


def _command(run: Document) -> str:
    if run["outcome"] == "start_failed":
        return str(run["detail"])
    command = run["command"]
    text = shlex.join(command["argv"]) if "argv" in command else command["text"].replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _other(entry: Document) -> list[Cell]:
    if hold := entry["hold"]:
        return [
            clock(entry["decided_at"]),
            entry["task"] or "-",
            (f"hold {hold['act']}", Tone.HELD),
            "-",
            hold["actor"] or "-",
            hold["sentence"],
        ]
    span = f"{entry['count']} instants up to {clock(entry['last'])}" if entry["count"] > 1 else ""
    result = ("queued", Tone.HELD) if entry["queued"] else (f"skipped ({entry['reason']})", Tone.FAINT)
    return [clock(entry["first"]), entry["task"], result, "-", "-", span]
