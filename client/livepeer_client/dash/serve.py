"""The board in a browser: textual-serve runs the app for each page that is opened.

A page can press keys, and keys redeem. So the server answers only under its own name and only to its own pages: a page
of another site that a browser has open can neither connect nor be rebound to this address. There is no password; to
reach it from elsewhere, tunnel to it.
"""

import contextlib
import ipaddress
import shlex
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server

from livepeer_client.errors import InvalidInput

_SHUTDOWN_S: Final = 2.0
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")


class BoardServer(Server):
    """Serves `command`, the app as one would start it in a terminal.

    :param public_url: how browsers reach it, if not by host and port, such as through a tunnel.
    :raises InvalidInput: an address that others reach, without `anybody`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        host: str,
        port: int,
        public_url: str | None = None,
        anybody: bool = False,
    ) -> None:
        if not anybody and not _is_loopback(host):
            raise InvalidInput(f"whoever reaches {host}:{port} could redeem: bind to 127.0.0.1 and tunnel to it")
        shown = f"[{host}]" if ":" in host else host
        super().__init__(
            shlex.join(command),
            host=host,
            port=port,
            title="Livepeer",
            public_url=public_url or f"http://{shown}:{port}",
        )
        named = urlsplit(self.public_url).netloc
        self._hosts = {named} | ({f"{each}:{port}" for each in _LOCAL} if _is_loopback(host) else set())

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._own_pages_only)
        return app

    @web.middleware
    async def _own_pages_only(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in self._hosts or (origin is not None and urlsplit(origin).netloc not in self._hosts):
            raise web.HTTPForbidden(text="this board answers to its own pages only\n")
        return await handler(request)

    async def on_startup(self, app: web.Application) -> None:
        """Whoever opens it says that it is ready."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve while the block lasts."""
        runner = web.AppRunner(
            await self._make_app(), access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
            yield
        finally:
            await runner.cleanup()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
