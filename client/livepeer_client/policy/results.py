"""What a gateway expects of a segment's exchange and of its result (offchain-network 4.1, 4.7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.codec.credentials import result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import Slice, TranscodedSegment, VideoCodec, VideoProfile
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import BadResult, MediaError
from livepeer_client.facts import MediaInfo
from livepeer_client.policy.uri import origin
from livepeer_client.types import Address

MAX_SEGMENT_BYTES: Final = 300_000_000
MAX_SEGMENT_MS: Final = 5 * 60 * 1000
DOWNLOAD_TIMEOUT_S: Final = 4.0
SIZE_TOLERANCE_PX: Final = 2
"""Encoders want even sizes, so a side that follows from the source's aspect may be off by this."""
DURATION_TOLERANCE: Final = Fraction(1, 10)
DURATION_TOLERANCE_S: Final = Fraction(1, 5)
"""A rendition may differ from its source by a tenth or by 0.2 s, whichever is more: a change of frame rate moves
the end by a frame or two, and containers round."""
_RENDITION_OVERHEAD: Final = 4
_RENDITION_FLOOR_BYTES: Final = 4 * 1024 * 1024

CODECS: Final = {
    VideoCodec.H264: "h264",
    VideoCodec.H265: "hevc",
    VideoCodec.VP8: "vp8",
    VideoCodec.VP9: "vp9",
}
"""What a decoder calls the codecs that can be ordered."""

NON_RETRYABLE: Final = frozenset(
    {
        "Unsupported input pixel format",
        "Error initializing filtergraph",
        "Too many outputs",
        "Unsupported input codec",
        "No keyframes in input",
        "Unrecoverable state, restart process",
        "Output duration larger than input duration",
        "Output frame count larger than expected",
        "Decoder not found",
        "Demuxer not found",
        "Encoder not found",
        "Muxer not found",
        "Option not found",
        "Invalid argument",
        "TranscoderInvalidResolution",
        "TranscoderInvalidVideo",
        "TranscoderUnrecognizedFormat",
        "TranscoderUnrecognizedProfile",
        "TranscoderInvalidGOP",
        "TranscoderIncompatibleDevices",
    }
)
"""Whole wire texts that blame the segment or the job, so that no other orchestrator would do better."""


@dataclass(frozen=True, slots=True)
class ExchangeTimes:
    """Seconds until the answer's headers, and for the whole exchange."""

    upload_s: float
    total_s: float


def exchange_times(duration_s: float, multiplier: float = 1.0) -> ExchangeTimes:
    """Upload max(2 s, half the duration), all of it max(8 s, four times the duration) (offchain-network 4.1)."""
    return ExchangeTimes(max(2.0, 0.5 * duration_s) * multiplier, max(8.0, 4.0 * duration_s) * multiplier)


def rendition_limit(profile: VideoProfile, duration_s: float) -> int:
    """The most bytes taken for one rendition: four times what its bitrate says, at least 4 MiB."""
    if profile.bitrate == 0:
        return MAX_SEGMENT_BYTES
    expected = int(profile.bitrate * duration_s / 8)
    return min(MAX_SEGMENT_BYTES, max(_RENDITION_FLOOR_BYTES, expected * _RENDITION_OVERHEAD))


def sliced(source: MediaInfo, part: Slice | None) -> MediaInfo:
    """What a slice of a segment is like; its number of frames, one more than its share in them, rounded up.

    :raises MediaError: the segment ends before the slice begins.
    """
    if part is None:
        return source
    begin = Fraction(part.from_ms, 1000)
    end = min(Fraction(part.to_ms, 1000), source.duration_s) if part.to_ms else source.duration_s
    if begin >= end:
        raise MediaError("Invalid argument", f"a slice from {part.from_ms} ms of {float(source.duration_s):.3f} s")
    share = (end - begin) / source.duration_s
    return replace(source, duration_s=end - begin, frames=min(source.frames, ceil(source.frames * share) + 1))


