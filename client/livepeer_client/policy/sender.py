"""A gateway as ticket sender: which quotes it accepts, and which tickets it writes on them (offchain-payments 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import Final, overload

from livepeer_client.codec.messages import NonceAndSig, Payment, PriceInfo
from livepeer_client.codec.ticket import ExpirationParams, Ticket, TicketParams, TicketSeries
from livepeer_client.errors import InvalidInput, LocalProtocolError, ParamsRejected
from livepeer_client.facts import SenderInfo
from livepeer_client.policy.balance import Balance, StagedCredit, stage
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Hash32, Round, Signature, Wei

MAX_NONCES: Final = 600
"""Tickets a recipient credits on one quote."""
REFRESH_NONCE: Final = 500
"""From this nonce on a session wants a fresh quote, well before the last one."""
L1_BLOCK_S: Final = 12
"""Seconds between L1 blocks; an empty slot makes it more, never less."""
EXPIRY_MARGIN_BLOCKS: Final = 1
"""A quote with this many blocks left, or fewer, counts as expired."""


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """What a gateway risks at most: expected value of one ticket and of one payment, in wei, and the share of its
    deposit, 1 / `deposit_multiplier`, that one face value may take."""

    max_ev: Fraction = Fraction(3_000_000_000_000)
    max_total_ev: Fraction = Fraction(20_000_000_000_000)
    deposit_multiplier: int = 1

    def __post_init__(self) -> None:
        if self.deposit_multiplier <= 0 or self.max_ev <= 0 or self.max_total_ev <= 0:
            raise InvalidInput(f"sender limits must be positive: {self}")


@dataclass(frozen=True, slots=True)
class SenderAccount:
    """The gateway's own account with the TicketBroker, and the round in which it was read."""

    info: SenderInfo
    last_initialized_round: Round


class AccountShort(ParamsRejected):
    """Our own account is short, whoever is paid: no deposit, no reserve, or an unlock is near."""


class DepositShort(ParamsRejected):
    """Our own deposit is short for one ticket of this quote; another orchestrator may quote less."""


def check_account(account: SenderAccount) -> None:
    """Can tickets of this account be paid at all?

    :raises AccountShort: it unlocks by the next round, or has no reserve, or no deposit.
    """
    info = account.info
    if info.withdraw_round != 0 and info.withdraw_round <= account.last_initialized_round + 1:
        raise AccountShort(
            "unable to validate sender: deposit and reserve is set to unlock soon",
            withdraw_round=info.withdraw_round,
            last_initialized_round=account.last_initialized_round,
        )
    if info.reserve + info.claimed_in_current_round == 0:
        raise AccountShort("no sender reserve")
    if info.deposit == 0:
        raise AccountShort("no sender deposit")


