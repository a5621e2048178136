"""Peers that choose their URIs, certificates and bytes to break a gateway: each gets an error of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport, translated
from livepeer_client.adapters.pins import make_pin
from livepeer_client.codec.messages import OrchestratorRequest
from livepeer_client.errors import LivepeerError, MalformedMessage, PeerUnreachable
from tests.support.certificates import make_certificate

REQUEST = OrchestratorRequest(b"", b"")
URIS = [
    "https://a\0b:1",
    "https://a\nb:1",
    "https://" + "a" * 70 + ".example:1",
    "http://" + "a" * 70 + ":1",
    "https://.:1",
    "https://a..b:1",
    "https://[fe80::1%eth0]:1",
    "https://127.0.0.1:65536",
    "https://%00:1",
    "http://,:1",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("uri", URIS)
async def test_get_info__uri_that_is_none__is_the_peers_error(uri: str) -> None:
    async with GrpcProbe() as probe:
        with pytest.raises(LivepeerError):
            await probe.get_info(uri, REQUEST, timeout_s=0.5)


@pytest.mark.parametrize("uri", URIS)
async def test_submit_segment__uri_that_is_none__is_the_peers_error(uri: str) -> None:
    async with HttpTransport() as transport:
        with pytest.raises(LivepeerError):
            await transport.submit_segment(
                uri, b"video", credentials="", payment="", upload_timeout_s=0.5, timeout_s=0.5
            )


def test_pin__certificate_with_names_nobody_can_read__is_the_peers_error() -> None:
    # An X.400 address among the alternative names is valid DER that the parser does not support.
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3002a300"))
    pem = make_certificate(extra=[extension]).chain.decode()
    with pytest.raises(MalformedMessage):
        make_pin(ssl.PEM_cert_to_DER_cert(pem), "host.example")


@asynccontextmanager
async def tls_server(folder: Path) -> AsyncIterator[int]:
    """Shakes hands and hangs up."""
    certificate = make_certificate(dns=["orchestrator.example"])
    pem = folder / "server.pem"
    pem.write_bytes(certificate.key + certificate.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_get_info__certificate_cannot_be_kept__asks_all_the_same(tmp_path: Path) -> None:
    in_the_way = tmp_path / "pins"
    in_the_way.write_bytes(b"a file where the folder should be")
    async with tls_server(tmp_path) as port, GrpcProbe(in_the_way) as probe:
        # It came as far as the call, which this peer does not answer.
        with pytest.raises(LivepeerError):
            await probe.get_info(f"https://127.0.0.1:{port}", REQUEST, timeout_s=60)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: aiohttp.ClientPayloadError("<ContentLengthError: 400, message='...'>"), "while the answer was read"),
        (lambda: aiohttp.ServerDisconnectedError(), "closed before an answer"),
        (lambda: aiohttp.ClientConnectionError("Connector is closed."), "connection broke off"),
    ],
)
def test_translated__error_of_the_library_below__is_said_in_plain_words(
    make: Callable[[], aiohttp.ClientError], text: str
) -> None:
    error = translated("https://o.example", make())
    assert isinstance(error, PeerUnreachable)
    assert text in str(error)
    assert "Error" not in str(error)
