"""Administration over HTTP: form values, their faults, and pages in a browser that may not use it."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from livepeer_client.adapters.admin import Form, Setter, build_admin, price, whole
from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.errors import ChainUnavailable, InvalidInput
from livepeer_client.nodes.admin import Dials, orchestrator_admin
from livepeer_client.policy.fiat import MAX_AGE_S
from livepeer_client.policy.price_book import Asked, PriceBook
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.prices import PricesNow
from livepeer_client.services.work import AUTO
from tests.client.services.test_price_feed import Feed
from tests.support.shop import GATEWAY, Shop


@dataclass
class Admin:
    http: aiohttp.ClientSession
    base: str

    async def post(self, name: str, **form: str) -> tuple[int, str]:
        async with self.http.post(f"{self.base}/{name}", data=form) as response:
            return response.status, await response.text()

    async def get(self, name: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(f"{self.base}/{name}", headers=headers) as response:
            return response.status, await response.text()


async def serve(app: web.Application, port: int) -> AsyncIterator[Admin]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with aiohttp.ClientSession() as http:
        yield Admin(http, f"http://127.0.0.1:{port}")
    await runner.cleanup()


@pytest.fixture
def level() -> Iterator[None]:
    logger = logging.getLogger("livepeer_client")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture
async def admin(unused_tcp_port: int) -> AsyncIterator[Admin]:
    values: dict[str, int] = {}

    def set_value(form: Form) -> None:
        values["x"] = whole(form, "x", low=1)

    async def read() -> object:
        return values

    async def fails() -> object:
        raise ChainUnavailable("no node")

    async for each in serve(
        build_admin({"value": read, "broken": fails}, {"setValue": Setter(("x", "y"), set_value)}), unused_tcp_port
    ):
        yield each


async def test_setter__complete__changes_the_value_and_one_that_lacks_a_field_names_it(admin: Admin) -> None:
    assert await admin.post("setValue", x="7", y="") == (200, "ok\n")
    assert await admin.post("setValue", x="8") == (400, "missing form param: y\n")
    assert await admin.get("value") == (200, '{"x": 7}')


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "٣", "1" * 100, "0x10"])
async def test_setter__no_sensible_number__is_400_and_changes_nothing(admin: Admin, text: str) -> None:
    await admin.post("setValue", x="7", y="")
    status, _ = await admin.post("setValue", x=text, y="")
    assert (status, await admin.get("value")) == (400, (200, '{"x": 7}'))


async def test_reader__fails__says_why(admin: Admin) -> None:
    assert await admin.get("broken") == (500, "no node\n")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://page.example"}, {"Referer": "https://page.example/"}, {"Host": "page.example:80"}]
)
async def test_browser__page_of_somebody__is_refused(admin: Admin, headers: dict[str, str]) -> None:
    assert (await admin.get("value", **headers))[0] == 403


async def test_log_level__set__is_read_back_and_nonsense_refused(admin: Admin, level: None) -> None:
    assert await admin.post("setLogLevel", loglevel="debug") == (200, "ok\n")
    assert await admin.get("getLogLevel") == (200, '{"loglevel": "DEBUG"}')
    assert (await admin.post("setLogLevel", loglevel="7"))[0] == 400


def test_price__of_no_units__is_refused() -> None:
    with pytest.raises(InvalidInput):
        price({"p": "1", "pixelsPerUnit": "0"}, "p")


# --- an orchestrator's ----------------------------------------------------------------------------


async def test_orchestrator__every_setter__changes_what_is_sold_from_then_on(unused_tcp_port: int) -> None:
    shop = Shop()
    dials = Dials(PricesNow(PriceBook(Asked(shop.price))))
    dials.set_max_face_value = shop.payments.set_max_face_value
    async for admin in serve(orchestrator_admin(dials, shop.work), unused_tcp_port):
        assert (await admin.post("setOrchestratorConfig", pricePerUnit="3", pixelsPerUnit="2"))[0] == 200
        sender = f"0x{GATEWAY.hex()}"
        answer = await admin.post(
            "setPriceForBroadcaster", pricePerUnit="5", pixelsPerUnit="2", broadcasterEthAddr=sender
        )
        assert answer[0] == 200
        assert dials.prices.price(GATEWAY) == 5 / 2
        assert dials.prices.price(shop.address) == 3 / 2
        assert (await admin.post("setPriceForBroadcaster", pricePerUnit="5", pixelsPerUnit="2"))[0] == 400
        assert (
            await admin.post("setPriceForBroadcaster", pricePerUnit="5", pixelsPerUnit="2", broadcasterEthAddr="0x1")
        )[0] == 400
        assert (await admin.post("setMaxSessions", maxSessions="3"))[0] == 200
        assert shop.work.max_sessions == 3
        assert (await admin.post("setMaxSessions", maxSessions="auto"))[0] == 200
        assert shop.work._max_sessions is AUTO
        assert (await admin.post("setMaxSessions", maxSessions="none"))[0] == 400
        assert (await admin.post("setMaxFaceValue", maxfacevalue="1500000"))[0] == 200
        assert (await admin.post("setMaxFaceValue", maxfacevalue=str(2**256)))[0] == 400
        status, text = await admin.get("status")
        assert status == 200
        assert '"default": "3/2"' in text
    _, params = await shop.payments.quote(GATEWAY)
    assert params.face_value == 1_500_000


async def test_orchestrator__prices_in_a_currency__are_asked_at_the_rate_and_refused_without_one(
    unused_tcp_port: int,
) -> None:
    shop = Shop()
    source = Feed(ManualClock())
    feed = PriceFeedService(source, source.clock)
    await feed.start()
    dials = Dials(PricesNow(PriceBook(Asked(shop.price)), feed), feed)
    dollars = {"pricePerUnit": "0.3e-6", "pixelsPerUnit": "1", "currency": "USD"}
    async for admin in serve(orchestrator_admin(dials, shop.work), unused_tcp_port):
        assert (await admin.post("setOrchestratorConfig", **dollars))[0] == 200
        assert dials.prices.price(GATEWAY) == 3 * 10**11 // 2_000
        for wrong in ({"currency": "EUR"}, {"pricePerUnit": "1 USD"}, {"pricePerUnit": "-1"}, {"pixelsPerUnit": "0"}):
            assert (await admin.post("setOrchestratorConfig", **{**dollars, **wrong}))[0] == 400
        assert dials.prices.price(GATEWAY) == 3 * 10**11 // 2_000
        ether = {"pricePerUnit": "1e-15", "pixelsPerUnit": "2", "currency": "eth"}
        sender = f"0x{GATEWAY.hex()}"
        assert (await admin.post("setPriceForBroadcaster", **ether, broadcasterEthAddr=sender))[0] == 200
        assert dials.prices.price(GATEWAY) == 500
        told = json.loads((await admin.get("status"))[1])
        assert told["BroadcasterPrices"] == {"default": "150000000", sender: "500"}
        assert told["BasePrice"] == "3e-07 USD per pixel"
        assert told["PriceFeed"]["Pair"] == "ETH/USD"
        assert (told["PriceFeed"]["Price"], told["PriceFeed"]["Usable"]) == ("2000.0", True)
        await source.clock.advance(MAX_AGE_S + 1)
        told = json.loads((await admin.get("status"))[1])
        assert told["BroadcasterPrices"]["default"].startswith("unavailable: price feed is stale")
        assert told["BroadcasterPrices"][sender] == "500"
        assert told["PriceFeed"]["Usable"] is False
        assert (await admin.post("setOrchestratorConfig", pricePerUnit="3", pixelsPerUnit="2"))[0] == 200
        assert dials.prices.price(shop.address) == 3 / 2
