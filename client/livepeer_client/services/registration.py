"""Tells an operator when gateways cannot find the orchestrator, for nothing else would: it just gets no work."""

import logging
from collections.abc import Sequence

from livepeer_client.errors import ChainError
from livepeer_client.policy.registration import Trouble, registration_troubles
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import Address

logger = logging.getLogger(__name__)


class RegistrationWatch:
    """Compares what the contracts know of an orchestrator with its settings, at the start and from time to time.

    :param own_uri: the service URI of the settings.
    """

    def __init__(
        self, chain: Chain, address: Address, own_uri: str, clock: Clock, *, poll_interval_s: float = 60.0
    ) -> None:
        self._chain = chain
        self._address = address
        self._own_uri = own_uri
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._troubles: tuple[Trouble, ...] = ()

    @property
    def troubles(self) -> Sequence[Trouble]:
        """As of the last look that the chain answered."""
        return self._troubles

    async def run(self) -> None:
        """Look until cancelled. A chain that does not answer is others' business to report."""
        while True:
            try:
                await self.step()
            except ChainError as error:
                logger.debug("registration not read: %s", error)
            await self._clock.sleep(self._poll_interval_s)

    async def step(self) -> None:
        """Look once, and log what is new.

        :raises ChainError: not read.
        """
        state = await self._chain.orchestrator_state(self._address)
        (published,) = await self._chain.service_uris([self._address])
        found = registration_troubles(state, published, self._own_uri)
        known = {trouble.obstacle for trouble in self._troubles}
        for trouble in found:
            if trouble.obstacle not in known:
                logger.warning("gateways cannot find this orchestrator: %s", trouble)
        if self._troubles and not found:
            logger.info("gateways can find this orchestrator: it is active, at %s", self._own_uri)
        self._troubles = found
