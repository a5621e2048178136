"""Opening rounds, alone and in a race."""

import asyncio
from collections.abc import Sequence

import pytest

from livepeer_client.adapters.fakes import FakeCall, FakeChain, FakeTransactor, ManualClock
from livepeer_client.errors import ChainUnavailable, Reverted
from livepeer_client.facts import Log
from livepeer_client.services.rounds import RoundsService
from livepeer_client.types import Address

ME = Address(b"\x01" * 20)
REASON = "round already initialized"


class Scene:
    def __init__(self, delay_s: float = 0.0) -> None:
        self.chain = FakeChain()
        self.clock = ManualClock()
        self.transactor = FakeTransactor(ME, self.chain, self._initialize)
        self.service = RoundsService(self.chain, self.transactor, self.clock, lambda: delay_s, poll_interval_s=5)

    def _initialize(self, call: FakeCall) -> Sequence[Log]:
        assert (call.contract, call.function, call.args) == ("RoundsManager", "initializeRound", ())
        self.chain.initialize_round()
        return ()


async def stepped(scene: Scene, *, wait_s: float = 0.0) -> object:
    task = asyncio.create_task(scene.service.step())
    await scene.clock.advance(wait_s)
    return await task


async def test_step__in_an_open_round__does_nothing() -> None:
    scene = Scene()
    assert await stepped(scene) is None
    assert scene.transactor.prepared == []


async def test_step__in_a_round_nobody_opened__opens_it() -> None:
    scene = Scene()
    scene.chain.mine_to_next_round()
    assert await stepped(scene) == scene.transactor.prepared[0].tx_hash
    assert scene.chain.last_initialized == scene.chain.current_round


async def test_step__a_round_opened_by_somebody_else_during_the_delay__sends_nothing() -> None:
    scene = Scene(delay_s=10)
    scene.chain.mine_to_next_round()
    task = asyncio.create_task(scene.service.step())
    await scene.clock.advance(9)
    assert not task.done()
    scene.chain.initialize_round()
    await scene.clock.advance(1)
    assert await task is None
    assert scene.transactor.prepared == []


async def test_step__a_race_lost_at_the_last_moment__is_no_error() -> None:
    scene = Scene()
    scene.chain.mine_to_next_round()

    class Late(FakeTransactor):
        async def prepare(self, *_: object, **__: object) -> object:  # type: ignore[override]
            scene.chain.initialize_round()
            raise Reverted(REASON)

    service = RoundsService(scene.chain, Late(ME, scene.chain), scene.clock, lambda: 0.0)
    task = asyncio.create_task(service.step())
    await scene.clock.advance(0)
    assert await task is None


async def test_step__refused_while_the_round_is_still_due__is_an_error() -> None:
    scene = Scene()
    scene.chain.mine_to_next_round()
    scene.transactor.refusals["RoundsManager", "initializeRound"] = "system is paused"
    task = asyncio.create_task(scene.service.step())
    await scene.clock.advance(0)
    with pytest.raises(Reverted):
        await task


async def test_run__through_an_outage_and_several_rounds__opens_each_once() -> None:
    scene = Scene(delay_s=1)
    task = asyncio.create_task(scene.service.run())
    for _ in range(3):
        scene.chain.mine_to_next_round()
        scene.chain.failure = ChainUnavailable("down")
        await scene.clock.advance(5)
        scene.chain.failure = None
        for _ in range(4):
            await scene.clock.advance(5)
    assert len(scene.transactor.prepared) == 3
    assert scene.chain.last_initialized == scene.chain.current_round
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
