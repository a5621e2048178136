"""Every count and amount from two independent sources: gateway books, orchestrator stores, the chain. To the wei."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.facts import GatewayTotals, Log, OrchestratorTotals, TicketState
from scripts._demo.screen import eth

BOOKS: Final = "gateway books"
STORES: Final = "orchestrator stores"
EVENTS: Final = "chain: events"
BALANCES: Final = "chain: balances"
OPEN_STATES: Final = (TicketState.HELD, TicketState.SENT)


@dataclass(frozen=True)
class Row:
    """One figure as two sources tell it. `money` figures are wei (or LPT wei)."""

    what: str
    left: tuple[str, Fraction | int]
    right: tuple[str, Fraction | int]
    money: bool = False

    @property
    def agrees(self) -> bool:
        return self.left[1] == self.right[1]


@dataclass(frozen=True)
class Missing:
    """Payments the gateway sent to one orchestrator whose store never saw them. `expected_value` exact, wei."""

    payments: int
    tickets: int
    expected_value: Fraction


@dataclass(frozen=True)
class ChainFigures:
    """What the chain says, summed over the whole story. Wei where it is money.

    `*_balance` and `supply_*` are state, everything else is events; gas is from receipts.
    """

    redeemed: Sequence[Log]
    transfers: Sequence[Log]
    fees_withdrawn: Sequence[Log]
    gateway_withdrawals: Sequence[Log]
    # What transcoders and their delegators got of the minted LPT, and what the treasury got.
    rewards: Sequence[Log]
    treasury_rewards: Sequence[Log]
    bonds: Sequence[Log]
    deposits_funded: int
    reserves_funded: int
    payout_balances: int
    gateway_gain_by_withdrawal: int
    minter_eth_balance: int
    supply_before: int
    supply_after: int
    stake_before: int
    stake_after: int
    gas_by_transaction: Mapping[bytes, int]


def total(logs: Sequence[Log], argument: str) -> int:
    amount = 0
    for log in logs:
        value = log.args[argument]
        assert isinstance(value, int)
        amount += value
    return amount


def compare(
    books: Mapping[bytes, GatewayTotals],
    never_arrived: Sequence[Missing],
    stores: Mapping[bytes, OrchestratorTotals],
    batches: Mapping[bytes, Sequence[bytes]],
    chain: ChainFigures,
) -> list[Row]:
    """The table.

    :param books: the gateway's totals by recipient.
    :param never_arrived: what was sent but is in no store.
    :param stores: each orchestrator's totals by its address.
    :param batches: redemption transactions the stores know, with their tickets' hashes.
    :param chain: what the chain says.
    """
    paid = _sum(book.expected_value_sent for book in books.values())
    lost = sum(missing.tickets for missing in never_arrived)
    lost_value = _sum(missing.expected_value for missing in never_arrived)
    sent = sum(book.tickets_sent for book in books.values())
    received = sum(store.tickets_received for store in stores.values())
    unanswered = sum(book.tickets_unanswered for book in books.values())
    open_winners = sum(
        count for store in stores.values() for state, count in store.by_state.items() if state in OPEN_STATES
    )
    paid_out = sum(store.paid for store in stores.values())
    funded = chain.deposits_funded + chain.reserves_funded
    returned = total(chain.gateway_withdrawals, "deposit") + total(chain.gateway_withdrawals, "reserve")
    transferred = total(chain.transfers, "amount")
    withdrawn = total(chain.fees_withdrawn, "amount")
    rewarded = total(chain.rewards, "amount")
    minted = rewarded + total(chain.treasury_rewards, "amount")
    redeemed_in = {bytes(log.tx_hash) for log in chain.redeemed}
    gas_by_stores = sum(chain.gas_by_transaction[transaction] for transaction in batches)
    gas_by_events = sum(chain.gas_by_transaction[transaction] for transaction in redeemed_in)
    redeemed = len(chain.redeemed)
    batched = sum(len(tickets) for tickets in batches.values())
    return [
        Row(
            "segments transcoded and checked",
            (BOOKS, sum(book.segments for book in books.values())),
            (STORES, sum(store.segments for store in stores.values())),
        ),
        Row(
            "pixels",
            (BOOKS, sum(book.pixels for book in books.values())),
            (STORES, sum(store.pixels for store in stores.values())),
        ),
        Row(
            "fees for the work, ETH",
            (BOOKS, _sum(book.fees for book in books.values())),
            (STORES, _sum(store.fees_debited for store in stores.values())),
            money=True,
        ),
        Row(f"tickets sent = received + {lost} that never arrived", (BOOKS, sent), (STORES, received + lost)),
        Row(
            f"payments in flight at the kill ({unanswered} tickets, {unanswered - lost} on disk)",
            (BOOKS, sum(book.payments - book.segments for book in books.values())),
            (
                STORES,
                sum(store.payments - store.segments for store in stores.values())
                + sum(missing.payments for missing in never_arrived),
            ),
        ),
        Row(
            "expected value paid = credited + never arrived, ETH",
            (BOOKS, paid),
            (STORES, _sum(store.expected_value_credited for store in stores.values()) + lost_value),
            money=True,
        ),
        Row(
            "winners = tickets redeemed",
            (STORES, sum(store.winners for store in stores.values())),
            (EVENTS, redeemed),
        ),
        Row("winners still open", (STORES, open_winners), ("must be", 0)),
        Row(
            "face value redeemed, ETH",
            (STORES, sum(store.winners_face_value for store in stores.values())),
            (EVENTS, total(chain.redeemed, "faceValue")),
            money=True,
        ),
        Row("fees credited on chain, ETH", (STORES, paid_out), (EVENTS, transferred), money=True),
        Row("fees withdrawn, ETH", (EVENTS, withdrawn), (BALANCES, chain.payout_balances), money=True),
        Row(
            "rounding dust of the fee shares, ETH",
            (EVENTS, transferred - withdrawn),
            (BALANCES, chain.minter_eth_balance),
            money=True,
        ),
        Row("gateway: funded - withdrawn = paid, ETH", (EVENTS, funded - returned), (STORES, paid_out), money=True),
        Row("gateway: withdrawn, ETH", (EVENTS, returned), (BALANCES, chain.gateway_gain_by_withdrawal), money=True),
        Row("LPT minted", (EVENTS, minted), (BALANCES, chain.supply_after - chain.supply_before), money=True),
        Row(
            "LPT bonded + rewarded = held by the Minter",
            (EVENTS, total(chain.bonds, "additionalAmount") + rewarded),
            (BALANCES, chain.stake_after - chain.stake_before),
            money=True,
        ),
        Row(f"gas of the {len(redeemed_in)} redemptions", (STORES, gas_by_stores), (EVENTS, gas_by_events)),
        Row(
            "gas per redeemed ticket",
            (STORES, gas_by_stores // batched if batched else 0),
            (EVENTS, gas_by_events // redeemed if redeemed else 0),
        ),
    ]


def _sum(values: Iterable[Fraction]) -> Fraction:
    return sum(values, Fraction(0))


def shown(row: Row, value: Fraction | int) -> str:
    if not row.money:
        return f"{int(value):,}"
    # Expected values are exact fractions of a wei: compared as such, shown to the wei.
    return eth(int(value)) + ("" if Fraction(value).denominator == 1 else " …")
