"""The transcoder pool, read in a few batches, and places in it.

Where the network has the view contract PoolHints one call answers; elsewhere the pool is read and the same is computed.
"""

from collections.abc import Sequence
from typing import Any, Final

from livepeer_client.adapters.chain.contracts import ContractReader, Read, Tag, value_of
from livepeer_client.adapters.chain.json_values import data_bytes, to_hex
from livepeer_client.adapters.chain.pool_code import members, walk_code
from livepeer_client.adapters.chain.rpc import BadAnswer, NodeError
from livepeer_client.errors import MalformedMessage, Reverted
from livepeer_client.policy.pool import NO_HINT, Delegate, Hint, Pool, hint
from livepeer_client.types import ZERO_ADDRESS, Address

CONTRACT: Final = "BondingManager"
HINTS: Final = "PoolHints"
PERC: Final = 10**27
"""Divisor of the treasury's share (onchain 2)."""


def reward_reads(pool: Sequence[Address]) -> list[Read]:
    """What a hint for a reward call takes to know, beside the pool's order: all of one block."""
    return [
        *((CONTRACT, "transcoderTotalStake", [address]) for address in pool),
        (CONTRACT, "getTranscoderPoolMaxSize", []),
        (CONTRACT, "getTotalBonded", []),
        (CONTRACT, "treasuryRewardCutRate", []),
        ("Minter", "currentMintableTokens", []),
    ]


