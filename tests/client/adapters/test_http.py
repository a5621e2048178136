"""`HttpTransport` against real TLS servers on the loopback."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import aiohttp
import pytest
from aiohttp import web

from livepeer_client.adapters import http
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.codec import wire
from livepeer_client.codec.messages import TranscodedSegment, TranscodeResult
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.policy.workloads import OutOfResources
from tests.support.certificates import make_certificate

RESULT = TranscodeResult(
    seq=7, segments=(TranscodedSegment("https://orchestrator.example/stream/a/b/7.ts", 1000),), sig=bytes(65)
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(handler: Handler, folder: Path) -> AsyncIterator[str]:
    """An HTTPS server with a self-signed certificate; every path goes to `handler`."""
    certificate = make_certificate(dns=["orchestrator.example"])
    pem = folder / "server.pem"
    pem.write_bytes(certificate.key + certificate.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def submit(transport: HttpTransport, uri: str, upload_s: float = 60, total_s: float = 60) -> TranscodeResult:
    return await transport.submit_segment(
        uri, b"video", credentials="Y3JlZHM=", payment="cGF5", upload_timeout_s=upload_s, timeout_s=total_s
    )


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as opened:
        yield opened


async def test_submit_segment__accepted__sends_the_networks_headers_and_gives_the_result(
    transport: HttpTransport, tmp_path: Path
) -> None:
    seen: list[tuple[str, str, str, str, str, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append(
            (
                request.method,
                request.path,
                headers["Livepeer-Segment"],
                headers["Livepeer-Payment"],
                headers["Content-Type"],
                await request.read(),
            )
        )
        return web.Response(body=wire.encode_transcode_result(RESULT))

    async with serve(handler, tmp_path) as uri:
        assert await submit(transport, uri) == RESULT
        assert await submit(transport, f"{uri}/") == RESULT
    assert seen == [("POST", "/segment", "Y3JlZHM=", "cGF5", "video/MP2T", b"video")] * 2


async def test_submit_segment__certificates_checked__refuses_a_self_signed_peer(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=wire.encode_transcode_result(RESULT))

    async with serve(handler, tmp_path) as uri, HttpTransport(verify_certificates=True) as strict:
        with pytest.raises(PeerUnreachable):
            await submit(strict, uri)


@pytest.mark.parametrize(("status", "text"), [(400, "Insufficient balance"), (403, "ErrSegSig"), (503, "")])
async def test_submit_segment__refused__carries_status_and_text(
    transport: HttpTransport, tmp_path: Path, status: int, text: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=f"{text}\n" if text else "")

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(PeerRefused) as refused:
            await submit(transport, uri)
    assert refused.value.status == status
    assert refused.value.reason == (text or "Service Unavailable")


async def test_submit_segment__redirect__is_a_refusal_and_not_followed(
    transport: HttpTransport, tmp_path: Path
) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(PeerRefused):
            await submit(transport, uri)
    assert paths == ["/segment"]


async def test_submit_segment__no_headers_in_time__is_a_header_timeout(
    transport: HttpTransport, tmp_path: Path
) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with serve(handler, tmp_path) as uri, asyncio.timeout(60):
        with pytest.raises(PeerTimeout) as timeout:
            await submit(transport, uri, upload_s=0.2, total_s=120)
    assert timeout.value.detail.startswith("header timeout:")


async def test_submit_segment__headers_but_no_body_in_time__is_a_body_timeout(
    transport: HttpTransport, tmp_path: Path
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    # So long for the headers that a busy machine has sent them, and longer for the rest.
    async with serve(handler, tmp_path) as uri, asyncio.timeout(60):
        started = monotonic()
        with pytest.raises(PeerTimeout) as timeout:
            await submit(transport, uri, upload_s=1.5, total_s=2)
        assert monotonic() - started > 1.9
    assert timeout.value.detail.startswith("body timeout:")


async def test_submit_segment__truncated_result__is_malformed(transport: HttpTransport, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=wire.encode_transcode_result(RESULT)[:-2])

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(MalformedMessage):
            await submit(transport, uri)


@pytest.mark.parametrize("announced", [True, False])
async def test_submit_segment__result_beyond_the_limit__is_malformed(
    transport: HttpTransport, tmp_path: Path, announced: bool
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if announced:
            response.content_length = http.MAX_RESULT_BYTES + 1
        await response.prepare(request)
        for _ in range(http.MAX_RESULT_BYTES // 65536 + 1):
            await response.write(bytes(65536))
        return response

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(MalformedMessage):
            await submit(transport, uri)


async def test_submit_segment__peer_dies_within_the_body__is_unreachable(
    transport: HttpTransport, tmp_path: Path
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"partial")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(PeerUnreachable):
            await submit(transport, uri)


async def test_submit_segment__nobody_listens__is_unreachable(transport: HttpTransport, unused_tcp_port: int) -> None:
    with pytest.raises(PeerUnreachable):
        await submit(transport, f"https://127.0.0.1:{unused_tcp_port}")


async def test_submit_segment__peer_speaks_no_http__is_malformed(transport: HttpTransport) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(MalformedMessage):
            await submit(transport, f"http://127.0.0.1:{port}")


async def test_fetch__within_the_limit__gives_the_bytes(transport: HttpTransport, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000)

    async with serve(handler, tmp_path) as uri:
        assert await transport.fetch(f"{uri}/stream/1.ts", limit_bytes=1000, timeout_s=60) == b"x" * 1000


async def test_fetch__one_byte_beyond_the_limit__is_malformed(transport: HttpTransport, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1001)

    async with serve(handler, tmp_path) as uri:
        with pytest.raises(MalformedMessage):
            await transport.fetch(f"{uri}/stream/1.ts", limit_bytes=1000, timeout_s=60)


async def test_fetch__compressed_body__is_not_expanded(transport: HttpTransport, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=b"\x1f\x8bbomb", headers={"Content-Encoding": "gzip"})

    async with serve(handler, tmp_path) as uri:
        assert await transport.fetch(f"{uri}/stream/1.ts", limit_bytes=100, timeout_s=60) == b"\x1f\x8bbomb"


@pytest.mark.parametrize("url", ["", "nonsense", "file:///etc/passwd", "https://"])
async def test_fetch__no_http_url__is_malformed(transport: HttpTransport, url: str) -> None:
    with pytest.raises(MalformedMessage):
        await transport.fetch(url, limit_bytes=10, timeout_s=60)


async def test_close__then_a_call__is_the_callers_mistake() -> None:
    transport = HttpTransport()
    await transport.close()
    with pytest.raises(InvalidInput):
        await submit(transport, "https://127.0.0.1:1")


def every_client_error(kind: type[aiohttp.ClientError]) -> set[type[aiohttp.ClientError]]:
    return {kind}.union(*(every_client_error(below) for below in kind.__subclasses__()))


def test_client_errors__every_error_of_aiohttp__has_one_of_ours() -> None:
    kinds = every_client_error(aiohttp.ClientError)
    assert len(kinds) > 15
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error)
        found = next(http.CLIENT_ERRORS[base] for base in kind.__mro__ if base in http.CLIENT_ERRORS)
        assert isinstance(found("peer", "detail"), LivepeerError)


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (503, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": " 120 "}, 120.0),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        (503, {}, None),
        (503, {"Retry-After": "-1"}, None),
        (503, {"Retry-After": "1.5"}, None),
        (503, {"Retry-After": "soon"}, None),
        (503, {"Retry-After": "9" * 65}, None),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, None),
        (403, {"Retry-After": "7"}, None),
    ],
)
async def test_submit_segment__refused_for_a_time__says_how_long(
    transport: HttpTransport, tmp_path: Path, status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, text="no room", headers=headers)

    async with serve(refuse, tmp_path) as uri:
        with pytest.raises(PeerRefused) as refused:
            await submit(transport, uri)
    assert (refused.value.status, refused.value.reason, refused.value.retry_after_s) == (status, "no room", wait_s)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_translated__this_machine_has_run_out_of_something__blames_no_peer(number: int) -> None:
    error = http.translated("https://peer", aiohttp.ClientOSError(number, "not to be had"))
    assert isinstance(error, OutOfResources)
    assert isinstance(
        http.translated("https://peer", aiohttp.ClientOSError(errno.ECONNRESET, "reset")), PeerUnreachable
    )