def check_params(
    params: TicketParams | None,
    *,
    account: SenderAccount,
    limits: SenderLimits,
    last_seen_l1_block: BlockNumber,
    tickets: int = 1,
) -> None:
    """Would the gateway write `tickets` tickets on this quote? The checks of offchain-payments 4.2, in that order.

    A winning probability above 1 cannot be expressed: `TicketParams` holds a uint256. Equality passes in the
    limits on expected values and face value.

    :raises ParamsRejected: with the figures that were compared; `refresh` if a fresh quote may do; `AccountShort` and
        `DepositShort` where it is not the quote that is at fault.
    """
    if params is None:
        raise ParamsRejected("ticketParams is nil")
    if params.expiration_block == 0:
        raise ParamsRejected("ticketParams expiration block is 0")
    if params.expiration_block - last_seen_l1_block <= EXPIRY_MARGIN_BLOCKS:
        raise ParamsRejected(
            "TicketParams expired",
            refresh=True,
            expiration_block=params.expiration_block,
            last_seen_l1_block=last_seen_l1_block,
        )
    ev = params.expected_value
    if ev <= 0:
        return
    if ev >= params.face_value:
        raise ParamsRejected("ticket faceValue too low", face_value=params.face_value, ev=ev)
    if ev > limits.max_ev:
        raise ParamsRejected("ticket EV > max ticket EV", ev=ev, max_ev=limits.max_ev)
    check_account(account)
    if ev * tickets > limits.max_total_ev:
        raise ParamsRejected(
            "total ticket EV > max total ticket EV",
            total_ev=ev * tickets,
            tickets=tickets,
            max_total_ev=limits.max_total_ev,
        )
    max_face_value = Wei(account.info.deposit // limits.deposit_multiplier)
    if params.face_value > max_face_value:
        raise DepositShort(
            "ticket faceValue > max faceValue",
            face_value=params.face_value,
            max_face_value=max_face_value,
            deposit=account.info.deposit,
        )


class DrawnTickets(Sequence[Ticket]):
    """Consecutive tickets of one quote, still unsigned. They are written out one by one, and hashed without it."""

    __slots__ = ("nonces", "series")

    def __init__(self, series: TicketSeries, nonces: range) -> None:
        self.series = series
        self.nonces = nonces

    def hashes(self) -> Iterator[Hash32]:
        """What is to be signed, in order."""
        return map(self.series.hash, self.nonces)

    def __len__(self) -> int:
        return len(self.nonces)

    @overload
    def __getitem__(self, index: int) -> Ticket: ...

    @overload
    def __getitem__(self, index: slice) -> "DrawnTickets": ...

    def __getitem__(self, index: int | slice) -> "Ticket | DrawnTickets":
        if isinstance(index, slice):
            return DrawnTickets(self.series, self.nonces[index])
        return self.series.ticket(self.nonces[index])


@dataclass(frozen=True, slots=True)
class RenewalMargins:
    """How early a quote is renewed: L1 blocks left, seconds left (quote and auth token), tickets written."""

    blocks: int = 5
    quote_s: float = 30.0
    token_s: float = 180.0
    nonces: int = REFRESH_NONCE


class RenewalReason(Enum):
    """Which end of a quote is near."""

    BLOCKS = "quote expires at block"
    SECONDS = "quote expires by the clock"
    TOKEN = "auth token expires"  # noqa: S105, the reason's text
    NONCES = "tickets written on one quote"


@dataclass(frozen=True, slots=True)
class RenewalDue:
    """A quote is to be renewed: what is left (blocks, seconds) or, for nonces, what is used."""

    reason: RenewalReason
    figure: float

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.figure:g}"


@dataclass(frozen=True, slots=True)
class QuoteInUse:
    """What decides when a quote ends. Times in seconds of one clock; `received_s` and `block_then` belong together."""

    expiration_block: BlockNumber
    received_s: float
    block_then: BlockNumber
    token_expires_s: float
    last_nonce: int


def renewal_due(quote: QuoteInUse, margins: RenewalMargins, *, block: BlockNumber, now_s: float) -> RenewalDue | None:
    """Whether to ask for a new quote before the next payment, and why.

    Blocks decide, and so does the clock: a node that lags would show a quote as good for ever. A quote is taken to
    last `L1_BLOCK_S` per block that it had left when it came.
    """
    if quote.expiration_block - block <= margins.blocks:
        return RenewalDue(RenewalReason.BLOCKS, quote.expiration_block - block)
    ends_s = quote.received_s + (quote.expiration_block - quote.block_then) * L1_BLOCK_S
    if ends_s - now_s <= margins.quote_s:
        return RenewalDue(RenewalReason.SECONDS, ends_s - now_s)
    if quote.token_expires_s - now_s <= margins.token_s:
        return RenewalDue(RenewalReason.TOKEN, quote.token_expires_s - now_s)
    if quote.last_nonce >= margins.nonces:
        return RenewalDue(RenewalReason.NONCES, quote.last_nonce)
    return None


