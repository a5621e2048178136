"""A gateway that buys from orchestrators with brought-along capabilities: real sockets, one clock under the test's
control, a chain in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from livepeer_client.adapters.byoc_buyer import ByocBuyerHttp
from livepeer_client.adapters.fakes import FakeChain, ManualClock, MemoryGatewayBooks
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.services.byoc_dispatch import ByocDispatcher
from livepeer_client.services.choosing import Choices
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch_events import DispatchRules
from livepeer_client.services.paying import Payer
from livepeer_client.types import Address
from tests.support.ai import Pool
from tests.support.byoc import Bazaar, bazaar
from tests.support.shop import GATEWAY, Shop


@dataclass
class ByocMarket:
    """A gateway and its sellers."""

    sellers: list[Bazaar]
    byoc: ByocDispatcher
    books: MemoryGatewayBooks
    choices: Choices
    clock: ManualClock
    payer: Payer

    def seller(self, address: Address | None) -> Bazaar:
        (found,) = [each for each in self.sellers if each.shop.shop.address == address]
        return found

    @property
    def charged(self) -> Fraction:
        """What all sellers have charged, wei."""
        return sum((each.charged for each in self.sellers), Fraction(0))

    async def fees(self) -> Fraction:
        """What the gateway's books say that was charged, wei."""
        return sum((total.fees for total in (await self.books.totals()).values()), Fraction(0))


@asynccontextmanager
async def byoc_market(folder: Path, sellers: int = 1) -> AsyncIterator[ByocMarket]:
    async with AsyncExitStack() as opened:
        clock, chain = ManualClock(), FakeChain()
        places = []
        for number in range(sellers):
            shop = Shop(chain=chain, clock=clock, signer=LocalSigner(bytes([0x31 + number]) * 32))
            places.append(await opened.enter_async_context(bazaar(folder, shop)))
        signer = gateway_signer()
        probe = await opened.enter_async_context(GrpcProbe())
        http = await opened.enter_async_context(HttpTransport())
        discovery = DiscoveryService(Pool(*(each.shop for each in places)), probe, signer, clock)
        books = MemoryGatewayBooks()
        limits = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**13), deposit_multiplier=1)
        payer = Payer(chain, signer, books, clock, discovery, limits)
        choices = Choices(discovery, clock, DispatchRules(warm_standby=False, explore=0), draw=lambda: 0.0)
        transport = ByocBuyerHttp(http)
        opened.push_async_callback(transport.close)
        byoc = ByocDispatcher(choices, payer, signer, transport)
        opened.push_async_callback(choices.close)
        opened.push_async_callback(byoc.close)
        yield ByocMarket(places, byoc, books, choices, clock, payer)


def gateway_signer() -> LocalSigner:
    """With the key whose account the sellers' chains know."""
    signer = LocalSigner(b"\x11" * 32)
    assert signer.address == GATEWAY
    return signer
