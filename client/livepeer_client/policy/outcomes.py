"""What a call did, read from the events it left (onchain 6, 8, 10.6, 11.8). Amounts: ETH or LPT wei.

Each reader takes the events of one transaction in their order.

:raises MalformedMessage: by every reader, if the event that proves the call is not among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from livepeer_client.errors import MalformedMessage
from livepeer_client.facts import Log, Receipt
from livepeer_client.policy.redemption.outcome import Redeemed, redeemed_in
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei

T = TypeVar("T", int, bytes, str)


@dataclass(frozen=True, slots=True)
class Funded:
    """Added to an account with the broker; `unlock_cancelled` if that ended an unlock."""

    sender: Address
    deposit: Wei
    reserve: Wei
    unlock_cancelled: bool


@dataclass(frozen=True, slots=True)
class Unlocking:
    """`withdraw_round` is the first in which the account can be emptied."""

    start_round: Round
    withdraw_round: Round


@dataclass(frozen=True, slots=True)
class UnlockCancelled:
    sender: Address


@dataclass(frozen=True, slots=True)
class Withdrawn:
    deposit: Wei
    reserve: Wei


@dataclass(frozen=True, slots=True)
class Bonded:
    """`bonded` is the owner's whole stake after it; `old_delegate` is zero for a first bond."""

    owner: Address
    delegate: Address
    old_delegate: Address
    added: int
    bonded: int


@dataclass(frozen=True, slots=True)
class Unbonded:
    """A lock that can be withdrawn from `withdraw_round` on, or bonded again before."""

    lock_id: int
    amount: int
    withdraw_round: Round


@dataclass(frozen=True, slots=True)
class Rebonded:
    lock_id: int
    delegate: Address
    amount: int


@dataclass(frozen=True, slots=True)
class BondTransferred:
    receiver: Address
    amount: int


@dataclass(frozen=True, slots=True)
class StakeWithdrawn:
    lock_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class FeesWithdrawn:
    recipient: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class Claimed:
    """Earnings of rounds `start_round` to `end_round` that were added to stake and fees; nothing if already claimed."""

    rewards: int
    fees: Wei
    start_round: Round
    end_round: Round


@dataclass(frozen=True, slots=True)
class RatesSet:
    """Shares in ppm. `joined` if the transcoder got a place in the pool by it."""

    reward_cut: int
    fee_share: int
    joined: bool


@dataclass(frozen=True, slots=True)
class Rewarded:
    transcoder: Address
    amount: int


@dataclass(frozen=True, slots=True)
class RewardCallerSet:
    """Who may call reward for `transcoder`; zero for nobody else."""

    transcoder: Address
    caller: Address


@dataclass(frozen=True, slots=True)
class RoundInitialized:
    round: Round
    block_hash: Hash32


@dataclass(frozen=True, slots=True)
class ServiceUriSet:
    address: Address
    uri: str


@dataclass(frozen=True, slots=True)
class Approved:
    """`spender` may take `amount` LPT wei from `owner`."""

    owner: Address
    spender: Address
    amount: int


@dataclass(frozen=True, slots=True)
class TokensMoved:
    sender: Address
    recipient: Address
    amount: int


# --- the broker -----------------------------------------------------------------------------------


def funded(logs: Sequence[Log], sender: Address) -> Funded:
    deposit, reserve = _all(logs, "DepositFunded"), _all(logs, "ReserveFunded")
    if not deposit and not reserve:
        raise _missing("DepositFunded or ReserveFunded")
    return Funded(
        sender=sender,
        deposit=Wei(sum(_arg(log, "amount", int) for log in deposit)),
        reserve=Wei(sum(_arg(log, "amount", int) for log in reserve)),
        unlock_cancelled=bool(_all(logs, "UnlockCancelled")),
    )


def unlocking(logs: Sequence[Log]) -> Unlocking:
    log = _one(logs, "Unlock")
    return Unlocking(Round(_arg(log, "startRound", int)), Round(_arg(log, "endRound", int)))


def unlock_cancelled(logs: Sequence[Log]) -> UnlockCancelled:
    return UnlockCancelled(Address(_arg(_one(logs, "UnlockCancelled"), "sender", bytes)))


def withdrawn(logs: Sequence[Log]) -> Withdrawn:
    log = _one(logs, "Withdrawal")
    return Withdrawn(Wei(_arg(log, "deposit", int)), Wei(_arg(log, "reserve", int)))


def redeemed(logs: Sequence[Log]) -> tuple[Redeemed, ...]:
    """Those tickets that were redeemed. A batch leaves out the others without a word, so none is no error."""
    nothing = Hash32(bytes(32))
    return tuple(redeemed_in(Receipt(nothing, True, BlockNumber(0), 0, Wei(0), tuple(logs), nothing)))


# --- staking --------------------------------------------------------------------------------------


