"""The executor with runs in units, by the same contract as everywhere. Runs inside of a box, where `test_units.py` starts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.contract_executor import CONTRACT
from tests.adapters.processes import Rig, open_rig
from tests.adapters.test_process import ProcessStage


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


@pytest.mark.parametrize("contract", [pytest.param(contract, id=contract.__name__) for contract in CONTRACT])
def test_contract(contract, rig: Rig) -> None:
    contract(ProcessStage(rig))
