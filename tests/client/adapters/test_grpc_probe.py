"""`GrpcProbe` against real TLS servers on the loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import grpc
import grpc.aio
import pytest

from livepeer_client.adapters import grpc_probe
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.codec import wire
from livepeer_client.codec.messages import AuthToken, OrchestratorInfo, OrchestratorRequest
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.types import Address
from tests.support.certificates import Certificate, make_certificate

REQUEST = OrchestratorRequest(bytes(range(20)), bytes(65))
INFO = OrchestratorInfo(
    transcoder="https://orchestrator.example:8935",
    ticket_params=None,
    price_info=None,
    address=bytes(range(20)),
    capabilities=None,
    auth_token=AuthToken(b"token", "session", 1_700_000_000),
)

Method = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


async def answer_info(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return wire.encode_orchestrator_info(INFO)


async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return request


@dataclass
class Orchestrator:
    """A gRPC server that answers raw bytes."""

    get_info: Method = answer_info
    ping: Method = echo
    asked: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def serve(self, certificate: Certificate | None, port: int = 0) -> AsyncIterator[int]:
        async def on_info(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            self.asked.append(request)
            return await self.get_info(request, context)

        server = grpc.aio.server()
        methods = {"GetOrchestrator": on_info, "Ping": self.ping}
        handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("net.Orchestrator", handlers)])
        address = f"127.0.0.1:{port}"
        if certificate is None:
            port = server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
            port = server.add_secure_port(address, credentials)
        await server.start()
        try:
            yield port
        finally:
            await server.stop(grace=None)


@dataclass
class Relay:
    """Passes bytes on to a port of the loopback and counts connections."""

    port: int
    uri: str = ""
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Relay"]:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.uri = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        back, forth = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers += [writer, forth]
        await asyncio.gather(self._copy(reader, forth), self._copy(back, writer))

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def probe(tmp_path: Path) -> AsyncIterator[GrpcProbe]:
    async with GrpcProbe(tmp_path / "pins") as opened:
        yield opened


@pytest.mark.parametrize(
    "certificate",
    [
        make_certificate(dns=["orchestrator.example", "second.example"]),
        make_certificate(dns=["orchestrator.example"], authority=False),
        make_certificate(ips=["127.0.0.1"]),
        make_certificate(ips=["10.1.2.3"]),
        make_certificate(common_name="orchestrator.example"),
    ],
    ids=["dns", "leaf only", "ip", "another ip", "common name only"],
)
async def test_get_info__self_signed_certificate__is_answered(probe: GrpcProbe, certificate: Certificate) -> None:
    orchestrator = Orchestrator()
    async with orchestrator.serve(certificate) as port:
        assert await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60) == INFO
    assert [wire.decode_orchestrator_request(data) for data in orchestrator.asked] == [REQUEST]


async def test_get_info__plain_http_uri__is_answered_without_tls(probe: GrpcProbe) -> None:
    async with Orchestrator().serve(None) as port:
        assert await probe.get_info(f"http://127.0.0.1:{port}", REQUEST, timeout_s=60) == INFO


async def test_ping__any_value__gives_the_peers_answer(probe: GrpcProbe) -> None:
    async def sign(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return wire.encode_ping(wire.decode_ping(request)[::-1])

    async with Orchestrator(ping=sign).serve(make_certificate(dns=["o.example"])) as port:
        assert await probe.ping(f"https://127.0.0.1:{port}", b"abc", timeout_s=60) == b"cba"


async def test_get_info__same_authority_at_once_and_again__takes_a_first_contact_and_one_channel(
    probe: GrpcProbe,
) -> None:
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port, Relay(port).open() as relay:
        await asyncio.gather(*(probe.get_info(relay.uri, REQUEST, timeout_s=60) for _ in range(5)))
        await probe.get_info(relay.uri, REQUEST, timeout_s=60)
        assert relay.connections == 2


async def test_get_info__pinned_on_disk_by_an_earlier_probe__needs_no_first_contact(tmp_path: Path) -> None:
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port, Relay(port).open() as relay:
        async with GrpcProbe(tmp_path) as first:
            await first.get_info(relay.uri, REQUEST, timeout_s=60)
        assert relay.connections == 2
        async with GrpcProbe(tmp_path) as second:
            assert await second.get_info(relay.uri, REQUEST, timeout_s=60) == INFO
        assert relay.connections == 3


async def test_get_info__pin_kept_in_memory_only__is_a_first_contact_for_the_next_probe(tmp_path: Path) -> None:
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port, Relay(port).open() as relay:
        for connections in (2, 4):
            async with GrpcProbe() as probe:
                await probe.get_info(relay.uri, REQUEST, timeout_s=60)
            assert relay.connections == connections


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff"])
async def test_get_info__damaged_pin_on_disk__is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port:
        (tmp_path / f"127.0.0.1%3A{port}.pem").write_bytes(damage)
        async with GrpcProbe(tmp_path) as probe:
            assert await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60) == INFO
        assert (tmp_path / f"127.0.0.1%3A{port}.pem").read_bytes().startswith(b"-----BEGIN")


async def test_get_info__certificate_changed_since_the_pin__is_pinned_anew_once(tmp_path: Path) -> None:
    async with Orchestrator().serve(make_certificate(dns=["old.example"])) as port, GrpcProbe(tmp_path) as first:
        await first.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)
    before = (tmp_path / f"127.0.0.1%3A{port}.pem").read_bytes()
    async with Orchestrator().serve(make_certificate(dns=["new.example"]), port) as port, GrpcProbe(tmp_path) as second:
        assert await second.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60) == INFO
    assert (tmp_path / f"127.0.0.1%3A{port}.pem").read_bytes() != before


async def test_get_info__peer_restarts_with_another_certificate__is_answered_on_the_kept_probe(
    probe: GrpcProbe,
) -> None:
    async with Orchestrator().serve(make_certificate(dns=["old.example"])) as port:
        uri = f"https://127.0.0.1:{port}"
        await probe.get_info(uri, REQUEST, timeout_s=60)
    with pytest.raises(PeerUnreachable):
        await probe.get_info(uri, REQUEST, timeout_s=60)
    async with Orchestrator().serve(make_certificate(dns=["new.example"]), port):
        assert await probe.get_info(uri, REQUEST, timeout_s=60) == INFO


async def test_get_info__peer_restarts_with_its_certificate__is_answered_at_once(probe: GrpcProbe) -> None:
    certificate = make_certificate(dns=["o.example"])
    async with Orchestrator().serve(certificate) as port:
        uri = f"https://127.0.0.1:{port}"
        await probe.get_info(uri, REQUEST, timeout_s=60)
    took_s: list[float] = []
    # A busy machine is slow at times; one that sits out a back-off of a second is so each time.
    while min(took_s, default=1.0) >= 0.7:
        assert len(took_s) < 10, took_s
        for _ in range(5):
            with pytest.raises(PeerUnreachable):
                await probe.get_info(uri, REQUEST, timeout_s=60)
        async with Orchestrator().serve(certificate, port):
            started = monotonic()
            assert await probe.get_info(uri, REQUEST, timeout_s=60) == INFO
            took_s.append(monotonic() - started)


async def test_get_info__peer_that_never_speaks__times_out_within_the_deadline(probe: GrpcProbe) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(30):
        with pytest.raises(PeerTimeout):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=0.3)


async def test_get_info__method_that_never_answers__times_out_within_the_deadline(probe: GrpcProbe) -> None:
    async def hang(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with Orchestrator(get_info=hang).serve(make_certificate(dns=["o.example"])) as port, asyncio.timeout(30):
        with pytest.raises(PeerTimeout):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=0.5)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_get_info__nobody_listens__is_unreachable(probe: GrpcProbe, unused_tcp_port: int, scheme: str) -> None:
    with pytest.raises(PeerUnreachable):
        await probe.get_info(f"{scheme}://127.0.0.1:{unused_tcp_port}", REQUEST, timeout_s=60)


async def test_get_info__peer_speaks_no_tls__is_unreachable(probe: GrpcProbe) -> None:
    async with Orchestrator().serve(None) as port:
        with pytest.raises(PeerUnreachable):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)


async def test_get_info__peer_refuses__carries_its_status_and_text(probe: GrpcProbe) -> None:
    async def refuse(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await context.abort(grpc.StatusCode.UNKNOWN, "insufficient sender reserve")
        raise AssertionError("abort raises")

    async with Orchestrator(get_info=refuse).serve(make_certificate(dns=["o.example"])) as port:
        with pytest.raises(PeerRefused) as refused:
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)
    assert (refused.value.status, refused.value.reason) == (2, "insufficient sender reserve")


async def test_get_info__truncated_answer__is_malformed(probe: GrpcProbe) -> None:
    async def truncate(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return wire.encode_orchestrator_info(INFO)[:-3]

    async with Orchestrator(get_info=truncate).serve(make_certificate(dns=["o.example"])) as port:
        with pytest.raises(MalformedMessage):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)


async def test_get_info__answer_beyond_the_limit__is_an_error_of_the_peer(probe: GrpcProbe) -> None:
    async def flood(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return bytes(grpc_probe.MAX_ANSWER_BYTES + 1)

    async with Orchestrator(get_info=flood).serve(make_certificate(dns=["o.example"])) as port:
        with pytest.raises(PeerRefused):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)


@pytest.mark.parametrize(
    "uri",
    ["", "https://", "ftp://host:1", "https://host:99999", "https://host:0", f"https://{'a' * 300}", "https://a..b"],
)
async def test_get_info__no_service_uri__is_malformed(probe: GrpcProbe, uri: str) -> None:
    with pytest.raises(MalformedMessage):
        await probe.get_info(uri, REQUEST, timeout_s=60)


async def test_close__then_a_call__is_the_callers_mistake() -> None:
    probe = GrpcProbe()
    await probe.close()
    with pytest.raises(InvalidInput):
        await probe.get_info("https://127.0.0.1:1", REQUEST, timeout_s=60)


def test_status_errors__every_status_but_ok__has_an_error_of_ours() -> None:
    assert set(grpc_probe.STATUS_ERRORS) == set(grpc.StatusCode) - {grpc.StatusCode.OK}
    for status, make in grpc_probe.STATUS_ERRORS.items():
        assert isinstance(make("peer", status.value[0], "text"), LivepeerError)


# --- keys proven behind a certificate ---------------------------------------------------------------


async def test_remember__a_proof__outlives_a_restart_with_the_certificate(tmp_path: Path) -> None:
    address = Address(b"\xaa" * 20)
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port:
        uri = f"https://127.0.0.1:{port}"
        async with GrpcProbe(tmp_path) as first:
            assert await first.recall(uri) is None
            await first.get_info(uri, REQUEST, timeout_s=60)
            await first.remember(uri, address)
            assert await first.recall(uri) == address
        async with GrpcProbe(tmp_path) as second:
            assert await second.recall(uri) == address
            await second.get_info(uri, REQUEST, timeout_s=60)
            assert await second.recall(uri) == address


async def test_recall__peer_has_another_certificate__forgets_what_was_proven(tmp_path: Path) -> None:
    async with Orchestrator().serve(make_certificate(dns=["o.example"])) as port, GrpcProbe(tmp_path) as first:
        uri = f"https://127.0.0.1:{port}"
        await first.get_info(uri, REQUEST, timeout_s=60)
        await first.remember(uri, Address(b"\xaa" * 20))
    async with Orchestrator().serve(make_certificate(dns=["o.example"]), port), GrpcProbe(tmp_path) as second:
        assert await second.recall(uri) is not None
        await second.get_info(uri, REQUEST, timeout_s=60)
        assert await second.recall(uri) is None
    async with GrpcProbe(tmp_path) as third:
        assert await third.recall(uri) is None


@pytest.mark.parametrize(
    "line",
    ["proven 0x11 1\n", "proven nobody 1\n", "proven 0x" + "aa" * 20 + "\n", "proven 0x" + "aa" * 20 + " 1000\n"],
    ids=["short", "no address", "no time", "long ago"],
)
async def test_recall__damaged_or_old_proof__is_none_and_the_certificate_still_serves(
    tmp_path: Path, line: str
) -> None:
    certificate = make_certificate(dns=["o.example"])
    async with Orchestrator().serve(certificate) as port:
        uri = f"https://127.0.0.1:{port}"
        (tmp_path / f"127.0.0.1%3A{port}.pem").write_text(certificate.chain.decode() + line)
        async with GrpcProbe(tmp_path) as probe:
            assert await probe.recall(uri) is None
            await probe.get_info(uri, REQUEST, timeout_s=60)


async def test_recall__no_tls_or_no_uri__remembers_nothing(tmp_path: Path) -> None:
    async with GrpcProbe(tmp_path) as probe:
        for uri in ("http://127.0.0.1:1", "ftp://x", "https://127.0.0.1:1"):
            assert await probe.recall(uri) is None
        await probe.remember("https://127.0.0.1:1", Address(b"\xaa" * 20))
        assert await probe.recall("https://127.0.0.1:1") is None
