"""Who is kept, left, tried, compared and held ready over the segments of a stream."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import fake_segment
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability, with_capacities
from livepeer_client.codec.messages import Capabilities, PriceInfo, VideoCodec
from livepeer_client.errors import NoOrchestrator, ParamsRejected, PeerRefused, PeerUnreachable, ResultMismatch
from livepeer_client.facts import MediaInfo, Rendition
from livepeer_client.policy.discovery import Offer, RejectReason
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.policy.workloads import Cause
from livepeer_client.services.dispatch import Chosen, Dispatcher, DispatchRules, Renewed, Swapped, Verified
from tests.support.market import PROFILES, Market, segment, send

QUIET = DispatchRules(warm_standby=False, explore=0)


def cheated(rendition: Rendition) -> Rendition:
    """What was ordered in every figure, but another picture."""
    profile = rendition.profile
    data = fake_segment(profile.width, profile.height, 60, 2000, f"{profile.name} another picture")
    return replace(rendition, data=data)


def trusting(market: Market, *names: str, rules: DispatchRules) -> Dispatcher:
    """A dispatcher whose operator vouches for `names`."""
    dispatcher = market.dispatcher(rules)
    vouched = {market[name].signer.address for name in names}
    dispatcher._given_trust = lambda offer: float(_address(offer) in vouched)
    return dispatcher


def _address(offer: Offer) -> bytes:
    return offer.member.address


# --- a failure, by its cause ----------------------------------------------------------------------


async def test_submit__expired_token_by_the_peers_clock__is_renewed_once_with_the_same_one() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(QUIET)
    await send(stream, 0)
    ada = market["ada"]
    ada.fail = PeerRefused(ada.uri, 403, "expired auth token")

    async def recovers() -> None:
        if ada.session_id == "ada-2":
            ada.fail = None

    ada.before_answer = recovers
    assert await send(stream, 1) == ["ada"]
    assert [event.why for event in market.happened(Renewed) if isinstance(event, Renewed)] == ["expired auth token"]
    assert not market.happened(Swapped)


async def test_submit__peer_refuses_renewed_terms_as_well__swaps_after_the_second_refusal() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].fail = PeerRefused(market["ada"].uri, 400, "TicketParams expired")
    assert await send(market.stream(QUIET), 0) == ["bob"]
    assert len(market["ada"].received) == 2
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert (swap.code, swap.attempt) == (Cause.PARAMS_EXPIRED, 1)


@pytest.mark.parametrize(
    ("error", "code", "back_after_s"),
    [
        (PeerRefused("ada", 200, "OrchestratorBusy"), Cause.BUSY, 5),
        (PeerRefused("ada", 403, "OrchestratorCapped"), Cause.CAPPED, 5),
        (PeerUnreachable("ada", "reset"), Cause.UNREACHABLE, 30),
        (PeerRefused("ada", 400, "insufficient sender reserve"), Cause.SENDER_RESERVE, 0),
    ],
)
async def test_submit__failure__keeps_out_as_long_as_its_cause_says(
    error: PeerRefused | PeerUnreachable, code: Cause, back_after_s: int
) -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(QUIET)
    market["ada"].fail = error
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    assert await send(stream, 0) == ["bob"]
    assert [event.code for event in market.happened(Swapped) if isinstance(event, Swapped)] == [code]
    address = market["ada"].signer.address
    assert dispatcher.is_suspended(address) is (back_after_s > 0)
    await market.clock.advance(back_after_s)
    assert not dispatcher.is_suspended(address)


async def test_submit__everybody_was_tried__says_of_each_what_it_failed_of() -> None:
    market = await Market("ada", "bob").open()
    limits = SenderLimits(max_ev=Fraction(1), max_total_ev=Fraction(10**15))
    with pytest.raises(NoOrchestrator) as nobody:
        await market.stream(QUIET, limits).submit(0, segment(0), 2000)
    assert set(nobody.value.rejections) == {market["ada"].uri, market["bob"].uri}
    assert all("ticket EV > max ticket EV" in why for why in nobody.value.rejections.values())


# --- staying and leaving --------------------------------------------------------------------------


async def test_submit__one_late_segment__does_not_move_the_stream_and_two_do() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(QUIET)
    market["ada"].took_s = 2.2
    for seq in range(2):
        sending = asyncio.create_task(send(stream, seq))
        await market.clock.advance(2.2)
        assert await sending == ["ada"]
    assert await send(stream, 2) == ["bob"]
    assert not market.happened(Swapped)


async def test_submit__hardly_faster_than_the_current_one__is_no_reason_to_move() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(QUIET)
    for seq, took_s, name in ((0, 2.6, "ada"), (1, 2.5, "bob"), (2, 2.5, "bob"), (3, 2.5, "bob")):
        market["ada"].took_s = market["bob"].took_s = took_s
        sending = asyncio.create_task(send(stream, seq))
        await market.clock.advance(took_s)
        assert await sending == [name]


async def test_submit__current_one_is_behind__next_segment_goes_elsewhere() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(QUIET)
    market["ada"].took_s = 3.0
    first = asyncio.create_task(send(stream, 0))
    await market.clock.advance(1.9)
    second = asyncio.create_task(send(stream, 1))
    await market.clock.advance(0.1)
    assert await send(stream, 2) == ["bob"]
    await market.clock.advance(3)
    assert (await first, await second) == (["ada"], ["ada"])


async def test_submit__behind_and_nobody_else__waits_for_two_durations_and_then_refuses() -> None:
    market = await Market("ada").open()
    stream = market.stream(QUIET)
    market["ada"].took_s = 5.0
    first = asyncio.create_task(send(stream, 0))
    await market.clock.advance(3.9)
    second = asyncio.create_task(send(stream, 1))
    await market.clock.advance(0.1)
    with pytest.raises(NoOrchestrator) as nobody:
        await send(stream, 2)
    assert nobody.value.rejections == {market["ada"].uri: RejectReason.IN_USE.value}
    await market.clock.advance(9)
    assert (await first, await second) == (["ada"], ["ada"])


async def test_submit__long_stream__a_stranger_gets_its_share_of_segments() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(DispatchRules(explore=0.1, warm_standby=False))
    who = await send(stream, *range(40))
    # Once known, it is a stranger no more.
    assert who.count("bob") == 1
    assert who[:10] == ["ada"] * 10
    assert not market.happened(Swapped)


# --- the standby ----------------------------------------------------------------------------------


async def test_submit__current_one_fails__the_standby_takes_over_without_asking_anybody() -> None:
    market = await Market("ada", "bob", "cyd").open()
    stream = market.stream(DispatchRules(explore=0, report_ttl_s=1))
    await send(stream, 0)
    await market.clock.advance(10)
    asked = len(market.probe.asked)
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 1) == ["bob"]
    assert len(market.probe.asked) == asked
    chosen = market.happened(Chosen)[-1]
    assert isinstance(chosen, Chosen)
    assert [line.reason for line in chosen.candidates if line.uri == market["ada"].uri] == ["in use already"]
    await stream.close()


async def test_submit__standby_whose_quote_ends__is_renewed_between_segments() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream(DispatchRules(explore=0))
    await send(stream, 0)
    market.chain.mine(36)
    await send(stream, 1)
    await market.clock.advance(0)
    assert market["bob"].sessions == 2
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    renewed = len(market.happened(Renewed))
    assert await send(stream, 2) == ["bob"]
    assert len(market.happened(Renewed)) == renewed


async def test_submit__standby_that_became_too_dear__is_passed_over() -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher = market.dispatcher(DispatchRules(explore=0))
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    market["bob"].price = PriceInfo(2, 1000)
    await send(stream, 0)
    dispatcher.rules = replace(dispatcher.rules, ceiling=Fraction(1, 1000))
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 1) == ["cyd"]


async def test_submit__standby_that_cannot_be_renewed__is_none() -> None:
    market = await Market("ada", "bob", "cyd").open()
    stream = market.stream(DispatchRules(explore=0))
    await send(stream, 0)
    market.chain.mine(36)
    del market.probe.answers[market["bob"].uri]
    await send(stream, 1)
    await market.clock.advance(0)
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 2) == ["cyd"]
    assert [swap.uri for swap in market.happened(Swapped) if isinstance(swap, Swapped)] == [market["ada"].uri]


# --- verification ---------------------------------------------------------------------------------


async def test_submit__verification__compares_the_first_segment_and_then_one_in_so_many() -> None:
    market = await Market("ada", "tru").open()
    dispatcher = trusting(market, "tru", rules=replace(QUIET, verification=4))
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    market.draw = 0.5
    assert await send(stream, 0, 1, 2) == ["ada"] * 3
    assert len(market["tru"].received) == 1
    market.draw = 0.2
    assert await send(stream, 3) == ["ada"]
    compared = [event for event in market.happened(Verified) if isinstance(event, Verified)]
    assert [(event.seq, event.agreed) for event in compared] == [(0, True), (3, True)]
    assert dispatcher.trusts[market["ada"].signer.address].agreed == 2


async def test_submit__another_picture_than_the_trusted_one__is_barred_unpaid_and_its_work_not_used() -> None:
    market = await Market("ada", "tru").open()
    dispatcher = trusting(market, "tru", rules=replace(QUIET, verification=1))
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    market["ada"].retouch = cheated
    result = await stream.submit(0, segment(0), 2000)
    assert (result.uri, result.attempts) == (market["tru"].uri, 2)
    assert all(b"another picture" not in rendition.data for rendition in result.renditions)
    # It was done once, by the one it was compared with.
    assert len(market["tru"].received) == 1
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, ResultMismatch)
    assert swap.code is Cause.MISMATCH
    address = market["ada"].signer.address
    assert dispatcher.suspensions[address].barred
    assert dispatcher.trusts[address].disagreed == 1
    assert (await market.books.totals())[address].fees == 0


async def test_submit__trusted_one_fails__nothing_is_said_about_the_other() -> None:
    market = await Market("ada", "tru").open()
    dispatcher = trusting(market, "tru", rules=replace(QUIET, verification=1))
    market["tru"].fail = PeerUnreachable(market["tru"].uri, "reset")
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    assert await send(stream, 0) == ["ada"]
    (compared,) = market.happened(Verified)
    assert isinstance(compared, Verified)
    assert compared.agreed is None
    assert dispatcher.trusts[market["ada"].signer.address].agreed == 0


async def test_submit__untrusted_one_fails_while_compared__trusted_work_is_the_result() -> None:
    market = await Market("ada", "tru").open()
    dispatcher = trusting(market, "tru", rules=replace(QUIET, verification=1))
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    result = await stream.submit(0, segment(0), 2000)
    assert (result.uri, len(market["tru"].received)) == (market["tru"].uri, 1)


async def test_submit__only_trusted_ones_left__are_used_and_not_compared() -> None:
    market = await Market("ada", "tru").open()
    dispatcher = trusting(market, "ada", "tru", rules=replace(QUIET, verification=1))
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    assert await send(stream, 0) == ["ada"]
    assert not market.happened(Verified)


# --- rules at run time ----------------------------------------------------------------------------


async def test_rules__replaced_while_streams_run__hold_for_the_next_choice() -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(QUIET)
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    await send(stream, 0)
    dispatcher.rules = replace(QUIET, blocked={market["bob"].signer.address})
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    with pytest.raises(NoOrchestrator) as nobody:
        await send(stream, 1)
    assert nobody.value.rejections[market["bob"].uri] == "blocked by the operator"


async def test_submit__seeded_draws__repeat_every_choice() -> None:
    async def run() -> list[str]:
        market = await Market("ada", "bob", "cyd", "dan").open()
        numbers = iter([0.37, 0.91, 0.12, 0.66, 0.48, 0.05] * 20)
        dispatcher = market.dispatcher(QUIET)
        dispatcher.draw = lambda: next(numbers)
        names = []
        for seq in range(6):
            names += await send(dispatcher.stream(PROFILES, "manifest"), seq)
        return names

    first = await run()
    assert first == await run()
    assert len(set(first)) > 1


async def test_submit__own_account_cannot_pay__is_said_before_anybody_is_asked_to_work() -> None:
    market = await Market("ada").open()
    market.chain.senders.clear()
    with pytest.raises(ParamsRejected):
        await send(market.stream(QUIET), 0)
    assert market["ada"].received == []


async def test_submit__source_in_hevc__goes_only_to_those_who_decode_it() -> None:
    market = await Market("ada", "bob").open()
    bits = DEFAULT_CAPABILITIES | {int(Capability.HEVC_DECODE)}
    market["bob"].capabilities = Capabilities(bits, capacities=with_capacities(bits))
    dispatcher = market.dispatcher(QUIET)
    probe = dispatcher.media

    class Hevc:
        """Sees HEVC in what is submitted, H.264 in what comes back."""

        async def inspect(self, data: bytes, *, max_pixels: int | None = None) -> MediaInfo:
            found = await probe.inspect(data, max_pixels=max_pixels)
            return found if max_pixels is not None else replace(found, codec="hevc")

        async def fingerprint(self, data: bytes) -> tuple[bytes, ...]:
            return await probe.fingerprint(data)

    dispatcher.media = Hevc()
    assert await send(dispatcher.stream(PROFILES, "manifest"), 0) == ["bob"]


async def test_submit__rendition_in_another_codec_than_ordered__is_a_bad_result() -> None:
    market = await Market("ada").open()
    hevc = (replace(PROFILES[0], encoder=VideoCodec.H265),)
    bits = DEFAULT_CAPABILITIES | {int(Capability.HEVC_ENCODE)}
    market["ada"].capabilities = Capabilities(bits, capacities=with_capacities(bits))
    stream = market.dispatcher(QUIET).stream(hevc, "manifest", market.events.append)
    with pytest.raises(NoOrchestrator):
        await send(stream, 0)
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert swap.code is Cause.BAD_RESULT
