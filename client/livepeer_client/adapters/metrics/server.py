"""Metrics, health and readiness over HTTP.

GET /metrics  everything in the registry, as Prometheus reads it
GET /healthz  200 while the process answers
GET /readyz   200 while nothing is missing, otherwise 503 with one line for each thing that is

The registry belongs to one node: nothing is registered globally, so that two nodes may live in one process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder

from livepeer_client.errors import LivepeerError

REFRESH_S: Final = 5.0
"""How long a scrape waits for fresh figures before it is answered with the last ones."""
_SHUTDOWN_S: Final = 1.0

_log = logging.getLogger(__name__)


async def _nothing() -> None:
    return None


async def _all_well() -> Sequence[str]:
    return ()


class MetricsServer:
    """Serves `registry` while its `async with` lasts. There is no access control: bind it to an address of one's own.

    :param port: 0 takes a free one; see `port`.
    :param refresh: brings the figures up to date before each answer; what it raises is counted, and logged once.
    :param missing: what keeps the node from its work now, one line each; empty when ready.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        host: str,
        port: int,
        refresh: Callable[[], Awaitable[None]] = _nothing,
        missing: Callable[[], Awaitable[Sequence[str]]] = _all_well,
        refresh_s: float = REFRESH_S,
    ) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._refresh = refresh
        self._missing = missing
        self._refresh_s = refresh_s
        self._runner: web.AppRunner | None = None
        self._troubled = False
        self._failures = Counter(
            "livepeer_metrics_refresh_failures", "Scrapes answered with older figures", registry=registry
        )

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def port(self) -> int:
        """The port that is open."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._refresh_s):
                await self._refresh()
            self._troubled = False
        except (LivepeerError, TimeoutError) as error:
            self._failures.inc()
            if not self._troubled:
                _log.warning("metrics: older figures are told: %s", str(error) or type(error).__name__)
            self._troubled = True
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readiness(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._refresh_s):
                missing = await self._missing()
        except (LivepeerError, TimeoutError) as error:
            missing = (str(error) or "no answer in time",)
        if missing:
            return web.Response(status=503, text="".join(f"{line}\n" for line in missing))
        return web.Response(text="ready\n")
