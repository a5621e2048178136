"""Writes on a real chain: nonces, rebroadcasts, reasons."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from livepeer_client.adapters.chain.rpc import Call
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transactor import GasPriceTooHigh, Transactor
from livepeer_client.errors import ChainUnavailable, InvalidInput, Reverted, TransactionDropped
from livepeer_client.types import Hash32, Wei
from tests.support.anvil import ALICE, ETH, GATEWAY, STRANGER, Stage

FUND = ("TicketBroker", "fundDeposit", [])


async def set_automine(stage: Stage, on: bool) -> None:
    await stage.rpc.call("evm_setAutomine", [on])


async def test_send__a_call_with_value__gives_the_receipt_with_its_events(stage: Stage) -> None:
    receipt = await stage.transactor(GATEWAY).send(*FUND, value=Wei(5))
    assert receipt.succeeded
    assert receipt.gas_used > 21_000
    assert [(log.contract, log.name, dict(log.args)) for log in receipt.logs] == [
        ("TicketBroker", "DepositFunded", {"sender": GATEWAY.address, "amount": 5})
    ]
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH + 5


async def test_send__a_call_the_contract_refuses__is_reverted_before_it_costs_anything(stage: Stage) -> None:
    wallet = stage.transactor(STRANGER)
    balance = await stage.rpc.call("eth_getBalance", ["0x" + STRANGER.address.hex(), "latest"])
    with pytest.raises(Reverted) as refusal:
        await wallet.send("RoundsManager", "initializeRound", [])
    assert refusal.value.reason == "round already initialized"
    assert refusal.value.call == "RoundsManager.initializeRound"
    assert await stage.rpc.call("eth_getBalance", ["0x" + STRANGER.address.hex(), "latest"]) == balance


async def test_send__with_a_gas_limit_and_mined_as_a_failure__is_reverted_with_its_hash(stage: Stage) -> None:
    with pytest.raises(Reverted) as refusal:
        await stage.transactor(STRANGER).send("RoundsManager", "initializeRound", [], gas_limit=200_000)
    assert refusal.value.tx_hash is not None


async def test_send__arguments_that_do_not_fit__is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidInput):
        await stage.transactor(STRANGER).send("TicketBroker", "setUnlockPeriod", ["x"])


async def test_prepare__by_many_at_once__gives_each_its_own_nonce(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    prepared = await asyncio.gather(*(wallet.prepare(*FUND, value=Wei(1)) for _ in range(8)))
    nonces = sorted(transaction.nonce for transaction in prepared)
    assert nonces == list(range(nonces[0], nonces[0] + 8))
    for transaction in sorted(prepared, key=lambda each: each.nonce):
        await wallet.broadcast(transaction)
    await wallet.wait(prepared[-1].tx_hash, 5)
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH + 8


async def test_prepare__after_a_lease_nobody_used_lapsed__takes_its_nonce(stage: Stage) -> None:
    now = 0.0
    wallet = stage.transactor(GATEWAY, lease_s=10, monotonic=lambda: now)
    first = await wallet.prepare(*FUND, value=Wei(1))
    second = await wallet.prepare(*FUND, value=Wei(1))
    now = 11.0
    third = await wallet.prepare(*FUND, value=Wei(1))
    assert (second.nonce, third.nonce) == (first.nonce + 1, first.nonce)


async def test_broadcast__the_same_twice__is_harmless(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    transaction = await wallet.prepare(*FUND, value=Wei(3))
    await set_automine(stage, False)
    await wallet.broadcast(transaction)
    await wallet.broadcast(transaction)
    assert await wallet.receipt(transaction.tx_hash) is None
    await stage.mine()
    await wallet.broadcast(transaction)
    assert (await wallet.wait(transaction.tx_hash, 5)).succeeded
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH + 3


async def test_broadcast__after_another_transaction_took_its_nonce__is_dropped(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    transaction = await wallet.prepare(*FUND, value=Wei(3))
    await stage.transactor(GATEWAY).send(*FUND, value=Wei(4))
    with pytest.raises(TransactionDropped):
        await wallet.broadcast(transaction)


async def test_broadcast__refused_by_the_node__frees_its_nonce(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    poor = await wallet.prepare(*FUND, value=Wei(10**30), gas_limit=200_000)
    with pytest.raises(ChainUnavailable):
        await wallet.broadcast(poor)
    assert (await wallet.prepare(*FUND, value=Wei(1))).nonce == poor.nonce


async def test_send__with_its_nonce_taken_in_between__is_signed_again(stage: Stage) -> None:
    class Meddled:
        """Lets another process with the same key send just before the first broadcast."""

        meddled = False

        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            if method == "eth_sendRawTransaction" and not self.meddled:
                self.meddled = True
                await stage.transactor(GATEWAY).send(*FUND, value=Wei(1))
            return await stage.rpc.call(method, params)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            return await stage.rpc.batch(calls)

    wallet = Transactor(Suite(Meddled(), stage.suite.addresses), GATEWAY.key, poll_s=0.01)
    await wallet.send(*FUND, value=Wei(2))
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH + 3


async def test_wait__for_a_transaction_that_is_not_mined__is_dropped(stage: Stage) -> None:
    with pytest.raises(TransactionDropped):
        await stage.transactor(GATEWAY).wait(Hash32(bytes(32)), 0.05)


async def test_prepare__above_the_ceiling__is_refused(stage: Stage) -> None:
    with pytest.raises(GasPriceTooHigh):
        await stage.transactor(GATEWAY, max_fee_per_gas=Wei(1)).prepare(*FUND, value=Wei(1))


async def test_simulate_redeem__a_good_winner__estimates_its_gas(stage: Stage) -> None:
    gas = await stage.transactor(ALICE).simulate_redeem(await stage.winner())
    assert 50_000 < gas < 500_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"win_prob": 2**256 - 1, "recipient_rand_hash": Hash32(bytes(32))}, "recipientRand does not match"),
        ({"face_value": Wei(3 * ETH)}, "sender deposit and reserve insufficient"),
        ({"creation_round_block_hash": Hash32(bytes(31) + b"1")}, "ticket creationRoundBlockHash invalid"),
        ({"recipient": STRANGER}, "transcoder must be active"),
    ],
)
async def test_simulate_redeem__a_ticket_the_contract_refuses__gives_the_reason(
    stage: Stage, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Reverted) as refusal:
        await stage.transactor(ALICE).simulate_redeem(await stage.winner(**change))
    assert refusal.value.reason.startswith(reason)


def test_transactor__shown__does_not_show_its_key(stage: Stage) -> None:
    wallet = stage.transactor(ALICE)
    assert ALICE.key.hex() not in repr(wallet)
    assert ALICE.address.hex() in repr(wallet).lower()


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), b"\xff" * 32])
async def test_transactor__with_a_key_that_is_none__is_refused(stage: Stage, key: bytes) -> None:
    with pytest.raises(InvalidInput):
        Transactor(stage.suite, key)
