"""Every count and amount from two independent sources: gateway books, orchestrator stores, the chain. To the wei."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from livepeer_client.facts import GatewayTotals, Log, OrchestratorTotals, TicketState
from scripts._demo.screen import eth


@dataclass(frozen=True)
class Row:
    """One figure as two sources tell it. `money` figures are wei; `note` explains, it is not compared."""

    what: str
    left_source: str
    left: Fraction | int
    right_source: str
    right: Fraction | int
    money: bool = False
    note: str = ""

    @property
    def agrees(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True)
class ChainFigures:
    """What the chain says, summed over the whole story. Wei where it is money.

    `*_balance` and `supply_*` are state, everything else is events; gas is from receipts.
    """

    redeemed: Sequence[Log]
    transfers: Sequence[Log]
    fees_withdrawn: Sequence[Log]
    gateway_withdrawals: Sequence[Log]
    rewards: Sequence[Log]
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
    unanswered: Mapping[bytes, tuple[int, Fraction]],
    stores: Mapping[bytes, OrchestratorTotals],
    batches: Mapping[bytes, Sequence[bytes]],
    chain: ChainFigures,
) -> list[Row]:
    """The table.

    :param books: the gateway's totals by recipient.
    :param unanswered: tickets and expected value that were sent but are in no orchestrator's store, by recipient.
    :param stores: each orchestrator's totals by its address.
    :param batches: redemption transactions the stores know, with their tickets' hashes.
    :param chain: what the chain says.
    """
    sent = sum(total_.tickets_sent for total_ in books.values())
    paid = sum((total_.expected_value_sent for total_ in books.values()), Fraction(0))
    lost = sum(count for count, _ in unanswered.values())
    lost_value = sum((value for _, value in unanswered.values()), Fraction(0))
    received = sum(store.tickets_received for store in stores.values())
    credited = sum((store.expected_value_credited for store in stores.values()), Fraction(0))
    winners = sum(store.winners for store in stores.values())
    face_value = sum(store.winners_face_value for store in stores.values())
    paid_out = sum(store.paid for store in stores.values())
    open_winners = sum(
        count
        for store in stores.values()
        for state, count in store.by_state.items()
        if state in (TicketState.HELD, TicketState.SENT)
    )
    transferred = total(chain.transfers, "amount")
    withdrawn = total(chain.fees_withdrawn, "amount")
    deposit_back = total(chain.gateway_withdrawals, "deposit") + total(chain.gateway_withdrawals, "reserve")
    funded = chain.deposits_funded + chain.reserves_funded
    dust = transferred - withdrawn
    redeemed_transactions = {bytes(log.tx_hash) for log in chain.redeemed}
    gas = sum(chain.gas_by_transaction[transaction] for transaction in redeemed_transactions)
    gas_of_batches = sum(chain.gas_by_transaction[transaction] for transaction in batches)
    redeemed = len(chain.redeemed)
    return [
        Row(
            "segments",
            "gateway books, answered and checked",
            sum(total_.segments for total_ in books.values()),
            "orchestrator stores, debited",
            sum(store.segments for store in stores.values()),
        ),
        Row(
            "pixels",
            "gateway books",
            sum(total_.pixels for total_ in books.values()),
            "orchestrator stores",
            sum(store.pixels for store in stores.values()),
        ),
        Row(
            "fees for the work",
            "gateway books",
            sum((total_.fees for total_ in books.values()), Fraction(0)),
            "orchestrator stores",
            sum((store.fees_debited for store in stores.values()), Fraction(0)),
            money=True,
        ),
        Row(
            "tickets",
            "gateway books, sent",
            sent,
            "orchestrator stores, received, + in flight",
            received + lost,
            note=f"{received} received + {lost} in flight",
        ),
        Row(
            "expected value",
            "gateway books, paid",
            paid,
            "orchestrator stores, credited, + in flight",
            credited + lost_value,
            money=True,
        ),
        Row("winners", "orchestrator stores", winners, "chain: WinningTicketRedeemed", redeemed),
        Row("winners still open", "orchestrator stores", open_winners, "must be", 0),
        Row(
            "face value redeemed",
            "orchestrator stores, face value of winners",
            face_value,
            "chain: WinningTicketRedeemed.faceValue",
            total(chain.redeemed, "faceValue"),
            money=True,
        ),
        Row(
            "fees credited",
            "orchestrator stores, paid",
            paid_out,
            "chain: WinningTicketTransfer.amount",
            transferred,
            money=True,
        ),
        Row(
            "fees withdrawn",
            "chain: WithdrawFees.amount",
            withdrawn,
            "balances of the fresh payout addresses",
            chain.payout_balances,
            money=True,
        ),
        Row(
            "gateway's money back",
            "chain: Withdrawal (deposit + reserve)",
            deposit_back,
            "gateway's balance, gain + gas",
            chain.gateway_gain_by_withdrawal,
            money=True,
        ),
        Row(
            "gateway's money spent",
            "chain: funded - withdrawn",
            funded - deposit_back,
            "orchestrator stores, paid",
            paid_out,
            money=True,
        ),
        Row(
            "rounding dust left in the Minter",
            "fees credited - fees withdrawn",
            dust,
            "Minter's ETH balance",
            chain.minter_eth_balance,
            note="floors are taken against the claimant",
            money=True,
        ),
        Row(
            "LPT minted",
            "chain: Reward.amount",
            total(chain.rewards, "amount"),
            "growth of LPT.totalSupply",
            chain.supply_after - chain.supply_before,
            money=True,
        ),
        Row(
            "LPT in the Minter",
            "growth of its balance",
            chain.stake_after - chain.stake_before,
            "growth of LPT.totalSupply",
            chain.supply_after - chain.supply_before,
            money=True,
        ),
        Row(
            "gas for redemption",
            "receipts of the stores' batches",
            gas_of_batches,
            "receipts behind the chain's events",
            gas,
            note=f"{gas / redeemed:,.0f} per ticket in {len(redeemed_transactions)} transactions" if redeemed else "",
        ),
    ]


def shown(row: Row, value: Fraction | int) -> str:
    if not row.money:
        return f"{int(value):,}"
    whole = Fraction(value)
    if whole.denominator == 1:
        return f"{eth(int(whole))}"
    # Expected values are exact fractions of a wei; show the whole wei and say that there is more.
    return f"{eth(int(whole))} + {float(whole - int(whole)):.3f} wei"
