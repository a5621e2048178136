"""Which capabilities the transcoder here really has; nothing else is advertised (offchain-network 2.2)."""

from collections.abc import Iterable, Mapping
from typing import Final

from livepeer_client.codec.capability import Capability

# Outputs in H.264 and HEVC, in either container, of whole segments and of slices; no object stores, no perceptual
# hashes.
_ALWAYS: Final = frozenset(
    {
        Capability.MPEGTS,
        Capability.MP4,
        Capability.FRACTIONAL_FRAMERATES,
        Capability.STORAGE_DIRECT,
        Capability.PROFILE_H264_BASELINE,
        Capability.PROFILE_H264_MAIN,
        Capability.PROFILE_H264_HIGH,
        Capability.PROFILE_H264_CONSTRAINED_HIGH,
        Capability.GOP,
        Capability.AUTH_TOKEN,
        Capability.HEVC_ENCODE,
        Capability.SEGMENT_SLICING,
    }
)
_SOURCES: Final[Mapping[str, Capability]] = {"h264": Capability.H264, "hevc": Capability.HEVC_DECODE}


def served(codecs: Iterable[str]) -> frozenset[Capability]:
    """What a `PyavTranscoder` of these source codecs, by FFmpeg's names, can be asked for."""
    return _ALWAYS | {Capability.H264} | {_SOURCES[codec] for codec in codecs if codec in _SOURCES}
