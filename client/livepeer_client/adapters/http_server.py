"""An orchestrator's HTTP side: routes, body limits and the early 200. Rules live behind the callables handed in.

POST /segment                           one segment with its payment (offchain-network 4.1)
POST /payment                           a payment alone (offchain-network 4.2)
POST /refresh-payment                   fresh terms for a session that has paid (offchain-network 4.2)
GET  /stream/{session}/{profile}/{name} a rendition (offchain-network 4.6)
GET  /status                            a small JSON
"""

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, Self

from aiohttp import web

MAX_SEGMENT_BYTES: Final = 300_000_000
BODY_S: Final = 60
"""A segment is uploaded within half its duration or 2 s, and lasts 5 min at most; nobody honest needs a minute
between two pieces of it."""
UPLOAD_S: Final = 300
"""For the whole body; a segment lasts no longer."""
MAX_BYTES_IN_FLIGHT: Final = 1_500_000_000
"""All segments together that are being received or worked on, whatever their senders and sessions."""
MAX_URL_BYTES: Final = 4096
MAX_JSON_BYTES: Final = 1 << 16

PAYMENT_HEADER: Final = "Livepeer-Payment"
SEGMENT_HEADER: Final = "Livepeer-Segment"
_URI_BODY: Final = "application/vnd+livepeer.uri"

_log = logging.getLogger(__name__)


class Refusal(Protocol):
    """An HTTP status with the text that goes with it."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str: ...


class Exchange(Protocol):
    """One `POST /segment`, step by step."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    async def admit(self) -> Refusal | None:
        """Judge the headers and take the payment; None to go on."""

    @property
    def wants_body(self) -> bool:
        """Whether the body is to be read, once admitted; if not, `work` has its answer without."""

    async def fetch(self, url: str) -> bytes | Refusal:
        """The segment that a body names by its URL."""

    def check_body(self, body: bytes) -> Refusal | None:
        """Whether `body` is what was signed for; None to answer 200."""

    async def work(self, body: bytes) -> bytes:
        """The answer's body, whatever became of the work."""


class Desk(Protocol):
    """What the routes lead to."""

    def exchange(self, payment: str, credentials: str) -> Exchange: ...

    async def pay(self, payment: str, credentials: str) -> bytes | Refusal:
        """Take a payment that comes alone; the answer's body."""

    async def refresh_payment(self, body: bytes) -> bytes | Refusal:
        """Renew the terms of a session; the answer's JSON."""

    def rendition(self, session: str, profile: str, name: str) -> bytes | None: ...

    def status(self) -> Mapping[str, object]: ...


Mount = Callable[[web.Application], None]
"""Adds routes to the application before it is served. They answer HTTP/1.1 and HTTP/2 alike, so they do without an
upgrade over the latter, and send no file by `web.FileResponse`, which writes past the response into the connection."""


def build_app(
    desk: Desk,
    *,
    mounts: Iterable[Mount] = (),
    max_segment_bytes: int = MAX_SEGMENT_BYTES,
    body_s: float = BODY_S,
    upload_s: float = UPLOAD_S,
    max_bytes_in_flight: int = MAX_BYTES_IN_FLIGHT,
) -> web.Application:
    """The routes over `desk`, and those of `mounts`. A body may take `upload_s`, and `body_s` between two pieces."""
    routes = _Routes(desk, max_segment_bytes, body_s, upload_s, max_bytes_in_flight)
    app = web.Application()
    app.add_routes(
        [
            web.post("/segment", routes.segment),
            web.post("/payment", routes.payment),
            web.post("/refresh-payment", routes.refresh),
            web.get("/stream/{session}/{profile}/{name}", routes.rendition),
            web.get("/status", routes.status),
        ]
    )
    for mount in mounts:
        mount(app)
    return app


