"""`ports.MediaProbe` by really decoding."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Final

from livepeer_client.adapters.media.libav import (
    DEFAULT_RATE,
    INVALID_VIDEO,
    MAX_SEGMENT_S,
    demux,
    open_segment,
    require_av,
    translated,
)
from livepeer_client.adapters.media.threads import StopFlag, run_stoppable
from livepeer_client.errors import MediaError
from livepeer_client.facts import MediaInfo

FINGERPRINT_SIDE: Final = 16
FINGERPRINT_FRAMES: Final = 8


class PyavProbe:
    """Decodes a segment from its first to its last frame and says what it is.

    Strict on purpose, since payment depends on it: a damaged frame, or one of another size, is an error.

    :param workers: segments decoded at the same time, one thread each.
    :raises ConfigError: PyAV is not installed.
    """

    def __init__(self, *, workers: int = 1) -> None:
        require_av()
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="probe")

    async def inspect(self, data: bytes, *, max_pixels: int | None = None) -> MediaInfo:
        """The duration counts from the first frame to the end of the last, whose length is the mean of the others'.

        :raises MediaError: it does not decode completely, or has more than `max_pixels` over all its frames.
        """
        return await run_stoppable(self._executor, lambda stop: _inspect(data, max_pixels, stop))

    async def fingerprint(self, data: bytes) -> tuple[bytes, ...]:
        """The frames at the ends, and at even steps between them, as 16 x 16 bytes of brightness each.

        :raises MediaError: it does not decode.
        """
        return await run_stoppable(self._executor, lambda stop: _fingerprint(data, stop))

    async def close(self) -> None:
        """Let go of the threads; work under way is still finished."""
        self._executor.shutdown(wait=False)


def _inspect(data: bytes, max_pixels: int | None, stop: StopFlag) -> MediaInfo:
    frames = 0
    first = last = Fraction(0)
    with translated(INVALID_VIDEO), open_segment(data) as (container, stream):
        width, height, codec = stream.width, stream.height, stream.codec_context.name
        rate = stream.average_rate
        for frame in (frame for packet in demux(container, stream) for frame in packet.decode()):
            stop.check()
            if frame.is_corrupt:
                raise MediaError(INVALID_VIDEO, f"frame {frames} is damaged")
            if (frame.width, frame.height) != (width, height):
                raise MediaError(INVALID_VIDEO, f"{width}x{height} becomes {frame.width}x{frame.height}")
            if frame.pts is None or frame.time_base is None:
                raise MediaError(INVALID_VIDEO, f"frame {frames} has no timestamp")
            moment = frame.pts * frame.time_base
            first = moment if frames == 0 else first
            last = moment
            frames += 1
            if max_pixels is not None and frames * width * height > max_pixels:
                raise MediaError(INVALID_VIDEO, f"more than {max_pixels} pixels")
            if abs(last - first) > MAX_SEGMENT_S:
                raise MediaError(INVALID_VIDEO, f"longer than {MAX_SEGMENT_S} s")
    if frames == 0:
        raise MediaError(INVALID_VIDEO, "no frame decodes")
    one_frame = (last - first) / (frames - 1) if frames > 1 else 1 / (rate or DEFAULT_RATE)
    return MediaInfo(width, height, frames, frames * one_frame, codec)


def _fingerprint(data: bytes, stop: StopFlag) -> tuple[bytes, ...]:
    from av.video.reformatter import VideoReformatter

    scaler, pictures = VideoReformatter(), []
    with translated(INVALID_VIDEO), open_segment(data) as (container, stream):
        for frame in (frame for packet in demux(container, stream) for frame in packet.decode()):
            stop.check()
            small = scaler.reformat(frame, FINGERPRINT_SIDE, FINGERPRINT_SIDE, "gray")
            plane = small.planes[0]
            rows, width = memoryview(plane), plane.line_size
            pictures.append(
                b"".join(bytes(rows[row * width : row * width + FINGERPRINT_SIDE]) for row in range(FINGERPRINT_SIDE))
            )
    if not pictures:
        raise MediaError(INVALID_VIDEO, "no frame decodes")
    last = len(pictures) - 1
    return tuple(pictures[round(last * step / (FINGERPRINT_FRAMES - 1))] for step in range(FINGERPRINT_FRAMES))
