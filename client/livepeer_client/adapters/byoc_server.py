"""Brought-along capabilities over HTTP (offchain-network 4.12 and B.1).

POST /capability/register       POST /process/request/{path}   POST /process/train/{capability}
POST /capability/unregister     GET  /process/token            GET  /process/job/{id}
                                                               POST /process/job/{id}/refresh-payment
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from aiohttp import web

from livepeer_client.adapters.ai_server import read_all
from livepeer_client.adapters.bodies import bound_bodies
from livepeer_client.adapters.http_server import PAYMENT_HEADER
from livepeer_client.adapters.worker_server import READ_ERRORS, BadPart, Secret
from livepeer_client.codec import byoc_api
from livepeer_client.errors import LivepeerError, MalformedMessage
from livepeer_client.facts.byoc import Reply

JOB_HEADER: Final = "Livepeer"
CAPABILITY_HEADER: Final = "Livepeer-Capability"
CALLER_HEADER: Final = "Livepeer-Eth-Address"
BALANCE_HEADER: Final = "Livepeer-Balance"
MAX_BODY_BYTES: Final = 20_000_000
MAX_REPLY_BYTES: Final = 200_000_000
MAX_REGISTRATION_BYTES: Final = 1 << 16
BODY_S: Final = 60

_log = logging.getLogger(__name__)


class Refusal(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str: ...


class ByocDesk(Protocol):
    """What the routes lead to; `services.byoc.ByocWork`."""

    @property
    def registry(self) -> Any: ...

    @property
    def call(self) -> Any: ...

    async def token(self, caller_header: str, capability: str) -> "bytes | Refusal": ...

    def start(self, header: str, payment: str, capability: str) -> AbstractAsyncContextManager[Any]: ...


class TrainingDesk(Protocol):
    """`services.byoc_training.TrainingJobs`."""

    async def submit(self, header: str, payment: str, capability: str, body: bytes) -> "dict[str, Any] | Refusal": ...

    def status(self, job_id: str) -> dict[str, Any] | None: ...

    async def refresh(self, job_id: str, payment: str) -> "dict[str, Any] | Refusal": ...


class Metered(Protocol):
    """`services.byoc.metered`."""

    def __call__(self, meter: Any, work: Awaitable[None]) -> Awaitable[None]: ...


def mount_byoc(
    app: web.Application, desk: ByocDesk, training: TrainingDesk, metered: Metered, secret: Secret | None
) -> None:
    """The routes; without a secret nothing can be registered over the network."""
    bound_bodies(app)
    routes = _Routes(desk, training, metered, secret)
    if secret is not None:
        app.router.add_post("/capability/register", routes.register)
        app.router.add_post("/capability/unregister", routes.unregister)
    app.router.add_get("/process/token", routes.token)
    app.router.add_post("/process/request/{path:.+}", routes.job)
    app.router.add_post("/process/train/{capability}", routes.train)
    app.router.add_get("/process/job/{id}", routes.status)
    app.router.add_post("/process/job/{id}/refresh-payment", routes.refresh)


class _Routes:
    def __init__(self, desk: ByocDesk, training: TrainingDesk, metered: Metered, secret: Secret | None) -> None:
        self._desk = desk
        self._training = training
        self._metered = metered
        self._secret = secret

    # --- for those who bring a capability -----------------------------------------------------------

    def _knows(self, request: web.Request) -> bool:
        return self._secret is not None and self._secret.is_shown_by(request.headers.get("Authorization", ""))

    async def register(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return _text(401, "Unauthorized")
        try:
            entry = byoc_api.decode_registration(await _body(request, MAX_REGISTRATION_BYTES))
        except (MalformedMessage, BadPart, *READ_ERRORS) as error:
            return _text(400, str(error))
        if not self._desk.registry.register(entry):
            return _text(400, "too many capabilities")
        _log.info("capability registered name=%s capacity=%d", entry.name, entry.capacity)
        return _text(200, "ok")

    async def unregister(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return _text(401, "Unauthorized")
        try:
            name = (await _body(request, MAX_REGISTRATION_BYTES)).decode().strip()
        except (BadPart, UnicodeDecodeError, *READ_ERRORS) as error:
            return _text(400, str(error))
        return _text(200, "ok") if self._desk.registry.unregister(name) else _text(400, "no such capability")

    # --- for those who buy --------------------------------------------------------------------------

    async def token(self, request: web.Request) -> web.Response:
        answer = await self._desk.token(
            request.headers.get(CALLER_HEADER, ""), request.headers.get(CAPABILITY_HEADER, "")
        )
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        return _text(answer.status, answer.reason)

    async def job(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        capability = request.headers.get(CAPABILITY_HEADER) or path.partition("/")[0]
        if any(part in ("", ".", "..") for part in path.split("/")):
            return _text(400, "path")
        try:
            body = await _body(request, MAX_BODY_BYTES)
        except (BadPart, *READ_ERRORS) as error:
            return _text(400, str(error) or "request not read")
        payment = request.headers.get(PAYMENT_HEADER, "")
        async with self._desk.start(request.headers.get(JOB_HEADER, ""), payment, capability) as started:
            if hasattr(started, "status"):
                return _text(started.status, started.reason)
            answer = _Answer(request, started)
            try:
                work = answer.work(self._desk.call, path, body)
                await self._metered(started.meter, work)
            except LivepeerError as error:
                _log.warning("job failed capability=%s: %s", capability, error)
                answer.failed = True
            return await answer.finished()

    async def train(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request, MAX_BODY_BYTES)
        except (BadPart, *READ_ERRORS) as error:
            return _text(400, str(error) or "request not read")
        answer = await self._training.submit(
            request.headers.get(JOB_HEADER, ""),
            request.headers.get(PAYMENT_HEADER, ""),
            request.match_info["capability"],
            body,
        )
        return (
            web.json_response(answer, status=202) if isinstance(answer, dict) else _text(answer.status, answer.reason)
        )

    async def status(self, request: web.Request) -> web.Response:
        found = self._training.status(request.match_info["id"])
        return _text(404, "job not found") if found is None else web.json_response(found)

    async def refresh(self, request: web.Request) -> web.Response:
        answer = await self._training.refresh(request.match_info["id"], request.headers.get(PAYMENT_HEADER, ""))
        return web.json_response(answer) if isinstance(answer, dict) else _text(answer.status, answer.reason)


class _Answer:
    """A worker's reply on its way to the buyer: at once where it comes event by event, else whole."""

    def __init__(self, request: web.Request, started: Any) -> None:
        self.failed = False
        self._request = request
        self._started = started
        self._stream: web.StreamResponse | None = None
        self._reply: Reply | None = None
        self._data = bytearray()
        self._too_large = False

    async def work(self, call: Any, path: str, body: bytes) -> None:
        kind = self._request.headers.get("Content-Type", "application/json")
        async with call(self._started.entry, path, body, kind, self._started.job.timeout_s) as reply:
            self._reply = reply
            if reply.content_type.startswith("text/event-stream"):
                self._stream = web.StreamResponse(status=reply.status, headers=self._headers(reply))
                await self._stream.prepare(self._request)
            async for piece in reply.body:
                if self._stream is not None:
                    await self._stream.write(piece)
                    continue
                self._data += piece
                if len(self._data) > MAX_REPLY_BYTES:
                    self._too_large = True
                    return

    async def finished(self) -> web.StreamResponse:
        exhausted = self._started.meter.exhausted
        if self._stream is not None:
            if exhausted:
                await self._stream.write(b"event: insufficient balance\ndata: {}\n\n")
            await self._stream.write_eof()
            return self._stream
        if exhausted:
            return _text(402, "insufficient balance")
        if self.failed or self._reply is None or self._too_large:
            return _text(502, "the worker failed")
        headers = self._headers(self._reply)
        headers[BALANCE_HEADER] = str(int(self._started.meter.balance))
        return web.Response(status=self._reply.status, body=bytes(self._data), headers=headers)

    @staticmethod
    def _headers(reply: Reply) -> dict[str, str]:
        headers = {"Content-Type": reply.content_type}
        if reply.metadata:
            headers["X-Metadata"] = reply.metadata
        return headers


async def _body(request: web.Request, limit: int) -> bytes:
    async with asyncio.timeout(BODY_S):
        return await read_all(request, limit)


def _text(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=reason + "\n")
