"""Calling reward: once a round, again after failures, at once after a start."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from livepeer_client.adapters.fakes import FakeCall, FakeChain, FakeTransactor, ManualClock
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainUnavailable, Reverted
from livepeer_client.facts import Log
from livepeer_client.policy.pool import Hint
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


async def test_step__with_neighbours_in_the_pool__names_them() -> None:
    scene, above, below = Scene(), Address(b"\x02" * 20), Address(b"\x03" * 20)
    scene.chain.pool = [
        RegisteredOrchestrator(address, service_uri="", stake=stake, active=True)
        for address, stake in ((above, 9), (ME, 5), (below, 1))
    ]
    calls: list[FakeCall] = []
    scene.transactor.effect = lambda call: calls.append(call) or ()
    await scene.service.step()
    assert [(call.function, call.args) for call in calls] == [("rewardWithHint", (above, below))]


async def test_step__the_hint_cannot_be_read__is_called_without() -> None:
    class Blind(FakeChain):
        async def reward_hint(self, transcoder: Address) -> Hint:
            raise ChainUnavailable("no pool today")

    scene = Scene()
    chain = Blind(first_round=100)
    chain.states = scene.chain.states
    transactor = FakeTransactor(ME, chain)
    await RewardService(chain, transactor, scene.clock).step()
    assert [call.function for call in transactor.prepared] == ["reward"]


async def test_step__by_a_reward_caller__is_for_its_transcoder() -> None:
    scene, caller = Scene(), Address(b"\x09" * 20)
    transactor = FakeTransactor(caller, scene.chain)
    service = RewardService(scene.chain, transactor, scene.clock, transcoder=ME)
    assert await service.step() is not None
    assert [(call.function, call.args) for call in transactor.prepared] == [("rewardForTranscoder", (ME,))]


async def test_step__calls_that_cost_gas_and_fail__are_made_ever_more_rarely() -> None:
    scene = Scene()

    def fails(call: FakeCall) -> Sequence[Log]:
        raise Reverted("mined, and refused")

    scene.transactor.effect = fails
    made: list[int] = []
    for second in range(200):
        before = len(scene.transactor.prepared)
        with contextlib.suppress(Reverted):
            await scene.service.step()
        if len(scene.transactor.prepared) > before:
            made.append(second)
        await scene.clock.advance(1)
    assert made == [0, 5, 15, 35, 75, 155]