class _Routes:
    def __init__(self, desk: Desk, max_segment_bytes: int, body_s: float, upload_s: float, room: int) -> None:
        self._desk = desk
        self._max_segment_bytes = max_segment_bytes
        self._body_s = body_s
        self._upload_s = upload_s
        self.room = room

    async def segment(self, request: web.Request) -> web.StreamResponse:
        held = _Held(self)
        try:
            with self._desk.exchange(*_headers(request)) as exchange:
                return await self._segment(request, exchange, held)
        finally:
            held.release()

    async def _segment(self, request: web.Request, exchange: Exchange, held: "_Held") -> web.StreamResponse:
        if (refusal := await exchange.admit()) is not None:
            return _refuse(refusal.status, refusal.reason)
        by_url = request.content_type == _URI_BODY
        limit = MAX_URL_BYTES if by_url else self._max_segment_bytes
        try:
            body = await self._read(request, limit, held) if exchange.wants_body else b""
        except _Full:
            return _refuse(503, "too much at once")
        except (TimeoutError, web.HTTPException, ConnectionError) as error:
            _log.info("segment body not read: %s", type(error).__name__)
            return _refuse(500, "Internal Server Error")
        if body is None:
            return _refuse(413, "segment too large")
        if by_url and exchange.wants_body:
            # How long it will be is the word of a stranger's host, so room is kept for the longest.
            try:
                held.take(self._max_segment_bytes)
            except _Full:
                return _refuse(503, "too much at once")
            # Which hosts may be asked is the fetcher's to say (offchain-network 4.6).
            fetched = await exchange.fetch(body.decode("utf-8", "replace").strip())
            if not isinstance(fetched, bytes):
                return _refuse(fetched.status, fetched.reason)
            held.give_back(self._max_segment_bytes - len(fetched))
            body = fetched
        if (refusal := exchange.check_body(body)) is not None:
            return _refuse(refusal.status, refusal.reason)
        # The status goes out before the work starts; what fails from here on is said inside the answer.
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        try:
            await response.prepare(request)
            # With its end in one write, so that the peer reads once.
            await response.write_eof(await exchange.work(body))
        except ConnectionError:
            # It has not waited; the work is charged, and answered again if it asks again.
            _log.info("segment's sender is gone")
        return response

    async def payment(self, request: web.Request) -> web.Response:
        answer = await self._desk.pay(*_headers(request))
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/octet-stream")
        return _refuse(answer.status, answer.reason)

    async def refresh(self, request: web.Request) -> web.Response:
        try:
            body = await self._read(request, MAX_JSON_BYTES)
        except (TimeoutError, web.HTTPException, ConnectionError) as error:
            _log.info("refresh body not read: %s", type(error).__name__)
            return _refuse_json(500, "Internal Server Error")
        if body is None:
            return _refuse_json(413, "request too large")
        answer = await self._desk.refresh_payment(body)
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        return _refuse_json(answer.status, answer.reason)

    async def rendition(self, request: web.Request) -> web.Response:
        match = request.match_info
        data = self._desk.rendition(match["session"], match["profile"], match["name"])
        if data is None:
            return _refuse(404, "not found")
        return web.Response(body=data, content_type="video/mp4" if match["name"].endswith(".mp4") else "video/mp2t")

    async def status(self, request: web.Request) -> web.Response:
        return web.json_response(dict(self._desk.status()))

    async def _read(self, request: web.Request, limit: int, held: "_Held | None" = None) -> bytes | None:
        """The body, or None if it has more than `limit` bytes.

        :raises _Full: all bodies together would take more than there is room for.
        """
        if (request.content_length or 0) > limit:
            return None
        # What it returns shares its buffer, where a bytearray would be copied.
        body = io.BytesIO()
        clock = asyncio.get_running_loop().time
        latest = clock() + self._upload_s
        async with asyncio.timeout_at(latest) as deadline:
            while True:
                deadline.reschedule(min(latest, clock() + self._body_s))
                # No more than aiohttp buffers of a connection; empty at the end.
                piece = await request.content.readany()
                if not piece:
                    return body.getvalue()
                if body.tell() + len(piece) > limit:
                    return None
                if held is not None:
                    held.take(len(piece))
                body.write(piece)


class _Full(Exception):
    """There is no room for more of any body."""


class _Held:
    """What one exchange holds of the room that all bodies share."""

    def __init__(self, routes: _Routes) -> None:
        self._routes = routes
        self._bytes = 0

    def take(self, count: int) -> None:
        """:raises _Full: there is less left."""
        if count > self._routes.room:
            raise _Full
        self._routes.room -= count
        self._bytes += count

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self._routes.room += count
        self._bytes -= count

    def release(self) -> None:
        self._routes.room += self._bytes
        self._bytes = 0


def _headers(request: web.Request) -> tuple[str, str]:
    return request.headers.get(PAYMENT_HEADER, ""), request.headers.get(SEGMENT_HEADER, "")


def _refuse(status: int, reason: str) -> web.Response:
    # Plain text and a newline, as peers of this endpoint expect (offchain-network 0). The connection stays open:
    # closing it on a peer that is still sending would reset it before this is read. aiohttp discards what still
    # comes, for 10 s at most.
    return web.Response(status=status, text=reason + "\n")


def _refuse_json(status: int, reason: str) -> web.Response:
    return web.json_response({"error": {"message": reason}}, status=status)
