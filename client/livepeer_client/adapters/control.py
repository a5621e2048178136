"""A running node's desk for its operator: HTTP over a Unix socket in the node's own folder, and the caller's side.

A store in a file belongs to one process. So whoever wants to hold or redeem a ticket beside a running node asks the
node. Who may: whoever may open the socket, which is the node's own user.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from livepeer_client.codec import control_api
from livepeer_client.errors import ChainUnavailable, LivepeerError
from livepeer_client.ports.desk import DeskState, RedeemedNow, RedemptionDesk
from livepeer_client.types import Hash32

NAME: Final = "control.sock"
MAX_BODY_BYTES: Final = 1 << 20
ANSWER_S: Final = 60.0
"""A redemption is planned and simulated before it is answered."""
_SHUTDOWN_S: Final = 1.0
_OK: Final = 200
_OWN: Final = 0o600

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serve_desk(desk: RedemptionDesk, path: Path) -> AsyncIterator[None]:
    """Answer at `path` while the block lasts. A node whose folder's name is too long for a socket goes without one."""
    routes = _Routes(desk)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [
            web.get("/redemption", routes.state),
            web.post("/redemption/hold", routes.hold),
            web.post("/redemption/release", routes.release),
            web.post("/redemption/step", routes.step),
            web.post("/redemption/redeem", routes.redeem),
            web.post("/redemption/pause", routes.pause),
            web.post("/redemption/resume", routes.resume),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        # What a killed node left behind; only one process has the store, so nobody else listens here.
        await asyncio.to_thread(path.unlink, missing_ok=True)
        try:
            await web.SockSite(runner, bind_private(path)).start()
            # Where a socket's mode is not that of its file.
            await asyncio.to_thread(path.chmod, _OWN)
        except OSError as error:
            _log.warning("no control socket at %s: %s", path, error)
        yield
    finally:
        await runner.cleanup()
        await asyncio.to_thread(path.unlink, missing_ok=True)


def bind_private(path: Path) -> socket.socket:
    """A socket at `path` that is its user's alone from its first moment on, whatever the umask: in a folder that others
    may enter, somebody could connect before its mode is changed.

    :raises OSError: as `socket.bind`.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not everywhere do sockets have a mode before they are bound.
        with contextlib.suppress(OSError):
            os.fchmod(made.fileno(), _OWN)
        made.bind(str(path))
    except OSError:
        made.close()
        raise
    return made


class _Routes:
    def __init__(self, desk: RedemptionDesk) -> None:
        self._desk = desk

    async def state(self, request: web.Request) -> web.Response:
        async def answer() -> bytes:
            state = await self._desk.state()
            return control_api.encode_state(state.owner, state.paused)

        return await _answered(answer)

    async def hold(self, request: web.Request) -> web.Response:
        body = await request.read()

        async def answer() -> bytes:
            await self._desk.hold(*control_api.decode_tickets(body))
            return b"{}"

        return await _answered(answer)

    async def release(self, request: web.Request) -> web.Response:
        body = await request.read()

        async def answer() -> bytes:
            await self._desk.release(control_api.decode_tickets(body)[0])
            return b"{}"

        return await _answered(answer)

    async def step(self, request: web.Request) -> web.Response:
        body = await request.read()

        async def answer() -> bytes:
            done = await self._desk.redeem(control_api.decode_tickets(body)[0])
            return control_api.encode_redeemed(done.sent, done.decided)

        return await _answered(answer)

    async def redeem(self, request: web.Request) -> web.Response:
        body = await request.read()

        async def answer() -> bytes:
            done = await self._desk.redeem_now(control_api.decode_tickets(body)[0])
            return control_api.encode_redeemed(done.sent, done.decided)

        return await _answered(answer)

    async def pause(self, request: web.Request) -> web.Response:
        async def answer() -> bytes:
            await self._desk.pause()
            return b"{}"

        return await _answered(answer)

    async def resume(self, request: web.Request) -> web.Response:
        async def answer() -> bytes:
            await self._desk.resume()
            return b"{}"

        return await _answered(answer)


async def _answered(answer: Callable[[], Awaitable[bytes]]) -> web.Response:
    try:
        return web.Response(body=await answer(), content_type="application/json")
    except LivepeerError as error:
        status, body = control_api.encode_refusal(error)
        return web.Response(status=status, body=body, content_type="application/json")


class ControlClient:
    """`RedemptionDesk` of the node that listens at `path`."""

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._timeout = aiohttp.ClientTimeout(total=answer_s)

    async def state(self) -> DeskState:
        return DeskState(*control_api.decode_state(await self._ask("GET", "")))

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        await self._ask("POST", "/hold", control_api.encode_tickets(hashes, note))

    async def release(self, hashes: Sequence[Hash32]) -> None:
        await self._ask("POST", "/release", control_api.encode_tickets(hashes))

    async def redeem(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        body = await self._ask("POST", "/step", control_api.encode_tickets(hashes))
        return RedeemedNow(*control_api.decode_redeemed(body))

    async def redeem_now(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        body = await self._ask("POST", "/redeem", control_api.encode_tickets(hashes))
        return RedeemedNow(*control_api.decode_redeemed(body))

    async def pause(self) -> None:
        await self._ask("POST", "/pause")

    async def resume(self) -> None:
        await self._ask("POST", "/resume")

    async def is_there(self) -> bool:
        """Whether a node answers; a socket that a killed one left behind does not."""
        try:
            await self.state()
        except NodeAbsent:
            return False
        return True

    async def _ask(self, method: str, route: str, body: bytes = b"") -> bytes:
        if not self._path.exists():
            raise NodeAbsent(f"no node listens at {self._path}")
        try:
            # A connection of its own each time: requests are few, and the node may be another one by the next.
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(str(self._path)), timeout=self._timeout
                ) as session,
                session.request(method, f"http://node/redemption{route}", data=body) as response,
            ):
                answer = await response.read()
                status = response.status
        except (aiohttp.ClientConnectorError, FileNotFoundError, ConnectionRefusedError) as error:
            raise NodeAbsent(f"no node listens at {self._path}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChainUnavailable(f"the node at {self._path} did not answer: {type(error).__name__}") from error
        if status != _OK:
            raise control_api.decode_refusal(answer)
        return answer


class NodeAbsent(ChainUnavailable):
    """Nobody listens at a control socket."""
