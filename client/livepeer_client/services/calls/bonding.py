"""The BondingManager: stake, rates, rewards, earnings (onchain 10). Amounts: LPT wei, fees ETH wei; shares in ppm.

A hint names the neighbours of a transcoder's new place in the pool, so that the contract need not walk to it; a wrong
one costs gas only. Where none is given and `Bonding` has somebody to ask, it asks; `NO_HINT` is no hint.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from livepeer_client.errors import ChainError, InvalidInput
from livepeer_client.facts import Log
from livepeer_client.policy import outcomes
from livepeer_client.policy.pool import NO_HINT, Hint
from livepeer_client.ports import StakeHints, Transactor
from livepeer_client.services.calls.result import Result, make
from livepeer_client.types import Address

O = TypeVar("O")  # noqa: E741 - an outcome
H = TypeVar("H", Hint, tuple[Hint, Hint])

logger = logging.getLogger(__name__)

CONTRACT: Final = "BondingManager"
PPM: Final = 1_000_000
_NO_HINTS: Final = (NO_HINT, NO_HINT)


class Bonding:
    """Calls by the key of `transactor`. Every method raises as `result.make`.

    Bonding takes LPT that the BondingManager may move: `Token.approve` first.

    :param hints: asked for the hints that a caller does not give.
    """

    def __init__(self, transactor: Transactor, hints: StakeHints | None = None) -> None:
        self._transactor = transactor
        self._hints = hints

    # --- stake

    async def bond(
        self,
        amount: int,
        to: Address,
        *,
        owner: Address | None = None,
        old_hint: Hint | None = None,
        new_hint: Hint | None = None,
        dry_run: bool = False,
    ) -> Result[outcomes.Bonded]:
        """Delegate `amount` more to `to`, moving what is bonded elsewhere along; 0 only moves.

        :param owner: whose stake it becomes, if not one's own.
        :param old_hint: of the delegate that is left, `new_hint` of the one that is joined.
        """
        given = _both(old_hint, new_hint)
        of = self._transactor.address if owner is None else owner
        old, new = await self._ask(given, _NO_HINTS, lambda hints: hints.bond_hints(of, amount, to))
        if owner is not None:
            args: Sequence[object] = [amount, owner, to, *old, *new]
            return await self._make("bondForWithHint", args, outcomes.bonded, dry_run)
        if (old, new) == _NO_HINTS:
            return await self._make("bond", [amount, to], outcomes.bonded, dry_run)
        return await self._make("bondWithHint", [amount, to, *old, *new], outcomes.bonded, dry_run)

    async def unbond(
        self, amount: int, *, hint: Hint | None = None, dry_run: bool = False
    ) -> Result[outcomes.Unbonded]:
        own = self._transactor.address
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.unbond_hint(own, amount))
        return await self._hinted("unbond", [amount], hint, outcomes.unbonded, dry_run)

    async def rebond(
        self, lock_id: int, *, hint: Hint | None = None, dry_run: bool = False
    ) -> Result[outcomes.Rebonded]:
        """Bond a lock again, to the delegate one still has."""
        own = self._transactor.address
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.rebond_hint(own, lock_id))
        return await self._hinted("rebond", [lock_id], hint, outcomes.rebonded, dry_run)

    async def rebond_from_unbonded(
        self, to: Address, lock_id: int, *, hint: Hint | None = None, dry_run: bool = False
    ) -> Result[outcomes.Rebonded]:
        """Bond a lock again after having left altogether."""
        own = self._transactor.address
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.rebond_from_unbonded_hint(own, to, lock_id))
        return await self._hinted("rebondFromUnbonded", [to, lock_id], hint, outcomes.rebonded, dry_run)

    async def transfer_bond(
        self,
        receiver: Address,
        amount: int,
        *,
        old_hint: Hint | None = None,
        new_hint: Hint | None = None,
        dry_run: bool = False,
    ) -> Result[outcomes.BondTransferred]:
        """Hand stake over at once, without an unbonding period."""
        own, given = self._transactor.address, _both(old_hint, new_hint)
        old, new = await self._ask(given, _NO_HINTS, lambda hints: hints.transfer_bond_hints(own, receiver, amount))
        args: Sequence[object] = [receiver, amount, *old, *new]
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
        self, reward_cut: int, fee_share: int, *, hint: Hint | None = None, dry_run: bool = False
    ) -> Result[outcomes.RatesSet]:
        """Set the share of rewards that is kept and that of fees which delegators get, and join the pool if possible.

        :raises InvalidInput: a share outside [0, 1,000,000] ppm.
        """
        for share in (reward_cut, fee_share):
            if not 0 <= share <= PPM:
                raise InvalidInput(f"a share lies in [0, {PPM}] ppm, not at {share}")
        own = self._transactor.address
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.transcoder_hint(own))
        return await self._hinted("transcoder", [reward_cut, fee_share], hint, outcomes.rates_set, dry_run)

    async def reward(self, *, hint: Hint | None = None, dry_run: bool = False) -> Result[outcomes.Rewarded]:
        """Claim this round's inflation for oneself and one's delegators."""
        own = self._transactor.address
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.reward_hint(own))
        return await self._hinted("reward", [], hint, outcomes.rewarded, dry_run)

    async def reward_for(
        self, transcoder: Address, *, hint: Hint | None = None, dry_run: bool = False
    ) -> Result[outcomes.Rewarded]:
        """The same for a transcoder that has made this key its reward caller (LIP-118)."""
        hint = await self._ask(hint, NO_HINT, lambda hints: hints.reward_hint(transcoder))
        return await self._hinted("rewardForTranscoder", [transcoder], hint, outcomes.rewarded, dry_run)

    async def set_reward_caller(self, caller: Address, *, dry_run: bool = False) -> Result[outcomes.RewardCallerSet]:
        """Let `caller` call reward for this key's transcoder (LIP-118); the zero address nobody."""
        return await self._make("setRewardCaller", [caller], outcomes.reward_caller_set, dry_run)

    # --- inside

    async def _ask(self, given: H | None, nothing: H, ask: Callable[[StakeHints], Awaitable[H]]) -> H:
        if given is not None:
            return given
        if self._hints is None:
            return nothing
        try:
            return await ask(self._hints)
        except ChainError as error:
            # They save gas, no more.
            logger.info("called without a hint: %s", error)
            return nothing

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


def _both(old: Hint | None, new: Hint | None) -> tuple[Hint, Hint] | None:
    """Hints that were given; if only one was, there is none for the other."""
    return None if old is None and new is None else (old or NO_HINT, new or NO_HINT)
