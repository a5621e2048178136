"""Capabilities: ids, bit coding, what a job needs, and whether an offer covers it (offchain-network 2)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

from livepeer_client.codec.messages import (
    Capabilities,
    CodecProfile,
    ModelConstraint,
    VideoCodec,
    VideoFormat,
    VideoProfile,
)
from livepeer_client.errors import InvalidInput

WORD_BITS: Final = 64
MAX_CAPABILITY_WORDS: Final = 16
"""More than 1,024 ids are nobody's capabilities but a way to make a reader work."""


class Capability(IntEnum):
    """Every id on the network; `label` is the name shown to people, `pipeline` the one in requests."""

    INVALID = -2
    UNUSED = -1
    H264 = 0
    MPEGTS = 1
    MP4 = 2
    FRACTIONAL_FRAMERATES = 3
    STORAGE_DIRECT = 4
    STORAGE_S3 = 5
    STORAGE_GCS = 6
    PROFILE_H264_BASELINE = 7
    PROFILE_H264_MAIN = 8
    PROFILE_H264_HIGH = 9
    PROFILE_H264_CONSTRAINED_HIGH = 10
    GOP = 11
    AUTH_TOKEN = 12
    SCENE_CLASSIFICATION = 13
    MPEG7_SIGNATURE = 14
    HEVC_DECODE = 15
    HEVC_ENCODE = 16
    VP8_DECODE = 17
    VP9_DECODE = 18
    VP8_ENCODE = 19
    VP9_ENCODE = 20
    H264_DECODE_YUV444_8BIT = 21
    H264_DECODE_YUV422_8BIT = 22
    H264_DECODE_YUV444_10BIT = 23
    H264_DECODE_YUV422_10BIT = 24
    H264_DECODE_YUV420_10BIT = 25
    SEGMENT_SLICING = 26
    TEXT_TO_IMAGE = 27
    IMAGE_TO_IMAGE = 28
    IMAGE_TO_VIDEO = 29
    UPSCALE = 30
    AUDIO_TO_TEXT = 31
    SEGMENT_ANYTHING_2 = 32
    LLM = 33
    IMAGE_TO_TEXT = 34
    LIVE_VIDEO_TO_VIDEO = 35
    TEXT_TO_SPEECH = 36
    BYOC = 37

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def pipeline(self) -> str:
        """The id in AI requests: the label in lower case, blanks as hyphens."""
        return self.label.lower().replace(" ", "-")


_LABELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        -2: "invalid",
        -1: "unused",
        0: "H.264",
        1: "MPEGTS",
        2: "MP4",
        3: "Fractional framerates",
        4: "Storage direct",
        5: "Storage S3",
        6: "Storage GCS",
        7: "H264 Baseline profile",
        8: "H264 Main profile",
        9: "H264 High profile",
        10: "H264 Constrained, Contained High profile",
        11: "GOP",
        12: "Auth token",
        13: "scene classification",
        14: "MPEG7 signature",
        15: "HEVC decode",
        16: "HEVC encode",
        17: "VP8 decode",
        18: "VP9 decode",
        19: "VP8 encode",
        20: "VP9 encode",
        21: "H264 decode YUV444 8-bit",
        22: "H264 decode YUV422 8-bit",
        23: "H264 decode YUV444 10-bit",
        24: "H264 decode YUV422 10-bit",
        25: "H264 decode YUV420 10-bit",
        26: "Segment slicing",
        27: "Text to image",
        28: "Image to image",
        29: "Image to video",
        30: "Upscale",
        31: "Audio to text",
        32: "Segment anything 2",
        33: "Llm",
        34: "Image to text",
        35: "Live video to video",
        36: "Text to speech",
        37: "byoc",
    }
)

