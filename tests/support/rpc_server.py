"""An HTTP server in place of a node, which misbehaves on demand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Node:
    """Answers `eth_chainId` and `eth_blockNumber` as set, any other method with the node's name; counts requests.

    While `down`, connections are closed; while `busy`, it answers 429 with that Retry-After.
    """

    def __init__(self, name: str, *, chain_id: int = 1, height: int = 100) -> None:
        self.name = name
        self.chain_id = chain_id
        self.height = height
        self.down = False
        self.busy: str | None = None
        self.methods: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        self.methods += [each["method"] for each in (payload if isinstance(payload, list) else [payload])]
        if self.down:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if self.busy is not None:
            return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": self.busy})
        return web.json_response(
            [self._answer(each) for each in payload] if isinstance(payload, list) else self._answer(payload)
        )

    def _answer(self, request: Any) -> dict[str, Any]:
        known = {"eth_chainId": hex(self.chain_id), "eth_blockNumber": hex(self.height)}
        return {"jsonrpc": "2.0", "id": request["id"], "result": known.get(request["method"], self.name)}
