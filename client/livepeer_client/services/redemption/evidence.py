"""What the chain proves about tickets: batches settled, taken back, made final; tickets used, refused or expired."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Finality,
    Head,
    Lease,
    Receipt,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketState,
)
from livepeer_client.policy.redemption import (
    Action,
    Decision,
    RedemptionFacts,
    outcomes_of,
    ran_out_of_gas,
    validity_end,
)
from livepeer_client.ports import Chain, TicketStore, Transactor
from livepeer_client.services.redemption.memory import Memory
from livepeer_client.services.tasks import together
from livepeer_client.types import Address, BlockNumber, Hash32, Wei

logger = logging.getLogger(__name__)

USED: Final = "redeemed by another transaction"
LEFT_OUT: Final = "left out by its batch"
ORPHAN_BLOCKS: Final = 30
"""L1 blocks that a transaction of a redeemer that is gone may take."""
LeaseOf: TypeAlias = Callable[[Address], Awaitable[Lease | None]]
"""The lease of a key, None while another process has it."""


def block_of(head: Head) -> BlockRef:
    return BlockRef(head.number, head.block_hash)


class Evidence:
    """Reads receipts and blocks, and records what they prove under a lease."""

    def __init__(self, chain: Chain, transactor: Transactor, store: TicketStore, memory: Memory) -> None:
        self._chain = chain
        self._transactor = transactor
        self._store = store
        self._memory = memory

    # --- batches

    async def revisit(self, finality: Finality, leases: LeaseOf) -> None:
        """Make mined batches final whose block is, and open those again whose block has vanished."""
        for stored, lease in await self._ours(BatchState.MINED, leases):
            assert stored.block is not None
            if not await self._stands(stored.block):
                logger.warning("batch 0x%s: its block %d has vanished", stored.id.hex(), stored.block.number)
                await self._store.reopen_batch(stored.id, lease=lease)
            elif stored.mined is None and await self._receipt(stored) is not None:
                # Nodes may count a nonce before they show the receipt, so it was ours that took it.
                logger.warning("batch 0x%s: it was mined after all", stored.id.hex())
                await self._store.reopen_batch(stored.id, lease=lease)
            elif stored.block.number <= finality.finalized.number:
                await self._finalize(stored, lease)

    async def settle_open(
        self, leases: LeaseOf, *, by_receipt: bool = False
    ) -> tuple[list[TicketOutcome], list[StoredBatch]]:
        """Settle the open batches that are mined or can never be. :returns: outcomes, batches of our key left open.

        `by_receipt`: only the mined ones. Just after sending a node may count the nonce and not show the receipt yet.

        One of another key is only here if nobody has its lease: its redeemer is gone. What it sent may still be mined;
        after a while its tickets are taken over all the same. Should it be mined later, that only costs gas.
        """
        outcomes: list[TicketOutcome] = []
        waiting: list[StoredBatch] = []
        for stored, lease in await self._ours(BatchState.OPEN, leases):
            key = stored.batch.key
            receipt = await self._receipt(stored)
            lost = ""
            if receipt is None and not by_receipt and (await self._transactor.nonces(key)).mined > stored.batch.nonce:
                # Mined since we looked, or another transaction has its nonce.
                receipt = await self._receipt(stored)
                lost = "another transaction took its nonce"
            if receipt is None and not lost and not by_receipt and key != self._transactor.address:
                l1_block = (await self._chain.head()).l1_block
                since = self._memory.unmined_since.setdefault(stored.id, l1_block)
                if l1_block - since < ORPHAN_BLOCKS:
                    continue
                lost = "its redeemer is gone"
            if receipt is None and not lost:
                waiting.append(stored)
                continue
            if receipt is None:
                logger.warning("batch 0x%s: %s", stored.id.hex(), lost)
            outcomes += await self.settle(stored, receipt, lease)
        return outcomes, waiting

    async def settle(self, stored: StoredBatch, receipt: Receipt | None, lease: Lease) -> list[TicketOutcome]:
        """Record what a receipt proves, or that there will never be one. Tickets that it does not prove redeemed are
        looked up; unused ones are held again."""
        found = await together(*(self._store.ticket(hash_) for hash_ in stored.batch.tickets))
        tickets = [ticket for ticket in found if ticket is not None]
        outcomes, unproven = ([], tickets) if receipt is None else outcomes_of(receipt, tickets)
        head = await self._chain.head()
        used = await self._chain.used_tickets([ticket.hash for ticket in unproven])
        left_out = [ticket for ticket, is_used in zip(unproven, used, strict=True) if not is_used]
        for ticket, is_used in zip(unproven, used, strict=True):
            state = TicketState.USED_ELSEWHERE if is_used else TicketState.HELD
            outcomes.append(TicketOutcome(ticket.hash, state, Wei(0), None, USED if is_used else LEFT_OUT))
        self._learn(stored, receipt, left_out, head)
        mined, block = None, block_of(head)
        if receipt is not None:
            mined, block = receipt.tx_hash, BlockRef(receipt.block, receipt.block_hash)
            self._memory.spend(receipt)
        await self._store.settle_batch(stored.id, outcomes, mined=mined, block=block, lease=lease)
        self._memory.unmined_since.pop(stored.id, None)
        return outcomes

    async def _finalize(self, stored: StoredBatch, lease: Lease) -> None:
        elsewhere = [outcome.hash for outcome in stored.outcomes if outcome.state is TicketState.USED_ELSEWHERE]
        await self._store.finalize_batch(stored.id, lease=lease)
        if not elsewhere:
            return
        # The transaction that used them may have been in a later block, which has vanished since.
        used = await self._chain.used_tickets(elsewhere)
        lost = [hash_ for hash_, is_used in zip(elsewhere, used, strict=True) if not is_used]
        standing = await together(*(self._store.ticket(hash_) for hash_ in lost))
        again = [ticket.hash for ticket in standing if ticket and ticket.state is TicketState.USED_ELSEWHERE]
        if again:
            await self._store.revive(again, "the transaction that used it has vanished")

    def _learn(
        self, stored: StoredBatch, receipt: Receipt | None, left_out: Sequence[StoredTicket], head: Head
    ) -> None:
        limit = self._memory.gas_limits.pop(stored.id, None)
        # A transaction that failed as a whole says nothing about any ticket.
        if receipt is None or not receipt.succeeded:
            return
        self._memory.suspect((ticket.winner.ticket.sender for ticket in left_out), head.l1_block)
        if limit is not None and ran_out_of_gas(receipt, limit, len(left_out)):
            self._memory.limit_batches(len(stored.batch.tickets))
            logger.warning("batch 0x%s ran out of gas: batches are halved", stored.id.hex())
        elif not left_out:
            self._memory.loosen_batches()

    async def _ours(self, state: BatchState, leases: LeaseOf) -> list[tuple[StoredBatch, Lease]]:
        """Batches that we may write to, with the leases for it."""
        found = []
        for stored in await self._store.batches(state):
            lease = await leases(stored.batch.key)
            if lease is not None:
                found.append((stored, lease))
        return found

    async def _receipt(self, stored: StoredBatch) -> Receipt | None:
        for transaction in reversed(stored.batch.transactions):
            receipt = await self._transactor.receipt(transaction.tx_hash)
            if receipt is not None:
                return receipt
        return None

    async def _stands(self, block: BlockRef) -> bool:
        found = await self._chain.block_at(BlockNumber(block.number))
        return found is not None and found.hash == block.hash

    # --- tickets outside batches

    async def look_for_used(self, tickets: Sequence[StoredTicket], head: Head) -> None:
        """Note which held tickets somebody else has redeemed, and since which block that is seen."""
        used = await self._chain.at(head.block_hash).used_tickets([ticket.hash for ticket in tickets])
        for ticket, is_used in zip(tickets, used, strict=True):
            if not is_used:
                self._memory.used.pop(ticket.hash, None)
            else:
                await self._sight(self._memory.used, ticket.hash, head)

    async def refused(self, hash_: Hash32, head: Head) -> None:
        """Note that a simulation after `head` refused a ticket for good."""
        await self._sight(self._memory.refused, hash_, head)

    async def _sight(self, sightings: dict[Hash32, BlockRef], hash_: Hash32, head: Head) -> None:
        known = sightings.get(hash_)
        if known is None or not await self._stands(known):
            sightings[hash_] = block_of(head)

    async def record(
        self,
        decisions: Sequence[Decision],
        held: Mapping[Hash32, StoredTicket],
        facts: RedemptionFacts,
        finality: Finality,
        lease: Lease,
    ) -> list[TicketOutcome]:
        """Record what became of held tickets, as far as the block that shows it is final."""
        outcomes = []
        final = finality.finalized.l1_block
        for decision in decisions:
            outcome: tuple[TicketState, str] | None = None
            if await self._is_final(self._memory.used.get(decision.hash), finality):
                outcome = (TicketState.USED_ELSEWHERE, USED)
            elif await self._is_final(self._memory.refused.get(decision.hash), finality):
                outcome = (TicketState.INVALID, self._memory.failures[decision.hash].text)
            elif decision.action is Action.EXPIRE and final >= validity_end(held[decision.hash].winner.ticket, facts):
                outcome = (TicketState.EXPIRED, decision.reason.value)
            if outcome is not None:
                outcomes.append(TicketOutcome(decision.hash, outcome[0], Wei(0), None, outcome[1]))
        if outcomes:
            await self._store.mark(outcomes, lease=lease)
        return outcomes

    async def _is_final(self, block: BlockRef | None, finality: Finality) -> bool:
        return block is not None and block.number <= finality.finalized.number and await self._stands(block)
