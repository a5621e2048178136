"""One key's transactions, for several purposes at once (offchain-payments 13 and 15).

A key's nonces are mined in order, so whatever waits with the lowest nonce holds up everything signed after it. Each
purpose therefore has a lane with a priority and a fee ceiling of its own, and the manager looks after the transaction
at the head of the line: it raises its fees a bounded number of times, and if something more urgent waits behind it, up
to the ceiling of that; what can be done again later, such as a reward call, is then replaced by an empty transfer
instead, the cheapest way to free the nonce. Every nonce is in the journal before anything for it goes out, and stays
there until what consumed it is final.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ChainError,
    ChainUnavailable,
    InsufficientFunds,
    InvalidInput,
    NonceConsumed,
    ReplacementTooExpensive,
    Reverted,
    TransactionDropped,
    TransactionRefused,
    Underpriced,
)
from livepeer_client.facts import (
    Broadcast,
    Fees,
    Lane,
    NonceState,
    Outgoing,
    Receipt,
    SignedTransaction,
    Simulation,
)
from livepeer_client.ports import Chain, Clock, TransactionJournal, Transactor
from livepeer_client.services.tasks import completed, for_ever
from livepeer_client.types import Address, Hash32, Wei

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneRules:
    """How one purpose is looked after.

    :ivar max_bumps: how often its fees are raised when it is stuck, 0 for never.
    :ivar max_fee_per_gas: ceiling of its fee cap, wei; None leaves the transactor's own.
    :ivar repeatable: doing it later is as good, so it may be cancelled for something more urgent.
    :ivar own_replacements: its owner replaces by itself, and keeps the hashes; nobody else touches it.
    """

    max_bumps: int = 3
    max_fee_per_gas: Wei | None = None
    repeatable: bool = False
    own_replacements: bool = False


DEFAULT_LANES: Final[Mapping[Lane, LaneRules]] = {
    Lane.REDEMPTION: LaneRules(own_replacements=True),
    Lane.FUNDS: LaneRules(max_bumps=5),
    Lane.REWARD: LaneRules(repeatable=True),
    Lane.ROUND: LaneRules(max_bumps=1, repeatable=True),
}


_REFUSALS: Final = (NonceConsumed, Underpriced, InsufficientFunds, TransactionRefused)
_SEND_ATTEMPTS: Final = 3


class TransactionManager:
    """Looks after all transactions of the key of `transactor`; nobody else may send from that key.

    Give each service the transactor of its lane, run `run` beside them.

    :param bump_after_s: a transaction that long unmined since it was signed last is stuck.
    :param urgent_after_s: the same, once something more urgent waits behind it.
    :param unsent_after_s: a transaction that its owner signed and did not broadcast within that time frees its nonce.
    """

    def __init__(
        self,
        chain: Chain,
        transactor: Transactor,
        journal: TransactionJournal,
        clock: Clock,
        lanes: Mapping[Lane, LaneRules] = DEFAULT_LANES,
        *,
        bump_after_s: float = 120.0,
        urgent_after_s: float = 30.0,
        unsent_after_s: float = 60.0,
        poll_interval_s: float = 2.0,
    ) -> None:
        self._chain = chain
        self._transactor = transactor
        self._journal = journal
        self.clock = self._clock = clock
        self._lanes = lanes
        self._bump_after_s = bump_after_s
        self._urgent_after_s = urgent_after_s
        self._unsent_after_s = unsent_after_s
        self.poll_interval_s = poll_interval_s
        self._open: dict[int, Outgoing] = {}
        self._given_back: set[int] = set()
        self._lock = asyncio.Lock()

    @property
    def address(self) -> Address:
        return self._transactor.address

    @property
    def transactor(self) -> Transactor:
        """The key itself, past every lane."""
        return self._transactor

    @property
    def outgoing(self) -> list[Outgoing]:
        """What is not final yet, in order of nonce."""
        return [self._open[nonce] for nonce in sorted(self._open)]

    def lane(self, lane: Lane) -> "LaneTransactor":
        """A transactor for one purpose.

        :raises InvalidInput: the manager has no such lane.
        """
        if lane not in self._lanes:
            raise InvalidInput(f"no rules for the lane {lane.name}")
        return LaneTransactor(self, lane)

    async def start(self) -> None:
        """Take up what a former run left: its nonces are given to nobody else. Call before the first lane is used.

        :raises StoreError: the journal.
        """
        for outgoing in await self._journal.outgoing(self.address):
            self._open[outgoing.nonce] = outgoing
            self._transactor.reserve(outgoing.nonce)

    async def run(self) -> None:
        """Look after what is open until cancelled. Trouble that may pass, of chain or signer, is logged."""
        await for_ever(self.step, self._clock, self.poll_interval_s, f"transactions of 0x{self.address.hex()}")

    async def step(self) -> None:
        """Settle what is final, send again what nodes forgot, and free the head of the line if it is stuck.

        :raises ChainError: from the node; what was done so far stays done.
        """
        if not self._open:
            return
        async with self._lock:
            finality, state = await self._chain.finality(), await self._transactor.nonces()
            waiting: list[Outgoing] = []
            for outgoing in self.outgoing:
                receipt = await self.receipt_of(outgoing)
                if receipt is not None:
                    if receipt.block <= finality.finalized.number:
                        await self._forget(outgoing)
                else:
                    waiting.append(outgoing)
            for outgoing in waiting:
                if self._open.get(outgoing.nonce) is not outgoing:
                    # Its owner sent or replaced it while receipts were read.
                    continue
                self._transactor.reserve(outgoing.nonce)
                if outgoing.nonce < state.mined:
                    # Something that is not ours took it, or this node is behind on receipts.
                    await self._settle_foreign(outgoing)
                elif not outgoing.sent:
                    await self._drop_unsent(outgoing)
            line = [each for each in waiting if each.nonce in self._open and self._open[each.nonce].sent]
            if line:
                await self._free(self._open[line[0].nonce], line[1:])

    async def receipt_of(self, outgoing: Outgoing) -> Receipt | None:
        """The receipt of whichever transaction of a nonce was mined."""
        for transaction in reversed(outgoing.transactions):
            receipt = await self._transactor.receipt(transaction.tx_hash)
            if receipt is not None:
                return receipt
        return None

    def find(self, tx_hash: Hash32) -> Outgoing | None:
        """The entry that a transaction belongs to."""
        for outgoing in self._open.values():
            if outgoing.has(tx_hash):
                return outgoing
        return None

    def rules(self, lane: Lane) -> LaneRules:
        return self._lanes[lane]

    # --- for the lanes

    async def signed(self, lane: Lane, transaction: SignedTransaction) -> None:
        """Journal a new transaction before its owner may send it."""
        await self._record(
            Outgoing(self.address, transaction.nonce, lane, (transaction,), signed_at=self._clock.time())
        )

    async def replaced(self, outgoing: Outgoing, transaction: SignedTransaction, *, cancelled: bool = False) -> None:
        """Journal a replacement before it may be sent."""
        first = len(outgoing.transactions) if cancelled and outgoing.cancelled is None else outgoing.cancelled
        after = (*outgoing.transactions, transaction)
        await self._record(replace(outgoing, transactions=after, signed_at=self._clock.time(), cancelled=first))

    async def broadcast(self, transaction: SignedTransaction) -> Broadcast:
        """Send a transaction; what cannot be mined any more or was refused unseen frees its nonce."""
        outgoing = self.find(transaction.tx_hash)
        if outgoing is not None and not outgoing.sent:
            await self._record(replace(outgoing, sent=True))
        try:
            return await self._transactor.broadcast(transaction)
        except _REFUSALS as refusal:
            alone = outgoing is not None and len(outgoing.transactions) == 1
            if outgoing is not None and alone and not outgoing.sent and not _occupied(refusal):
                await self._forget(outgoing)
            raise

    def give_back(self, nonce: int) -> None:
        """What was signed for a nonce will not be sent. The next step frees or fills it: nobody may sign for it while
        the journal still names the old transaction."""
        if nonce in self._open and not self._open[nonce].sent:
            self._given_back.add(nonce)

    # --- inside

    async def _record(self, outgoing: Outgoing) -> None:
        async def store() -> None:
            await self._journal.record(outgoing)
            self._open[outgoing.nonce] = outgoing
            # Should its block vanish it is sent again.
            self._transactor.reserve(outgoing.nonce)

        await completed(store())

    async def _forget(self, outgoing: Outgoing) -> None:
        await self._journal.forget(outgoing.key, outgoing.nonce)
        self._open.pop(outgoing.nonce, None)
        self._given_back.discard(outgoing.nonce)
        self._transactor.release(outgoing.nonce)

    async def _settle_foreign(self, outgoing: Outgoing) -> None:
        if self._clock.time() - outgoing.signed_at > self._unsent_after_s:
            logger.warning("nonce %d was taken by a transaction that is not ours", outgoing.nonce)
            await self._forget(outgoing)

    async def _drop_unsent(self, outgoing: Outgoing) -> None:
        """Its owner gave it back or failed between signing and sending, here or in a former run; never sent behind its
        back. If others were sent with higher nonces, an empty transfer takes its place: they could not be mined until
        somebody happened to sign something new."""
        given_back = outgoing.nonce in self._given_back
        if not given_back and self._clock.time() - outgoing.signed_at <= self._unsent_after_s:
            return
        if any(each.sent and nonce > outgoing.nonce for nonce, each in self._open.items()):
            await self._fill(outgoing)
        else:
            logger.info("nonce %d is free again: its transaction was never sent", outgoing.nonce)
            await self._forget(outgoing)

    async def _fill(self, outgoing: Outgoing) -> None:
        try:
            empty = await self._transactor.cancel(outgoing.newest)
        except NonceConsumed:
            return
        except (ReplacementTooExpensive, InsufficientFunds) as refusal:
            logger.warning("nonce %d is empty and holds up later ones: %s", outgoing.nonce, refusal)
            return
        self._given_back.discard(outgoing.nonce)
        await self.replaced(replace(outgoing, sent=True), empty, cancelled=True)
        logger.info("nonce %d is filled: its transaction was never sent", outgoing.nonce)
        await self._send_again(empty)

    async def _free(self, head: Outgoing, behind: Sequence[Outgoing]) -> None:
        """Send the head of the line again, at higher fees once it is stuck."""
        rules = self._lanes[head.lane]
        urgent = min((each.lane for each in behind if each.lane < head.lane), default=None)
        limit_s = self._bump_after_s if urgent is None else self._urgent_after_s
        # An empty transfer is nobody's but ours.
        owned = rules.own_replacements and head.cancelled is None
        if owned or self._clock.time() - head.signed_at <= limit_s:
            await self._send_again(head.newest)
            return
        bumps = len(head.transactions) - 1
        budget = rules.max_bumps + (0 if urgent is None else max(1, self._lanes[urgent].max_bumps))
        if bumps >= budget:
            await self._send_again(head.newest)
            return
        ceilings = [self._lanes[lane].max_fee_per_gas for lane in (head.lane, urgent) if lane is not None]
        known = [ceiling for ceiling in ceilings if ceiling is not None]
        # A lane without a ceiling of its own stands for the transactor's.
        ceiling = max(known) if len(known) == len(ceilings) else None
        cancel = urgent is not None and rules.repeatable and head.cancelled is None
        again = self._transactor.cancel if cancel else self._transactor.replace
        try:
            transaction = await again(head.newest, max_fee_per_gas=ceiling)
        except NonceConsumed:
            return
        except (ReplacementTooExpensive, InsufficientFunds) as refusal:
            logger.warning("nonce %d (%s) is stuck: %s", head.nonce, head.lane.name.lower(), refusal)
            await self._send_again(head.newest)
            return
        await self.replaced(head, transaction, cancelled=cancel)
        logger.info(
            "nonce %d (%s) %s, attempt %d",
            head.nonce,
            head.lane.name.lower(),
            "is given up for something more urgent" if cancel else "is sent again at higher fees",
            bumps + 2,
        )
        await self._send_again(transaction)

    async def _send_again(self, transaction: SignedTransaction) -> None:
        """Nodes forget what waits long; they are reminded."""
        try:
            await self._transactor.broadcast(transaction)
        except _REFUSALS as refusal:
            logger.debug("nonce %d: %s", transaction.nonce, refusal)


class LaneTransactor:
    """`ports.Transactor` for one purpose. What it signs is journalled before it is handed out.

    `receipt` and `wait` tell of whichever transaction of the same nonce was mined, so the receipt may carry the hash
    of a replacement; in a lane with `own_replacements` only of the one that was asked for.
    """

    def __init__(self, manager: TransactionManager, lane: Lane, *, send_timeout_s: float = 600.0) -> None:
        self._manager = manager
        self._transactor = manager.transactor
        self._lane = lane
        self._rules = manager.rules(lane)
        self._send_timeout_s = send_timeout_s

    @property
    def address(self) -> Address:
        return self._transactor.address

    async def simulate_redeem(self, ticket: WinningTicket, *, block: Hash32 | None = None) -> int:
        return await self._transactor.simulate_redeem(ticket, block=block)

    async def simulate(
        self, contract: str, function: str, args: Sequence[object], *, value: Wei = Wei(0)
    ) -> Simulation:
        return await self._transactor.simulate(contract, function, args, value=value)

    async def prepare(
        self,
        contract: str,
        function: str,
        args: Sequence[object],
        *,
        gas_limit: int | None = None,
        value: Wei = Wei(0),
        max_fee_per_gas: Wei | None = None,
    ) -> SignedTransaction:
        transaction = await self._transactor.prepare(
            contract,
            function,
            args,
            gas_limit=gas_limit,
            value=value,
            max_fee_per_gas=self._ceiling(max_fee_per_gas),
        )
        await self._manager.signed(self._lane, transaction)
        return transaction

    async def replace(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        return await self._journalled(
            transaction, await self._transactor.replace(transaction, max_fee_per_gas=self._ceiling(max_fee_per_gas))
        )

    async def cancel(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        return await self._journalled(
            transaction,
            await self._transactor.cancel(transaction, max_fee_per_gas=self._ceiling(max_fee_per_gas)),
            cancelled=True,
        )

    def reserve(self, nonce: int) -> None:
        self._transactor.reserve(nonce)

    def release(self, nonce: int) -> None:
        self._manager.give_back(nonce)

    async def fees(self, transaction: SignedTransaction) -> Fees:
        return await self._transactor.fees(transaction)

    async def nonces(self, key: Address | None = None) -> NonceState:
        return await self._transactor.nonces(key)

    async def broadcast(self, transaction: SignedTransaction) -> Broadcast:
        return await self._manager.broadcast(transaction)

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        outgoing = None if self._rules.own_replacements else self._manager.find(tx_hash)
        if outgoing is None:
            return await self._transactor.receipt(tx_hash)
        return await self._manager.receipt_of(outgoing)

    async def wait(self, tx_hash: Hash32, timeout_s: float) -> Receipt:
        """As in the port.

        :raises TransactionDropped: also once it was given up for something more urgent, or lost its nonce.
        """
        clock = self._manager.clock
        until = clock.monotonic() + timeout_s
        outgoing: Outgoing | None = None
        while True:
            # Kept, for once it is final the manager forgets it.
            outgoing = self._manager.find(tx_hash) or outgoing
            receipt = await self._look(tx_hash, outgoing)
            if receipt is not None:
                if outgoing is not None and outgoing.cancelled_by(receipt.tx_hash):
                    raise TransactionDropped(tx_hash, timeout_s)
                return receipt
            # One that was known and is known no more, without a receipt: another process of the key took its nonce.
            gone = outgoing is not None and self._manager.find(tx_hash) is None
            if gone or clock.monotonic() >= until:
                raise TransactionDropped(tx_hash, timeout_s)
            await clock.sleep(min(self._manager.poll_interval_s, max(0.0, until - clock.monotonic())))

    async def _look(self, tx_hash: Hash32, outgoing: Outgoing | None) -> Receipt | None:
        try:
            if outgoing is None or self._rules.own_replacements:
                return await self._transactor.receipt(tx_hash)
            return await self._manager.receipt_of(outgoing)
        except ChainUnavailable:
            # The node may come back within the time there is.
            return None

    async def send(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> Receipt:
        for attempt in range(1, _SEND_ATTEMPTS + 1):
            transaction = await self.prepare(contract, function, args, gas_limit=gas_limit, value=value)
            try:
                await self.broadcast(transaction)
                break
            except NonceConsumed:
                # Somebody else used our key between the two steps; this one can never be mined, so a new one is safe.
                if attempt == _SEND_ATTEMPTS:
                    raise
            except Underpriced:
                # Where its nonce is kept the manager raises it, so it may be mined yet: a caller that was told
                # otherwise would do it twice.
                if self._manager.find(transaction.tx_hash) is None:
                    raise
                break
        receipt = await self.wait(transaction.tx_hash, self._send_timeout_s)
        if not receipt.succeeded:
            raise await self.why(receipt, contract, function, args, value)
        return receipt

    async def why(
        self, receipt: Receipt, contract: str, function: str, args: Sequence[object], value: Wei = Wei(0)
    ) -> Reverted:
        return await self._transactor.why(receipt, contract, function, args, value)

    def _ceiling(self, asked: Wei | None) -> Wei | None:
        return self._rules.max_fee_per_gas if asked is None else asked

    async def _journalled(
        self, before: SignedTransaction, after: SignedTransaction, *, cancelled: bool = False
    ) -> SignedTransaction:
        outgoing = self._manager.find(before.tx_hash)
        if outgoing is None:
            # Signed by a former run that kept it elsewhere: from here on its nonce is ours to watch.
            await self._manager.signed(self._lane, before)
            outgoing = self._manager.find(before.tx_hash)
        assert outgoing is not None
        await self._manager.replaced(outgoing, after, cancelled=cancelled)
        return after


def _occupied(refusal: ChainError) -> bool:
    return isinstance(refusal, Underpriced) and refusal.occupied
