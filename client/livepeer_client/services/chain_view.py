"""What payments and quotes need to know of the chain, read at most once per block."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from livepeer_client.codec.ticket import ExpirationParams
from livepeer_client.facts import Head, OrchestratorState, RoundState, SenderInfo
from livepeer_client.ports import Chain, Clock
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.tasks import both
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round, Wei

READERS: Final = 4
"""Senders looked up at the same time. Anybody may ask for terms under ever new keys; the node must still have room
for redemption and rounds."""


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """A gateway's account and what we could still draw from its reserve this round, wei, as of one block."""

    info: SenderInfo
    claimable_reserve: Wei


@dataclass(frozen=True, slots=True)
class Moment:
    """One block, the round it falls into, our own state at it and the creation params that a quote carries.

    `gas_price`: of that block, wei, but no less than the least that one quotes at.
    """

    head: Head
    round: RoundState
    orchestrator: OrchestratorState
    expiration: ExpirationParams
    gas_price: Wei


class ChainView:
    """Reads `chain` again once `poll_interval_s` has passed; what is known of senders lives as long as the block.

    It has no task of its own: whoever asks first after that reads, whoever asks meanwhile waits for the same answer.
    Every method raises as `Chain` does. An outdated answer is never given, since a quote's life is counted in
    blocks; for the same reason the block number never goes back.

    :param gas: the process's monitor of gas prices, which learns of every block read here.
    """

    def __init__(
        self,
        chain: Chain,
        clock: Clock,
        recipient: Address,
        poll_interval_s: float,
        gas: GasPriceMonitor | None = None,
    ) -> None:
        self._chain = chain
        self._clock = clock
        self._recipient = recipient
        self._poll_interval_s = poll_interval_s
        self._gas = gas
        self._lock = asyncio.Lock()
        self._moment: Moment | None = None
        self._read_at = 0.0
        self._senders: dict[Address, SenderFacts] = {}
        self._shares: dict[Address, tuple[int, Wei]] = {}
        self._readers = asyncio.Semaphore(READERS)

    async def moment(self) -> Moment:
        async with self._lock:
            now = self._clock.monotonic()
            if self._moment is None or now - self._read_at >= self._poll_interval_s:
                self._moment = await self._read(self._moment)
                self._read_at = now
            return self._moment

    async def sender(self, sender: Address) -> SenderFacts:
        await self.moment()
        known = self._senders.get(sender)
        return known if known is not None else await self._look_up(sender)

    async def reserve_share(self, sender: Address) -> tuple[int, Wei]:
        """Why `sender`'s reserve is worth what it is to us: the pool's size, and what we took of it this round."""
        moment = await self.moment()
        if sender not in self._shares:
            async with self._readers:
                accounts = self._chain.sender_accounts([sender], self._recipient)
                pool_size, (account,) = await both(self._chain.pool_size(), accounts)
            if self._moment is not moment:
                return pool_size, account.claimed
            self._shares[sender] = (pool_size, account.claimed)
        return self._shares[sender]

    async def _look_up(self, sender: Address) -> SenderFacts:
        async with self._readers:
            # Another block, or somebody else's answer, may have come while this one waited.
            moment = await self.moment()
            known = self._senders.get(sender)
            if known is not None:
                return known
            reserve = self._chain.claimable_reserve(sender, self._recipient)
            known = SenderFacts(*await both(self._chain.sender_info(sender), reserve))
            if self._moment is moment:
                self._senders[sender] = known
        return known

    async def _read(self, before: Moment | None) -> Moment:
        own = both(self._chain.round_state(), self._chain.orchestrator_state(self._recipient))
        head, (round_, orchestrator) = await both(self._chain.head(), own)
        if before is not None:
            head = replace(head, l1_block=BlockNumber(max(head.l1_block, before.head.l1_block)))
        if before is None or head.block_hash != before.head.block_hash:
            self._senders.clear()
            self._shares.clear()
        gas_price = head.gas_price if self._gas is None else self._gas.note(head)
        return Moment(head, round_, orchestrator, await self._creation(round_), gas_price)

    async def _creation(self, round_: RoundState) -> ExpirationParams:
        if round_.last_initialized_block_hash != ZERO_HASH or round_.last_initialized == 0:
            return ExpirationParams(round_.last_initialized, round_.last_initialized_block_hash)
        # Just after a round's start on L2 its hash may not be there yet (offchain-payments 3).
        previous = Round(round_.last_initialized - 1)
        return ExpirationParams(previous, await self._chain.block_hash_for_round(previous))
