"""Writes on a real chain: nonces, rebroadcasts, reasons."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.rpc import Call, NodeTimeout
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transaction import unsigned
from livepeer_client.adapters.chain.transactor import GasPriceTooHigh, Transactor
from livepeer_client.adapters.web3signer import Web3Signer
from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import (
    ChainUnavailable,
    InsufficientFunds,
    InvalidInput,
    Reverted,
    TransactionDropped,
    Underpriced,
)
from livepeer_client.facts import Broadcast, NonceState
from livepeer_client.policy.redemption import redeem_arguments
from livepeer_client.types import Hash32, Wei
from tests.support.anvil import ALICE, ETH, GATEWAY, STRANGER, Stage
from tests.support.rpc_server import serving
from tests.support.web3signer_server import Web3SignerServer

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
    in_order = sorted(prepared, key=lambda each: each.nonce)
    for transaction in in_order:
        await wallet.broadcast(transaction)
    await wallet.wait(in_order[-1].tx_hash, 5)
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
    # Less than any call takes.
    refused = await wallet.prepare(*FUND, value=Wei(1), gas_limit=1000)
    with pytest.raises(ChainUnavailable):
        await wallet.broadcast(refused)
    assert (await wallet.prepare(*FUND, value=Wei(1))).nonce == refused.nonce


async def test_prepare__beyond_the_balance__is_refused_with_the_figures(stage: Stage) -> None:
    with pytest.raises(InsufficientFunds) as refusal:
        await stage.transactor(GATEWAY).prepare(*FUND, value=Wei(10**30), gas_limit=200_000)
    assert refusal.value.required > 10**30 > refusal.value.balance > 0


async def test_broadcast__after_the_money_went_elsewhere__is_refused_and_frees_its_nonce(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    poor = await wallet.prepare(*FUND, value=Wei(ETH), gas_limit=200_000)
    await stage.rpc.call("anvil_setBalance", ["0x" + GATEWAY.address.hex(), hex(ETH // 2)])
    with pytest.raises(InsufficientFunds) as refusal:
        await wallet.broadcast(poor)
    assert refusal.value.balance == ETH // 2
    assert (await wallet.prepare(*FUND, value=Wei(1))).nonce == poor.nonce


async def test_prepare__above_the_base_fee_limit__is_refused_though_the_cap_would_do(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY, max_base_fee=Wei(1), max_fee_per_gas=Wei(10**12))
    with pytest.raises(GasPriceTooHigh) as refusal:
        await wallet.prepare(*FUND, value=Wei(1))
    assert refusal.value.base_fee > refusal.value.limit == 1


async def test_broadcast__at_a_fee_the_chain_has_left_behind__is_underpriced(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    transaction = await wallet.prepare(*FUND, value=Wei(1))
    fees = await wallet.fees(transaction)
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(100 * fees.cap)])
    await stage.mine()
    with pytest.raises(Underpriced) as refusal:
        await wallet.broadcast(transaction)
    assert (refusal.value.cap, refusal.value.occupied) == (fees.cap, False)
    assert refusal.value.base_fee > fees.cap
    replacement = await wallet.replace(transaction)
    assert await wallet.broadcast(replacement) is Broadcast.ACCEPTED
    assert (await wallet.wait(replacement.tx_hash, 5)).succeeded
    # Not part of what the end of a test undoes.
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(10**9)])


async def test_broadcast__of_another_at_the_same_nonce_and_price__finds_it_occupied(stage: Stage) -> None:
    await set_automine(stage, False)
    first = await stage.transactor(GATEWAY).prepare(*FUND, value=Wei(1))
    second = await stage.transactor(GATEWAY).prepare(*FUND, value=Wei(2))
    assert first.nonce == second.nonce
    wallet = stage.transactor(GATEWAY)
    await wallet.broadcast(first)
    with pytest.raises(Underpriced) as refusal:
        await wallet.broadcast(second)
    assert refusal.value.occupied


async def test_replace__kept_raw_by_another_process__keeps_call_nonce_and_gas(stage: Stage) -> None:
    await set_automine(stage, False)
    stuck = await stage.transactor(GATEWAY).prepare(*FUND, value=Wei(7), gas_limit=150_000)
    await stage.transactor(GATEWAY).broadcast(stuck)
    replacement = await stage.transactor(GATEWAY).replace(stuck)
    before, after = await unsigned(stuck.raw), await unsigned(replacement.raw)
    assert replace(before, fees=after.fees) == after
    assert after.fees.cap >= -(-before.fees.cap * 111 // 100)
    assert after.fees.tip >= -(-before.fees.tip * 111 // 100)
    assert after.fees.tip > before.fees.tip
    assert await stage.transactor(GATEWAY).broadcast(replacement) is Broadcast.ACCEPTED
    await stage.mine()
    assert await stage.transactor(GATEWAY).receipt(stuck.tx_hash) is None
    receipt = await stage.transactor(GATEWAY).receipt(replacement.tx_hash)
    assert receipt is not None
    block = await stage.suite.block_at(receipt.block)
    assert block is not None
    assert receipt.block_hash == block.hash
    assert {log.block_hash for log in receipt.logs} == {block.hash}


async def test_nonces__of_a_waiting_transaction__count_it_as_pending(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    before = await wallet.nonces()
    await set_automine(stage, False)
    await wallet.broadcast(await wallet.prepare(*FUND, value=Wei(1)))
    assert await wallet.nonces() == NonceState(before.mined, before.mined + 1)
    await stage.mine()
    assert await wallet.nonces() == NonceState(before.mined + 1, before.mined + 1)


async def test_receipt__of_a_block_that_a_reorg_removed__is_gone(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)
    receipt = await wallet.send(*FUND, value=Wei(1))
    await stage.mine(2)
    await stage.reorg(3)
    assert await wallet.receipt(receipt.tx_hash) is None
    head = await stage.suite.head()
    assert head.number == receipt.block + 2


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


class Silent:
    """A node, or several under one name, that takes a transaction and whose answer is lost on the way.

    :param takes: False: the request was lost, too.
    :param lags: asked what became of it, a machine answers that is behind, and counts as one that is not.
    """

    def __init__(self, stage: Stage, *, times: int, takes: bool = True, lags: bool = False) -> None:
        self._stage = stage
        self.times, self.takes, self.lags = times, takes, lags
        self.sent: list[object] = []
        self.waited_for = asyncio.Event()

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if method == "eth_getTransactionReceipt":
            self.waited_for.set()
        if method != "eth_sendRawTransaction":
            return await self._stage.rpc.call(method, params)
        self.sent.append(params[0])
        if len(self.sent) > self.times:
            return await self._stage.rpc.call(method, params)
        if self.takes:
            await self._stage.rpc.call(method, params)
        raise NodeTimeout("eth_sendRawTransaction: the node did not answer in time")

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = await self._stage.rpc.batch(calls)
        unseen = self.lags and any(method == "eth_getTransactionCount" for method, _ in calls)
        return [
            None if unseen and method == "eth_getTransactionByHash" else answer
            for (method, _), answer in zip(calls, answers, strict=True)
        ]


@pytest.mark.parametrize("lags", [False, True])
@pytest.mark.parametrize("times", [1, 2])
async def test_send__the_nodes_answer_is_lost__is_found_and_not_sent_twice(
    stage: Stage, times: int, lags: bool
) -> None:
    """Whoever was told that the chain is not reached would send the money again."""
    before = await stage.transactor(GATEWAY).nonces()
    node = Silent(stage, times=times, lags=lags)
    receipt = await Transactor(Suite(node, stage.suite.addresses), GATEWAY.key, poll_s=0.01).send(*FUND, value=Wei(2))

    assert receipt.succeeded
    assert len(set(node.sent)) == 1
    assert (await stage.transactor(GATEWAY).nonces()).mined == before.mined + 1
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH + 2


async def test_send__never_answered__tells_the_hash_to_look_for(stage: Stage) -> None:
    node = Silent(stage, times=2, takes=False)
    wallet = Transactor(Suite(node, stage.suite.addresses), GATEWAY.key, poll_s=0.01, send_timeout_s=0.1)
    with pytest.raises(TransactionDropped) as unknown:
        await wallet.send(*FUND, value=Wei(2))

    assert to_hex(keccak256(bytes.fromhex(str(node.sent[0])[2:]))) == to_hex(unknown.value.tx_hash)
    assert len(set(node.sent)) == 1


async def test_send__stopped_while_it_waits__leaves_the_hash_to_look_for(stage: Stage) -> None:
    node = Silent(stage, times=0)
    wallet = Transactor(Suite(node, stage.suite.addresses), GATEWAY.key, poll_s=0.01)
    await set_automine(stage, False)
    sending = asyncio.create_task(wallet.send(*FUND, value=Wei(2)))
    await asyncio.wait_for(node.waited_for.wait(), 60)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError) as stopped:
        await sending

    (note,) = stopped.value.__notes__
    assert to_hex(keccak256(bytes.fromhex(str(node.sent[0])[2:]))) in note


async def test_wait__for_a_transaction_that_is_not_mined__is_dropped(stage: Stage) -> None:
    with pytest.raises(TransactionDropped):
        await stage.transactor(GATEWAY).wait(Hash32(bytes(32)), 0.05)


async def test_prepare__above_the_ceiling__is_refused(stage: Stage) -> None:
    with pytest.raises(GasPriceTooHigh):
        await stage.transactor(GATEWAY, max_fee_per_gas=Wei(1)).prepare(*FUND, value=Wei(1))


async def test_simulate_redeem__a_good_winner__estimates_its_gas(stage: Stage) -> None:
    gas = await stage.transactor(ALICE).simulate_redeem(await stage.winner())
    assert 50_000 < gas < 500_000


async def test_simulate_redeem__on_an_earlier_block__sees_that_state(stage: Stage) -> None:
    winner = await stage.winner()
    before = (await stage.suite.head()).block_hash
    wallet = stage.transactor(ALICE)
    await wallet.send("TicketBroker", "redeemWinningTicket", redeem_arguments(winner))
    assert await wallet.simulate_redeem(winner, block=before) > 100_000
    with pytest.raises(Reverted) as refusal:
        await wallet.simulate_redeem(winner)
    assert refusal.value.reason == "ticket is used"


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


async def test_send__with_the_key_in_a_web3signer__is_mined_as_from_that_key(stage: Stage) -> None:
    server = Web3SignerServer(GATEWAY.key, stage.suite.addresses.chain_id)
    async with serving(server.answer) as url, Web3Signer(url, GATEWAY.address) as signer:
        wallet = Transactor(stage.suite, signer, poll_s=0.01)
        receipt = await wallet.send(*FUND, value=Wei(5))
    assert receipt.logs[0].args["sender"] == GATEWAY.address
    assert "eth_signTransaction" in server.methods
