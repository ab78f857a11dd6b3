"""The unit of the agent keeps what is promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchsync.core.checkup import Level
from torchsync.core.unitcheck import EXPECTED, PROPERTIES, Expected, unit_findings

SHIPPED = (Path(__file__).parents[2] / "systemd/torchsync.service").read_text().splitlines()
AS_SHIPPED = {
    **{one.property: one.shown for one in EXPECTED},
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "FragmentPath": "/etc/systemd/system/torchsync.service",
    "DropInPaths": "",
    "NoNewPrivileges": "yes",
}


def told(**changes: str) -> dict[Level, list[str]]:
    found: dict[Level, list[str]] = {}
    for finding in unit_findings({**AS_SHIPPED, **changes}, runs_are_units=True, wants_process=False, shipped="/lib/torchsync.service"):
        found.setdefault(finding.level, []).append(finding.message)
        assert finding.remedy or finding.level is Level.OK
    return found


@pytest.mark.parametrize("one", EXPECTED, ids=lambda one: one.setting)
def test_the_shipped_unit_has_what_is_expected_in_the_section_that_the_remedy_names(one: Expected) -> None:
    above = SHIPPED[: SHIPPED.index(f"{one.setting}={one.written}")]
    assert [line for line in above if line.startswith("[")][-1] == f"[{one.section}]"


def test_every_property_that_is_looked_at_is_asked_for() -> None:
    assert set(AS_SHIPPED) == set(PROPERTIES)


def test_of_the_unit_as_shipped_there_is_only_good_to_tell() -> None:
    assert set(told()) == {Level.OK}


@pytest.mark.parametrize("one", EXPECTED, ids=lambda one: one.setting)
def test_each_other_setting_is_a_problem_and_says_what_is_lost(one: Expected) -> None:
    (message,) = told(**{one.property: "other"})[Level.PROBLEM]
    assert message == f"{one.setting}= of torchsync.service is other, not {one.written}: {one.otherwise}"


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"LoadState": "not-found"}, Level.WARNING, "is not installed (not-found)"),
        ({"LoadState": "masked", "UnitFileState": "masked"}, Level.WARNING, "is masked: nothing starts the agent"),
        ({"UnitFileState": "disabled"}, Level.WARNING, "does not start at boot"),
        ({"ActiveState": "inactive", "SubState": "dead"}, Level.WARNING, "is inactive (dead)"),
        ({"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}, Level.PROBLEM, "exit-code"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "7"}, Level.PROBLEM, "after 7 restarts"),
        ({"NoNewPrivileges": "no"}, Level.WARNING, "the sandbox of the agent is lifted"),
        ({"NRestarts": "5"}, Level.WARNING, "again 5 times"),
        ({"NeedDaemonReload": "yes"}, Level.WARNING, "not the one that systemd goes by"),
        ({"DropInPaths": "/etc/x.conf /etc/y.conf"}, Level.NOTE, "/etc/x.conf, /etc/y.conf"),
    ],
)
def test_what_else_can_be_wrong_with_it(changes: dict[str, str], level: Level, said: str) -> None:
    assert any(said in message for message in told(**changes)[level])


def test_runs_in_the_sandbox_of_the_agent_are_a_problem_and_without_it_none() -> None:
    def problems(shown: dict[str, str], *, runs_are_units: bool | None, wants_process: bool) -> int:
        found = unit_findings(shown, runs_are_units=runs_are_units, wants_process=wants_process, shipped="")
        return sum(finding.code == "TS377" for finding in found)

    assert problems(AS_SHIPPED, runs_are_units=True, wants_process=True) == 1
    assert problems(AS_SHIPPED, runs_are_units=False, wants_process=False) == 1
    lifted = {**AS_SHIPPED, "NoNewPrivileges": "no"}
    assert problems(lifted, runs_are_units=True, wants_process=True) == 0
    assert problems(lifted, runs_are_units=True, wants_process=False) == 1
    assert [problems(shown, runs_are_units=None, wants_process=False) for shown in (AS_SHIPPED, lifted)] == [0, 0]
