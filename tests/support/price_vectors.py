"""What each vector about prices and fees claims, asserted against the library."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from livepeer_client.codec import amounts
from livepeer_client.codec.address import parse_address
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import PriceInfo, VideoProfile
from livepeer_client.errors import InvalidInput, ParamsRejected
from livepeer_client.facts import FeedReading
from livepeer_client.policy import fiat
from livepeer_client.policy import price as prices
from livepeer_client.policy.price_list import Model, PriceList, Tariff, byoc_model
from livepeer_client.types import MAX_UINT256
from tests.support.payments import GATEWAY
from tests.support.vectors import Check, Entry, Excluded


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


# --- price list -----------------------------------------------------------------------------------


def check_price_to_fixed(entry: Entry) -> None:
    assert prices.thousandths(Fraction(entry["price"])) == entry["fixed"]


def _models(table: Mapping[str, str]) -> dict[Model, Fraction]:
    pipelines = {capability.pipeline: capability for capability in Capability}
    keyed = {tuple(name.split("/")): Fraction(price) for name, price in table.items()}
    return {(pipelines[pipeline], model): price for (pipeline, model), price in keyed.items()}


def check_capability_prices(entry: Entry) -> None:
    if "byoc" in entry:
        byoc = entry["byoc"]
        assert (Capability.BYOC, Capability.BYOC.label) == (byoc["capabilityNumber"], byoc["name"])
        free = PriceList(Tariff(Fraction(1)), {byoc_model("resize"): Tariff(Fraction(0))})
        offered = [(info.capability, info.constraint, info.price_per_unit) for info in free.advertised(GATEWAY)]
        assert offered == ([(Capability.BYOC, "resize", 0)] if byoc["zeroPriceIncluded"] else [])
        # One that is negative cannot even be listed.
        assert byoc["negativePriceSkipped"]
        with pytest.raises(InvalidInput):
            Tariff(Fraction(-1))
        return
    default = _models(entry["default"])
    by_sender = {parse_address(sender): _models(table) for sender, table in entry["perSender"].items()}
    models = {
        model: Tariff(
            default.get(model), {sender: table[model] for sender, table in by_sender.items() if model in table}
        )
        for model in [*default, *(model for table in by_sender.values() for model in table)]
    }
    price_list = PriceList(Tariff(Fraction(0)), models)
    for sender, table in entry["quotes"].items():
        shown = price_list.advertised(parse_address(sender))
        assert {(info.capability, info.constraint): info.wei_per_pixel for info in shown} == _models(table)


# --- other currencies -----------------------------------------------------------------------------


def check_auto_converted_price(entry: Entry) -> None:
    def feed(price: str) -> fiat.FeedPrice:
        return fiat.FeedPrice(fiat.parse_pair(entry.get("feed", "ETH/USD")), Fraction(price), 0)

    if "multiplierFor" in entry:
        pair = {"base ETH": "ETH/USD", "base USD": "USD/ETH"}[entry["multiplierFor"]]
        found = fiat.FeedPrice(fiat.parse_pair(pair), Fraction(entry["feedPrice"]), 0)
        assert fiat.wei_per("USD", found) == Fraction(entry["weiPerUnit"])
        return
    amount = fiat.Amount(Fraction(entry.get("basePrice", 1)), entry["currency"])
    if entry.get("error"):
        with pytest.raises(InvalidInput, match="as a currency"):
            fiat.to_wei(amount, feed("1"))
        return
    assert fiat.to_wei(amount, feed(entry.get("feedPrice", "1"))) == Fraction(entry["priceWei"])
    if "afterUpdateFeedPrice" in entry:
        assert fiat.to_wei(amount, feed(entry["afterUpdateFeedPrice"])) == Fraction(entry["afterUpdatePriceWei"])


def check_price_feed_data(entry: Entry) -> None:
    reading = FeedReading("ETH / USD", entry["decimals"], int(entry["answer"]), entry["updatedAt"])
    found = fiat.feed_price(reading)
    assert found.price == Fraction(entry["price"])
    assert datetime.fromtimestamp(found.updated_at, UTC) == datetime.fromisoformat(entry["updatedAtUtc"])


def check_price_feed_description(entry: Entry) -> None:
    if entry["error"]:
        with pytest.raises(InvalidInput) as refusal:
            fiat.parse_pair(entry["description"])
        assert str(refusal.value) == entry["error"]
    else:
        assert fiat.parse_pair(entry["description"]) == fiat.Pair(entry["base"], entry["quote"])


# --- amounts --------------------------------------------------------------------------------------


def check_base_amounts(entry: Entry) -> None:
    decimals = entry.get("decimals", {"gwei": amounts.GWEI_DECIMALS, "ether": 18}.get(entry.get("unit", ""), 18))
    if entry.get("error"):
        with pytest.raises(InvalidInput) as refusal:
            amounts.parse_units(entry["text"], decimals)
        assert str(refusal.value) == entry["error"]
        return
    assert amounts.parse_units(entry["text"], decimals) == int(entry["wei"])
    assert amounts.format_units(int(entry["wei"]), decimals) == entry["text"]


def check_perc(entry: Entry) -> None:
    if "value" in entry:
        assert amounts.parse_percent(entry["percent"]) == int(entry["value"])
    else:
        found = amounts.parse_percent(entry["percent"], MAX_UINT256)
        assert abs(found - int(entry["uint256WithinEpsilon"])) <= entry["epsilon"]


CHECKS: dict[str, Check] = {
    "estimate_fee": check_estimate_fee,
    "validate_price": check_validate_price,
    "price_info_auto_adjust": check_price_info_auto_adjust,
    "rat_price_info": check_rat_price_info,
    "price_to_fixed": check_price_to_fixed,
    "capability_prices": check_capability_prices,
    "auto_converted_price": check_auto_converted_price,
    "price_feed_data": check_price_feed_data,
    "price_feed_description": check_price_feed_description,
    "base_amounts": check_base_amounts,
    "perc": check_perc,
}

EXCLUDED: Excluded = {
    ("estimate_fee", "#0"): "without a price no estimate is asked",
    ("price_to_fixed", "#4"): "no price is not a price here: the types keep them apart",
    **{
        ("base_token_to_fixed", f"#{number}"): "a column of the reference's cache; stake stays an exact integer here"
        for number in range(8)
    },
}