@dataclass(frozen=True, slots=True)
class SenderSession:
    """One quote in use. Nonces start at 1 and rise by one per ticket, never reused; `last_nonce` is the last drawn.

    A value: `stage_payment` returns the session after it. Whoever holds the session replaces it before the next
    await, so that no nonce is drawn twice.
    """

    sender: Address
    params: TicketParams
    expiration: ExpirationParams
    last_nonce: int = 0

    @classmethod
    def start(cls, sender: Address, params: TicketParams, own_expiration: ExpirationParams) -> "SenderSession":
        """Begin at nonce 1. The recipient's creation params are used; only where they are missing our own are."""
        quoted = params.expiration
        usable = quoted.creation_round != 0 and quoted.creation_round_block_hash != ZERO_HASH
        return cls(sender, params, quoted if usable else own_expiration)

    def draw(self, count: int) -> tuple["SenderSession", DrawnTickets]:
        """The next `count` tickets, unsigned, and the session after them.

        :raises ParamsRejected: the recipient would not credit that many on this quote; refresh.
        """
        if count < 0:
            raise InvalidInput(f"{count} tickets")
        if count > MAX_NONCES:
            raise ParamsRejected(
                "tickets worth too little for this work: a payment takes more than a quote allows, so the recipient "
                "must quote a higher expected value (its ticket_ev_wei)",
                refresh=True,
                tickets=count,
                limit=MAX_NONCES,
                ticket_ev=self.params.expected_value,
            )
        if self.last_nonce + count > MAX_NONCES:
            raise ParamsRejected(
                "session nonces exhausted", refresh=True, last_nonce=self.last_nonce, tickets=count, limit=MAX_NONCES
            )
        first = self.last_nonce + 1
        tickets = DrawnTickets(TicketSeries(self.params, self.sender, self.expiration), range(first, first + count))
        return replace(self, last_nonce=self.last_nonce + count), tickets


@dataclass(frozen=True, slots=True)
class Staged:
    """A payment ready to be signed: `session` and `balance` are what is left, `tickets` what to sign in this order.

    Complete `balance` with `policy.balance.complete` once the outcome is known.
    """

    session: SenderSession
    balance: Balance
    credit: StagedCredit
    tickets: DrawnTickets


def stage_payment(
    session: SenderSession,
    balance: Balance,
    *,
    fee: Fraction,
    account: SenderAccount,
    limits: SenderLimits,
    last_seen_l1_block: BlockNumber,
) -> Staged:
    """Decide how many tickets a payment for `fee` wei needs, check the quote for them, and draw them.

    With enough credit, or at expected value 0, it holds no tickets.

    :raises ParamsRejected: as `check_params` and `SenderSession.draw`; nothing has changed.
    """
    ev = session.params.expected_value
    left, credit = stage(balance, max(fee, ev), ev)
    check_params(
        session.params,
        account=account,
        limits=limits,
        last_seen_l1_block=last_seen_l1_block,
        tickets=max(credit.tickets, 1),
    )
    after, tickets = session.draw(credit.tickets)
    return Staged(after, left, credit, tickets)


def build_payment(staged: Staged, sigs: Sequence[Signature], expected_price: PriceInfo) -> Payment:
    """The payment of `staged`, its tickets signed in order; without tickets only sender and price.

    :raises LocalProtocolError: not one signature per ticket.
    """
    if len(sigs) != len(staged.tickets):
        raise LocalProtocolError(f"{len(staged.tickets)} tickets but {len(sigs)} signatures")
    session = staged.session
    if not staged.tickets:
        return Payment(None, session.sender, None, (), expected_price)
    return Payment(
        ticket_params=replace(session.params, expiration=session.expiration),
        sender=session.sender,
        expiration=session.expiration,
        tickets=tuple(NonceAndSig(nonce, sig) for nonce, sig in zip(staged.tickets.nonces, sigs, strict=True)),
        expected_price=expected_price,
    )
