"""How a typed call is made or tried, and what comes back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from livepeer_client.facts import Log, Receipt
from livepeer_client.ports import Transactor
from livepeer_client.types import Wei

O = TypeVar("O")  # noqa: E741 - an outcome


@dataclass(frozen=True, slots=True)
class Result(Generic[O]):
    """What a call did, or would do.

    :ivar outcome: read from the events; None only in a dry run against a node that does not tell the events.
    :ivar gas: used, or estimated in a dry run.
    :ivar cost: wei for that gas, at the price paid or to be paid now.
    :ivar receipt: None in a dry run.
    """

    outcome: O | None
    gas: int
    cost: Wei
    receipt: Receipt | None

    @property
    def dry_run(self) -> bool:
        return self.receipt is None

    @property
    def done(self) -> O:
        """The outcome, where there is no doubt that there is one.

        :raises ValueError: a dry run without events.
        """
        if self.outcome is None:
            raise ValueError("the node did not tell what the call would do")
        return self.outcome


async def make(
    transactor: Transactor,
    contract: str,
    function: str,
    args: Sequence[object],
    read: Callable[[Sequence[Log]], O],
    *,
    value: Wei = Wei(0),
    dry_run: bool,
) -> Result[O]:
    """Try or make one call, and read its events.

    :raises Reverted: the contract refuses, or would.
    :raises InsufficientFunds, GasPriceTooHigh, ChainUnavailable, TransactionDropped: nothing was done, or for the last
        two it is not known whether it was.
    """
    if dry_run:
        simulation = await transactor.simulate(contract, function, args, value=value)
        outcome = None if simulation.logs is None else read(simulation.logs)
        return Result(outcome, simulation.gas, Wei(simulation.gas * simulation.gas_price), None)
    receipt = await transactor.send(contract, function, args, value=value)
    cost = Wei(receipt.gas_used * receipt.effective_gas_price)
    return Result(read(receipt.logs), receipt.gas_used, cost, receipt)
