"""A user's video file as segments: cut where it can be, encoded anew where it cannot."""

import asyncio
import io
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livepeer_client.adapters.media import FileVideo, PyavProbe
from livepeer_client.errors import InvalidInput, MediaError
from tests.client.adapters.videos import brightness, collect, packets, write_video


@pytest.fixture
async def probe() -> AsyncIterator[PyavProbe]:
    made = PyavProbe()
    yield made
    await made.close()


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv", "flv"])
async def test_file_video__h264__is_cut_at_keyframes_and_not_encoded_again(
    probe: PyavProbe, tmp_path: Path, suffix: str
) -> None:
    path = await asyncio.to_thread(write_video, tmp_path / f"v.{suffix}", frames=90)
    found = [item async for item in FileVideo(path, 1).segments()]
    assert [seq for seq, _, _ in found] == [0, 1, 2]
    # Matroska rounds every timestamp to a millisecond.
    assert all(abs(duration_ms - 1000) <= 1 for _, _, duration_ms in found)
    moments: list[Fraction] = []
    shown: list[int] = []
    for _, data, _ in found:
        info = await probe.inspect(data)
        assert (info.width, info.height, info.frames) == (160, 96, 30)
        assert abs(info.duration_s - 1) < Fraction(1, 500)
        assert packets(data)[0][1]
        moments += sorted(moment for moment, _ in packets(data))
        shown += brightness(data)
    assert all(abs(moment - 10 - Fraction(number, 30)) < Fraction(1, 500) for number, moment in enumerate(moments))
    assert shown == brightness(await asyncio.to_thread(path.read_bytes))


@pytest.mark.parametrize(
    ("name", "codec", "gop", "b_frames"),
    [("v.mkv", "libx264", 300, 2), ("v.mkv", "mpeg2video", 15, 0), ("v.avi", "libx264", 15, 0)],
    ids=["few keyframes", "other codec", "no display times"],
)
async def test_file_video__that_cannot_be_cut__is_encoded_anew(
    probe: PyavProbe, tmp_path: Path, name: str, codec: str, gop: int, b_frames: int
) -> None:
    path = await asyncio.to_thread(
        lambda: write_video(tmp_path / name, frames=75, codec=codec, gop=gop, b_frames=b_frames)
    )
    found = [item async for item in FileVideo(path, 1, preset="ultrafast").segments()]
    infos = [await probe.inspect(data) for _, data, _ in found]
    assert [(info.width, info.height, info.frames) for info in infos] == [(160, 96, 30), (160, 96, 30), (160, 96, 15)]
    assert [duration_ms for _, _, duration_ms in found] == [1000, 1000, 500]
    assert all(packets(data)[0][1] for _, data, _ in found)


@pytest.mark.parametrize("gop", [15, 300], ids=["cut", "encoded anew"])
async def test_file_video__with_sound__copies_it(tmp_path: Path, gop: int) -> None:
    path = await asyncio.to_thread(lambda: write_video(tmp_path / "v.mp4", frames=75, gop=gop, sound=True))
    segments = await collect(FileVideo(path, 1, preset="ultrafast"))
    assert len(segments) == 3
    with av.open(io.BytesIO(b"".join(segments))) as container:
        sound = [packet for packet in container.demux(audio=0) if packet.size]
    # 75 x 1600 samples in packets of 1024, plus the encoder's lead-in.
    assert 117 <= len(sound) <= 119
    moments = [packet.pts for packet in sound if packet.pts is not None]
    assert moments == sorted(moments)


@pytest.mark.parametrize("content", [None, b"no video at all"])
async def test_file_video__missing_or_not_video__is_a_media_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "v.mp4"
    if content is not None:
        await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(MediaError):
        await collect(FileVideo(path, 1))


async def test_file_video__abandoned_after_one_segment__closes_cleanly(tmp_path: Path) -> None:
    path = await asyncio.to_thread(lambda: write_video(tmp_path / "v.mp4", frames=90))
    stream = FileVideo(path, 1).segments()
    assert (await anext(stream))[0] == 0
    await stream.aclose()  # type: ignore[attr-defined]


def test_file_video__no_duration__is_invalid(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        FileVideo(tmp_path / "v.mp4", 0)
