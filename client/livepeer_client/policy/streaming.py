"""Payments by the second: live video-to-video, bring-your-own capabilities, live runners (offchain-payments 9).

Both sides count units by elapsed time. A gateway's payment is unconfirmed until it is accepted; one that is refused is
repeated once, with new tickets on a new quote.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil, floor
from typing import Final

from livepeer_client.errors import InsufficientBalance, InvalidInput, PaymentRefused, SpendLimitReached
from livepeer_client.policy.balance import Account, Balance, Outcome
from livepeer_client.policy.price import fee
from livepeer_client.policy.receiving import MAX_NONCES

PIXELS_PER_S: Final = 1280 * 720 * 30
"""What a second of live video-to-video is billed as, whatever its real size."""
PREPAID_S: Final = 60
"""What the first payment of a live video buys: 1,658,880,000 pixels."""
INTERVAL_S: Final = 5
"""Between two payments of a live video, and between two debits."""
REQUEST_TIMEOUT_S: Final = 60

BYOC_PREPAID_S: Final = 60
"""What an orchestrator wants to hold before it starts a stream of a capability somebody brought along."""
BYOC_TOP_UP_S: Final = 120
"""What a gateway tops up to, every `BYOC_PAY_S`; a payment may take `BYOC_TIMEOUT_S`."""
BYOC_PAY_S: Final = 50
BYOC_TIMEOUT_S: Final = 70
BYOC_DEBIT_S: Final = 23
BYOC_NEGATIVE_CHECKS: Final = 2
"""An orchestrator stops after so many debits in a row that left less than nothing."""


class Unit(Enum):
    """What a price is for; `rate` is how many of them pass in a second, 0 for what is paid once.

    Kept apart by type: seconds and pixels differ by a factor of 27 million, which is what a bill then differs by.
    """

    SECOND = "live"
    PIXEL_720P = "lv2v"
    JOB = "fixed"

    @property
    def rate(self) -> int:
        return _RATES[self]


_RATES: Final = {Unit.SECOND: 1, Unit.PIXEL_720P: PIXELS_PER_S, Unit.JOB: 0}


# --- elapsed time ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meter:
    """What was billed so far: `rate` units per second, up to `billed_until_s`, exact seconds of any clock."""

    rate: int
    billed_until_s: Fraction

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise InvalidInput(f"a meter that runs at {self.rate} units a second")

    def read(self, now_s: Fraction, interval_s: Fraction = Fraction(0)) -> tuple["Meter", int]:
        """Whole units since the last reading, and the meter after it; nothing before `interval_s` has passed.

        The part of a unit that is left over stays on the meter. A clock that went back bills nothing.
        """
        elapsed = now_s - self.billed_until_s
        if elapsed < interval_s or elapsed <= 0:
            return self, 0
        units = floor(self.rate * elapsed)
        return Meter(self.rate, self.billed_until_s + Fraction(units, self.rate)), units


# --- gateway --------------------------------------------------------------------------------------


class Answer(Enum):
    """What an orchestrator says to a payment that comes alone."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    BUSY = "busy"
    RELEASED = "the session has ended"


def answer_of(status: int) -> Answer:
    """The meaning of an HTTP status of a payment route."""
    if status == 200:
        return Answer.ACCEPTED
    if status == 404:
        return Answer.RELEASED
    return Answer.BUSY if status in (408, 429) or status >= 500 else Answer.REFUSED


