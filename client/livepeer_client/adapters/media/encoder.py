"""One rendition of one segment: scaling, frame rate, keyframes, encoding and muxing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Final, cast

from livepeer_client.adapters.media.libav import open_output, translated
from livepeer_client.codec.messages import CodecProfile, VideoCodec, VideoFormat, VideoProfile
from livepeer_client.errors import MediaError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PIXEL_FORMAT: Final = "yuv420p"
MAX_SIDE: Final = 8192
MAX_FPS: Final = 240
_ENCODERS: Final = {VideoCodec.H264: "libx264", VideoCodec.H265: "libx265"}
_PROFILES: Final = {
    CodecProfile.ENCODER_DEFAULT: None,
    CodecProfile.H264_BASELINE: "baseline",
    CodecProfile.H264_MAIN: "main",
    CodecProfile.H264_HIGH: "high",
    # High without what Constrained High forbids, which is what is left without B-frames.
    CodecProfile.H264_CONSTRAINED_HIGH: "high",
}
_COPIED_AUDIO: Final = {
    VideoFormat.MPEGTS: frozenset({"aac", "mp3", "mp2", "ac3", "eac3"}),
    VideoFormat.MP4: frozenset({"aac", "mp3", "ac3", "eac3"}),
}


def check_profile(profile: VideoProfile) -> None:
    """:raises MediaError: a rendition that nobody can make, with the network's text for it."""
    if profile.encoder not in _ENCODERS:
        raise MediaError("Encoder not found", profile.encoder.name)
    if profile.format not in _COPIED_AUDIO:
        raise MediaError("TranscoderUnrecognizedFormat", str(profile.format))
    # The names of profiles are H.264's.
    foreign = profile.encoder is not VideoCodec.H264 and profile.profile is not CodecProfile.ENCODER_DEFAULT
    if profile.profile not in _PROFILES or foreign:
        raise MediaError("TranscoderUnrecognizedProfile", str(profile.profile))
    # Colour is stored for every second pixel, so odd sizes cannot be encoded.
    if profile.width % 2 or profile.height % 2 or max(profile.width, profile.height) > MAX_SIDE:
        raise MediaError("TranscoderInvalidResolution", f"{profile.width}x{profile.height}")
    if profile.fps > MAX_FPS * profile.fps_den:
        raise MediaError("Invalid argument", f"{profile.fps}/{profile.fps_den} fps")


def can_copy(sound: AudioStream, format_: VideoFormat) -> bool:
    """Whether a container can hold this sound as it is."""
    # PyAV gives a stream without decoder no context, whatever its type hints say.
    context = cast(Any, sound.codec_context)
    return context is not None and context.sample_rate > 0 and context.name in _COPIED_AUDIO[format_]


