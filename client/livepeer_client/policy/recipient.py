"""An orchestrator as ticket recipient: what it quotes, and how it judges a payment.

Rules: offchain-payments 2 (randomness), 3 (quotes), 5 and 6 (tickets, payments), 11.1 (float).
Quoting keeps no state: the randomness behind a quote is an HMAC over all of the quote and comes back with it.
"""

import hashlib
import hmac
from collections.abc import Mapping, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.messages import Payment
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.ticket import (
    ExpirationParams,
    Ticket,
    TicketParams,
    WinningTicket,
    expected_value,
    is_winning,
    recipient_rand_hash,
)
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PaymentRefused,
    QuoteRefused,
    TicketReason,
    TicketRejected,
)
from livepeer_client.facts import SenderInfo
from livepeer_client.types import (
    ADDRESS_BYTES,
    MAX_UINT256,
    MAX_WIN_PROB,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    BlockNumber,
    Hash32,
    Round,
    Wei,
    WinProb,
)

SECRET_BYTES: Final = 32
EV_MULTIPLIER: Final = 100
"""Face value in expected values where gas is too cheap to matter."""
AVERAGE_GAS_PRICE: Final = Wei(3_000_000_000)
"""A face value that covers redemption at this price is accepted even when gas costs more right now."""
MAX_NONCES: Final = 600
"""Tickets credited per quote."""
DEPOSIT_COVER: Final = 3
"""A deposit is trusted for a third of itself: every other recipient of the sender draws on it too."""
_RAND_TAG: Final = b"livepeer_client recipient_rand v1\0"


@dataclass(frozen=True, slots=True)
class RecipientConfig:
    """A recipient's terms. `ev` and `max_face_value` in wei (0 = no cap), `redeem_gas` in units of gas."""

    address: Address
    ev: Wei = Wei(8_000_000_000)
    redeem_gas: int = 1_200_000
    tx_cost_multiplier: int = 100
    max_face_value: Wei = Wei(0)
    params_expiration_blocks: int = 40

    def __post_init__(self) -> None:
        if len(self.address) != ADDRESS_BYTES or self.address == ZERO_ADDRESS:
            raise InvalidInput("a recipient needs an address")
        if self.ev <= 0 or self.redeem_gas <= 0 or self.tx_cost_multiplier <= 0:
            raise InvalidInput("expected value, redeem gas and cost multiplier must be positive")
        if self.ev >= 2**128:
            # Beyond it a probability rounded up could exceed 1.
            raise InvalidInput(f"expected value of {self.ev} wei")
        if self.max_face_value < 0 or self.params_expiration_blocks <= 0:
            raise InvalidInput("face value cap or expiration window is negative")


# --- float ----------------------------------------------------------------------------------------


def reserve_allocation(info: SenderInfo, claimed_by_me: Wei, pool_size: int) -> int:
    """My share of a sender's reserve this round, wei: floor(reserve / pool size) - what I claimed. May be negative."""
    if pool_size <= 0:
        return 0
    return (info.reserve + info.claimed_in_current_round) // pool_size - claimed_by_me


def max_float(*, deposit: Wei, allocation: int, open_winners: Wei) -> int:
    """What a sender is still trusted for, wei; zero or less means nothing.

    `open_winners` is the face value of all winners that are not settled, held or in flight. They are paid from the
    deposit first; what a third of it does not cover comes off the reserve allocation (offchain-payments 11.1).
    The reference counts only redemptions in flight, and drops the whole cover at once below that third.
    """
    if deposit < 0 or open_winners < 0:
        raise InvalidInput(f"deposit {deposit}, open winners {open_winners}")
    return allocation - max(0, open_winners - deposit // DEPOSIT_COVER)


def available_funds(*, deposit: Wei, allocation: int, open_winners: Wei) -> int:
    """What is left to pay another winner in full, wei: allocation + deposit - open winners."""
    return allocation + deposit - open_winners


# --- quotes ---------------------------------------------------------------------------------------


def derive_recipient_rand(
    secret: bytes,
    *,
    seed: int,
    sender: Address,
    face_value: Wei,
    win_prob: WinProb,
    expiration_block: BlockNumber,
    price: Fraction,
    expiration: ExpirationParams,
) -> int:
    """The uint256 behind a quote: HMAC-SHA256 over every field at a fixed width, under a version tag.

    Only its keccak-256 is on the wire. Fixed widths keep a shifted tuple from matching another one's commitment.

    :raises InvalidInput: a secret that is not 32 bytes, or a value over its width.
    """
    if len(secret) != SECRET_BYTES or len(sender) != ADDRESS_BYTES:
        raise InvalidInput(f"secret of {len(secret)} bytes, sender of {len(sender)}")
    numbers = (seed, face_value, win_prob, expiration_block, price.denominator, expiration.creation_round)
    if any(not 0 <= number <= MAX_UINT256 for number in numbers) or abs(price.numerator) >= 2**255:
        raise InvalidInput("a field of the quote exceeds 256 bits")
    message = b"".join(
        (
            _RAND_TAG,
            sender,
            *(number.to_bytes(32, "big") for number in numbers),
            price.numerator.to_bytes(32, "big", signed=True),
            expiration.creation_round_block_hash,
        )
    )
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest(), "big")


