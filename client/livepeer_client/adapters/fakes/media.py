"""Media without a codec: a fake segment says in plain text what a real one would show."""

from collections.abc import AsyncIterator
from fractions import Fraction
from math import ceil

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.errors import MediaError
from livepeer_client.facts import MediaInfo, Rendition
from livepeer_client.policy.results import sliced

_MAGIC = b"fake video "


def fake_segment(width: int, height: int, frames: int, duration_ms: int, label: str = "") -> bytes:
    """Bytes that `FakeTranscoder` and `FakeProbe` understand; `label` makes two alike differ."""
    return _MAGIC + f"{width} {height} {frames} {duration_ms} {label}".encode()


def _read(data: bytes) -> MediaInfo:
    if not data.startswith(_MAGIC):
        raise MediaError("TranscoderInvalidVideo", "not a fake segment")
    width, height, frames, duration_ms = (int(word) for word in data.removeprefix(_MAGIC).split()[:4])
    return MediaInfo(width, height, frames, Fraction(duration_ms, 1000))


class FakeTranscoder:
    """`ports.Transcoder` over fake segments. `failure`, if set, is raised instead."""

    def __init__(self) -> None:
        self.failure: MediaError | None = None
        self.jobs: list[SegmentCredentials] = []

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        self.jobs.append(credentials)
        if self.failure is not None:
            raise self.failure
        source = sliced(_read(segment), credentials.slice)
        renditions = []
        for profile in credentials.profiles:
            frames = ceil(source.duration_s * profile.fps / profile.fps_den) if profile.fps else source.frames
            data = fake_segment(
                profile.width,
                profile.height,
                frames,
                int(source.duration_s * 1000),
                f"{profile.name} {credentials.seq}",
            )
            renditions.append(Rendition(profile, data, profile.width * profile.height * frames))
        return renditions

    async def close(self) -> None:
        """Nothing is held."""


class FakeProbe:
    """`ports.MediaProbe` over fake segments."""

    async def inspect(self, data: bytes, *, max_pixels: int | None = None) -> MediaInfo:
        found = _read(data)
        if max_pixels is not None and found.pixels > max_pixels:
            raise MediaError("TranscoderInvalidVideo", f"more than {max_pixels} pixels")
        return found

    async def fingerprint(self, data: bytes) -> tuple[bytes, ...]:
        _read(data)
        return (keccak256(data),)

    async def close(self) -> None:
        """Nothing is held."""


class FakeSegments:
    """`ports.SegmentSource`: `count` fake segments, numbered from 0."""

    def __init__(
        self, count: int, *, width: int = 640, height: int = 360, frames: int = 60, duration_ms: int = 2000
    ) -> None:
        self._count = count
        self._shape = (width, height, frames, duration_ms)

    async def segments(self) -> AsyncIterator[tuple[int, bytes, int]]:
        for seq in range(self._count):
            yield seq, fake_segment(*self._shape, label=str(seq)), self._shape[3]
