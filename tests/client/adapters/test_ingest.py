"""HTTP push ingest on a socket: names, headers, multipart answers, limits."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp import web

from livepeer_client.adapters.ingest import WebhookAuth, build_ingest
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.messages import Slice, VideoFormat, VideoProfile
from livepeer_client.codec.presets import StreamOrder, preset
from livepeer_client.errors import MalformedMessage, PeerRefused
from livepeer_client.facts import Rendition
from livepeer_client.facts.ingest import Push, Unserved

PROFILES = (preset("P240p30fps16x9"), VideoProfile('odd"name\r\n', 640, 360, 1, format=VideoFormat.MP4))


@dataclass(frozen=True)
class Done:
    seq: int
    renditions: tuple[Rendition, ...]


@dataclass
class IngestDouble:
    """Gives back what was pushed, once per profile."""

    answer: Unserved | None = None
    pushes: list[Push] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    forbids: bool = False

    async def push(self, push: Push, read: Callable[[], Awaitable[bytes]]) -> Done | Unserved:
        if self.forbids:
            return Unserved(403, "Forbidden")
        push = replace(push, data=await read())
        self.pushes.append(push)
        await self.hold.wait()
        return self.answer or Done(push.seq, tuple(Rendition(profile, push.data, 1) for profile in PROFILES))


@dataclass
class Place:
    double: IngestDouble
    http: aiohttp.ClientSession
    base: str

    async def post(self, path: str, data: bytes = b"video", **headers: str) -> tuple[int, bytes]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.base + path, data=data, headers=sent) as response:
            return response.status, await response.read()


@pytest.fixture
async def place(unused_tcp_port: int) -> AsyncIterator[Place]:
    double = IngestDouble()
    double.hold.set()
    app = build_ingest(double, max_segment_bytes=100_000, max_bytes_in_flight=150_000, piece_s=0.3, upload_s=1.0)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    async with aiohttp.ClientSession() as http:
        yield Place(double, http, f"http://127.0.0.1:{unused_tcp_port}")
    await runner.cleanup()


@pytest.mark.parametrize("header", ["Origin", "Referer", "Sec-Fetch-Site"])
async def test_push__from_a_page_of_a_browser__is_403_and_handed_to_nobody(place: Place, header: str) -> None:
    headers = {header: "https://evil.example"}
    async with place.http.post(f"{place.base}/live/movie/7.ts", data=b"video", headers=headers) as response:
        assert response.status == 403
    assert place.double.pushes == []


async def test_push__plain__hands_over_name_number_and_defaults(place: Place) -> None:
    assert await place.post("/live/movie/7.ts") == (200, b"")
    async with place.http.put(f"{place.base}/live/movie/8.mp4", data=b"video") as response:
        assert response.status == 200
    first, second = place.double.pushes
    assert (first.manifest_id, first.seq, first.format, first.data) == ("movie", 7, VideoFormat.MPEGTS, b"video")
    assert (first.duration_ms, first.order, first.url) == (2000, None, f"{place.base}/live/movie/7.ts")
    assert (second.seq, second.format) == (8, VideoFormat.MP4)


async def test_push__headers__are_read(place: Place) -> None:
    configuration = '{"manifestID": "m", "presets": ["P144p30fps16x9"], "objectStore": "s3://elsewhere"}'
    status, _ = await place.post(
        "/live/movie/7.ts",
        Content_Duration="4004",
        Content_Resolution="1920x1080",
        Livepeer_Transcode_Configuration=configuration,
    )
    assert status == 200
    assert place.double.pushes[0].duration_ms == 4004
    assert place.double.pushes[0].order == StreamOrder("m", (preset("P144p30fps16x9"),))


async def test_push__multipart_accepted__answers_one_part_per_rendition(place: Place) -> None:
    async with place.http.post(
        f"{place.base}/live/movie/7.ts", data=bytes(range(256)), headers={"Accept": "multipart/mixed"}
    ) as response:
        raw = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode() + await response.read()
    message = email.message_from_bytes(raw, policy=email.policy.HTTP)
    parts = list(message.iter_parts())  # type: ignore[attr-defined]
    assert [part["Rendition-Name"] for part in parts] == ["P240p30fps16x9", "odd_name__"]
    assert [part.get_content_type() for part in parts] == ["video/mp2t", "video/mp4"]
    assert [part["Content-Length"] for part in parts] == ["256", "256"]
    assert parts[0].get_filename() == "P240p30fps16x9_7.ts"
    assert raw.count(bytes(range(256)) + b"\r\n--") == 2


@pytest.mark.parametrize("unserved", [Unserved(422, "No keyframes in input"), Unserved(503, "No sessions available")])
async def test_push__unserved__is_said_with_its_status(place: Place, unserved: Unserved) -> None:
    place.double.answer = unserved
    async with place.http.post(f"{place.base}/live/movie/7.ts", data=b"video") as response:
        assert (response.status, await response.text()) == (unserved.status, unserved.reason + "\n")
        assert response.headers.get("Retry-After") == ("1" if unserved.status == 503 else None)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/live/movie/seven.ts", {}, 404),
        ("/live/movie/7.mkv", {}, 404),
        ("/live/movie/-7.ts", {}, 404),
        ("/live/movie/7.ts", {"Content_Duration": "0"}, 400),
        ("/live/movie/7.ts", {"Content_Duration": "1e3"}, 400),
        ("/live/movie/7.ts", {"Content_Duration": "300001"}, 400),
        ("/live/movie/7.ts", {"Content_Resolution": "wide"}, 400),
        ("/live/movie/7.ts", {"Content_Slice_From": "soon"}, 400),
        ("/live/movie/7.ts", {"Content_Slice_From": "-1"}, 400),
        ("/live/movie/7.ts", {"Content_Slice_To": "300001"}, 400),
        ("/live/movie/7.ts", {"Content_Slice_From": "700", "Content_Slice_To": "700"}, 400),
        ("/live/movie/7.ts", {"Livepeer_Transcode_Configuration": "[]"}, 400),
        ("/live/movie/7.ts", {"Livepeer_Transcode_Configuration": '{"presets": ["P1"]}'}, 400),
    ],
)
async def test_push__no_segment_of_ours__is_refused_before_it_is_read(
    place: Place, path: str, headers: dict[str, str], status: int
) -> None:
    assert (await place.post(path, **headers))[0] == status
    assert place.double.pushes == []


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"Content_Slice_From": "0", "Content_Slice_To": "0"}, None),
        ({"Content_Slice_From": "250"}, Slice(250, 0)),
        ({"Content_Slice_To": "750"}, Slice(0, 750)),
        ({"Content_Slice_From": "250", "Content_Slice_To": "750"}, Slice(250, 750)),
    ],
)
async def test_push__a_part_of_the_segment_is_wanted__is_told(
    place: Place, headers: dict[str, str], wanted: Slice | None
) -> None:
    assert (await place.post("/live/movie/7.ts", **headers))[0] == 200
    assert [push.slice for push in place.double.pushes] == [wanted]


async def test_push__that_nobody_allows__is_refused_before_its_body_is_sent(place: Place) -> None:
    place.double.forbids = True
    host, port = place.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"POST /live/movie/7.ts HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n")
        async with asyncio.timeout(60):
            assert (await reader.readline()).split()[1] == b"403"
    finally:
        writer.transport.abort()
    assert place.double.pushes == []


async def test_push__empty_or_too_large__is_refused(place: Place) -> None:
    assert (await place.post("/live/movie/7.ts", b""))[0] == 400
    assert (await place.post("/live/movie/7.ts", bytes(100_001)))[0] == 413


async def test_push__more_at_once_than_fits_in_memory__is_refused_until_some_of_it_is_done(place: Place) -> None:
    place.double.hold.clear()
    first = asyncio.create_task(place.post("/live/movie/1.ts", bytes(90_000)))
    async with asyncio.timeout(60):
        while not place.double.pushes:  # noqa: ASYNC110, the double has no event for it
            await asyncio.sleep(0.01)
    assert (await place.post("/live/movie/2.ts", bytes(90_000)))[0] == 503
    place.double.hold.set()
    assert (await first)[0] == 200
    assert (await place.post("/live/movie/2.ts", bytes(90_000)))[0] == 200


async def test_push__body_that_stalls_or_drips__is_given_up(place: Place) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(5)

    async def drips() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x"
            await asyncio.sleep(0.1)

    for body in (stalls(), drips()):
        async with place.http.post(f"{place.base}/live/movie/1.ts", data=body) as response:
            assert response.status == 408
    assert place.double.pushes == []


async def test_push__body_dripping_without_end__memory_is_given_back(place: Place) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(90_000)
        raise RuntimeError("the sender dies")

    for _ in range(3):
        with pytest.raises((RuntimeError, aiohttp.ClientError)):
            await place.post("/live/movie/1.ts", broken())  # type: ignore[arg-type]
    async with asyncio.timeout(60):
        while (await place.post("/live/movie/1.ts", bytes(90_000)))[0] != 200:  # noqa: ASYNC110, it ends when the server has noticed
            await asyncio.sleep(0.05)


async def test_webhook__allows_orders_or_refuses(unused_tcp_port: int) -> None:
    asked: list[object] = []

    async def hook(request: web.Request) -> web.Response:
        asked.append(await request.json())
        if "forbidden" in str(asked[-1]):
            return web.Response(status=401)
        if "silent" in str(asked[-1]):
            return web.Response()
        if "nonsense" in str(asked[-1]):
            return web.Response(text="<html>")
        return web.json_response({"manifestID": "named", "profiles": [{"width": 64, "height": 36, "bitrate": 1000}]})

    app = web.Application()
    app.add_routes([web.post("/hook", hook)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    async with AiohttpWebClient() as client:
        auth = WebhookAuth(client, f"http://127.0.0.1:{unused_tcp_port}/hook")
        order = await auth.authorise("http://gateway/live/movie/0.ts", VideoFormat.MP4)
        assert order.manifest_id == "named"
        assert order.profiles is not None
        assert (order.profiles[0].name, order.profiles[0].format) == ("webhook_64x36_1000", VideoFormat.MP4)
        assert await auth.authorise("silent", VideoFormat.MPEGTS) == StreamOrder()
        with pytest.raises(PeerRefused):
            await auth.authorise("forbidden", VideoFormat.MPEGTS)
        with pytest.raises(MalformedMessage):
            await auth.authorise("nonsense", VideoFormat.MPEGTS)
    await runner.cleanup()
    assert asked[0] == {"url": "http://gateway/live/movie/0.ts"}