def most_frames(profile: VideoProfile, source: MediaInfo) -> int:
    """The most frames a rendition may have: those of the ordered rate, or the source's where that is passed through,
    for as long as it may last. Frames are paid for, and more of them cost next to nothing to make.
    """
    if profile.fps == 0:
        return source.frames + ceil(source.frames * DURATION_TOLERANCE)
    longest_s = source.duration_s + max(source.duration_s * DURATION_TOLERANCE, DURATION_TOLERANCE_S)
    return ceil(longest_s * profile.fps / profile.fps_den)


def check_claim(profile: VideoProfile, claimed_pixels: int, source: MediaInfo) -> None:
    """Before a rendition is decoded, which takes work in proportion to its pixels.

    :raises BadResult: no rendition of this profile has so many.
    """
    side = max(profile.width, profile.height)
    most = side * (side + SIZE_TOLERANCE_PX) * most_frames(profile, source)
    if claimed_pixels > most:
        raise BadResult(f"pixels of {profile.name}", f"at most {most}", claimed_pixels)


def check_offered(segments: Sequence[TranscodedSegment], profiles: Sequence[VideoProfile], transcoder: str) -> None:
    """Before anything is fetched: one rendition per profile, each lying at the orchestrator that made it.

    A URL to another host could make us call services only we can reach (offchain-network 4.6).

    :raises BadResult:
    """
    if len(segments) != len(profiles):
        raise BadResult("number of renditions", len(profiles), len(segments))
    home = origin(transcoder)
    for segment in segments:
        if home is None or origin(segment.url) != home:
            raise BadResult("host of a rendition", transcoder, segment.url)
        if segment.pixels < 0:
            raise BadResult("pixels", "none or more", segment.pixels)


def check_signature(renditions: Sequence[bytes], sig: bytes, address: Address) -> None:
    """The orchestrator signed exactly these renditions, in this order.

    :raises BadResult:
    """
    if not is_signed_by(address, sig, result_digest(keccak256(data) for data in renditions)):
        raise BadResult("signature over the renditions", f"one by 0x{address.hex()}", f"0x{sig.hex()}")


def check_rendition(profile: VideoProfile, claimed_pixels: int, found: MediaInfo, source: MediaInfo) -> None:
    """A decoded rendition is what was ordered and what will be charged.

    Pixels must match exactly; size, frames and duration within the tolerances of this module.

    :raises BadResult:
    """
    if claimed_pixels != found.pixels:
        raise BadResult(f"pixels of {profile.name}", found.pixels, claimed_pixels)
    if found.codec != CODECS[profile.encoder]:
        raise BadResult(f"codec of {profile.name}", CODECS[profile.encoder], found.codec)
    if not _right_size(profile, found, source):
        raise BadResult(f"size of {profile.name}", (profile.width, profile.height), (found.width, found.height))
    most = most_frames(profile, source)
    if found.frames > most:
        raise BadResult(f"frames of {profile.name}", f"at most {most}", found.frames)
    allowed = max(source.duration_s * DURATION_TOLERANCE, DURATION_TOLERANCE_S)
    if abs(found.duration_s - source.duration_s) > allowed:
        raise BadResult(
            f"duration of {profile.name}",
            f"{float(source.duration_s):.3f} s within {float(allowed):.3f} s",
            f"{float(found.duration_s):.3f} s",
        )


def _right_size(profile: VideoProfile, found: MediaInfo, source: MediaInfo) -> bool:
    """The profile's size, or its longer side with the other following from the source's aspect."""
    if (found.width, found.height) == (profile.width, profile.height):
        return True
    if source.width >= source.height:
        height = Fraction(profile.width * source.height, source.width)
        return found.width == profile.width and abs(found.height - height) <= SIZE_TOLERANCE_PX
    width = Fraction(profile.height * source.width, source.height)
    return found.height == profile.height and abs(found.width - width) <= SIZE_TOLERANCE_PX
