"""An orchestrator's till: payments received, sessions charged (offchain-payments 5, 6 and 8).

What was credited, charged and won is in the store before it is answered for, so balances outlive the process and are
one for all nodes on one store. The secret behind quotes is drawn anew at each start, and then no quote and no nonce of
an earlier life can come back; or it is kept, also for several nodes of one recipient, and then the store keeps the
nonces as well.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S
from livepeer_client.codec.messages import Capabilities, Payment, PriceInfo
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import Bug, InvalidInput, NoncesSeen, StoreError, StoreUnavailable
from livepeer_client.facts import Debit, ReceivedNonces, ReceivedPayment, SenderInfo, SessionBalance
from livepeer_client.policy.balance import Account, debited, require_balance
from livepeer_client.policy.receiving import (
    Draw,
    OpenedPayment,
    PaymentVerdict,
    SeenNonces,
    judge_tickets,
    open_payment,
    without_expired,
)
from livepeer_client.policy.recipient import SECRET_BYTES, RecipientConfig
from livepeer_client.policy.streaming import require_units
from livepeer_client.ports import Clock, TicketStore
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.drawing import TicketDrawer
from livepeer_client.services.quoting import Prices, QuoteService
from livepeer_client.services.tasks import completed
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei

ACCOUNT_IDLE_S: Final = AUTH_TOKEN_LIFETIME_S
"""An account is dropped after the time in which its session's token has expired for certain."""

