"""The network's named renditions, and the JSON in which a stream's renditions are ordered (offchain-network 4.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.messages import CodecProfile, VideoCodec, VideoFormat, VideoProfile
from livepeer_client.errors import InvalidInput, MalformedMessage

MAX_PROFILES: Final = 10
MAX_VERIFICATION: Final = 10_000
MAX_TIMEOUT_MULTIPLIER: Final = 10
MAX_UNSERVED: Final = 10
_MAX_NAME_CHARS: Final = 40
_READ: Final = frozenset(
    {
        *("manifestID", "presets", "profiles", "verificationFreq", "timeoutMultiplier", "streamID", "sessionID"),
        # For players of other protocols; a push has its manifest.
        "streamKey",
    }
)
_SIZES: Final = {
    "P720p": {"16x9": (1280, 720), "4x3": (960, 720)},
    "P576p": {"16x9": (1024, 576)},
    "P360p": {"16x9": (640, 360), "4x3": (480, 360)},
    "P240p": {"16x9": (426, 240), "4x3": (320, 240)},
    "P144p": {"16x9": (256, 144)},
}
_BITRATES: Final = {
    "P720p60fps16x9": 6_000_000,
    "P720p30fps16x9": 4_000_000,
    "P720p25fps16x9": 3_500_000,
    "P720p30fps4x3": 3_500_000,
    "P576p30fps16x9": 1_500_000,
    "P576p25fps16x9": 1_500_000,
    "P360p30fps16x9": 1_200_000,
    "P360p25fps16x9": 1_000_000,
    "P360p30fps4x3": 1_000_000,
    "P240p30fps16x9": 600_000,
    "P240p25fps16x9": 600_000,
    "P240p30fps4x3": 600_000,
    "P144p30fps16x9": 400_000,
    "P144p25fps16x9": 400_000,
}
_CODEC_PROFILES: Final = {
    "": CodecProfile.ENCODER_DEFAULT,
    "none": CodecProfile.ENCODER_DEFAULT,
    "h264baseline": CodecProfile.H264_BASELINE,
    "h264main": CodecProfile.H264_MAIN,
    "h264high": CodecProfile.H264_HIGH,
    "h264constrainedhigh": CodecProfile.H264_CONSTRAINED_HIGH,
}
_ENCODERS: Final = {
    "": VideoCodec.H264,
    "h264": VideoCodec.H264,
    "hevc": VideoCodec.H265,
    "vp8": VideoCodec.VP8,
    "vp9": VideoCodec.VP9,
}
_INTRA_GOP_MS: Final = -1


def preset(name: str) -> VideoProfile:
    """One of the network's presets, such as `P240p30fps16x9`.

    :raises InvalidInput: there is none of this name.
    """
    bitrate = _BITRATES.get(name)
    if bitrate is None:
        raise InvalidInput(f"no preset {name!r}, one of {', '.join(_BITRATES)}")
    size, rest = name[:5], name[5:]
    fps, aspect = rest.split("fps")
    width, height = _SIZES[size][aspect]
    return VideoProfile(name, width, height, bitrate, int(fps))


def presets(names: Sequence[str]) -> tuple[VideoProfile, ...]:
    """Raises as `preset`."""
    return tuple(preset(name) for name in names)


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """What an answer of the ingest webhook, or a `Livepeer-Transcode-Configuration`, orders; None: not said.

    `verification`: one segment in so many is compared, 0 none. `stream_id` and `session_id` are for whoever looks.
    `unserved`: names of further fields that were filled in; what they ask for is not done.
    """

    manifest_id: str | None = None
    profiles: tuple[VideoProfile, ...] | None = None
    verification: int | None = None
    timeout_multiplier: float | None = None
    stream_id: str | None = None
    session_id: str | None = None
    unserved: tuple[str, ...] = field(default=(), compare=False)


def decode_order(text: bytes, format_: VideoFormat = VideoFormat.MPEGTS) -> StreamOrder:
    """Read an order. Fields that this library does not serve are named in it.

    :param format_: the container of renditions, that of the segments pushed.
    :raises MalformedMessage: no JSON object, a field of another type, an impossible rendition, or too many.
    """
    try:
        values = bounded_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("stream order", "no JSON") from error
    if not isinstance(values, dict):
        raise MalformedMessage("stream order", "no JSON object")
    manifest = _typed(values, "manifestID", str)
    named = _typed(values, "presets", list) or []
    listed = _typed(values, "profiles", list) or []
    if len(named) + len(listed) > MAX_PROFILES:
        raise MalformedMessage("stream order", f"{len(named) + len(listed)} renditions, at most {MAX_PROFILES}")
    try:
        profiles = [preset(str(name)) for name in named]
        profiles += [_profile(each, format_) for each in listed]
    except InvalidInput as error:
        raise MalformedMessage("stream order", str(error)) from error
    if len({profile.name for profile in profiles}) != len(profiles):
        raise MalformedMessage("stream order", "two renditions of one name")
    return StreamOrder(
        manifest or None,
        tuple(profiles) or None,
        _verification(values.get("verificationFreq")),
        _multiplier(values.get("timeoutMultiplier")),
        _typed(values, "streamID", str) or None,
        _typed(values, "sessionID", str) or None,
        tuple(
            sorted(key[:_MAX_NAME_CHARS] for key, value in values.items() if value and key not in _READ)[:MAX_UNSERVED]
        ),
    )


def _verification(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_VERIFICATION:
        raise MalformedMessage("stream order", f"verificationFreq is no number up to {MAX_VERIFICATION}")
    return value


def _multiplier(value: object) -> float | None:
    """What time limits are multiplied by; 0 is what the network's software says for: as usual."""
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT_MULTIPLIER:
        raise MalformedMessage("stream order", f"timeoutMultiplier is no number up to {MAX_TIMEOUT_MULTIPLIER}")
    return float(value)


