"""HTTP of a remote signer (offchain-payments 12, offchain-network 1.5 and 4.13). Rules live behind the callables.

POST /sign-orchestrator-info   a login signature
POST /sign-byoc-job            the signature under a job of a brought-along capability
POST /generate-live-payment    one payment; 480 refresh first, 481 too dear, 482 no ticket needed
GET  /discover-orchestrators   orchestrators to choose from, if the signer keeps a list
"""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiohttp import web

from livepeer_client.codec import signer_api
from livepeer_client.errors import LivepeerError, MalformedMessage, SignerRefused
from livepeer_client.policy.signing import check_binding
from livepeer_client.types import Address, Signature

DEFAULT_PORT: Final = 8935
SHUTDOWN_S: Final = 5
MAX_BODY_BYTES: Final = 1 << 20
REFRESH_STATUS: Final = 480
URL_HEADER: Final = "Livepeer-Orchestrator-URL"
# What lies behind these is for the log, not for whoever asks.
_MASKED: Final = {500: "Internal Server Error", 503: "Service Unavailable Error"}

_log = logging.getLogger(__name__)

Headers = Mapping[str, Sequence[str]]


class Answer(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def retry_after_s(self) -> int: ...


class Desk(Protocol):
    """What the routes lead to."""

    async def sign_orchestrator_info(self, headers: Headers) -> tuple[Address, Signature]: ...

    async def generate_live_payment(self, body: bytes, headers: Headers) -> Answer: ...

    async def sign_byoc_job(self, body: bytes, headers: Headers) -> tuple[Address, Signature]: ...


Directory = Callable[[Sequence[str]], Awaitable[list[dict[str, object]]]]
"""Entries for any of some `pipeline/model` names, all without names; empty while none are known."""


def build_signer_app(desk: Desk, directory: Directory | None = None) -> web.Application:
    """The routes over `desk`, and those of `directory` if there is one."""
    routes = _Routes(desk, directory)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [
            web.post("/sign-orchestrator-info", routes.login),
            web.post("/generate-live-payment", routes.payment),
            web.post("/sign-byoc-job", routes.byoc),
        ]
    )
    if directory is not None:
        app.add_routes([web.get("/discover-orchestrators", routes.discover)])
    return app


@asynccontextmanager
async def serve_signer(
    app: web.Application, host: str, port: int = DEFAULT_PORT, *, webhook: bool, allow_no_auth: bool = False
) -> AsyncIterator[int]:
    """Serve `app` until the block ends; gives the port, also where 0 was asked for.

    :param webhook: whether somebody is asked before anything is signed.
    :raises InvalidInput: a public address without a webhook, unless `allow_no_auth` says that this is meant.
    """
    check_binding(host, webhook=webhook, allow_no_auth=allow_no_auth)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Routes:
    def __init__(self, desk: Desk, directory: Directory | None) -> None:
        self._desk = desk
        self._directory = directory

    async def login(self, request: web.Request) -> web.Response:
        try:
            address, sig = await self._desk.sign_orchestrator_info(_headers(request))
        except LivepeerError as error:
            return _refusal(error)
        return _json(200, signer_api.encode_login(address, sig))

    async def byoc(self, request: web.Request) -> web.Response:
        try:
            sender, sig = await self._desk.sign_byoc_job(await request.read(), _headers(request))
        except LivepeerError as error:
            return _refusal(error)
        return _json(200, signer_api.encode_byoc_signature(sender, sig))

    async def payment(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            answer = await self._desk.generate_live_payment(body, _headers(request))
        except SignerRefused as error:
            response = _refusal(error)
            if error.status == REFRESH_STATUS:
                response.headers[URL_HEADER] = _orchestrator_of(body)
            return response
        except LivepeerError as error:
            return _refusal(error)
        response = _json(answer.status, answer.body)
        if answer.retry_after_s:
            response.headers["Retry-After"] = str(answer.retry_after_s)
        return response

    async def discover(self, request: web.Request) -> web.Response:
        assert self._directory is not None
        found = await self._directory(request.query.getall("caps", []))
        if not found:
            return _json(503, signer_api.encode_error(_MASKED[503]))
        return _json(200, json.dumps(found).encode())


def _headers(request: web.Request) -> Headers:
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name, []).append(value)
    return found


def _orchestrator_of(body: bytes) -> str:
    """Where the orchestrator of a request is to be asked again. Only what can stand in a header."""
    uri = signer_api.decode_payment_call(body).info.transcoder
    return uri if uri.isprintable() else ""


def _refusal(error: LivepeerError) -> web.Response:
    if isinstance(error, MalformedMessage):
        return _json(400, signer_api.encode_error(error.detail))
    if isinstance(error, SignerRefused):
        if error.status in _MASKED:
            _log.warning("refused status=%d reason=%s", error.status, error.reason)
        return _json(error.status, signer_api.encode_error(_MASKED.get(error.status, error.reason)))
    _log.error("not signed reason=%s", error)
    status = 503 if error.retryable else 500
    return _json(status, signer_api.encode_error(_MASKED[status]))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
