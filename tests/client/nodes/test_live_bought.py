"""Live video bought by an open gateway: anvil, orchestrator and runner are processes of their own.

Each side reaches the chain through a relay that keeps what it asks. Both look at the chain at their start and then only
every ten minutes, so that a request meanwhile would be one for the session.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from livepeer_client import Gateway, load_gateway
from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.services.live_dispatch import LiveStream
from scripts._ports import free_port
from tests.client.adapters.test_live_server import picture, runner_process
from tests.client.nodes.test_live import PIPELINE
from tests.client.nodes.test_orchestrator import Node, configure, launch
from tests.support.anvil import ALICE, GATEWAY, anvil, opened, set_stage
from tests.support.artifacts import CACHE
from tests.support.live_runner import brightness
from tests.support.rpc_server import serving

CEILING = 11_000
"""Above the price of `PIPELINE` with what redeeming its tickets costs."""
EV = 10**12
DEADLINE_S = 60


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    """Rounds so long that none ends."""
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=500))


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[tuple[str, list[str]]]:
    """A way to a node, and the methods that were called by it."""
    asked: list[str] = []
    async with aiohttp.ClientSession() as http:

        async def forward(request: web.Request) -> web.StreamResponse:
            body: Any = await request.json()
            asked.extend(each["method"] for each in (body if isinstance(body, list) else [body]))
            async with http.post(url, json=body) as answer:
                return web.Response(body=await answer.read(), content_type="application/json")

        async with serving(forward) as way:
            yield way, asked


@asynccontextmanager
async def seller(folder: Path, chain: tuple[str, Addresses], runner: str) -> AsyncIterator[Node]:
    """Alice's node, which sells `noop` and is found on the chain."""
    port = free_port()
    configure(folder, chain, port, ticket_ev_wei=EV, max_face_value_wei=2 * EV)
    file = folder / "orchestrator.toml"
    text = file.read_text().replace("poll_interval_s = 0.1", "poll_interval_s = 600")
    file.write_text(text + PIPELINE.format(runner))
    async with opened(*chain) as stage:
        await stage.transactor(ALICE).send("ServiceRegistry", "setServiceURI", [f"https://127.0.0.1:{port}"])
    node = await launch(folder, port)
    try:
        yield node
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0


def gateway_file(folder: Path, rpc_url: str) -> Path:
    (folder / "gateway.key").touch(mode=0o600)
    (folder / "gateway.key").write_text(GATEWAY.key.hex())
    file = folder / "gateway.toml"
    file.write_text(
        f"""
[chain]
rpc_url = "{rpc_url}"
addresses = "addresses.json"
poll_interval_s = 600
[key]
file = "gateway.key"
[gateway]
data_dir = "books"
max_price_per_unit = {CEILING}
max_ticket_ev_wei = {2 * EV}
max_total_ev_wei = {1000 * EV}
account_interval_s = 600
"""
    )
    return file


async def film(session: LiveStream) -> None:
    """Segments until the session takes no more."""
    while True:
        await session.publish(picture())
        await asyncio.sleep(0.5)


def exact(stored: object) -> Fraction:
    """An amount as stores write it, hexadecimal."""
    numerator, denominator = str(stored).split("/")
    return Fraction(int(numerator, 16), int(denominator, 16))


async def paid(gateway: Gateway, payments: int) -> None:
    """Wait for so many payments, each of them accepted."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            totals = [*(await gateway.totals()).values()]
            if totals and totals[0].payments >= payments and not totals[0].tickets_unanswered:
                return
            await asyncio.sleep(0.05)


async def test_live__bought_by_an_open_gateway__both_books_are_equal_and_nobody_asks_the_chain_for_it(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    url, addresses = chain
    async with (
        asyncio.timeout(3 * DEADLINE_S),
        runner_process() as runner,
        relay(url) as (way_of_seller, asked_by_seller),
        relay(url) as (way_of_gateway, asked_by_gateway),
        seller(tmp_path, (way_of_seller, addresses), runner) as node,
        Gateway.open(load_gateway(gateway_file(tmp_path, way_of_gateway))) as gateway,
    ):
        account = await gateway.account()
        assert asked_by_gateway
        assert asked_by_seller
        async with gateway.live("noop", {"prompt": "x"}) as session:
            assert session.orchestrator == ALICE.address
            filming = asyncio.create_task(film(session))
            try:
                first = await anext(session.results())
                await paid(gateway, 2)
                asked_by_gateway.clear()
                asked_by_seller.clear()
                await paid(gateway, 3)
                last = await anext(session.results())
            finally:
                filming.cancel()
                await asyncio.gather(filming, return_exceptions=True)
        assert (asked_by_gateway, asked_by_seller) == ([], [])
        ((payments, credited, fees, pixels),) = node.stored("SELECT payments, credited, fees, pixels FROM sessions")
        (total,) = (await gateway.totals()).values()
        assert await gateway.account() == account
    sent = brightness(picture())
    assert brightness(first.data) == pytest.approx([255 - each for each in sent], abs=4)
    assert (first.orchestrator, last.orchestrator) == (ALICE.address, ALICE.address)
    assert last.seq > first.seq
    assert (total.payments, total.tickets_unanswered) == (payments, 0)
    assert total.expected_value_sent == exact(credited)
    assert isinstance(pixels, int)
    assert 10_000 * pixels <= exact(fees) <= CEILING * pixels
    assert 0 < exact(fees) <= exact(credited)
