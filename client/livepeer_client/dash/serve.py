"""The board in a browser: textual-serve runs the app for each page that is opened.

A page can press keys, and keys redeem. So the server answers only under its own name, only to its own pages, and only
to browsers that were opened with its key, which is part of the address it prints: neither a page of another site that a
browser has open nor another user of this machine can connect. To reach it from elsewhere, tunnel to it.
"""

import contextlib
import hmac
import ipaddress
import secrets
import shlex
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server

from livepeer_client.errors import InvalidInput

_SHUTDOWN_S: Final = 2.0
_KEY_BYTES: Final = 32
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
        self._key = secrets.token_urlsafe(_KEY_BYTES)
        # Cookies do not know ports, and there may be other boards on this machine.
        self._cookie = f"livepeer_board_{port}"
        self._is_named = public_url is not None
        named = urlsplit(self.public_url).netloc
        self._hosts = {named} | ({f"{each}:{port}" for each in _LOCAL} if _is_loopback(host) else set())

    @property
    def address(self) -> str:
        """What to open: with the key, which the browser keeps and which is for nobody else to see."""
        return f"{self.public_url.rstrip('/')}/?key={self._key}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.extend([self._own_pages_only, self._holders_of_the_key_only])
        app.on_response_prepare.append(_keep_to_itself)
        return app

    @web.middleware
    async def _own_pages_only(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in self._hosts or (origin is not None and urlsplit(origin).netloc not in self._hosts):
            raise web.HTTPForbidden(text="this board answers to its own pages only\n")
        return await handler(request)

    @web.middleware
    async def _holders_of_the_key_only(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._is_key(request.cookies.get(self._cookie, "")):
            return await handler(request)
        if request.path != "/" or not self._is_key(request.query.get("key", "")):
            raise web.HTTPForbidden(text="open the address that `livepeer-client dash --serve` has printed\n")
        if not self._is_named and request.host != urlsplit(self.public_url).netloc:
            # The page connects to the one name, where a cookie of another would not be sent.
            raise web.HTTPFound(self.address)
        # Without the key in its address, which stays in the browser's history.
        opened = web.HTTPFound(f"{self.public_url.rstrip('/')}/")
        secure = urlsplit(self.public_url).scheme == "https"
        opened.set_cookie(self._cookie, self._key, httponly=True, samesite="Strict", secure=secure)
        raise opened

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._key.encode())

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


async def _keep_to_itself(_: web.Request, response: web.StreamResponse) -> None:
    # A page around this one could have its keys pressed; and nobody else shall read its address.
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
