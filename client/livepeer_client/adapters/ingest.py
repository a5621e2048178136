"""HTTP push ingest: the routes of a gateway (offchain-network 4.1). Bind it where only those who may push reach it.

POST|PUT /live/{manifest}/{seq}.ts|.mp4   one segment; the answer has the renditions if it accepts multipart/mixed
GET      /healthz                         200 while the process answers
"""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiohttp import web

from livepeer_client.codec.messages import Slice, VideoFormat
from livepeer_client.codec.presets import StreamOrder, decode_order
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.facts import Rendition
from livepeer_client.facts.ingest import DEFAULT_DURATION_MS, Push, Unserved
from livepeer_client.policy.results import MAX_SEGMENT_BYTES, MAX_SEGMENT_MS
from livepeer_client.ports import WebClient

MAX_BYTES_IN_FLIGHT: Final = 1_000_000_000
"""All segments together that are being received or worked on."""
PIECE_S: Final = 30.0
UPLOAD_S: Final = 300.0
WEBHOOK_S: Final = 5.0
_CHUNK_BYTES: Final = 1 << 18
_NAME: Final = re.compile(r"(\d{1,18})\.(ts|mp4)")
_FORMATS: Final = {"ts": VideoFormat.MPEGTS, "mp4": VideoFormat.MP4}
_MIME: Final = {VideoFormat.MPEGTS: "video/mp2t", VideoFormat.MP4: "video/mp4"}
_SUFFIX: Final = {VideoFormat.MPEGTS: "ts", VideoFormat.MP4: "mp4"}
_RESOLUTION: Final = re.compile(r"\d{1,5}x\d{1,5}")
_BROWSERS: Final = ("Origin", "Referer", "Sec-Fetch-Site")
CONFIGURATION: Final = "Livepeer-Transcode-Configuration"

_log = logging.getLogger(__name__)


class Pushed(Protocol):
    """A segment that was transcoded."""

    @property
    def seq(self) -> int: ...

    @property
    def renditions(self) -> tuple[Rendition, ...]: ...


class Ingest(Protocol):
    """What the routes lead to."""

    async def push(self, push: Push, read: Callable[[], Awaitable[bytes]]) -> Pushed | Unserved:
        """:param read: gives the data of `push`; raises what the routes answer to."""


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


def build_ingest(
    ingest: Ingest,
    *,
    max_segment_bytes: int = MAX_SEGMENT_BYTES,
    max_bytes_in_flight: int = MAX_BYTES_IN_FLIGHT,
    piece_s: float = PIECE_S,
    upload_s: float = UPLOAD_S,
    pages_may_push: bool = False,
) -> web.Application:
    """The routes. A body may take `upload_s`, and `piece_s` between two pieces of it.

    :param pages_may_push: serve what a browser sends for a page. Every page reaches loopback, and would spend the
        gateway's deposit, so only where somebody is asked who may push.
    """
    routes = _Routes(ingest, max_segment_bytes, max_bytes_in_flight, piece_s, upload_s, pages_may_push)
    app = web.Application()
    app.add_routes(
        [
            web.post("/live/{manifest}/{name}", routes.push),
            web.put("/live/{manifest}/{name}", routes.push),
            web.get("/healthz", routes.health),
        ]
    )
    return app


class _Routes:
    def __init__(
        self, ingest: Ingest, limit: int, in_flight: int, piece_s: float, upload_s: float, pages_may_push: bool
    ) -> None:
        self._ingest = ingest
        self._limit = limit
        self._left = in_flight
        self._piece_s = piece_s
        self._upload_s = upload_s
        self._pages_may_push = pages_may_push

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def push(self, request: web.Request) -> web.StreamResponse:
        held = bytearray()
        if not self._pages_may_push and is_of_a_page(request):
            return _text(403, "not for pages of a browser")
        try:
            seq, format_ = _named(request.match_info["name"])
            duration_ms = _duration(request)
            order, part = _order(request, format_), _slice(request)
            pushed = Push(
                url=str(request.url),
                manifest_id=request.match_info["manifest"],
                seq=seq,
                format=format_,
                data=b"",
                duration_ms=duration_ms,
                order=order,
                slice=part,
            )

            async def read() -> bytes:
                await self._read(request, held)
                return bytes(held)

            # Who may not push is told so before a byte of the segment is read.
            done = await self._ingest.push(pushed, read)
        except _Refused as refusal:
            return _text(refusal.status, refusal.reason)
        finally:
            self._left += len(held)
        if isinstance(done, Unserved):
            return _text(done.status, done.reason)
        if "multipart/mixed" in request.headers.get("Accept", ""):
            return _parts(done)
        return web.Response()

    async def _read(self, request: web.Request, into: bytearray) -> None:
        """The body, counted against what all bodies together may take.

        :raises _Refused:
        """
        if (request.content_length or 0) > self._limit:
            raise _Refused(413, "segment too large")
        pieces = request.content.iter_chunked(_CHUNK_BYTES).__aiter__()
        try:
            async with asyncio.timeout(self._upload_s):
                while True:
                    async with asyncio.timeout(self._piece_s):
                        try:
                            piece = await anext(pieces)
                        except StopAsyncIteration:
                            break
                    if len(into) + len(piece) > self._limit:
                        raise _Refused(413, "segment too large")
                    if len(piece) > self._left:
                        raise _Refused(503, "too much at once")
                    self._left -= len(piece)
                    into += piece
        except TimeoutError:
            raise _Refused(408, "segment not received in time") from None
        except (web.HTTPException, ConnectionError):
            raise _Refused(400, "segment broken off") from None
        if not into:
            raise _Refused(400, "empty segment")


