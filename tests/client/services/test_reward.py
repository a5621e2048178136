"""Calling reward: once a round, again after failures, at once after a start."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from livepeer_client.adapters.fakes import FakeCall, FakeChain, FakeTransactor, ManualClock
from livepeer_client.errors import ChainUnavailable, Reverted
from livepeer_client.facts import Log
from livepeer_client.services.reward import RewardService
from livepeer_client.types import Address, Round
from tests.support.redemption import ACTIVE

ME = Address(b"\x01" * 20)


class Scene:
    def __init__(self, *, last_reward: int = 99, active: bool = True) -> None:
        self.chain = FakeChain(first_round=100)
        self.chain.states[ME] = replace(ACTIVE, active=active, last_reward_round=Round(last_reward))
        self.clock = ManualClock()
        self.transactor = FakeTransactor(ME, self.chain, self._reward)
        self.service = RewardService(self.chain, self.transactor, self.clock, poll_interval_s=5)

    def _reward(self, call: FakeCall) -> Sequence[Log]:
        assert (call.contract, call.function, call.args) == ("BondingManager", "reward", ())
        self.chain.states[ME] = replace(self.chain.states[ME], last_reward_round=self.chain.current_round)
        return ()


async def test_step__when_due__calls_reward() -> None:
    scene = Scene()
    assert await scene.service.step() == scene.transactor.prepared[0].tx_hash


async def test_step__called_in_this_round__does_nothing() -> None:
    scene = Scene(last_reward=100)
    assert await scene.service.step() is None
    assert scene.transactor.prepared == []


async def test_step__not_active__does_nothing() -> None:
    scene = Scene(active=False)
    assert await scene.service.step() is None


async def test_step__in_a_round_nobody_opened__waits_for_it() -> None:
    scene = Scene()
    scene.chain.mine_to_next_round()
    assert await scene.service.step() is None
    scene.chain.initialize_round()
    assert await scene.service.step() is not None


async def test_step__refused_and_still_due__is_an_error() -> None:
    scene = Scene()
    scene.transactor.refusals["BondingManager", "reward"] = "system is paused"
    with pytest.raises(Reverted):
        await scene.service.step()


async def test_step__refused_because_it_was_called_meanwhile__is_no_error() -> None:
    scene = Scene()

    class Late(FakeTransactor):
        async def prepare(self, *_: object, **__: object) -> object:  # type: ignore[override]
            scene.chain.states[ME] = replace(scene.chain.states[ME], last_reward_round=Round(100))
            raise Reverted("caller has already called reward for the current round")

    assert await RewardService(scene.chain, Late(ME, scene.chain), scene.clock).step() is None


async def test_run__after_a_failed_call__tries_again_within_the_round_and_then_once_per_round() -> None:
    scene = Scene()
    scene.transactor.failure = ChainUnavailable("down")
    task = asyncio.create_task(scene.service.run())
    await scene.clock.advance(5)
    scene.transactor.failure = None
    for _ in range(3):
        await scene.clock.advance(5)
    assert len(scene.transactor.prepared) == 1
    scene.chain.mine_to_next_round()
    scene.chain.initialize_round()
    for _ in range(3):
        await scene.clock.advance(5)
    assert len(scene.transactor.prepared) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
