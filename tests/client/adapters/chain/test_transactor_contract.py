"""What any `ports.Transactor` promises: the real one on a real chain and the fake one, under the same tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from livepeer_client.adapters.fakes import FakeChain, FakeTransactor
from livepeer_client.errors import (
    GasPriceTooHigh,
    NonceConsumed,
    ReplacementTooExpensive,
    TransactionDropped,
    Underpriced,
)
from livepeer_client.facts import Broadcast, SignedTransaction
from livepeer_client.policy.fees import FeeLimits
from livepeer_client.ports import Chain, Transactor
from livepeer_client.types import Wei
from tests.support.anvil import GATEWAY, Stage


@dataclass(slots=True)
class Bench:
    """One chain that mines when told, and transactors of one key on it."""

    chain: Chain
    wallet: Transactor
    mine: Callable[[], Awaitable[None]]
    limited: Callable[[Wei], Transactor]

    async def prepare(self) -> SignedTransaction:
        return await self.wallet.prepare("TicketBroker", "unlock", [], gas_limit=200_000)


@pytest.fixture(params=["anvil", "fake"])
async def bench(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Bench]:
    if request.param == "fake":
        chain = FakeChain()
        fake = FakeTransactor(GATEWAY.address, chain)
        fake.auto_mine = False

        async def mine_fake() -> None:
            fake.mine_pending()

        def limited(ceiling: Wei) -> Transactor:
            fake.limits = FeeLimits(max_fee_per_gas=ceiling)
            return fake

        yield Bench(chain, fake, mine_fake, limited)
        return
    await stage.rpc.call("evm_setAutomine", [False])

    async def mine() -> None:
        await stage.mine()

    yield Bench(
        stage.suite, stage.transactor(GATEWAY), mine, lambda ceiling: stage.transactor(GATEWAY, max_fee_per_gas=ceiling)
    )


async def test_broadcast__new_then_again__is_accepted_then_known(bench: Bench) -> None:
    transaction = await bench.prepare()
    assert await bench.wallet.broadcast(transaction) is Broadcast.ACCEPTED
    assert await bench.wallet.broadcast(transaction) is Broadcast.KNOWN
    await bench.mine()
    assert await bench.wallet.broadcast(transaction) is Broadcast.KNOWN


async def test_receipt__once_mined__names_its_block(bench: Bench) -> None:
    transaction = await bench.prepare()
    await bench.wallet.broadcast(transaction)
    assert await bench.wallet.receipt(transaction.tx_hash) is None
    with pytest.raises(TransactionDropped):
        await bench.wallet.wait(transaction.tx_hash, 0.02)
    await bench.mine()
    receipt = await bench.wallet.wait(transaction.tx_hash, 5)
    block = await bench.chain.block_at(receipt.block)
    assert block is not None
    assert (receipt.succeeded, receipt.block_hash) == (True, block.hash)


async def test_nonces__before_and_after_mining__count_what_is_taken(bench: Bench) -> None:
    start = await bench.wallet.nonces()
    assert start.mined == start.pending
    first, second = await bench.prepare(), await bench.prepare()
    assert (first.nonce, second.nonce) == (start.mined, start.mined + 1)
    await bench.wallet.broadcast(first)
    await bench.wallet.broadcast(second)
    state = await bench.wallet.nonces()
    assert (state.mined, state.pending) == (start.mined, start.mined + 2)
    await bench.mine()
    state = await bench.wallet.nonces()
    assert (state.mined, state.pending) == (start.mined + 2, start.mined + 2)


async def test_replace__a_waiting_one__is_mined_in_its_place(bench: Bench) -> None:
    stuck = await bench.prepare()
    await bench.wallet.broadcast(stuck)
    replacement = await bench.wallet.replace(stuck)
    assert replacement.nonce == stuck.nonce
    old, new = await bench.wallet.fees(stuck), await bench.wallet.fees(replacement)
    assert new.cap >= -(-old.cap * 111 // 100)
    assert new.tip > old.tip
    assert new.tip >= -(-old.tip * 111 // 100)
    assert await bench.wallet.broadcast(replacement) is Broadcast.ACCEPTED
    with pytest.raises(Underpriced) as refusal:
        await bench.wallet.broadcast(stuck)
    assert refusal.value.occupied
    await bench.mine()
    assert await bench.wallet.receipt(stuck.tx_hash) is None
    assert await bench.wallet.receipt(replacement.tx_hash) is not None


async def test_replace__again_and_again__rises_each_time(bench: Bench) -> None:
    transaction = await bench.prepare()
    await bench.wallet.broadcast(transaction)
    for _ in range(5):
        replacement = await bench.wallet.replace(transaction)
        assert await bench.wallet.broadcast(replacement) is Broadcast.ACCEPTED
        transaction = replacement


async def test_replace__over_the_ceiling__is_refused_with_the_figures(bench: Bench) -> None:
    transaction = await bench.prepare()
    cap = (await bench.wallet.fees(transaction)).cap
    with pytest.raises(ReplacementTooExpensive) as refusal:
        await bench.wallet.replace(transaction, max_fee_per_gas=Wei(cap + 1))
    assert (refusal.value.current, refusal.value.ceiling) == (cap, cap + 1)
    assert refusal.value.required >= -(-cap * 111 // 100)
    with pytest.raises(ReplacementTooExpensive):
        await bench.limited(cap).replace(transaction)


async def test_replace__under_an_explicit_ceiling__stays_within_it(bench: Bench) -> None:
    transaction = await bench.prepare()
    cap = (await bench.wallet.fees(transaction)).cap
    ceiling = Wei(cap * 112 // 100)
    replacement = await bench.limited(Wei(1)).replace(transaction, max_fee_per_gas=ceiling)
    assert (await bench.wallet.fees(replacement)).cap <= ceiling


async def test_replace__one_that_is_mined__finds_its_nonce_consumed(bench: Bench) -> None:
    transaction = await bench.prepare()
    await bench.wallet.broadcast(transaction)
    await bench.mine()
    with pytest.raises(NonceConsumed) as refusal:
        await bench.wallet.replace(transaction)
    assert refusal.value.mined == transaction.nonce + 1


async def test_broadcast__after_its_replacement_was_mined__finds_its_nonce_consumed(bench: Bench) -> None:
    transaction = await bench.prepare()
    await bench.wallet.broadcast(await bench.wallet.replace(transaction))
    await bench.mine()
    with pytest.raises(NonceConsumed):
        await bench.wallet.broadcast(transaction)


async def test_prepare__with_a_ceiling_of_its_own__offers_no_more(bench: Bench) -> None:
    base_fee = (await bench.chain.head()).base_fee
    ceiling = Wei(base_fee + 1)
    transaction = await bench.wallet.prepare("TicketBroker", "unlock", [], gas_limit=200_000, max_fee_per_gas=ceiling)
    assert (await bench.wallet.fees(transaction)).cap == ceiling
    with pytest.raises(GasPriceTooHigh):
        await bench.wallet.prepare("TicketBroker", "unlock", [], gas_limit=200_000, max_fee_per_gas=Wei(base_fee - 1))
