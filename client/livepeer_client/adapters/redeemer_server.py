"""`net.TicketRedeemer` over gRPC and TLS, for those who can prove that they may (offchain-payments 11.4).

The reference asks nobody who they are. Here a caller shows a token in the metadata `authorization: Bearer ...`, or a
certificate of an authority that the redeemer was given; without either the server does not start.
"""

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import grpc
import grpc.aio

from livepeer_client.codec import redeemer_api
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import BadCredentials, ConfigError, LivepeerError, MalformedMessage
from livepeer_client.types import Address

SERVICE: Final = "net.TicketRedeemer"
MIN_TOKEN_CHARS: Final = 16
MAX_BYTES: Final = 1 << 16
"""No request of this service comes near it."""

logger = logging.getLogger(__name__)


class Service(Protocol):
    """What is served."""

    async def queue_ticket(self, winner: WinningTicket) -> None: ...

    async def max_float(self, sender: Address) -> int: ...

    def monitor_max_float(self, sender: Address) -> AsyncIterator[int]: ...


class RedeemerServer:
    """A gRPC server for one service. Use inside `async with`; `port` is known then.

    :param certificate: PEM file with the server's key and certificate.
    :param token: what callers must show, or None.
    :param client_authority: PEM file of the authority whose certificates callers must have, or None.
    :param wrong_recipient: the error of `service` that means PERMISSION_DENIED.
    :raises ConfigError: neither token nor authority, or a token that is too short to keep anybody out.
    """

    def __init__(
        self,
        service: Service,
        *,
        host: str,
        port: int,
        certificate: Path,
        token: str | None = None,
        client_authority: Path | None = None,
        wrong_recipient: type[BadCredentials],
    ) -> None:
        if token is None and client_authority is None:
            raise ConfigError("a redeemer needs a token or an authority for its callers' certificates")
        if token is not None and len(token) < MIN_TOKEN_CHARS:
            raise ConfigError(f"a redeemer's token has at least {MIN_TOKEN_CHARS} characters")
        self._service = service
        self._host = host
        self._port = port
        self._certificate = certificate
        self._token = None if token is None else f"Bearer {token}".encode()
        self._client_authority = client_authority
        self._wrong_recipient = wrong_recipient
        self._server: grpc.aio.Server | None = None

    @property
    def port(self) -> int:
        return self._port

    async def __aenter__(self) -> "RedeemerServer":
        try:
            pem = self._certificate.read_bytes()
            authority = None if self._client_authority is None else self._client_authority.read_bytes()
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        credentials = grpc.ssl_server_credentials(
            [(pem, pem)], root_certificates=authority, require_client_auth=authority is not None
        )
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_BYTES)])
        self._server.add_generic_rpc_handlers([self._handlers()])
        self._port = self._server.add_secure_port(f"{self._host}:{self._port}", credentials)
        if self._port == 0:
            raise ConfigError(f"cannot listen on {self._host}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            await self._server.stop(grace=0.2)

    def _handlers(self) -> grpc.GenericRpcHandler:
        async def queue_ticket(data: bytes) -> bytes:
            await self._service.queue_ticket(redeemer_api.decode_ticket(data))
            # QueueTicketRes has no fields.
            return b""

        async def max_float(data: bytes) -> bytes:
            sender = redeemer_api.decode_max_float_request(data)
            return redeemer_api.encode_max_float(await self._service.max_float(sender))

        async def monitor(data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            await self._authorize(context)
            try:
                sender = redeemer_api.decode_max_float_request(data)
                async for value in self._service.monitor_max_float(sender):
                    yield redeemer_api.encode_max_float(value)
            except LivepeerError as error:
                await self._abort(context, error)

        handlers = {
            "QueueTicket": grpc.unary_unary_rpc_method_handler(self._answer(queue_ticket)),
            "MaxFloat": grpc.unary_unary_rpc_method_handler(self._answer(max_float)),
            "MonitorMaxFloat": grpc.unary_stream_rpc_method_handler(monitor),
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _answer(
        self, call: Callable[[bytes], Awaitable[bytes]]
    ) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def method(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
            await self._authorize(context)
            try:
                return await call(data)
            except LivepeerError as error:
                await self._abort(context, error)
            raise AssertionError("abort raises")

        return method

    async def _authorize(self, context: grpc.aio.ServicerContext) -> None:
        if self._token is None:
            # The handshake has seen the certificate.
            return
        shown = dict(context.invocation_metadata() or ()).get("authorization", "")
        given = shown.encode() if isinstance(shown, str) else bytes(shown)
        if not hmac.compare_digest(given, self._token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid token")

    async def _abort(self, context: grpc.aio.ServicerContext, error: LivepeerError) -> None:
        if isinstance(error, self._wrong_recipient):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        if isinstance(error, BadCredentials | MalformedMessage):
            await context.abort(grpc.StatusCode.INTERNAL, str(error))
        # Our own trouble: its text may name a node or a file, which is nobody else's business.
        logger.warning("redeemer: %s", error)
        await context.abort(grpc.StatusCode.INTERNAL, "Internal Server Error")
