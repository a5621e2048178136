"""A list of orchestrators for a remote signer's clients, who have no chain of their own (offchain-network 1.5)."""

import logging
from collections.abc import Sequence
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import LivepeerError
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.ports import Clock
from livepeer_client.services.discovery import DiscoveryService

REFRESH_S: Final = 25 * 60
"""The network's own interval between two looks at everybody (offchain-network 1.2)."""
TRUSTED: Final = 1
"""The score that clients read as: work may go there."""

_log = logging.getLogger(__name__)


class OrchestratorDirectory:
    """What the last discovery found, without those above a ceiling. Live runners are not looked for."""

    def __init__(
        self, discovery: DiscoveryService, clock: Clock, ceilings: Ceilings, *, refresh_s: float = REFRESH_S
    ) -> None:
        self._discovery = discovery
        self._clock = clock
        self._ceilings = ceilings
        self._refresh_s = refresh_s
        self._offers: tuple[Offer, ...] = ()

    async def refresh(self) -> None:
        """Ask everybody.

        :raises LivepeerError: the pool cannot be told.
        """
        self._offers = (await self._discovery.refresh(Capabilities(), survey=True)).offers

    async def run(self) -> None:
        """Refresh at once and then from time to time, until cancelled; a list that cannot be renewed is kept."""
        while True:
            try:
                await self.refresh()
            except LivepeerError as error:
                _log.warning("directory not refreshed reason=%s", error)
            await self._clock.sleep(self._refresh_s)

    async def entries(self, wanted: Sequence[str]) -> list[dict[str, object]]:
        """Those that offer any of the `pipeline/model` names in `wanted`, or all, as the API's JSON."""
        found: list[dict[str, object]] = []
        for offer in self._offers:
            names = [name for name in self._affordable(offer) if not wanted or name in wanted]
            general = self._ceilings.general
            if names or (not wanted and (general is None or offer.price <= general)):
                found.append({"address": offer.member.service_uri, "score": TRUSTED, "capabilities": names})
        return found

    def _affordable(self, offer: Offer) -> list[str]:
        """`pipeline/model` of what an orchestrator offers at a price within the model's ceiling, or the general one."""
        offered = offer.info.capabilities
        prices = {(each.capability, each.constraint): each.wei_per_pixel for each in offer.info.capabilities_prices}
        names = []
        for number, models in sorted((offered.constraints if offered is not None else {}).items()):
            for model in sorted(models):
                ceiling = self._ceilings.models.get((number, model), self._ceilings.general)
                price = prices.get((number, model), offer.price)
                if number in _KNOWN and (ceiling is None or price <= ceiling):
                    names.append(f"{Capability(number).pipeline}/{model}")
        return names


_KNOWN: Final = frozenset(Capability)
