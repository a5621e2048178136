"""The books of the whole protocol, checked after every step of a history that takes every way once (spec 20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ape
import pytest

from tests.support.bonding_stage import NEVER, Delegator, Transcoder
from tests.support.network import ETH, LPT, NULL_ADDRESS, Network, logs_of
from tests.support.tickets import batch

NO_HINTS = (NULL_ADDRESS,) * 4
ONE = 10**27
FACE = 10**15
# One floor per division on the way of a reward or a fee.
DUST_WEI = 10

Step = tuple[str, Callable[[], Any]]


def people(network: Network) -> list[Any]:
    return [
        network.transcoder,
        network.second_transcoder,
        network.late_transcoder,
        network.delegator,
        network.stranger,
        network.broadcaster,
    ]


def delegator(network: Network, account: Any) -> Delegator:
    return Delegator(*network.bonding.getDelegator(account))


def pending(network: Network, account: Any) -> tuple[int, int]:
    """Stake and fees of an account, claimed or not."""
    now = network.round
    return int(network.bonding.pendingStake(account, now)), int(network.bonding.pendingFees(account, now))


def members(network: Network) -> list[str]:
    found, member = [], network.bonding.getFirstTranscoderInPool()
    while member != NULL_ADDRESS:
        found.append(str(member))
        member = network.bonding.getNextTranscoderInPool(member)
    return found


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What the checks look at, read once; by account, the null account among the delegators."""

    round: int
    delegators: dict[str, Delegator]
    pending: dict[str, tuple[int, int]]
    factors: dict[str, tuple[int, int]]
    pool: list[str]

    def owned(self, index: int) -> int:
        """Everybody's stake, or fees, claimed or not."""
        return sum(each[index] for each in self.pending.values())


def take_picture(network: Network) -> Picture:
    accounts, now = [str(account) for account in people(network)], network.round
    pools = {account: network.bonding.getTranscoderEarningsPoolForRound(account, now) for account in accounts}
    return Picture(
        round=now,
        delegators={account: delegator(network, account) for account in [*accounts, NULL_ADDRESS]},
        pending={account: pending(network, account) for account in accounts},
        factors={account: tuple(pools[account][3:]) for account in accounts},
        pool=members(network),
    )


def locked(network: Network, now: Picture) -> int:
    return sum(
        int(network.bonding.getDelegatorUnbondingLock(account, lock)[0])
        for account, state in now.delegators.items()
        for lock in range(state.next_unbonding_lock_id)
    )


def check_stake(network: Network, now: Picture) -> None:
    """I1 to I3: every LPT in the Minter is somebody's."""
    held = network.protocol.livepeer_token.balanceOf(network.minter)
    delegated = sum(each.delegated_amount for each in now.delegators.values())
    assert held == delegated + locked(network, now)
    assert sum(each.bonded_amount for each in now.delegators.values()) <= delegated
    for delegate, state in now.delegators.items():
        own = [account for account in now.pending if now.delegators[account].delegate_address == delegate]
        assert sum(now.pending[account][0] for account in own) <= state.delegated_amount, delegate


def check_pool(network: Network, now: Picture) -> None:
    """I6 to I8: the pool is sorted, and agrees with totals and with everybody's rounds of (de)activation."""
    keys = [now.delegators[member].delegated_amount for member in now.pool]
    assert keys == sorted(keys, reverse=True)
    assert len(now.pool) == len(set(now.pool)) == network.bonding.getTranscoderPoolSize()
    assert len(now.pool) <= network.bonding.getTranscoderPoolMaxSize()
    assert all(network.bonding.isRegisteredTranscoder(member) for member in now.pool)
    assert all(key > 0 for key in keys)
    assert network.bonding.nextRoundTotalActiveStake() == sum(keys)
    for account in now.pending:
        record = Transcoder(*network.bonding.getTranscoder(account))
        assert (record.deactivation_round == NEVER) is (account in now.pool)
        assert record.activation_round <= now.round + 1
        assert record.deactivation_round in (NEVER, *range(now.round + 2))


def check_votes(network: Network, now: Picture) -> None:
    """K5, I23: a checkpoint after every change; votes are stake, whatever the fee factors are (R13)."""
    registered = {a for a, state in now.delegators.items() if state.delegate_address == a and state.bonded_amount}
    votes = {account: network.protocol.bonding_votes.getVotes(account) for account in now.pending}
    for account, stake in now.pending.items():
        delegate = now.delegators[account].delegate_address
        if account in registered:
            assert votes[account] == now.delegators[account].delegated_amount
            own = [a for a in votes if a != account and now.delegators[a].delegate_address == account]
            assert votes[account] >= sum(votes[a] for a in own)
        else:
            assert votes[account] == (stake[0] if delegate in registered else 0)


def past(network: Network) -> dict[tuple[str, int], tuple[int, ...]]:
    """I10, I23: what must never change again: pools and votes of rounds that are over, by account and round."""
    return {
        (str(account), number): (
            *network.bonding.getTranscoderEarningsPoolForRound(account, number),
            network.protocol.bonding_votes.getPastVotes(account, number),
        )
        for account in people(network)
        for number in range(network.round - 4, network.round)
    }


