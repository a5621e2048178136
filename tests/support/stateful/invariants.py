"""The invariants of spec 20, by number, and the votes of K5. They look at the contracts and never change anything.

The model takes no part here, so that a mistake it shares with the contracts shows as a sum that does not add up. I24 is
governance, which is not in these contracts; I12 compares two histories and I19 two ways to redeem, so both are tests of
their own (`tests/contracts/stateful`, `World.redeemed_singly`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.support.evm import NOBODY
from tests.support.model.protocol import LoggedEvent
from tests.support.stateful.operations import ACTORS, EVERYONE, Op
from tests.support.stateful.picture import HOLDERS, DelegatorView, Picture
from tests.support.stateful.world import Divergence, World

NEVER = 2**256 - 1
ONE = 10**27
REWARDS = ("reward", "rewardWithHint", "rewardForTranscoder", "rewardForTranscoderWithHint")
# I22: what must not succeed while the protocol is paused.
STOPPED_BY_PAUSE = {
    *("bond", "bondWithHint", "bondForWithHint", "unbond", "unbondWithHint", "rebond", "rebondWithHint"),
    *("rebondFromUnbonded", "rebondFromUnbondedWithHint", "transferBond", "withdrawStake", "withdrawFees"),
    *("claimEarnings", "transcoder", "transcoderWithHint", *REWARDS, "slashTranscoder", "initializeRound"),
    *("fundDeposit", "fundReserve", "fundDepositAndReserve", "fundDepositAndReserveFor", "unlock", "cancelUnlock"),
    *("withdraw", "redeemWinningTicket", "batchRedeemWinningTickets", "redeemWinningTicketsCompact"),
}


def _require(holds: bool, label: str, *figures: object) -> None:
    if not holds:
        raise Divergence(label, " ".join(map(str, figures)))


def _dust(stakes: Iterable[int]) -> int:
    """What rounding may move at most, in one account after the other: one unit per floor, and stake in 1e-27."""
    return sum(2 + 2 * stake // ONE for stake in stakes)


class Invariants:
    """Follows one history. `after` is called with every step that changed something."""

    def __init__(self, world: World, start: Picture) -> None:
        self._world = world
        self._locks: dict[tuple[str, int], tuple[int, int]] = {}
        self._redeemed: set[tuple[Any, ...]] = set()
        self._minted: dict[str, int] = {}
        self._active_set: dict[str, int] = dict.fromkeys(start.pool, 0)
        self._past: dict[tuple[Any, ...], Any] = {}
        self.held: dict[str, int] = {}
        """How often each was checked."""

    def after(self, op: Op, before: Picture, now: Picture, events: list[LoggedEvent]) -> None:
        """:raises Divergence: one does not hold; its number is the label."""
        named: dict[str, list[tuple[Any, ...]]] = {}
        for _, name, args in events:
            named.setdefault(name, []).append(args)
        self._note_locks(before, now, named)
        checks: list[Callable[..., None]] = [
            *(self._i1, self._i2, self._i3, self._i4, self._i6, self._i7, self._i8, self._i9, self._i10),
            *(self._i11, self._i13, self._i14, self._i15, self._i16, self._i17, self._i18_and_i20, self._i21),
            *(self._i22, self._i25, self._k5),
        ]
        for check in checks:
            check(op, before, now, named)
            self._count(check.__name__)

    def everything(self) -> None:
        """The costly ones: what must never change again."""
        for check in (self._i5_all, self._i10_past, self._i18_past, self._i21_past, self._i23):
            check()
            self._count(check.__name__)

    def _count(self, name: str) -> None:
        self.held[name] = self.held.get(name, 0) + 1

    # --- stake and LPT ------------------------------------------------------------------------------------------------

    def _note_locks(self, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        """I5, on the way: a lock is made under a new id, and used up once."""
        made = [(args[1], args[2]) for args in named.get("Unbond", [])]
        made += [(args[1], args[3]) for args in named.get("TransferBond", [])]
        for account, lock_id in made:
            _require(lock_id >= before.delegators[account].next_lock_id, "I5", "id used again", account, lock_id)
            _require(lock_id < now.delegators[account].next_lock_id, "I5", "id not used up", account, lock_id)
            self._read_lock(account, lock_id)
        used = [(args[1], args[2]) for args in named.get("Rebond", [])]
        for delegator, lock_id, amount, withdraw_round in named.get("WithdrawStake", []):
            known = self._locks[delegator, lock_id]
            _require(known == (amount, withdraw_round), "I5", "other lock withdrawn", known)
            _require(withdraw_round <= now.round, "I5", "withdrawn early", withdraw_round, now.round)
            used.append((delegator, lock_id))
        for account, lock_id in used:
            self._read_lock(account, lock_id)
            _require(self._locks.get((account, lock_id), (0, 0))[1] == 0, "I5", "lock not used up", account, lock_id)
        self._count("_i5")

    def _read_lock(self, account: str, lock_id: int) -> None:
        self._locks[account, lock_id] = self._world.read(
            "BondingManager", "getDelegatorUnbondingLock", (account, lock_id)
        )

    def _i5_all(self) -> None:
        for (account, lock_id), known in self._locks.items():
            lock = self._world.read("BondingManager", "getDelegatorUnbondingLock", (account, lock_id))
            _require(lock == known, "I5", "a lock changed by itself", account, lock_id, known, lock)

    def _i1(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        owed = sum(each.delegated for each in now.delegators.values()) + sum(lock[0] for lock in self._locks.values())
        _require(now.minter_lpt == owed, "I1", now.minter_lpt, owed)

    def _i2(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        for delegate in ACTORS:
            claims = sum(now.pending_stake[each] for each in now.delegators_of(delegate))
            claims += now.waiting_stake(delegate)
            _require(claims <= now.delegators[delegate].delegated, "I2", delegate, claims, now.delegators[delegate])
        for_nobody = sum(now.delegators[each].bonded for each in now.delegators_of(NOBODY))
        _require(for_nobody == now.delegators[NOBODY].delegated, "I2", "nobody", for_nobody)

    def _i3(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op

        def unclaimed(views: dict[str, DelegatorView]) -> int:
            return sum(each.delegated - each.bonded for each in views.values())

        _require(unclaimed(now.delegators) >= 0, "I3", unclaimed(now.delegators))
        rewards = sum(args[1] for args in named.get("Reward", []))
        claims = sum(args[2] for args in named.get("EarningsClaimed", []))
        change = unclaimed(now.delegators) - unclaimed(before.delegators)
        _require(change == rewards - claims, "I3", "change", change, rewards, claims)

    def _i4(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        minter = self._world.model.minter().address
        rewards = sum(args[1] for args in named.get("Reward", []))
        rewards += sum(args[2] for args in named.get("TreasuryReward", []))
        if op.to != "LivepeerToken":
            burned = sum(args[1] for args in named.get("Burn", []))
            _require(now.supply - before.supply == rewards - burned, "I4", "supply", before.supply, now.supply)
            _require(burned == 0 or op.function == "slashTranscoder", "I4", "burned", burned)
        if "NewRound" in named:
            self._minted[minter] = 0
        self._minted[minter] = self._minted.get(minter, 0) + rewards
        minted = self._world.read(minter, "currentMintedTokens")
        mintable = self._world.read(minter, "currentMintableTokens")
        _require(minted == self._minted[minter], "I4", "minted", minted, self._minted[minter])
        _require(minted <= mintable, "I4", "mintable", minted, mintable)

    # --- pool and active set ------------------------------------------------------------------------------------------

    def _i6(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        keys = [now.delegators[member].delegated for member in now.pool]
        size = self._world.read("BondingManager", "getTranscoderPoolSize")
        _require(len(now.pool) == size <= now.pool_max, "I6", "size", len(now.pool), size, now.pool_max)
        _require(keys == sorted(keys, reverse=True) and all(keys), "I6", "keys", keys)
        _require(len(set(now.pool)) == len(now.pool), "I6", "twice", now.pool)
        _require(all(now.is_registered(member) for member in now.pool), "I6", "not registered", now.pool)

    def _i7(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op
        keys = sum(now.delegators[member].delegated for member in now.pool)
        _require(now.next_total == keys, "I7", "next", now.next_total, keys)
        if "NewRound" in named:
            _require(now.current_total == before.next_total, "I7", "rotated", now.current_total, before.next_total)
            _require(now.active_count == len(now.pool), "I7", "count", now.active_count)
            self._active_set = {member: now.delegators[member].delegated for member in now.pool}
        else:
            _require(now.current_total == before.current_total, "I7", "current total moved")
            _require(now.active_count == before.active_count, "I7", "active count moved")
        if now.initialized == now.round and now.round > 1:
            self._stake_of_active_set(now)

    def _stake_of_active_set(self, now: Picture) -> None:
        """The members at the start of the round are active until its end, with the stake that they had then (K10)."""
        recorded = 0
        for member in ACTORS:
            _require(now.is_active(member) == (member in self._active_set), "I7", "active set", member)
            if member in self._active_set:
                at = min(now.transcoders[member].last_stake_round, now.round)
                pool = self._world.read("BondingManager", "getTranscoderEarningsPoolForRound", (member, at))
                recorded += pool[0]
                _require(pool[0] == self._active_set[member], "I7", "stake of", member, pool[0])
        _require(recorded == now.current_total, "I7", "recorded", recorded, now.current_total)

    def _i8(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        for account, each in now.transcoders.items():
            _require((each.deactivation_round == NEVER) == (account in now.pool), "I8", account, each)
            _require(each.activation_round <= now.round + 1, "I8", "activation", account, each)
            _require(each.deactivation_round in (NEVER, *range(now.round + 2)), "I8", "deactivation", account, each)

    def _i9(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        joined = set(now.pool) - set(before.pool)
        activated = {args[0] for args in named.get("TranscoderActivated", [])}
        # Attempts: stake was added, be it nothing, or the transcoder set its rates. They come last in a call.
        delegates = [args[0] for name in ("Bond", "Rebond", "Reward") for args in named.get(name, [])]
        tried = {delegate for delegate in delegates if delegate != NOBODY and now.is_registered(delegate)}
        if op.function in ("transcoder", "transcoderWithHint"):
            tried.add(op.sender)
        _require(joined <= activated <= tried, "I9", joined, activated, tried)
        for account in tried - set(now.pool):
            tail = now.delegators[now.pool[-1]].delegated if now.pool else 0
            _require(len(now.pool) == now.pool_max, "I9", "room, but not joined", account)
            _require(now.delegators[account].delegated <= tail, "I9", "more than the tail", account, tail)

    # --- earnings -----------------------------------------------------------------------------------------------------

    def _pool(self, account: str, round_: int) -> tuple[int, ...]:
        answer: tuple[int, ...] = self._world.read(
            "BondingManager", "getTranscoderEarningsPoolForRound", (account, round_)
        )
        return answer

    def _i10(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op
        for account, _ in named.get("Reward", []):
            old = self._pool(account, before.transcoders[account].last_reward_round)[3] or ONE
            new = self._pool(account, now.round)[3]
            _require(new >= old >= ONE, "I10", "reward factor", account, old, new)
        for _, account, _ in named.get("WinningTicketTransfer", []):
            old = self._past.get(("fees", account), 0)
            new = self._past["fees", account] = self._pool(account, now.transcoders[account].last_fee_round)[4]
            _require(new >= old, "I10", "fee factor", account, old, new)

    def _i10_past(self) -> None:
        now = self._world.read("RoundsManager", "currentRound")
        for account in ACTORS:
            for round_ in range(max(now - 3, 1), now):
                self._unchanged("I10", ("pool", account, round_), self._pool(account, round_))

    def _i11(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, now
        claimed: set[str] = set()
        for _, account, rewards, fees, start, end in named.get("EarningsClaimed", []):
            _require(account not in claimed, "I11", "claimed twice", account)
            claimed.add(account)
            if account not in before.pending_stake:
                continue
            old = before.delegators[account]
            _require(rewards == before.pending_stake[account] - old.bonded >= 0, "I11", "stake", account, rewards)
            _require(fees == before.pending_fees[account] - old.fees >= 0, "I11", "fees", account, fees)
            _require((start, end) == (old.last_claim_round + 1, before.round), "I11", "rounds", account, start, end)
            _require(old.last_claim_round < before.round, "I11", "claimed again", account)

    def _i13(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op
        dust = _dust(now.pending_stake.values())
        fees = sum(args[2] for args in named.get("WinningTicketTransfer", []))
        paid = sum(args[2] for args in named.get("WithdrawFees", []))
        gained = now.owned_fees() - before.owned_fees() + paid
        # Rounding never raises the sum by more than was paid, unless a share moves over a whole wei.
        _require(gained <= fees + dust, "I13", "fees", gained, fees)
        moved = sum(args[3] for args in named.get("Bond", [])) + sum(args[3] for args in named.get("Rebond", []))
        moved -= sum(args[3] for args in named.get("Unbond", []))
        moved -= sum(args[2] for args in named.get("TranscoderSlashed", []))
        rewards = sum(args[1] for args in named.get("Reward", []))
        gained = now.owned_stake() - before.owned_stake() - moved
        _require(gained <= rewards + dust, "I13", "stake", gained, rewards)

    def _i14(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        for account, each in now.transcoders.items():
            _require(each.rewards <= now.delegators[account].delegated, "I14", account, each)
            if each.last_reward_round == now.round:
                stake = self._pool(account, now.round)[0]
                _require(each.active_rewards <= stake, "I14", "active", account, each.active_rewards, stake)

    # --- ETH ----------------------------------------------------------------------------------------------------------

    def _i15(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op, before, named
        owed = sum(each.deposit + each.funds for each in now.senders.values()) + now.owned_fees()
        _require(now.minter_eth >= owed, "I15", now.minter_eth, owed)
        suite = self._world.suite
        for contract in (suite.broker, suite.bonding, suite.votes, suite.rounds, suite.registry):
            _require(self._world.evm.balance(contract.address) == 0, "I15", "ether in", contract)

    def _i16(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        paid = sum(args[2] for args in named.get("WithdrawFees", []))
        paid += sum(args[1] + args[2] for args in named.get("Withdrawal", []))
        _require(now.minter_eth == before.minter_eth + (op.value or 0) - paid, "I16", paid, op)
        claimed = {args[1]: args[3] for args in named.get("EarningsClaimed", [])}
        for account, _, amount in named.get("WithdrawFees", []):
            had = before.delegators[account].fees + claimed.get(account, 0)
            _require(now.delegators[account].fees == had - amount, "I16", "fees", account)
        for account, deposit, reserve in named.get("Withdrawal", []):
            old = before.senders[account]
            _require((deposit, reserve) == (old.deposit, old.funds), "I16", "withdrawal", account, old)

    def _i17(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op
        if now.round != before.round:
            return
        for account, each in now.senders.items():
            old = before.senders[account]
            funded = sum(args[1] for args in named.get("ReserveFunded", []) if args[0] == account)
            taken = sum(args[2] for args in named.get("Withdrawal", []) if args[0] == account)
            whole, was = each.funds + each.claimed, old.funds + old.claimed
            _require(whole == was + funded - taken, "I17", account, old, each)
            if each.claimed != old.claimed:
                parts = [self._world.read("TicketBroker", "claimedReserve", (account, claimant)) for claimant in ACTORS]
                _require(sum(parts) == each.claimed, "I17", "claimed", account, parts, each)
                _require(max(parts) <= whole // max(now.active_count, 1), "I17", "share", account, parts, whole)

    # --- tickets ------------------------------------------------------------------------------------------------------

    def _i18_and_i20(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del op
        validity = self._world.read("TicketBroker", "ticketValidityPeriod")
        for sender, recipient, face_value, win_prob, nonce, rand, aux_data in named.get("WinningTicketRedeemed", []):
            ticket = (sender, recipient, face_value, win_prob, nonce, rand, aux_data)
            _require(ticket not in self._redeemed, "I18", "redeemed twice", ticket)
            self._redeemed.add(ticket)
            unlock = before.senders[sender].withdraw_round
            _require(unlock == 0 or now.round < unlock, "I20", "unlocked", sender, unlock)
            created = int.from_bytes(aux_data[:32], "big")
            _require(now.round < created + validity, "I20", "expired", created, now.round)
        # I19, first half: what is paid for a ticket is its face value at most.
        faces = sorted(args[2] for args in named.get("WinningTicketRedeemed", []) if args[2] > 0)
        paid = sorted(args[2] for args in named.get("WinningTicketTransfer", []))
        _require(paid == faces, "I19", paid, faces)

    def _i18_past(self) -> None:
        for ticket_hash in self._world.ticket_hashes:
            used = self._world.read("TicketBroker", "usedTickets", (ticket_hash,))
            known = self._past.get(("used", ticket_hash), False)
            _require(used or not known, "I18", "unused again", ticket_hash.hex())
            self._past["used", ticket_hash] = used
        used_up = sum(self._past["used", each] for each in self._world.ticket_hashes)
        _require(used_up == len(self._redeemed), "I18", used_up, len(self._redeemed))

    # --- rounds, governance, control ----------------------------------------------------------------------------------

    def _i21(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del named
        _require(now.round >= before.round and now.initialized >= before.initialized, "I21", before.round, now.round)
        _require(now.initialized <= now.round, "I21", now.initialized, now.round)
        _require(now.round == before.round or op.function == "mine", "I21", "jumped", before.round, now.round)

    def _i21_past(self) -> None:
        initialized = self._world.read("RoundsManager", "lastInitializedRound")
        for round_ in self._world.rounds_of_interest():
            if round_ <= initialized:
                round_hash = self._world.read("RoundsManager", "blockHashForRound", (round_,))
                self._unchanged("I21", ("hash", round_), round_hash)
        _require(any(self._world.read("RoundsManager", "blockHashForRound", (initialized,))), "I21", "no hash")

    def _i22(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del now, named
        _require(not before.paused or op.function not in STOPPED_BY_PAUSE, "I22", op)

    def _i23(self) -> None:
        initialized = self._world.read("RoundsManager", "lastInitializedRound")
        for round_ in self._world.rounds_of_interest():
            if not 1 <= round_ < initialized:
                continue
            votes = {a: self._world.read("BondingVotes", "getPastVotes", (a, round_)) for a in ACTORS}
            delegates = {a: self._world.read("BondingVotes", "delegatedAt", (a, round_)) for a in ACTORS}
            supply = self._world.read("BondingVotes", "getPastTotalSupply", (round_,))
            self._unchanged("I23", ("votes", round_), (votes, delegates, supply))
            for transcoder in ACTORS:
                if delegates[transcoder] == transcoder:
                    behind = sum(votes[a] for a in ACTORS if a != transcoder and delegates[a] == transcoder)
                    _require(votes[transcoder] >= behind, "I23", transcoder, round_, votes[transcoder], behind)

    def _i25(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        if now.cut_rate != before.cut_rate:
            _require("NewRound" in named and now.cut_rate == before.next_cut_rate, "I25", op)
        if now.next_cut_rate != before.next_cut_rate:
            by_owner = op.function == "setTreasuryRewardCutRate" and op.sender == self._world.model.controller.owner()
            by_ceiling = op.function in REWARDS and 0 < now.ceiling <= before.treasury_lpt and now.next_cut_rate == 0
            _require(by_owner or by_ceiling, "I25", op)

    def _k5(self, op: Op, before: Picture, now: Picture, named: dict[str, Any]) -> None:
        del before, named
        for account in ACTORS:
            each = now.delegators[account]
            expected = 0
            if now.is_registered(account):
                expected = each.delegated
            elif each.bonded > 0 and each.delegate in ACTORS and now.is_registered(each.delegate):
                expected = now.pending_stake[account]
            _require(now.votes[account] == expected, "K5", op, account, now.votes[account], expected)

    def _unchanged(self, label: str, key: tuple[Any, ...], value: Any) -> None:
        known = self._past.setdefault(key, value)
        _require(known == value, label, key, known, value)


def nothing_elsewhere(world: World) -> None:
    """Whoever is not among the HOLDERS has no stake: the sums above are complete."""
    for account in set(EVERYONE) - set(HOLDERS):
        delegator = DelegatorView(*world.read("BondingManager", "getDelegator", (account,)))
        _require(delegator.bonded == delegator.delegated == delegator.fees == 0, "I1", "stake elsewhere", account)
