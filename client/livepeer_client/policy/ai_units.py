"""What a batch AI job is billed for: units of output or input, before it runs (offchain-payments 8).

A fee is units times the model's price. Sizes in pixels, `images` how many are asked for.
"""

from dataclasses import dataclass
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.errors import InvalidInput

IMAGE_SIDE: Final = 512
"""Of an image whose size nobody gave."""
VIDEO_WIDTH: Final = 1024
VIDEO_HEIGHT: Final = 576
VIDEO_FRAMES: Final = 25
SPEECH_UNITS_PER_CHARACTER: Final = 1000


@dataclass(frozen=True, slots=True)
class AiJob:
    """What a request says of its size; 0 is not given. `width` and `height` are the output's where the job makes an
    image or video from something else, and the input's where it works on an image."""

    width: int = 0
    height: int = 0
    images: int = 1
    audio_ms: int = 0
    max_tokens: int = 0
    characters: int = 0

    def __post_init__(self) -> None:
        sizes = (self.width, self.height, self.audio_ms, self.max_tokens, self.characters)
        if min(sizes) < 0 or self.images < 1:
            raise InvalidInput(f"a job of such a size: {self}")


def billed_units(pipeline: Capability, job: AiJob) -> int:
    """Units of a job.

    :raises InvalidInput: a pipeline that is not billed by its request, or an image of unknown size where that counts.
    """
    match pipeline:
        case Capability.TEXT_TO_IMAGE:
            return (job.width or IMAGE_SIDE) * (job.height or IMAGE_SIDE) * job.images
        case Capability.IMAGE_TO_VIDEO:
            return (job.width or VIDEO_WIDTH) * (job.height or VIDEO_HEIGHT) * VIDEO_FRAMES
        case Capability.IMAGE_TO_IMAGE:
            return _area(job) * job.images
        case Capability.UPSCALE | Capability.SEGMENT_ANYTHING_2 | Capability.IMAGE_TO_TEXT:
            return _area(job)
        case Capability.AUDIO_TO_TEXT:
            return job.audio_ms
        case Capability.LLM:
            return job.max_tokens
        case Capability.TEXT_TO_SPEECH:
            return SPEECH_UNITS_PER_CHARACTER * job.characters
        case _:
            raise InvalidInput(f"{pipeline.label} is not billed by its request")


def _area(job: AiJob) -> int:
    if not job.width or not job.height:
        raise InvalidInput("the size of the image decides what it costs")
    return job.width * job.height