def stake_steps(network: Network) -> Iterator[Step]:
    """Every way in which stake moves, fees and rounds between them; names are for messages."""
    n, bonding = network, network.bonding
    t, second, late, d, s = n.transcoder, n.second_transcoder, n.late_transcoder, n.delegator, n.stranger
    token = n.protocol.livepeer_token
    yield "fund", lambda: n.fund(ETH, 0)
    yield "fee before reward", lambda: n.broker.redeemWinningTicket(*n.ticket().arguments(), sender=s)
    yield "reward", lambda: bonding.reward(sender=t)
    yield "fee after reward", lambda: n.broker.redeemWinningTicket(*n.ticket().arguments(), sender=s)
    yield "unbond a part", lambda: bonding.unbond(100 * LPT, sender=d)
    yield "rebond", lambda: bonding.rebond(0, sender=d)
    yield "transfer to a fresh account", lambda: bonding.transferBond(s, 50 * LPT, *NO_HINTS, sender=d)
    yield "bond to oneself", lambda: n.become_transcoder(late, 300 * LPT)
    yield "move everything", lambda: n.bond(d, 7, second)
    yield "approve", lambda: token.approve(bonding.address, 10 * LPT, sender=late)
    yield (
        "bond for another",
        lambda: bonding.bondForWithHint(LPT, n.broadcaster, t, *NO_HINTS, sender=late),
    )
    yield "round", n.next_round
    yield "fee in a round without reward", lambda: n.broker.redeemWinningTicket(*n.ticket().arguments(), sender=s)
    yield "reward of another", lambda: bonding.reward(sender=second)
    yield "claim", lambda: bonding.claimEarnings(0, sender=d)
    yield "withdraw fees", lambda: bonding.withdrawFees(s, 1, sender=t)
    yield "unbond everything", lambda: bonding.unbond(int(delegator(n, d).bonded_amount), sender=d)
    yield "come back to oneself", lambda: bonding.rebondFromUnbonded(d, 2, sender=d)
    yield "transcoder resigns", lambda: bonding.unbond(int(delegator(n, late).bonded_amount), sender=late)
    yield "stake for nobody", lambda: n.bond(late, 3 * LPT, NULL_ADDRESS)
    yield "round", n.next_round
    yield "move from nobody", lambda: bonding.bond(0, t, sender=late)
    yield "round nobody opened", lambda: n.next_round(initialize=False)
    for _ in range(n.protocol.params.unbonding_period_rounds):
        yield "round", n.next_round
    yield "reward after missed rounds", lambda: bonding.reward(sender=t)
    yield "fee after missed rounds", lambda: n.broker.redeemWinningTicket(*n.ticket().arguments(), sender=s)
    yield "withdraw stake", lambda: bonding.withdrawStake(0, sender=late)


def test_stake__after_every_step_of_a_history__books_balance(network: Network) -> None:
    token = network.protocol.livepeer_token
    known: dict[tuple[str, int], tuple[int, ...]] = {}
    before, supply = take_picture(network), token.totalSupply()
    for name, act in stake_steps(network):
        receipt = act()
        now = take_picture(network)

        # I4, I13: LPT comes from rewards alone, and all together gain at most what was minted or paid.
        happened = [] if isinstance(receipt, int | None) else logs_of(receipt, network.bonding)
        minted = sum(values["amount"] for event, values in happened if event == "Reward")
        assert token.totalSupply() - supply == minted, name
        if name.startswith(("reward", "fee")):
            assert 0 < now.owned(0) - before.owned(0) <= minted or not minted, name
            assert now.owned(1) - before.owned(1) <= (FACE if name.startswith("fee") else 0), name
        if now.round == before.round:
            for account, factors in now.factors.items():
                assert all(a >= b for a, b in zip(factors, before.factors[account], strict=True)), name

        check_stake(network, now)
        check_pool(network, now)
        check_votes(network, now)
        if name == "round":
            seen = past(network)
            assert {key: seen.get(key, value) for key, value in known.items()} == known, name
            known |= seen
        before, supply = now, token.totalSupply()
    assert len(known) > 20
    # I10: factors of later rounds are no lower; zero stands for a round without rewards or fees.
    for account in now.pending:
        rewards, fees = zip(*(known[key][3:5] for key in sorted(known) if key[0] == account), strict=True)
        assert all(factor == 0 or factor >= ONE for factor in rewards)
        for factors in (rewards, fees):
            found = [factor for factor in factors if factor]
            assert found == sorted(found), account
    assert len({value[3] for value in known.values()}) > 2


