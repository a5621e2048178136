"""A stream looks for others beside its segments, keeps its standby, and comes back to those who asked for time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.gateway_api import Role
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import (
    Bug,
    ChainUnavailable,
    NoOrchestrator,
    PeerRefused,
    PeerUnreachable,
    StoreUnavailable,
)
from livepeer_client.policy.workloads import Hold
from livepeer_client.services.choosing import AGAIN_S
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, StreamSession, Swapped
from tests.support.market import PROFILES, Market, send

KEEN = DispatchRules(explore=0, report_ttl_s=10)


class Source:
    """The market's pool, unless told to fail."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.fails: BaseException | None = None
        self.asked = 0

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return list(self._market.chain.pool)


def sourced(market: Market, rules: DispatchRules = KEEN) -> tuple[Dispatcher, Source, StreamSession]:
    dispatcher, source = market.dispatcher(rules), Source(market)
    dispatcher.discovery._source = source
    return dispatcher, source, dispatcher.stream(PROFILES, "manifest", market.events.append)


async def settled(dispatcher: Dispatcher) -> None:
    """All that runs beside the segments is done."""
    async with asyncio.timeout(60):
        while dispatcher._background:
            await asyncio.wait(set(dispatcher._background))


def standby(dispatcher: Dispatcher) -> list[str]:
    """Who stands by."""
    found = [one for one in dispatcher.known() if any(use.role is Role.STANDBY for use in one.uses)]
    return [one.uri.removeprefix("https://").split(".")[0] for one in found]


# --- the standby ----------------------------------------------------------------------------------


async def test_look_ahead__standby_is_good__is_kept_whatever_the_lots_say() -> None:
    market = await Market("ada", "bob", "cyd", "dan").open()
    dispatcher, _, stream = sourced(market)
    seen = set()
    for seq in range(10):
        await send(stream, seq)
        market.draw = (seq + 1) / 10
        seen.add(tuple(standby(dispatcher)))
    assert seen == {("bob",)}
    await stream.close()


async def test_look_ahead__standby_is_suspended_by_another_stream__is_replaced() -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher, _, stream = sourced(market)
    await send(stream, 0)
    assert standby(dispatcher) == ["bob"]
    other = dispatcher.stream(PROFILES, "other", market.events.append)
    market["bob"].fail = PeerUnreachable(market["bob"].uri, "reset")
    market.draw = 0.6
    assert await send(other, 0) == ["ada"]
    assert dispatcher.is_suspended(market["bob"].signer.address)
    await other.close()
    await send(stream, 1)
    assert standby(dispatcher) == ["cyd"]
    await stream.close()


async def test_look_ahead__standby_is_blocked_or_too_dear_by_new_rules__is_replaced() -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher, _, stream = sourced(market)
    await send(stream, 0)
    dispatcher.rules = replace(KEEN, blocked={market["bob"].signer.address})
    await send(stream, 1)
    assert standby(dispatcher) == ["cyd"]
    dispatcher.rules = replace(KEEN, ceiling=Fraction(1, 10**6))
    await send(stream, 2)
    assert standby(dispatcher) == []
    await stream.close()


@pytest.mark.parametrize("ours", [ChainUnavailable("no node"), StoreUnavailable("no disk"), OSError("no file")])
async def test_look_ahead__standby_not_renewed_for_a_fault_of_ours__stays_the_standby(ours: Exception) -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher, _, stream = sourced(market)
    await send(stream, 0)
    chooser = stream._chooser
    renew, chooser._payer = chooser._payer, _Failing(ours)  # type: ignore[assignment]
    chooser.look_ahead()
    await settled(dispatcher)
    assert standby(dispatcher) == ["bob"]
    chooser._payer = renew
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 1) == ["bob"]
    await stream.close()


class _Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def renew_if_due(self, *_: object) -> None:
        raise self._error


# --- looking for others ---------------------------------------------------------------------------

AWAY = [ChainUnavailable("no node"), PeerRefused("list.example", 500, "away"), OSError("no socket")]


async def short_of_sessions(market: Market) -> tuple[Dispatcher, Source, StreamSession]:
    """A stream with one of three, at a time when it looks for more."""
    for name in ("bob", "cyd"):
        del market.probe.answers[market[name].uri]
    dispatcher, source, stream = sourced(market)
    assert await send(stream, 0) == ["ada"]
    await market.clock.advance(KEEN.report_ttl_s + 1)
    return dispatcher, source, stream


@pytest.mark.parametrize("fault", AWAY, ids=lambda fault: type(fault).__name__)
async def test_look_ahead__source_is_away__the_stream_goes_on_and_looks_again_later(fault: Exception) -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher, source, stream = await short_of_sessions(market)
    source.fails = fault
    for seq in (1, 2, 3):
        assert await send(stream, seq) == ["ada"]
        await settled(dispatcher)
    # Once, not with every segment.
    assert source.asked == 2
    source.fails = None
    market.probe.answers[market["bob"].uri] = market["bob"].on_info
    await market.clock.advance(AGAIN_S)
    await send(stream, 4)
    await settled(dispatcher)
    await send(stream, 5)
    assert standby(dispatcher) == ["bob"]
    await stream.close()


