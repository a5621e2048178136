"""The cache against direct reads of the real contracts, while the chain loses blocks (invariant 34)."""

import contextlib
import random
from collections import Counter

import pytest

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.errors import Reverted
from livepeer_client.policy.watching import WANTED, clock_of
from livepeer_client.services.blocks import BlockWatcher, RollBack, Step
from livepeer_client.services.chain_cache import ChainCache
from livepeer_client.types import Round, Wei
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, LPT, STRANGER, Role, Stage
from tests.support.redemption_calls import redeem_args

SENDERS = [GATEWAY.address, STRANGER.address]


async def assert_equals_a_direct_read(cache: ChainCache, stage: Stage) -> None:
    chain, orchestrators = stage.suite, [ALICE.address, BOB.address, STRANGER.address]
    head = await chain.head()
    assert (cache.block.number, cache.block.hash) == (head.number, head.block_hash)
    state = await chain.round_state()
    assert cache.clock == clock_of(state, await chain.block_hash_for_round(Round(state.last_initialized - 1)))
    assert cache.current_round == state.current
    assert [await cache.sender(sender) for sender in SENDERS] == await chain.sender_accounts(SENDERS, ALICE.address)
    assert await cache.activations(orchestrators) == await chain.activations(orchestrators)
    assert await cache.service_uris(orchestrators) == await chain.service_uris(orchestrators)
    assert cache.locks == await chain.unbonding_locks(ALICE.address)
    assert cache.pool_size == await chain.pool_size()


class Calls:
    """What happens on the chain, at random. What the contracts refuse changes nothing and is not counted."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.nonce = 0
        self.made: Counter[str] = Counter()

    async def make_one(self) -> None:
        call = self.pick()
        with contextlib.suppress(Reverted):
            await call()
            self.made[call.__name__] += 1

    async def _send(self, role: Role, contract: str, function: str, args: list[object], value: int = 0) -> None:
        await self.stage.transactor(role).send(contract, function, args, value=Wei(value))

    async def fund(self) -> None:
        await self._send(GATEWAY, "TicketBroker", "fundDepositAndReserve", [3, 5], 8)

    async def unlock(self) -> None:
        info = await self.stage.suite.sender_info(GATEWAY.address)
        await self._send(GATEWAY, "TicketBroker", "cancelUnlock" if info.withdraw_round else "unlock", [])

    async def redeem(self) -> None:
        info = await self.stage.suite.sender_info(GATEWAY.address)
        if info.withdraw_round or not (await self.stage.suite.round_state()).initialized:
            return
        self.nonce += 1
        # Now and then more than the deposit holds, so that the reserve is drawn on.
        share = self.random.choice((ETH // 1000, info.deposit + 1000))
        winner = await self.stage.winner(nonce=self.nonce, face_value=Wei(share))
        await self._send(ALICE, "TicketBroker", "redeemWinningTicket", redeem_args(winner))

    async def unbond(self) -> None:
        await self._send(ALICE, "BondingManager", "unbond", [LPT])

    async def rebond(self) -> None:
        locks = await self.stage.suite.unbonding_locks(ALICE.address)
        if locks:
            await self._send(ALICE, "BondingManager", "rebond", [self.random.choice(sorted(locks))])

    async def transfer(self) -> None:
        nobody = bytes(20)
        await self._send(
            ALICE, "BondingManager", "transferBond", [STRANGER.address, LPT, nobody, nobody, nobody, nobody]
        )

    async def withdraw_stake(self) -> None:
        now = (await self.stage.suite.round_state()).current
        locks = await self.stage.suite.unbonding_locks(ALICE.address)
        due = [number for number, lock in locks.items() if lock.withdraw_round <= now]
        if due:
            await self._send(ALICE, "BondingManager", "withdrawStake", [due[0]])

    async def uri(self) -> None:
        await self._send(BOB, "ServiceRegistry", "setServiceURI", [f"https://{self.random.randint(0, 99)}.example:1"])

    async def leave_pool(self) -> None:
        """Bob unbonds all, or comes back."""
        if (await self.stage.suite.activations([BOB.address]))[0].is_active((await self._round()) + 1):
            stake = (await self.stage.suite.call("BondingManager", "pendingStake", [BOB.address, 0]))[0]
            await self._send(BOB, "BondingManager", "unbond", [stake])
        else:
            locks = await self.stage.suite.unbonding_locks(BOB.address)
            await self._send(BOB, "BondingManager", "rebondFromUnbonded", [BOB.address, max(locks)])

    async def next_round(self) -> None:
        await self.stage.next_round(initialize=True)

    async def skip_round(self) -> None:
        await self.stage.next_round(initialize=False)
        await self.stage.next_round(initialize=True)

    async def _round(self) -> int:
        return (await self.stage.suite.round_state()).current

    def pick(self):  # type: ignore[no-untyped-def]
        return self.random.choice(
            (
                self.fund,
                self.unlock,
                self.redeem,
                self.redeem,
                self.unbond,
                self.rebond,
                self.transfer,
                self.withdraw_stake,
                self.uri,
                self.leave_pool,
                self.next_round,
                self.skip_round,
            )
        )


@pytest.mark.parametrize("seed", range(4))
async def test_chain_cache__of_the_real_contracts_with_reorgs__equals_a_direct_read(stage: Stage, seed: int) -> None:
    calls, steps = Calls(stage, seed), list[Step]()
    cache = ChainCache(stage.suite, ALICE.address)
    watcher = BlockWatcher(stage.suite, SystemClock(), WANTED)

    async def handle(step: Step) -> None:
        steps.append(step)
        await cache.handle(step)

    await stage.mine(12)
    await watcher.follow(handle)
    await assert_equals_a_direct_read(cache, stage)
    for turn in range(30):
        for _ in range(calls.random.randint(1, 3)):
            await calls.make_one()
        if turn % 3 == 2:
            await watcher.follow(handle)
            depth = calls.random.randint(1, 10)
            await stage.reorg(depth, blocks=calls.random.randint(1, depth + 1))
        await watcher.follow(handle)
        await assert_equals_a_direct_read(cache, stage)
    assert sum(isinstance(step, RollBack) for step in steps) >= 8
    assert len(calls.made) >= 9, calls.made