def bonded(logs: Sequence[Log]) -> Bonded:
    log = _one(logs, "Bond")
    return Bonded(
        owner=Address(_arg(log, "delegator", bytes)),
        delegate=Address(_arg(log, "newDelegate", bytes)),
        old_delegate=Address(_arg(log, "oldDelegate", bytes)),
        added=_arg(log, "additionalAmount", int),
        bonded=_arg(log, "bondedAmount", int),
    )


def unbonded(logs: Sequence[Log]) -> Unbonded:
    log = _one(logs, "Unbond")
    return Unbonded(_arg(log, "unbondingLockId", int), _arg(log, "amount", int), Round(_arg(log, "withdrawRound", int)))


def rebonded(logs: Sequence[Log]) -> Rebonded:
    log = _one(logs, "Rebond")
    delegate = Address(_arg(log, "delegate", bytes))
    return Rebonded(_arg(log, "unbondingLockId", int), delegate, _arg(log, "amount", int))


def bond_transferred(logs: Sequence[Log]) -> BondTransferred:
    log = _one(logs, "TransferBond")
    return BondTransferred(Address(_arg(log, "newDelegator", bytes)), _arg(log, "amount", int))


def stake_withdrawn(logs: Sequence[Log]) -> StakeWithdrawn:
    log = _one(logs, "WithdrawStake")
    return StakeWithdrawn(_arg(log, "unbondingLockId", int), _arg(log, "amount", int))


def fees_withdrawn(logs: Sequence[Log]) -> FeesWithdrawn:
    log = _one(logs, "WithdrawFees")
    return FeesWithdrawn(Address(_arg(log, "recipient", bytes)), Wei(_arg(log, "amount", int)))


def claimed(logs: Sequence[Log]) -> Claimed:
    found = _all(logs, "EarningsClaimed")
    if not found:
        return Claimed(0, Wei(0), Round(0), Round(0))
    log = found[0]
    return Claimed(
        rewards=_arg(log, "rewards", int),
        fees=Wei(_arg(log, "fees", int)),
        start_round=Round(_arg(log, "startRound", int)),
        end_round=Round(_arg(log, "endRound", int)),
    )


def rates_set(logs: Sequence[Log]) -> RatesSet:
    log = _one(logs, "TranscoderUpdate")
    joined = bool(_all(logs, "TranscoderActivated"))
    return RatesSet(_arg(log, "rewardCut", int), _arg(log, "feeShare", int), joined)


def rewarded(logs: Sequence[Log]) -> Rewarded:
    log = _one(logs, "Reward")
    return Rewarded(Address(_arg(log, "transcoder", bytes)), _arg(log, "amount", int))


def reward_caller_set(logs: Sequence[Log]) -> RewardCallerSet:
    log = _one(logs, "RewardCallerSet")
    return RewardCallerSet(Address(_arg(log, "transcoder", bytes)), Address(_arg(log, "rewardCaller", bytes)))


# --- rounds, registry, token ----------------------------------------------------------------------


def round_initialized(logs: Sequence[Log]) -> RoundInitialized:
    log = _one(logs, "NewRound")
    return RoundInitialized(Round(_arg(log, "round", int)), Hash32(_arg(log, "blockHash", bytes)))


def service_uri_set(logs: Sequence[Log]) -> ServiceUriSet:
    log = _one(logs, "ServiceURIUpdate")
    return ServiceUriSet(Address(_arg(log, "addr", bytes)), _arg(log, "serviceURI", str))


def approved(logs: Sequence[Log]) -> Approved:
    log = _one(logs, "Approval")
    owner, spender, value = log.args.values()
    if not isinstance(owner, bytes) or not isinstance(spender, bytes) or not isinstance(value, int):
        raise MalformedMessage("event Approval", "its arguments are others")
    return Approved(Address(owner), Address(spender), value)


def tokens_moved(logs: Sequence[Log]) -> TokensMoved:
    log = _one(logs, "Transfer")
    sender, recipient, value = log.args.values()
    if not isinstance(sender, bytes) or not isinstance(recipient, bytes) or not isinstance(value, int):
        raise MalformedMessage("event Transfer", "its arguments are others")
    return TokensMoved(Address(sender), Address(recipient), value)


# --- inside ---------------------------------------------------------------------------------------


def _all(logs: Sequence[Log], name: str) -> list[Log]:
    return [log for log in logs if log.name == name]


def _one(logs: Sequence[Log], name: str) -> Log:
    found = _all(logs, name)
    if not found:
        raise _missing(name)
    return found[0]


def _missing(name: str) -> MalformedMessage:
    return MalformedMessage("events of a call", f"no {name}")


def _arg(log: Log, name: str, kind: type[T]) -> T:
    value = log.args.get(name)
    if not isinstance(value, kind):
        raise MalformedMessage(f"event {log.name}", f"{name} is no {kind.__name__}")
    return value
