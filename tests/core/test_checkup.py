"""What findings come to: an exit status, and a document."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from torchsync.adapters.schemas import read_schema
from torchsync.core.checkup import (
    Checked,
    Finding,
    Level,
    Stake,
    checked,
    exit_status,
    fine,
    note,
    problem,
    report_document,
    skipped,
    told,
    unknown,
    warning,
)
from torchsync.errors import Problem


def found(*findings: Finding, stake: Stake = Stake.HOST) -> Checked:
    return checked("group", "name", stake, findings)


def test_warnings_notes_and_what_was_not_looked_at_are_no_failure() -> None:
    assert exit_status([found(fine("a"), note("b"), warning("c", "d")), skipped("group", "other", "no agent answers")]) == 0


@pytest.mark.parametrize("stake", Stake)
def test_a_problem_has_the_status_of_what_it_keeps_from_working(stake: Stake) -> None:
    assert exit_status([found(fine("a")), found(problem("b", "c"), stake=stake)]) == stake.value


def test_of_several_problems_that_counts_which_stands_in_front_of_the_others() -> None:
    results = [found(problem("a", "b"), stake=stake) for stake in reversed(Stake)]
    assert [exit_status(results[:number]) for number in range(1, 7)] == [1, 65, 77, 69, 73, 78]


def test_a_finding_may_be_about_something_else_than_its_check() -> None:
    assert exit_status([found(problem("a", "b", stake=Stake.POLICY), stake=Stake.REMOTE)]) == 77


def test_a_check_that_failed_is_no_success() -> None:
    assert exit_status([found(unknown("it did not end"))]) == 1
    assert exit_status([found(unknown("it did not end")), found(problem("a", "b"), stake=Stake.STATE)]) == 73


def test_the_worst_stands_first_and_else_nothing_changes_places() -> None:
    one = found(fine("1"), note("2"), warning("3", ""), fine("4"), unknown("5"), problem("6", ""))
    assert [finding.message for finding in one.findings] == ["6", "5", "3", "2", "1", "4"]


def test_a_problem_brings_its_place_and_a_remedy_even_when_it_has_no_hint() -> None:
    finding = told(Problem(code="TS302", message="unknown field `polcy`", path="agent.yaml", line=3, column=1))
    assert finding.message == "agent.yaml:3:1: unknown field `polcy`"
    assert finding.remedy == "Correct the field."
    assert told(Problem(code="TS302", message="x", hint="write y")).remedy == "write y"


def test_the_document_is_as_its_schema_says() -> None:
    results = [found(fine("a"), problem("b", "c", "TS376")), skipped("agent", "health", "no agent answers")]
    document = report_document(results, version="0.1.0", config="/etc/torchsync/agent.yaml", host="db-1")
    Draft202012Validator(read_schema("doctor")).validate(document)
    assert document["summary"] == {"ok": 1, "note": 0, "warning": 0, "problem": 1, "unknown": 0}
    assert document["checks"][1]["skipped"] == "no agent answers"  # type: ignore[index]
    assert Level(document["checks"][0]["findings"][0]["level"]) is Level.PROBLEM  # type: ignore[index]
