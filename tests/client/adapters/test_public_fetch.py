"""Downloads that a peer asks for, and all the ways into our own network that are closed."""

import ipaddress
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from livepeer_client.adapters.public_fetch import PublicFetcher, is_public
from livepeer_client.errors import LivepeerError, MalformedMessage, PeerRefused, PeerTimeout, PeerUnreachable

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_is_public__hosts_of_the_internet__are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
        "not an address",
    ],
)
def test_is_public__everything_else__is_not(address: str) -> None:
    assert not is_public(address)


@pytest.fixture
async def port(unused_tcp_port: int) -> AsyncIterator[int]:
    """A server on loopback that would give secrets away."""

    async def secret(_: web.Request) -> web.Response:
        return web.Response(body=b"secret")

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://127.0.0.1:{request.url.port}/secret")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(65536))
        except ConnectionError:
            return response

    app = web.Application()
    app.add_routes([web.get("/secret", secret), web.get("/moved", moved), web.get("/endless", endless)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield unused_tcp_port
    await runner.cleanup()


async def refused(url: str, **limits: float) -> LivepeerError:
    async with PublicFetcher() as fetcher:
        with pytest.raises(LivepeerError) as caught:
            await fetcher.fetch(url, limit_bytes=1000, timeout_s=limits.get("timeout_s", 60))
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        # An HTTP client reads these as 127.0.0.1.
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127.0.0.①",
    ],
)
async def test_fetch__own_host_by_any_name__is_never_asked(host: str, port: int) -> None:
    error = await refused(f"http://{host}:{port}/secret")
    assert isinstance(error, (PeerUnreachable, MalformedMessage))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "http://user@host/", "http://", "", "http://[::"])
async def test_fetch__no_plain_http_url__is_malformed(url: str) -> None:
    assert isinstance(await refused(url), MalformedMessage)


async def test_fetch__network_that_is_allowed__is_read(port: int) -> None:
    async with PublicFetcher(LOOPBACK) as fetcher:
        for host in ("127.0.0.1", "localhost"):
            data = await fetcher.fetch(f"http://{host}:{port}/secret", limit_bytes=6, timeout_s=60)
            assert data == b"secret"


async def test_fetch__redirect__is_a_refusal_and_not_followed(port: int) -> None:
    async with PublicFetcher(LOOPBACK) as fetcher:
        with pytest.raises(PeerRefused) as caught:
            await fetcher.fetch(f"http://127.0.0.1:{port}/moved", limit_bytes=1000, timeout_s=60)
    assert caught.value.status == 302


async def test_fetch__body_without_end__stops_at_the_limit(port: int) -> None:
    async with PublicFetcher(LOOPBACK) as fetcher:
        with pytest.raises(MalformedMessage):
            await fetcher.fetch(f"http://127.0.0.1:{port}/endless", limit_bytes=1_000_000, timeout_s=30)


async def test_fetch__slower_than_its_time__is_a_timeout(port: int) -> None:
    async with PublicFetcher(LOOPBACK) as fetcher:
        with pytest.raises(PeerTimeout):
            await fetcher.fetch(f"http://127.0.0.1:{port}/endless", limit_bytes=2**60, timeout_s=0.2)
