"""An orchestrator whose capability `reverse` somebody brought along, and buyers of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import httpx
from aiohttp import web

from livepeer_client.adapters.byoc_client import ByocHttp
from livepeer_client.adapters.byoc_server import mount_byoc
from livepeer_client.codec import wire
from livepeer_client.codec.byoc_api import encode_job
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.policy.pipelines import PipelineTable, pipeline_job
from livepeer_client.policy.price_list import PriceList, Tariff
from livepeer_client.services.byoc import ByocWork, Registry, metered
from livepeer_client.services.byoc_training import TrainingJobs
from tests.support.ai import SECRET, AiShop
from tests.support.shop import GATEWAY, GATEWAY_KEY, Session, login

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
async def bazaar(folder: Path) -> AsyncIterator[Bazaar]:
    async with AsyncExitStack() as opened:
        shop = AiShop(folder, PipelineTable())
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
        )
        training = TrainingJobs(work, shop.uri)
        mounted = shop.mount

        def mount(app: web.Application) -> None:
            mounted(app)
            mount_byoc(app, work, training, metered, shop.secret)

        shop.mount = mount  # type: ignore[method-assign]
        await opened.enter_async_context(shop.serving())
        opened.push_async_callback(training.close)
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=shop.uri, verify=False, timeout=20))
        yield Bazaar(shop, registry, work, http)


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
