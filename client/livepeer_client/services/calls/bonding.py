"""The BondingManager: stake, rates, rewards, earnings (onchain 10). Amounts: LPT wei, fees ETH wei; shares in ppm.

A hint names the neighbours of a transcoder's new place in the pool, so that the contract need not walk to it
(`policy.pool.hint`); a wrong one costs gas only.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Log
from livepeer_client.policy import outcomes
from livepeer_client.policy.pool import NO_HINT, Hint
from livepeer_client.ports import Transactor
from livepeer_client.services.calls.result import Result, make
from livepeer_client.types import Address

O = TypeVar("O")  # noqa: E741 - an outcome

CONTRACT: Final = "BondingManager"
PPM: Final = 1_000_000


class Bonding:
    """Calls by the key of `transactor`. Every method raises as `result.make`.

    Bonding takes LPT that the BondingManager may move: `Token.approve` first.
    """

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    # --- stake

    async def bond(
        self,
        amount: int,
        to: Address,
        *,
        owner: Address | None = None,
        old_hint: Hint = NO_HINT,
        new_hint: Hint = NO_HINT,
        dry_run: bool = False,
    ) -> Result[outcomes.Bonded]:
        """Delegate `amount` more to `to`, moving what is bonded elsewhere along; 0 only moves.

        :param owner: whose stake it becomes, if not one's own.
        :param old_hint: of the delegate that is left, `new_hint` of the one that is joined.
        """
        if owner is not None:
            args: Sequence[object] = [amount, owner, to, *old_hint, *new_hint]
            return await self._make("bondForWithHint", args, outcomes.bonded, dry_run)
        if (old_hint, new_hint) == (NO_HINT, NO_HINT):
            return await self._make("bond", [amount, to], outcomes.bonded, dry_run)
        return await self._make("bondWithHint", [amount, to, *old_hint, *new_hint], outcomes.bonded, dry_run)

    async def unbond(self, amount: int, *, hint: Hint = NO_HINT, dry_run: bool = False) -> Result[outcomes.Unbonded]:
        return await self._hinted("unbond", [amount], hint, outcomes.unbonded, dry_run)

    async def rebond(self, lock_id: int, *, hint: Hint = NO_HINT, dry_run: bool = False) -> Result[outcomes.Rebonded]:
        """Bond a lock again, to the delegate one still has."""
        return await self._hinted("rebond", [lock_id], hint, outcomes.rebonded, dry_run)

    async def rebond_from_unbonded(
        self, to: Address, lock_id: int, *, hint: Hint = NO_HINT, dry_run: bool = False
    ) -> Result[outcomes.Rebonded]:
        """Bond a lock again after having left altogether."""
        return await self._hinted("rebondFromUnbonded", [to, lock_id], hint, outcomes.rebonded, dry_run)

    async def transfer_bond(
        self,
        receiver: Address,
        amount: int,
        *,
        old_hint: Hint = NO_HINT,
        new_hint: Hint = NO_HINT,
        dry_run: bool = False,
    ) -> Result[outcomes.BondTransferred]:
        """Hand stake over at once, without an unbonding period."""
        args: Sequence[object] = [receiver, amount, *old_hint, *new_hint]
        return await self._make("transferBond", args, outcomes.bond_transferred, dry_run)

    async def withdraw_stake(self, lock_id: int, *, dry_run: bool = False) -> Result[outcomes.StakeWithdrawn]:
        return await self._make("withdrawStake", [lock_id], outcomes.stake_withdrawn, dry_run)

    # --- earnings

    async def withdraw_fees(
        self, recipient: Address, amount: int, *, dry_run: bool = False
    ) -> Result[outcomes.FeesWithdrawn]:
        """Send fees, ETH wei, to `recipient`; earnings so far are claimed first."""
        return await self._make("withdrawFees", [recipient, amount], outcomes.fees_withdrawn, dry_run)

    async def claim_earnings(self, *, dry_run: bool = False) -> Result[outcomes.Claimed]:
        """Add earnings through the current round to stake and fees."""
        # The argument is ignored by the contract.
        return await self._make("claimEarnings", [0], outcomes.claimed, dry_run)

    # --- transcoders

    async def set_rates(
        self, reward_cut: int, fee_share: int, *, hint: Hint = NO_HINT, dry_run: bool = False
    ) -> Result[outcomes.RatesSet]:
        """Set the share of rewards that is kept and that of fees which delegators get, and join the pool if possible.

        :raises InvalidInput: a share outside [0, 1,000,000] ppm.
        """
        for share in (reward_cut, fee_share):
            if not 0 <= share <= PPM:
                raise InvalidInput(f"a share lies in [0, {PPM}] ppm, not at {share}")
        return await self._hinted("transcoder", [reward_cut, fee_share], hint, outcomes.rates_set, dry_run)

    async def reward(self, *, hint: Hint = NO_HINT, dry_run: bool = False) -> Result[outcomes.Rewarded]:
        """Claim this round's inflation for oneself and one's delegators."""
        return await self._hinted("reward", [], hint, outcomes.rewarded, dry_run)

    async def reward_for(
        self, transcoder: Address, *, hint: Hint = NO_HINT, dry_run: bool = False
    ) -> Result[outcomes.Rewarded]:
        """The same for a transcoder that has made this key its reward caller (LIP-118)."""
        return await self._hinted("rewardForTranscoder", [transcoder], hint, outcomes.rewarded, dry_run)

    async def set_reward_caller(self, caller: Address, *, dry_run: bool = False) -> Result[outcomes.RewardCallerSet]:
        """Let `caller` call reward for this key's transcoder (LIP-118); the zero address nobody."""
        return await self._make("setRewardCaller", [caller], outcomes.reward_caller_set, dry_run)

    # --- inside

    async def _hinted(
        self, function: str, args: Sequence[object], hint: Hint, read: Callable[[Sequence[Log]], O], dry_run: bool
    ) -> Result[O]:
        if hint == NO_HINT:
            return await self._make(function, args, read, dry_run)
        return await self._make(f"{function}WithHint", [*args, *hint], read, dry_run)

    async def _make(
        self, function: str, args: Sequence[object], read: Callable[[Sequence[Log]], O], dry_run: bool
    ) -> Result[O]:
        return await make(self._transactor, CONTRACT, function, args, read, dry_run=dry_run)
