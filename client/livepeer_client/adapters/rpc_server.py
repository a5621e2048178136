"""`net.Orchestrator` over gRPC: methods by path, messages by our own codec, no generated stubs.

A refusal is status UNKNOWN with the wire text as its message, for that is what peers compare (offchain-network 0,
1.4); bytes that do not decode are INTERNAL, as gRPC itself answers them.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import grpc.aio

from livepeer_client.codec import wire
from livepeer_client.codec.messages import AuthToken, OrchestratorInfo, OrchestratorRequest
from livepeer_client.errors import LivepeerError, MalformedMessage, QuoteRefused, RemoteProtocolError

SERVICE: Final = "net.Orchestrator"

_log = logging.getLogger(__name__)

GetOrchestrator = Callable[[OrchestratorRequest], Awaitable[OrchestratorInfo]]
Ping = Callable[[bytes], Awaitable[bytes]]
EndSession = Callable[[AuthToken | None], Awaitable[None]]
Method = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


def orchestrator_rpc(get_orchestrator: GetOrchestrator, ping: Ping, end_session: EndSession) -> grpc.GenericRpcHandler:
    """The service over three callables; the texts of their `RemoteProtocolError` and `QuoteRefused` go to the peer."""

    async def on_get_orchestrator(data: bytes) -> bytes:
        return wire.encode_orchestrator_info(await get_orchestrator(wire.decode_orchestrator_request(data)))

    async def on_ping(data: bytes) -> bytes:
        return wire.encode_ping(await ping(wire.decode_ping(data)))

    async def on_end_session(data: bytes) -> bytes:
        await end_session(wire.decode_end_session_request(data))
        # EndTranscodingSessionResponse has no fields.
        return b""

    methods = {"GetOrchestrator": on_get_orchestrator, "Ping": on_ping, "EndTranscodingSession": on_end_session}
    handlers = {name: grpc.unary_unary_rpc_method_handler(_answer(name, call)) for name, call in methods.items()}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _answer(name: str, call: Callable[[bytes], Awaitable[bytes]]) -> Method:
    async def method(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            return await call(data)
        except MalformedMessage as error:
            _log.info("rpc refused method=%s reason=%s", name, error)
            await context.abort(grpc.StatusCode.INTERNAL, str(error))
        except (RemoteProtocolError, QuoteRefused) as error:
            _log.info("rpc refused method=%s reason=%s", name, error)
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except LivepeerError as error:
            # Our own trouble: its text may name a node or a file, which is nobody else's business.
            _log.warning("rpc failed method=%s reason=%s", name, error)
            await context.abort(grpc.StatusCode.UNKNOWN, "Internal Server Error")
        raise AssertionError("abort raises")

    return method
