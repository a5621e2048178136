"""`ports.Transcoder`: decode once, encode every rendition, in a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from livepeer_client.adapters.media.encoder import RenditionEncoder, check_profile
from livepeer_client.adapters.media.libav import (
    DEFAULT_RATE,
    INVALID_VIDEO,
    MAX_FRAME_PIXELS,
    MAX_SEGMENT_S,
    demux,
    open_segment,
    require_av,
    translated,
)
from livepeer_client.adapters.media.served import served
from livepeer_client.adapters.media.threads import StopFlag, run_stoppable
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import SegmentCredentials, Slice, VideoProfile
from livepeer_client.errors import MediaError
from livepeer_client.facts import Rendition

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_OUTPUTS: Final = 10


class PyavTranscoder:
    """Transcodes segments on the CPU, `workers` at a time, one thread each.

    Renditions keep the source's timestamps, so those of successive segments can be put together. Sound is copied
    where the container can hold it.

    :param workers: segments at the same time; more wait.
    :param preset: libx264's, from "ultrafast" to "veryslow".
    :param codecs: FFmpeg's names of the source codecs that are accepted.
    :raises ConfigError: PyAV is not installed.
    """

    def __init__(self, *, workers: int = 2, preset: str = "veryfast", codecs: Sequence[str] = ("h264", "hevc")) -> None:
        require_av()
        self._preset = preset
        self._codecs = frozenset(codecs)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="transcode")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can be asked for."""
        return served(self._codecs)

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        """All renditions, in the order of the profiles. Cancelling stops the work at the next frame.

        :raises MediaError: the segment or a profile is unusable; `reason` is the network's text.
        """
        profiles = credentials.profiles
        if len(profiles) > MAX_OUTPUTS:
            raise MediaError("Too many outputs", str(len(profiles)))
        for profile in profiles:
            check_profile(profile)
        part = credentials.slice
        return await run_stoppable(self._executor, lambda stop: self._transcode(segment, profiles, part, stop))

    async def close(self) -> None:
        """Let go of the threads; work under way is still finished."""
        self._executor.shutdown(wait=False)

    def _transcode(
        self, segment: bytes, profiles: Sequence[VideoProfile], part: Slice | None, stop: StopFlag
    ) -> list[Rendition]:
        with translated(INVALID_VIDEO), open_segment(segment) as (container, stream), ExitStack() as cleanup:
            if stream.codec_context.name not in self._codecs:
                raise MediaError("Unsupported input codec", stream.codec_context.name)
            rate = stream.average_rate or DEFAULT_RATE
            time_base = stream.time_base or Fraction(1, 90_000)
            encoders = []
            for profile in profiles:
                encoder = RenditionEncoder(
                    profile, rate=rate, time_base=time_base, preset=self._preset, check=stop.check
                )
                cleanup.callback(encoder.abandon)
                encoders.append(encoder)
            end = _feed(container, stream, encoders, 1 / rate, _Window.of(part, stream), stop)
            return [
                Rendition(encoder.profile, encoder.finish(end), profile_pixels(encoder.profile, encoder.frames))
                for encoder in encoders
            ]


def profile_pixels(profile: VideoProfile, frames: int) -> int:
    """What a rendition is charged for: width x height x encoded frames."""
    return profile.width * profile.height * frames


@dataclass(slots=True)
class _Window:
    """Which moments of a segment are wanted, seconds after its first frame; `start` is that frame's moment."""

    from_s: Fraction
    to_s: Fraction | None
    start: Fraction | None

    @classmethod
    def of(cls, part: Slice | None, stream: VideoStream) -> _Window:
        start = None
        if stream.start_time is not None and stream.time_base is not None:
            start = stream.start_time * stream.time_base
        part = part or Slice()
        return cls(Fraction(part.from_ms, 1000), Fraction(part.to_ms, 1000) if part.to_ms else None, start)

    @property
    def is_whole(self) -> bool:
        return self.from_s == 0 and self.to_s is None

    def holds(self, moment: Fraction) -> bool:
        if self.is_whole:
            return True
        if self.start is None:
            self.start = moment
        return self.from_s <= moment - self.start and not self.is_past(moment)

    def is_past(self, moment: Fraction) -> bool:
        return self.to_s is not None and self.start is not None and moment - self.start >= self.to_s


def _feed(
    container: InputContainer,
    stream: VideoStream,
    encoders: Sequence[RenditionEncoder],
    frame_length: Fraction,
    window: _Window,
    stop: StopFlag,
) -> Fraction:
    """Decode into the encoders what lies in the window.

    :returns: when the last frame ends, seconds.
    :raises MediaError: nothing decodes, or nothing in the window, or the timestamps are impossible.
    """
    sound = container.streams.audio[0] if container.streams.audio else None
    if sound is not None:
        for encoder in encoders:
            encoder.copy_audio(sound)
    first: Fraction | None = None
    last = shown = Fraction(0)
    keyframes = taken = 0
    for packet in demux(container, stream, sound):
        stop.check()
        if packet.stream is sound:
            heard = packet.dts if packet.pts is None else packet.pts
            if packet.size and packet.dts is not None and heard is not None and window.holds(heard * packet.time_base):
                for encoder in encoders:
                    encoder.add_audio(packet)
            continue
        keyframes += packet.is_keyframe
        if packet.dts is not None and window.is_past(packet.dts * packet.time_base):
            # Nothing in it is shown before it is decoded.
            continue
        for frame in _decode(packet):
            stop.check()
            moment = _moment(frame, last + frame_length if first is not None else Fraction(0))
            if first is not None and moment <= last:
                # A frame that would go back in time cannot be shown; live streams contain some after a jump.
                continue
            first = moment if first is None else first
            if moment - first > MAX_SEGMENT_S:
                raise MediaError(INVALID_VIDEO, f"longer than {MAX_SEGMENT_S} s")
            last = moment
            if window.holds(moment):
                taken, shown = taken + 1, moment
                for encoder in encoders:
                    encoder.add_frame(frame, moment)
    if not keyframes:
        raise MediaError("No keyframes in input")
    if first is None:
        raise MediaError(INVALID_VIDEO, "no frame decodes")
    if not taken:
        raise MediaError("Invalid argument", "no frame lies in the slice")
    return shown + frame_length


def _decode(packet: Packet[Any]) -> list[VideoFrame]:
    from av.error import InvalidDataError

    try:
        frames: list[VideoFrame] = packet.decode()
    except InvalidDataError:
        # One damaged packet in a live stream is no reason to refuse the segment; the loss shows in the frame count.
        return []
    for frame in frames:
        if frame.width * frame.height > MAX_FRAME_PIXELS:
            raise MediaError(INVALID_VIDEO, f"picture of {frame.width}x{frame.height}")
    return frames


def _moment(frame: VideoFrame, otherwise: Fraction) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return otherwise
    return frame.pts * frame.time_base
