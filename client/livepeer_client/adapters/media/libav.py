"""The border to PyAV: the extra, the containers it may open, and its errors as ours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

from livepeer_client.codec.messages import VideoFormat
from livepeer_client.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

INVALID_VIDEO: Final = "TranscoderInvalidVideo"
MAX_SEGMENT_S: Final = 300
"""Longer segments are refused, as the network does for their announced duration (offchain-network 4.1)."""
MAX_FRAME_PIXELS: Final = 8192 * 4352
DEFAULT_RATE: Final = Fraction(30)
"""Frames per second where a stream does not tell."""
_TS_PACKET: Final = 188
_MP4_BOXES: Final = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx"})


def require_av() -> None:
    """:raises ConfigError: PyAV is not installed."""
    try:
        import av  # noqa: F401 - only to see that it is there
    except ImportError as error:
        raise ConfigError("video needs PyAV: install livepeer-client[media]") from error


def sniff(data: bytes) -> str:
    """The name of the demuxer for `data`: "mpegts" or "mp4".

    Never left to FFmpeg's own guess: a "segment" that is really a playlist would make it open files and addresses
    that the sender names.

    :raises MediaError: neither.
    """
    packets = range(0, min(len(data), 3 * _TS_PACKET), _TS_PACKET)
    if len(data) >= _TS_PACKET and all(data[offset] == 0x47 for offset in packets):
        return "mpegts"
    if data[4:8] in _MP4_BOXES:
        return "mp4"
    raise MediaError(INVALID_VIDEO, "neither MPEG-TS nor MP4")


def open_input(source: io.BytesIO | str, **options: str) -> InputContainer:
    """`av.open` for reading. Titles and the like that are no UTF-8 are nobody's loss: PyAV before 19 has to be told so,
    from 19 on it no longer decodes them strictly and knows no such option.

    :raises av.FFmpegError: translate it.
    """
    import av

    if int(av.__version__.partition(".")[0]) < 19:
        options["metadata_errors"] = "ignore"
    return cast("InputContainer", av.open(source, "r", **cast(Any, options)))


@contextmanager
def open_segment(data: bytes) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a segment from memory with its first video stream, one decoder thread.

    :raises MediaError: not a container we read, or without video.
    """
    with translated(INVALID_VIDEO):
        container = open_input(io.BytesIO(data), format=sniff(data))
    with container:
        yield container, video_stream(container)


def video_stream(container: InputContainer) -> VideoStream:
    """:raises MediaError: no video, no decoder for it, or a picture that is too large."""
    if not container.streams.video:
        raise MediaError(INVALID_VIDEO, "no video stream")
    stream = container.streams.video[0]
    context = stream.codec_context
    # PyAV gives a stream without decoder no context, whatever its type hints say.
    if cast(Any, context) is None:
        raise MediaError("Decoder not found")
    if context.width * context.height > MAX_FRAME_PIXELS:
        raise MediaError(INVALID_VIDEO, f"picture of {context.width}x{context.height}")
    context.thread_count = 1
    return stream


def demux(container: InputContainer, *streams: Stream | None) -> Iterator[Packet[Any]]:
    """The packets of the streams that are there, in the order of the file, and an empty one of each at the end.

    :raises MediaError: damaged so that a stream appears midway, which PyAV does not survive.
    """
    packets: Iterator[Packet[Any]] = container.demux([stream for stream in streams if stream is not None])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except IndexError as error:
            raise MediaError(INVALID_VIDEO, "a stream appears midway") from error
        yield packet


def open_output(buffer: io.BytesIO, format_: VideoFormat) -> OutputContainer:
    """A muxer into memory that keeps timestamps as they are, so that segments put together stay in order."""
    import av

    if format_ is VideoFormat.MPEGTS:
        return av.open(buffer, "w", format="mpegts", options={"mpegts_copyts": "1"})
    if format_ is VideoFormat.MP4:
        return av.open(buffer, "w", format="mp4")
    raise MediaError("TranscoderUnrecognizedFormat", str(format_))


@contextmanager
def translated(otherwise: str) -> Iterator[None]:
    """Raise PyAV's errors as `MediaError` with the network's texts (offchain-network 4.1), or `otherwise`."""
    from av import error as av_error

    try:
        yield
    except av_error.FFmpegError as error:
        texts: tuple[tuple[type[Exception], str], ...] = (
            (av_error.DecoderNotFoundError, "Decoder not found"),
            (av_error.DemuxerNotFoundError, "Demuxer not found"),
            (av_error.EncoderNotFoundError, "Encoder not found"),
            (av_error.MuxerNotFoundError, "Muxer not found"),
            (av_error.OptionNotFoundError, "Option not found"),
            (av_error.InvalidDataError, INVALID_VIDEO),
        )
        reason = next((text for class_, text in texts if isinstance(error, class_)), otherwise)
        raise MediaError(reason, error.strerror or type(error).__name__) from error