class Next(Enum):
    """What a gateway does after an answer."""

    CONTINUE = "pay again when it is due"
    RENEW = "get a new quote and pay with new tickets, once"
    STOP = "end the job: the orchestrator does not take our payments"
    END = "the job is over"


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a live payment is completed, and what follows."""

    outcome: Outcome
    then: Next


def settle_answer(answer: Answer | None, *, renewed: bool) -> Settlement:
    """What an answer (None: none came) makes of a payment. `renewed`: it was the second try already.

    Only an accepted payment counts as paid. What was refused may have been credited in part, and what was not answered
    may have arrived: both stay unconfirmed.
    """
    if answer is Answer.ACCEPTED:
        return Settlement(Outcome.ANSWERED, Next.CONTINUE)
    if answer is None or answer is Answer.BUSY:
        return Settlement(Outcome.UNANSWERED if answer is None else Outcome.REFUSED, Next.CONTINUE)
    if answer is Answer.RELEASED:
        return Settlement(Outcome.REFUSED, Next.END)
    return Settlement(Outcome.REFUSED, Next.STOP if renewed else Next.RENEW)


class OwnLimitReached(SpendLimitReached):
    """The session has cost all that its owner allowed; nobody is at fault."""


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """What a session may cost: `price` wei per unit for all units that have passed, those prepaid, and two tickets.

    Refused payments are repeated and balances are the orchestrator's word, so the sum of all tickets signed is capped
    by what the time that has passed can cost at all. `max_total`, wei, caps it whatever the time.
    """

    price: Fraction
    prepaid_units: int
    max_total: Fraction | None = None

    def check(self, signed: Fraction, units: int, ticket_ev: Fraction) -> None:
        """Whether `signed`, wei of expected value in all, may have been signed for `units` that have passed.

        :raises SpendLimitReached: with the figures; `OwnLimitReached` where it is `max_total`.
        """
        limit = fee(units + self.prepaid_units, self.price) + 2 * ticket_ev
        if self.max_total is not None and signed > self.max_total and self.max_total <= limit:
            raise OwnLimitReached(signed=signed, limit=self.max_total, units=units)
        if signed > limit:
            raise SpendLimitReached(signed=signed, limit=limit, units=units)


# --- bring your own capability --------------------------------------------------------------------


def byoc_tickets(cost: Fraction, ticket_ev: Fraction) -> int:
    """Tickets that pay `cost` wei: as many as it takes, no more than a quote credits."""
    if cost <= 0 or ticket_ev <= 0:
        return 0
    return min(ceil(cost / ticket_ev), MAX_NONCES)


def byoc_top_up(balance: Fraction, price: Fraction) -> Fraction:
    """Wei that bring a balance up to two minutes of work at `price` wei per second."""
    return max(fee(BYOC_TOP_UP_S, price) - balance, Fraction(0))


@dataclass(frozen=True, slots=True)
class Synced:
    """A gateway's balance after the orchestrator named its own. `difference`, wei, is what ours was short of it."""

    balance: Balance
    difference: Fraction
    covered: bool


def sync(balance: Balance | None, reported: Fraction, minimum: Fraction) -> Synced:
    """Take over the balance that an orchestrator reports; it alone knows what it credited.

    What was unconfirmed is settled by that: the report says how much of it arrived. `covered`: at least `minimum`,
    below which it does not work. Whoever reports too little to be paid twice runs into the session's `SpendLimit`.
    """
    before = balance or Balance()
    return Synced(Balance(reported), reported - before.available, reported >= minimum)


@dataclass(frozen=True, slots=True)
class Overdraft:
    """An orchestrator's patience: how many debits in a row have left the balance below zero."""

    checks: int = 0

    def after(self, balance: Fraction) -> "Overdraft":
        return Overdraft(self.checks + 1 if balance < 0 else 0)

    @property
    def stops(self) -> bool:
        """The stream is closed; the first time is only a warning."""
        return self.checks >= BYOC_NEGATIVE_CHECKS


# --- orchestrator ---------------------------------------------------------------------------------


def require_units(account: Account | None, units: int) -> Fraction:
    """Whether an account covers `units` at its price, before they are debited.

    :returns: the fee, wei.
    :raises InsufficientBalance: it does not, or there is no account: the session is closed.
    """
    if account is None:
        raise InsufficientBalance(balance=Fraction(0), required=units)
    due = fee(units, account.price)
    if account.balance < due:
        raise InsufficientBalance(balance=account.balance, required=due)
    return due


def check_follow_up(unit: Unit, payments_before: int) -> None:
    """A job at a fixed price is paid once.

    :raises PaymentRefused: this would be the second time (HTTP 409).
    """
    if unit is Unit.JOB and payments_before:
        raise PaymentRefused("fixed-price live runner sessions do not accept follow-up payments")
