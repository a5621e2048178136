"""A signer's list of orchestrators (offchain-network 1.5)."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability, with_capacities
from livepeer_client.codec.messages import Capabilities, ModelConstraint, OrchestratorInfo, PriceInfo
from livepeer_client.errors import ChainUnavailable, PeerRefused
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.services.directory import REFRESH_S, OrchestratorDirectory
from tests.support.market import Market

LIVE, IMAGE = int(Capability.LIVE_VIDEO_TO_VIDEO), int(Capability.TEXT_TO_IMAGE)


def offering(*models: tuple[int, str]) -> Capabilities:
    bits = DEFAULT_CAPABILITIES | {number for number, _ in models}
    constraints = {number: {model: ModelConstraint() for of, model in models if of == number} for number, _ in models}
    return Capabilities(frozenset(bits), capacities=with_capacities(bits), constraints=constraints)


async def directory(market: Market, ceilings: Ceilings | None = None) -> OrchestratorDirectory:
    found = OrchestratorDirectory(market.discovery(), market.clock, ceilings or Ceilings())
    task = asyncio.create_task(found.refresh())
    await market.clock.advance(10)
    await task
    return found


def addresses(entries: Sequence[dict[str, object]]) -> list[object]:
    return sorted(str(entry["address"]) for entry in entries)


async def test_entries__of_a_pool__are_filtered_by_any_of_the_names_asked_for() -> None:
    market = await Market("ada", "bob").open()
    market["ada"].capabilities = offering((LIVE, "noop"), (IMAGE, "flux"))
    market["bob"].capabilities = offering((IMAGE, "flux"))
    found = await directory(market)
    assert addresses(await found.entries([])) == [market["ada"].uri, market["bob"].uri]
    (entry,) = await found.entries(["live-video-to-video/noop", "llm/none"])
    assert entry == {"address": market["ada"].uri, "score": 1, "capabilities": ["live-video-to-video/noop"]}
    assert await found.entries(["llm/none"]) == []


async def test_entries__above_a_ceiling__are_left_out_by_model_else_by_the_general_one() -> None:
    market = await Market("ada", "bob").open()
    for name, price in (("ada", 5), ("bob", 50)):
        seller = market[name]
        seller.capabilities, seller.price = offering((LIVE, "noop")), PriceInfo(price, 1)
    by_model = await directory(market, Ceilings(None, {(LIVE, "noop"): Fraction(5)}))
    assert addresses(await by_model.entries(["live-video-to-video/noop"])) == [market["ada"].uri]
    general = await directory(market, Ceilings(Fraction(49)))
    assert addresses(await general.entries([])) == [market["ada"].uri]
    general.set_ceilings(Ceilings(Fraction(50)))
    assert addresses(await general.entries([])) == [market["ada"].uri, market["bob"].uri]


async def test_entries__with_prices_of_their_own__go_by_those() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    ada.capabilities = offering((LIVE, "noop"))
    plain = ada.info

    def info() -> OrchestratorInfo:
        return replace(plain(), capabilities_prices=(PriceInfo(900, 1, LIVE, "noop"),))

    ada.info = info  # type: ignore[method-assign]
    found = await directory(market, Ceilings(Fraction(100)))
    assert await found.entries(["live-video-to-video/noop"]) == []


async def test_run__a_chain_that_fails__keeps_the_list_and_looks_again_later() -> None:
    market = await Market("ada").open()
    found = OrchestratorDirectory(market.discovery(), market.clock, Ceilings())
    task = asyncio.create_task(found.run())
    await market.clock.advance(10)
    assert len(await found.entries([])) == 1
    market.chain.failure = ChainUnavailable("no node")
    await market.clock.advance(REFRESH_S)
    assert len(await found.entries([])) == 1
    assert not task.done()
    task.cancel()


async def test_entries__runners_that_orchestrators_list__are_joined_as_far_as_they_make_sense() -> None:
    market = await Market("ada", "bob").open()
    good = {
        "url": "https://a/apps/1/app",
        "app": "echo",
        "price_info": {"price": 9, "currency": "wei", "unit": "seconds"},
    }
    bad: list[object] = [
        7,
        {**good, "url": ""},
        {**good, "url": "https://a/2", "metadata": "x" * 1025},
        {**good, "url": "https://a/3", "price_info": {"price": 0, "currency": "wei", "unit": "seconds"}},
        {**good, "url": "https://a/4", "price_info": {"price": 1, "currency": "usd", "unit": "seconds"}},
        {**good, "url": "https://a/5", "price_info": {"price": 1, "currency": "wei", "unit": "year"}},
        {**good, "url": "https://a/6", "price_info": {"price": 9, "currency": "wei", "unit": "720p-pixel-seconds"}},
        {**good, "app": "twice"},
    ]
    answers = {market["ada"].uri: json.dumps([{"runners": [good, *bad]}, 3]).encode()}

    async def lists(uri: str) -> bytes:
        if uri not in answers:
            raise PeerRefused(uri, 404, "no list of runners")
        return answers[uri]

    found = OrchestratorDirectory(market.discovery(), market.clock, Ceilings(Fraction(8)), runners=lists)

    async def refresh() -> dict[object, object]:
        task = asyncio.create_task(found.refresh())
        await market.clock.advance(10)
        await task
        return {entry["address"]: entry.get("runners") for entry in await found.entries([])}

    expected = {market["ada"].uri: [good], market["bob"].uri: None}
    assert await refresh() == expected
    # What cannot be read is kept as it was.
    answers[market["ada"].uri] = b"{}"
    assert await refresh() == expected
