"""Videos for the media tests, and ways to look into them."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame

from livepeer_client.codec.messages import SegmentCredentials, Slice, VideoProfile
from livepeer_client.ports import SegmentSource
from livepeer_client.types import ZERO_HASH

SMALL = {"width": 160, "height": 96, "segment_s": 1, "preset": "ultrafast"}


def profile(width: int = 128, height: int = 72, bitrate: int = 100_000, **more: Any) -> VideoProfile:
    return VideoProfile(f"{width}x{height}", width, height, bitrate, **more)


def credentials(*profiles: VideoProfile, part: Slice | None = None) -> SegmentCredentials:
    return SegmentCredentials(b"manifest", 0, ZERO_HASH, profiles, b"", 2000, slice=part)


async def collect(source: SegmentSource) -> list[bytes]:
    return [data async for _, data, _ in source.segments()]


def packets(data: bytes) -> list[tuple[Fraction, bool]]:
    """Moments in seconds and keyframe marks, as the container has them."""
    with av.open(io.BytesIO(data)) as container:
        found = []
        for packet in container.demux(video=0):
            if packet.size:
                assert packet.pts is not None
                found.append((packet.pts * packet.time_base, packet.is_keyframe))
        return found


def frame_types(data: bytes) -> str:
    with av.open(io.BytesIO(data)) as container:
        return "".join(av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(video=0))


def brightness(data: bytes) -> list[int]:
    """One number per frame that changes when the picture does."""
    with av.open(io.BytesIO(data)) as container:
        return [sum(bytes(frame.planes[0])) for frame in container.decode(video=0)]


def write_video(
    path: Path,
    *,
    frames: int,
    codec: str = "libx264",
    gop: int = 15,
    sound: bool = False,
    times: list[int] | None = None,
    b_frames: int = 2,
) -> Path:
    """160x96 at 30 frames per second, with B-frames and a keyframe every `gop` frames."""
    options = {"preset": "veryfast", "bf": str(b_frames)} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(codec, rate=30, options=options)
        video.width, video.height, video.pix_fmt, video.gop_size = 160, 96, "yuv420p", gop
        audio: Any = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame(160, 96, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes((index + 3 * number) % 200 for index in range(plane.buffer_size)))
            frame.pts = times[number] if times else number
            frame.time_base = Fraction(1, 30)
            container.mux(video.encode(frame))
            if audio is not None:
                # 1600 samples are as long as one picture.
                samples = AudioFrame(format="fltp", layout="mono", samples=1600)
                samples.sample_rate, samples.pts, samples.time_base = 48_000, 1600 * number, Fraction(1, 48_000)
                samples.planes[0].update(bytes(samples.planes[0].buffer_size))
                container.mux(audio.encode(samples))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def without_keyframe(directory: Path) -> bytes:
    """A segment that begins after its only keyframe."""
    path = write_video(directory / "whole.ts", frames=20, gop=60, b_frames=0)
    buffer = io.BytesIO()
    with av.open(str(path)) as source, av.open(buffer, "w", format="mpegts") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size and not packet.is_keyframe:
                packet.stream = stream
                target.mux(packet)
    return buffer.getvalue()


def sound_of(data: bytes) -> bytes:
    """The first sound track's content, decoded."""
    with av.open(io.BytesIO(data)) as container:
        return b"".join(bytes(frame.planes[0]) for frame in container.decode(audio=0))
