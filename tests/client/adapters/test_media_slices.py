"""Parts of segments through the real codec."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livepeer_client.adapters.media import FileVideo, GeneratedVideo, PyavProbe, PyavTranscoder
from livepeer_client.codec.messages import Slice, VideoFormat
from livepeer_client.errors import MediaError
from tests.client.adapters.videos import (
    SMALL,
    brightness,
    collect,
    credentials,
    packets,
    profile,
    sound_of,
    write_video,
)


@pytest.fixture
async def transcoder() -> AsyncIterator[PyavTranscoder]:
    made = PyavTranscoder(preset="ultrafast")
    yield made
    await made.close()


@pytest.fixture
async def probe() -> AsyncIterator[PyavProbe]:
    made = PyavProbe()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def segments() -> list[bytes]:
    """Two seconds of 160x96 at 30 frames per second, in two segments."""
    return asyncio.run(collect(GeneratedVideo(fps=30, count=2, **SMALL)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "first", "count"),
    [
        (Slice(200, 600), 6, 12),
        (Slice(0, 500), 0, 15),
        (Slice(500, 0), 15, 15),
        (Slice(900, 5000), 27, 3),
        (Slice(210, 240), 7, 1),
    ],
    ids=str,
)
async def test_transcode__a_slice__is_those_frames_at_their_moments(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes], part: Slice, first: int, count: int
) -> None:
    # The second segment, which does not begin at zero; with its own rate and with that same one ordered.
    wanted = [profile(), profile(64, 36, fps=30), profile(96, 54, format=VideoFormat.MP4)]
    whole = await transcoder.transcode(segments[1], credentials(*wanted))
    cut = await transcoder.transcode(segments[1], credentials(*wanted, part=part))
    for rendition, uncut in zip(cut, whole, strict=True):
        assert (await probe.inspect(rendition.data)).frames == count
        assert rendition.pixels == rendition.profile.width * rendition.profile.height * count
        moments = [float(moment) for moment, _ in packets(uncut.data)][first : first + count]
        # MP4 keeps milliseconds where there is one frame only.
        assert [float(moment) for moment, _ in packets(rendition.data)] == pytest.approx(moments, abs=0.001)
        shown = brightness(uncut.data)[first : first + count]
        assert brightness(rendition.data) == pytest.approx(shown, rel=0.02)


async def test_transcode__a_slice_at_a_lower_rate__is_as_long_as_the_slice(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes]
) -> None:
    (rendition,) = await transcoder.transcode(segments[1], credentials(profile(fps=10), part=Slice(200, 800)))
    assert (await probe.inspect(rendition.data)).frames == 6


async def test_transcode__a_slice_of_video_with_sound__has_the_sound_of_the_slice(
    transcoder: PyavTranscoder, tmp_path: Path
) -> None:
    (segment,) = await collect(FileVideo(write_video(tmp_path / "v.mp4", frames=60, sound=True), 5))
    (rendition,) = await transcoder.transcode(segment, credentials(profile(), part=Slice(500, 1500)))
    share = len(sound_of(rendition.data)) / len(sound_of(segment))
    assert 0.4 < share < 0.6


async def test_transcode__a_slice_beyond_the_end__is_refused_with_the_networks_text(
    transcoder: PyavTranscoder, segments: list[bytes]
) -> None:
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(segments[0], credentials(profile(), part=Slice(1500, 2000)))
    assert refused.value.reason == "Invalid argument"
