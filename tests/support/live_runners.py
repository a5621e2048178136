"""An orchestrator with live runners behind its real port, an echoing runner, and a buyer; only the chain is a fake."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from livepeer_client.adapters.runner_http import RunnerHttp
from livepeer_client.adapters.runner_server import mount_runners
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.codec import live_api, wire
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.live_api import PaymentChallenge
from livepeer_client.policy.pipelines import PipelineTable
from livepeer_client.services.live_runners import RunnerDesk
from livepeer_client.services.runner_channels import RunnerChannels
from livepeer_client.services.runner_sessions import account_of
from scripts._ports import free_port
from tests.support.ai import SECRET, AiShop
from tests.support.shop import GATEWAY, Session

PRICE = 100_000
"""Wei per second; a ticket of the shop's is worth a million."""
PAYER = {"Livepeer-Payer-Address": f"0x{GATEWAY.hex()}"}
LEASE_S = 600.0


@dataclass
class Echo:
    """A runner's own server: says what it was sent, or streams until `stop`."""

    seen: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.headers.get("Upgrade", "").lower() == "websocket" and not request.path.endswith("/none"):
            return await self._socket(request)
        if request.path.endswith("/forever"):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun")
            await asyncio.Event().wait()
        said = await request.text()
        return web.json_response({"path": request.path_qs, "said": said}, headers={"X-Runner": "echo"})

    @staticmethod
    async def _socket(request: web.Request) -> web.WebSocketResponse:
        """Says each message back; `bye` closes with a code of its own."""
        socket = web.WebSocketResponse(protocols=("echo.v1",))
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001)
            elif isinstance(message.data, str):
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket


@dataclass
class Harbour:
    """The parts of the scene."""

    shop: AiShop
    desk: RunnerDesk
    http: httpx.AsyncClient
    echo: Echo
    running: asyncio.Future[None]
    """`desk.run`."""
    call: RunnerHttp

    async def heartbeat(self, secret: str = SECRET, **changes: Any) -> httpx.Response:
        report = {
            "runner_url": self.echo.url,
            "app": "echo",
            "mode": "persistent",
            "price_info": {"price": PRICE * 3600, "currency": "wei", "unit": "hour"},
            **changes,
        }
        return await self.http.post("/runners/heartbeat", json=report, headers={"Authorization": secret})

    async def join(self, **changes: Any) -> str:
        """A runner's id."""
        answer = await self.heartbeat(**changes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["runner_id"])

    async def challenge(self, runner: str, path: str = "session") -> PaymentChallenge:
        answer = await self.http.post(f"/apps/{runner}/{path}", json={}, headers=PAYER)
        assert answer.status_code == 402, answer.text
        return live_api.decode_challenge(answer.content)

    def purse(self, challenge: PaymentChallenge) -> Session:
        """What pays for a challenge."""
        return Session(self.shop.shop, challenge.info, manifest_id=challenge.manifest_id.encode())

    async def reserve(self, runner: str, purse: Session, tickets: int = 2, path: str = "session") -> httpx.Response:
        return await self.http.post(f"/apps/{runner}/{path}", json={}, headers={**PAYER, **paid(purse, tickets)})

    async def session(self, runner: str, tickets: int = 2) -> tuple[str, Session]:
        """A session's id, and what pays for it."""
        purse = self.purse(await self.challenge(runner))
        answer = await self.reserve(runner, purse, tickets)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["session_id"]), purse

    async def runners(self) -> list[dict[str, Any]]:
        return list(json.loads((await self.http.get("/discovery")).content)[0]["runners"])

    def balance(self, session: str) -> Fraction:
        return self.shop.shop.payments.balance(GATEWAY, account_of(session))

    @property
    def charged(self) -> Fraction:
        return sum((debit.fee for debit in self.shop.shop.store.debits), Fraction(0))

    async def pass_time(self, seconds: float, *, heard: str = "") -> None:
        """Second by second; `heard`: the secret of a runner that goes on reporting."""
        for _ in range(int(seconds)):
            if heard:
                for each in self.desk.registry:
                    each.heard_at = self.shop.shop.clock.monotonic()
            await self.shop.shop.clock.advance(1)


def paid(purse: Session, tickets: int = 2) -> dict[str, str]:
    """The two headers of a payment that comes alone."""
    credentials = purse.credentials(
        0, b"", hash=keccak256(b""), profiles=(), duration_ms=0, capabilities=None, manifest_id=purse.manifest_id
    )
    return {
        "Livepeer-Payment": wire.payment_header(purse.payment(tickets)),
        "Livepeer-Segment": wire.segment_header(credentials),
    }


@asynccontextmanager
async def harbour(folder: Path, **settings: Any) -> AsyncIterator[Harbour]:
    """:param settings: of the desk, instead of those given here."""
    async with AsyncExitStack() as opened:
        shop, echo = AiShop(folder, PipelineTable()), Echo()
        call = await opened.enter_async_context(RunnerHttp())
        hub = TrickleHub(shop.shop.clock)
        usual: dict[str, Any] = {
            "registration": shop.secret.is_shown_by,
            "lease_s": LEASE_S,
            "channels": RunnerChannels(shop.uri, hub, shop.shop.clock),
        }
        desk = RunnerDesk(
            service_uri=shop.uri,
            advertise=shop.shop.advertise,
            work=shop.shop.work,
            payments=shop.shop.payments,
            clock=shop.shop.clock,
            **(usual | settings),
        )
        mounted = shop.mount

        def mount(app: web.Application) -> None:
            mounted(app)
            mount_runners(app, desk, call)
            add_trickle_routes(app, hub)

        shop.mount = mount  # type: ignore[method-assign]
        await opened.enter_async_context(shop.serving())
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", echo.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        echo.url = f"http://127.0.0.1:{port}"
        running = asyncio.ensure_future(desk.run())

        async def end() -> None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        opened.push_async_callback(end)
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=shop.uri, verify=False, timeout=20))
        yield Harbour(shop, desk, http, echo, running, call)