KEPT_BLOCKS: Final = 100
"""Nonces are kept so long after their quote expired: another node of the recipient, or this one after its next start,
may see an older block, by which the quote still holds."""

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
    """Receives payments for one recipient.

    :param auto_adjust: prices also cover the cost of redemption (offchain-payments 7c).
    :param secret: 32 random bytes behind all quotes, the same for every node of the recipient and after every restart;
        None for one of this process alone.
    :raises InvalidInput: a secret of another length.
    """

    def __init__(
        self,
        *,
        recipient: RecipientConfig,
        prices: Prices,
        auto_adjust: bool,
        store: TicketStore,
        view: ChainView,
        clock: Clock,
        secret: bytes | None = None,
        drawer: TicketDrawer | None = None,
    ) -> None:
        self._recipient = recipient
        self._store = store
        self._view = view
        self._clock = clock
        if secret is not None and len(secret) != SECRET_BYTES:
            raise InvalidInput(f"a secret is {SECRET_BYTES} bytes, got {len(secret)}")
        self._keeps_nonces = secret is not None
        self._secret = secret or secrets.token_bytes(SECRET_BYTES)
        self._quotes = QuoteService(
            recipient=recipient,
            prices=prices,
            auto_adjust=auto_adjust,
            secret=self._secret,
            store=store,
            view=view,
        )
        self._seats: dict[tuple[Address, str], _Seat] = {}
        self._drawer = drawer or TicketDrawer()
        self._seen: dict[Hash32, SeenNonces] = {}

    # --- quotes -------------------------------------------------------------------------------------

    async def quote(
        self, sender: Address, session_id: str = "", job: Capabilities | None = None
    ) -> tuple[PriceInfo, TicketParams]:
        """Price and ticket params for `sender`, at the session's own price if it has one already, else at that of
        `job`.

        :raises QuoteRefused: its deposit and reserve do not carry a ticket; with figures and what would help.
        :raises PriceUnavailable: a price in another currency cannot be told now.
        :raises ChainError, StoreError: the chain or the store cannot be read.
        """
        fixed = await self.session_price(sender, session_id) if session_id else None
        return await self._quotes.quote(sender, fixed=fixed, job=job)

    async def quote_at(self, sender: Address, price: Fraction) -> tuple[PriceInfo, TicketParams]:
        """Price and ticket params at a price that is agreed already. Raises as `quote`."""
        return await self._quotes.quote(sender, fixed=price, job=None)

    def advertised(self, sender: Address) -> tuple[PriceInfo, ...]:
        """Prices of all models for `sender`.

        :raises PriceUnavailable: a price in another currency cannot be told now.
        """
        return self._quotes.advertised(sender)

    def set_max_face_value(self, limit: Wei) -> None:
        """Cap the face value of quotes from now on, wei; 0 for no cap.

        :raises InvalidInput: a negative cap.
        """
        self._recipient = replace(self._recipient, max_face_value=limit)
        self._quotes.recipient = self._recipient

    @property
    def last_quote(self) -> TicketParams | None:
        """The terms quoted last, whoever asked."""
        return self._quotes.last

    # --- payments -----------------------------------------------------------------------------------

    async def receive(self, payment: Payment, session_id: str, *, transcoding: bool = False) -> Fraction:
        """Judge a payment, store what it brought and then credit it to (sender, session).

        The session's price is the one returned with its first credited ticket, fixed in the same step. A payment
        without tickets brings nothing, and opens a session only where work is free.

        :param transcoding: the session is one of transcoding, so its price is at least the base price: a quote for a
            cheaper model would fix its own otherwise.
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
                if sender and seat.account is None and self._quotes.base_price(sender) == 0:
                    seat.account = Account(Fraction(0), Fraction(0))
                return Fraction(0)
            if transcoding and seat.account is None:
                self._quotes.refuse_below_base(payment.expected_price, sender)
            verdict = await self._taken(seat, payment, sender, session_id)
        if verdict.rejection is not None:
            raise verdict.rejection
        return verdict.credited

    async def _taken(self, seat: _Seat, payment: Payment, sender: Address, session_id: str) -> PaymentVerdict:
        """The verdict on a payment, booked. Judged anew if another node has received some of its tickets meanwhile."""
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
        quote, _ = self._quote_of(payment)
        if self._keeps_nonces and quote not in self._seen:
            self._remember(payment, await self._store.nonces(quote))
        draws = await self._drawer.draw(opened)
        while True:
            verdict, used = await self._judge(payment, opened, draws)
            if not verdict.credited and not verdict.winners and used is None:
                return verdict
            try:
                await completed(self._book(seat, payment, session_id, verdict, used))
            except NoncesSeen as seen:
                # Each round knows more of them, so this ends.
                self._remember(payment, seen.nonces)
            else:
                return verdict

    async def _judge(
        self, payment: Payment, opened: OpenedPayment, draws: Sequence[Draw]
    ) -> tuple[PaymentVerdict, ReceivedNonces | None]:
        """The verdict, and the nonces that the store is to keep."""
        # The block comes last, with nothing awaited between it and the verdict: by an older one a quote could still
        # be valid whose nonces are swept already. Judging and using up the nonces is one step as well: nobody else
        # can be credited for them from here on.
        head = (await self._view.moment()).head
        quote, expiration_block = self._quote_of(payment)
        verdict = judge_tickets(opened, draws, seen=self._nonces(quote), last_seen_l1_block=head.l1_block)
        # On an expired quote nothing is credited any more, so there is nothing to remember.
        if not verdict.nonces or expiration_block <= head.l1_block:
            return verdict, None
        self._remember(payment, verdict.nonces)
        used = ReceivedNonces(quote, expiration_block, tuple(sorted(verdict.nonces)))
        return verdict, used if self._keeps_nonces else None

    def _remember(self, payment: Payment, nonces: Set[int]) -> None:
        quote, expiration_block = self._quote_of(payment)
        self._seen[quote] = SeenNonces(expiration_block, self._nonces(quote) | nonces)

    def _release(self, payment: Payment, nonces: Set[int]) -> None:
        quote, expiration_block = self._quote_of(payment)
        if quote in self._seen:
            self._seen[quote] = SeenNonces(expiration_block, self._nonces(quote) - nonces)

    @staticmethod
    def _quote_of(payment: Payment) -> tuple[Hash32, BlockNumber]:
        params = payment.ticket_params
        if params is None:
            raise Bug("a payment without a quote was judged")
        return params.recipient_rand_hash, params.expiration_block

    def _nonces(self, quote: Hash32) -> frozenset[int]:
        known = self._seen.get(quote)
        return frozenset() if known is None else known.nonces

    async def _book(
        self,
        seat: _Seat,
        payment: Payment,
        session_id: str,
        verdict: PaymentVerdict,
        used: ReceivedNonces | None,
    ) -> None:
        """Store what a payment brought, then credit it."""
        received = ReceivedPayment(
            sender=Address(payment.sender),
            session_id=session_id,
            received=verdict.received,
            credited=verdict.credited,
            winners=verdict.winners,
            nonces=used,
            price=verdict.price if verdict.credited else None,
        )
        try:
            after = await self._store.record_payment(received)
        except StoreUnavailable:
            # Stored or not: the balance is what the store says next time. Where it keeps the nonces as well, it
            # tells whether the same tickets are new; elsewhere they stay used, or they might be credited twice.
            seat.account = None
            if self._keeps_nonces:
                self._release(payment, verdict.nonces)
            raise
        except StoreError:
            # Nothing was stored, so nothing was received: the same tickets may come again.
            self._release(payment, verdict.nonces)
            raise
        self._quotes.winners_recorded(len(verdict.winners))
        seat.account = _account_of(after)

    # --- sessions -----------------------------------------------------------------------------------

    async def session_price(self, sender: Address, session_id: str) -> Fraction | None:
        """The price fixed for a session, wei per pixel, or None.

        :raises StoreError: the store cannot be read.
        """
        async with self._at(sender, session_id) as seat:
            return None if seat.account is None else seat.account.price

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
        :raises StoreError: nothing was charged; with `StoreUnavailable` it may have been.
        """
        async with self._at(sender, session_id) as seat:
            if seat.account is None:
                raise Bug(f"work for session {session_id} without an account")
            _, fee = debited(seat.account, pixels)
            await completed(self._debit(seat, Debit(sender, session_id, seq, pixels, fee)))
        return fee

    async def charge_ahead(self, sender: Address, session_id: str, seq: int, units: int) -> Fraction:
        """Charge units of a live job before they pass, if the balance covers them.

        :returns: the fee, wei, exact.
        :raises InsufficientBalance: it does not; nothing was charged, and the job is to be closed.
        :raises StoreError: nothing was charged.
        """
        async with self._at(sender, session_id) as seat:
            fee = require_units(seat.account, units)
            await completed(self._debit(seat, Debit(sender, session_id, seq, units, fee)))
        return fee

    async def charge_fee(self, sender: Address, session_id: str, seq: int, units: int, price: Fraction) -> Fraction:
        """Charge `units` at a price of their own, whatever quote the balance was paid on.

        :returns: the balance after it, wei, exact; it may be negative.
        :raises StoreError: nothing was charged; with `StoreUnavailable` it may have been.
        """
        async with self._at(sender, session_id) as seat:
            if seat.account is None:
                raise Bug(f"work for {session_id} without an account")
            await completed(self._debit(seat, Debit(sender, session_id, seq, units, units * price)))
            return Fraction(0) if seat.account is None else seat.account.balance

    async def _debit(self, seat: _Seat, debit: Debit) -> None:
        try:
            after = _account_of(await self._store.record_debit(debit))
        except StoreUnavailable:
            # Charged or not: the balance is what the store says next time.
            seat.account = None
            raise
        # A session that is free has nothing in the store that says so.
        if after is not None:
            seat.account = after

    async def sweep(self) -> None:
        """Forget nonces of quotes that no node accepts any more, and write off what is left of sessions that nobody
        can use any more.

        :raises ChainError, StoreError: the chain or the store cannot be read.
        """
        head = (await self._view.moment()).head
        # Alone with its secret this process never sees an older block; others may.
        self._seen = without_expired(self._seen, head.l1_block)
        if self._keeps_nonces:
            await self._store.forget_nonces(BlockNumber(max(0, head.l1_block - KEPT_BLOCKS)))
        for ended in await self._store.write_off_idle(ACCOUNT_IDLE_S):
            _log.info(
                "account written off sender=0x%s session=%s balance_wei=%d",
                ended.sender.hex(),
                ended.session_id,
                int(ended.balance),
            )
        now = self._clock.monotonic()
        for key, seat in list(self._seats.items()):
            if now - seat.used_at > ACCOUNT_IDLE_S and not seat.users:
                del self._seats[key]

    @asynccontextmanager
    async def _at(self, sender: Address, session_id: str) -> AsyncIterator[_Seat]:
        """The seat of a session, alone, with what the store knows of it; one whose account nobody opened is gone
        afterwards."""
        key = (sender, session_id)
        seat = self._seats.setdefault(key, _Seat())
        seat.users += 1
        try:
            async with seat.lock:
                if seat.account is None:
                    seat.account = _account_of(await self._store.session(sender, session_id))
                yield seat
        finally:
            seat.users -= 1
            seat.used_at = self._clock.monotonic()
            if seat.account is None and not seat.users:
                del self._seats[key]

    def _account(self, sender: Address, session_id: str) -> Account | None:
        seat = self._seats.get((sender, session_id))
        return None if seat is None else seat.account


def _account_of(session: SessionBalance | None) -> Account | None:
    """An account of what the store keeps; none before its price is fixed, or once it was written off."""
    if session is None or session.price is None or not session.open:
        return None
    return Account(session.balance, session.price)
