"""Gas now, against the price at which the next batch pays back what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from livepeer_client.facts import TicketState
from livepeer_client.policy.board.facts import BoardFacts
from livepeer_client.policy.redemption import Explanation, RedemptionPolicy
from livepeer_client.types import Wei


@dataclass(frozen=True, slots=True)
class Group:
    """Tickets that go or wait together, worth `value` wei.

    `pays_up_to`: above this gas price they cost more than they bring, None while no simulation says what they take.
    `waits_for`: the gas price that the most patient of them waits for, None if they wait for something else.
    """

    tickets: int
    value: Wei
    pays_up_to: int | None
    waits_for: int | None


@dataclass(frozen=True, slots=True)
class GasView:
    """Prices in wei per gas. `now`: the batch that goes at once; `waiting`: the one that would go if nothing but gas
    and company had to be waited for. `cheaper`: the share of the last day's prices that were lower."""

    price: Wei
    cheaper: Fraction | None
    ceiling: Wei | None
    now: Group | None
    waiting: Group | None

    @property
    def pays(self) -> bool | None:
        """Whether the next batch pays at the present price; None while that is not known."""
        group = self.now or self.waiting
        return None if group is None or group.pays_up_to is None else self.price <= group.pays_up_to


def break_even(batch: Sequence[Explanation], policy: RedemptionPolicy) -> int | None:
    """The highest gas price, wei, at which redeeming `batch` in one transaction costs no more than it brings.

    Of tickets without an estimate nothing is known, so they count neither way; None if that leaves none.
    """
    known = [each for each in batch if each.own_gas is not None]
    if not known:
        return None
    # A lone ticket takes the single call, which is what its own gas was taken from.
    shared = policy.overhead_gas if len(known) > 1 else policy.single_extra_gas
    gas = shared + sum(each.own_gas or 0 for each in known)
    left = sum((each.face_value if each.value is None else each.value) - each.data_fee for each in known)
    return max(0, left // gas) if gas else None


def group_of(told: Sequence[Explanation], state: TicketState, policy: RedemptionPolicy) -> Group | None:
    """As many of the tickets of one state, in the order of redemption, as a batch holds; None without any."""
    batch = [each for each in told if each.state is state][: policy.batch_max]
    if not batch:
        return None
    wanted = [figure for each in batch if isinstance(figure := each.figures.get("wanted"), int)]
    value = sum(each.face_value if each.value is None else each.value for each in batch)
    return Group(len(batch), Wei(value), break_even(batch, policy), min(wanted, default=None))


def gas_view(facts: BoardFacts) -> GasView:
    return GasView(
        price=facts.head.gas_price,
        cheaper=facts.prices.rank(facts.head.gas_price - 1),
        ceiling=facts.policy.max_gas_price,
        now=group_of(facts.told, TicketState.ASSIGNED, facts.policy),
        waiting=group_of(facts.told, TicketState.READY, facts.policy),
    )
