"""Pipelines are values of the configuration, known to the network or not."""

from fractions import Fraction

import pytest

from livepeer_client.codec.capability import Capability, mismatch
from livepeer_client.codec.messages import ModelConstraint
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.pipelines import Pipeline, PipelineTable, Unit, capability_of, pipeline_job
from livepeer_client.policy.price_list import PriceList, Tariff
from livepeer_client.types import Address

GATEWAY = Address(b"\x11" * 20)
HOLOGRAM = Pipeline(91, "audio-to-hologram", "holo/v1", Tariff(Fraction(7, 3)), Unit.SECONDS, warm=True, capacity=2)
IMAGE = Pipeline(27, "text-to-image", "flux", Tariff(Fraction(1, 10**6)), capacity=0)


def test_capability_of__every_pipeline_of_the_network__has_its_id() -> None:
    assert capability_of("text-to-image") == 27
    assert capability_of("live-video-to-video") == Capability.LIVE_VIDEO_TO_VIDEO
    assert capability_of("byoc") == 37
    assert capability_of("audio-to-hologram") is None


def test_pipeline_table__by_name_and_model__finds_its_entries() -> None:
    table = PipelineTable([HOLOGRAM, IMAGE])
    assert table.find("audio-to-hologram", "holo/v1") is HOLOGRAM
    assert table.find("audio-to-hologram", "holo/v2") is None
    assert table.find("upscale", "holo/v1") is None
    assert table.models_of("text-to-image") == (IMAGE,)
    assert HOLOGRAM.app == "audio-to-hologram/holo/v1"


def test_served_here__an_entry_left_to_workers__is_not_advertised() -> None:
    here = PipelineTable([HOLOGRAM, IMAGE]).served_here
    assert here.bits == {91}
    assert here.capacities == {91: 2}
    assert here.constraints == {91: {"holo/v1": ModelConstraint(warm=True, capacity=2)}}


def test_pipeline_job__of_an_unheard_of_pipeline__fits_its_seller_and_is_priced() -> None:
    table = PipelineTable([HOLOGRAM])
    job = pipeline_job(91, "holo/v1", warm=True)
    assert mismatch(job, table.served_here) is None
    assert PriceList(Tariff(Fraction(1)), table.prices).price(GATEWAY, job) == Fraction(7, 3)
    other = mismatch(pipeline_job(91, "holo/v2"), table.served_here)
    assert str(other) == "model not offered: capability 91 (91): model holo/v2"


@pytest.mark.parametrize(
    "entries",
    [
        [HOLOGRAM, HOLOGRAM],
        [HOLOGRAM, Pipeline(91, "another-name", "m", Tariff(Fraction(1)))],
        [HOLOGRAM, Pipeline(92, "audio-to-hologram", "m", Tariff(Fraction(1)))],
    ],
    ids=["twice", "two names", "two ids"],
)
def test_pipeline_table__contradictions__are_refused(entries: list[Pipeline]) -> None:
    with pytest.raises(InvalidInput):
        PipelineTable(entries)


@pytest.mark.parametrize(
    ("capability", "name", "model", "price", "capacity"),
    [
        (0, "h264", "m", Fraction(1), 1),
        (91, "", "m", Fraction(1), 1),
        (91, "p", "", Fraction(1), 1),
        (91, "p", "m", Fraction(1, 2**61 - 1), 1),
        (91, "p", "m", Fraction(1), -1),
    ],
)
def test_pipeline__nonsense__is_refused(capability: int, name: str, model: str, price: Fraction, capacity: int) -> None:
    with pytest.raises(InvalidInput):
        Pipeline(capability, name, model, Tariff(price), capacity=capacity)
