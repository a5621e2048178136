"""What a call did, read from the events it left (onchain 6, 8, 10.6, 11.8). Amounts: ETH or LPT wei.

Each reader takes the events of one transaction in their order.

:raises MalformedMessage: by every reader, if the event that proves the call is not among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from livepeer_client.errors import MalformedMessage
from livepeer_client.facts import Log, Receipt
from livepeer_client.policy.event_args import all_of, argument, missing, one_of
from livepeer_client.policy.redemption.outcome import Redeemed, redeemed_in
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei


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
    deposit, reserve = all_of(logs, "DepositFunded"), all_of(logs, "ReserveFunded")
    if not deposit and not reserve:
        raise missing("DepositFunded or ReserveFunded")
    return Funded(
        sender=sender,
        deposit=Wei(sum(argument(log, "amount", int) for log in deposit)),
        reserve=Wei(sum(argument(log, "amount", int) for log in reserve)),
        unlock_cancelled=bool(all_of(logs, "UnlockCancelled")),
    )


def unlocking(logs: Sequence[Log]) -> Unlocking:
    log = one_of(logs, "Unlock")
    return Unlocking(Round(argument(log, "startRound", int)), Round(argument(log, "endRound", int)))


def unlock_cancelled(logs: Sequence[Log]) -> UnlockCancelled:
    return UnlockCancelled(Address(argument(one_of(logs, "UnlockCancelled"), "sender", bytes)))


def withdrawn(logs: Sequence[Log]) -> Withdrawn:
    log = one_of(logs, "Withdrawal")
    return Withdrawn(Wei(argument(log, "deposit", int)), Wei(argument(log, "reserve", int)))


def redeemed(logs: Sequence[Log]) -> tuple[Redeemed, ...]:
    """Those tickets that were redeemed. A batch leaves out the others without a word, so none is no error."""
    nothing = Hash32(bytes(32))
    return tuple(redeemed_in(Receipt(nothing, True, BlockNumber(0), 0, Wei(0), tuple(logs), nothing)))


# --- staking --------------------------------------------------------------------------------------


def bonded(logs: Sequence[Log]) -> Bonded:
    log = one_of(logs, "Bond")
    return Bonded(
        owner=Address(argument(log, "delegator", bytes)),
        delegate=Address(argument(log, "newDelegate", bytes)),
        old_delegate=Address(argument(log, "oldDelegate", bytes)),
        added=argument(log, "additionalAmount", int),
        bonded=argument(log, "bondedAmount", int),
    )


def unbonded(logs: Sequence[Log]) -> Unbonded:
    log = one_of(logs, "Unbond")
    return Unbonded(
        argument(log, "unbondingLockId", int), argument(log, "amount", int), Round(argument(log, "withdrawRound", int))
    )


def rebonded(logs: Sequence[Log]) -> Rebonded:
    log = one_of(logs, "Rebond")
    delegate = Address(argument(log, "delegate", bytes))
    return Rebonded(argument(log, "unbondingLockId", int), delegate, argument(log, "amount", int))


def bond_transferred(logs: Sequence[Log]) -> BondTransferred:
    log = one_of(logs, "TransferBond")
    return BondTransferred(Address(argument(log, "newDelegator", bytes)), argument(log, "amount", int))


def stake_withdrawn(logs: Sequence[Log]) -> StakeWithdrawn:
    log = one_of(logs, "WithdrawStake")
    return StakeWithdrawn(argument(log, "unbondingLockId", int), argument(log, "amount", int))


def fees_withdrawn(logs: Sequence[Log]) -> FeesWithdrawn:
    log = one_of(logs, "WithdrawFees")
    return FeesWithdrawn(Address(argument(log, "recipient", bytes)), Wei(argument(log, "amount", int)))


def claimed(logs: Sequence[Log]) -> Claimed:
    found = all_of(logs, "EarningsClaimed")
    if not found:
        return Claimed(0, Wei(0), Round(0), Round(0))
    log = found[0]
    return Claimed(
        rewards=argument(log, "rewards", int),
        fees=Wei(argument(log, "fees", int)),
        start_round=Round(argument(log, "startRound", int)),
        end_round=Round(argument(log, "endRound", int)),
    )


def rates_set(logs: Sequence[Log]) -> RatesSet:
    log = one_of(logs, "TranscoderUpdate")
    joined = bool(all_of(logs, "TranscoderActivated"))
    return RatesSet(argument(log, "rewardCut", int), argument(log, "feeShare", int), joined)


def rewarded(logs: Sequence[Log]) -> Rewarded:
    log = one_of(logs, "Reward")
    return Rewarded(Address(argument(log, "transcoder", bytes)), argument(log, "amount", int))


def reward_caller_set(logs: Sequence[Log]) -> RewardCallerSet:
    log = one_of(logs, "RewardCallerSet")
    return RewardCallerSet(Address(argument(log, "transcoder", bytes)), Address(argument(log, "rewardCaller", bytes)))


# --- rounds, registry, token ----------------------------------------------------------------------


def round_initialized(logs: Sequence[Log]) -> RoundInitialized:
    log = one_of(logs, "NewRound")
    return RoundInitialized(Round(argument(log, "round", int)), Hash32(argument(log, "blockHash", bytes)))


def service_uri_set(logs: Sequence[Log]) -> ServiceUriSet:
    log = one_of(logs, "ServiceURIUpdate")
    return ServiceUriSet(Address(argument(log, "addr", bytes)), argument(log, "serviceURI", str))


def approved(logs: Sequence[Log]) -> Approved:
    log = one_of(logs, "Approval")
    owner, spender, value = log.args.values()
    if not isinstance(owner, bytes) or not isinstance(spender, bytes) or not isinstance(value, int):
        raise MalformedMessage("event Approval", "its arguments are others")
    return Approved(Address(owner), Address(spender), value)


def tokens_moved(logs: Sequence[Log]) -> TokensMoved:
    log = one_of(logs, "Transfer")
    sender, recipient, value = log.args.values()
    if not isinstance(sender, bytes) or not isinstance(recipient, bytes) or not isinstance(value, int):
        raise MalformedMessage("event Transfer", "its arguments are others")
    return TokensMoved(Address(sender), Address(recipient), value)
