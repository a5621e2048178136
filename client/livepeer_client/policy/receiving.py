"""An orchestrator judges a payment, ticket by ticket (offchain-payments 5 and 6).

Three steps, so that the expensive one can run elsewhere: `open_payment` checks what concerns the payment as a whole,
`draw_tickets` does the cryptography of any of its tickets, and `judge_tickets` counts in the order in which they came.
`judge_payment` is the three of them.
"""

import hmac
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Final

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.messages import NonceAndSig, Payment
from livepeer_client.codec.signature import recover_personal
from livepeer_client.codec.ticket import TicketSeries, WinningTicket, recipient_rand_hash, winning_draw
from livepeer_client.errors import (
    LivepeerError,
    MalformedMessage,
    PaymentRefused,
    TicketReason,
    TicketRejected,
)
from livepeer_client.facts import SenderInfo
from livepeer_client.policy.recipient import RecipientConfig, derive_recipient_rand
from livepeer_client.types import ZERO_ADDRESS, Address, BlockNumber, Hash32, Round

MAX_NONCES: Final = 600
"""Tickets credited per quote."""


@dataclass(frozen=True, slots=True)
class PaymentVerdict:
    """What a payment is worth. Apply `nonces` before the next await, then store, then answer.

    `received` tickets came; `credited` is the exact expected value, wei, of those before the first that failed;
    `winners` are valid, won, and to be stored even when `rejection` is set; `nonces` were new for this quote.
    `rejection` is the error to answer with (HTTP 400), None if all tickets were good. `price` is the price the
    sender returned, authenticated by the quote's commitment; None without tickets.
    """

    received: int
    credited: Fraction
    winners: tuple[WinningTicket, ...]
    nonces: frozenset[int]
    rejection: LivepeerError | None
    price: Fraction | None = None


def _refused(payment: Payment, error: LivepeerError) -> PaymentVerdict:
    return PaymentVerdict(len(payment.tickets), Fraction(0), (), frozenset(), error)


def _fatal(reason: TicketReason, payment: Payment, **figures: object) -> TicketRejected:
    named = {"sender": checksum_address(payment.sender), **figures}
    return TicketRejected(reason, fatal=True, figures=named)


def _acceptable(reason: TicketReason, sender: Address, nonce: int, **figures: object) -> TicketRejected:
    return TicketRejected(reason, fatal=False, figures={"sender": checksum_address(sender), "nonce": nonce, **figures})


def _unlocks_soon(info: SenderInfo, last_initialized_round: Round) -> bool:
    return info.withdraw_round != 0 and info.withdraw_round <= last_initialized_round + 1


def _expected_price(payment: Payment) -> Fraction:
    if payment.expected_price is None:
        raise MalformedMessage("payment", 'invalid expected price sent with payment err="expected price is nil"')
    if payment.expected_price.pixels_per_unit == 0:
        raise MalformedMessage("payment", 'invalid expected price sent with payment err="pixels per unit is 0"')
    return payment.expected_price.wei_per_pixel


@dataclass(frozen=True, slots=True)
class OpenedPayment:
    """A payment on a quote of ours: `rand` is the quote's preimage, `price` what the sender returned of it."""

    series: TicketSeries
    rand: int = field(repr=False)
    price: Fraction
    tickets: tuple[NonceAndSig, ...]


class Draw(Enum):
    """What a ticket's signature says."""

    UNSIGNED = "not signed by its sender"
    LOST = "lost"
    WON = "won"


def open_payment(
    config: RecipientConfig,
    payment: Payment,
    *,
    secret: bytes,
    sender_info: SenderInfo,
    active: bool,
    last_initialized_round: Round,
) -> OpenedPayment | PaymentVerdict:
    """Everything that does not concern single tickets; a verdict if that settles it.

    A rejection is `MalformedMessage`, `PaymentRefused` or a fatal `TicketRejected`: nothing is credited, no nonce is
    used, no winner kept.
    """
    params = payment.ticket_params
    if params is None:
        return PaymentVerdict(0, Fraction(0), (), frozenset(), None)
    if not payment.sender:
        return _refused(payment, MalformedMessage("payment", "Could not find Sender for payment"))
    if not active:
        return _refused(
            payment,
            PaymentRefused(
                f"orchestrator {checksum_address(config.address)} is inactive in round {last_initialized_round}, "
                "cannot process payments"
            ),
        )
    if payment.expiration is None:
        return _refused(payment, MalformedMessage("payment", "expiration params are missing"))
    try:
        price = _expected_price(payment)
    except MalformedMessage as error:
        return _refused(payment, error)
    if not payment.tickets:
        return PaymentVerdict(0, Fraction(0), (), frozenset(), None)
    if len(payment.tickets) > MAX_NONCES:
        # No quote could credit them all, and each one costs the recovery of a signature.
        return _refused(payment, MalformedMessage("payment", f"{len(payment.tickets)} tickets, at most {MAX_NONCES}"))

    if _unlocks_soon(sender_info, last_initialized_round):
        figures = {"withdraw_round": sender_info.withdraw_round, "last_initialized_round": last_initialized_round}
        return _refused(payment, _fatal(TicketReason.SENDER_UNLOCKING, payment, **figures))
    if params.recipient != config.address:
        return _refused(payment, _fatal(TicketReason.WRONG_RECIPIENT, payment))
    if payment.sender == ZERO_ADDRESS:
        return _refused(payment, _fatal(TicketReason.NULL_SENDER, payment))
    sender = Address(payment.sender)
    rand = derive_recipient_rand(
        secret,
        seed=params.seed,
        sender=sender,
        face_value=params.face_value,
        win_prob=params.win_prob,
        expiration_block=params.expiration_block,
        price=price,
        expiration=payment.expiration,
    )
    if not hmac.compare_digest(recipient_rand_hash(rand), params.recipient_rand_hash):
        return _refused(payment, _fatal(TicketReason.WRONG_RAND, payment))
    return OpenedPayment(TicketSeries(params, sender, payment.expiration), rand, price, payment.tickets)


