"""Ask orchestrators for their terms over gRPC (offchain-network 1.3, 2.4).

Orchestrators present self-signed certificates that nobody checks: who they are is settled by signatures, not by TLS
(offchain-network 0). Python's gRPC cannot skip verification, so each authority is trusted on first use: its leaf is
fetched once, pinned as the only root, and the expected name set to one the certificate carries. The pin is therefore
a cache and no statement about identity; when a peer cannot be reached it is fetched anew and the call tried once more.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import grpc
import grpc.aio

from livepeer_client.adapters.deadline import Deadline
from livepeer_client.adapters.pins import Pin, PinFolder, make_pin
from livepeer_client.codec import wire
from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.types import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET_ORCHESTRATOR: Final = "/net.Orchestrator/GetOrchestrator"
PING: Final = "/net.Orchestrator/Ping"
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Of an answer; a complete one has a few thousand. Small entries grow fifty-fold when they are decoded."""
MAX_TASK_BYTES: Final = 4 * 1024 * 1024
"""Of a message on a long call, from somebody that the operator named."""
PROOF_S: Final = 86_400.0
_MAX_HOST_CHARS: Final = 253

_log = logging.getLogger(__name__)


def _timed_out(peer: str, status: int, text: str) -> LivepeerError:
    return PeerTimeout(peer, text or "deadline exceeded")


def _unreachable(peer: str, status: int, text: str) -> LivepeerError:
    return PeerUnreachable(peer, text)


def _malformed(peer: str, status: int, text: str) -> LivepeerError:
    return MalformedMessage(f"gRPC answer of {peer}", text)


# Every status but OK. Handlers of the network answer UNKNOWN, their text being the contract (offchain-network 0).
STATUS_ERRORS: Final[Mapping[grpc.StatusCode, Callable[[str, int, str], LivepeerError]]] = {
    grpc.StatusCode.CANCELLED: _unreachable,
    grpc.StatusCode.UNKNOWN: PeerRefused,
    grpc.StatusCode.INVALID_ARGUMENT: PeerRefused,
    grpc.StatusCode.DEADLINE_EXCEEDED: _timed_out,
    grpc.StatusCode.NOT_FOUND: PeerRefused,
    grpc.StatusCode.ALREADY_EXISTS: PeerRefused,
    grpc.StatusCode.PERMISSION_DENIED: PeerRefused,
    grpc.StatusCode.UNAUTHENTICATED: PeerRefused,
    grpc.StatusCode.RESOURCE_EXHAUSTED: PeerRefused,
    grpc.StatusCode.FAILED_PRECONDITION: PeerRefused,
    grpc.StatusCode.ABORTED: PeerRefused,
    grpc.StatusCode.UNIMPLEMENTED: PeerRefused,
    # What the library itself reports when a peer breaks HTTP/2 or gRPC framing.
    grpc.StatusCode.INTERNAL: _malformed,
    grpc.StatusCode.OUT_OF_RANGE: PeerRefused,
    grpc.StatusCode.UNAVAILABLE: _unreachable,
    grpc.StatusCode.DATA_LOSS: _malformed,
}


