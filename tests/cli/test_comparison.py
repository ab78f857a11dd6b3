"""`history --shadow --compare` against lines that a real cron wrote (Debian 12, cron 3.0pl1-162, rsyslog 8.2302, Europe/Berlin)."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.builders import facts, generation, run, run_id, snapshot, task, task_status
from tests.cli.agents import agent
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.schemas import read_schema
from torchsync.cli import comparison
from torchsync.cli.main import main
from torchsync.core.entries import Admit, Finish, HistoryQuery, HistoryRow
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant, Outcome, ProgramCommand, RunState, ShellCommand, SkipReason, Task, TaskName

LOG = Path(__file__).parents[1] / "corpus" / "syslog" / "debian-12-cron.log"
MINUTE = 60_000
FIRST, LAST = parse_rfc3339("2026-11-26T16:16:00Z"), parse_rfc3339("2026-11-26T16:22:00Z")
WRITTEN = parse_rfc3339("2026-11-26T16:22:05Z") // 1000

COMMANDS = {
    "every-minute": ShellCommand("/bin/echo every minute >/dev/null"),
    "percent": ShellCommand("date +%F >/dev/null"),
    "tab": ShellCommand("printf 'a\ttab (paren) \"quote\"' >/dev/null"),
    "umlaut": ShellCommand("echo Grüße >/dev/null"),
    "spaced": ShellCommand("echo   spaced    out   >/dev/null"),
    "caret": ShellCommand("sleep 0.1; echo ~/x ^I >/dev/null"),
    "hourly-one": ProgramCommand(("/etc/cron.hourly/one",)),
    "hourly-two": ShellCommand("/etc/cron.hourly/two"),
    "stdin": ShellCommand("{ cat >/dev/null\n} <<'END_OF_INPUT'\nhello\nworld\nEND_OF_INPUT\n"),
    "guarded": ShellCommand("test -x /nonexistent || { cd / && true; }"),
    "of-nobody": ShellCommand("MAILTO= true --of nobody"),
}
EVERY_TWO = ("stdin", "guarded")


def tasks(names=tuple(COMMANDS)) -> list[Task]:
    schedule = {name: "*/2 * * * *" if name in EVERY_TWO else "* * * * *" for name in names}
    return [task(name, command=COMMANDS[name], schedule=schedule[name], user="nobody" if name == "of-nobody" else "root") for name in names]


def rows(of: list[Task]) -> Iterator[HistoryRow]:
    """What a shadow noted that decided every fire, newest first."""
    number = 0
    for at in range(LAST, FIRST - MINUTE, -MINUTE):
        for one in of:
            if one.name in EVERY_TWO and at // MINUTE % 2:
                continue
            number += 1
            instant = Instant(at)
            noted = run(
                one, id=run_id(number, at), user=one.user, instant=instant, due=instant, admitted_at=instant, started_at=instant,
                finished_at=instant, state=RunState.FINISHED, outcome=Outcome.SUCCEEDED, exit_status=0, detail="not started",
            )  # fmt: skip
            yield HistoryRow(task=one.name, first=instant, last=instant, count=1, decided_at=instant, run=noted)


class Shadow:
    """A shadow that noted `noted` and knows `known`; `compare` asks it."""

    def __init__(self, folder: Path, known: list[Task], noted: list[HistoryRow], **changes: object) -> None:
        self.folder = folder
        self.noted = noted
        here = facts(name="web-1")
        force = generation(*known, facts=here, baselines={one.name: Instant(FIRST - 1) for one in known})
        seen = {"executor": "shadow", "facts": here, "generation": force, "taken_at": Instant(LAST + 30 * MINUTE)} | changes
        self.snapshot = snapshot(*(task_status(one) for one in known), **seen)

    def history(self, query: HistoryQuery) -> list[HistoryRow]:
        mine = [row for row in self.noted if query.since <= row.decided_at <= query.until and query.task in ("", row.task)]
        return mine[query.skip :][: query.limit]

    def compare(self, *words: str) -> int:
        words = words if {"--timezone", "--shadow"} & set(words) else (*words, "--timezone", "Europe/Berlin")
        with agent(self.folder, read=lambda: self.snapshot, history=self.history) as socket:
            return main(["history", "--socket", str(socket), *words])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The recorded log, written when it was."""
    path = tmp_path / "syslog"
    path.write_bytes(LOG.read_bytes())
    os.utime(path, (WRITTEN, WRITTEN))
    return path


