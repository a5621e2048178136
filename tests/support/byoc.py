"""An orchestrator whose capability `reverse` somebody brought along, and buyers of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from aiohttp import web

from livepeer_client.adapters.byoc_client import ByocHttp
from livepeer_client.adapters.byoc_server import mount_byoc
from livepeer_client.adapters.byoc_stream_server import mount_byoc_streams
from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSubscriber
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.codec import wire
from livepeer_client.codec.byoc_api import encode_job
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.policy.pipelines import PipelineTable, pipeline_job
from livepeer_client.policy.price_list import PriceList, Tariff
from livepeer_client.services.byoc import ByocWork, JobMemory, Registry, metered
from livepeer_client.services.byoc_streams import ByocStreams
from livepeer_client.services.byoc_training import TrainingJobs
from tests.support.ai import SECRET, AiShop, model_runner
from tests.support.shop import GATEWAY, GATEWAY_KEY, Session, Shop, login

PRICE = 1000
"""Wei per second; a ticket of the shop's is worth a million."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Bazaar:
    """An orchestrator with a worker of its capability `reverse`."""

    shop: AiShop
    registry: Registry
    work: ByocWork
    http: httpx.AsyncClient
    streams: ByocStreams
    hub: TrickleHub

    async def session(self) -> Session:
        request = replace(login(), capabilities=pipeline_job(37, "reverse"))
        return Session(self.shop.shop, await self.shop.shop.advertise.get_orchestrator(request))

    async def register(self, worker: str, **changes: object) -> httpx.Response:
        said = {"name": "reverse", "url": worker, "capacity": 1, "price_per_unit": PRICE, "price_scaling": 1, **changes}
        secret = str(said.pop("secret", SECRET))
        return await self.http.post("/capability/register", json=said, headers={"Authorization": secret})

    async def submit(self, path: str = "request/reverse", **how: object) -> httpx.Response:
        """A job that its sender has signed and paid, unless `how` says otherwise."""
        payment = how.get("payment")
        if payment is None:
            payment = wire.payment_header((await self.session()).payment(2))
        header = how.get("header", job_header())
        headers = {"Livepeer": header, "Livepeer-Payment": payment, "Livepeer-Capability": "reverse"}
        return await self.http.post(f"/process/{path}", json={"text": "abc"}, headers=headers)  # type: ignore[arg-type]

    async def stream(self, route: str, header: str, *, tickets: int = 0, body: object = None) -> httpx.Response:
        """A request about a stream, with a payment of so many tickets."""
        headers = {"Livepeer": header}
        if tickets:
            headers["Livepeer-Payment"] = wire.payment_header((await self.session()).payment(tickets))
        return await self.http.post(f"/ai/stream/{route}", json=body, headers=headers)

    @property
    def balance(self) -> Fraction:
        return self.shop.shop.payments.balance(GATEWAY, "reverse")

    @property
    def charged(self) -> Fraction:
        return sum((debit.fee for debit in self.shop.shop.store.debits), Fraction(0))

    @property
    def room(self) -> int:
        return self.shop.board.capabilities.constraints[37]["reverse"].capacity


def job_header(text: str = "abc", *, key: object = GATEWAY_KEY, timeout_s: int = 60, parameters: str = "") -> str:
    request = json.dumps({"text": text})
    sig = sign_personal(key, keccak256(request.encode() + parameters.encode()))  # type: ignore[arg-type]
    sender = public_key_to_address(key.public_key)  # type: ignore[attr-defined]
    return encode_job("id", "reverse", request, parameters, timeout_s, sender, sig)


@asynccontextmanager
async def bazaar(folder: Path, seller: Shop | None = None, memory: JobMemory | None = None) -> AsyncIterator[Bazaar]:
    async with AsyncExitStack() as opened:
        shop = AiShop(folder, PipelineTable(), shop=seller or Shop())
        registry = Registry(shop.board)
        shop.shop.payments._quotes._prices = lambda: registry.priced(PriceList(Tariff(Fraction(1))))
        worker = await opened.enter_async_context(ByocHttp())
        work = ByocWork(
            registry,
            service_uri=shop.uri,
            work=shop.shop.work,
            payments=shop.shop.payments,
            board=shop.board,
            call=worker,
            clock=shop.shop.clock,
            memory=memory,
        )
        training = TrainingJobs(work, shop.uri)
        hub = TrickleHub(shop.shop.clock)
        streams = ByocStreams(work, hub, shop.uri)
        mounted = shop.mount

        def mount(app: web.Application) -> None:
            mounted(app)
            mount_byoc(app, work, training, metered, shop.secret)
            mount_byoc_streams(app, streams)
            add_trickle_routes(app, hub)

        shop.mount = mount  # type: ignore[method-assign]
        await opened.enter_async_context(shop.serving())
        opened.push_async_callback(training.close)
        opened.push_async_callback(streams.close)
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=shop.uri, verify=False, timeout=20))
        yield Bazaar(shop, registry, work, http, streams, hub)


async def reverse(request: web.Request) -> web.Response:
    said = await request.json()
    return web.json_response({"text": said["text"][::-1]}, headers={"X-Metadata": "made here"})


class Held:
    """A worker that waits for `go_on` before it answers."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.begun.set()
        await self.go_on.wait()
        return await reverse(request)


def stream_header(stream_id: str = "one", *, key: object = GATEWAY_KEY, nonce: str = "", **switches: bool) -> str:
    """What a gateway signs for a stream; `switches` as in `parameters`, without the `enable_`."""
    request = json.dumps({"stream_id": stream_id, "nonce": nonce})
    parameters = json.dumps({f"enable_{name}": on for name, on in switches.items()})
    sig = sign_personal(key, keccak256(request.encode() + parameters.encode()))  # type: ignore[arg-type]
    sender = public_key_to_address(key.public_key)  # type: ignore[attr-defined]
    return encode_job("request-1", "reverse", request, parameters, 60, sender, sig)


class StreamWorker:
    """A process that works on streams: what it is sent, backwards; as JSON lines, how long it was.

    It remembers what it was told: (route, X-Stream-Id, JSON).
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 200
        self._works: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None

    def names(self) -> list[str]:
        return [name for name, _, _ in self.told]

    async def answer(self, request: web.Request) -> web.Response:
        what, said = request.match_info["what"], await request.json()
        self.told.append((what, request.headers.get("X-Stream-Id", ""), said))
        if self.status != 200:
            return web.Response(status=self.status, text="not today")
        if what == "start" and "subscribe_url" in said:
            self._works.append(asyncio.create_task(self._work(said)))
        return web.json_response({"did": what})

    async def _work(self, urls: dict[str, Any]) -> None:
        assert self._http is not None
        publish = TricklePublisher(self._http, urls["publish_url"], "video/MP2T")
        data = TricklePublisher(self._http, urls["data_url"], "application/jsonl")
        async for segment in TrickleSubscriber(self._http, urls["subscribe_url"]).segments():
            await publish.publish(segment.data[::-1])
            await data.publish(json.dumps({"bytes": len(segment.data)}).encode() + b"\n")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with AsyncExitStack() as opened:
            self._http = await opened.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
            )
            yield await opened.enter_async_context(model_runner("/stream/{what}", self.answer))
            # Its input has ended by now, or it would wait for more.
            async with asyncio.timeout(60):
                await asyncio.gather(*self._works)
