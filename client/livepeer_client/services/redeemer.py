"""Both sides of a redeemer that is a process of its own (offchain-payments 11.4).

The redeemer takes winners of one recipient, keeps them in its store and says how far senders are trusted. The other
side keeps every winner in its own store until the redeemer has acknowledged it, and after that on hold, so that
neither a crash nor a broken connection loses one: a winner handed over twice is stored once.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Final

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.ticket import WinningTicket, is_winning, recipient_rand_hash
from livepeer_client.errors import (
    BadCredentials,
    ChainError,
    LeaseHeld,
    LeaseLost,
    LivepeerError,
    StoreUnavailable,
    TransportError,
)
from livepeer_client.facts import Lease, ReceivedPayment, TicketOutcome, TicketState, redemption_lease
from livepeer_client.policy.recipient import max_float
from livepeer_client.ports import Chain, Clock, TicketRedeemer, TicketStore
from livepeer_client.services.chain_view import ChainView
from livepeer_client.types import Address, Wei

logger = logging.getLogger(__name__)

SESSION: Final = "redeemer"
"""Under which a redeemer records winners; they bring no credit, which is the other side's business."""


class WrongRecipient(BadCredentials):
    """A ticket for somebody else. The text is the reference's."""

    def __init__(self, recipient: Address, expected: Address) -> None:
        self.recipient = recipient
        self.expected = expected
        super().__init__(
            f"invalid ticket recipient {checksum_address(recipient)}, expected {checksum_address(expected)}"
        )


class RedeemerService:
    """Takes winners of `recipient`; a `RedemptionService` on the same store redeems them."""

    def __init__(
        self, recipient: Address, store: TicketStore, view: ChainView, clock: Clock, *, poll_interval_s: float = 5.0
    ) -> None:
        self._recipient = recipient
        self._store = store
        self._view = view
        self._clock = clock
        self._poll_interval_s = poll_interval_s

    async def queue_ticket(self, winner: WinningTicket) -> None:
        """Store a winner; once this returns it is on disk. One that is stored already is left as it is.

        :raises WrongRecipient: it pays somebody else.
        :raises BadCredentials: its signature, its secret or its draw does not hold.
        :raises StoreError: not stored.
        """
        ticket = winner.ticket
        if ticket.recipient != self._recipient:
            raise WrongRecipient(ticket.recipient, self._recipient)
        if recipient_rand_hash(winner.recipient_rand) != ticket.recipient_rand_hash:
            raise BadCredentials("recipientRand does not match recipientRandHash")
        if not is_signed_by(ticket.sender, winner.sig, ticket.hash):
            raise BadCredentials("invalid signature over ticket hash")
        if not is_winning(winner.sig, winner.recipient_rand, ticket.win_prob):
            raise BadCredentials("ticket did not win")
        # Idempotent, and without credit: that was given by whoever received the payment.
        await self._store.record_payment(ReceivedPayment(ticket.sender, SESSION, 0, Fraction(0), (winner,)))

    async def max_float(self, sender: Address) -> int:
        """What `sender` is still trusted for, wei: all winners that are not settled count. May be negative.

        :raises ChainError, StoreError: not known now.
        """
        facts = await self._view.sender(sender)
        risk = next((each for each in await self._store.value_at_risk() if each.sender == sender), None)
        open_winners = Wei(0) if risk is None else Wei(risk.held + risk.sent)
        return max_float(deposit=facts.info.deposit, allocation=facts.claimable_reserve, open_winners=open_winners)

    async def monitor_max_float(self, sender: Address) -> AsyncIterator[int]:
        """The float now and after each change: of deposit, reserve, claims, pool, round, and of winners.

        :raises ChainError, StoreError: not known any more.
        """
        told: int | None = None
        while True:
            now = await self.max_float(sender)
            if now != told:
                told = now
                yield now
            await self._clock.sleep(self._poll_interval_s)


