"""Pay an orchestrator for segments: keep its quote fresh, draw and sign tickets, keep the account of both sides.

A payment is in the books before it leaves, and answered there once the work was checked (style: commit, then act).
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec.messages import AuthToken, Capabilities, OrchestratorInfo, Payment, VideoProfile
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import Bug, ParamsRejected
from livepeer_client.facts import SentPayment
from livepeer_client.policy.balance import ZERO, Balance, Outcome, StagedCredit, complete
from livepeer_client.policy.discovery import Offer, Rejection, classify
from livepeer_client.policy.price import check_price, estimate_fee, fee
from livepeer_client.policy.sender import (
    DrawnTickets,
    QuoteInUse,
    RenewalMargins,
    SenderLimits,
    SenderSession,
    Staged,
    build_payment,
    check_account,
    renewal_due,
    stage_payment,
)
from livepeer_client.ports import Chain, Clock, GatewayBooks, Signer
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.gateway_view import GatewayMoment, GatewayView
from livepeer_client.services.own_signer import signed
from livepeer_client.types import Address, BlockNumber, Hash32, Signature, Wei

REFRESH_TIMEOUT_S: Final = 2.5
"""offchain-network 0."""
_PAYMENT_ID_BYTES: Final = 16
_KEPT_BLOCKS: Final = 100
_SIGNED_AT_ONCE: Final = 64


class NonceLedger:
    """The last nonce drawn on each quote, by its recipientRandHash, for everything one key signs.

    Whoever draws writes it back before the next await, so no two payments share a nonce, not even if an orchestrator
    hands out one quote twice.
    """

    def __init__(self) -> None:
        self._last: dict[Hash32, tuple[int, BlockNumber]] = {}
        self._first_seen: dict[Hash32, tuple[float, BlockNumber, BlockNumber]] = {}
        self._looked_at = BlockNumber(-1)

    def last(self, quote: Hash32) -> int:
        return self._last.get(quote, (0, BlockNumber(0)))[0]

    def drawn(self, session: SenderSession) -> None:
        params = session.params
        self._last[params.recipient_rand_hash] = (session.last_nonce, params.expiration_block)

    def first_seen(self, params: TicketParams, now_s: float, block: BlockNumber) -> tuple[float, BlockNumber]:
        """When a quote was first looked at: the time and the block then."""
        entry = (now_s, block, params.expiration_block)
        return self._first_seen.setdefault(params.recipient_rand_hash, entry)[:2]

    def forget_expired(self, block: BlockNumber) -> None:
        """Quotes so long expired that no reorganisation of the chain makes them acceptable again.

        Looked for once a block: every payment asks, and there are as many quotes as segments.
        """
        if block == self._looked_at:
            return
        self._looked_at = block
        self._last = {quote: entry for quote, entry in self._last.items() if entry[1] + _KEPT_BLOCKS > block}
        self._first_seen = {quote: e for quote, e in self._first_seen.items() if e[2] + _KEPT_BLOCKS > block}


@dataclass(slots=True)
class Engagement:
    """One orchestrator at work for one stream. `offer` holds its newest terms, `initial_price` its first, wei/pixel.

    `balance` belongs to the session id of the offer's auth token, or to `account` where the orchestrator keeps it under
    that name whatever the session. `borrowed`: the offer's quote and session are another stream's, so new ones are
    asked for before anything is paid.
    """

    offer: Offer
    initial_price: Fraction
    balance: Balance = field(default_factory=Balance)
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    borrowed: bool = False
    account: str = ""

    @property
    def address(self) -> Address:
        return self.offer.member.address

    @property
    def uri(self) -> str:
        """Where its segments go."""
        return self.offer.info.transcoder

    @property
    def token(self) -> AuthToken:
        token = self.offer.info.auth_token
        if token is None:
            raise Bug("an offer without an auth token")
        return token

    def adopt(self, offer: Offer) -> None:
        """Use new terms. Another session id is another account with the orchestrator: the old balance is abandoned."""
        before = self.token.session_id
        self.offer = offer
        self.borrowed = False
        if self.token.session_id != before and not self.account:
            self.balance = Balance()

    def adopt_result(self, info: OrchestratorInfo | None, job: Capabilities) -> None:
        """Use the next quote that came with a result, if it is one and belongs to this session.

        An orchestrator whose quote failed sends none, and the current one stays; a changed session id in a result
        would be a way to make us abandon credit.
        """
        if info is None or info.auth_token is None or info.auth_token.session_id != self.token.session_id:
            return
        outcome = classify(self.offer.member, info, job, self.offer.latency_s)
        if isinstance(outcome, Offer):
            self.adopt(outcome)


@dataclass(frozen=True, slots=True)
class PreparedPayment:
    """A payment in the books, ready to go. `price` is the one it names, wei per pixel; `token` that of its session."""

    payment_id: str
    token: AuthToken
    payment: Payment
    credit: StagedCredit
    price: Fraction


class Payer:
    """Pays for all streams of one gateway."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        books: GatewayBooks,
        clock: Clock,
        discovery: DiscoveryService,
        limits: SenderLimits,
        *,
        account_ttl_s: float = 1.0,
        margins: RenewalMargins | None = None,
        refresh_timeout_s: float = REFRESH_TIMEOUT_S,
        new_payment_id: Callable[[], str] = lambda: secrets.token_hex(_PAYMENT_ID_BYTES),
    ) -> None:
        self._view = GatewayView(chain, clock, signer.address, account_ttl_s)
        self._signer = signer
        self._books = books
        self._clock = clock
        self._discovery = discovery
        self._limits = limits
        self._margins = margins or RenewalMargins()
        self._refresh_timeout_s = refresh_timeout_s
        self._new_payment_id = new_payment_id
        self._nonces = NonceLedger()

    async def moment(self) -> GatewayMoment:
        """The chain as of at most `account_ttl_s` ago.

        :raises ChainError:
        """
        moment = await self._view.moment()
        self._nonces.forget_expired(moment.block)
        return moment

    async def watch(self) -> None:
        """Read the chain ahead until cancelled, so that no payment waits for it."""
        await self._view.watch()

    async def check_funds(self) -> None:
        """:raises ParamsRejected: tickets of this account could not be paid, whoever receives them."""
        check_account((await self.moment()).account)

    async def renew_if_due(self, engagement: Engagement, job: Capabilities) -> str | None:
        """Get a new quote if the present one is near any of its ends; says which.

        :raises ParamsRejected: the orchestrator gave no new one.
        """
        async with engagement.renewing:
            why = self._renewal_due(engagement, (await self.moment()).block)
            if why is not None:
                await self._renew(engagement, job)
            return why

    async def renew(self, engagement: Engagement, job: Capabilities, *, instead_of: Offer) -> None:
        """Replace a quote that turned out unusable, unless that has happened meanwhile. Raises as `renew_if_due`.

        A second new session would abandon the credit that somebody has just put into the first.
        """
        async with engagement.renewing:
            if engagement.offer is instead_of:
                await self._renew(engagement, job)

    async def _renew(self, engagement: Engagement, job: Capabilities) -> None:
        """Ask the orchestrator for a new quote and a new auth token."""
        outcome = await self._discovery.requote(engagement.offer.member, job, timeout_s=self._refresh_timeout_s)
        if isinstance(outcome, Rejection):
            raise ParamsRejected("quote not renewed", cause=outcome.text)
        engagement.adopt(outcome)

    def _renewal_due(self, engagement: Engagement, block: BlockNumber) -> str | None:
        if engagement.borrowed:
            return "another stream has this one"
        params, now_s = engagement.offer.ticket_params, self._clock.time()
        first_s, first_block = self._nonces.first_seen(params, now_s, block)
        quote = QuoteInUse(
            expiration_block=params.expiration_block,
            received_s=first_s,
            block_then=first_block,
            token_expires_s=engagement.token.expiration,
            last_nonce=self._nonces.last(params.recipient_rand_hash),
        )
        due = renewal_due(quote, self._margins, block=block, now_s=now_s)
        return None if due is None else str(due)

    async def prepare(
        self, engagement: Engagement, seq: int, profiles: Sequence[VideoProfile], duration_s: Fraction
    ) -> PreparedPayment:
        """A payment for one segment, as `prepare_fee`."""
        return await self.prepare_fee(engagement, seq, lambda price: estimate_fee(profiles, duration_s, price))

    async def prepare_fee(
        self, engagement: Engagement, seq: int, fee_at: Callable[[Fraction], Fraction]
    ) -> PreparedPayment:
        """Top the balance up for a fee, which depends on the price, sign the tickets that takes, and enter the payment
        in the books.

        :raises ParamsRejected: the quote or its price is not acceptable; nothing was signed.
        :raises StoreError, ChainError:
        """
        moment = await self.moment()
        offer, token = engagement.offer, engagement.token
        price = check_price(offer.price_info, engagement.initial_price)
        # From reading the last nonce to writing it back nothing awaits.
        session = replace(
            SenderSession.start(self._signer.address, offer.ticket_params, moment.expiration),
            last_nonce=self._nonces.last(offer.ticket_params.recipient_rand_hash),
        )
        staged = stage_payment(
            session,
            engagement.balance,
            fee=fee_at(price),
            account=moment.account,
            limits=self._limits,
            last_seen_l1_block=moment.block,
        )
        engagement.balance = staged.balance
        self._nonces.drawn(staged.session)
        entered = False
        try:
            sigs = await self._sign(staged.tickets)
            payment = build_payment(staged, sigs, offer.price_info)
            prepared = PreparedPayment(self._new_payment_id(), token, payment, staged.credit, price)
            await self._books.record_sent(_entry(prepared, staged, seq))
            entered = True
        finally:
            if not entered:
                _complete(engagement, token, staged.credit, Outcome.NOT_SENT)
        return prepared

    async def _sign(self, tickets: DrawnTickets) -> list[Signature]:
        sigs = []
        for number, hash_ in enumerate(tickets.hashes(), 1):
            sigs.append(await signed(self._signer, hash_))
            if number % _SIGNED_AT_ONCE == 0:
                # A local signer awaits nothing, so hundreds of tickets would hold up everybody else.
                await asyncio.sleep(0)
        return sigs

    async def settle(self, engagement: Engagement, prepared: PreparedPayment, pixels: int) -> Fraction:
        """The work came back and was checked: charge it, first in the books, then to the balance.

        :returns: the fee, wei.
        :raises StoreError: it is then still unanswered in both.
        """
        charged = fee(pixels, prepared.price)
        entered = False
        try:
            await self._books.record_answer(prepared.payment_id, pixels=pixels, fee=charged)
            entered = True
        finally:
            if not entered:
                self.give_up(engagement, prepared, Outcome.UNANSWERED)
        _complete(engagement, prepared.token, prepared.credit, Outcome.ANSWERED, charged)
        return charged

    async def charge(self, engagement: Engagement, seq: int, units: int) -> Fraction:
        """Charge work that no payment goes with: an entry without tickets, answered at once.

        :returns: the fee, wei.
        :raises StoreError: nothing was charged to the balance.
        """
        charged, payment_id = fee(units, engagement.offer.price), self._new_payment_id()
        await self._books.record_sent(
            SentPayment(
                payment_id=payment_id,
                recipient=engagement.offer.ticket_params.recipient,
                session_id=engagement.token.session_id,
                seq=seq,
                tickets=0,
                expected_value=ZERO,
                face_value=Wei(0),
                recipient_rand_hash=b"",
                first_nonce=0,
            )
        )
        await self._books.record_answer(payment_id, pixels=units, fee=charged)
        balance = engagement.balance
        engagement.balance = replace(balance, available=balance.available - charged)
        return charged

    @staticmethod
    def give_up(engagement: Engagement, prepared: PreparedPayment, outcome: Outcome) -> None:
        """No work came of it: the books keep the payment as unanswered, the balance what `outcome` leaves."""
        _complete(engagement, prepared.token, prepared.credit, outcome)


def _complete(
    engagement: Engagement, token: AuthToken, credit: StagedCredit, outcome: Outcome, charged: Fraction = ZERO
) -> None:
    """Complete the balance that `credit` was taken from, unless its session has ended since."""
    if engagement.account or engagement.token.session_id == token.session_id:
        engagement.balance = complete(engagement.balance, credit, outcome, charged)


def _entry(prepared: PreparedPayment, staged: Staged, seq: int) -> SentPayment:
    params, tickets = staged.session.params, staged.tickets
    return SentPayment(
        payment_id=prepared.payment_id,
        recipient=params.recipient,
        session_id=prepared.token.session_id,
        seq=seq,
        tickets=len(tickets),
        expected_value=staged.credit.new,
        face_value=params.face_value if tickets else Wei(0),
        recipient_rand_hash=params.recipient_rand_hash if tickets else b"",
        first_nonce=tickets.nonces[0] if tickets else 0,
    )
