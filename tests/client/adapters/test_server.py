"""One port, real TLS, real gRPC and HTTP clients: who is told apart how, limits, half-open and closing connections."""

import asyncio
import io
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest

from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.codec import wire
from livepeer_client.codec.messages import AuthToken, OrchestratorInfo, OrchestratorRequest
from livepeer_client.errors import BadCredentials, ChainUnavailable

MAX_BYTES = 4_000_000
PATHS = "/net.Orchestrator/"


@dataclass
class Said:
    """A refusal."""

    status: int
    reason: str


@dataclass
class DeskDouble:
    """Answers each segment with what it got, turned round; holds the answer back while `hold` is not set."""

    refusal: Said | None = None
    body_refusal: Said | None = None
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    headers: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    room: bool = True
    left: int = 0
    pages: dict[str, bytes] = field(default_factory=dict)
    fetching: int = 0
    fetched: asyncio.Event | None = None

    def exchange(self, payment: str, credentials: str) -> "ExchangeDouble":
        self.headers.append((payment, credentials))
        return ExchangeDouble(self)

    async def pay(self, payment: str, credentials: str) -> bytes | Said:
        self.headers.append((payment, credentials))
        return self.refusal or b"paid"

    async def refresh_payment(self, body: bytes) -> bytes | Said:
        self.bodies.append(body)
        return self.refusal or b"{}"

    def rendition(self, session: str, profile: str, name: str) -> bytes | None:
        return b"rendition" if (session, profile, name) == ("0a0b0c0d", "P240p/30", "7.ts") else None

    def status(self) -> Mapping[str, object]:
        return {"sessions": 0}


@dataclass
class ExchangeDouble:
    desk: DeskDouble

    def __enter__(self) -> "ExchangeDouble":
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.left += 1

    @property
    def wants_body(self) -> bool:
        return self.desk.room

    async def admit(self) -> Said | None:
        return self.desk.refusal

    async def fetch(self, url: str) -> bytes | Said:
        self.desk.fetching += 1
        if self.desk.fetched is not None:
            await self.desk.fetched.wait()
        return self.desk.pages.get(url) or Said(400, "BadRequest")

    def check_body(self, body: bytes) -> Said | None:
        return self.desk.body_refusal

    async def work(self, body: bytes) -> bytes:
        self.desk.bodies.append(body)
        await self.desk.hold.wait()
        return body[::-1]


class RpcDouble:
    def __init__(self) -> None:
        self.ended: list[AuthToken | None] = []

    async def get_orchestrator(self, request: OrchestratorRequest) -> OrchestratorInfo:
        if not request.sig:
            raise BadCredentials("Invalid orchestrator request: orchestrator req sig check failed")
        return OrchestratorInfo("https://127.0.0.1:1", None, None, request.address, None, None)

    async def ping(self, value: bytes) -> bytes:
        if not value:
            raise ChainUnavailable("http://node.example/with/a/key did not answer")
        return value[::-1]

    async def end_session(self, token: AuthToken | None) -> None:
        self.ended.append(token)


@dataclass
class Place:
    """A running server with its doubles."""

    server: TlsServer
    desk: DeskDouble
    rpc: RpcDouble
    root: bytes

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.server.port}{path}"

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(
            f"127.0.0.1:{self.server.port}", grpc.ssl_channel_credentials(root_certificates=self.root)
        )


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    path = tmp_path / "tls.pem"
    context = server_context(path, "127.0.0.1", time.time())
    desk, rpc = DeskDouble(), RpcDouble()
    desk.hold.set()
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=context,
        app=build_app(desk, max_segment_bytes=MAX_BYTES, body_s=0.5),
        rpc=[orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session)],
        grace_s=0.5,
    )
    async with server:
        yield Place(server, desk, rpc, path.read_bytes())


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
        yield session


@pytest.fixture
async def channel(place: Place) -> AsyncIterator[grpc.aio.Channel]:
    async with place.channel() as opened:
        yield opened


async def call(channel: grpc.aio.Channel, method: str, data: bytes) -> bytes:
    answer: bytes = await channel.unary_unary(PATHS + method)(data, timeout=60)
    return answer


# --- one port -------------------------------------------------------------------------------------


async def test_server__grpc_and_http_at_the_same_time__each_gets_its_own_answer(
    place: Place, http: aiohttp.ClientSession, channel: grpc.aio.Channel
) -> None:
    async def over_http() -> bytes:
        async with http.post(place.url("/segment"), data=b"abc") as response:
            return await response.read()

    pings, bodies = await asyncio.gather(
        asyncio.gather(*(call(channel, "Ping", wire.encode_ping(b"abc")) for _ in range(50))),
        asyncio.gather(*(over_http() for _ in range(50))),
    )

    assert set(pings) == {wire.encode_ping(b"cba")}
    assert set(bodies) == {b"cba"}


