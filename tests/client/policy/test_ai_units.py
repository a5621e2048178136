"""Units of batch AI jobs (offchain-payments 8)."""

import pytest

from livepeer_client.codec.capability import Capability
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.ai_units import AiJob, billed_units


@pytest.mark.parametrize(
    ("pipeline", "job", "units"),
    [
        (Capability.TEXT_TO_IMAGE, AiJob(), 512 * 512),
        (Capability.TEXT_TO_IMAGE, AiJob(width=1024, height=768, images=3), 1024 * 768 * 3),
        (Capability.IMAGE_TO_VIDEO, AiJob(), 576 * 1024 * 25),
        (Capability.IMAGE_TO_VIDEO, AiJob(width=256, height=256), 256 * 256 * 25),
        (Capability.IMAGE_TO_IMAGE, AiJob(width=640, height=480, images=2), 640 * 480 * 2),
        (Capability.UPSCALE, AiJob(width=640, height=480, images=2), 640 * 480),
        (Capability.SEGMENT_ANYTHING_2, AiJob(width=10, height=20), 200),
        (Capability.IMAGE_TO_TEXT, AiJob(width=10, height=20), 200),
        (Capability.AUDIO_TO_TEXT, AiJob(audio_ms=61_500), 61_500),
        (Capability.LLM, AiJob(max_tokens=256), 256),
        (Capability.TEXT_TO_SPEECH, AiJob(characters=12), 12_000),
    ],
)
def test_billed_units__each_pipeline__is_counted_by_its_own_measure(
    pipeline: Capability, job: AiJob, units: int
) -> None:
    assert billed_units(pipeline, job) == units


@pytest.mark.parametrize("pipeline", [Capability.UPSCALE, Capability.LIVE_VIDEO_TO_VIDEO])
def test_billed_units__size_unknown_or_billed_otherwise__is_refused(pipeline: Capability) -> None:
    with pytest.raises(InvalidInput):
        billed_units(pipeline, AiJob())


@pytest.mark.parametrize("size", [{"width": -1}, {"images": 0}, {"audio_ms": -5}])
def test_ai_job__of_impossible_size__is_refused(size: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        AiJob(**size)
