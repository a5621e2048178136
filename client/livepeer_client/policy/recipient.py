"""An orchestrator as ticket recipient: what it trusts a sender for, and what it quotes.

Rules: offchain-payments 2 (randomness), 3 (quotes), 11.1 (float); `policy/receiving.py` judges what comes back.
Quoting keeps no state: the randomness behind a quote is an HMAC over all of the quote and comes back with it.
"""

import hashlib
import hmac
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.codec.ticket import (
    ExpirationParams,
    TicketParams,
    recipient_rand_hash,
)
from livepeer_client.errors import (
    InvalidInput,
    QuoteRefused,
)
from livepeer_client.facts import RoundState, SenderInfo
from livepeer_client.types import (
    ADDRESS_BYTES,
    MAX_UINT256,
    MAX_WIN_PROB,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    BlockNumber,
    Wei,
    WinProb,
)

SECRET_BYTES: Final = 32
EV_MULTIPLIER: Final = 100
"""Face value in expected values where gas is too cheap to matter."""
AVERAGE_GAS_PRICE: Final = Wei(3_000_000_000)
"""A face value that covers redemption at this price is accepted even when gas costs more right now."""
DEPOSIT_COVER: Final = 3
"""A deposit is trusted for a third of itself: every other recipient of the sender draws on it too."""
MIN_QUOTE_BLOCKS: Final = 2
"""A sender takes a quote with one block left for expired."""
_RAND_TAG: Final = b"livepeer_client recipient_rand v1\0"


@dataclass(frozen=True, slots=True)
class RecipientConfig:
    """A recipient's terms. `ev` and `max_face_value` in wei (0 = no cap), `redeem_gas` in units of gas.

    `redeem_blocks`: L1 blocks between the end of a quote and that of its tickets in which winners are redeemed, at most
    a quarter of a round.
    """

    address: Address
    ev: Wei = Wei(8_000_000_000)
    redeem_gas: int = 1_200_000
    tx_cost_multiplier: int = 100
    max_face_value: Wei = Wei(0)
    params_expiration_blocks: int = 40
    redeem_blocks: int = 4

    def __post_init__(self) -> None:
        if len(self.address) != ADDRESS_BYTES or self.address == ZERO_ADDRESS:
            raise InvalidInput("a recipient needs an address")
        if self.ev <= 0 or self.redeem_gas <= 0 or self.tx_cost_multiplier <= 0:
            raise InvalidInput("expected value, redeem gas and cost multiplier must be positive")
        if self.ev >= 2**128:
            # Beyond it a probability rounded up could exceed 1.
            raise InvalidInput(f"expected value of {self.ev} wei")
        if self.max_face_value < 0 or self.params_expiration_blocks <= 0 or self.redeem_blocks < 0:
            raise InvalidInput("face value cap or a number of blocks is negative")


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


def quotes_end(config: RecipientConfig, expiration: ExpirationParams, round_: RoundState, validity: int) -> BlockNumber:
    """The last L1 block that a quote may name as its end, or its winners could never be redeemed.

    Redeeming reveals the secret of a quote, so it waits until nobody can pay with it; and the contract wants
    creationRound + validity > current round (onchain 11.5). This binds near the end of a round that nobody
    initialises, and where rounds are short.

    :param validity: rounds in which a ticket can be redeemed, the one of its creation included.
    """
    rounds = expiration.creation_round + validity - round_.current
    end = round_.start_block + rounds * round_.length_blocks
    return BlockNumber(end - min(config.redeem_blocks, round_.length_blocks // 4) - 1)


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
    ends_by: BlockNumber | None = None,
) -> TicketParams:
    """Ticket params for one sender (offchain-payments 3).

    `price` in wei per pixel must be the one sent along: the sender has to return it with its payment, and a
    different one breaks the commitment. At price 0 or less the tickets are worth nothing. `secret` and `seed` are
    32 bytes of cryptographic randomness, the seed as an integer, new for each quote; `gas_price` 0 while unknown.

    :param ends_by: the last L1 block at which it may end, see `quotes_end`.
    :raises QuoteRefused: `insufficient sender reserve`, with figures; or the quote would end before it could be used.
    """
    face_value, win_prob = Wei(0), WinProb(0)
    if price > 0:
        face_value = quote_face_value(config, gas_price=gas_price, max_float=max_float)
        win_prob = quote_win_prob(config.ev, face_value)
    expiration_block = BlockNumber(last_seen_l1_block + config.params_expiration_blocks)
    if ends_by is not None and ends_by < expiration_block:
        if ends_by - last_seen_l1_block < MIN_QUOTE_BLOCKS:
            raise QuoteRefused(
                "tickets of this round can no longer be redeemed",
                creation_round=expiration.creation_round,
                ends_by=ends_by,
                last_seen_l1_block=last_seen_l1_block,
                remedy="somebody has to initialise the round",
            )
        expiration_block = ends_by
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


# --- refusals -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FloatFigures:
    """What a sender's float is made of, wei: its account, our allocation of its reserve, what we claimed of that, the
    pool's size, and the face value of its winners that are not settled."""

    info: SenderInfo
    allocation: int
    claimed: Wei
    pool_size: int
    open_winners: Wei


def explained(refusal: QuoteRefused, figures: FloatFigures) -> QuoteRefused:
    """An `insufficient sender reserve` with every figure behind it, and what would help.

    `required` is the least face value that would be quoted; `remedy` says who has to change what for it.
    """
    found = refusal.figures
    required = max(int(str(found["more_than"])) + 1, int(str(found["at_least"])))
    cap = int(str(found["max_face_value"]))
    trusted = int(str(found["max_float"]))
    info, pending = figures.info, figures.open_winners
    if cap and cap < required:
        remedy = f"orchestrator: raise the cap on face values from {cap} to {required} wei, or quote a lower ticket EV"
    else:
        missing = required - trusted
        share = max(figures.pool_size, 1)
        remedy = f"gateway: add {missing * share} wei to the reserve, of which 1/{share} counts here"
        uncovered = pending - info.deposit // DEPOSIT_COVER
        if uncovered >= missing:
            remedy += f"; or {missing * DEPOSIT_COVER} wei to the deposit; or wait until {pending} wei are redeemed"
    return QuoteRefused(
        refusal.reason,
        reserve=info.reserve + info.claimed_in_current_round,
        pool_size=figures.pool_size,
        claimed=figures.claimed,
        allocation=figures.allocation,
        pending=pending,
        deposit=info.deposit,
        max_float=trusted,
        required=required,
        remedy=remedy,
    )
