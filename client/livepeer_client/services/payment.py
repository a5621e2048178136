"""An orchestrator's till: quotes to senders, payments received, sessions charged (offchain-payments 3, 5, 6 and 8).

Balances, nonces and the secret behind quotes live in memory. The secret is redrawn at each start, so no quote and
no nonce of an earlier life can come back; what was credited and won is in the store before it is answered for.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S
from livepeer_client.codec.messages import Payment, PriceInfo
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import Bug, StoreError
from livepeer_client.facts import Debit, ReceivedPayment, SenderInfo, TicketState
from livepeer_client.policy.balance import Account, credited, debited, require_balance
from livepeer_client.policy.price import price_to_info, with_overhead
from livepeer_client.policy.receiving import (
    PaymentVerdict,
    SeenNonces,
    judge_tickets,
    open_payment,
    without_expired,
)
from livepeer_client.policy.recipient import (
    SECRET_BYTES,
    RecipientConfig,
    max_float,
    quote,
    tx_cost_multiplier,
)
from livepeer_client.ports import Clock, TicketStore
from livepeer_client.services.chain_view import ChainView, Moment
from livepeer_client.services.drawing import TicketDrawer
from livepeer_client.services.tasks import completed
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei

ACCOUNT_IDLE_S: Final = AUTH_TOKEN_LIFETIME_S
"""An account is dropped after the time in which its session's token has expired for certain."""

