"""Claim an orchestrator's inflation reward once per round; what is not called within a round is lost (onchain 10.4)."""

import logging

from livepeer_client.errors import ChainError, Reverted
from livepeer_client.policy.rounds import RewardStep, reward_step
from livepeer_client.ports import Chain, Clock, Transactor
from livepeer_client.types import Hash32

logger = logging.getLogger(__name__)


class RewardService:
    """Calls `reward` for the transactor's own address: in the round it starts in, and in each one after.

    It asks the chain instead of waiting for events, so a failed call is tried again while the round lasts.
    """

    def __init__(self, chain: Chain, transactor: Transactor, clock: Clock, *, poll_interval_s: float = 5.0) -> None:
        self._chain = chain
        self._transactor = transactor
        self._clock = clock
        self._poll_interval_s = poll_interval_s

    async def run(self) -> None:
        """Step until cancelled. Trouble with the chain is logged and tried again."""
        while True:
            try:
                await self.step()
            except ChainError as error:
                logger.warning("reward: %s", error)
            await self._clock.sleep(self._poll_interval_s)

    async def step(self) -> Hash32 | None:
        """Call reward if it is due. The transaction's hash, None if there was nothing to do.

        :raises ChainUnavailable, TransactionDropped, Reverted: not called, and still due.
        """
        if not await self._is_due():
            return None
        try:
            receipt = await self._transactor.send("BondingManager", "reward", [])
        except Reverted:
            # The round may have ended between the look and the call, or another process of ours was faster.
            if await self._is_due():
                raise
            return None
        logger.info("reward called in 0x%s", receipt.tx_hash.hex())
        return receipt.tx_hash

    async def _is_due(self) -> bool:
        state = await self._chain.round_state()
        if not state.initialized:
            return False
        orchestrator = await self._chain.orchestrator_state(self._transactor.address)
        return reward_step(state, orchestrator) is RewardStep.CALL