@pytest.mark.parametrize("bug", [ZeroDivisionError("ours"), Bug("ours")], ids=lambda bug: type(bug).__name__)
async def test_look_ahead__a_bug_in_a_source__is_raised_by_the_next_segment_and_not_overlooked(
    caplog: pytest.LogCaptureFixture, bug: Exception
) -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher, source, stream = await short_of_sessions(market)
    source.fails = bug
    assert await send(stream, 1) == ["ada"]
    await settled(dispatcher)
    source.fails = None
    with pytest.raises(type(bug)):
        await send(stream, 2)
    assert type(bug).__name__ in caplog.text
    # Told once; the stream is none the worse for it.
    assert await send(stream, 3) == ["ada"]
    await settled(dispatcher)
    assert source.asked == 3
    await stream.close()


@pytest.mark.parametrize("fault", AWAY, ids=lambda fault: type(fault).__name__)
async def test_engaged__source_is_away_when_another_is_needed__those_known_will_do(fault: Exception) -> None:
    market = await Market("ada", "bob").open()
    _, source, stream = sourced(market, replace(KEEN, warm_standby=False))
    await send(stream, 0)
    await market.clock.advance(KEEN.report_ttl_s + 1)
    source.fails = fault
    market["ada"].fail = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 1) == ["bob"]
    assert source.asked == 2


@pytest.mark.parametrize("fault", AWAY, ids=lambda fault: type(fault).__name__)
async def test_engaged__source_is_away_and_nobody_known__says_why(fault: Exception) -> None:
    market = await Market("ada").open()
    _, source, stream = sourced(market)
    source.fails = fault
    with pytest.raises(type(fault)):
        await send(stream, 0)


async def test_look_ahead__trusted_pool__counts_only_the_eight_that_are_asked_for() -> None:
    names = [f"o{number}" for number in range(12)]
    market = await Market(*names).open()
    market.chain.pool[:] = [replace(member, score=1.0) for member in market.chain.pool]
    for name in names[4:]:
        market.probe.answers[market[name].uri] = PeerUnreachable(market[name].uri, "down")
    dispatcher, source, stream = sourced(market)
    await send(stream, 0)
    await market.clock.advance(KEEN.report_ttl_s + 1)
    # Four of eight are half; of twelve they would be less.
    await send(stream, 1)
    await settled(dispatcher)
    assert source.asked == 1
    dispatcher.rules = replace(KEEN, blocked=())
    dispatcher.suspend(market["o3"].signer.address, PeerUnreachable("o3", "elsewhere"), Hold.WHILE)
    await send(stream, 2)
    await settled(dispatcher)
    assert source.asked == 2
    await stream.close()


# --- Retry-After ----------------------------------------------------------------------------------


async def test_submit__refused_with_a_time_to_come_back__is_left_alone_until_then_with_the_cause() -> None:
    market = await Market("ada").open()
    dispatcher = market.dispatcher(replace(KEEN, warm_standby=False))
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    ada = market["ada"]
    ada.fail = PeerRefused(ada.uri, 503, "no room", 120)
    with pytest.raises(NoOrchestrator):
        await send(stream, 0)
    held = dispatcher.suspensions[ada.signer.address]
    assert (held.until_s - market.clock.monotonic(), held.asked, "no room" in held.cause) == (120, True, True)
    ada.fail = None
    # Not even where nobody else is left.
    await market.clock.advance(119)
    with pytest.raises(NoOrchestrator) as nobody:
        await send(stream, 1)
    assert "no room" in nobody.value.rejections[ada.uri]
    assert len(ada.received) == 1
    await market.clock.advance(1)
    assert await send(stream, 2) == ["ada"]


@pytest.mark.parametrize(("wanted_s", "out_s"), [(1.0, 30.0), (31.0, 31.0), (10.0**60, 300.0), (0.0, 30.0)])
async def test_submit__time_to_come_back__is_no_shorter_than_for_the_failure_and_bounded(
    wanted_s: float, out_s: float
) -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(KEEN)
    market["ada"].fail = PeerRefused(market["ada"].uri, 503, "overloaded", wanted_s)
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    assert await send(stream, 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert dispatcher.suspensions[swap.orchestrator].until_s - market.clock.monotonic() == out_s
    await stream.close()


async def test_submit__liar_with_a_time_to_come_back__stays_barred() -> None:
    market = await Market("ada").open()
    dispatcher = market.dispatcher(KEEN)
    address = market["ada"].signer.address
    dispatcher.suspend(address, PeerUnreachable("ada", "lied"), Hold.BAR)
    dispatcher.suspend(address, PeerRefused("ada", 503, "no room", 1.0), Hold.WHILE)
    assert dispatcher.suspensions[address].until_s - market.clock.monotonic() == KEEN.bar_s