def _profile(values: object, format_: VideoFormat) -> VideoProfile:
    if not isinstance(values, dict):
        raise MalformedMessage("stream order", "a rendition that is no object")
    width, height, bitrate = (_integer(values, key) for key in ("width", "height", "bitrate"))
    codec_profile = str(values.get("profile") or "").lower()
    encoder = str(values.get("encoder") or "").lower().replace(".", "").replace("-", "")
    if codec_profile not in _CODEC_PROFILES or encoder not in _ENCODERS:
        raise MalformedMessage("stream order", "unknown codec profile or encoder")
    return VideoProfile(
        name=str(values.get("name") or f"webhook_{width}x{height}_{bitrate}"),
        width=width,
        height=height,
        bitrate=bitrate,
        fps=_integer(values, "fps", 0),
        fps_den=_integer(values, "fpsDen", 0) or 1,
        format=format_,
        profile=_CODEC_PROFILES[codec_profile],
        gop_ms=_gop_ms(values.get("gop")),
        encoder=_ENCODERS[encoder],
    )


def _gop_ms(value: object) -> int:
    """Seconds between keyframes as text, or `intra` for the source's own."""
    text = str(value or "")
    if not text:
        return 0
    if text == "intra":
        return _INTRA_GOP_MS
    try:
        milliseconds = round(float(text) * 1000)
    except (ValueError, OverflowError) as error:
        raise MalformedMessage("stream order", "gop is no number of seconds") from error
    if not 0 < milliseconds < 2**31:
        raise MalformedMessage("stream order", f"gop of {milliseconds} ms")
    return milliseconds


def _integer(values: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise MalformedMessage("stream order", f"{key} is no number of 31 bits")
    return value


def _typed(values: Mapping[str, Any], key: str, kind: type) -> Any:
    value = values.get(key)
    if value is not None and not isinstance(value, kind):
        raise MalformedMessage("stream order", f"{key} is no {kind.__name__}")
    return value
