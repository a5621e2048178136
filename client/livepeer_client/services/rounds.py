"""Open each round: somebody must call `initializeRound` before anything else works in it (onchain 6)."""

import logging
from collections.abc import Callable

from livepeer_client.errors import Reverted
from livepeer_client.policy.rounds import RoundStep, round_step
from livepeer_client.ports import Chain, Clock, Transactor
from livepeer_client.services.tasks import for_ever
from livepeer_client.types import Hash32

logger = logging.getLogger(__name__)


class RoundsService:
    """Initialises rounds. Everybody may, so each waits a random while first, looks again, and is glad to be late.

    :param delay: seconds to wait once a round is due; uniform in [0, 30) on a live network.
    """

    def __init__(
        self,
        chain: Chain,
        transactor: Transactor,
        clock: Clock,
        delay: Callable[[], float],
        *,
        poll_interval_s: float = 5.0,
    ) -> None:
        self._chain = chain
        self._transactor = transactor
        self._clock = clock
        self._delay = delay
        self._poll_interval_s = poll_interval_s

    async def run(self) -> None:
        """Step until cancelled. Trouble that may pass, of chain or signer, is logged and tried again."""
        await for_ever(self.step, self._clock, self._poll_interval_s, "round initialization")

    async def step(self) -> Hash32 | None:
        """Initialise the current round if it waits for that. The transaction's hash, None if there was nothing to do.

        :raises ChainUnavailable, TransactionDropped, Reverted: not initialised by us, nor by anybody else.
        """
        if not await self._is_due():
            return None
        await self._clock.sleep(self._delay())
        if not await self._is_due():
            return None
        try:
            receipt = await self._transactor.send("RoundsManager", "initializeRound", [])
        except Reverted:
            if await self._is_due():
                raise
            logger.info("the round was initialized by somebody else")
            return None
        logger.info("round initialized in 0x%s", receipt.tx_hash.hex())
        return receipt.tx_hash

    async def _is_due(self) -> bool:
        return round_step(await self._chain.round_state()) is RoundStep.INITIALIZE