def is_of_a_page(request: web.Request) -> bool:
    """Whether a browser sends it for a page: every page reaches loopback."""
    return any(each in request.headers for each in _BROWSERS)


def _named(name: str) -> tuple[int, VideoFormat]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise _Refused(404, "segments are called {number}.ts or {number}.mp4")
    return int(match[1]), _FORMATS[match[2]]


def _duration(request: web.Request) -> int:
    resolution = request.headers.get("Content-Resolution")
    if resolution is not None and not _RESOLUTION.fullmatch(resolution):
        raise _Refused(400, "Content-Resolution is not WIDTHxHEIGHT")
    duration_ms = _milliseconds(request, "Content-Duration", DEFAULT_DURATION_MS)
    if not duration_ms:
        raise _Refused(400, "Content-Duration is 0")
    return duration_ms


def _slice(request: web.Request) -> Slice | None:
    from_ms, to_ms = (_milliseconds(request, f"Content-Slice-{end}", 0) for end in ("From", "To"))
    try:
        return Slice(from_ms, to_ms) if from_ms or to_ms else None
    except InvalidInput as error:
        raise _Refused(400, str(error)) from None


def _milliseconds(request: web.Request, header: str, default: int) -> int:
    text = request.headers.get(header, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > MAX_SEGMENT_MS:
        raise _Refused(400, f"{header} is no number of milliseconds up to {MAX_SEGMENT_MS}")
    return int(text)


def _order(request: web.Request, format_: VideoFormat) -> StreamOrder | None:
    text = request.headers.get(CONFIGURATION)
    if not text:
        return None
    try:
        return decode_order(text.encode("utf-8", "surrogateescape"), format_)
    except MalformedMessage as error:
        raise _Refused(400, f"{CONFIGURATION}: {error.detail}") from None


def _parts(done: Pushed) -> web.Response:
    """All renditions in one answer, in the order of the profiles."""
    boundary = secrets.token_hex(16)
    body = bytearray()
    for rendition in done.renditions:
        profile = rendition.profile
        name = profile.name.translate(_UNSAFE)
        head = (
            f"--{boundary}\r\n"
            f"Content-Type: {_MIME[profile.format]}\r\n"
            f"Content-Length: {len(rendition.data)}\r\n"
            f'Content-Disposition: attachment; filename="{name}_{done.seq}.{_SUFFIX[profile.format]}"\r\n'
            f"Rendition-Name: {name}\r\n\r\n"
        )
        body += head.encode("utf-8", "replace") + rendition.data + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return web.Response(body=bytes(body), headers={"Content-Type": f"multipart/mixed; boundary={boundary}"})


_UNSAFE: Final = dict.fromkeys((*range(32), 34, 92, 127), "_")


def _text(status: int, reason: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.Response(status=status, text=reason + "\n", headers=headers)


class WebhookAuth:
    """Allows pushing by the operator's webhook: POST `{"url": ...}`, 200 allows."""

    def __init__(self, client: WebClient, url: str) -> None:
        self._client = client
        self._url = url

    async def authorise(self, url: str, format_: VideoFormat) -> StreamOrder:
        """Ask about a stream by the URL of its first segment. An empty answer orders nothing."""
        answer = await self._client.post(self._url, json.dumps({"url": url}).encode(), timeout_s=WEBHOOK_S)
        return decode_order(answer, format_) if answer.strip() else StreamOrder()
