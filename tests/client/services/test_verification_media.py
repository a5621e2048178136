"""Lying orchestrators with real video: one trusted and two untrusted ones make H.264 of the same segment."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import pytest

from livepeer_client.adapters.media import GeneratedVideo, PyavProbe, PyavTranscoder
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.facts import Rendition
from livepeer_client.policy.workloads import Cause
from livepeer_client.services.dispatch import DispatchRules, SegmentResult, Swapped, Verified
from tests.client.adapters.videos import SMALL, collect, profile
from tests.support.market import Market

PROFILES = (profile(128, 72, fps=30), profile(64, 36, fps=30))
RULES = DispatchRules(warm_standby=False, explore=0, verification=1)


class AnotherSource:
    """Transcodes well, but not what it was given."""

    def __init__(self, honest: PyavTranscoder, video: bytes) -> None:
        self._honest = honest
        self._video = video

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        return await self._honest.transcode(self._video, credentials)

    async def close(self) -> None: ...


class Smaller:
    """Makes renditions of half the size, and says what they are charged for by what was ordered."""

    def __init__(self, honest: PyavTranscoder) -> None:
        self._honest = honest

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        halves = tuple(replace(each, width=each.width // 2, height=each.height // 2) for each in credentials.profiles)
        made = await self._honest.transcode(segment, replace(credentials, profiles=halves))
        return [
            replace(each, profile=ordered, pixels=4 * each.pixels)
            for each, ordered in zip(made, credentials.profiles, strict=True)
        ]

    async def close(self) -> None: ...


@dataclass
class Hall:
    """Ada and Bob, whom nobody vouches for, and Tru; all encode, with presets of their own."""

    market: Market
    honest: PyavTranscoder
    probe: PyavProbe
    segment: bytes

    async def submit(self) -> SegmentResult:
        dispatcher = self.market.dispatcher(RULES, media=self.probe)
        tru = self.market["tru"].signer.address
        dispatcher._given_trust = lambda offer: float(offer.member.address == tru)
        stream = dispatcher.stream(PROFILES, "manifest", self.market.events.append)
        result = await stream.submit(0, self.segment, 1000)
        async with asyncio.timeout(60):
            while dispatcher._background:
                await asyncio.wait(set(dispatcher._background))
        self.barred = {
            name
            for name, seller in self.market.orchestrators.items()
            if (held := dispatcher.suspensions.get(seller.signer.address)) is not None and held.barred
        }
        return result

    def verdicts(self) -> dict[str, bool | None]:
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        return {names[e.orchestrator]: e.agreed for e in self.market.happened(Verified) if isinstance(e, Verified)}

    def codes(self) -> list[Cause]:
        return [event.code for event in self.market.happened(Swapped) if isinstance(event, Swapped)]


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with AsyncExitStack() as opened:
        market = await Market("ada", "bob", "tru").open()
        probe = PyavProbe()
        opened.push_async_callback(probe.close)
        made = {}
        for name, preset in (("ada", "ultrafast"), ("bob", "faster"), ("tru", "veryfast")):
            market[name].transcoder = made[name] = PyavTranscoder(workers=1, preset=preset)
            opened.push_async_callback(made[name].close)
        (segment,) = await collect(GeneratedVideo(fps=30, count=1, **SMALL))  # type: ignore[arg-type]
        yield Hall(market, made["ada"], probe, segment)


async def another_video(_: bytes) -> bytes:
    (video,) = await collect(GeneratedVideo(fps=30, count=1, seed=7, **SMALL))  # type: ignore[arg-type]
    return video


async def its_first_picture(segment: bytes) -> bytes:
    """As long as the segment, and standing still."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(segment)) as source, av.open(buffer, "w", format="mpegts") as target:
        frame = next(source.decode(video=0))
        stream = target.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
        for number in range(30):
            frame.pts, frame.time_base = number, Fraction(1, 30)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return buffer.getvalue()


async def test_submit__encoders_differ__agree_about_the_picture(hall: Hall) -> None:
    result = await hall.submit()
    assert result.uri == hall.market["ada"].uri
    assert (hall.verdicts(), hall.barred, hall.codes()) == ({"ada": True, "bob": True}, set(), [])


@pytest.mark.parametrize("video", [another_video, its_first_picture], ids=lambda make: make.__name__)
@pytest.mark.parametrize("liar", ["ada", "bob"])
async def test_submit__one_shows_another_picture__is_barred_and_its_work_is_not_used(
    hall: Hall, liar: str, video: Callable[[bytes], Awaitable[bytes]]
) -> None:
    hall.market[liar].transcoder = AnotherSource(hall.honest, await video(hall.segment))
    result = await hall.submit()
    honest = {"ada": "bob", "bob": "ada"}[liar]
    assert result.uri == hall.market["tru" if liar == "ada" else "ada"].uri
    assert (hall.verdicts(), hall.barred) == ({liar: False, honest: True}, {liar})
    assert hall.codes() == ([Cause.MISMATCH] if liar == "ada" else [])
    assert (await hall.market.books.totals())[hall.market[liar].signer.address].fees == 0


@pytest.mark.parametrize("liar", ["ada", "bob"])
async def test_submit__one_makes_smaller_renditions__is_barred_without_any_comparison(hall: Hall, liar: str) -> None:
    hall.market[liar].transcoder = Smaller(hall.honest)
    result = await hall.submit()
    honest = {"ada": "bob", "bob": "ada"}[liar]
    assert result.uri == hall.market["tru" if liar == "ada" else "ada"].uri
    assert (hall.verdicts(), hall.barred) == ({honest: True}, {liar})
    assert hall.codes() == ([Cause.BAD_RESULT] if liar == "ada" else [])
