"""What payments and quotes need to know of the chain, read at most once per block."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from livepeer_client.codec.ticket import ExpirationParams
from livepeer_client.errors import ChainError
from livepeer_client.facts import Head, OrchestratorState, RoundState, SenderInfo
from livepeer_client.ports import Chain, Clock
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.tasks import both
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round, Wei

WATCHED_INTERVALS: Final = 3
"""So many intervals old may an answer be that was read ahead."""
SENDERS_KEPT: Final = 100
SENDER_KEPT_S: Final = 600.0
"""Senders that were asked for within so long are read ahead, at most so many."""
READERS: Final = 4
"""Senders looked up at the same time. Anybody may ask for terms under ever new keys; the node must still have room
for redemption and rounds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """A gateway's account and what we could still draw from its reserve this round, wei, as of one block."""

    info: SenderInfo
    claimable_reserve: Wei


@dataclass(frozen=True, slots=True)
class Moment:
    """One block, the round it falls into, our own state at it and the creation params that a quote carries.

    `gas_price`: of that block, wei, but no less than the least that one quotes at. `validity_rounds`: in which a ticket
    can be redeemed, as read in this round.
    """

    head: Head
    round: RoundState
    orchestrator: OrchestratorState
    expiration: ExpirationParams
    gas_price: Wei
    validity_rounds: int


class ChainView:
    """Reads `chain` again once `poll_interval_s` has passed; what is known of senders lives as long as the block.

    Whoever asks first after that reads, whoever asks meanwhile waits for the same answer. While `watch` runs it reads
    instead, at every interval, also what it knows of the senders that were asked for lately: then nobody waits for the
    chain, and no payment costs a request. Every method raises as `Chain` does. An outdated answer is never given, since
    a quote's life is counted in blocks; for the same reason the block number never goes back.

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
        self._watched = False
        self._asked_at: OrderedDict[Address, float] = OrderedDict()

    async def moment(self) -> Moment:
        age_s = self._clock.monotonic() - self._read_at
        if self._watched and self._moment is not None and age_s < WATCHED_INTERVALS * self._poll_interval_s:
            return self._moment
        async with self._lock:
            now = self._clock.monotonic()
            if self._moment is None or now - self._read_at >= self._poll_interval_s:
                self._adopt(await self._read(self._moment), {})
                self._read_at = now
            assert self._moment is not None
            return self._moment

    async def watch(self) -> None:
        """Read the chain at every interval until cancelled, so that nobody who asks has to."""
        try:
            while True:
                try:
                    await self._read_ahead()
                    self._watched = True
                except ChainError as error:
                    _log.warning("the chain was not read ahead reason=%s", error)
                await self._clock.sleep(self._poll_interval_s)
        finally:
            self._watched = False

    async def _read_ahead(self) -> None:
        async with self._lock:
            now = self._clock.monotonic()
            moment = await self._read(self._moment)
            known: dict[Address, SenderFacts] = {}
            if self._moment is None or moment.head.block_hash != self._moment.head.block_hash:
                lately = [sender for sender, asked in self._asked_at.items() if now - asked < SENDER_KEPT_S]
                for sender in lately[-SENDERS_KEPT:]:
                    reserve = self._chain.claimable_reserve(sender, self._recipient)
                    known[sender] = SenderFacts(*await both(self._chain.sender_info(sender), reserve))
            self._adopt(moment, known)
            self._read_at = now

    def _adopt(self, moment: Moment, known: Mapping[Address, SenderFacts]) -> None:
        """Everything known of another block goes at once, and what is known of this one comes."""
        if self._moment is None or moment.head.block_hash != self._moment.head.block_hash:
            self._senders.clear()
            self._senders.update(known)
            self._shares.clear()
        self._moment = moment

    async def sender(self, sender: Address) -> SenderFacts:
        await self.moment()
        self._asked_at[sender] = self._clock.monotonic()
        self._asked_at.move_to_end(sender)
        while len(self._asked_at) > SENDERS_KEPT:
            self._asked_at.popitem(last=False)
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
        gas_price = head.gas_price if self._gas is None else self._gas.note(head)
        # Governance may change it, which takes far longer than the round until it is read again.
        known = before is not None and before.round.last_initialized == round_.last_initialized
        validity = (
            before.validity_rounds if before is not None and known else await self._chain.ticket_validity_period()
        )
        return Moment(head, round_, orchestrator, await self._creation(round_), gas_price, validity)

    async def _creation(self, round_: RoundState) -> ExpirationParams:
        if round_.last_initialized_block_hash != ZERO_HASH or round_.last_initialized == 0:
            return ExpirationParams(round_.last_initialized, round_.last_initialized_block_hash)
        # Just after a round's start on L2 its hash may not be there yet (offchain-payments 3).
        previous = Round(round_.last_initialized - 1)
        return ExpirationParams(previous, await self._chain.block_hash_for_round(previous))
