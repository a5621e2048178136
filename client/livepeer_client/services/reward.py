"""Claim an orchestrator's inflation reward once per round; what is not called within a round is lost (onchain 10.4)."""

import logging

from livepeer_client.errors import ChainError, Reverted
from livepeer_client.policy.pool import NO_HINT, Hint
from livepeer_client.policy.rounds import RewardStep, reward_step
from livepeer_client.ports import Chain, Clock, Transactor
from livepeer_client.services.tasks import for_ever
from livepeer_client.types import Address, Hash32

logger = logging.getLogger(__name__)


class RewardService:
    """Calls reward as soon as a round is open: in the round it starts in, and in each one after.

    It asks the chain instead of waiting for events, so a failed call is tried again while the round lasts; each one
    that cost gas doubles the pause before the next.

    :param transcoder: whose reward it is, if not that of the transactor's own key, which must then be its reward
        caller (LIP-118).
    :param longest_pause_s: between two calls that fail.
    """

    def __init__(
        self,
        chain: Chain,
        transactor: Transactor,
        clock: Clock,
        *,
        transcoder: Address | None = None,
        poll_interval_s: float = 5.0,
        longest_pause_s: float = 600.0,
    ) -> None:
        self._chain = chain
        self._transactor = transactor
        self._clock = clock
        self._transcoder = transcoder or transactor.address
        self._poll_interval_s = poll_interval_s
        self._longest_pause_s = longest_pause_s
        self._pause_s = poll_interval_s
        self._not_before = float("-inf")

    async def run(self) -> None:
        """Step until cancelled. Trouble that may pass, of chain or signer, is logged and tried again."""
        await for_ever(self.step, self._clock, self._poll_interval_s, "reward")

    async def step(self) -> Hash32 | None:
        """Call reward if it is due. The transaction's hash, None if there was nothing to do, or not yet again.

        :raises ChainUnavailable, TransactionDropped, Reverted: not called, and still due.
        """
        if self._clock.monotonic() < self._not_before or not await self._is_due():
            return None
        function, args = self._call(await self._hint())
        try:
            receipt = await self._transactor.send("BondingManager", function, args)
        except Reverted as refusal:
            if refusal.tx_hash is not None:
                self._not_before = self._clock.monotonic() + self._pause_s
                self._pause_s = min(2 * self._pause_s, self._longest_pause_s)
            # The round may have ended between the look and the call, or another process of ours was faster.
            if await self._is_due():
                raise
            return None
        self._pause_s = self._poll_interval_s
        logger.info("reward called in 0x%s", receipt.tx_hash.hex())
        return receipt.tx_hash

    async def _hint(self) -> Hint:
        try:
            return await self._chain.reward_hint(self._transcoder)
        except ChainError as error:
            # It saves gas, no more.
            logger.info("reward: called without a hint: %s", error)
            return NO_HINT

    def _call(self, hint: Hint) -> tuple[str, list[object]]:
        own = self._transcoder == self._transactor.address
        name, args = ("reward", []) if own else ("rewardForTranscoder", [self._transcoder])
        if hint == NO_HINT:
            return name, list(args)
        return f"{name}WithHint", [*args, *hint]

    async def _is_due(self) -> bool:
        state = await self._chain.round_state()
        if not state.initialized:
            return False
        orchestrator = await self._chain.orchestrator_state(self._transcoder)
        return reward_step(state, orchestrator) is RewardStep.CALL
