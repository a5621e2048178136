"""A test picture made on the spot: moving bars, a bouncing square, and the numbers of segment and frame."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

from livepeer_client.adapters.media.encoder import RenditionEncoder, check_profile
from livepeer_client.adapters.media.libav import require_av
from livepeer_client.adapters.media.threads import StopFlag, run_stoppable
from livepeer_client.codec.messages import VideoProfile
from livepeer_client.errors import InvalidInput

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

START_S: Final = 10
"""Timestamp of the first frame; away from zero, as in a stream that has been running."""
_DIGITS: Final = {
    # Three bits per row, five rows.
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 2, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    ".": (0, 0, 0, 0, 2),
}
_WHITE: Final = 235
_BLACK: Final = 16


class GeneratedVideo:
    """`ports.SegmentSource`: segments of a test picture as H.264 in MPEG-TS, without sound.

    Each starts with a keyframe and decodes alone; timestamps run on from `START_S`. The same arguments give the same
    bytes with the same build of libx264, and another `seed` other colours, bars and movement.

    :param fps: frames per second, an int or a Fraction.
    :param segment_s: seconds per segment; where that is no whole number of frames, lengths differ by one frame.
    :param count: number of segments, None for no end.
    :param bitrate: of the encoded picture, bit/s.
    :raises ConfigError: PyAV is not installed.
    :raises InvalidInput: sizes, rates or durations that make no video.
    """

    def __init__(
        self,
        width: int = 640,
        height: int = 360,
        fps: int | Fraction = 30,
        segment_s: int | Fraction = 2,
        count: int | None = None,
        seed: int = 0,
        *,
        bitrate: int = 1_500_000,
        preset: str = "veryfast",
    ) -> None:
        require_av()
        rate = Fraction(fps)
        if min(width, height) < 32 or width % 2 or height % 2:
            raise InvalidInput(f"a test picture is at least 32x32 and even, got {width}x{height}")
        if rate <= 0 or segment_s * rate < 1 or (count is not None and count < 0):
            raise InvalidInput(f"no video: {fps} fps, {segment_s} s per segment, {count} segments")
        self._profile = VideoProfile("source", width, height, bitrate, rate.numerator, rate.denominator)
        check_profile(self._profile)
        self._rate = rate
        self._segment_s = Fraction(segment_s)
        self._count = count
        self._preset = preset
        self._picture = _Picture(width, height, seed)

    async def segments(self) -> AsyncIterator[tuple[int, bytes, int]]:
        """Yields (sequence number from 0, MPEG-TS bytes, duration in ms)."""
        seq = 0
        while self._count is None or seq < self._count:
            current = seq
            data = await run_stoppable(None, lambda stop, seq=current: self._encode(seq, stop))  # type: ignore[misc]
            yield seq, data, round((self._first_frame(seq + 1) - self._first_frame(seq)) / self._rate * 1000)
            seq += 1

    def _first_frame(self, seq: int) -> int:
        return ceil(seq * self._segment_s * self._rate)

    def _encode(self, seq: int, stop: StopFlag) -> bytes:
        encoder = RenditionEncoder(self._profile, rate=self._rate, time_base=Fraction(1, 90_000), preset=self._preset)
        try:
            first, end = self._first_frame(seq), self._first_frame(seq + 1)
            # The encoder's grid counts from zero, so the start has to lie on it.
            offset = ceil(START_S * self._rate)
            for number in range(first, end):
                stop.check()
                encoder.add_frame(self._picture.draw(seq, number), (number + offset) / self._rate)
            return encoder.finish((end + offset) / self._rate)
        finally:
            encoder.abandon()


class _Picture:
    """Draws frames out of prepared rows; a few hundred slices per frame instead of a loop over pixels."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        # Not for security: only so that the same seed gives the same picture.
        random_ = random.Random(seed)  # noqa: S311
        self._width, self._height = width, height
        self._speed = random_.randint(1, 4)
        self._slant = random_.randint(1, 3)
        bar = max(8, width // 16)
        self._luma = self._bars(random_, 2 * width, bar, 60, 200)
        self._chroma = [self._bars(random_, width, bar // 2, 70, 186) for _ in range(2)]
        self._side = max(8, height // 8)
        self._start = (random_.randrange(width), random_.randrange(height))

    @staticmethod
    def _bars(random_: random.Random, length: int, bar: int, low: int, high: int) -> bytes:
        # A pattern of one period, long enough that any offset into it leaves a whole row.
        period = b"".join(bytes((random_.randint(low, high),)) * bar for _ in range(ceil(length / 2 / bar)))
        return period * 3

    def draw(self, seq: int, number: int) -> VideoFrame:
        from av.video.frame import VideoFrame as NewFrame

        width, height = self._width, self._height
        frame = NewFrame(width, height, "yuv420p")
        shift = number * self._speed
        luma = [self._row(self._luma, width, shift + row // self._slant) for row in range(height)]
        self._square(luma, number)
        self._label(luma, f"{seq}.{number}")
        _fill(frame.planes[0], luma)
        for plane, pattern in zip(frame.planes[1:], self._chroma, strict=True):
            _fill(plane, [self._row(pattern, width // 2, shift // 2)] * (height // 2))
        return frame

    @staticmethod
    def _row(pattern: bytes, width: int, shift: int) -> bytearray:
        start = shift % (len(pattern) // 3)
        return bytearray(pattern[start : start + width])

    def _square(self, luma: list[bytearray], number: int) -> None:
        left = _bounce(self._start[0] + 5 * number, self._width - self._side)
        top = _bounce(self._start[1] + 3 * number, self._height - self._side)
        for row in luma[top : top + self._side]:
            row[left : left + self._side] = bytes((_WHITE,)) * self._side

    def _label(self, luma: list[bytearray], text: str) -> None:
        scale = max(1, min(self._height // 24, self._width // (4 * len(text) + 4)))
        for line in range(7):
            bits = [0, 0]
            for character in text:
                pattern = _DIGITS[character][line - 1] if 0 < line < 6 else 0
                bits += [pattern >> 2 & 1, pattern >> 1 & 1, pattern & 1, 0]
            pixels = b"".join(bytes((_WHITE if bit else _BLACK,)) * scale for bit in bits)
            for row in luma[scale * (line + 1) : scale * (line + 2)]:
                row[scale : scale + len(pixels)] = pixels[: self._width - scale]


def _bounce(position: int, room: int) -> int:
    """Back and forth in [0, room]."""
    position %= 2 * room
    return min(position, 2 * room - position)


def _fill(plane: VideoPlane, rows: list[bytearray]) -> None:
    """Write rows into a plane, whose lines may be longer than the picture is wide."""
    padding = bytes(plane.line_size - len(rows[0]))
    plane.update(b"".join(bytes(row) + padding for row in rows))
