"""Live runners over HTTP (offchain-network 4.11).

runners   POST /runners/heartbeat                   POST /runners/{id}/unregister
          POST /runner/{id}/session/{sid}/stop|channels|proxy
buyers    GET  /discovery                           POST /apps/{id}/session
          POST /apps/{id}/session/{sid}/payment     POST /apps/{id}/session/{sid}/stop
          *    /apps/{id}/session/{sid}/app/*       *    /apps/{id}/app/*
          *    /run/{proxy}/*
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp
from aiohttp import web

from livepeer_client.adapters.ai_server import read_all
from livepeer_client.adapters.http_server import PAYMENT_HEADER, SEGMENT_HEADER
from livepeer_client.adapters.runner_sockets import join, protocols_of, wants_socket
from livepeer_client.adapters.worker_server import READ_ERRORS, BadPart
from livepeer_client.errors import LivepeerError, PeerRefused
from livepeer_client.policy.runner_targets import Target

PAYER_HEADER: Final = "Livepeer-Payer-Address"
ROUTE_HEADER: Final = "Livepeer-Runner-Route"
SESSION_HEADER: Final = "Livepeer-Session-Id"
TOKEN_HEADER: Final = "Livepeer-Session-Token"  # noqa: S105 - a header's name
CONTROL_HEADER: Final = "Livepeer-Session-Control"
MAX_HEARTBEAT_BYTES: Final = 1 << 16
BODY_S: Final = 10
MAX_UNDER_WAY: Final = 64
"""Requests of one session at the same time."""
PRESENCE_S: Final = 2.0
"""How often a request that waits for its runner looks whether its buyer is still there."""
_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect"),
    }
)

_log = logging.getLogger(__name__)


class Refusal(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str: ...


class Registry(Protocol):
    """`services.runner_registry.RunnerRegistry`."""

    def heartbeat(self, authorization: str, body: bytes) -> Awaitable["dict[str, object] | Refusal"]: ...

    def unregister(self, runner_id: str, authorization: str) -> Awaitable["Refusal | None"]: ...

    def discovery(self, apps: tuple[str, ...], gpus: tuple[str, ...]) -> bytes: ...


class Proxies(Protocol):
    """`services.runner_proxies.RunnerProxies`."""

    def get(self, proxy_id: str) -> tuple[Any, Target] | None: ...


class Desk(Protocol):
    """What the routes lead to; `services.live_runners.RunnerDesk`."""

    @property
    def service_uri(self) -> str: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def proxies(self) -> Proxies: ...

    def reserve(
        self, runner_id: str, payer: str, payment: str, credentials: str, *, single_shot: bool
    ) -> Awaitable[Any]: ...

    def session(self, runner_id: str, session_id: str) -> Any: ...

    def pay(self, runner_id: str, session_id: str, payment: str, credentials: str) -> Awaitable["Refusal | None"]: ...

    def stop(self, runner_id: str, session_id: str) -> Awaitable["Refusal | None"]: ...

    def stop_by_runner(self, runner_id: str, session_id: str, token: str) -> Awaitable["Refusal | None"]: ...

    def open_channels(
        self, runner_id: str, session_id: str, token: str, body: bytes
    ) -> "dict[str, object] | Refusal": ...

    def close_channels(
        self, runner_id: str, session_id: str, token: str, body: bytes
    ) -> "dict[str, object] | Refusal": ...

    def open_proxy(self, runner_id: str, session_id: str, token: str, body: bytes) -> "dict[str, object] | Refusal": ...

    def release(self, session: Any, reason: str) -> Awaitable[None]: ...


class RunnerCall(Protocol):
    """`adapters.runner_http.RunnerHttp`."""

    def __call__(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: AsyncIterator[bytes] | None,
        *,
        outside: bool = False,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]: ...

    def socket(
        self, url: str, headers: list[tuple[str, str]], protocols: list[str], *, outside: bool = False
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]: ...


def mount_runners(app: web.Application, desk: Desk, call: RunnerCall) -> None:
    """The routes."""
    routes = _Routes(desk, call)
    add = app.router
    add.add_post("/runners/heartbeat", routes.heartbeat)
    add.add_post("/runners/{id}/unregister", routes.unregister)
    add.add_post("/runner/{id}/session/{sid}/stop", routes.stop_by_runner)
    add.add_post("/runner/{id}/session/{sid}/channels", routes.open_channels)
    add.add_delete("/runner/{id}/session/{sid}/channels", routes.close_channels)
    add.add_post("/runner/{id}/session/{sid}/proxy", routes.open_proxy)
    add.add_get("/discovery", routes.discovery)
    add.add_post("/apps/{id}/session", routes.reserve)
    add.add_post("/apps/{id}/session/{sid}/payment", routes.pay)
    add.add_post("/apps/{id}/session/{sid}/stop", routes.stop)
    add.add_route("*", "/apps/{id}/session/{sid}/app", routes.proxy)
    add.add_route("*", "/apps/{id}/session/{sid}/app/{tail:.*}", routes.proxy)
    add.add_route("*", "/run/{proxy}", routes.by_proxy)
    add.add_route("*", "/run/{proxy}/{tail:.*}", routes.by_proxy)
    add.add_route("*", "/apps/{id}/app", routes.single)
    add.add_route("*", "/apps/{id}/app/{tail:.*}", routes.single)


class _Routes:
    def __init__(self, desk: Desk, call: RunnerCall) -> None:
        self._desk = desk
        self._call = call

    # --- for runners --------------------------------------------------------------------------------

    async def heartbeat(self, request: web.Request) -> web.Response:
        body = await _read(request)
        if isinstance(body, web.Response):
            return body
        return _said(await self._desk.registry.heartbeat(request.headers.get("Authorization", ""), body))

    async def open_channels(self, request: web.Request) -> web.Response:
        return await self._acted(request, self._desk.open_channels)

    async def close_channels(self, request: web.Request) -> web.Response:
        return await self._acted(request, self._desk.close_channels)

    async def open_proxy(self, request: web.Request) -> web.Response:
        return await self._acted(request, self._desk.open_proxy)

    @staticmethod
    async def _acted(
        request: web.Request, act: Callable[[str, str, str, bytes], "dict[str, object] | Refusal"]
    ) -> web.Response:
        body = await _read(request)
        if isinstance(body, web.Response):
            return body
        return _said(act(*_named(request), request.headers.get(TOKEN_HEADER, ""), body))

    async def unregister(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        return _done(await self._desk.registry.unregister(request.match_info["id"], shown))

    async def stop_by_runner(self, request: web.Request) -> web.Response:
        shown = request.headers.get(TOKEN_HEADER, "")
        return _done(await self._desk.stop_by_runner(*_named(request), shown))

    # --- for buyers ---------------------------------------------------------------------------------

    async def discovery(self, request: web.Request) -> web.Response:
        apps, gpus = (tuple(request.query.getall(key, [])) for key in ("app", "gpu"))
        return web.Response(body=self._desk.registry.discovery(apps, gpus), content_type="application/json")

    async def reserve(self, request: web.Request) -> web.Response:
        found = await self._reserved(request, single_shot=False)
        if isinstance(found, web.Response):
            return found
        base = f"{self._desk.service_uri}/apps/{found.runner.runner_id}/session/{found.session_id}"
        return web.json_response({"session_id": found.session_id, "app_url": f"{base}/app", "control_url": base})

    async def pay(self, request: web.Request) -> web.Response:
        headers = request.headers.get(PAYMENT_HEADER, ""), request.headers.get(SEGMENT_HEADER, "")
        return _done(await self._desk.pay(*_named(request), *headers), 200)

    async def stop(self, request: web.Request) -> web.Response:
        return _done(await self._desk.stop(*_named(request)))

    async def proxy(self, request: web.Request) -> web.StreamResponse:
        session = self._desk.session(*_named(request))
        if session is None:
            return _error(404, "session not found")
        return await self._pass_on(request, session, _own(session))

    async def by_proxy(self, request: web.Request) -> web.StreamResponse:
        found = self._desk.proxies.get(request.match_info["proxy"])
        return _error(404, "proxy not found") if found is None else await self._pass_on(request, *found)

    async def single(self, request: web.Request) -> web.StreamResponse:
        found = await self._reserved(request, single_shot=True)
        if isinstance(found, web.Response):
            return found
        try:
            return await self._pass_on(request, found, _own(found))
        finally:
            await self._desk.release(found, "done")

    async def _reserved(self, request: web.Request, *, single_shot: bool) -> Any:
        """The session, or the answer that there is none yet."""
        headers = [request.headers.get(name, "") for name in (PAYER_HEADER, PAYMENT_HEADER, SEGMENT_HEADER)]
        found = await self._desk.reserve(request.match_info["id"], *headers, single_shot=single_shot)
        if hasattr(found, "status"):
            return _refused(found)
        if hasattr(found, "body"):
            return web.Response(status=402, body=found.body, content_type="application/json")
        return found

    # --- passing on ---------------------------------------------------------------------------------

    async def _pass_on(self, request: web.Request, session: Any, target: Target) -> web.StreamResponse:
        """Exchange one request with the runner; cut off when the session ends."""
        tail = request.match_info.get("tail")
        if any(part in (".", "..") for part in (tail or "").split("/")):
            return _error(400, "path")
        if session.under_way >= MAX_UNDER_WAY:
            return _error(429, f"{MAX_UNDER_WAY} requests of the session are under way")
        url = target.at(None if tail is None else quote(tail), request.rel_url.raw_query_string)
        session.under_way += 1
        try:
            return await self._until_over(request, session, url, outside=target.outside)
        finally:
            session.under_way -= 1

    async def _until_over(self, request: web.Request, session: Any, url: str, *, outside: bool) -> web.StreamResponse:
        answered: list[web.StreamResponse] = []
        exchange = asyncio.ensure_future(self._exchange(request, session, url, answered, outside=outside))
        over = asyncio.ensure_future(session.over.wait())
        try:
            while not exchange.done() and not over.done():
                await asyncio.wait({exchange, over}, timeout=PRESENCE_S, return_when=asyncio.FIRST_COMPLETED)
                if not exchange.done() and (request.transport is None or request.transport.is_closing()):
                    # aiohttp tells nobody that a buyer has gone while its runner is being waited for.
                    exchange.cancel()
                    return answered[0] if answered else web.Response(status=499)
            if exchange.done():
                return exchange.result()
            exchange.cancel()
            return self._cut_off(request, session, answered)
        finally:
            for task in (exchange, over):
                task.cancel()
            await asyncio.gather(exchange, over, return_exceptions=True)

    @staticmethod
    def _cut_off(request: web.Request, session: Any, answered: list[web.StreamResponse]) -> web.StreamResponse:
        if not answered:
            return _error(402 if session.reason == "insufficient balance" else 404, f"session ended: {session.reason}")
        return _broken_off(request, answered[0])

    async def _exchange(
        self, request: web.Request, session: Any, url: str, answered: list[web.StreamResponse], *, outside: bool
    ) -> web.StreamResponse:
        headers = self._headers(request, session)
        if wants_socket(request):
            return await self._joined(request, session, url, headers, answered, outside=outside)
        body = request.content.iter_any() if request.can_read_body else None
        try:
            async with self._call(request.method, url, headers, body, outside=outside) as reply:
                response = web.StreamResponse(status=reply.status)
                for key, value in reply.headers.items():
                    if key.lower() not in _HOP:
                        response.headers.add(key, value)
                await response.prepare(request)
                answered.append(response)
                async for piece in reply.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response
        except LivepeerError as error:
            _log.warning("runner failed id=%s reason=%s", session.runner.runner_id, error)
            if answered:
                return _broken_off(request, answered[0])
            return _error(502, "the runner failed")

    async def _joined(
        self,
        request: web.Request,
        session: Any,
        url: str,
        headers: list[tuple[str, str]],
        answered: list[web.StreamResponse],
        *,
        outside: bool,
    ) -> web.StreamResponse:
        kept = [(key, value) for key, value in headers if not key.lower().startswith("sec-websocket-")]
        try:
            async with self._call.socket(url, kept, protocols_of(request), outside=outside) as far:
                await join(request, far, answered)
                return answered[0]
        except (LivepeerError, ConnectionError) as error:
            _log.warning("runner's socket failed id=%s reason=%s", session.runner.runner_id, error)
            if answered:
                return _broken_off(request, answered[0])
            status = error.status if isinstance(error, PeerRefused) and 400 <= error.status < 600 else 502
            return _error(status, "the runner failed")

    def _headers(self, request: web.Request, session: Any) -> list[tuple[str, str]]:
        """The buyer's, without what is between it and us; and what the runner acts for the session with."""
        base = self._desk.service_uri
        runner_id, session_id = session.runner.runner_id, session.session_id
        named = {each.strip().lower() for each in request.headers.get("Connection", "").split(",")}
        kept = [
            (key, value)
            for key, value in request.headers.items()
            if key.lower() not in _HOP | named and not key.lower().startswith("livepeer-")
        ]
        return [
            *kept,
            (ROUTE_HEADER, runner_id),
            (SESSION_HEADER, session_id),
            (TOKEN_HEADER, session.token),
            (CONTROL_HEADER, f"{base}/runner/{runner_id}/session/{session_id}"),
        ]


def _own(session: Any) -> Target:
    """The app itself; its root ends in a slash."""
    return Target(f"{session.runner.report.url}/")


def _broken_off(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """An answer that just ended would pass for a whole one."""
    if request.transport is not None:
        request.transport.abort()
    return response


async def _read(request: web.Request) -> bytes | web.Response:
    """The body of a small request, or the answer that it cannot be read."""
    try:
        async with asyncio.timeout(BODY_S):
            return await read_all(request, MAX_HEARTBEAT_BYTES)
    except BadPart as error:
        return _error(413, str(error))
    except READ_ERRORS as error:
        return _error(400, str(error) or "request not read")


def _said(answer: dict[str, object] | Refusal) -> web.Response:
    return web.json_response(answer) if isinstance(answer, dict) else _refused(answer)


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["id"], request.match_info["sid"]


def _done(refusal: Refusal | None, status: int = 204) -> web.Response:
    return web.Response(status=status) if refusal is None else _refused(refusal)


def _refused(refusal: Refusal) -> web.Response:
    response = _error(refusal.status, refusal.reason)
    if (seconds := getattr(refusal, "retry_after_s", None)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": {"message": reason}}, status=status)
