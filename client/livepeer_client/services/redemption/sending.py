"""Transactions that redeem: signed and stored before they go out, broadcast again, replaced where they are stuck."""

import logging
from collections.abc import Mapping, Sequence

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ChainUnavailable,
    GasPriceTooHigh,
    InsufficientFunds,
    NonceConsumed,
    ReplacementTooExpensive,
    TicketStateRefused,
    TransactionRefused,
    Underpriced,
)
from livepeer_client.facts import (
    BatchState,
    Head,
    Lease,
    RedemptionBatch,
    SignedTransaction,
    StoredBatch,
    StoredTicket,
)
from livepeer_client.policy.redemption import (
    BROKER,
    BatchPlan,
    RedemptionPolicy,
    call_of,
)
from livepeer_client.ports import TicketStore, Transactor
from livepeer_client.services.redemption.memory import Memory
from livepeer_client.types import Hash32, Wei

logger = logging.getLogger(__name__)


class Sending:
    """One key's redemptions on their way to the chain."""

    def __init__(self, transactor: Transactor, store: TicketStore, memory: Memory, policy: RedemptionPolicy) -> None:
        self._transactor = transactor
        self._store = store
        self._memory = memory
        self._policy = policy

    # --- new ones

    async def send(
        self, planned: BatchPlan, held: Mapping[Hash32, StoredTicket], head: Head, lease: Lease
    ) -> StoredBatch | None:
        """Sign, store and broadcast one planned batch. None if conditions changed before it was stored; once it is,
        it is found again after whatever happens."""
        winners = [held[hash_].winner for hash_ in planned.tickets]
        try:
            transaction = await self._sign(winners, planned)
        except (GasPriceTooHigh, InsufficientFunds) as error:
            logger.warning("redemption of %d tickets waits: %s", len(winners), error)
            return None
        batch = RedemptionBatch(
            self._transactor.address, transaction.nonce, planned.tickets, planned.calldata, (transaction,)
        )
        try:
            await self._store.begin_batch(batch, lease=lease)
        except TicketStateRefused as error:
            # Another redeemer on this store, or an operator's hold, was faster.
            logger.warning("redemption of %d tickets is planned anew: %s", len(winners), error)
            self._transactor.release(transaction.nonce)
            return None
        self._memory.gas_limits[batch.id] = planned.gas_limit
        self._memory.unmined_since[batch.id] = head.l1_block
        await self._broadcast(transaction)
        return StoredBatch(batch, BatchState.OPEN, None, None, (), 0.0)

    async def _sign(self, winners: Sequence[WinningTicket], planned: BatchPlan) -> SignedTransaction:
        function, arguments = call_of(planned.calldata, winners)
        return await self._transactor.prepare(
            BROKER, function, arguments, gas_limit=planned.gas_limit, max_fee_per_gas=planned.max_gas_price
        )

    # --- old ones

    async def push(self, stored: StoredBatch, head: Head, ceiling: Wei | None, lease: Lease, *, first: bool) -> None:
        """Broadcast an open batch again, and raise its fees, within `ceiling` (wei per gas), if it is stuck.

        `first`: no other transaction of ours has to be mined before it.

        Nodes forget transactions, and one priced under a risen base fee would hold up all later ones of the key.
        """
        since = self._memory.unmined_since.setdefault(stored.id, head.l1_block)
        transaction = stored.batch.transaction
        underpriced = not await self._broadcast(transaction)
        underpriced |= (await self._transactor.fees(transaction)).cap < head.base_fee
        if not first or (not underpriced and head.l1_block - since < self._policy.bump_blocks):
            return
        try:
            replacement = await self._transactor.replace(transaction, max_fee_per_gas=ceiling)
        except (NonceConsumed, ReplacementTooExpensive, InsufficientFunds, GasPriceTooHigh) as error:
            logger.info("batch 0x%s is not replaced: %s", stored.id.hex(), error)
            return
        await self._store.add_replacement(stored.id, replacement, lease=lease)
        self._memory.unmined_since[stored.id] = head.l1_block
        logger.info("batch 0x%s: fees raised, now 0x%s", stored.id.hex(), replacement.tx_hash.hex())
        await self._broadcast(replacement)

    async def _broadcast(self, transaction: SignedTransaction) -> bool:
        """False if nodes do not take it at its price. Other trouble is for the next block: it is stored."""
        try:
            await self._transactor.broadcast(transaction)
            # Should its block vanish it is sent again, so nothing else may have its nonce.
            self._transactor.reserve(transaction.nonce)
        except NonceConsumed as error:
            logger.warning("redemption 0x%s: %s", transaction.tx_hash.hex(), error)
        except (Underpriced, InsufficientFunds, TransactionRefused, ChainUnavailable) as error:
            logger.warning("redemption 0x%s: %s", transaction.tx_hash.hex(), error)
            # As above.
            self._transactor.reserve(transaction.nonce)
            return not isinstance(error, Underpriced)
        return True
