"""Balances: what a gateway has paid ahead, and what an orchestrator owes in work (offchain-payments 8).

A gateway reserves its balance for a payment, sends it, and completes it by what came back:

    outcome      the reserved balance       the new credit
    NOT_SENT     returns                    never existed
    ANSWERED     returns, less the fee      counts
    REFUSED      returns                    unconfirmed: some tickets may have been credited
    UNANSWERED   unconfirmed                unconfirmed

Unconfirmed credit is never spent, nor forgotten: it is the difference that a reconciliation has to explain.
All amounts are exact fractions of a wei.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.errors import InsufficientBalance, InvalidInput
from livepeer_client.policy.price import fee

ZERO: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """A gateway's view of one session. `available` may be negative; `unconfirmed` was paid without an answer."""

    available: Fraction = ZERO
    unconfirmed: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class StagedCredit:
    """Credit set aside for one payment: `existing` from the balance, `new` from `tickets` tickets."""

    tickets: int
    new: Fraction
    existing: Fraction


class Outcome(Enum):
    """What became of a staged payment."""

    NOT_SENT = "not sent"
    ANSWERED = "answered"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


def stage(balance: Balance, min_credit: Fraction, ticket_ev: Fraction | None) -> tuple[Balance, StagedCredit]:
    """Reserve the whole balance and top it up with the fewest tickets to `min_credit`; a debt buys more of them.

    Ask for max(fee, ticket's expected value): the orchestrator wants a ticket's worth at all times. Without an
    expected value (no payments, or price 0) nothing is bought.
    """
    existing = balance.available
    tickets = 0
    if existing < min_credit and ticket_ev:
        tickets = ceil((min_credit - existing) / ticket_ev)
    new = tickets * ticket_ev if ticket_ev else ZERO
    return Balance(ZERO, balance.unconfirmed), StagedCredit(tickets, new, existing)


def complete(balance: Balance, staged: StagedCredit, outcome: Outcome, charged: Fraction = ZERO) -> Balance:
    """The balance after a payment. `charged` is the fee of the work that came back, 0 for work that failed.

    :raises InvalidInput: a charge without an answer, or a negative one.
    """
    if charged < 0 or (charged and outcome is not Outcome.ANSWERED):
        raise InvalidInput(f"a payment that was {outcome.value} cannot be charged {charged}")
    available, unconfirmed = balance.available, balance.unconfirmed
    match outcome:
        case Outcome.NOT_SENT:
            available += staged.existing
        case Outcome.ANSWERED:
            available += staged.existing + staged.new - charged
        case Outcome.REFUSED:
            available += staged.existing
            unconfirmed += staged.new
        case Outcome.UNANSWERED:
            unconfirmed += staged.existing + staged.new
    return Balance(available, unconfirmed)


@dataclass(frozen=True, slots=True)
class Account:
    """An orchestrator's view of one (sender, session): credit left, and the price agreed for the session.

    The price is set when the account is opened and never changes, so it is fixed in the same step as the first
    credit, and a later request cannot name a cheaper one.
    """

    balance: Fraction
    price: Fraction


def credited(account: Account | None, amount: Fraction, price: Fraction) -> Account:
    """Add credit; opens the account at `price` if there is none. An open account keeps its own price."""
    if account is None:
        return Account(amount, price)
    return Account(account.balance + amount, account.price)


def debited(account: Account, pixels: int) -> tuple[Account, Fraction]:
    """Charge work at the session's price. The balance may go below zero; the next payment makes up for it.

    :returns: the account after it, and the fee.
    """
    charged = fee(pixels, account.price)
    return Account(account.balance - charged, account.price), charged


def require_balance(account: Account | None, required: Fraction) -> None:
    """Work starts only with `required` wei of credit: the orchestrator's configured expected value of one ticket.

    A session agreed at price 0 needs none.

    :raises InsufficientBalance: less, or no account.
    """
    if account is not None and account.price == 0:
        return
    balance = ZERO if account is None else account.balance
    if account is None or balance < required:
        raise InsufficientBalance(balance=balance, required=required)