def reward_hint(pool: Sequence[Address], values: Sequence[tuple[Any, ...]], transcoder: Address) -> Hint:
    """Its place once the reward is added, which is its share of what the round mints, less the treasury's. Stake that
    moved within the round makes that inexact, and a hint may be."""
    stakes = [int(stake) for (stake,) in values[: len(pool)]]
    (size,), (total,), (cut,), (mintable,) = values[len(pool) :]
    members = list(zip(pool, stakes, strict=True))
    stake = dict(members).get(transcoder, 0)
    reward = mintable * stake // total if total else 0
    return hint(members, transcoder, stake + reward - reward * cut // PERC, size, before_equals=True)


class PoolReader(ContractReader):
    """`ports.StakeHints`, and the pool's order."""

    # --- ports.StakeHints

    async def bond_hints(self, owner: Address, amount: int, to: Address) -> tuple[Hint, Hint]:
        if await self._has_hints():
            return _two(await self.call(HINTS, "bondHints", [owner, amount, to]))

        async def at(block: Tag) -> tuple[Hint, Hint]:
            pool, (values, (stake,)) = await self._pool_with(
                [(CONTRACT, "getDelegator", [owner]), (CONTRACT, "pendingStake", [owner, 0])], block
            )
            delegate, added, old = Address(values[2]), amount, NO_HINT
            if stake > 0 and delegate != to:
                added += stake
                pool, old = pool.lowered(delegate, stake)
            joined = await self._delegate(to, block, registers=to == owner and stake + amount > 0)
            return old, pool.raised(joined, added)

        return await self._pinned(at)

    async def unbond_hint(self, delegator: Address, amount: int) -> Hint:
        if await self._has_hints():
            return Hint(*await self.call(HINTS, "unbondHints", [delegator, amount]))

        async def at(block: Tag) -> Hint:
            pool, (values, (stake,)) = await self._pool_with(
                [(CONTRACT, "getDelegator", [delegator]), (CONTRACT, "pendingStake", [delegator, 0])], block
            )
            return _unbonded(pool, delegator, Address(values[2]), stake, amount)[1]

        return await self._pinned(at)

    async def rebond_hint(self, delegator: Address, lock_id: int) -> Hint:
        if await self._has_hints():
            return Hint(*await self.call(HINTS, "rebondHints", [delegator, lock_id]))

        async def at(block: Tag) -> Hint:
            pool, (values, (amount, _)) = await self._pool_with(
                [
                    (CONTRACT, "getDelegator", [delegator]),
                    (CONTRACT, "getDelegatorUnbondingLock", [delegator, lock_id]),
                ],
                block,
            )
            return pool.raised(await self._delegate(Address(values[2]), block), amount)

        return await self._pinned(at)

    async def rebond_from_unbonded_hint(self, delegator: Address, to: Address, lock_id: int) -> Hint:
        if await self._has_hints():
            return Hint(*await self.call(HINTS, "rebondFromUnbondedHints", [delegator, to, lock_id]))

        async def at(block: Tag) -> Hint:
            pool, ((amount, _),) = await self._pool_with(
                [(CONTRACT, "getDelegatorUnbondingLock", [delegator, lock_id])], block
            )
            return pool.raised(await self._delegate(to, block, registers=to == delegator), amount)

        return await self._pinned(at)

    async def transfer_bond_hints(self, delegator: Address, receiver: Address, amount: int) -> tuple[Hint, Hint]:
        if await self._has_hints():
            return _two(await self.call(HINTS, "transferBondHints", [delegator, receiver, amount]))

        async def at(block: Tag) -> tuple[Hint, Hint]:
            pool, (giving, (stake,), receiving) = await self._pool_with(
                [
                    (CONTRACT, "getDelegator", [delegator]),
                    (CONTRACT, "pendingStake", [delegator, 0]),
                    (CONTRACT, "getDelegator", [receiver]),
                ],
                block,
            )
            pool, old = _unbonded(pool, delegator, Address(giving[2]), stake, amount)
            # A receiver without a delegate takes over the giver's.
            to = giving[2] if receiving[2] == ZERO_ADDRESS else receiving[2]
            return old, pool.raised(await self._delegate(Address(to), block), amount)

        return await self._pinned(at)

    async def transcoder_hint(self, transcoder: Address) -> Hint:
        if await self._has_hints():
            return Hint(*await self.call(HINTS, "transcoderHints", [transcoder]))

        async def at(block: Tag) -> Hint:
            pool, _ = await self._pool_with([], block)
            # A member keeps its place.
            if pool.stake(transcoder) is not None:
                return NO_HINT
            return pool.raised(await self._delegate(transcoder, block), 0)

        return await self._pinned(at)

    async def reward_hint(self, transcoder: Address) -> Hint:
        if await self._has_hints():
            return Hint(*await self.call(HINTS, "rewardHints", [transcoder]))

        async def at(block: Tag) -> Hint:
            pool = await self._walk_pool(block)
            values = [value_of(result) for result in await self._read(reward_reads(pool), block)]
            return reward_hint(pool, values, transcoder)

        return await self._pinned(at)

    # --- inside

    async def _has_hints(self) -> bool:
        """Whether the network has the view contract; the Controller is asked once where no address was given."""
        if HINTS not in self._contracts and HINTS not in self._asked:
            await self.resolve([HINTS])
            self._asked.add(HINTS)
        return HINTS in self._contracts

    async def _pool_with(self, reads: Sequence[Read], block: Tag) -> tuple[Pool, list[tuple[Any, ...]]]:
        """The pool with its stakes, and some reads more."""
        order = await self._walk_pool(block)
        stakes: list[Read] = [(CONTRACT, "transcoderTotalStake", [address]) for address in order]
        results = await self._read([(CONTRACT, "getTranscoderPoolMaxSize", []), *stakes, *reads], block)
        (size,), *values = (value_of(result) for result in results)
        members = tuple((address, int(stake)) for address, (stake,) in zip(order, values, strict=False))
        return Pool(members, size), values[len(order) :]

    async def _delegate(self, address: Address, block: Tag, *, registers: bool = False) -> Delegate:
        """:param registers: the call makes it a transcoder."""
        reads: list[Read] = [
            (CONTRACT, "transcoderTotalStake", [address]),
            (CONTRACT, "isRegisteredTranscoder", [address]),
        ]
        (stake,), (registered,) = (value_of(result) for result in await self._read(reads, block))
        return Delegate(address, stake, registered=registered or registers)

    async def _walk_pool(self, block: Tag) -> list[Address]:
        """The pool from head to tail: at first in one call, later the members of the last walk are asked for their
        successors all at once, which every node answers."""
        if not self._pool:
            pool = await self._walk_at_once(block)
            if pool:
                self._pool = tuple(pool)
                return pool
        results = await self._read(
            [(CONTRACT, "getFirstTranscoderInPool", [])]
            + [(CONTRACT, "getNextTranscoderInPool", [known]) for known in self._pool],
            block,
        )
        address, *successors = (value_of(result)[0] for result in results)
        links = dict(zip(self._pool, successors, strict=True))
        pool = []
        seen: set[Address] = set()
        while address != ZERO_ADDRESS:
            if address in seen:
                raise BadAnswer("the transcoder pool runs in a circle")
            seen.add(address)
            pool.append(Address(address))
            if address in links:
                address = links[address]
            else:
                step: Read = (CONTRACT, "getNextTranscoderInPool", [address])
                (address,) = value_of((await self._read([step], block))[0])
        self._pool = tuple(pool)
        return pool

    async def _walk_at_once(self, block: Tag) -> list[Address]:
        """Empty also if the node does not run such a call, or the pool is too large for it."""
        code = walk_code(await self.address(CONTRACT))
        (answer,) = await self._rpc.batch([("eth_call", [{"data": to_hex(code)}, block])])
        try:
            return members(data_bytes(value_of(answer)))
        except (Reverted, NodeError, BadAnswer, MalformedMessage):
            return []


def _two(values: Sequence[Address]) -> tuple[Hint, Hint]:
    old_above, old_below, new_above, new_below = values
    return Hint(old_above, old_below), Hint(new_above, new_below)


def _unbonded(pool: Pool, delegator: Address, delegate: Address, stake: int, amount: int) -> tuple[Pool, Hint]:
    """Part of the stake leaves the delegate. A transcoder that takes all of its own leaves the pool."""
    if delegate == delegator and amount == stake:
        return pool.without(delegator), NO_HINT
    return pool.lowered(delegate, amount)
