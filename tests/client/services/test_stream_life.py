"""A paid stream from end to end over time: no request to the chain for a segment, and nothing that runs out ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain
from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S
from livepeer_client.errors import ChainUnavailable, QuoteRefused
from livepeer_client.services.dispatch import Renewed
from tests.support.pair import Pair
from tests.support.shop import GATEWAY, POLL_S, SEGMENT, Shop

SEGMENT_S = 2.0
SEGMENTS = 900


@asynccontextmanager
async def watched(pair: Pair) -> AsyncIterator[Pair]:
    """Both sides with what nodes run beside."""
    tasks = pair.watch()
    await pair.shop.clock.advance(0)
    try:
        yield pair
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_paid_segment__both_sides_watched__reads_nothing_of_the_chain() -> None:
    pair = await Pair(Shop()).open()
    async with watched(pair):
        await pair.stream.submit(0, SEGMENT, 2000)
        for seq in range(1, 21):
            if seq % 5 == 0:
                pair.shop.chain.mine()
            # Between two segments the watchers read; that is the only time.
            await pair.shop.clock.advance(SEGMENT_S)
            reads = await pair.during(lambda seq=seq: pair.stream.submit(seq, SEGMENT, 2000))  # type: ignore[misc]
            assert reads == []
    assert pair.causes == []
    assert len(pair.shop.store.debits) == 21


async def test_paid_segment__nobody_watches__reads_as_it_did() -> None:
    pair = await Pair(Shop()).open()
    await pair.stream.submit(0, SEGMENT, 2000)
    pair.shop.chain.mine()
    await pair.shop.clock.advance(SEGMENT_S)
    reads = await pair.during(lambda: pair.stream.submit(1, SEGMENT, 2000))
    assert "head" in reads


async def test_watch__chain_away__answers_for_a_while_and_then_says_so() -> None:
    shop = Shop()
    pair = await Pair(shop).open()
    async with watched(pair):
        await pair.stream.submit(0, SEGMENT, 2000)
        shop.chain.failure = ChainUnavailable("no node")
        await shop.clock.advance(POLL_S)
        await pair.stream.submit(1, SEGMENT, 2000)
        await shop.clock.advance(3 * POLL_S)
        with pytest.raises(ChainUnavailable):
            await pair.stream.submit(2, SEGMENT, 2000)
        shop.chain.failure = None
        await shop.clock.advance(POLL_S)
        await pair.stream.submit(2, SEGMENT, 2000)


async def test_watch__deposit_taken_away__is_noticed_without_a_request_of_a_segment() -> None:
    shop = Shop()
    pair = await Pair(shop).open()
    async with watched(pair):
        await pair.stream.submit(0, SEGMENT, 2000)
        shop.chain.claimable[GATEWAY, shop.address] = type(shop.chain.gas_price)(0)
        shop.chain.mine()
        await shop.clock.advance(POLL_S)
        assert (await shop.view.sender(GATEWAY)).claimable_reserve == 0
        with pytest.raises(QuoteRefused):
            await shop.info()


async def test_stream__over_an_hour_and_a_half__outlives_tokens_quotes_and_three_rounds_one_of_them_late() -> None:
    # 150 blocks of 12 s are half an hour: the life of a token, three and a half of a quote's.
    shop = Shop(chain=FakeChain(round_length=150))
    first_round = shop.chain.current_round
    pair = await Pair(shop).open()
    late = first_round + 2
    late_from = None
    done = 0
    async with watched(pair):
        for seq in range(SEGMENTS):
            result = await pair.stream.submit(seq, SEGMENT, 2000)
            assert result.attempts == 1
            done += 1
            # A segment every 6 s makes the same hour and a half of fewer of them; once it pauses beyond a quote's end.
            blocks = 45 if seq == SEGMENTS // 2 else seq % 2
            await shop.clock.advance(12.0 * blocks if blocks > 1 else 6.0, turns=5)
            if blocks:
                shop.chain.mine(blocks)
            if shop.chain.last_initialized < shop.chain.current_round:
                if late_from is None:
                    late_from = shop.chain.block
                # Everybody initialises at once, but for the second boundary: that takes 100 blocks, 20 minutes.
                if shop.chain.current_round != late or shop.chain.block - late_from >= 100:
                    shop.chain.initialize_round()
                    late_from = None
    assert done == SEGMENTS
    assert pair.causes == []
    assert shop.chain.current_round - first_round >= 3
    sessions = {debit.session_id for debit in shop.store.debits}
    assert len(sessions) >= 6.0 * done // AUTH_TOKEN_LIFETIME_S >= 3
    renewals = {event.why.split(":")[0] for event in pair.events if isinstance(event, Renewed)}
    assert len(renewals) >= 2, renewals
    totals = (await pair.books.totals())[shop.address]
    assert totals.segments == len(shop.store.debits) == SEGMENTS
    assert totals.tickets_unanswered == 0
    # To the wei: what the gateway booked is what the orchestrator debited, and tickets cover it.
    assert totals.fees == sum((debit.fee for debit in shop.store.debits), Fraction(0))
    assert totals.expected_value_sent == sum((paid.credited for paid in shop.store.payments), Fraction(0))


async def test_quotes__round_that_nobody_initialises__end_before_its_tickets_do_and_then_stop() -> None:
    shop = Shop(chain=FakeChain(round_length=60))
    # Tickets of round 100 are valid in 100 and 101; 101 is never initialised.
    shop.chain.mine(60)
    end = (100 + 2) * 60
    await shop.clock.advance(POLL_S)
    while shop.chain.block < end - 8:
        _, params = await shop.payments.quote(GATEWAY)
        assert params.expiration_block + shop_redeem_blocks() < end
        assert params.expiration_block >= shop.chain.block + 2
        await shop.mine()
    await shop.mine(4)
    with pytest.raises(QuoteRefused) as refused:
        await shop.payments.quote(GATEWAY)
    assert refused.value.reason == "tickets of this round can no longer be redeemed"
    assert refused.value.figures["creation_round"] == 100
    shop.chain.initialize_round()
    await shop.mine()
    _, params = await shop.payments.quote(GATEWAY)
    assert params.expiration.creation_round == 101


def shop_redeem_blocks() -> int:
    """What the shop's terms keep free for redemption."""
    return 4
