"""Orchestrators that answer what a test says, without a network."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, TranscodeResult
from livepeer_client.errors import LivepeerError, PeerRefused, PeerTimeout, PeerUnreachable
from livepeer_client.ports import Clock

InfoAnswer = OrchestratorInfo | LivepeerError | Callable[[OrchestratorRequest], OrchestratorInfo]


class FakeOrchestratorProbe:
    """`ports.OrchestratorProbe`: `answers` maps a URI to its information, an error to raise, or a function.

    `latency_s` maps a URI to how long it takes on `clock`; beyond the caller's timeout it is a `PeerTimeout`. A URI
    without an answer is unreachable. `pings` maps a URI to the signature it gives.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self.answers: dict[str, InfoAnswer] = {}
        self.pings: dict[str, bytes] = {}
        self.latency_s: dict[str, float] = {}
        self.asked: list[tuple[str, OrchestratorRequest]] = []

    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        self.asked.append((uri, request))
        await self._travel(uri, timeout_s)
        answer = self.answers.get(uri)
        if answer is None:
            raise PeerUnreachable(uri, "connection refused")
        if isinstance(answer, LivepeerError):
            raise answer
        return answer if isinstance(answer, OrchestratorInfo) else answer(request)

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        await self._travel(uri, timeout_s)
        if uri not in self.pings:
            raise PeerUnreachable(uri, "connection refused")
        return self.pings[uri]

    async def close(self) -> None:
        """Nothing is held."""

    async def _travel(self, uri: str, timeout_s: float) -> None:
        latency_s = self.latency_s.get(uri, 0.0)
        if self._clock is not None and latency_s:
            await self._clock.sleep(min(latency_s, timeout_s))
        if latency_s > timeout_s:
            raise PeerTimeout(uri, f"no answer within {timeout_s} s")


@dataclass(frozen=True, slots=True)
class FakeSubmission:
    """One segment as it arrived, with its two base64 headers."""

    uri: str
    segment: bytes
    credentials: str
    payment: str


SegmentHandler = Callable[[FakeSubmission], Awaitable[TranscodeResult]]


class FakeTransport:
    """`ports.SegmentTransport`: `orchestrators` maps a URI to the function that serves its segments.

    A handler raises to break the exchange. `files` maps a URL to the rendition lying there. A URI without a handler
    is unreachable.
    """

    def __init__(self) -> None:
        self.orchestrators: dict[str, SegmentHandler] = {}
        self.files: dict[str, bytes] = {}
        self.submissions: list[FakeSubmission] = []

    async def submit_segment(
        self, uri: str, segment: bytes, *, credentials: str, payment: str, upload_timeout_s: float, timeout_s: float
    ) -> TranscodeResult:
        submission = FakeSubmission(uri, segment, credentials, payment)
        self.submissions.append(submission)
        handler = self.orchestrators.get(uri)
        if handler is None:
            raise PeerUnreachable(uri, "connection refused")
        return await handler(submission)

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        data = self.files.get(url)
        if data is None:
            raise PeerRefused(url, 404, "Not Found")
        if len(data) > limit_bytes:
            raise PeerRefused(url, 200, f"more than {limit_bytes} bytes")
        return data

    async def close(self) -> None:
        """Nothing is held."""
