"""What each vector about prices and fees claims, asserted against the library."""

from fractions import Fraction
from typing import Final

import pytest

from livepeer_client.codec.messages import PriceInfo, VideoProfile
from livepeer_client.errors import InvalidInput, ParamsRejected
from livepeer_client.policy import price as prices
from tests.support.vectors import Check, Entry, Excluded, Pending


def check_estimate_fee(entry: Entry) -> None:
    if entry.get("error"):
        with pytest.raises(InvalidInput):
            VideoProfile("invalid resolution", 0, 0, 0)
        return
    profiles = [
        VideoProfile(f"{width}x{height}", width, height, 0, fps, fps_den or 1)
        for width, height, fps, fps_den in entry["profiles_w_h_fps_fpsden"]
    ]
    duration = Fraction(str(entry["durationSeconds"]))
    assert prices.estimate_pixels(profiles, duration) == entry["outPixels"]
    if "fee" in entry:
        price = Fraction(entry["price"])
        fee = entry["outPixels"] * Fraction(entry["multiplierExact"]) * price
        assert prices.estimate_fee(profiles, duration, price) == fee


def _price_info(text: str | None) -> PriceInfo | None:
    if text is None:
        return None
    numerator, _, denominator = text.partition("/")
    return PriceInfo(int(numerator), int(denominator or 1))


def check_validate_price(entry: Entry) -> None:
    offered = _price_info(entry["orchPrice"])
    initial = Fraction(entry["initialPrice"]) if entry["initialPrice"] else None
    if entry["error"] is None:
        assert prices.check_price(offered, initial) == Fraction(entry["orchPrice"])
        return
    with pytest.raises(ParamsRejected) as rejection:
        prices.check_price(offered, initial)
    assert entry["error"].removeprefix("Orchestrator ").partition(",")[0] in rejection.value.reason


def check_price_info_auto_adjust(entry: Entry) -> None:
    base = Fraction(entry["basePrice"])
    price = prices.with_overhead(base, Fraction(entry["txCostMultiplier"])) if entry.get("autoAdjust", True) else base
    assert prices.price_to_info(price) == PriceInfo(_int_of(entry, "pricePerUnit"), _int_of(entry, "pixelsPerUnit"))
    if "unrounded" in entry:
        multiplier = Fraction(int(entry["faceValue"]), int(entry["txCost"]))
        assert multiplier == Fraction(entry["txCostMultiplier"])
        assert base * (1 + 1 / multiplier) == Fraction(entry["unrounded"])


def _int_of(entry: Entry, key: str) -> int:
    return int(entry[key])


def check_rat_price_info(entry: Entry) -> None:
    info = _price_info(entry["priceInfo"])
    if entry.get("error"):
        with pytest.raises(InvalidInput) as refusal:
            prices.info_to_price(info)
        assert str(refusal.value) == entry["error"]
    else:
        expected = None if entry["rat"] is None else Fraction(entry["rat"])
        assert prices.info_to_price(info) == expected


CHECKS: dict[str, Check] = {
    "estimate_fee": check_estimate_fee,
    "validate_price": check_validate_price,
    "price_info_auto_adjust": check_price_info_auto_adjust,
    "rat_price_info": check_rat_price_info,
}

EXCLUDED: Excluded = {("estimate_fee", "#0"): "without a price no estimate is asked"}

_FEED: Final = "price feed and fiat prices"

PENDING: Pending = {
    "price_to_fixed": "fixed-point column of the reference's cache; prices are exact here",
    "base_token_to_fixed": "fixed-point column of the reference's cache; stake is exact here",
    "capability_prices": _FEED,
    "auto_converted_price": _FEED,
    "price_feed_data": _FEED,
    "price_feed_description": _FEED,
    "base_amounts": "command line amounts",
    "perc": "percentages of the reference's command line",
}
