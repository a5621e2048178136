"""A remote signer on a loopback port, with a ledger on disk and a chain that is a fake: for tests of all of it."""

import base64
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.signer_client import AuthWebhook
from livepeer_client.adapters.signer_server import build_signer_app
from livepeer_client.adapters.sqlite.signer import SqliteSignerLedger
from livepeer_client.codec import signer_api
from livepeer_client.codec.messages import AuthToken, Capabilities, OrchestratorInfo, PriceInfo
from livepeer_client.codec.signer_api import PaymentCall, PriceCeiling, SealedState
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.facts import SenderInfo
from livepeer_client.policy.signing import SignerConfig
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.services.signer import SignerService
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Wei, WinProb
from tests.support.payments import EXPIRATION, GATEWAY, GATEWAY_KEY, ORCHESTRATOR

STATE_KEY = b"\x55" * 32
ORCHESTRATOR_URL = "http://orch.example"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """`app` on a free loopback port; yields its URL."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])

    @property
    def state(self) -> SealedState:
        sealed = self.body["state"]
        return SealedState(base64.b64decode(sealed["State"]), base64.b64decode(sealed["Sig"]))

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the state says, sealed or not."""
        found: Mapping[str, Any] = json.loads(self.state.state)
        return found


@dataclass
class Office:
    """A signer that is open for business. `asked` are the questions its webhook got."""

    url: str
    chain: FakeChain
    clock: ManualClock
    service: SignerService
    ledger: SqliteSignerLedger
    http: aiohttp.ClientSession
    asked: list[Any] = field(default_factory=list)
    quotes: int = 0

    def params(self, ev: Fraction | int = 35, *, blocks: int = 40, quote: int | None = None) -> TicketParams:
        """A new quote of the orchestrator, worth exactly `ev` wei: 2**256 - 1 is divisible by 5."""
        self.quotes += 1
        number = self.quotes if quote is None else quote
        face_value = Fraction(ev) * 5
        assert face_value.denominator == 1
        return TicketParams(
            recipient=ORCHESTRATOR,
            face_value=Wei(int(face_value)),
            win_prob=WinProb(MAX_WIN_PROB // 5),
            recipient_rand_hash=Hash32(number.to_bytes(32, "big")),
            seed=number,
            expiration_block=BlockNumber(self.chain.block + blocks),
            expiration=EXPIRATION,
        )

    def info(
        self,
        price: PriceInfo | None = PriceInfo(3, 1),  # noqa: B008, a value
        *,
        params: TicketParams | None = None,
        token_s: int | None = 1_800,
        address: Address = ORCHESTRATOR,
    ) -> OrchestratorInfo:
        token = None if token_s is None else AuthToken(b"\x01" * 32, "0a0b0c0d", int(self.clock.time()) + token_s)
        return OrchestratorInfo(
            transcoder=ORCHESTRATOR_URL,
            ticket_params=params or self.params(),
            price_info=price,
            address=address,
            capabilities=None,
            auth_token=token,
        )

    def call(
        self,
        info: OrchestratorInfo | None = None,
        *,
        state: SealedState | None = None,
        manifest_id: str = "manifest",
        app: str = "",
        units: int = 0,
        job_type: str = "live",
        max_price: PriceCeiling | None = None,
        capabilities: Capabilities | None = None,
    ) -> PaymentCall:
        return PaymentCall(state, info or self.info(), manifest_id, app, units, job_type, max_price, capabilities)

    async def pay(self, call: PaymentCall, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.post("/generate-live-payment", signer_api.encode_payment_call(call), headers)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        async with self.http.post(self.url + path, data=body, headers=headers) as response:
            return Reply(response.status, json.loads(await response.read()), dict(response.headers))


def webhook_that_says(answer: object, status: int = 200) -> Callable[[list[Any]], Handler]:
    """A webhook with one answer for everybody."""

    def handler_for(asked: list[Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked.append(await request.json())
            text = answer if isinstance(answer, str) else json.dumps(answer)
            return web.Response(status=status, text=text)

        return handle

    return handler_for


@asynccontextmanager
async def signer_office(
    *,
    config: SignerConfig | None = None,
    webhook: Callable[[list[Any]], Handler] | None = None,
    path: Path | None = None,
    chain: FakeChain | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Office]:
    """An office with a well funded account; `path` is where its ledger is, by default nowhere for long."""
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        chain, clock = chain or FakeChain(), clock or ManualClock()
        chain.senders.setdefault(GATEWAY, SenderInfo(Wei(10**18), Round(0), Wei(10**18), Wei(0)))
        asked: list[Any] = []
        auth = None
        if webhook is not None:
            app = web.Application()
            app.router.add_post("/", webhook(asked))
            auth = await opened.enter_async_context(AuthWebhook(await opened.enter_async_context(serving(app))))
        ledger = await opened.enter_async_context(
            await SqliteSignerLedger.open(path or Path(folder) / "signer.sqlite", clock=clock)
        )
        service = SignerService(
            config or SignerConfig(),
            LocalSigner(GATEWAY_KEY.secret),
            ledger,
            GatewayView(chain, clock, GATEWAY, 0.0),
            clock,
            state_key=STATE_KEY,
            auth=auth,
        )
        url = await opened.enter_async_context(serving(build_signer_app(service)))
        http = await opened.enter_async_context(aiohttp.ClientSession())
        yield Office(url, chain, clock, service, ledger, http, asked)
