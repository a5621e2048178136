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


def take_picture(world: World, op: Op | None = None, before: Picture | None = None) -> Picture:
    """All of it; after a step, only the accounts that it concerned, which complete pictures confirm now and then."""
    read, bonding = world.read, "BondingManager"
    concerned = set(HOLDERS)
    if op is not None and before is not None and op.to != "world":
        concerned = _concerned(world, before)

    def each(name: str, look: Callable[[str], Any], accounts: tuple[str, ...] = ACTORS) -> dict[str, Any]:
        fresh = {a: look(a) for a in accounts if a in concerned}
        return fresh if len(fresh) == len(accounts) or before is None else {**getattr(before, name), **fresh}

    delegators = each("delegators", lambda a: DelegatorView(*read(bonding, "getDelegator", (a,))), HOLDERS)
    return Picture(
        delegators=delegators,
        transcoders=each("transcoders", lambda a: TranscoderView(*read(bonding, "getTranscoder", (a,)))),
        pending_stake=each("pending_stake", lambda a: read(bonding, "pendingStake", (a, 0))),
        pending_fees=each("pending_fees", lambda a: read(bonding, "pendingFees", (a, 0))),
        votes=each("votes", lambda a: read("BondingVotes", "getVotes", (a,))),
        senders=each("senders", lambda a: _sender(world, a)),
        pool=_walk(world) if concerned or before is None else before.pool,
        round=read("RoundsManager", "currentRound"),
        initialized=read("RoundsManager", "lastInitializedRound"),
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


def _concerned(world: World, before: Picture) -> set[str]:
    """Accounts that the last call changed, and those that delegate to them, before it or now."""
    touched: set[str] = set()
    for table, key in world.model.journal.touched():
        if table in ("delegators", "delegated", "transcoders", "commissions", "senders", "records"):
            touched.add(key)
        elif table in ("pools", "claimed"):
            touched.add(key[0])
        elif table == "members":
            touched.update(ACTORS)
    now = world.model.bonding.delegators
    behind = {a for a in ACTORS if now[a].delegate in touched or before.delegators[a].delegate in touched}
    return touched | behind


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