_NOBODY: Final = SenderInfo(Wei(0), Round(0), Wei(0), Wei(0))

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seat:
    """The account of one (sender, session), and the lock under which it changes. `users` hold or await the lock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    account: Account | None = None
    used_at: float = 0.0
    users: int = 0


class PaymentService:
    """Receives payments for one recipient. `base_price` in wei per pixel, exact.

    With `auto_adjust` the quoted price also covers the cost of redemption (offchain-payments 7c).
    """

    def __init__(
        self,
        *,
        recipient: RecipientConfig,
        base_price: Fraction,
        auto_adjust: bool,
        store: TicketStore,
        view: ChainView,
        clock: Clock,
        drawer: TicketDrawer | None = None,
    ) -> None:
        self._recipient = recipient
        self._base_price = base_price
        self._auto_adjust = auto_adjust
        self._store = store
        self._view = view
        self._clock = clock
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._seats: dict[tuple[Address, str], _Seat] = {}
        self._drawer = drawer or TicketDrawer()
        self._seen: dict[Hash32, SeenNonces] = {}
        self._winners: dict[Address, int] = {}
        self._winners_as_of: tuple[Hash32, int] | None = None
        self._winners_recorded = 0

    # --- quotes -------------------------------------------------------------------------------------

    async def quote(self, sender: Address, session_id: str = "") -> tuple[PriceInfo, TicketParams]:
        """Price and ticket params for `sender`, at the session's own price if it has one already.

        :raises QuoteRefused: its deposit and reserve do not carry a ticket; with figures.
        :raises ChainError: the chain cannot be read.
        :raises StoreError: the store cannot.
        """
        moment = await self._view.moment()
        trusted = await self._float(sender, moment)
        fixed = self.session_price(sender, session_id)
        info = price_to_info(self._price(moment, trusted) if fixed is None else fixed)
        params = quote(
            self._recipient,
            secret=self._secret,
            seed=int.from_bytes(secrets.token_bytes(32), "big"),
            sender=sender,
            # The price as it travels: what does not fit the wire was rounded, and the sender returns that.
            price=info.wei_per_pixel,
            gas_price=moment.head.gas_price,
            max_float=trusted,
            last_seen_l1_block=moment.head.l1_block,
            expiration=moment.expiration,
        )
        return info, params

    def _price(self, moment: Moment, trusted: int) -> Fraction:
        if not self._auto_adjust or self._base_price <= 0:
            return self._base_price
        multiplier = tx_cost_multiplier(self._recipient, gas_price=moment.head.gas_price, max_float=trusted)
        return with_overhead(self._base_price, multiplier)

    async def _float(self, sender: Address, moment: Moment) -> int:
        facts = await self._view.sender(sender)
        winners = await self._open_winners(moment)
        return max_float(
            deposit=facts.info.deposit,
            allocation=facts.claimable_reserve,
            open_winners=Wei(winners.get(sender, 0)),
        )

    async def _open_winners(self, moment: Moment) -> dict[Address, int]:
        """Face value of winners held or in flight by sender, read again after each block and each new winner."""
        as_of = (moment.head.block_hash, self._winners_recorded)
        if self._winners_as_of != as_of:
            winners: dict[Address, int] = {}
            for stored in await self._store.tickets(TicketState.HELD, TicketState.SENT):
                ticket = stored.winner.ticket
                winners[ticket.sender] = winners.get(ticket.sender, 0) + ticket.face_value
            self._winners, self._winners_as_of = winners, as_of
        return self._winners

    # --- payments -----------------------------------------------------------------------------------

    async def receive(self, payment: Payment, session_id: str) -> Fraction:
        """Judge a payment, store what it brought and then credit it to (sender, session).

        The session's price is the one returned with its first credited ticket, fixed in the same step. A payment
        without tickets brings nothing, and opens a session only where work is free.

        :returns: the credit, wei, exact.
        :raises MalformedMessage, PaymentRefused: the payment as a whole; nothing has changed.
        :raises TicketRejected: a ticket. If it is fatal nothing has changed, else what the tickets before it
            were worth is credited, and all valid winners are stored.
        :raises ChainError: the chain cannot be read; nothing has changed.
        :raises StoreError: nothing was credited, and the same payment may be sent again.
        """
        sender = Address(payment.sender)
        async with self._at(sender, session_id) as seat:
            if payment.ticket_params is None:
                if self._base_price == 0:
                    seat.account = credited(seat.account, Fraction(0), Fraction(0))
                return Fraction(0)
            verdict = await self._judge(payment, sender)
            if verdict.credited or verdict.winners:
                await completed(self._book(seat, payment, session_id, verdict))
        if verdict.rejection is not None:
            raise verdict.rejection
        return verdict.credited

    async def _judge(self, payment: Payment, sender: Address) -> PaymentVerdict:
        info = (await self._view.sender(sender)).info if sender else _NOBODY
        moment = await self._view.moment()
        opened = open_payment(
            self._recipient,
            payment,
            secret=self._secret,
            sender_info=info,
            active=moment.orchestrator.active,
            last_initialized_round=moment.round.last_initialized,
        )
        if isinstance(opened, PaymentVerdict):
            return opened
        draws = await self._drawer.draw(opened)
        # The block comes last, with nothing awaited between it and the verdict: by an older one a quote could still
        # be valid whose nonces are swept already. Judging and using up the nonces is one step as well: nobody else
        # can be credited for them from here on.
        head = (await self._view.moment()).head
        quote_, expiration_block = self._quote_of(payment)
        seen = self._nonces(quote_)
        verdict = judge_tickets(opened, draws, seen=seen, last_seen_l1_block=head.l1_block)
        # On an expired quote nothing is credited any more, so there is nothing to remember.
        if verdict.nonces and expiration_block > head.l1_block:
            self._seen[quote_] = SeenNonces(expiration_block, seen | verdict.nonces)
        return verdict

    @staticmethod
    def _quote_of(payment: Payment) -> tuple[Hash32, BlockNumber]:
        params = payment.ticket_params
        if params is None:
            raise Bug("a payment without a quote was judged")
        return params.recipient_rand_hash, params.expiration_block

    def _nonces(self, quote_: Hash32) -> frozenset[int]:
        known = self._seen.get(quote_)
        return frozenset() if known is None else known.nonces

    async def _book(self, seat: _Seat, payment: Payment, session_id: str, verdict: PaymentVerdict) -> None:
        """Store what a payment brought, then credit it."""
        received = ReceivedPayment(
            sender=Address(payment.sender),
            session_id=session_id,
            received=verdict.received,
            credited=verdict.credited,
            winners=verdict.winners,
        )
        try:
            await self._store.record_payment(received)
        except StoreError:
            # Nothing was stored, so nothing was received: the same tickets may come again.
            quote_, expiration_block = self._quote_of(payment)
            if quote_ in self._seen:
                self._seen[quote_] = SeenNonces(expiration_block, self._nonces(quote_) - verdict.nonces)
            raise
        self._winners_recorded += len(verdict.winners)
        if verdict.credited:
            if verdict.price is None:
                raise Bug("tickets were credited without a price")
            seat.account = credited(seat.account, verdict.credited, verdict.price)

    # --- sessions -----------------------------------------------------------------------------------

    def session_price(self, sender: Address, session_id: str) -> Fraction | None:
        """The price fixed for a session, wei per pixel, or None."""
        account = self._account(sender, session_id)
        return None if account is None else account.price

    def balance(self, sender: Address, session_id: str) -> Fraction:
        """Credit left, wei, exact; may be negative."""
        account = self._account(sender, session_id)
        return Fraction(0) if account is None else account.balance

    def require_balance(self, sender: Address, session_id: str) -> None:
        """Work starts only with one ticket's expected value in hand, unless it is free.

        :raises InsufficientBalance: there is less.
        """
        require_balance(self._account(sender, session_id), Fraction(self._recipient.ev))

    async def charge(self, sender: Address, session_id: str, seq: int, pixels: int) -> Fraction:
        """Charge work to a session at its price; stored first.

        :returns: the fee, wei, exact.
        :raises StoreError: nothing was charged.
        """
        async with self._at(sender, session_id) as seat:
            if seat.account is None:
                raise Bug(f"work for session {session_id} without an account")
            account, fee = debited(seat.account, pixels)
            await completed(self._debit(seat, account, Debit(sender, session_id, seq, pixels, fee)))
        return fee

    async def _debit(self, seat: _Seat, after: Account, debit: Debit) -> None:
        await self._store.record_debit(debit)
        seat.account = after

    async def sweep(self) -> None:
        """Forget nonces of quotes that have expired and accounts that nobody can use any more.

        :raises ChainError: the chain cannot be read.
        """
        head = (await self._view.moment()).head
        self._seen = without_expired(self._seen, head.l1_block)
        now = self._clock.monotonic()
        for key, seat in list(self._seats.items()):
            if now - seat.used_at > ACCOUNT_IDLE_S and not seat.users:
                balance = seat.account.balance if seat.account is not None else Fraction(0)
                _log.info("account dropped sender=0x%s session=%s balance_wei=%d", key[0].hex(), key[1], int(balance))
                del self._seats[key]

    @asynccontextmanager
    async def _at(self, sender: Address, session_id: str) -> AsyncIterator[_Seat]:
        """The seat of a session, alone; one whose account nobody opened is gone afterwards."""
        key = (sender, session_id)
        seat = self._seats.setdefault(key, _Seat())
        seat.users += 1
        try:
            async with seat.lock:
                yield seat
        finally:
            seat.users -= 1
            seat.used_at = self._clock.monotonic()
            if seat.account is None and not seat.users:
                del self._seats[key]

    def _account(self, sender: Address, session_id: str) -> Account | None:
        seat = self._seats.get((sender, session_id))
        return None if seat is None else seat.account
