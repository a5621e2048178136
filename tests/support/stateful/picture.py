"""What the invariants look at, read from the contracts alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.evm import NOBODY
from tests.support.stateful.operations import ACTORS, TREASURY, Op

if TYPE_CHECKING:
    from tests.support.stateful.world import World

HOLDERS = (*ACTORS, NOBODY)
"""To whom stake can be delegated in a history."""


class DelegatorView(NamedTuple):
    bonded: int
    fees: int
    delegate: str
    delegated: int
    start_round: int
    last_claim_round: int
    next_lock_id: int


class TranscoderView(NamedTuple):
    last_reward_round: int
    reward_cut: int
    fee_share: int
    last_stake_round: int
    activation_round: int
    deactivation_round: int
    active_rewards: int
    rewards: int
    fees: int
    last_fee_round: int


class SenderView(NamedTuple):
    deposit: int
    withdraw_round: int
    funds: int
    claimed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One moment. Accounts are HOLDERS, or ACTORS where stake is owned."""

    round: int
    initialized: int
    paused: bool
    delegators: dict[str, DelegatorView]
    transcoders: dict[str, TranscoderView]
    pending_stake: dict[str, int]
    pending_fees: dict[str, int]
    votes: dict[str, int]
    senders: dict[str, SenderView]
    pool: tuple[str, ...]
    pool_max: int
    current_total: int
    next_total: int
    active_count: int
    minter_lpt: int
    minter_eth: int
    supply: int
    cut_rate: int
    next_cut_rate: int
    ceiling: int
    treasury_lpt: int

    def is_registered(self, account: str) -> bool:
        each = self.delegators[account]
        return each.delegate == account and each.bonded > 0

    def is_active(self, account: str) -> bool:
        each = self.transcoders[account]
        return each.activation_round <= self.round < each.deactivation_round

    def delegators_of(self, delegate: str) -> list[str]:
        return [a for a in ACTORS if self.delegators[a].delegate == delegate and self.delegators[a].bonded > 0]

    def waiting_stake(self, account: str) -> int:
        """Commissions of a transcoder that left: they wait until it bonds to itself again."""
        return self.transcoders[account].rewards if self.delegators[account].delegate != account else 0

    def owned_stake(self) -> int:
        """Everybody's, with all earnings."""
        return sum(self.pending_stake.values()) + sum(self.waiting_stake(account) for account in ACTORS)

    def owned_fees(self) -> int:
        """The same of fees."""
        waiting = sum(each.fees for a, each in self.transcoders.items() if self.delegators[a].delegate != a)
        return sum(self.pending_fees.values()) + waiting


STAKE = ("BondingManager", "TicketBroker", "RoundsManager", "world")
"""Whose functions move stake or fees, or the clock that pending amounts follow."""


def take_picture(world: World, op: Op | None = None, before: Picture | None = None) -> Picture:
    """All of it; after a step, only what that step may have changed, which complete pictures confirm now and then."""
    read, bonding, broker = world.read, "BondingManager", "TicketBroker"
    kept: dict[str, Any] = {}
    if op is not None and before is not None:
        names = {"senders"} if op.to not in (broker, "RoundsManager", "world") else set()
        if op.to not in STAKE:
            names |= {"delegators", "transcoders", "pending_stake", "pending_fees", "votes", "pool"}
        elif op.to != bonding:
            names |= {"delegators", "pool"}
        kept = {name: getattr(before, name) for name in names}
    delegators = kept.pop("delegators", None) or {
        a: DelegatorView(*read(bonding, "getDelegator", (a,))) for a in HOLDERS
    }
    # Without a delegate nothing is pending beyond what is stored.
    earning = [a for a in ACTORS if delegators[a].delegate != NOBODY or delegators[a].bonded > 0]
    if "pending_stake" not in kept:
        kept["pending_stake"] = {a: delegators[a].bonded for a in ACTORS}
        kept["pending_stake"] |= {a: read(bonding, "pendingStake", (a, 0)) for a in earning}
        kept["pending_fees"] = {a: delegators[a].fees for a in ACTORS}
        kept["pending_fees"] |= {a: read(bonding, "pendingFees", (a, 0)) for a in earning}
    fresh: dict[str, Callable[[], Any]] = {
        "transcoders": lambda: {a: TranscoderView(*read(bonding, "getTranscoder", (a,))) for a in ACTORS},
        "votes": lambda: {a: read("BondingVotes", "getVotes", (a,)) for a in ACTORS},
        "senders": lambda: {a: _sender(world, a) for a in ACTORS},
        "pool": lambda: _walk(world),
    }
    kept |= {name: look() for name, look in fresh.items() if name not in kept}
    round_, initialized = read("RoundsManager", "currentRound"), read("RoundsManager", "lastInitializedRound")
    return Picture(
        **kept,
        delegators=delegators,
        round=round_,
        initialized=initialized,
        paused=read("Controller", "paused"),
        pool_max=read(bonding, "getTranscoderPoolMaxSize"),
        current_total=read(bonding, "currentRoundTotalActiveStake"),
        next_total=read(bonding, "nextRoundTotalActiveStake"),
        active_count=read(bonding, "currentRoundActiveTranscoders"),
        minter_lpt=sum(read("LivepeerToken", "balanceOf", (minter,)) for minter in world.minters),
        minter_eth=sum(world.evm.balance(minter) for minter in world.minters),
        supply=read("LivepeerToken", "totalSupply"),
        cut_rate=read(bonding, "treasuryRewardCutRate"),
        next_cut_rate=read(bonding, "nextRoundTreasuryRewardCutRate"),
        ceiling=read(bonding, "treasuryBalanceCeiling"),
        treasury_lpt=read("LivepeerToken", "balanceOf", (TREASURY,)),
    )


def _walk(world: World) -> tuple[str, ...]:
    """Forward, from the head."""
    found: list[str] = []
    member = world.read("BondingManager", "getFirstTranscoderInPool")
    while member != NOBODY and len(found) <= len(HOLDERS):
        found.append(member)
        member = world.read("BondingManager", "getNextTranscoderInPool", (member,))
    return tuple(found)


def _sender(world: World, account: str) -> SenderView:
    (deposit, withdraw_round), (funds, claimed) = world.read("TicketBroker", "getSenderInfo", (account,))
    return SenderView(deposit, withdraw_round, funds, claimed)