DEFAULT_CAPABILITIES: Final = frozenset(Capability(number) for number in (*range(13), 14, 26))
"""What every orchestrator offers unless told otherwise."""
OPTIONAL_CAPABILITIES: Final = frozenset(
    Capability(number) for number in (*range(15, 19), *range(21, 26), *range(27, 33), 34, 36)
)
"""Added when hardware or models allow; 33, 35 and 37 have their own paths."""
LEGACY_CAPABILITIES: Final = frozenset(Capability(number) for number in range(12))
"""A job within these is served even by an orchestrator that states no capabilities."""


class JobStorage(Enum):
    """Where a job's renditions go."""

    DIRECT = Capability.STORAGE_DIRECT
    S3 = Capability.STORAGE_S3
    GCS = Capability.STORAGE_GCS


_DECODE: Final = {
    VideoCodec.H264: Capability.H264,
    VideoCodec.H265: Capability.HEVC_DECODE,
    VideoCodec.VP8: Capability.VP8_DECODE,
    VideoCodec.VP9: Capability.VP9_DECODE,
}
_ENCODE: Final = {
    VideoCodec.H264: Capability.H264,
    VideoCodec.H265: Capability.HEVC_ENCODE,
    VideoCodec.VP8: Capability.VP8_ENCODE,
    VideoCodec.VP9: Capability.VP9_ENCODE,
}
_FORMAT: Final = {VideoFormat.MPEGTS: Capability.MPEGTS, VideoFormat.MP4: Capability.MP4}
_PROFILE: Final = {
    CodecProfile.H264_BASELINE: Capability.PROFILE_H264_BASELINE,
    CodecProfile.H264_MAIN: Capability.PROFILE_H264_MAIN,
    CodecProfile.H264_HIGH: Capability.PROFILE_H264_HIGH,
    CodecProfile.H264_CONSTRAINED_HIGH: Capability.PROFILE_H264_CONSTRAINED_HIGH,
}


def capability_label(number: int) -> str:
    """The name of a capability id, or its number if it is not known."""
    return _LABELS.get(number, f"capability {number}")


def to_words(bits: Iterable[int]) -> list[int]:
    """Ids as 64-bit words: id n is bit n mod 64 of word n div 64; as few words as needed.

    :raises InvalidInput: a negative id, or one beyond the words allowed.
    """
    words: list[int] = []
    for number in bits:
        word, bit = divmod(number, WORD_BITS)
        if not 0 <= word < MAX_CAPABILITY_WORDS:
            raise InvalidInput(f"capability id {number}")
        if len(words) <= word:
            words.extend([0] * (word + 1 - len(words)))
        words[word] |= 1 << bit
    return words


def from_words(words: Sequence[int]) -> frozenset[int]:
    """The ids whose bits are set in 64-bit words.

    :raises InvalidInput: more words than allowed.
    """
    if len(words) > MAX_CAPABILITY_WORDS:
        raise InvalidInput(f"{len(words)} capability words, at most {MAX_CAPABILITY_WORDS}")
    return frozenset(
        index * WORD_BITS + bit for index, word in enumerate(words) for bit in range(WORD_BITS) if word >> bit & 1
    )


def with_capacities(bits: Iterable[int]) -> dict[int, int]:
    """One unit of capacity per id. Always sent: price look-up reads it, not the bits (offchain-network 2.4)."""
    return dict.fromkeys(sorted(bits), 1)


def job_capabilities(
    profiles: Sequence[VideoProfile],
    *,
    input_codec: VideoCodec = VideoCodec.H264,
    storage: JobStorage = JobStorage.DIRECT,
    fast_verification: bool = False,
    slicing: bool = False,
    min_version: str = "",
) -> Capabilities:
    """What a transcoding job into `profiles` asks for (offchain-network 2.2)."""
    needed = {Capability.AUTH_TOKEN, _DECODE[input_codec], storage.value}
    if fast_verification:
        needed.add(Capability.MPEG7_SIGNATURE)
    if slicing:
        needed.add(Capability.SEGMENT_SLICING)
    for profile in profiles:
        needed.update((_ENCODE[profile.encoder], _FORMAT[profile.format]))
        if profile.profile is not CodecProfile.ENCODER_DEFAULT:
            needed.add(_PROFILE[profile.profile])
        if profile.fps_den > 1:
            needed.add(Capability.FRACTIONAL_FRAMERATES)
        if profile.gop_ms != 0:
            needed.add(Capability.GOP)
    bits = frozenset(int(capability) for capability in needed)
    return Capabilities(bits=bits, capacities=with_capacities(bits), min_version=min_version)


