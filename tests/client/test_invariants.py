"""Rules of payments that hold over any quote and any history (offchain-payments 17)."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livepeer_client.codec.messages import PriceInfo
from livepeer_client.codec.ticket import ticket_from_params
from livepeer_client.errors import QuoteRefused
from livepeer_client.facts import SenderInfo, TicketOutcome, TicketState
from livepeer_client.policy.balance import Account, Balance, Outcome, complete, credited, debited, stage
from livepeer_client.policy.recipient import derive_recipient_rand
from livepeer_client.policy.sender import SenderAccount, SenderLimits, check_params
from livepeer_client.types import MAX_UINT256, BlockNumber, Round, Wei
from tests.support.market import Market, send
from tests.support.payments import (
    EXPIRATION,
    GATEWAY,
    HEAD,
    SECRET,
    make_config,
    make_params,
    make_quote,
    make_sender_info,
)
from tests.support.shop import GATEWAY as CUSTOMER
from tests.support.shop import Shop

uint256 = st.integers(0, MAX_UINT256)
naturals = st.fractions(min_value=0, max_value=10**9, max_denominator=1_000)
evs = st.fractions(min_value=Fraction(1, 1_000), max_value=10**6, max_denominator=1_000)


# --- tickets and quotes ---------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_ticket_hash__quote_of_another_expiration_and_seed__is_the_same(expiration_block: int, seed: int) -> None:
    params = make_params(1_000, 10**70)
    other = replace(params, expiration_block=BlockNumber(expiration_block), seed=seed)
    assert ticket_from_params(other, GATEWAY, 1).hash == ticket_from_params(params, GATEWAY, 1).hash


quoted = st.fixed_dictionaries(
    {
        "seed": uint256,
        "sender": st.binary(min_size=20, max_size=20),
        "face_value": uint256,
        "win_prob": uint256,
        "expiration_block": uint256,
        "price": st.fractions(min_value=0, max_value=10**12, max_denominator=10**9),
        "expiration": st.builds(type(EXPIRATION), st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)),
    }
)


@given(quoted, quoted, st.sets(st.sampled_from(("seed", "face_value", "win_prob", "expiration_block", "price"))))
def test_derive_recipient_rand__any_fields_of_another_quote__differs_if_and_only_if_they_do(
    one: dict[str, object], two: dict[str, object], taken: set[str]
) -> None:
    mixed = one | {name: two[name] for name in taken}
    same = derive_recipient_rand(SECRET, **one) == derive_recipient_rand(SECRET, **mixed)  # type: ignore[arg-type]
    assert same is (one == mixed)


@given(
    st.sampled_from([("seed", "face_value"), ("face_value", "win_prob"), ("win_prob", "expiration_block")]),
    st.binary(min_size=4, max_size=40),
    st.integers(1, 31),
    st.integers(1, 31),
)
def test_derive_recipient_rand__bytes_of_neighbouring_numbers_split_elsewhere__differs(
    names: tuple[str, str], data: bytes, one: int, two: int
) -> None:
    splits = [(int.from_bytes(data[:at], "big"), int.from_bytes(data[at:], "big")) for at in (one, two)]
    assume(splits[0] != splits[1] and all(number <= MAX_UINT256 for split in splits for number in split))
    plain = {
        "seed": 1,
        "sender": GATEWAY,
        "face_value": 1,
        "win_prob": 1,
        "expiration_block": 1,
        "price": Fraction(1),
        "expiration": EXPIRATION,
    }
    rands = {
        derive_recipient_rand(SECRET, **plain | dict(zip(names, split, strict=True)))  # type: ignore[arg-type]
        for split in splits
    }
    assert len(rands) == 2


@given(
    ev=st.integers(1, 10**13),
    redeem_gas=st.integers(1, 2_000_000),
    gas_price=st.integers(0, 10**12),
    trusted=st.integers(0, 10**21),
)
def test_check_params__any_fresh_quote_within_the_limits__passes(
    ev: int, redeem_gas: int, gas_price: int, trusted: int
) -> None:
    try:
        params = make_quote(config=make_config(ev=ev, redeem_gas=redeem_gas), gas_price=gas_price, max_float=trusted)
    except QuoteRefused:
        return
    account = SenderAccount(make_sender_info(deposit=params.face_value, reserve=1), Round(5))
    limits = SenderLimits(params.expected_value, params.expected_value)
    check_params(params, account=account, limits=limits, last_seen_l1_block=HEAD, tickets=1)
    assert params.expiration_block - HEAD == 40


async def test_submit__many_at_once_on_one_quote__have_nonces_contiguous_from_1() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    quote = replace(ada.params(), expiration_block=BlockNumber(10**6))
    ada.params = lambda: quote  # type: ignore[method-assign]
    ada.price, ada.took_s = PriceInfo(2000, 1), 0.1
    stream = market.stream()
    task = asyncio.gather(*(send(stream, seq) for seq in range(10)))
    await market.clock.advance(1, turns=200)
    await task
    assert {commitment for commitment, _ in ada.nonces} == {quote.recipient_rand_hash}
    assert sorted(nonce for _, nonce in ada.nonces) == list(range(1, len(ada.nonces) + 1))
    assert len(ada.nonces) > 10


# --- balances -------------------------------------------------------------------------------------


@given(st.lists(st.tuples(naturals, evs, st.sampled_from(Outcome), naturals), max_size=12))
def test_complete__any_history__balance_is_what_was_signed_less_what_was_charged(
    history: list[tuple[Fraction, Fraction, Outcome, Fraction]],
) -> None:
    balance, signed, charges = Balance(), Fraction(0), Fraction(0)
    for wanted, ev, outcome, charge in history:
        left, staged = stage(balance, wanted, ev)
        charged = charge if outcome is Outcome.ANSWERED else Fraction(0)
        balance = complete(left, staged, outcome, charged)
        signed += staged.new if outcome is not Outcome.NOT_SENT else 0
        charges += charged
        assert balance.available + balance.unconfirmed == signed - charges


@given(st.lists(st.tuples(naturals, st.integers(0, 10**6)), max_size=12))
def test_debited__any_history__balance_is_credits_less_fees(history: list[tuple[Fraction, int]]) -> None:
    account, paid, fees = Account(Fraction(0), Fraction(7, 3)), Fraction(0), Fraction(0)
    for credit, pixels in history:
        account = credited(account, credit, Fraction(1))
        account, fee = debited(account, pixels)
        paid, fees = paid + credit, fees + fee
        assert account.balance == paid - fees
    assert fees == Fraction(7, 3) * sum(pixels for _, pixels in history)


@given(st.lists(naturals, min_size=1, max_size=12), evs)
def test_stage__any_fees_charged_as_estimated__signs_less_than_the_fees_and_two_tickets(
    fees: list[Fraction], ev: Fraction
) -> None:
    balance, signed = Balance(), Fraction(0)
    for at, fee in enumerate(fees):
        left, staged = stage(balance, max(fee, ev), ev)
        signed += staged.new
        balance = complete(left, staged, Outcome.ANSWERED, fee)
        assert signed < sum(fees[: at + 1]) + 2 * ev


# --- float ----------------------------------------------------------------------------------------


async def test_quote__winners_of_a_sender_settled__no_longer_count_against_it() -> None:
    shop = Shop()
    shop.chain.senders[CUSTOMER] = SenderInfo(Wei(0), Round(0), Wei(10**9), Wei(0))
    shop.chain.claimable[CUSTOMER, shop.address] = shop.max_face_value
    _, fresh = await shop.payments.quote(CUSTOMER)
    session = await shop.session()
    await shop.payments.receive(session.payment(40), session.token.session_id)
    winners = await shop.store.tickets()
    assert winners
    with pytest.raises(QuoteRefused) as refusal:
        await shop.payments.quote(CUSTOMER)
    open_winners = sum(each.winner.ticket.face_value for each in winners)
    assert refusal.value.figures["max_float"] == shop.max_face_value - open_winners

    await shop.store.mark(
        [TicketOutcome(each.hash, TicketState.USED_ELSEWHERE, Wei(0), None, "redeemed") for each in winners],
        lease=await shop.store.acquire_lease("redeem", "tester", 60),
    )
    await shop.mine()

    _, again = await shop.payments.quote(CUSTOMER)
    assert again.face_value == fresh.face_value
