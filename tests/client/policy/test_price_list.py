"""Prices by job and sender, and a gateway's ceilings (offchain-payments 7)."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.capability import Capability, with_capacities
from livepeer_client.codec.messages import Capabilities, ModelConstraint, PriceInfo
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.price_list import DEFAULT_MODEL, Ceilings, PriceList, Tariff, byoc_model
from livepeer_client.types import Address
from tests.support.payments import GATEWAY, ORCHESTRATOR

IMAGE, UPSCALE = int(Capability.TEXT_TO_IMAGE), int(Capability.UPSCALE)
FRIEND = Address(b"\x0f" * 20)
LIST = PriceList(
    base=Tariff(Fraction(1_000), {FRIEND: Fraction(900)}),
    models={
        (IMAGE, "flux"): Tariff(Fraction(7), {FRIEND: Fraction(5)}),
        (UPSCALE, "esrgan"): Tariff(Fraction(1, 3)),
        (UPSCALE, "private"): Tariff(None, {FRIEND: Fraction(2)}),
        byoc_model("resize"): Tariff(Fraction(0)),
    },
)


def job(*models: tuple[int, str], counted: bool = True) -> Capabilities:
    constraints: dict[int, dict[str, ModelConstraint]] = {}
    for number, model in models:
        constraints.setdefault(number, {})[model] = ModelConstraint()
    bits = frozenset(constraints)
    return Capabilities(bits=bits, capacities=with_capacities(bits) if counted else {}, constraints=constraints)


@pytest.mark.parametrize("asked", [None, Capabilities(), job((IMAGE, "unknown")), job((IMAGE, "flux"), counted=False)])
def test_price__no_model_with_a_price_named__is_the_base_price(asked: Capabilities | None) -> None:
    assert LIST.price(GATEWAY, asked) == 1_000
    assert LIST.price(FRIEND, asked) == 900


def test_price__several_models__is_their_sum() -> None:
    asked = job((IMAGE, "flux"), (UPSCALE, "esrgan"), (UPSCALE, "private"))
    assert LIST.price(GATEWAY, asked) == Fraction(22, 3)
    assert LIST.price(FRIEND, asked) == Fraction(22, 3)


def test_price__nobody_else_served__is_nothing_for_a_stranger() -> None:
    assert PriceList(Tariff(None, {FRIEND: Fraction(3)})).price(GATEWAY) == 0


def test_advertised__prices_below_a_wei__are_scaled_and_free_ones_shown() -> None:
    assert LIST.advertised(GATEWAY) == (
        PriceInfo(7, 1, IMAGE, "flux"),
        PriceInfo(1, 3, UPSCALE, "esrgan"),
        PriceInfo(0, 1, Capability.BYOC, "resize"),
    )
    assert PriceInfo(2, 1, UPSCALE, "private") in LIST.advertised(FRIEND)


def test_tariff__negative__is_refused() -> None:
    with pytest.raises(InvalidInput):
        Tariff(Fraction(1), {ORCHESTRATOR: Fraction(-1)})


CEILINGS = Ceilings(Fraction(50), {(IMAGE, "flux"): Fraction(9), (UPSCALE, "esrgan"): Fraction(2)})


def test_for_job__models_with_ceilings__is_their_sum() -> None:
    assert CEILINGS.for_job(job((IMAGE, "flux"), (UPSCALE, "esrgan"))) == 11


def test_for_job__a_capabilitys_default__stands_for_models_without_one_of_their_own() -> None:
    ceilings = replace(CEILINGS, models={**CEILINGS.models, (IMAGE, DEFAULT_MODEL): Fraction(100)})
    assert ceilings.for_job(job((IMAGE, "flux"), (IMAGE, "another"))) == CEILINGS.models[IMAGE, "flux"] + 100


def test_for_job__ceilings_that_sum_to_nothing__fall_back_to_the_general_one() -> None:
    assert Ceilings(Fraction(50), {(IMAGE, "flux"): Fraction(0)}).for_job(job((IMAGE, "flux"))) == 50


@pytest.mark.parametrize("asked", [None, job((IMAGE, "flux"), (UPSCALE, "other"))])
def test_for_job__a_model_without_a_ceiling__falls_back_to_the_general_one(asked: Capabilities | None) -> None:
    assert CEILINGS.for_job(asked) == 50
    assert replace(CEILINGS, general=None).for_job(asked) is None