class TicketForwarder:
    """Hands the winners of a store over to a redeemer, oldest first, until all are acknowledged.

    An acknowledged winner stays here on hold under `note`, as a second copy, and is not sent again.
    """

    def __init__(
        self,
        store: TicketStore,
        redeemer: TicketRedeemer,
        clock: Clock,
        *,
        note: str = "handed to the redeemer",
        poll_interval_s: float = 1.0,
        longest_pause_s: float = 60.0,
    ) -> None:
        self._store = store
        self._redeemer = redeemer
        self._clock = clock
        self._note = note
        self._poll_interval_s = poll_interval_s
        self._longest_pause_s = longest_pause_s

    async def run(self) -> None:
        """Forward until cancelled; pauses grow while the redeemer or the store is not reached."""
        pause = self._poll_interval_s
        while True:
            try:
                await self.step()
                pause = self._poll_interval_s
            except (TransportError, ChainError, StoreUnavailable) as error:
                logger.warning("redeemer: %s", error)
                pause = min(self._longest_pause_s, 2 * pause)
            await self._clock.sleep(pause)

    async def run_with(self, chain: Chain, key: Address, *, lease_s: float = 120.0) -> None:
        """`run`, and settle the copies beside it, under the lease of `key`'s redemptions."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run())
            group.create_task(self._settle(chain, key, lease_s))

    async def _settle(self, chain: Chain, key: Address, lease_s: float) -> None:
        while True:
            try:
                lease = await self._store.acquire_lease(redemption_lease(key), "forwarder", lease_s)
                await self.settle(chain, lease)
            except (ChainError, LeaseHeld, LeaseLost, StoreUnavailable) as error:
                logger.warning("redeemer: copies are not settled yet: %s", error)
            await self._clock.sleep(self._longest_pause_s)

    async def step(self) -> int:
        """Hand over what waits. Returns how many were acknowledged; one that is refused is logged and left.

        :raises TransportError: the redeemer is not reached; the rest waits.
        """
        done = 0
        for ticket in await self._store.tickets(TicketState.HELD):
            if ticket.hold is not None:
                continue
            try:
                await self._redeemer.queue_ticket(ticket.winner)
            except TransportError:
                raise
            except LivepeerError as refusal:
                logger.error("the redeemer refuses ticket 0x%s: %s", ticket.hash.hex(), refusal)
                continue
            await self._store.hold([ticket.hash], self._note)
            done += 1
        return done

    async def settle(self, chain: Chain, lease: Lease) -> int:
        """Mark the copies whose tickets are redeemed, or can be no more, as the final part of the chain shows.

        :raises ChainError, StoreError: nothing is marked wrongly; the next time goes on.
        """
        copies = [each for each in await self._store.tickets(TicketState.HELD) if each.hold == self._note]
        if not copies:
            return 0
        final = chain.at((await chain.finality()).finalized.hash)
        used = await final.used_tickets([copy.hash for copy in copies])
        validity, round_ = await final.ticket_validity_period(), (await final.round_state()).current
        outcomes = []
        for copy, is_used in zip(copies, used, strict=True):
            if is_used:
                outcomes.append(TicketOutcome(copy.hash, TicketState.USED_ELSEWHERE, Wei(0), None, self._note))
            elif copy.winner.ticket.creation_round + validity <= round_:
                outcomes.append(TicketOutcome(copy.hash, TicketState.EXPIRED, Wei(0), None, "ticket is expired"))
        if outcomes:
            await self._store.mark(outcomes, lease=lease)
        return len(outcomes)


class MaxFloatCache:
    """Floats of senders as a redeemer tells them, kept up to date by its stream while they are asked for.

    One is forgotten once its stream breaks, so that an outdated figure is never given, and once nobody asked for it
    for `idle_s`. Use inside `async with`.
    """

    def __init__(self, redeemer: TicketRedeemer, clock: Clock, *, idle_s: float = 300.0) -> None:
        self._redeemer = redeemer
        self._clock = clock
        self._idle_s = idle_s
        self._values: dict[Address, Wei] = {}
        self._asked_at: dict[Address, float] = {}
        self._streams: dict[Address, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "MaxFloatCache":
        return self

    async def __aexit__(self, *_: object) -> None:
        streams = list(self._streams.values())
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    @property
    def known(self) -> frozenset[Address]:
        """Senders whose floats are followed now."""
        return frozenset(self._values)

    async def max_float(self, sender: Address) -> Wei:
        """:raises TransportError, PeerRefused: not known, and the redeemer does not tell."""
        self._asked_at[sender] = self._clock.monotonic()
        self._sweep()
        known = self._values.get(sender)
        if known is not None:
            return known
        value = await self._redeemer.max_float(sender)
        if sender not in self._streams:
            self._streams[sender] = asyncio.create_task(self._follow(sender))
        return value

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for sender, asked_at in list(self._asked_at.items()):
            if now - asked_at > self._idle_s:
                del self._asked_at[sender]
                self._values.pop(sender, None)
                stream = self._streams.pop(sender, None)
                if stream is not None:
                    stream.cancel()

    async def _follow(self, sender: Address) -> None:
        try:
            async for value in self._redeemer.monitor_max_float(sender):
                self._values[sender] = value
        except LivepeerError as error:
            logger.info("redeemer: float of 0x%s is not followed any more: %s", sender.hex(), error)
        finally:
            self._values.pop(sender, None)
            if self._streams.get(sender) is asyncio.current_task():
                del self._streams[sender]