def quote_face_value(config: RecipientConfig, *, gas_price: Wei, max_float: int) -> Wei:
    """Face value for a paid quote: enough to make redemption worthwhile, within what the sender is trusted for.

    A face value equal to the expected value would be certain to win, and no sender accepts it: refused too.

    :raises QuoteRefused: `insufficient sender reserve`, with what was compared.
    """
    tx_cost = config.redeem_gas * gas_price
    wanted = tx_cost * config.tx_cost_multiplier
    if wanted < config.ev:
        wanted = config.ev * EV_MULTIPLIER
    face_value = min(wanted, max_float)
    if config.max_face_value:
        face_value = min(face_value, config.max_face_value)
    tx_cost_floor = min(tx_cost, config.redeem_gas * AVERAGE_GAS_PRICE)
    if face_value <= config.ev or face_value < tx_cost_floor:
        raise QuoteRefused(
            "insufficient sender reserve",
            face_value=max(face_value, 0),
            wanted_face_value=wanted,
            max_float=max_float,
            max_face_value=config.max_face_value,
            more_than=config.ev,
            at_least=tx_cost_floor,
        )
    return Wei(face_value)


def quote_win_prob(ev: Wei, face_value: Wei) -> WinProb:
    """The probability that makes a ticket worth `ev` wei, rounded up so that it is never worth less."""
    if face_value == 0:
        return WinProb(0)
    quotient, remainder = divmod(MAX_WIN_PROB, face_value)
    return WinProb(ev * (quotient + (remainder != 0)))


def tx_cost_multiplier(config: RecipientConfig, *, gas_price: Wei, max_float: int) -> Fraction:
    """Face value / transaction cost of a quote, 0 at no gas price; for `policy.price.with_overhead`.

    :raises QuoteRefused: as `quote_face_value`.
    """
    face_value = quote_face_value(config, gas_price=gas_price, max_float=max_float)
    tx_cost = config.redeem_gas * gas_price
    return Fraction(face_value, tx_cost) if tx_cost else Fraction(0)


def creation_params(last: ExpirationParams, previous: ExpirationParams) -> ExpirationParams:
    """The round that tickets are created in: the last initialised one, or the one before while its hash is zero."""
    return previous if last.creation_round_block_hash == ZERO_HASH else last


def quote(
    config: RecipientConfig,
    *,
    secret: bytes,
    seed: int,
    sender: Address,
    price: Fraction,
    gas_price: Wei,
    max_float: int,
    last_seen_l1_block: BlockNumber,
    expiration: ExpirationParams,
) -> TicketParams:
    """Ticket params for one sender (offchain-payments 3).

    `price` in wei per pixel must be the one sent along: the sender has to return it with its payment, and a
    different one breaks the commitment. At price 0 or less the tickets are worth nothing. `secret` and `seed` are
    32 bytes of cryptographic randomness, the seed as an integer, new for each quote; `gas_price` 0 while unknown.

    :raises QuoteRefused: `insufficient sender reserve`, with figures.
    """
    face_value, win_prob = Wei(0), WinProb(0)
    if price > 0:
        face_value = quote_face_value(config, gas_price=gas_price, max_float=max_float)
        win_prob = quote_win_prob(config.ev, face_value)
    expiration_block = BlockNumber(last_seen_l1_block + config.params_expiration_blocks)
    rand = derive_recipient_rand(
        secret,
        seed=seed,
        sender=sender,
        face_value=face_value,
        win_prob=win_prob,
        expiration_block=expiration_block,
        price=price,
        expiration=expiration,
    )
    return TicketParams(
        recipient=config.address,
        face_value=face_value,
        win_prob=win_prob,
        recipient_rand_hash=recipient_rand_hash(rand),
        seed=seed,
        expiration_block=expiration_block,
        expiration=expiration,
    )


