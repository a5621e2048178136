"""Bodies of strangers, all together."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from livepeer_client.adapters.ai_server import read_all, read_request
from livepeer_client.adapters.bodies import bound_bodies


class Place:
    def __init__(self) -> None:
        self.held = 0
        self.go_on = asyncio.Event()
        self.url = ""

    async def job(self, request: web.Request) -> web.Response:
        if request.content_type == "multipart/form-data":
            await read_request(request)
        else:
            await read_all(request, 1000)
        self.held += 1
        await self.go_on.wait()
        return web.Response()

    async def post(self, http: aiohttp.ClientSession, *, form: bool = False) -> int:
        data: bytes | aiohttp.FormData = bytes(600)
        if form:
            data = aiohttp.FormData()
            data.add_field("file", bytes(600), filename="x")
        async with http.post(self.url, data=data) as response:
            return response.status


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place, app = Place(), web.Application()
    for _ in range(2):
        bound_bodies(app, 1000)
    app.router.add_post("/job", place.job)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    place.url = f"http://127.0.0.1:{runner.addresses[0][1]}/job"
    yield place
    await runner.cleanup()


@pytest.mark.parametrize("form", [False, True])
async def test_bodies__more_at_once_than_there_is_room_for__are_503_until_some_are_answered(
    place: Place, form: bool
) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        first = asyncio.create_task(place.post(http))
        while not place.held:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        for _ in range(2):
            assert await place.post(http, form=form) == 503
        place.go_on.set()
        assert await first == 200
        assert await place.post(http, form=form) == 200