@dataclass(frozen=True, slots=True)
class _Authority:
    host: str
    port: int
    tls: bool

    @property
    def file_name(self) -> str:
        return quote(self.target, safe="")

    @property
    def target(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(maxsize=4096)
def _authority(uri: str) -> _Authority:
    """Host and port of a service URI; without a scheme it is taken for https, as the network does.

    :raises MalformedMessage: not `http(s)://host[:port]`. Service URIs are written by their owners.
    """
    try:
        parts = urlsplit(uri if "://" in uri else f"https://{uri}")
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:
        raise MalformedMessage("service URI", f"{uri!r}: {error}") from error
    fits = 0 < len(host) <= _MAX_HOST_CHARS and host.isprintable()
    if parts.scheme not in ("http", "https") or not fits or port == 0:
        raise MalformedMessage("service URI", f"{uri!r} is not http(s)://host:port")
    tls = parts.scheme == "https"
    return _Authority(host, port or (443 if tls else 80), tls)


class _Channel:
    """A kept channel. Closing one cancels its calls, so a replaced channel closes with its last call."""

    def __init__(self, authority: _Authority, pin: Pin | None) -> None:
        options: list[tuple[str, object]] = [
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
            # Peers are reached directly, like the certificate was.
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            # The default back-off of up to two minutes would hide a peer that came back.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1000),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if pin is None:
            self._channel = grpc.aio.insecure_channel(authority.target, options)
        else:
            credentials = grpc.ssl_channel_credentials(ssl.DER_cert_to_PEM_cert(pin.der).encode())
            options.append(("grpc.ssl_target_name_override", pin.name))
            self._channel = grpc.aio.secure_channel(authority.target, credentials, options)
        self._calls = 0
        self._retired = False

    async def call(self, method: str, request: bytes, timeout_s: float) -> bytes:
        """:raises grpc.aio.AioRpcError:"""
        self._calls += 1
        try:
            answer: bytes = await self._channel.unary_unary(method)(request, timeout=timeout_s)
            return answer
        finally:
            self._calls -= 1
            if self._retired and not self._calls:
                await self._channel.close()

    async def retire(self) -> None:
        self._retired = True
        if not self._calls:
            await self._channel.close()

    async def close(self) -> None:
        await self._channel.close()


@dataclass(slots=True)
class _Peer:
    authority: _Authority
    channel: _Channel | None = None
    pin: Pin | None = None
    # One caller connects, the others wait for its channel, each within its own deadline.
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)


class GrpcProbe:
    """`ports.OrchestratorProbe` and `ports.KeyProofs` over grpc.aio. Channels and pins are kept per authority, the pins
    in a folder."""

    def __init__(self, pins: Path | None = None) -> None:
        self._folder = PinFolder(pins) if pins is not None else None
        self._peers: dict[_Authority, _Peer] = {}
        self._closed = False
        self._request: tuple[OrchestratorRequest, bytes] | None = None
        self._reading = asyncio.Lock()
        self._read = False
        self._unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._unverified.check_hostname = False
        self._unverified.verify_mode = ssl.CERT_NONE
        self._unverified.set_alpn_protocols(["h2"])

    async def __aenter__(self) -> "GrpcProbe":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        """See `ports.OrchestratorProbe.get_info`."""
        # A discovery sends one and the same request to everybody.
        if self._request is None or self._request[0] is not request:
            self._request = request, wire.encode_orchestrator_request(request)
        answer = await self._call(uri, GET_ORCHESTRATOR, self._request[1], timeout_s)
        return wire.decode_orchestrator_info(answer)

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        """See `ports.OrchestratorProbe.ping`."""
        return wire.decode_ping(await self._call(uri, PING, wire.encode_ping(value), timeout_s))

    # --- ports.KeyProofs

    async def recall(self, uri: str) -> Address | None:
        """See `ports.KeyProofs.recall`. A proof counts for a day, and as long as the peer's certificate is the same;
        without TLS nothing is remembered."""
        try:
            authority = _authority(uri)
        except MalformedMessage:
            return None
        pin = await self._kept(self._peers.setdefault(authority, _Peer(authority))) if authority.tls else None
        return pin.proven if pin is not None and time.time() - pin.proven_at < PROOF_S else None

    async def remember(self, uri: str, address: Address) -> None:
        """See `ports.KeyProofs.remember`."""
        peer = self._peers.get(_authority(uri))
        if peer is None or peer.pin is None:
            return
        peer.pin = replace(peer.pin, proven=address, proven_at=time.time())
        if self._folder is not None:
            await asyncio.to_thread(self._folder.store, peer.authority.file_name, peer.pin)

    async def open_channel(
        self, uri: str, *, authority: bytes | None = None, keepalive_s: float = 30
    ) -> grpc.aio.Channel:
        """A channel to a peer for one long call; the caller closes it.

        Whether the peer is still there is asked every `keepalive_s` seconds, also while nothing is said.

        :param authority: PEM of the only certificate that is trusted; without, the one that the peer presents now.
        :raises MalformedMessage: `uri` is no service URI, or the peer's certificate none.
        :raises PeerUnreachable: nobody listens there.
        """
        target = _authority(uri)
        options: list[tuple[str, object]] = [
            ("grpc.max_receive_message_length", MAX_TASK_BYTES),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        if not target.tls:
            return grpc.aio.insecure_channel(target.target, options)
        if authority is None:
            pin = await self._first_contact(target)
        else:
            pin = make_pin(ssl.PEM_cert_to_DER_cert(authority.decode("ascii")), target.host)
        options.append(("grpc.ssl_target_name_override", pin.name))
        credentials = grpc.ssl_channel_credentials(ssl.DER_cert_to_PEM_cert(pin.der).encode())
        return grpc.aio.secure_channel(target.target, credentials, options)

    async def close(self) -> None:
        """Close all channels; calls in flight end as unreachable."""
        self._closed = True
        peers, self._peers = list(self._peers.values()), {}
        for peer in peers:
            if peer.channel is not None:
                await peer.channel.close()

    async def _call(self, uri: str, method: str, request: bytes, timeout_s: float) -> bytes:
        if self._closed:
            raise InvalidInput("the probe is closed")
        authority = _authority(uri)
        peer = self._peers.setdefault(authority, _Peer(authority))
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with _deadline(uri, deadline):
            channel = await self._connected(peer)
            try:
                return await channel.call(method, request, _left(deadline))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or not authority.tls:
                    raise _translated(uri, error) from error
            # Either the certificate changed or a kept channel sits out its back-off. A fresh leaf tells whether
            # anybody listens at all; if so, one more try on a new channel, and only one.
            channel = await self._connected(peer, instead_of=channel)
            try:
                return await channel.call(method, request, _left(deadline))
            except grpc.aio.AioRpcError as error:
                raise _translated(uri, error) from error

    async def _connected(self, peer: _Peer, instead_of: _Channel | None = None) -> _Channel:
        """The peer's channel; a new one with a fresh pin if the kept one is `instead_of`."""
        async with peer.connecting:
            if peer.channel is not None and peer.channel is not instead_of:
                return peer.channel
            if peer.authority.tls:
                peer.pin = await self._pinned(peer, fresh=instead_of is not None)
            replaced, peer.channel = peer.channel, _Channel(peer.authority, peer.pin)
            if replaced is not None:
                await replaced.retire()
            return peer.channel

    async def _pinned(self, peer: _Peer, *, fresh: bool) -> Pin:
        if not fresh and (kept := await self._kept(peer)) is not None:
            return kept
        pin = await self._first_contact(peer.authority)
        if self._folder is not None and not pin.same_certificate(peer.pin):
            await asyncio.to_thread(self._folder.store, peer.authority.file_name, pin)
        return pin

    async def _kept(self, peer: _Peer) -> Pin | None:
        """What is known of a peer's certificate, from the last connection or from disk."""
        if peer.pin is None and self._folder is not None:
            async with self._reading:
                if not self._read:
                    await asyncio.to_thread(self._folder.read)
                    self._read = True
            if peer.pin is None:
                peer.pin = self._folder.load(peer.authority.file_name, peer.authority.host)
        return peer.pin

    async def _first_contact(self, authority: _Authority) -> Pin:
        """Fetch the leaf by a handshake that checks nothing."""
        try:
            _, writer = await asyncio.open_connection(authority.host, authority.port, ssl=self._unverified)
        except TimeoutError:
            raise
        except OSError as error:
            raise PeerUnreachable(authority.target, str(error)) from error
        try:
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
        if der is None:
            raise MalformedMessage("certificate", f"{authority.target} presented none")
        return make_pin(der, authority.host)


@asynccontextmanager
async def _deadline(peer: str, at: float) -> "AsyncIterator[None]":
    try:
        async with Deadline(at):
            yield
    except TimeoutError as error:
        raise PeerTimeout(peer, "no answer in time") from error


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.0)


def _translated(peer: str, error: "grpc.aio.AioRpcError") -> LivepeerError:
    code: grpc.StatusCode = error.code()
    number: int = code.value[0]
    return STATUS_ERRORS[code](peer, number, error.details() or code.name)
