"""A stream over fakes: no segment is lost, no nonce shared, and the books know every payment."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import PriceInfo, TranscodeResult
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.ticket import ticket_from_params
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    NoOrchestrator,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.services.dispatch import (
    Chosen,
    DispatchRules,
    Renewed,
    SegmentDone,
    SegmentSent,
    Swapped,
)
from tests.support.market import PROFILES, Market, segment, send, without_params

PIXELS = 60 * (426 * 240 + 640 * 360)
"""What two seconds at 30 frames per second yield."""
DEAR = PriceInfo(2000, 1)
"""A segment at this price takes several tickets."""


async def test_submit__first_segment__comes_back_checked_charged_and_explained() -> None:
    market = await Market("ada", "bob").open()
    result = await market.stream().submit(0, segment(0), 2000)
    assert (result.seq, result.orchestrator, result.attempts, result.swaps) == (0, market["ada"].signer.address, 1, 0)
    assert [rendition.profile for rendition in result.renditions] == list(PROFILES)
    assert (result.pixels, result.fee) == (PIXELS, Fraction(PIXELS, 1000))
    assert [type(event) for event in market.events] == [Chosen, SegmentSent, SegmentDone]
    (choice,) = market.happened(Chosen)
    assert isinstance(choice, Chosen)
    assert {line.uri for line in choice.candidates} == {market["ada"].uri, market["bob"].uri}


async def test_submit__what_is_sent__is_signed_by_the_gateway() -> None:
    market = await Market("ada").open()
    await send(market.stream(), 7)
    ((credentials, payment),) = market["ada"].received
    digest = segment_digest(b"manifest", 7, keccak256(segment(7)), PROFILES)
    assert is_signed_by(market.signer.address, credentials.sig, digest)
    assert (credentials.hash, credentials.duration_ms) == (keccak256(segment(7)), 2000)
    assert credentials.auth_token is not None
    assert credentials.auth_token.session_id == "ada-1"
    assert payment.ticket_params is not None
    assert payment.expiration is not None
    params = replace(payment.ticket_params, expiration=payment.expiration)
    assert payment.tickets
    for each in payment.tickets:
        ticket = ticket_from_params(params, market.signer.address, each.sender_nonce)
        assert is_signed_by(market.signer.address, each.sig, ticket.hash)


async def test_submit__payment__covers_the_estimate_and_is_in_the_books_before_it_leaves() -> None:
    market = await Market("ada").open()
    known_at_arrival: list[int] = []

    async def look() -> None:
        known_at_arrival.append(len(market.books.payments))

    market["ada"].before_answer = look
    await send(market.stream(), 0)
    assert known_at_arrival == [1]
    (entry,) = market.books.payments.values()
    assert entry.expected_value >= Fraction(PIXELS, 1000)
    assert (entry.recipient, entry.session_id, entry.seq, entry.first_nonce) == (
        market["ada"].signer.address,
        "ada-1",
        0,
        1,
    )
    assert entry.tickets == len(market["ada"].nonces)


async def test_submit__stream_of_segments__stays_with_one_and_settles_each() -> None:
    market = await Market("ada", "bob").open()
    assert await send(market.stream(), *range(20)) == ["ada"] * 20
    totals = (await market.books.totals())[market["ada"].signer.address]
    assert (totals.segments, totals.pixels, totals.fees) == (20, 20 * PIXELS, 20 * Fraction(PIXELS, 1000))
    assert totals.tickets_unanswered == 0
    # Paid ahead by less than a ticket and the margin of one estimate.
    ahead = totals.expected_value_sent - totals.fees
    assert 0 <= ahead < 2 * Fraction(10**15, 10**5)


async def test_submit__credit_left_over__is_used_before_new_tickets_are_written() -> None:
    market = await Market("ada").open()
    await send(market.stream(), 0, 1, 2)
    # A ticket's worth is wanted at all times: one ticket at first, one for what the first segment took of it.
    assert [len(payment.tickets) for _, payment in market["ada"].received] == [1, 1, 0]


async def test_submit__orchestrator_dies_within_a_segment__next_one_gets_the_same_segment() -> None:
    market = await Market("ada", "bob", "cyd").open()
    stream = market.stream()
    assert await send(stream, 0, 1) == ["ada", "ada"]
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "connection reset")
    result = await stream.submit(2, segment(2), 2000)
    assert (result.uri, result.attempts, result.swaps) == (market["bob"].uri, 2, 1)
    assert market["ada"].received[-1][0].hash == market["bob"].received[0][0].hash == keccak256(segment(2))
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert (swap.seq, swap.uri, swap.attempt, swap.cause) == (2, market["ada"].uri, 1, market["ada"].fail)
    assert await send(stream, 3, 4) == ["bob", "bob"]
    assert stream.swaps == 1


async def test_submit__payment_that_was_never_answered__stays_in_the_books_as_unanswered() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].fail = PeerTimeout(market["ada"].uri, "header timeout")
    await send(market.stream(), 0)
    totals = await market.books.totals()
    lost, done = totals[market["ada"].signer.address], totals[market["bob"].signer.address]
    assert (lost.payments, lost.segments, lost.fees) == (1, 0, Fraction(0))
    assert lost.tickets_unanswered == lost.tickets_sent == len(market["ada"].nonces) > 0
    assert lost.expected_value_unanswered == lost.expected_value_sent
    assert (done.segments, done.tickets_unanswered) == (1, 0)


@pytest.mark.parametrize(
    "error",
    [PeerTimeout("ada", "x"), PeerUnreachable("ada", "x"), PeerRefused("ada", 403, "ErrSegSig")],
)
async def test_submit__any_failure_of_the_peer__swaps(error: LivepeerError) -> None:
    market = await Market("ada", "bob").open()
    market["ada"].fail = error
    assert await send(market.stream(), 0) == ["bob"]


async def test_submit__failed_orchestrator__comes_back_when_its_suspension_is_over_with_a_new_session() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(DispatchRules(suspension_s=30, report_ttl_s=10))
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "gone")
    assert await send(stream, 0) == ["bob"]
    market["ada"].fail, market["bob"].fail = None, PeerUnreachable(market["bob"].uri, "gone")
    await market.clock.advance(31)
    assert await send(stream, 1) == ["ada"]
    tokens = [credentials.auth_token for credentials, _ in market["ada"].received]
    assert [token.session_id for token in tokens if token] == ["ada-1", "ada-2"]


async def test_submit__everybody_fails__raises_with_each_ones_reason() -> None:
    market = await Market("ada", "bob", "cyd", "dan").open()
    for name in ("ada", "bob", "cyd", "dan"):
        market[name].fail = PeerUnreachable(market[name].uri, f"{name} is gone")
    with pytest.raises(NoOrchestrator) as nobody:
        await send(market.stream(), 0)
    assert set(nobody.value.rejections) == {market[name].uri for name in ("ada", "bob", "cyd")}
    assert "bob is gone" in nobody.value.rejections[market["bob"].uri]


async def test_submit__max_attempts_failed__next_call_tries_again() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "gone")
    with pytest.raises(NoOrchestrator):
        await send(stream, 0)
    market["ada"].fail = None
    assert await send(stream, 0) == ["ada"]


async def test_submit__nobody_in_the_pool__raises_and_recovers_when_somebody_joins() -> None:
    market = Market("ada")
    stream = market.stream()
    with pytest.raises(NoOrchestrator):
        await send(stream, 0)
    await market.open()
    assert await send(stream, 0) == ["ada"]


async def test_submit__price_above_the_ceiling__is_passed_over() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].price = PriceInfo(3, 1000)
    assert await send(market.stream(DispatchRules(ceiling=Fraction(2, 1000))), 0) == ["bob"]


# --- nonces ---------------------------------------------------------------------------------------


async def test_submit__many_at_once__never_share_a_nonce() -> None:
    market = await Market("ada").open()
    market["ada"].took_s = 0.1
    market["ada"].price = DEAR
    stream = market.stream()
    task = asyncio.gather(*(send(stream, seq) for seq in range(10)))
    await market.clock.advance(1, turns=200)
    assert await task == [["ada"]] * 10
    nonces = market["ada"].nonces
    assert len(nonces) > 10
    assert len(set(nonces)) == len(nonces)


async def test_submit__same_quote_handed_out_again__continues_its_nonces() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    quote = ada.params()
    ada.params = lambda: quote  # type: ignore[method-assign]
    first, second = market.dispatcher(), None
    for _ in range(2):
        second = first.stream(PROFILES)
        await send(second, 0, 1, 2)
    commitments = {commitment for commitment, _ in ada.nonces}
    assert len(commitments) == 1
    assert [nonce for _, nonce in ada.nonces] == list(range(1, len(ada.nonces) + 1))


async def test_submit__next_quote_in_each_result__is_used() -> None:
    market = await Market("ada").open()
    market["ada"].price = DEAR
    await send(market.stream(), 0, 1, 2)
    commitments = [commitment for commitment, _ in market["ada"].nonces]
    assert len(set(commitments)) == 3
    assert [nonce for _, nonce in market["ada"].nonces].count(1) == 3


async def test_submit__result_without_a_quote__keeps_the_one_in_use() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    ada.tamper = lambda result: replace(result, info=without_params(ada.info()))
    ada.price = DEAR
    await send(market.stream(), 0, 1, 2)
    assert len({commitment for commitment, _ in ada.nonces}) == 1
    assert [nonce for _, nonce in ada.nonces] == list(range(1, len(ada.nonces) + 1))


async def test_submit__result_that_changes_the_session__does_not_make_us_abandon_credit() -> None:
    market = await Market("ada").open()
    ada = market["ada"]

    def other_session(result: TranscodeResult) -> TranscodeResult:
        assert result.info is not None
        assert result.info.auth_token is not None
        token = replace(result.info.auth_token, session_id="other")
        return replace(result, info=replace(result.info, auth_token=token))

    ada.tamper = other_session
    await send(market.stream(), 0, 1, 2)
    assert not ada.received[2][1].tickets
    assert {credentials.auth_token.session_id for credentials, _ in ada.received if credentials.auth_token} == {"ada-1"}


# --- quotes near their end ------------------------------------------------------------------------


async def test_submit__quote_near_expiry__is_renewed_before_it_is_used() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    await send(stream, 0)
    market.chain.mine(35)
    assert await send(stream, 1) == ["ada"]
    assert len(market.happened(Renewed)) == 1
    assert not market.happened(Swapped)
    token = market["ada"].received[1][0].auth_token
    assert token is not None
    assert token.session_id == "ada-2"


async def test_submit__quote_with_more_than_the_margin_left__is_not_renewed() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    await send(stream, 0)
    market.chain.mine(34)
    await send(stream, 1)
    assert not market.happened(Renewed)


async def test_submit__auth_token_in_its_last_tenth__is_renewed() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    ada = market["ada"]
    expiration = int(market.clock.time()) + 1800
    issue = ada.info

    def echoing() -> object:
        info = issue()
        assert info.auth_token is not None
        fixed = expiration if info.auth_token.session_id == "ada-1" else info.auth_token.expiration
        return replace(info, auth_token=replace(info.auth_token, expiration=fixed))

    ada.info = echoing  # type: ignore[method-assign, assignment]
    await send(stream, 0)
    await market.clock.advance(1619)
    await send(stream, 1)
    assert not market.happened(Renewed)
    await market.clock.advance(1)
    await send(stream, 2)
    assert len(market.happened(Renewed)) == 1


async def test_submit__five_hundred_tickets_on_one_quote__is_renewed_before_more_are_written() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    ada.price = PriceInfo(85_000, 1)
    ada.tamper = lambda result: replace(result, info=without_params(ada.info()))
    stream = market.stream()
    await send(stream, 0, 1)
    assert not market.happened(Renewed)
    await send(stream, 2, 3)
    assert len(market.happened(Renewed)) == 1
    assert max(nonce for _, nonce in ada.nonces) >= 500
    assert len(set(ada.nonces)) == len(ada.nonces)


async def test_submit__more_tickets_than_the_quote_has_left__is_renewed_and_sent_in_one_go() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    ada.price = PriceInfo(170_000, 1)
    ada.tamper = lambda result: replace(result, info=without_params(ada.info()))
    assert await send(market.stream(), 0, 1) == ["ada", "ada"]
    assert len(market.happened(Renewed)) == 1
    assert not market.happened(Swapped)
    assert [len(payment.tickets) > 300 for _, payment in ada.received] == [True, True]
    assert ada.received[1][1].tickets[0].sender_nonce == 1


async def test_submit__renewal_fails__swaps() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream()
    await send(stream, 0)
    market.chain.mine(35)
    del market.probe.answers[market["ada"].uri]
    assert await send(stream, 1) == ["bob"]
    assert len(market["ada"].received) == 1


# --- speed ----------------------------------------------------------------------------------------


async def test_submit__orchestrator_slower_than_real_time__others_are_tried_without_a_swap() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].took_s = 2.5
    stream = market.stream()
    first = asyncio.create_task(send(stream, 0))
    await market.clock.advance(3)
    assert await first == ["ada"]
    assert await send(stream, 1, 2) == ["bob", "bob"]
    assert not market.happened(Swapped)


async def test_explain__before_any_stream__names_the_choice_and_engages_nobody() -> None:
    market = await Market("ada", "bob").open()
    market["bob"].price = PriceInfo(5, 1)
    report, selection = await market.dispatcher(DispatchRules(ceiling=Fraction(1))).explain(PROFILES)
    assert len(report.offers) == 2
    assert selection.chosen is not None
    assert selection.chosen.member.service_uri == market["ada"].uri
    assert [line.verdict.value for line in selection.candidates] == ["chosen", "rejected"]
    assert market.books.payments == {}


@pytest.mark.parametrize("profiles", [(), (PROFILES[0], PROFILES[0])])
async def test_stream__no_profiles_or_a_name_twice__is_the_callers_mistake(profiles: tuple[object, ...]) -> None:
    market = await Market("ada").open()
    with pytest.raises(InvalidInput):
        market.dispatcher().stream(profiles)  # type: ignore[arg-type]
