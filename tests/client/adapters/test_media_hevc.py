"""HEVC in and out, and what two encodings of one picture look like beside another picture."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.media import GeneratedVideo, PyavProbe, PyavTranscoder
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import CodecProfile, VideoCodec, VideoFormat
from livepeer_client.errors import MediaError
from livepeer_client.policy.verification import alike
from tests.client.adapters.videos import SMALL, collect, credentials, frame_types, profile, write_video


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
def segment() -> bytes:
    """A second of 160x96 at 30 frames per second."""
    (data,) = asyncio.run(collect(GeneratedVideo(fps=30, count=1, **SMALL)))  # type: ignore[arg-type]
    return data


@pytest.mark.parametrize("name", ["v.ts", "v.mp4"])
async def test_transcode__hevc_source__becomes_several_renditions_with_exact_pixels(
    transcoder: PyavTranscoder, probe: PyavProbe, tmp_path: Path, name: str
) -> None:
    path = write_video(tmp_path / name, frames=30, codec="libx265")
    data = await asyncio.to_thread(path.read_bytes)
    assert (await probe.inspect(data)).codec == "hevc"
    wanted = [
        profile(128, 72),
        profile(64, 36, fps=15, format=VideoFormat.MP4, profile=CodecProfile.H264_CONSTRAINED_HIGH),
        profile(80, 48, fps=30_000, fps_den=1001),
    ]
    renditions = await transcoder.transcode(data, credentials(*wanted))
    for ordered, rendition in zip(wanted, renditions, strict=True):
        found = await probe.inspect(rendition.data)
        assert (found.width, found.height, found.codec) == (ordered.width, ordered.height, "h264")
        assert rendition.pixels == found.pixels
    assert [
        rendition.pixels // (each.width * each.height) for each, rendition in zip(wanted, renditions, strict=True)
    ] == [
        30,
        15,
        30,
    ]


@pytest.mark.parametrize("format_", [VideoFormat.MPEGTS, VideoFormat.MP4])
async def test_transcode__hevc_rendition__has_its_pixels_and_keyframes(
    transcoder: PyavTranscoder, probe: PyavProbe, segment: bytes, format_: VideoFormat
) -> None:
    wanted = profile(128, 72, fps=30, format=format_, encoder=VideoCodec.H265, gop_ms=500)
    (rendition,) = await transcoder.transcode(segment, credentials(wanted))
    found = await probe.inspect(rendition.data)
    assert (found.codec, found.frames, found.pixels) == ("hevc", 30, rendition.pixels)
    assert found.duration_s == pytest.approx(Fraction(1), abs=0.02)
    keyframes = [number for number, kind in enumerate(frame_types(rendition.data)) if kind == "I"]
    assert keyframes == [0, 15]


async def test_transcode__hevc_with_a_profile_of_h264__is_refused(transcoder: PyavTranscoder, segment: bytes) -> None:
    wanted = profile(encoder=VideoCodec.H265, profile=CodecProfile.H264_MAIN)
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(segment, credentials(wanted))
    assert refused.value.reason == "TranscoderUnrecognizedProfile"


async def test_capabilities__both_codecs__are_named_both_ways(transcoder: PyavTranscoder) -> None:
    assert {Capability.H264, Capability.HEVC_DECODE, Capability.HEVC_ENCODE} <= transcoder.capabilities


async def test_transcoder__of_one_codec_only__refuses_the_other(tmp_path: Path) -> None:
    only = PyavTranscoder(preset="ultrafast", codecs=("h264",))
    path = write_video(tmp_path / "v.ts", frames=10, codec="libx265")
    with pytest.raises(MediaError) as refused:
        await only.transcode(await asyncio.to_thread(path.read_bytes), credentials(profile()))
    assert refused.value.reason == "Unsupported input codec"
    assert Capability.HEVC_DECODE not in only.capabilities
    await only.close()


# --- what a segment looks like --------------------------------------------------------------------


async def test_fingerprint__two_encodings_of_one_picture__are_alike_and_another_picture_is_not(
    transcoder: PyavTranscoder, probe: PyavProbe, segment: bytes
) -> None:
    better = PyavTranscoder(preset="medium")
    wanted = profile(128, 72, fps=30, bitrate=200_000)
    (mine,) = await transcoder.transcode(segment, credentials(wanted))
    (theirs,) = await better.transcode(segment, credentials(wanted))
    (hevc,) = await better.transcode(segment, credentials(profile(128, 72, fps=30, encoder=VideoCodec.H265)))
    (other_source,) = await collect(GeneratedVideo(fps=30, count=1, seed=7, **SMALL))  # type: ignore[arg-type]
    (other,) = await better.transcode(other_source, credentials(wanted))
    await better.close()
    pictures = [await probe.fingerprint(each.data) for each in (mine, theirs, hevc, other)]
    assert all(len(picture) == 8 and {len(frame) for frame in picture} == {256} for picture in pictures)
    assert mine.data != theirs.data
    assert alike(pictures[0], pictures[1])
    assert alike(pictures[0], pictures[2])
    assert not alike(pictures[0], pictures[3])


async def test_fingerprint__frozen_first_frame__is_not_alike(
    transcoder: PyavTranscoder, probe: PyavProbe, tmp_path: Path
) -> None:
    moving = await asyncio.to_thread(write_video(tmp_path / "a.ts", frames=60).read_bytes)
    still = await asyncio.to_thread(write_video(tmp_path / "b.ts", frames=1).read_bytes)
    first, frozen = await probe.fingerprint(moving), await probe.fingerprint(still)
    assert alike(first[:1], frozen[:1])
    assert not alike(first, frozen)


async def test_fingerprint__no_video__is_refused(probe: PyavProbe) -> None:
    with pytest.raises(MediaError):
        await probe.fingerprint(b"no video at all")