class RenditionEncoder:
    """Takes a segment's frames in order and gives back a rendition that starts with a keyframe.

    A wanted frame rate is a grid of moments k x fps_den / fps counted from timestamp zero, not from the segment's
    start, and every grid moment shows the frame before it: so the renditions of successive segments tile without a
    gap or a double frame. There are no B-frames: each segment is encoded alone, and B-frames would push the first
    decoding time before the segment's start, and below zero in the first one.

    :param rate: the source's frames per second, used where the profile passes its rate through.
    :param check: called before each frame is encoded; raises to stop. One jump in the source's time can be a gap of
        minutes to fill.
    :raises MediaError: the encoder refuses the profile.
    """

    def __init__(
        self,
        profile: VideoProfile,
        *,
        rate: Fraction,
        time_base: Fraction,
        preset: str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.profile = profile
        self.frames = 0
        self._check = check
        self._grid = Fraction(profile.fps_den, profile.fps) if profile.fps else None
        self._rate = 1 / self._grid if self._grid else rate
        self._gop = Fraction(profile.gop_ms, 1000) if profile.gop_ms > 0 else None
        self._last_keyframe: Fraction | None = None
        self._shown: VideoFrame | None = None
        self._shown_at = Fraction(0)
        self._shown_is_keyframe = False
        self._shown_used = False
        self._scaler = VideoReformatter()
        self._buffer = io.BytesIO()
        self._audio: AudioStream | None = None
        with translated("Invalid argument"):
            self._container = open_output(self._buffer, profile.format)
            added = self._container.add_stream(
                _ENCODERS[profile.encoder], rate=self._rate, options=self._options(preset)
            )
        # Both names are of video encoders, which PyAV's types know of one only.
        self._stream = cast("VideoStream", added)
        self._stream.width, self._stream.height = profile.width, profile.height
        self._stream.pix_fmt = PIXEL_FORMAT
        context = self._stream.codec_context
        context.time_base = self._grid or time_base
        context.framerate = self._rate
        context.thread_count = 1
        if profile.bitrate:
            context.bit_rate = profile.bitrate

    def _options(self, preset: str) -> dict[str, str]:
        if self.profile.encoder is VideoCodec.H265:
            return self._hevc_options(preset)
        options = {
            "preset": preset,
            "bf": "0",
            "forced-idr": "1",
            # Keyframes only where they are asked for, so that all renditions can be switched at the same moments.
            # force-cfr makes rate control and headers go by the frame rate instead of the fine time base.
            "x264-params": "scenecut=0:keyint=infinite:force-cfr=1",
        }
        if profile := _PROFILES[self.profile.profile]:
            options["profile"] = profile
        if self.profile.bitrate:
            options["maxrate"] = options["bufsize"] = str(self.profile.bitrate)
        return options

    def _hevc_options(self, preset: str) -> dict[str, str]:
        # The same as for H.264 in the words of libx265, which else speaks to the terminal and takes every core.
        wanted = "scenecut=0:keyint=-1:bframes=0:open-gop=0:repeat-headers=1:log-level=none:pools=none:frame-threads=1"
        if self.profile.bitrate:
            kbit = max(1, self.profile.bitrate // 1000)
            wanted += f":vbv-maxrate={kbit}:vbv-bufsize={kbit}"
        return {"preset": preset, "forced-idr": "1", "x265-params": wanted}

    def copy_audio(self, source: AudioStream) -> None:
        """Carry the source's sound along as it is, if the container can hold it; before the first frame."""
        if can_copy(source, self.profile.format):
            self._audio = self._container.add_stream_from_template(source)

    def add_audio(self, packet: Packet[Any]) -> None:
        if self._audio is None:
            return
        from av.packet import Packet as NewPacket

        # Muxing consumes a packet, and every rendition needs it.
        copy: Packet[Any] = NewPacket(bytes(packet))
        copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
        copy.time_base = packet.time_base
        copy.stream = self._audio
        self._container.mux_one(copy)

    def add_frame(self, frame: VideoFrame, moment: Fraction) -> None:
        """The next frame, shown from `moment` (seconds) on; moments only grow."""
        if self._grid is not None:
            self._fill_until(moment, self._grid)
        with translated("Unsupported input pixel format"):
            self._shown = self._scaler.reformat(frame, self.profile.width, self.profile.height, PIXEL_FORMAT)
        self._shown_at = moment
        self._shown_is_keyframe = frame.key_frame
        self._shown_used = False
        if self._grid is None:
            self._encode(moment)

    def finish(self, end: Fraction) -> bytes:
        """The rendition, complete; `end` (seconds) is when the last frame stops being shown."""
        if self._grid is not None:
            self._fill_until(end, self._grid)
            if self.frames == 0:
                # Shorter than one step of the grid: better one frame early than none.
                self._encode(ceil(self._shown_at / self._grid) * self._grid)
        with translated("TranscoderStopped"):
            self._mux(self._stream.encode(None))
            self._container.close()
        return self._buffer.getvalue()

    def abandon(self) -> None:
        """Let go of encoder and muxer without a result. After `finish` it does nothing."""
        self._container.close()

    def _fill_until(self, end: Fraction, grid: Fraction) -> None:
        """Show the frame held at every grid moment in [its own moment, end)."""
        if self._shown is None:
            return
        for step in range(ceil(self._shown_at / grid), ceil(end / grid)):
            self._encode(step * grid)

    def _encode(self, moment: Fraction) -> None:
        from av.video.frame import PictureType

        self._check()
        frame = self._shown
        assert frame is not None
        time_base = self._stream.codec_context.time_base
        assert time_base is not None
        # Encoding rescales the frame's timestamp in place, so both are set each time.
        frame.time_base = time_base
        frame.pts = round(moment / time_base)
        frame.pict_type = PictureType.I if self._wants_keyframe(moment) else PictureType.NONE
        self._shown_used = True
        with translated("TranscoderStopped"):
            self._mux(self._stream.encode(frame))
        self.frames += 1

    def _wants_keyframe(self, moment: Fraction) -> bool:
        last = self._last_keyframe
        due = last is None
        if last is not None and self._gop is not None:
            due = moment - last >= self._gop
        elif self.profile.gop_ms < 0:
            due = due or (self._shown_is_keyframe and not self._shown_used)
        if due:
            self._last_keyframe = moment
        return due

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            if not packet.duration:
                packet.duration = round(1 / self._rate / packet.time_base)
            self._container.mux_one(packet)