def draw_tickets(opened: OpenedPayment, tickets: Sequence[NonceAndSig]) -> list[Draw]:
    """Hash, recover, compare and draw each of `tickets`, some or all of the payment's. About 35 us each."""
    hash_of, sender = opened.series.hash, opened.series.sender
    wins = winning_draw(opened.rand, opened.series.params.win_prob)
    unsigned, lost, won = Draw.UNSIGNED, Draw.LOST, Draw.WON
    draws = []
    for entry in tickets:
        sig = entry.sig
        if recover_personal(sig, hash_of(entry.sender_nonce)) != sender:
            draws.append(unsigned)
        else:
            draws.append(won if wins(sig) else lost)
    return draws


def judge_tickets(
    opened: OpenedPayment, draws: Sequence[Draw], *, seen: Set[int], last_seen_l1_block: BlockNumber
) -> PaymentVerdict:
    """Count the tickets of a payment, whose draws are known, against the nonces already `seen` on its quote.

    A rejection is a `TicketRejected` without `fatal`, the last one. From the first of them on nothing more is
    credited, but later tickets still win. A ticket with a bad signature never wins; of a nonce seen before nothing is
    kept; one over the limit of nonces or on an expired quote still wins.
    """
    params, sender = opened.series.params, opened.series.sender
    unsigned, won = Draw.UNSIGNED, Draw.WON
    drawn: set[int] = set()
    beyond: set[int] = set()
    winners: list[WinningTicket] = []
    good = 0
    rejection: TicketRejected | None = None
    expired = params.expiration_block <= last_seen_l1_block
    room = MAX_NONCES - len(seen)
    for entry, draw in zip(opened.tickets, draws, strict=True):
        nonce = entry.sender_nonce
        if draw is unsigned:
            rejection = _acceptable(TicketReason.BAD_SIGNATURE, sender, nonce)
            continue
        if nonce in seen or nonce in drawn:
            rejection = _acceptable(TicketReason.NONCE_SEEN, sender, nonce)
            continue
        drawn.add(nonce)
        if draw is won:
            winners.append(WinningTicket(opened.series.ticket(nonce), entry.sig, opened.rand, params.expiration_block))
        if len(drawn) > room:
            beyond.add(nonce)
            rejection = _acceptable(TicketReason.TOO_MANY_NONCES, sender, nonce, limit=MAX_NONCES)
        elif expired:
            rejection = _acceptable(
                TicketReason.PARAMS_EXPIRED,
                sender,
                nonce,
                expiration_block=params.expiration_block,
                last_seen_l1_block=last_seen_l1_block,
            )
        elif rejection is None:
            good += 1
    return PaymentVerdict(
        received=len(opened.tickets),
        credited=good * params.expected_value,
        winners=tuple(winners),
        nonces=frozenset(drawn - beyond),
        rejection=rejection,
        price=opened.price,
    )


def judge_payment(
    config: RecipientConfig,
    payment: Payment,
    *,
    secret: bytes,
    sender_info: SenderInfo,
    active: bool,
    last_initialized_round: Round,
    last_seen_l1_block: BlockNumber,
    seen: Mapping[Hash32, Set[int]],
) -> PaymentVerdict:
    """Judge every ticket of a payment. `seen` maps a quote's recipientRandHash to the nonces already received on it.

    Errors come back in `PaymentVerdict.rejection`, never raised: see `open_payment` and `judge_tickets`.
    """
    opened = open_payment(
        config,
        payment,
        secret=secret,
        sender_info=sender_info,
        active=active,
        last_initialized_round=last_initialized_round,
    )
    if isinstance(opened, PaymentVerdict):
        return opened
    return judge_tickets(
        opened,
        draw_tickets(opened, opened.tickets),
        seen=seen.get(opened.series.params.recipient_rand_hash, frozenset()),
        last_seen_l1_block=last_seen_l1_block,
    )


# --- nonces ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeenNonces:
    """Nonces received on one quote. Nothing is credited on it from `expiration_block` on."""

    expiration_block: BlockNumber
    nonces: frozenset[int]


def without_expired(seen: Mapping[Hash32, SeenNonces], l1_block: BlockNumber) -> dict[Hash32, SeenNonces]:
    """`seen` without the quotes that have expired at the L1 head (offchain-payments 5).

    A winner replayed on one of those passes the check of nonces again, and has to be known by its hash.
    """
    return {quote: entry for quote, entry in seen.items() if entry.expiration_block > l1_block}
