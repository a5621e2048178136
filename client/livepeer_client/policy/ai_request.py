"""What a batch AI request says: its fields, its file, and for how many units it is paid (offchain-network 4.8).

Pipelines that the network has not named work by the same rules: JSON without a file, multipart with one, and a unit
that the configuration gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from livepeer_client.codec.capability import Capability
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.ai_units import AiJob, billed_units
from livepeer_client.policy.pipelines import Unit

FILE_FIELDS: Final[Mapping[str, str]] = {
    "image-to-image": "image",
    "image-to-video": "image",
    "upscale": "image",
    "audio-to-text": "audio",
    "segment-anything-2": "image",
    "image-to-text": "image",
}
"""Pipelines whose request is multipart with a file, and the field that holds it."""
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "text-to-image": ("prompt",),
    "image-to-image": ("prompt",),
    "upscale": ("prompt",),
    "llm": ("messages", "max_tokens"),
    "text-to-speech": ("text",),
}
DEFAULT_MAX_TOKENS: Final = 256
"""What a gateway asks for if its caller says nothing; an orchestrator refuses a request without."""
MAX_SIDE: Final = 16_384
MAX_IMAGES: Final = 100
MAX_TOKENS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FileSize:
    """What a request's file measures: pixels of an image, milliseconds of sound or video."""

    width: int = 0
    height: int = 0
    duration_ms: int = 0


def check_fields(pipeline: str, fields: Mapping[str, Any], *, has_file: bool) -> None:
    """:raises InvalidInput: a field or the file is missing."""
    missing = [name for name in REQUIRED.get(pipeline, ()) if fields.get(name) in (None, "", [])]
    if pipeline in FILE_FIELDS and not has_file:
        missing.append(FILE_FIELDS[pipeline])
    if missing:
        raise InvalidInput(f"{pipeline}: missing {', '.join(missing)}")


def units_of(
    pipeline: str, capability: int, unit: Unit, fields: Mapping[str, Any], size: FileSize | None = None
) -> int:
    """Units that a request is paid by. Numbers may be text, as multipart has them.

    :raises InvalidInput: a field that is no such number, or what decides the price is not there.
    """
    size = size or FileSize()
    if unit is Unit.FIXED:
        return 1
    job = _job(pipeline, fields, size)
    if unit is Unit.SECONDS:
        return -(-_needed(size.duration_ms, "a duration") // 1000)
    if unit is Unit.UNITS and capability in list(Capability):
        return billed_units(Capability(capability), job)
    width, height = job.width or size.width, job.height or size.height
    return _needed(width * height, "a size") * job.images


def _job(pipeline: str, fields: Mapping[str, Any], size: FileSize) -> AiJob:
    works_on_input = pipeline in FILE_FIELDS and pipeline != "image-to-video"
    text = fields.get("text")
    return AiJob(
        width=size.width if works_on_input else _number(fields, "width", 0, MAX_SIDE),
        height=size.height if works_on_input else _number(fields, "height", 0, MAX_SIDE),
        images=max(1, _number(fields, "num_images_per_prompt", 1, MAX_IMAGES)),
        audio_ms=-(-size.duration_ms // 1000) * 1000,
        max_tokens=_number(fields, "max_tokens", 0, MAX_TOKENS),
        characters=len(text) if isinstance(text, str) else 0,
    )


def _number(fields: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = fields.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidInput(f"{name}: expected an integer in [0, {most}], found {str(value)[:40]!r}")
    return value


def _needed(value: int, what: str) -> int:
    if value < 1:
        raise InvalidInput(f"{what} decides what the job costs, and there is none")
    return value