async def test_server__a_client_without_alpn__is_served_http(place: Place) -> None:
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(_only_cert(place))))
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port, ssl=context)
    writer.write(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200")


async def test_server__an_http2_client_that_leaves_at_once__harms_nobody(
    place: Place, channel: grpc.aio.Channel
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.port, ssl=context)
        writer.transport.abort()

    assert await call(channel, "Ping", wire.encode_ping(b"ab")) == wire.encode_ping(b"ba")


async def test_server__plain_text__is_dropped(place: Place) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    writer.write(b"GET /status HTTP/1.1\r\n\r\n")

    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    await writer.wait_closed()


def _only_cert(place: Place) -> str:
    text = place.root.decode()
    return text[text.index("-----BEGIN CERTIFICATE-----") :]


# --- gRPC -----------------------------------------------------------------------------------------


async def test_rpc__get_orchestrator__answers_in_the_wire_format(channel: grpc.aio.Channel) -> None:
    request = wire.encode_orchestrator_request(OrchestratorRequest(bytes(range(20)), bytes(65)))

    info = wire.decode_orchestrator_info(await call(channel, "GetOrchestrator", request))

    assert info.address == bytes(range(20))


async def test_rpc__a_refusal__is_unknown_with_the_wire_text(channel: grpc.aio.Channel) -> None:
    request = wire.encode_orchestrator_request(OrchestratorRequest(b"", b""))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, "GetOrchestrator", request)

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "Invalid orchestrator request: orchestrator req sig check failed"


async def test_rpc__our_own_trouble__is_not_told_to_the_peer(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, "Ping", wire.encode_ping(b""))

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "Internal Server Error"


@pytest.mark.parametrize("method", ["GetOrchestrator", "Ping", "EndTranscodingSession"])
async def test_rpc__truncated_protobuf__is_internal(channel: grpc.aio.Channel, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, method, b"\x0a\x20too short")

    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_rpc__end_session__hands_over_the_token(place: Place, channel: grpc.aio.Channel) -> None:
    token = AuthToken(bytes(32), "0a0b0c0d", 1_700_000_000)

    assert await call(channel, "EndTranscodingSession", wire.encode_end_session_request(token)) == b""

    assert place.rpc.ended == [token]


async def test_rpc__a_method_we_do_not_have__is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, "RegisterTranscoder", b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_rpc__a_request_over_the_limit__is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, "Ping", wire.encode_ping(bytes(2_000_000)))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# --- HTTP -----------------------------------------------------------------------------------------


async def test_segment__accepted__sends_the_status_before_the_work_is_done(
    place: Place, http: aiohttp.ClientSession
) -> None:
    place.desk.hold.clear()

    async with asyncio.timeout(60), http.post(place.url("/segment"), data=b"abc") as response:
        assert response.status == 200
        assert place.desk.bodies == [b"abc"]
        place.desk.hold.set()
        assert await response.read() == b"cba"


