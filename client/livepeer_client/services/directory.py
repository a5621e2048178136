"""A list of orchestrators for a remote signer's clients, who have no chain of their own (offchain-network 1.5)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from livepeer_client.codec import runner_api
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities
from livepeer_client.codec.runner_api import PIXEL_UNIT, ListedRunner
from livepeer_client.errors import LivepeerError, PeerRefused
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.pipelines import capability_of, pipeline_job
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.ports import Clock
from livepeer_client.services.discovery import DiscoveryService

REFRESH_S: Final = 25 * 60
"""The network's own interval between two looks at everybody (offchain-network 1.2)."""
TRUSTED: Final = 1
"""The score that clients read as: work may go there."""

RunnerLists = Callable[[str], Awaitable[bytes]]
"""`GET {uri}/discovery` of one orchestrator; see `adapters.runner_list.RunnerListHttp`."""

_log = logging.getLogger(__name__)


class OrchestratorDirectory:
    """What the last discovery found, without those above a ceiling, and the live runners that they list.

    :param runners: asks an orchestrator for its list of runners; without, none are looked for.
    """

    def __init__(
        self,
        discovery: DiscoveryService,
        clock: Clock,
        ceilings: Ceilings,
        *,
        refresh_s: float = REFRESH_S,
        runners: RunnerLists | None = None,
    ) -> None:
        self._discovery = discovery
        self._clock = clock
        self._ceilings = ceilings
        self._refresh_s = refresh_s
        self._offers: tuple[Offer, ...] = ()
        self._lists = runners
        self._runners: dict[str, tuple[ListedRunner, ...]] = {}

    def set_ceilings(self, ceilings: Ceilings) -> None:
        """List up to other prices from now on."""
        self._ceilings = ceilings

    async def refresh(self) -> None:
        """Ask everybody.

        :raises LivepeerError: the pool cannot be told.
        """
        self._offers = (await self._discovery.refresh(Capabilities(), survey=True)).offers
        if self._lists is not None:
            uris = [offer.member.service_uri for offer in self._offers]
            found = await asyncio.gather(*(self._listed(self._lists, uri) for uri in uris))
            self._runners = dict(zip(uris, found, strict=True))

    async def _listed(self, lists: RunnerLists, uri: str) -> tuple[ListedRunner, ...]:
        try:
            return runner_api.decode_discovery(await lists(uri))
        except PeerRefused:
            # It sells none.
            return ()
        except LivepeerError as error:
            _log.info("runners not listed uri=%s reason=%s", uri, error)
            return self._runners.get(uri, ())

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
                uri = offer.member.service_uri
                entry: dict[str, object] = {"address": uri, "score": TRUSTED, "capabilities": names}
                if runners := [dict(each.said) for each in self._runners.get(uri, ()) if self._is_affordable(each)]:
                    entry["runners"] = runners
                found.append(entry)
        return found

    def _is_affordable(self, runner: ListedRunner) -> bool:
        """Ceilings are for pixels; seconds and jobs have none."""
        pipeline, _, model = runner.app.partition("/")
        number = capability_of(pipeline)
        ceiling = self._ceilings.general if number is None else self._ceilings.for_job(pipeline_job(number, model))
        return runner.unit != PIXEL_UNIT or ceiling is None or runner.price <= ceiling

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
