"""What a gateway buys for others over HTTP of brought-along capabilities: jobs and streams (offchain-network 4.12).

Video of streams goes in and out through the library; over HTTP a stream has data, updates and a status.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from livepeer_client.codec import byoc_api, byoc_stream
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.byoc_api import Order
from livepeer_client.codec.messages import VideoFormat
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
    RemoteProtocolError,
    TransportError,
)
from livepeer_client.facts.ingest import Unserved
from livepeer_client.ports import Clock
from livepeer_client.services.byoc_dispatch import ByocDispatcher, ByocReply, Terms
from livepeer_client.services.byoc_stream import ByocStream

MAX_STREAMS: Final = 100
KEPT_S: Final = 600.0
"""How long the end of a stream can be asked about."""
NOT_FOUND: Final = Unserved(404, "stream not found")
NO_VIDEO: Final = "video of streams is fed by the library (Gateway.byoc_stream), not over HTTP"

_log = logging.getLogger(__name__)


class Auth(Protocol):
    """Says who may spend; see `adapters.ingest.WebhookAuth`."""

    async def authorise(self, url: str, format_: VideoFormat) -> object:
        """:raises PeerRefused: no.
        :raises RemoteProtocolError, TransportError: no answer that says anything.
        """


@dataclass(slots=True, eq=False)
class _Held:
    stream: ByocStream
    capability: str
    started_at: float
    stopping: asyncio.Event
    task: asyncio.Task[None] | None = None
    ended_s: float | None = None
    reason: str = ""


class ByocFront:
    """All that one gateway buys over HTTP."""

    def __init__(self, byoc: ByocDispatcher, clock: Clock, *, auth: Auth | None = None) -> None:
        self._byoc = byoc
        self._clock = clock
        self._auth = auth
        self._streams: dict[str, _Held] = {}

    @asynccontextmanager
    async def job(
        self, url: str, header: str, path: str, body: bytes, content_type: str
    ) -> AsyncIterator[ByocReply | Unserved]:
        """A `POST /process/request/{path}`: the answer, to be read inside; what blames the request has its status."""
        order = await self._ordered(url, header)
        if isinstance(order, Unserved):
            yield order
            return
        async with AsyncExitStack() as opened:
            answer: ByocReply | Unserved
            try:
                job = self._byoc.job(_terms(order), body, path=path, content_type=content_type)
                answer = await opened.enter_async_context(job)
            except LivepeerError as error:
                answer = _unserved(error)
            yield answer

    async def start(self, url: str, header: str, body: bytes) -> dict[str, Any] | Unserved:
        """A `POST /process/stream/start`: the stream's id and where to go on."""
        order = await self._ordered(url, header)
        if isinstance(order, Unserved):
            return order
        self._forget()
        if sum(held.ended_s is None for held in self._streams.values()) >= MAX_STREAMS:
            return Unserved(503, "too many streams")
        try:
            said = byoc_stream.decode_body(body)
            channels = byoc_stream.decode_parameters(byoc_api.json_text(order.parameters))
            if channels.ingress or channels.egress:
                return Unserved(501, NO_VIDEO)
            stream = ByocStream(self._byoc, _terms(order), channels, said, stream_id=str(said.get("stream_id") or ""))
        except MalformedMessage as error:
            return Unserved(400, str(error))
        except InvalidInput as error:
            return Unserved(400, str(error))
        if stream.stream_id in self._streams:
            return Unserved(409, "stream already exists")
        held = _Held(stream, order.capability, self._clock.time(), asyncio.Event())
        self._streams[stream.stream_id] = held
        verdict: asyncio.Future[Unserved | None] = asyncio.get_running_loop().create_future()
        held.task = asyncio.create_task(self._hold(held, verdict))
        refused = await verdict
        if refused is not None:
            del self._streams[stream.stream_id]
            return refused
        base = f"/process/stream/{stream.stream_id}"
        return {"stream_id": stream.stream_id} | {
            f"{name}_url": f"{base}/{name}" for name in ("update", "status", "stop", "data")
        }

    async def update(self, stream_id: str, body: bytes) -> bytes | Unserved:
        """New parameters for a stream's worker; its answer."""
        held = self._running(stream_id)
        if held is None:
            return NOT_FOUND
        try:
            return await held.stream.update(byoc_stream.decode_body(body)) or b"{}"
        except MalformedMessage as error:
            return Unserved(400, str(error))
        except LivepeerError as error:
            return _unserved(error)

    def status(self, stream_id: str) -> dict[str, Any] | Unserved:
        """How a stream stands."""
        held = self._streams.get(stream_id)
        if held is None:
            return NOT_FOUND
        orchestrator = held.stream.orchestrator
        return {
            "stream_id": stream_id,
            "capability": held.capability,
            "status": "ended" if held.ended_s is not None else "running",
            "reason": held.reason,
            "orchestrator": None if orchestrator is None else checksum_address(orchestrator),
            "orchestrators_asked": held.stream.starts,
            "started_at": held.started_at,
        }

    async def stop(self, stream_id: str) -> dict[str, Any] | Unserved:
        """End a stream; its status once its last second is paid."""
        held = self._running(stream_id)
        if held is None or held.task is None:
            return NOT_FOUND
        held.stopping.set()
        await asyncio.wait({held.task})
        return self.status(stream_id)

    def data(self, stream_id: str) -> AsyncIterator[bytes] | Unserved:
        """What a stream's worker writes, JSON lines, until it ends."""
        held = self._running(stream_id)
        return NOT_FOUND if held is None else held.stream.data()

    async def close(self) -> None:
        """End all streams."""
        tasks = [held.task for held in self._streams.values() if held.task is not None]
        for held in self._streams.values():
            held.stopping.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------

    async def _ordered(self, url: str, header: str) -> Order | Unserved:
        """What is asked for, by somebody who may."""
        try:
            order = byoc_api.decode_order(header)
        except MalformedMessage as error:
            return Unserved(400, error.detail)
        if self._auth is None:
            return order
        try:
            await self._auth.authorise(url, VideoFormat.MPEGTS)
        except PeerRefused as error:
            _log.info("job refused capability=%s reason=%s", order.capability, error)
            return Unserved(403, "Forbidden")
        except (RemoteProtocolError, TransportError) as error:
            _log.warning("webhook without an answer capability=%s reason=%s", order.capability, error)
            return Unserved(500, "Internal Server Error")
        return order

    async def _hold(self, held: _Held, verdict: "asyncio.Future[Unserved | None]") -> None:
        stopped = asyncio.ensure_future(held.stopping.wait())
        try:
            async with held.stream as stream:
                verdict.set_result(None)
                over = asyncio.ensure_future(stream.over())
                await asyncio.wait({over, stopped}, return_when=asyncio.FIRST_COMPLETED)
                held.reason = "stopped"
                if over.done():
                    over.result()
                    held.reason = "ended"
                else:
                    over.cancel()
        except LivepeerError as error:
            held.reason = str(error)
            if not verdict.done():
                verdict.set_result(_unserved(error))
            else:
                _log.warning("stream ended stream=%s reason=%s", held.stream.stream_id, error)
        finally:
            stopped.cancel()
            held.ended_s = self._clock.monotonic()
            if not verdict.done():
                verdict.set_result(Unserved(500, "Internal Server Error"))

    def _running(self, stream_id: str) -> _Held | None:
        held = self._streams.get(stream_id)
        return None if held is None or held.ended_s is not None else held

    def _forget(self) -> None:
        now_s = self._clock.monotonic()
        for name, held in list(self._streams.items()):
            if held.ended_s is not None and now_s - held.ended_s > KEPT_S:
                del self._streams[name]


def _terms(order: Order) -> Terms:
    """With the orchestrators that its parameters name.

    :raises InvalidInput: no name of a capability, or lists that are none.
    """
    chosen = order.parameters.get("orchestrators") or {}
    if not isinstance(chosen, Mapping):
        raise InvalidInput("parameters: orchestrators")
    include, exclude = (chosen.get(key) or [] for key in ("include", "exclude"))
    for listed in (include, exclude):
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise InvalidInput("parameters: orchestrators")
    return Terms(order.capability, order.request, order.parameters, order.timeout_s, include, exclude)


def _unserved(error: LivepeerError) -> Unserved:
    """What a failure is to whoever asked over HTTP."""
    if isinstance(error, PeerRefused) and 400 <= error.status < 500:
        return Unserved(error.status, error.reason)
    if isinstance(error, InvalidInput):
        return Unserved(400, str(error))
    if isinstance(error, NoOrchestrator | ParamsRejected):
        _log.warning("nobody does it: %s", error)
        return Unserved(503, "No orchestrators available")
    _log.error("job lost: %s", error)
    return Unserved(502 if isinstance(error, RemoteProtocolError | TransportError) else 500, "the job failed")
