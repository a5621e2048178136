"""Segments that are pushed to a gateway."""

from dataclasses import dataclass
from typing import Final

from livepeer_client.codec.messages import Slice, VideoFormat
from livepeer_client.codec.presets import StreamOrder

DEFAULT_DURATION_MS: Final = 2000


@dataclass(frozen=True, slots=True)
class Push:
    """One segment as it came. `order` is that of its own headers, which goes before the webhook's and the default; but
    how it is verified and how long it may take the webhook says first. `slice`: the part of it that is wanted."""

    url: str
    manifest_id: str
    seq: int
    format: VideoFormat
    data: bytes
    duration_ms: int = DEFAULT_DURATION_MS
    order: StreamOrder | None = None
    slice: Slice | None = None


@dataclass(frozen=True, slots=True)
class Unserved:
    """A push that came to nothing: HTTP status and text."""

    status: int
    reason: str
