"""Results that do not check out, and segments at fault: who is swapped, barred, charged, and who is not."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import fake_segment
from livepeer_client.adapters.fakes.peers import FakeSubmission
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Slice, TranscodeResult
from livepeer_client.codec.wire import segment_from_header, segment_header
from livepeer_client.errors import (
    BadResult,
    InvalidInput,
    MediaError,
    NoOrchestrator,
    PeerRefused,
)
from livepeer_client.facts import Rendition
from livepeer_client.services.dispatch import DispatchRules, Swapped
from tests.support.market import Market, segment, send


@pytest.mark.parametrize(
    "tamper",
    [
        lambda result: replace(result, sig=bytes(65)),
        lambda result: replace(result, sig=b""),
        lambda result: replace(result, segments=result.segments[:1]),
        lambda result: replace(result, segments=tuple(reversed(result.segments))),
        lambda result: replace(result, seq=result.seq + 1),
        lambda result: replace(
            result, segments=(replace(result.segments[0], pixels=result.segments[0].pixels + 1), result.segments[1])
        ),
        lambda result: replace(
            result, segments=(replace(result.segments[0], url="https://10.0.0.1/internal"), result.segments[1])
        ),
    ],
    ids=["forged", "unsigned", "one missing", "swapped", "another number", "pixels", "elsewhere"],
)
async def test_submit__result_does_not_check_out__swaps_bars_and_charges_nothing(tamper: object) -> None:
    market = await Market("ada", "bob").open()
    market["ada"].tamper = tamper  # type: ignore[assignment]
    assert await send(market.stream(), 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, BadResult)
    cheated = (await market.books.totals())[market["ada"].signer.address]
    assert (cheated.segments, cheated.fees) == (0, Fraction(0))
    assert cheated.tickets_unanswered > 0


@pytest.mark.parametrize(
    "data",
    [
        fake_segment(424, 240, 60, 2000),
        fake_segment(426, 240, 60, 1000),
        b"not a video",
    ],
    ids=["size", "duration", "undecodable"],
)
async def test_submit__rendition_is_not_what_was_ordered__swaps(data: bytes) -> None:
    market = await Market("ada", "bob").open()

    def retouch(rendition: Rendition) -> Rendition:
        return replace(rendition, data=data, pixels=424 * 240 * 60) if rendition.profile.name == "P240" else rendition

    market["ada"].retouch = retouch
    assert await send(market.stream(), 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, BadResult)


@pytest.mark.parametrize("frames", [80, 10**9])
async def test_submit__rendition_with_more_frames_than_ordered__is_not_paid_for(frames: int) -> None:
    market = await Market("ada", "bob").open()

    def pad(rendition: Rendition) -> Rendition:
        profile = rendition.profile
        data = fake_segment(profile.width, profile.height, frames, 2000)
        return replace(rendition, data=data, pixels=profile.width * profile.height * frames)

    market["ada"].retouch = pad
    assert await send(market.stream(), 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, BadResult)
    assert (await market.books.totals())[market["ada"].signer.address].fees == 0


async def test_submit__rendition_cannot_be_fetched__swaps_without_a_bar() -> None:
    market = await Market("ada", "bob").open()

    def lose(result: TranscodeResult) -> TranscodeResult:
        market.transport.files.clear()
        return result

    market["ada"].tamper = lose
    stream = market.stream()
    assert await send(stream, 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, PeerRefused)


async def test_submit__barred_orchestrator__is_not_even_the_last_resort() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    market["ada"].tamper = lambda result: replace(result, sig=bytes(65))
    with pytest.raises(NoOrchestrator):
        await send(stream, 0)
    market["ada"].tamper = lambda result: result
    with pytest.raises(NoOrchestrator):
        await send(stream, 1)
    assert len(market["ada"].received) == 1


async def test_submit__error_within_an_accepted_exchange__keeps_the_credit_and_swaps() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].tamper = lambda result: TranscodeResult(result.seq, error="OrchestratorBusy", info=result.info)
    assert await send(market.stream(), 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, PeerRefused)
    assert (swap.cause.status, swap.cause.reason) == (200, "OrchestratorBusy")


async def test_submit__error_that_blames_the_segment__goes_to_the_caller_without_a_swap() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream()
    ada = market["ada"]
    ada.tamper = lambda result: TranscodeResult(result.seq, error="No keyframes in input", info=result.info)
    with pytest.raises(MediaError) as error:
        await send(stream, 0)
    assert error.value.reason == "No keyframes in input"
    assert not market.happened(Swapped)
    ada.tamper = lambda result: result
    assert await send(stream, 1) == ["ada"]
    # What was paid for the refused segment was credited, so it serves the next one.
    assert [len(payment.tickets) for _, payment in ada.received] == [1, 0]


async def test_submit__segment_that_does_not_decode__is_refused_before_anybody_is_paid() -> None:
    market = await Market("ada").open()
    with pytest.raises(MediaError):
        await market.stream().submit(0, b"not a video", 2000)
    assert (market.events, market.books.payments) == ([], {})


@pytest.mark.parametrize(
    ("seq", "data", "duration_ms"), [(-1, b"x", 2000), (0, b"", 2000), (0, b"x", 0), (0, b"x", 300_001)]
)
async def test_submit__impossible_arguments__are_the_callers_mistake(seq: int, data: bytes, duration_ms: int) -> None:
    market = await Market("ada").open()
    with pytest.raises(InvalidInput):
        await market.stream().submit(seq, data, duration_ms)


# --- slices ---------------------------------------------------------------------------------------


async def test_submit__a_part_of_a_segment__is_asked_of_those_who_cut_and_checked_as_that_part() -> None:
    market = await Market("ada", "bob").open()
    ada = market["ada"]
    ada.capabilities = replace(ada.capabilities, bits=ada.capabilities.bits - {int(Capability.SEGMENT_SLICING)})
    stream = market.stream(DispatchRules(warm_standby=False, explore=0))
    whole = await stream.submit(0, segment(0), 2000)
    part = await stream.submit(1, segment(1), 2000, Slice(500, 1500))
    assert (whole.uri, part.uri) == (ada.uri, market["bob"].uri)
    assert part.pixels == whole.pixels // 2
    ((credentials, _),) = market["bob"].received
    assert credentials.slice == Slice(500, 1500)
    assert credentials.capabilities is not None
    assert int(Capability.SEGMENT_SLICING) in credentials.capabilities.bits
    # The stream stays with those who cut.
    assert await send(stream, 2) == ["bob"]
    await stream.close()


async def test_submit__whole_segment_for_a_part__is_a_bad_result() -> None:
    market = await Market("ada", "bob").open()
    ada = market["ada"]
    honest = ada.on_segment

    async def ignoring(submission: FakeSubmission) -> TranscodeResult:
        credentials = replace(segment_from_header(submission.credentials), slice=None)
        return await honest(replace(submission, credentials=segment_header(credentials)))

    market.transport.orchestrators[ada.uri] = ignoring
    stream = market.stream(DispatchRules(warm_standby=False, explore=0))
    result = await stream.submit(0, segment(0), 2000, Slice(0, 500))
    assert result.uri == market["bob"].uri
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, BadResult)
    await stream.close()


async def test_submit__a_part_beyond_the_end__is_refused_before_anybody_is_paid() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    with pytest.raises(MediaError, match="Invalid argument"):
        await stream.submit(0, segment(0), 2000, Slice(2000, 0))
    assert market["ada"].received == []