def test_a_shadow_that_would_have_started_what_cron_started_agrees(tmp_path, log, capsys):
    shadow = Shadow(tmp_path, tasks(), list(rows(tasks())))
    assert shadow.compare("--compare", str(log), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    Draft202012Validator(read_schema("comparison")).validate(found)
    assert {one["name"]: one["matched"] for one in found["tasks"]} == {name: 3 if name in EVERY_TWO else 6 for name in COMMANDS}
    assert (found["since"][11:19], found["until"][11:19]) == ("16:16:00", "16:22:00")


def test_what_differs_is_told_with_what_may_be_behind_it(tmp_path, log, capsys, golden):
    known = tasks([name for name in COMMANDS if name not in ("of-nobody", "umlaut")])
    missed = HistoryRow(
        task=TaskName("percent"), first=FIRST, last=FIRST, count=1, decided_at=FIRST, reason=SkipReason.MISSED
    )  # fmt: skip
    noted = [row for row in rows(known) if (row.task, row.first) != ("percent", FIRST)]
    extra = task("extra", command=ShellCommand("true --extra"), schedule="* * * * *", user="root")
    shadow = Shadow(tmp_path, [*known, extra], [*noted, *rows([extra]), missed])
    shadow.noted.sort(key=lambda row: -row.decided_at)
    elsewhere = tmp_path / "other"
    elsewhere.write_text(LOG.read_text().replace(" web-1 ", " web-2 "))
    os.utime(elsewhere, (WRITTEN, WRITTEN))
    assert shadow.compare("--compare", str(log), str(elsewhere)) == 10
    golden("comparison.txt", capsys.readouterr().out.replace(str(log), "syslog"))


def test_without_a_shadow_its_notes_are_compared_as_far_as_they_go(tmp_path, log, capsys):
    config = tmp_path / "agent.yaml"
    paths = {"state": str(tmp_path / "state"), "run": str(tmp_path / "run")}
    config.write_text(json.dumps({"version": 1, "repository": {"url": "file:///r"}, "host": {"name": "web-1"}, "paths": paths}))
    state = tmp_path / "state-shadow"
    state.mkdir()
    ledger = SqliteLedger(state / "ledger.sqlite", tmp_path)
    for row in rows(tasks()):
        if row.run and row.decided_at < LAST - MINUTE:
            end = Finish(run=row.run.id, outcome=Outcome.SUCCEEDED, finished_at=row.decided_at, started_at=row.decided_at, exit_status=0)
            ledger.commit([Admit(replace(row.run, state=RunState.ADMITTED, outcome=None, started_at=None, finished_at=None)), end])
    ledger.close()
    words = ["history", "--shadow", "--config", str(config), "--timezone", "Europe/Berlin", "--compare", str(log)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "no shadow answers" in told.err
    assert "web-1 from 2026-11-26 16:16:00Z to 2026-11-26 16:21:00Z" in told.out


def test_one_task_alone_is_compared_without_the_commands_of_others(tmp_path, log, capsys):
    shadow = Shadow(tmp_path, tasks(), list(rows(tasks())))
    assert shadow.compare("spaced", "--compare", str(log)) == 0
    assert "spaced  root  * * * * * UTC  6     0          0" in capsys.readouterr().out


def test_a_compressed_log_and_the_order_of_files_make_no_difference(tmp_path, log):
    lines = log.read_bytes().splitlines(keepends=True)
    old, new = tmp_path / "syslog.1.gz", tmp_path / "syslog.new"
    old.write_bytes(gzip.compress(b"".join(lines[:40])))
    new.write_bytes(b"".join(lines[30:]))
    for path in (old, new):
        os.utime(path, (WRITTEN, WRITTEN))
    assert Shadow(tmp_path, tasks(), list(rows(tasks()))).compare("--compare", str(new), str(old)) == 0


def test_a_command_may_be_named_that_is_called_otherwise_now(tmp_path, log):
    known = tasks()
    moved = [task("every-minute", command=ShellCommand("./scripts/echo.sh"), schedule="* * * * *", user="root"), *known[1:]]
    shadow = Shadow(tmp_path, moved, list(rows(moved)))
    assert shadow.compare("--compare", str(log)) == 10
    assert shadow.compare("--compare", str(log), "--same", "every-minute=/bin/echo every minute >/dev/null") == 0


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["/nowhere/syslog", "/nowhere/else"], (66, "/nowhere/else: TS353")),
        (["{log}", "--log-host", "db-9"], (66, "of other hosts there are web-1")),
        (["{log}", "--timezone", "Europe/Berln"], (2, "Europe/Berlin")),
        (["{log}", "--timezone", "America/New_York"], (66, "no time in common")),
        (["{log}", "--same", "x"], (2, "TASK=COMMAND")),
        (["{log}", "--same", "none=true"], (66, "no task 'none'")),
        (["{garbage}"], (66, "are no messages of a system log")),
        (["{damaged}"], (66, "TS374")),
        (["{folder}"], (66, "TS374")),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path, log, capsys, words, answer):
    garbage, damaged = tmp_path / "wtmp", tmp_path / "syslog.gz"
    garbage.write_bytes(bytes(range(256)) * 20)
    damaged.write_bytes(gzip.compress(log.read_bytes())[:200])
    places = {"log": log, "garbage": garbage, "damaged": damaged, "folder": tmp_path}
    shadow = Shadow(tmp_path, tasks(), list(rows(tasks())))
    assert shadow.compare("--compare", *(word.format(**places) for word in words)) == answer[0]
    assert answer[1] in capsys.readouterr().err


