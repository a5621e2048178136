"""Streams that are pushed segment by segment over HTTP (offchain-network 4.1), each a `StreamSession`."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from livepeer_client.codec.messages import VideoFormat, VideoProfile
from livepeer_client.codec.presets import StreamOrder
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MediaError,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
    RemoteProtocolError,
    TransportError,
)
from livepeer_client.facts.ingest import Push, Unserved
from livepeer_client.ports import Clock
from livepeer_client.services.dispatch import Dispatcher, Observer, SegmentResult, StreamSession, ignore
from livepeer_client.services.dispatch_events import StreamRules

IDLE_S: Final = 60.0
"""A stream nobody pushes to for so long has ended."""
SWEEP_S: Final = 5.0
MAX_STREAMS: Final = 1000
_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")

_log = logging.getLogger(__name__)


class IngestAuth(Protocol):
    """Says who may push, and what is made of it."""

    async def authorise(self, url: str, format_: VideoFormat) -> StreamOrder:
        """Ask about the first segment of a stream by the URL that it was pushed to.

        :raises PeerRefused: no.
        :raises PeerTimeout, PeerUnreachable, MalformedMessage: no answer that says anything.
        """


@dataclass(slots=True)
class _Stream:
    session: StreamSession
    pushed_at_s: float
    info: dict[str, str]
    pushes: int = 0


class PushIngest:
    """All streams that are pushed to one gateway.

    :param profiles: what a stream is made into if nobody says.
    :param auth: asked once per stream; without, everybody who reaches the gateway may push.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        profiles: Sequence[VideoProfile],
        *,
        auth: IngestAuth | None = None,
        observer: Observer = ignore,
        idle_s: float = IDLE_S,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self.profiles = tuple(profiles)
        self._dispatcher = dispatcher
        self._clock = clock
        self._auth = auth
        self._observe = observer
        self._idle_s = idle_s
        self._max_streams = max_streams
        self._streams: dict[str, _Stream] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._draining = False

    async def push(self, push: Push, read: Callable[[], Awaitable[bytes]] | None = None) -> SegmentResult | Unserved:
        """Have one segment transcoded. What blames the segment is 422, what nobody can serve now 503.

        :param read: gives the segment's data, which is not there yet; of who may not push it is never asked for. What
            it raises is raised here.
        """
        if self._draining:
            return Unserved(503, "shutting down")
        if not _ID.fullmatch(push.manifest_id):
            return Unserved(400, "no name of a stream")
        try:
            stream = await self._stream(push)
            if isinstance(stream, Unserved):
                return stream
            stream.pushes += 1
            try:
                data = push.data if read is None else await read()
                return await stream.session.submit(push.seq, data, push.duration_ms, push.slice)
            finally:
                stream.pushes -= 1
                stream.pushed_at_s = self._clock.monotonic()
        except MediaError as error:
            return Unserved(422, error.reason)
        except InvalidInput as error:
            return Unserved(400, str(error))
        except NoOrchestrator as error:
            _log.warning("no session stream=%s seq=%d reason=%s", push.manifest_id, push.seq, error)
            return Unserved(503, "No sessions available")
        except ParamsRejected as error:
            _log.error("cannot pay stream=%s reason=%s", push.manifest_id, error)
            return Unserved(503, "No sessions available")
        except LivepeerError as error:
            _log.error("segment lost stream=%s seq=%d reason=%s", push.manifest_id, push.seq, error)
            return Unserved(500, "Internal Server Error")

    async def _stream(self, push: Push) -> _Stream | Unserved:
        """The stream of a segment, opened by the first one."""
        lock = self._opening.setdefault(push.manifest_id, asyncio.Lock())
        async with lock:
            known = self._streams.get(push.manifest_id)
            if known is not None:
                return known
            if len(self._streams) >= self._max_streams:
                self._opening.pop(push.manifest_id, None)
                return Unserved(503, "too many streams")
            ordered = StreamOrder()
            try:
                if self._auth is not None:
                    ordered = await self._auth.authorise(push.url, push.format)
            except PeerRefused as error:
                _log.info("push refused stream=%s reason=%s", push.manifest_id, error)
                return Unserved(403, "Forbidden")
            except (RemoteProtocolError, TransportError) as error:
                _log.warning("webhook without an answer stream=%s reason=%s", push.manifest_id, error)
                return Unserved(500, "Internal Server Error")
            finally:
                if push.manifest_id not in self._streams:
                    self._opening.pop(push.manifest_id, None)
            own = push.order or StreamOrder()
            profiles = own.profiles or ordered.profiles or self.profiles
            profiles = tuple(replace(profile, format=push.format) for profile in profiles)
            name = ordered.manifest_id or push.manifest_id
            rules = StreamRules(
                own.verification if ordered.verification is None else ordered.verification,
                own.timeout_multiplier if ordered.timeout_multiplier is None else ordered.timeout_multiplier,
            )
            session = self._dispatcher.stream(profiles, name, self._observe, rules)
            said = {"StreamID": ordered.stream_id or own.stream_id, "SessionID": ordered.session_id or own.session_id}
            info = {key: value for key, value in said.items() if value}
            stream = self._streams[push.manifest_id] = _Stream(session, self._clock.monotonic(), info)
            _log.info("stream opened stream=%s renditions=%d", push.manifest_id, len(profiles))
            if unserved := sorted({*ordered.unserved, *own.unserved}):
                # Whoever orders a recording has to hear that there will be none.
                _log.warning("stream ordered what is not served stream=%s fields=%s", push.manifest_id, unserved)
                stream.info["Unserved"] = ", ".join(unserved)
            return stream

    # --- upkeep -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Close streams that have ended, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            await self.close_idle()

    async def close_idle(self) -> None:
        """Close streams that nobody pushes to."""
        now_s = self._clock.monotonic()
        for name, stream in list(self._streams.items()):
            if not stream.pushes and now_s - stream.pushed_at_s > self._idle_s:
                await self._close(name)

    async def drain(self, poll_s: float = 0.1) -> None:
        """Take no more segments and wait for those under way."""
        self._draining = True
        while any(stream.pushes for stream in self._streams.values()):
            await self._clock.sleep(poll_s)
        for name in list(self._streams):
            await self._close(name)

    async def _close(self, name: str) -> None:
        stream = self._streams.pop(name)
        self._opening.pop(name, None)
        await stream.session.close()
        _log.info("stream closed stream=%s", name)

    def session(self, name: str) -> StreamSession | None:
        """The session of a stream that is open."""
        stream = self._streams.get(name)
        return None if stream is None else stream.session

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    def status(self) -> Mapping[str, object]:
        """What the network's tools read (offchain-network 7)."""
        return {
            "Manifests": {name: {"Swaps": stream.session.swaps} for name, stream in self._streams.items()},
            "InternalManifests": {name: stream.session.manifest_id for name, stream in self._streams.items()},
            "StreamInfo": {name: stream.info for name, stream in self._streams.items()},
            "OrchestratorPool": [],
            "Draining": self._draining,
        }
