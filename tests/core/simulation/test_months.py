"""Months of thirty tasks, with a commit a day and a crash an hour, in seconds. `make simulate` plays longer ones."""

from __future__ import annotations

import pytest

from tests.core.simulation import months
from tests.core.simulation.annals import Broken
from tests.core.simulation.months import Months, Plan


def test_a_month_in_which_clocks_are_set_goes_by_and_no_promise_breaks() -> None:
    story = Months(2027)
    story.play(31)
    host = story.host
    assert host.crashes > 31 * 24 / 2
    assert len(host.commits) > 31 / 2
    assert len(host.annals.runs) > 1_500


def test_a_fortnight_of_a_clock_that_is_set_goes_by_and_no_promise_breaks() -> None:
    Months(2027, tasks=12, plan=Plan(step=8)).play(14)


def test_a_broken_promise_is_told_with_the_command_that_plays_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_it(_: Months, days: float) -> None:
        raise Broken(f"on purpose, within {days} days")

    monkeypatch.setattr(Months, "play", break_it)
    assert months.main(["--seed", "7", "--days", "3", "--tasks", "2"]) == 1
    told = capsys.readouterr().err
    assert "seed 7: Broken: on purpose, within 3.0 days" in told
    assert 'make simulate ARGS="--seed 7 --days 3 --tasks 2 --step 0"' in told


def test_a_story_that_held_is_told_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert months.main(["--seed", "7", "--days", "0.2", "--tasks", "2", "--stories", "2"]) == 0
    assert capsys.readouterr().out.count("every promise held") == 2