# --- payments -------------------------------------------------------------------------------------


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


def _acceptable(reason: TicketReason, ticket: Ticket, **figures: object) -> TicketRejected:
    named = {"sender": checksum_address(ticket.sender), "nonce": ticket.sender_nonce, **figures}
    return TicketRejected(reason, fatal=False, figures=named)


def _unlocks_soon(info: SenderInfo, last_initialized_round: Round) -> bool:
    return info.withdraw_round != 0 and info.withdraw_round <= last_initialized_round + 1


def _expected_price(payment: Payment) -> Fraction:
    if payment.expected_price is None:
        raise MalformedMessage("payment", 'invalid expected price sent with payment err="expected price is nil"')
    if payment.expected_price.pixels_per_unit == 0:
        raise MalformedMessage("payment", 'invalid expected price sent with payment err="pixels per unit is 0"')
    return payment.expected_price.wei_per_pixel


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
    """Judge every ticket of a payment (offchain-payments 5 and 6, in that order).

    `seen` maps a quote's recipientRandHash to the nonces already received on it. Errors come back in
    `PaymentVerdict.rejection`, never raised:

    * the payment as a whole: `MalformedMessage`, `PaymentRefused`, `TicketRejected` with `fatal`. Nothing is
      credited, no nonce is used, no winner kept.
    * single tickets: `TicketRejected` without `fatal`, the last one. From the first of them on nothing more is
      credited, but later tickets are still drawn. A ticket with a bad signature never wins; of a nonce seen
      before nothing is kept; one over the limit of nonces or on an expired quote still wins.
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
    return _judge_tickets(
        payment,
        params,
        payment.expiration,
        sender,
        rand,
        price,
        last_seen_l1_block,
        seen.get(params.recipient_rand_hash),
    )


def _judge_tickets(
    payment: Payment,
    params: TicketParams,
    expiration: ExpirationParams,
    sender: Address,
    rand: int,
    price: Fraction,
    last_seen_l1_block: BlockNumber,
    seen: Set[int] | None,
) -> PaymentVerdict:
    """Draw each ticket of a payment whose quote is ours."""
    used = seen or frozenset()
    fresh: set[int] = set()
    drawn: set[int] = set()
    winners: list[WinningTicket] = []
    good = 0
    rejection: TicketRejected | None = None
    expired = params.expiration_block <= last_seen_l1_block
    for entry in payment.tickets:
        ticket = Ticket(
            recipient=params.recipient,
            sender=sender,
            face_value=params.face_value,
            win_prob=params.win_prob,
            sender_nonce=entry.sender_nonce,
            recipient_rand_hash=params.recipient_rand_hash,
            creation_round=expiration.creation_round,
            creation_round_block_hash=expiration.creation_round_block_hash,
        )
        if not is_signed_by(sender, entry.sig, ticket.hash):
            rejection = _acceptable(TicketReason.BAD_SIGNATURE, ticket)
            continue
        if entry.sender_nonce in used or entry.sender_nonce in drawn:
            rejection = _acceptable(TicketReason.NONCE_SEEN, ticket)
            continue
        drawn.add(entry.sender_nonce)
        if is_winning(entry.sig, rand, ticket.win_prob):
            winners.append(WinningTicket(ticket, entry.sig, rand, params.expiration_block))
        if len(used) + len(fresh) >= MAX_NONCES:
            rejection = _acceptable(TicketReason.TOO_MANY_NONCES, ticket, limit=MAX_NONCES)
            continue
        fresh.add(entry.sender_nonce)
        if expired:
            rejection = _acceptable(
                TicketReason.PARAMS_EXPIRED,
                ticket,
                expiration_block=params.expiration_block,
                last_seen_l1_block=last_seen_l1_block,
            )
        elif rejection is None:
            good += 1
    return PaymentVerdict(
        received=len(payment.tickets),
        credited=good * expected_value(params.face_value, params.win_prob),
        winners=tuple(winners),
        nonces=frozenset(fresh),
        rejection=rejection,
        price=price,
    )