async def test_segment__a_large_body_and_answer__arrive_whole(place: Place, http: aiohttp.ClientSession) -> None:
    body = bytes(range(256)) * (MAX_BYTES // 256)

    async with http.post(place.url("/segment"), data=io.BytesIO(body)) as response:
        assert await response.read() == body[::-1]


async def test_segment__headers__reach_the_desk_however_long_the_payment(
    place: Place, http: aiohttp.ClientSession
) -> None:
    headers = {"Livepeer-Payment": "p" * 64_000, "Livepeer-Segment": "s"}

    async with http.post(place.url("/segment"), data=b"abc", headers=headers) as response:
        assert response.status == 200

    assert place.desk.headers == [("p" * 64_000, "s")]


async def test_segment__refused_by_its_headers__reads_no_body(place: Place, http: aiohttp.ClientSession) -> None:
    place.desk.refusal = Said(402, "base64 decode error")

    async with http.post(place.url("/segment"), data=io.BytesIO(bytes(MAX_BYTES))) as response:
        assert (response.status, await response.text()) == (402, "base64 decode error\n")

    assert place.desk.bodies == []


async def test_segment__refused_by_its_body__starts_no_work(place: Place, http: aiohttp.ClientSession) -> None:
    place.desk.body_refusal = Said(403, "Forbidden")

    async with http.post(place.url("/segment"), data=b"abc") as response:
        assert (response.status, await response.text()) == (403, "Forbidden\n")

    assert place.desk.bodies == []


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_segment__a_body_over_the_limit__is_refused(
    place: Place, http: aiohttp.ClientSession, announced: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(MAX_BYTES // 4)

    body = io.BytesIO(bytes(MAX_BYTES + 1)) if announced else pieces()
    async with http.post(place.url("/segment"), data=body) as response:
        assert response.status == 413

    assert place.desk.bodies == []


async def test_segment__a_body_that_stalls__is_given_up(place: Place, http: aiohttp.ClientSession) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.sleep(60)

    async with asyncio.timeout(60), http.post(place.url("/segment"), data=stalls()) as response:
        assert response.status == 500


async def test_segment__a_body_that_names_a_url__is_not_fetched(place: Place, http: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/vnd+livepeer.uri"}

    async with http.post(place.url("/segment"), data=b"http://169.254.169.254/", headers=headers) as response:
        assert (response.status, await response.text()) == (400, "BadRequest\n")


async def test_segment__a_body_that_names_a_url__is_worked_on_as_what_lies_there(
    place: Place, http: aiohttp.ClientSession
) -> None:
    headers = {"Content-Type": "application/vnd+livepeer.uri"}
    place.desk.pages["https://store.example/7.ts"] = b"segment"

    async with http.post(place.url("/segment"), data=b"https://store.example/7.ts\n", headers=headers) as response:
        assert (response.status, await response.read()) == (200, b"tnemges")
    async with http.post(place.url("/segment"), data=b"x" * 5000, headers=headers) as response:
        assert response.status == 413
    assert place.desk.bodies == [b"segment"]


@pytest.mark.parametrize(
    ("refusal", "status", "answer"), [(None, 200, b"paid"), (Said(400, "no"), 400, b"no\n")], ids=["taken", "refused"]
)
async def test_payment__alone__is_answered(
    place: Place, http: aiohttp.ClientSession, refusal: Said | None, status: int, answer: bytes
) -> None:
    place.desk.refusal = refusal

    async with http.post(place.url("/payment"), headers={"Livepeer-Payment": "p", "Livepeer-Segment": "s"}) as response:
        assert (response.status, await response.read()) == (status, answer)

    assert place.desk.headers == [("p", "s")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/stream/0a0b0c0d/P240p%2F30/7.ts", 200),
        ("/stream/0a0b0c0d/P240p%2F30/8.ts", 404),
        ("/stream/0a0b0c0d/..%2F..%2Fetc/passwd", 404),
        ("/nothing", 404),
    ],
)
async def test_rendition__by_path__is_served_or_not_found(
    place: Place, http: aiohttp.ClientSession, path: str, status: int
) -> None:
    from yarl import URL

    async with http.get(URL(place.url(path), encoded=True)) as response:
        assert response.status == status


async def test_status__asked__is_json(place: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(place.url("/status")) as response:
        assert await response.json() == {"sessions": 0}


# --- closing --------------------------------------------------------------------------------------


async def test_server__closed_during_work__answers_what_it_accepted(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    desk, rpc = DeskDouble(), RpcDouble()
    path = tmp_path / "tls.pem"
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=server_context(path, "127.0.0.1", time.time()),
        app=build_app(desk),
        rpc=[orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session)],
        grace_s=5,
    )
    async with server:
        response = await http.post(f"https://127.0.0.1:{server.port}/segment", data=b"abc")
        asyncio.get_running_loop().call_later(0.2, desk.hold.set)

    assert await response.read() == b"cba"


async def test_server__closed__refuses_new_connections_and_ends_open_ones(tmp_path: Path) -> None:
    desk, rpc = DeskDouble(), RpcDouble()
    path = tmp_path / "tls.pem"
    make: Callable[[], TlsServer] = lambda: TlsServer(  # noqa: E731
        host="127.0.0.1",
        port=0,
        context=server_context(path, "127.0.0.1", time.time()),
        app=build_app(desk),
        rpc=[orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session)],
        grace_s=0.5,
    )
    async with make() as server:
        channel = Place(server, desk, rpc, path.read_bytes()).channel()
        await call(channel, "Ping", wire.encode_ping(b"ab"))
        port = server.port
    async with asyncio.timeout(60):
        with pytest.raises(grpc.aio.AioRpcError):
            await call(channel, "Ping", wire.encode_ping(b"ab"))
        await channel.close()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_server__closed_during_handshakes__cuts_them(tmp_path: Path) -> None:
    desk, rpc = DeskDouble(), RpcDouble()
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=server_context(tmp_path / "tls.pem", "127.0.0.1", time.time()),
        app=build_app(desk),
        rpc=[orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session)],
        grace_s=0.1,
        head_s=600,
    )
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = ssl._create_unverified_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    async with asyncio.timeout(60):
        async with server:
            silent, to_silent = await asyncio.open_connection("127.0.0.1", server.port)
            halfway, to_halfway = await asyncio.open_connection("127.0.0.1", server.port)
            to_halfway.write(outgoing.read())
            # It answers, so it waits for the client's part.
            incoming.write(await halfway.read(1 << 16))
        for reader, writer in ((silent, to_silent), (halfway, to_halfway)):
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