def test_pool__member_leaves__room_alone_adds_nobody(network: Network, accounts: Any) -> None:
    outsider, small = network.late_transcoder, network.delegator
    fillers = accounts[10 : 10 + network.bonding.getTranscoderPoolMaxSize() - 2]
    for account in fillers:
        network.protocol.livepeer_token.transfer(account, 100 * LPT, sender=outsider)
    for half in (fillers[::2], fillers[1::2]):
        network.next_round()
        for account in half:
            network.bond(account, 100 * LPT, account)
    network.bond(outsider, 100 * LPT, outsider)
    full = members(network)
    assert str(outsider) not in full
    network.next_round()

    network.bonding.unbond(1000 * LPT, sender=network.second_transcoder)
    network.next_round()
    network.bond(small, LPT, network.transcoder)

    assert members(network) == [member for member in full if member != str(network.second_transcoder)]
    network.bond(outsider, 1, outsider)
    assert str(outsider) in members(network)


def test_claim_earnings__span_split_into_rounds__differs_by_rounding_only(network: Network) -> None:
    network.fund(ETH, 0)
    results = []
    for split in (False, True):
        with network.chain.isolate():
            for _ in range(4):
                network.bonding.reward(sender=network.transcoder)
                network.broker.redeemWinningTicket(
                    *network.ticket(face_value_wei=10**15 + 7).arguments(), sender=network.stranger
                )
                if split:
                    network.bonding.claimEarnings(0, sender=network.delegator)
                network.next_round()
            network.bonding.claimEarnings(0, sender=network.delegator)
            results.append(delegator(network, network.delegator)[:2])
    (whole_stake, whole_fees), (split_stake, split_fees) = results
    assert whole_stake > 500 * LPT
    assert whole_stake - DUST_WEI <= split_stake <= whole_stake
    assert whole_fees - DUST_WEI <= split_fees <= whole_fees


def eth_steps(network: Network) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """Every way of ETH; with each, what leaves the Minter."""
    n, s = network, network.stranger
    reserve_only = {"sender": str(n.delegator.address), "signer": n.delegator}
    second = {"recipient": str(n.second_transcoder.address)}
    yield "deposit", -ETH, lambda: n.broker.fundDeposit(value=ETH, sender=n.broadcaster)
    yield "reserve", -(10**16), lambda: n.fund(0, 10**16, n.delegator)
    yield "from deposit", 0, lambda: n.broker.redeemWinningTicket(*n.ticket().arguments(), sender=s)
    for terms in ({}, second, {}):
        signed = n.ticket(face_value_wei=2 * 10**15, **reserve_only, **terms)
        yield "from reserve", 0, lambda item=signed: n.broker.redeemWinningTicket(*item.arguments(), sender=s)
    mixed = [n.ticket(), n.ticket(win_prob=0), n.ticket(face_value_wei=10**15, **reserve_only, **second)]
    yield "batch", 0, lambda: n.broker.batchRedeemWinningTickets(*batch(mixed), sender=s)
    yield "reward", 0, lambda: n.bonding.reward(sender=n.transcoder)
    yield "more reserve", -5, lambda: n.fund(0, 5, n.delegator)
    yield "claim", 0, lambda: n.bonding.claimEarnings(0, sender=n.delegator)
    yield "fees", 10**14, lambda: n.bonding.withdrawFees(s, 10**14, sender=n.transcoder)
    yield "round", 0, n.next_round
    yield "unlock", 0, lambda: n.broker.unlock(sender=n.broadcaster)
    for _ in range(n.protocol.params.unlock_period_rounds):
        yield "round", 0, n.next_round
    left = ETH - 2 * 10**15
    yield "withdrawal", left, lambda: n.broker.withdraw(sender=n.broadcaster)


def test_eth__after_every_step_of_a_history__minter_covers_all_claims(network: Network) -> None:
    broker, minter = network.broker, network.minter
    for name, leaves, act in eth_steps(network):
        before = minter.balance
        act()

        assert before - minter.balance == leaves, name
        owed = sum(network.deposit_of(a) + network.reserve_of(a) for a in people(network))
        owed += sum(pending(network, account)[1] for account in people(network))
        assert owed <= minter.balance <= owed + 10 * DUST_WEI, name
        for contract in (broker, network.bonding, network.rounds, network.protocol.service_registry):
            assert contract.balance == 0, name
        # I17: what was claimed of a reserve is known by claimant, and adds up.
        for holder in people(network):
            claims = sum(broker.claimedReserve(holder, claimant) for claimant in people(network))
            assert claims == broker.getReserveInfo(holder).claimedInCurrentRound, name


@pytest.mark.parametrize("after", ["redeemed", "lost"])
def test_redeem__ticket_again_in_each_round__stays_as_it_is(network: Network, after: str) -> None:
    network.fund(ETH, 0)
    signed = network.ticket(**({} if after == "redeemed" else {"win_prob": 0}))
    if after == "redeemed":
        network.broker.redeemWinningTicket(*signed.arguments(), sender=network.stranger)
    used, deposit = network.is_used(signed), network.deposit_of(network.broadcaster)
    for _ in range(network.protocol.params.ticket_validity_period_rounds + 1):
        with ape.reverts():
            network.broker.redeemWinningTicket(*signed.arguments(), sender=network.stranger)
        network.broker.batchRedeemWinningTickets(*batch([signed, signed]), sender=network.stranger)
        assert (network.is_used(signed), network.deposit_of(network.broadcaster)) == (used, deposit)
        network.next_round()
