"""`ports.TicketRedeemer` over gRPC and TLS."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from livepeer_client.adapters.grpc_probe import STATUS_ERRORS
from livepeer_client.codec import redeemer_api
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import ConfigError, LivepeerError, PeerRefused
from livepeer_client.types import Address, Wei

_PATH: Final = "/net.TicketRedeemer/"


class GrpcTicketRedeemer:
    """A redeemer at `host:port`. Close it when done.

    :param authority: PEM file of the redeemer's certificate, or of whoever signed it.
    :param name: what that certificate is for, if not the host.
    :param token: shown with every call, or None.
    :param certificate: PEM file with one's own key and certificate, or None.
    :raises ConfigError: a file cannot be read.
    """

    def __init__(
        self,
        target: str,
        *,
        authority: Path,
        name: str | None = None,
        token: str | None = None,
        certificate: Path | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        try:
            root = authority.read_bytes()
            own = None if certificate is None else certificate.read_bytes()
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        credentials = grpc.ssl_channel_credentials(root_certificates=root, private_key=own, certificate_chain=own)
        # A redeemer that restarts is back within seconds; gRPC itself would wait for up to two minutes.
        options: list[tuple[str, str | int]] = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5000),
        ]
        if name is not None:
            options.append(("grpc.ssl_target_name_override", name))
        self._channel = grpc.aio.secure_channel(target, credentials, options=options)
        self._target = target
        self._metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"GrpcTicketRedeemer({self._target})"

    async def queue_ticket(self, winner: WinningTicket) -> None:
        await self._ask("QueueTicket", redeemer_api.encode_ticket(winner))

    async def max_float(self, sender: Address) -> Wei:
        answer = await self._ask("MaxFloat", redeemer_api.encode_max_float_request(sender))
        return redeemer_api.decode_max_float(answer)

    async def monitor_max_float(self, sender: Address) -> AsyncIterator[Wei]:
        call = self._channel.unary_stream(f"{_PATH}MonitorMaxFloat")(
            redeemer_api.encode_max_float_request(sender), metadata=self._metadata
        )
        try:
            async for answer in call:
                yield redeemer_api.decode_max_float(answer)
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error
        finally:
            call.cancel()

    async def close(self) -> None:
        await self._channel.close()

    async def _ask(self, method: str, data: bytes) -> bytes:
        try:
            answer: bytes = await self._channel.unary_unary(_PATH + method)(
                data, metadata=self._metadata, timeout=self._timeout_s
            )
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error
        return answer

    def _error(self, error: grpc.aio.AioRpcError) -> LivepeerError:
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.INTERNAL:
            # What this service answers for all that is not its caller's identity or recipient.
            return PeerRefused(self._target, code.value[0], text)
        return STATUS_ERRORS[code](self._target, code.value[0], text)