class MismatchKind(Enum):
    """Which of the compatibility rules fails (offchain-network 2.3)."""

    NO_CAPABILITIES = "states no capabilities"
    VERSION = "version"
    MANDATORY = "mandatory capability not asked for"
    MODEL = "model not offered"
    MODEL_COLD = "model not warm"
    MODEL_VERSION = "model runner version"
    CAPABILITY = "missing capability"
    CAPACITY = "no idle capacity"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why an offer does not cover a job. `capability` is an id, None where the rule concerns none."""

    kind: MismatchKind
    capability: int | None = None
    model: str = ""
    wanted: str = ""
    offered: str = ""

    def __str__(self) -> str:
        parts = [self.kind.value]
        if self.capability is not None:
            parts.append(f"{capability_label(self.capability)} ({self.capability})")
        if self.model:
            parts.append(f"model {self.model}")
        if self.wanted:
            parts.append(f"wanted {self.wanted}, offered {self.offered or 'none'}")
        return ": ".join(parts)


_VERSION: Final = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+].*)?", re.ASCII)


def _version(text: str) -> tuple[int, ...] | None:
    """Major, minor, patch without pre-release suffix; None if the text is no version."""
    match = _VERSION.fullmatch(text)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def oldest_version(left: str, right: str) -> str:
    """The lower of two versions, so that what it meets both meet; one that is none or missing is lower than any."""
    first, second = _version(left), _version(right)
    if first is None or second is None:
        return left if first is None else right
    return left if first <= second else right


def _version_serves(wanted: str, offered: str) -> bool:
    """Nothing or nonsense wanted is served by anything; nonsense offered serves nothing else."""
    minimum = _version(wanted)
    if not wanted:
        return True
    if offered in ("", "undefined"):
        return False
    if minimum is None:
        return True
    actual = _version(offered)
    return actual is not None and actual >= minimum


def _model_mismatch(
    number: int, model: str, wanted: ModelConstraint, offer: Mapping[str, ModelConstraint]
) -> Mismatch | None:
    offered = offer.get(model)
    if offered is None:
        return Mismatch(MismatchKind.MODEL, number, model)
    if wanted.warm and not offered.warm:
        return Mismatch(MismatchKind.MODEL_COLD, number, model)
    if not _version_serves(wanted.runner_version, offered.runner_version):
        return Mismatch(MismatchKind.MODEL_VERSION, number, model, wanted.runner_version, offered.runner_version)
    return None


def mismatch(job: Capabilities, offer: Capabilities | None) -> Mismatch | None:
    """The first rule under which `offer` cannot serve `job`, or None if it can (offchain-network 2.3).

    Bits are sets here, so "the job has no more words than the offer" follows from the subset rule.
    """
    if offer is None:
        beyond = sorted(job.bits - LEGACY_CAPABILITIES)
        return Mismatch(MismatchKind.NO_CAPABILITIES, beyond[0]) if beyond else None
    if not _version_serves(job.min_version, offer.version):
        return Mismatch(MismatchKind.VERSION, wanted=job.min_version, offered=offer.version)
    for number in sorted(offer.mandatories - job.bits):
        return Mismatch(MismatchKind.MANDATORY, number)
    for number, models in sorted(job.constraints.items()):
        offered = offer.constraints.get(number)
        if offered is None:
            continue
        for model, wanted in sorted(models.items()):
            found = _model_mismatch(number, model, wanted, offered)
            if found is not None:
                return found
    for number in sorted(job.bits - offer.bits):
        return Mismatch(MismatchKind.CAPABILITY, number)
    return None
