"""What one plan is made from, and what it says: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from livepeer_client.facts import Calldata, Head, OrchestratorState, RoundState, SenderInfo
from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption.data_fee import DataFees
from livepeer_client.types import Address, BlockNumber, Hash32, Wei

_NO_PRICES: Final = GasPrices((), 0.0)


class Action(Enum):
    REDEEM = "redeem"
    """Submit it now."""
    WAIT = "wait"
    """Its time has not come."""
    DEFER = "defer"
    """It could be submitted but should not, under present conditions."""
    EXPIRE = "expire"
    """No transaction can redeem it any more."""


class Reason(Enum):
    """Why a ticket is decided upon as it is."""

    FUNDED = "funded and worth its cost"
    PARTIAL = "funds cover only a part, and the deadline is near"
    USED = "another transaction has redeemed it, in a block that is not final yet"
    ON_HOLD = "the operator holds it back"
    PARAMS_VALID = "its params could still be accepted, and redeeming reveals their secret"
    ROUND_NOT_INITIALIZED = "the current round is not initialized"
    PAUSED = "the contracts are paused"
    STOPPED = "the operator has paused redemption"
    CREATED_LATER = "its creation round is after the current one"
    RECIPIENT_UNREGISTERED = "the recipient is not registered"
    SENDER_UNLOCKED = "the sender is unlocked"
    FUNDS_SHORT = "deposit and claimable reserve do not cover it"
    NOT_WORTH_GAS = "it is worth less than its redemption costs"
    GAS_PRICE = "the gas price exceeds the ceiling"
    GAS_UNFAVOURABLE = "gas was cheaper for much of the last day, and there is time"
    BATCH_FULL = "the batch is full"
    BATCH_SMALL = "too few tickets for a batch, and none is urgent"
    SIMULATION = "its simulation failed"
    INVALID = "the contract will never accept it"
    QUARANTINED = "its simulation keeps failing in words nobody knows"
    VALIDITY_OVER = "its validity period is over"


@dataclass(frozen=True, slots=True)
class SimulationFailure:
    """What the contract said to a single redemption; `permanent` = it will not say otherwise later.

    `known`: the words are in the table of refusals. `retry_block`: the L1 block from which to try again; meaningless
    if permanent.
    """

    text: str
    permanent: bool
    tries: int
    retry_block: BlockNumber
    known: bool = True


@dataclass(frozen=True, slots=True)
class RedemptionFacts:
    """The chain as read for one plan, all at one block, and what simulations have shown.

    `claimable` maps (sender, recipient) to wei; `in_flight` a sender to the face values already sent and unconfirmed.
    `used`: tickets that somebody has redeemed. `gas` maps a ticket to the gas estimate of its single redemption.
    `prices`: gas prices of the last day. `suspects`: senders whose tickets failed lately. `batch_limit`: an upper bound
    below the policy's, after a batch ran out of gas. `open`: transactions sent and not mined. `compact`: the broker has
    the compact entry point. `data`: what bytes cost, None where they are not charged apart.
    """

    head: Head
    round: RoundState
    validity_rounds: int
    senders: Mapping[Address, SenderInfo]
    recipients: Mapping[Address, OrchestratorState]
    claimable: Mapping[tuple[Address, Address], Wei]
    in_flight: Mapping[Address, Wei] = field(default_factory=dict)
    gas: Mapping[Hash32, int] = field(default_factory=dict)
    failures: Mapping[Hash32, SimulationFailure] = field(default_factory=dict)
    used: frozenset[Hash32] = frozenset()
    prices: GasPrices = _NO_PRICES
    suspects: frozenset[Address] = frozenset()
    batch_limit: int | None = None
    open: int = 0
    compact: bool = False
    paused: bool = False
    data: DataFees | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one ticket, and why; `figures` are what was compared (wei, blocks, rounds)."""

    hash: Hash32
    action: Action
    reason: Reason
    figures: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """One transaction to send: its tickets in order, the entry point, its gas limit, and what its fee cap must not
    exceed (wei)."""

    tickets: tuple[Hash32, ...]
    calldata: Calldata
    gas_limit: int
    max_gas_price: Wei | None
    urgent: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision for each ticket, those to redeem first and in the order of the batches."""

    decisions: tuple[Decision, ...]
    batches: tuple[BatchPlan, ...]

    def stopped(self) -> "Plan":
        """The same while the operator has paused redemption: whatever would go now waits, and nothing is sent."""
        return Plan(
            tuple(
                replace(decision, action=Action.WAIT, reason=Reason.STOPPED)
                if decision.action is Action.REDEEM
                else decision
                for decision in self.decisions
            ),
            (),
        )
