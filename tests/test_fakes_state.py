"""The fakes keep the contracts of the ports they stand for."""

from __future__ import annotations

import pytest

from tests.adapters import contract_ledger, contract_spool, contract_store
from tests.fakes_state import MemoryLedger, MemorySpool, MemoryStore


@pytest.mark.parametrize("contract", contract_ledger.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_ledger_in_memory_keeps_the_contract(contract):
    contract(MemoryLedger())


@pytest.mark.parametrize("contract", contract_spool.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_spool_in_memory_keeps_the_contract(contract):
    contract(MemorySpool())


@pytest.mark.parametrize("contract", contract_store.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_store_in_memory_keeps_the_contract(contract):
    contract(MemoryStore())
