"""Live runners: prices, challenges, what a session costs and how long it lasts (offchain-network 4.11)."""

import hashlib
import hmac
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Final

from livepeer_client.codec.runner_api import RunnerReport
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.fiat import Amount, FeedPrice, runner_price
from livepeer_client.policy.signing import JobType
from livepeer_client.policy.streaming import Meter, Unit
from livepeer_client.types import Address

HEARTBEAT_S: Final = 5
TTL_S: Final = 20
"""A runner that was not heard of for so long is gone, and its sessions with it."""
DEBIT_S: Final = 5
"""Between two debits of a session; its start takes that much in hand."""
CHALLENGE_S: Final = 300
"""A challenge can be answered for so long."""

_UNITS: Final = {"hour": Unit.SECOND, "720p": Unit.PIXEL_720P, "fixed": Unit.JOB}
_NONCE_BYTES: Final = 8
_EXPIRY_BYTES: Final = 5
_MAC_BYTES: Final = 19
_TAG: Final = b"live runner challenge"


@dataclass(frozen=True, slots=True)
class RunnerPrice:
    """Wei per second, per pixel or per job, exact."""

    wei: Fraction
    unit: Unit

    @property
    def word(self) -> str:
        """The unit as discovery names it."""
        return JobType(self.unit.value).price_unit

    @property
    def advertised(self) -> int:
        """Whole wei, never below what is charged."""
        return ceil(self.wei)

    @property
    def to_start(self) -> Fraction:
        """What has to be in hand before the work starts: the job's price, or that of the time until the first debit."""
        return self.wei if self.unit is Unit.JOB else self.wei * self.unit.rate * DEBIT_S


def price_of(report: RunnerReport, feed: FeedPrice | None) -> RunnerPrice:
    """What a runner costs now. Seconds and jobs cost whole wei, rounded up, as the network's prices of them are.

    :raises InvalidInput: a unit or a currency that is not known, or less than a wei.
    :raises PriceUnavailable: a currency for which there is no rate now.
    """
    unit = _UNITS.get(report.unit)
    if unit is None:
        raise InvalidInput(f"price_info.unit must be one of {', '.join(_UNITS)}")
    if not report.price:
        return RunnerPrice(Fraction(0), unit)
    wei = runner_price(Amount(report.price, report.currency), report.unit, feed)
    return RunnerPrice(wei if unit is Unit.PIXEL_720P else Fraction(ceil(wei)), unit)


# --- challenges -----------------------------------------------------------------------------------


def challenge_id(key: bytes, nonce: bytes, expires_at: int, runner: str, payer: Address, price: Fraction) -> str:
    """The manifest id of a challenge, bound to who may answer it, for which runner, at which price and until when.

    It says so by itself, so that nobody has to remember what was never paid. `nonce`: 8 random bytes; `expires_at`:
    Unix seconds. 64 hex characters, which cannot be guessed: whoever knows them may stop the session.
    """
    head = nonce + expires_at.to_bytes(_EXPIRY_BYTES, "big")
    bound = b"%b|%d/%d|%b|%b" % (payer, price.numerator, price.denominator, runner.encode(), head)
    return (head + hmac.new(key, _TAG + bound, hashlib.sha256).digest()[:_MAC_BYTES]).hex()


def answers_challenge(key: bytes, manifest_id: str, now_s: float, runner: str, payer: Address, price: Fraction) -> bool:
    """Whether `manifest_id` is of a challenge of ours for this runner, payer and price that still holds."""
    try:
        head = bytes.fromhex(manifest_id)[: _NONCE_BYTES + _EXPIRY_BYTES]
    except ValueError:
        return False
    if len(head) != _NONCE_BYTES + _EXPIRY_BYTES:
        return False
    expires_at = int.from_bytes(head[_NONCE_BYTES:], "big")
    ours = challenge_id(key, head[:_NONCE_BYTES], expires_at, runner, payer, price)
    return hmac.compare_digest(ours.encode(), manifest_id.encode()) and now_s < expires_at


# --- sessions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Debit:
    """What is charged now, and the meter after it. `covered` False: that is all there was, and the session ends."""

    meter: Meter
    units: int
    covered: bool


def debit(meter: Meter, price: Fraction, balance: Fraction, now_s: Fraction, heard_s: Fraction) -> Debit:
    """Charge the time that has passed, up to a heartbeat after the runner was last heard of: nobody pays for the time
    in which it was gone already. Never more than there is."""
    after, units = meter.read(min(now_s, heard_s + HEARTBEAT_S))
    if not price or units * price <= balance:
        return Debit(after, units, covered=True)
    return Debit(after, max(0, floor(balance / price)), covered=False)
