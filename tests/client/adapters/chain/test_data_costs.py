"""What bytes cost on a rollup: any `ports.Chain` under one contract, and a redeemer that reads it.

No Arbitrum node runs here. A stand-in with the documented interface is put where one would answer.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.chain.data_costs import NODE_INTERFACE
from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import ReceivedPayment, TicketState
from livepeer_client.policy.redemption import RedemptionPolicy, data_fees, representative_calls
from livepeer_client.ports import Chain
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Wei
from tests.support.anvil import ALICE, ETH, GATEWAY, Stage
from tests.support.artifacts import compile_all

POLICY = RedemptionPolicy(params_margin_blocks=0, patience=Fraction(1))
GAS_PER_BYTE = 20


async def put_node_interface(stage: Stage) -> None:
    runtime = compile_all(["mocks/NodeInterfaceMock"])["NodeInterfaceMock"].runtime
    await stage.rpc.call("anvil_setCode", [to_hex(NODE_INTERFACE), to_hex(runtime)])


@dataclass(slots=True)
class Rollup:
    chain: Chain
    charge: Callable[[], Awaitable[None]]


@pytest.fixture(params=["anvil", "fake"])
async def rollup(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Rollup]:
    if request.param == "fake":
        fake = FakeChain()

        async def charge_fake() -> None:
            fake.data_gas_per_byte = GAS_PER_BYTE

        yield Rollup(fake, charge_fake)
        return

    async def charge() -> None:
        await put_node_interface(stage)

    yield Rollup(stage.suite, charge)


async def test_data_costs__of_a_chain_without_a_node_interface__are_none(rollup: Rollup) -> None:
    assert await rollup.chain.data_costs(representative_calls()) == []


async def test_data_costs__of_an_arbitrum_chain__are_those_of_each_calls_bytes(rollup: Rollup) -> None:
    await rollup.charge()
    single, few, many = await rollup.chain.data_costs(representative_calls())
    assert many.gas - few.gas == 10 * 17 * 32 * GAS_PER_BYTE
    # A selector, three heads, seven words of ticket, its round data and signature.
    assert single.gas % GAS_PER_BYTE == 0
    assert 4 + 16 * 32 <= single.gas // GAS_PER_BYTE <= 4 + 20 * 32
    head = await rollup.chain.head()
    assert len({cost.base_fee for cost in (single, few, many)}) == 1
    assert single.fee == single.gas * single.base_fee > 0
    assert await rollup.chain.at(head.block_hash).data_costs(representative_calls()) == [single, few, many]


async def test_data_costs__of_no_calls__are_none(rollup: Rollup) -> None:
    await rollup.charge()
    assert await rollup.chain.data_costs([]) == []


async def test_data_costs__of_an_unknown_function__are_refused(rollup: Rollup) -> None:
    with pytest.raises(InvalidInput):
        await rollup.chain.data_costs([("TicketBroker", "redeemNothing", [])])


async def test_data_costs__something_else_at_the_address__are_none(stage: Stage) -> None:
    # PUSH0 PUSH0 REVERT
    await stage.rpc.call("anvil_setCode", [to_hex(NODE_INTERFACE), "0x5f5ffd"])
    assert await stage.suite.data_costs(representative_calls()) == []


async def test_step__on_a_chain_that_charges_for_bytes__weighs_them(stage: Stage, tmp_path: Path) -> None:
    await put_node_interface(stage)
    winner = await stage.winner(face_value=Wei(ETH // 100))
    async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite") as store:
        await store.record_payment(ReceivedPayment(GATEWAY.address, "bytes", 1, Fraction(0), (winner,)))
        service = RedemptionService(stage.suite, stage.transactor(ALICE), store, ManualClock(), POLICY)
        told = await service.explain(winner.ticket.hash)
        fees = data_fees(await stage.suite.data_costs(representative_calls()))
        assert fees is not None
        assert told.figures["data_fee"] == fees.share(1) == fees.single
        assert "data_fee 0.0" in str(told)
        await service.step()
        assert (await store.tickets())[0].state is TicketState.PAID
