"""A video file as a stream of segments."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livepeer_client.adapters.media.encoder import MAX_SIDE, RenditionEncoder, can_copy
from livepeer_client.adapters.media.generated import START_S
from livepeer_client.adapters.media.libav import (
    DEFAULT_RATE,
    INVALID_VIDEO,
    demux,
    open_input,
    open_output,
    require_av,
    translated,
    video_stream,
)
from livepeer_client.adapters.media.threads import StopFlag, run_stoppable
from livepeer_client.codec.messages import VideoFormat, VideoProfile
from livepeer_client.errors import InvalidInput, MediaError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_IDR: Final = 5
"""NAL unit type of a picture before which nothing is referred to."""


class FileVideo:
    """`ports.SegmentSource` over a file in any container and codec that FFmpeg reads.

    H.264 with a keyframe at least every two segment lengths is cut at its keyframes and not touched otherwise, so
    segments are as long as the keyframes allow: the first one at or after `segment_s`. Anything else is encoded
    anew, at the same size, cut exactly. Sound in a codec that MPEG-TS holds (AAC, MP3, MP2, AC-3) is copied, other
    sound left out. Timestamps start at 10 s and run on.

    :param segment_s: seconds per segment.
    :param bitrate: bit/s where the file has to be encoded anew.
    :raises ConfigError: PyAV is not installed.
    :raises InvalidInput: no positive duration.
    """

    def __init__(
        self, path: str | Path, segment_s: int | Fraction = 2, *, bitrate: int = 4_000_000, preset: str = "veryfast"
    ) -> None:
        require_av()
        if segment_s <= 0:
            raise InvalidInput(f"a segment lasts longer than {segment_s} s")
        self._path = Path(path)
        self._segment_s = Fraction(segment_s)
        self._bitrate = bitrate
        self._preset = preset

    async def segments(self) -> AsyncIterator[tuple[int, bytes, int]]:
        """Yields (sequence number from 0, MPEG-TS bytes, duration in ms).

        :raises MediaError: the file is missing or no video.
        """
        cutter = _Cutter(self._path, self._segment_s, self._bitrate, self._preset)
        with closing(cutter.cut()) as cuts:

            def step(stop: StopFlag) -> tuple[bytes, Fraction] | None:
                cutter.stop = stop
                return next(cuts, None)

            seq = 0
            while (cut := await run_stoppable(None, step)) is not None:
                data, duration_s = cut
                yield seq, data, round(duration_s * 1000)
                seq += 1


@dataclass(frozen=True, slots=True)
class _Scan:
    """What a look at all packets tells. `start` and `end` in seconds of the file's own time.

    `lead_in` are the decoding times, in ticks, of the first packets, where the container leaves them out.
    """

    can_be_cut: bool
    start: Fraction
    end: Fraction
    frame_length: Fraction
    lead_in: tuple[int, ...]

    @property
    def tolerance(self) -> Fraction:
        """How far before its moment a cut may be: containers round timestamps, Matroska to a millisecond."""
        return self.frame_length / 2


class _Cutter:
    """Works through the file step by step, in whatever thread asks for the next segment."""

    def __init__(self, path: Path, segment_s: Fraction, bitrate: int, preset: str) -> None:
        self.stop = StopFlag()
        self._path = path
        self._segment_s = segment_s
        self._bitrate = bitrate
        self._preset = preset

    def cut(self) -> Generator[tuple[bytes, Fraction], None, None]:
        """Segments with their durations in seconds."""
        with translated(INVALID_VIDEO):
            scan = self._scan()
            yield from self._remux(scan) if scan.can_be_cut else self._encode(scan)

    def _open(self) -> InputContainer:
        with translated(INVALID_VIDEO):
            return open_input(str(self._path))

    def _scan(self) -> _Scan:
        moments: list[Fraction] = []
        decoding: list[int | None] = []
        cuts: list[Fraction] = []
        regular = True
        with self._open() as container:
            stream = video_stream(container)
            length = 1 / (stream.average_rate or DEFAULT_RATE)
            is_h264 = stream.codec_context.name == "h264"
            for packet in demux(container, stream):
                self.stop.check()
                moment = _moment(packet)
                if moment is None:
                    continue
                regular = regular and packet.pts is not None
                moments.append(moment)
                decoding.append(packet.dts)
                if is_h264 and _is_idr(packet, stream):
                    cuts.append(moment)
            ticks = round(length / (stream.time_base or Fraction(1, 90_000)))
        if not moments:
            raise MediaError(INVALID_VIDEO, f"{self._path} contains no video")
        start, end = min(moments), max(moments) + length
        lead_in = _lead_in(decoding, ticks)
        gaps = [later - earlier for earlier, later in pairwise([*cuts, end])]
        can_be_cut = regular and lead_in is not None and cuts[:1] == [start] and max(gaps) <= 2 * self._segment_s
        return _Scan(can_be_cut, start, end, length, lead_in or ())

    def _remux(self, scan: _Scan) -> Iterator[tuple[bytes, Fraction]]:
        with self._open() as container:
            stream = video_stream(container)
            sound = _sound(container)
            shift = START_S - scan.start
            began = scan.start
            lead_in = iter(scan.lead_in)
            writer = _Writer(stream, sound, shift)
            try:
                for packet in demux(container, stream, sound):
                    self.stop.check()
                    moment = _moment(packet)
                    if moment is None:
                        continue
                    if packet.dts is None:
                        packet.dts = next(lead_in, packet.pts) if packet.stream is stream else packet.pts
                    due = moment >= began + self._segment_s - scan.tolerance
                    if packet.stream is stream and due and _is_idr(packet, stream):
                        yield writer.finish(), moment - began
                        began = moment
                        writer = _Writer(stream, sound, shift)
                    writer.add(packet)
                yield writer.finish(), scan.end - began
            finally:
                writer.close()

    def _encode(self, scan: _Scan) -> Iterator[tuple[bytes, Fraction]]:
        with self._open() as container:
            stream = video_stream(container)
            sound = _sound(container)
            shift = START_S - scan.start
            start, length = Fraction(START_S), self._segment_s
            encoder = self._encoder(stream, sound)
            last: Fraction | None = None
            try:
                for packet in demux(container, stream, sound):
                    self.stop.check()
                    if packet.stream is sound:
                        if packet.size and packet.dts is not None:
                            _move(packet, shift)
                            encoder.add_audio(packet)
                        continue
                    for frame in packet.decode():
                        if frame.pts is not None and frame.time_base is not None:
                            moment = frame.pts * frame.time_base + shift
                        else:
                            moment = start if last is None else last + scan.frame_length
                        if last is not None and moment <= last:
                            continue
                        if last is not None and moment >= start + length - scan.tolerance:
                            # A pause in the file makes one longer segment, not empty ones.
                            end = start + length * ((moment - start + scan.tolerance) // length)
                            yield encoder.finish(end), end - start
                            start = end
                            encoder = self._encoder(stream, sound)
                        encoder.add_frame(frame, moment)
                        last = moment
                if last is None:
                    raise MediaError(INVALID_VIDEO, f"{self._path}: no frame decodes")
                yield encoder.finish(scan.end + shift), scan.end + shift - start
            finally:
                encoder.abandon()

    def _encoder(self, stream: VideoStream, sound: AudioStream | None) -> RenditionEncoder:
        width, height = stream.width, stream.height
        largest = max(width, height)
        if largest > MAX_SIDE:
            width, height = width * MAX_SIDE // largest, height * MAX_SIDE // largest
        profile = VideoProfile("source", max(2, width // 2 * 2), max(2, height // 2 * 2), self._bitrate)
        encoder = RenditionEncoder(
            profile,
            rate=stream.average_rate or DEFAULT_RATE,
            time_base=Fraction(1, 90_000),
            preset=self._preset,
        )
        if sound is not None:
            encoder.copy_audio(sound)
        return encoder


class _Writer:
    """Muxes packets of a file into one MPEG-TS segment, `shift` seconds later."""

    def __init__(self, stream: VideoStream, sound: AudioStream | None, shift: Fraction) -> None:
        self._buffer = io.BytesIO()
        self._container = open_output(self._buffer, VideoFormat.MPEGTS)
        self._source = stream
        self._shift = shift
        self._video = self._container.add_stream_from_template(stream)
        self._sound = self._container.add_stream_from_template(sound) if sound is not None else None

    def add(self, packet: Packet[Any]) -> None:
        target: Stream | None = self._video if packet.stream is self._source else self._sound
        assert target is not None
        _move(packet, self._shift)
        packet.stream = target
        self._container.mux_one(packet)

    def finish(self) -> bytes:
        self._container.close()
        return self._buffer.getvalue()

    def close(self) -> None:
        """Let go of the muxer. After `finish` it does nothing."""
        self._container.close()


def _sound(container: InputContainer) -> AudioStream | None:
    sound = container.streams.audio[0] if container.streams.audio else None
    return sound if sound is not None and can_copy(sound, VideoFormat.MPEGTS) else None


def _moment(packet: Packet[Any]) -> Fraction | None:
    """When the packet is shown, seconds; None for the empty packet at the end, or one without a timestamp.

    Where a container only has decoding times, those: it then holds nothing that is shown in another order.
    """
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if not packet.size or ticks is None else ticks * packet.time_base


def _lead_in(decoding: list[int | None], ticks: int) -> tuple[int, ...] | None:
    """Decoding times for the first packets, which Matroska leaves without; None if others lack theirs too."""
    known = [dts for dts in decoding if dts is not None]
    missing = len(decoding) - len(known)
    if not known or None in decoding[missing:]:
        return None
    return tuple(known[0] - ticks * (missing - number) for number in range(missing))


def _move(packet: Packet[Any], shift: Fraction) -> None:
    ticks = round(shift / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


def _is_idr(packet: Packet[Any], stream: VideoStream) -> bool:
    """Whether nothing after the packet refers to anything before it: its flag alone also marks lesser keyframes."""
    if not packet.is_keyframe:
        return False
    data = bytes(packet)
    extradata = stream.codec_context.extradata
    if extradata and extradata[0] == 1:
        return _IDR in _nal_types_by_length(data, (extradata[4] & 3) + 1)
    return _IDR in _nal_types_by_start_code(data)


def _nal_types_by_length(data: bytes, width: int) -> Iterator[int]:
    offset = 0
    while offset + width < len(data):
        size = int.from_bytes(data[offset : offset + width], "big")
        yield data[offset + width] & 0x1F
        offset += width + size


def _nal_types_by_start_code(data: bytes) -> Iterator[int]:
    offset = data.find(b"\x00\x00\x01")
    while 0 <= offset < len(data) - 3:
        yield data[offset + 3] & 0x1F
        offset = data.find(b"\x00\x00\x01", offset + 3)
