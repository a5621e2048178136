"""Streams that are pushed segment by segment: opened by their first one, ordered by whom, ended by silence."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

import pytest

from livepeer_client.adapters.fakes import fake_segment
from livepeer_client.codec.messages import VideoFormat, VideoProfile
from livepeer_client.codec.presets import StreamOrder, preset
from livepeer_client.errors import LivepeerError, MalformedMessage, PeerRefused, PeerTimeout, PeerUnreachable
from livepeer_client.facts.ingest import Push, Unserved
from livepeer_client.services.dispatch import SegmentResult
from livepeer_client.services.ingest import IDLE_S, IngestAuth, PushIngest
from tests.support.market import PROFILES, Market, segment


@dataclass
class Webhook:
    """`IngestAuth` that answers what a test says."""

    answer: StreamOrder | LivepeerError = field(default_factory=StreamOrder)
    asked: list[str] = field(default_factory=list)

    async def authorise(self, url: str, format_: VideoFormat) -> StreamOrder:
        self.asked.append(url)
        if isinstance(self.answer, LivepeerError):
            raise self.answer
        return self.answer


def push(seq: int = 0, manifest: str = "stream", **changes: object) -> Push:
    plain = Push(f"http://gateway/live/{manifest}/{seq}.ts", manifest, seq, VideoFormat.MPEGTS, segment(seq))
    return replace(plain, **changes)  # type: ignore[arg-type]


async def opened(*names: str, auth: IngestAuth | None = None, **limits: int) -> tuple[Market, PushIngest]:
    market = await Market(*names).open()
    return market, PushIngest(market.dispatcher(), market.clock, PROFILES, auth=auth, **limits)


def made(done: SegmentResult | Unserved) -> list[VideoProfile]:
    assert isinstance(done, SegmentResult), done
    return [rendition.profile for rendition in done.renditions]


async def test_push__first_segment__opens_a_stream_of_the_default_renditions() -> None:
    market, ingest = await opened("ada")
    assert made(await ingest.push(push(0))) == list(PROFILES)
    await ingest.push(push(1))
    assert ingest.streams == 1
    credentials = [received for received, _ in market["ada"].received]
    assert [(each.manifest_id, each.seq) for each in credentials] == [(b"stream", 0), (b"stream", 1)]
    assert len({each.auth_token.session_id for each in credentials if each.auth_token}) == 1


async def test_push__two_segments_at_once__are_of_one_stream_and_ask_the_webhook_once() -> None:
    webhook = Webhook()
    _, ingest = await opened("ada", auth=webhook)
    await asyncio.gather(*(ingest.push(push(seq)) for seq in range(3)))
    assert ingest.streams == 1
    assert len(webhook.asked) == 1
    assert webhook.asked[0].startswith("http://gateway/live/stream/")


async def test_push__webhook_orders__goes_before_the_default_and_after_the_segments_own_header() -> None:
    ordered, own = preset("P144p30fps16x9"), preset("P720p30fps16x9")
    webhook = Webhook(StreamOrder("renamed", (ordered,)))
    market, ingest = await opened("ada", auth=webhook)
    assert made(await ingest.push(push())) == [ordered]
    assert market["ada"].received[0][0].manifest_id == b"renamed"
    assert made(await ingest.push(push(manifest="other", order=StreamOrder(None, (own,))))) == [own]


async def test_push__webhook_orders_verification_and_patience__go_before_the_segments_own_and_the_rules() -> None:
    own = StreamOrder(verification=5, timeout_multiplier=4.0)
    for ordered, expected in (
        (StreamOrder(verification=0, timeout_multiplier=2.0), (0, 2.0)),
        (StreamOrder(), (5, 4.0)),
    ):
        market, ingest = await opened("ada", auth=Webhook(ordered))
        await ingest.push(push(order=own))
        session = ingest.session("stream")
        assert session is not None
        assert (session.verification, session.patience) == expected
        plain = market.dispatcher().stream(PROFILES)
        assert (plain.verification, plain.patience) == (0, 1.0)


async def test_push__order_of_what_is_not_served__is_said_in_log_and_status(caplog: pytest.LogCaptureFixture) -> None:
    order = StreamOrder(stream_id="s1", session_id="x9", unserved=("recordObjectStore",))
    _, ingest = await opened("ada", auth=Webhook(order))
    with caplog.at_level(logging.WARNING):
        await ingest.push(push())
        await ingest.push(push(1))
    assert len([each for each in caplog.records if "recordObjectStore" in each.message]) == 1
    told = {"StreamID": "s1", "SessionID": "x9", "Unserved": "recordObjectStore"}
    assert ingest.status()["StreamInfo"] == {"stream": told}


async def test_push__of_who_may_not__is_never_read() -> None:
    webhook = Webhook(PeerRefused("hook", 403, "no"))
    market, ingest = await opened("ada", auth=webhook)
    reads: list[int] = []

    async def read() -> bytes:
        reads.append(1)
        return segment(0)

    assert await ingest.push(push(data=b""), read) == Unserved(403, "Forbidden")
    assert reads == []
    webhook.answer = StreamOrder()
    assert isinstance(await ingest.push(push(data=b""), read), SegmentResult)
    assert len(reads) == 1
    assert len(market["ada"].received) == 1


async def test_push__that_breaks_off__is_raised_and_no_longer_under_way() -> None:
    _, ingest = await opened("ada")

    async def read() -> bytes:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await ingest.push(push(data=b""), read)
    await asyncio.wait_for(ingest.drain(), 30)
    assert ingest.streams == 0


async def test_push__mp4__comes_back_as_mp4() -> None:
    _, ingest = await opened("ada")
    assert {profile.format for profile in made(await ingest.push(push(format=VideoFormat.MP4)))} == {VideoFormat.MP4}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (PeerRefused("hook", 403, "no"), 403),
        (PeerTimeout("hook", "x"), 500),
        (PeerUnreachable("hook", "x"), 500),
        (MalformedMessage("stream order", "no JSON"), 500),
    ],
)
async def test_push__webhook_does_not_allow_it__is_refused_and_asked_again(answer: LivepeerError, status: int) -> None:
    webhook = Webhook(answer)
    market, ingest = await opened("ada", auth=webhook)
    refused = await ingest.push(push())
    assert isinstance(refused, Unserved)
    assert (refused.status, ingest.streams, market["ada"].received) == (status, 0, [])
    webhook.answer = StreamOrder()
    assert isinstance(await ingest.push(push()), SegmentResult)


async def test_push__segment_at_fault__is_422_with_the_networks_text_and_blames_nobody() -> None:
    market, ingest = await opened("ada")
    assert await ingest.push(push(data=b"no video")) == Unserved(422, "TranscoderInvalidVideo")
    assert market["ada"].received == []
    assert isinstance(await ingest.push(push(1)), SegmentResult)


async def test_push__nobody_to_work__is_503() -> None:
    market, ingest = await opened("ada")
    market["ada"].fail = PeerUnreachable("ada", "gone")
    assert await ingest.push(push()) == Unserved(503, "No sessions available")


async def test_push__account_is_empty__is_503_and_nobody_is_blamed() -> None:
    market, ingest = await opened("ada")
    market.chain.senders.clear()
    assert await ingest.push(push()) == Unserved(503, "No sessions available")


@pytest.mark.parametrize("changes", [{"duration_ms": 0}, {"data": b""}, {"manifest_id": "a/b"}, {"manifest_id": ""}])
async def test_push__impossible__is_400(changes: dict[str, object]) -> None:
    _, ingest = await opened("ada")
    refused = await ingest.push(push(**changes))
    assert isinstance(refused, Unserved)
    assert refused.status == 400


async def test_push__more_streams_than_allowed__are_refused_until_one_has_ended() -> None:
    market, ingest = await opened("ada", max_streams=1)
    await ingest.push(push())
    refused = await ingest.push(push(manifest="second"))
    assert refused == Unserved(503, "too many streams")
    # Nothing is kept of those that were refused.
    assert "second" not in ingest._opening
    running = asyncio.create_task(ingest.run())
    await market.clock.advance(IDLE_S - 1)
    assert ingest.streams == 1
    await market.clock.advance(10)
    assert ingest.streams == 0
    running.cancel()
    assert isinstance(await ingest.push(push(manifest="second")), SegmentResult)


async def test_drain__segment_under_way__is_finished_and_new_ones_refused() -> None:
    market, ingest = await opened("ada")
    market["ada"].took_s = 1.0
    working = asyncio.create_task(ingest.push(push()))
    await market.clock.advance(0.1)
    draining = asyncio.create_task(ingest.drain())
    await market.clock.advance(0.1)
    assert await ingest.push(push(1)) == Unserved(503, "shutting down")
    assert not draining.done()
    await market.clock.advance(2)
    await draining
    assert isinstance(await working, SegmentResult)
    assert ingest.streams == 0
    assert ingest.status()["Draining"] is True


async def test_status__a_stream__is_listed_with_its_swaps() -> None:
    market, ingest = await opened("ada", "bob")
    market["ada"].fail = PeerUnreachable("ada", "gone")
    await ingest.push(push(data=fake_segment(1280, 720, 60, 2000)))
    assert ingest.status()["Manifests"] == {"stream": {"Swaps": 1}}
