"""What a redeemer learns on its way and may forget: a restart loses all of it without harm."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from livepeer_client.facts import BlockRef, Head, Receipt, StoredTicket
from livepeer_client.facts.figures import Spending
from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption import Alarm, Decision, RedemptionFacts, SimulationFailure
from livepeer_client.types import Address, BlockNumber, Hash32

SUSPICION_BLOCKS: Final = 100
"""L1 blocks for which a sender with a failed ticket stays in batches of its own."""


LOOKS_PER_BLOCK: Final = 200
"""Held tickets that are looked up in `usedTickets` at one block."""


@dataclass(slots=True)
class Memory:
    """`gas`: estimates of single redemptions. `failures`: what simulations said. `used` and `refused`: since which
    block a ticket is seen used, or refused for good. `gas_limits`: of batches sent by this process. `unmined_since`:
    L1 block at which a batch's latest transaction went out. `now`: tickets that the operator wants redeemed.
    `spending`, `alarms_raised`: since the process started."""

    gas: dict[Hash32, int] = field(default_factory=dict)
    failures: dict[Hash32, SimulationFailure] = field(default_factory=dict)
    used: dict[Hash32, BlockRef] = field(default_factory=dict)
    refused: dict[Hash32, BlockRef] = field(default_factory=dict)
    suspects: dict[Address, BlockNumber] = field(default_factory=dict)
    batch_limit: int | None = None
    gas_limits: dict[Hash32, int] = field(default_factory=dict)
    unmined_since: dict[Hash32, int] = field(default_factory=dict)
    now: set[Hash32] = field(default_factory=set)
    looked_at: int = 0
    decisions: dict[Hash32, Decision] = field(default_factory=dict)
    prices: GasPrices = field(default_factory=lambda: GasPrices((), 0.0))
    spending: Spending = field(default_factory=Spending)
    alarms_raised: Counter[str] = field(default_factory=Counter)
    _alarms: set[Alarm] = field(default_factory=set)
    _spent: set[Hash32] = field(default_factory=set)

    def see(self, head: Head, prices: GasPrices) -> None:
        """Note the gas prices of the last day, and let old suspicions go."""
        self.prices = prices
        self.suspects = {sender: until for sender, until in self.suspects.items() if until > head.l1_block}

    def suspect(self, senders: Iterable[Address], l1_block: BlockNumber) -> None:
        self.suspects.update(dict.fromkeys(senders, BlockNumber(l1_block + SUSPICION_BLOCKS)))

    def next_to_look_at(self, tickets: Sequence[StoredTicket]) -> Sequence[StoredTicket]:
        """The next part of many tickets, in turns; those to be sent are looked at anyway when they are simulated."""
        start = self.looked_at if self.looked_at < len(tickets) else 0
        self.looked_at = start + LOOKS_PER_BLOCK
        return tickets[start : start + LOOKS_PER_BLOCK]

    def keep_only(self, tickets: Collection[Hash32]) -> None:
        """Forget tickets that are not open any more."""
        for known in (self.gas, self.failures, self.used, self.refused):
            for hash_ in known.keys() - tickets:
                del known[hash_]
        self.now &= set(tickets)

    def into(self, facts: RedemptionFacts) -> RedemptionFacts:
        """Facts with what simulations have shown so far."""
        return replace(
            facts,
            gas=dict(self.gas),
            failures=dict(self.failures),
            used=frozenset(self.used),
            suspects=frozenset(self.suspects),
            batch_limit=self.batch_limit,
            prices=self.prices,
        )

    def limit_batches(self, tickets: int) -> None:
        """A batch of so many ran out of gas: halve it."""
        self.batch_limit = max(1, tickets // 2)

    def loosen_batches(self) -> None:
        """A batch went through: allow twice as many again."""
        if self.batch_limit is not None:
            self.batch_limit *= 2

    def new_alarms(self, alarms: Iterable[Alarm]) -> list[Alarm]:
        """Those that were not raised before."""
        found = [alarm for alarm in dict.fromkeys(alarms) if alarm not in self._alarms]
        self._alarms.update(found)
        self.alarms_raised.update(alarm.alert.name.lower() for alarm in found)
        return found

    def spend(self, receipt: Receipt) -> None:
        """Count what a mined redemption cost, once, however often a reorg has it mined."""
        if receipt.tx_hash in self._spent:
            return
        self._spent.add(receipt.tx_hash)
        before = self.spending
        self.spending = Spending(
            before.transactions + 1,
            before.failed + (not receipt.succeeded),
            before.gas + receipt.gas_used,
            before.wei + receipt.gas_used * receipt.effective_gas_price,
        )


class Pause:
    """A `PauseSwitch` that a restart turns off."""

    def __init__(self) -> None:
        self._on = False

    def is_on(self) -> bool:
        return self._on

    def set(self, on: bool) -> None:
        self._on = on