def test_local_times_are_of_the_zone_of_the_host(tmp_path, log, monkeypatch):
    shadow = Shadow(tmp_path, tasks(), list(rows(tasks())))
    for zone, status in (("Europe/Berlin", 0), ("Asia/Tokyo", 66)):
        monkeypatch.setattr(comparison, "local_zone", lambda zone=zone: zone)
        assert shadow.compare("--shadow", "--compare", str(log)) == status


def test_a_log_without_years_is_of_the_year_in_which_it_was_written(tmp_path, log, capsys):
    shadow = Shadow(tmp_path, tasks(), list(rows(tasks())))
    os.utime(log, (WRITTEN - 365 * 86_400, WRITTEN - 365 * 86_400))
    assert shadow.compare("--compare", str(log)) == 66
    assert "no time in common" in capsys.readouterr().err


def test_a_log_is_held_against_a_shadow_only(tmp_path, log, capsys):
    assert Shadow(tmp_path, tasks(), [], executor="process").compare("--compare", str(log)) == 2
    assert "say --shadow" in capsys.readouterr().err
    assert main(["history", "--compare", str(log)]) == 2
    assert "say --shadow" in capsys.readouterr().err


def test_a_hostile_log_puts_nothing_on_a_terminal(tmp_path, log, capsys):
    with log.open("ab") as file:
        file.write(b"Nov 26 17:17:01 web-1 CRON[1]: (root) CMD (\x1b]0;owned\x07\x1b[2J)\n" * 2)
    os.utime(log, (WRITTEN, WRITTEN))
    Shadow(tmp_path, tasks(), list(rows(tasks()))).compare("--compare", str(log))
    assert "\x1b" not in capsys.readouterr().out


def test_the_history_of_a_shadow_says_that_nothing_ran(tmp_path, capsys):
    known = tasks(["stdin", "of-nobody"])
    skip = HistoryRow(task=known[0].name, first=FIRST, last=LAST, count=7, decided_at=LAST, reason=SkipReason.PAUSED)
    shadow = Shadow(tmp_path, known, [skip, *rows(known)])
    assert shadow.compare("--shadow", "--limit", "3") == 0
    out = capsys.readouterr().out
    assert "would run" in out
    assert "succeeded" not in out
    assert "skipped (paused)" in out
    assert "nobody  MAILTO= true --of nobody" in out


def test_the_clients_of_a_shadow_are_as_quick_as_others():
    """None of what only `--compare` needs is imported for `history`."""
    words = "import sys, torchsync.cli.inspect; print([name for name in sys.modules if 'comparison' in name or name in ('yaml', 'gzip')])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
