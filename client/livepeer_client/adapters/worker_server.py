"""Where workers join and bring what they have made: gRPC streams and HTTP posts (offchain-network 4.4, 4.9).

/net.Transcoder/RegisterTranscoder   POST /transcodeResults   GET /segments/{name}
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, Protocol, TypeVar

import grpc
import grpc.aio
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from livepeer_client.codec import worker_api
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.codec.worker_api import SegmentTask, TranscoderJoins
from livepeer_client.errors import ConfigError, InvalidInput, MalformedMessage

TRANSCODER_SERVICE: Final = "net.Transcoder"
MAX_RESULT_BYTES: Final = 300_000_000
MAX_REASON_BYTES: Final = 4096
MAX_HASH_BYTES: Final = 1 << 20
UPLOAD_S: Final = 300
PIECE_S: Final = 60
"""Between two pieces of a result."""
MIN_SECRET_CHARS: Final = 16
INVALID_SECRET: Final = "invalid secret"  # noqa: S105 - a text of the wire
ZERO_CAPACITY: Final = "zero capacity"

T = TypeVar("T")

_log = logging.getLogger(__name__)


class TranscoderDesk(Protocol):
    """What the routes lead to."""

    def attend(self, joins: TranscoderJoins) -> AsyncGenerator[SegmentTask, None]: ...

    def source(self, name: str) -> bytes | None: ...

    def expected(self, task_id: int) -> SegmentCredentials | None: ...

    def finish(self, task_id: int, parts: list[tuple[bytes, int, bytes]]) -> bool: ...

    def fail(self, task_id: int, reason: str) -> bool: ...


class Secret:
    """What all workers of an orchestrator know.

    :raises ConfigError: too short to keep anybody out.
    """

    def __init__(self, value: str) -> None:
        if len(value) < MIN_SECRET_CHARS:
            raise ConfigError(f"the workers' secret has {len(value)} characters; at least {MIN_SECRET_CHARS}")
        self._value = value.encode()

    def is_shown_by(self, value: str) -> bool:
        """Compared in constant time, whatever was sent."""
        return hmac.compare_digest(self._value, value.encode("utf-8", "surrogateescape"))

    def is_shown(self, request: web.Request, scheme: str) -> bool:
        """Whether an HTTP request carries it in the headers that workers use."""
        shown = self.is_shown_by(request.headers.get("Credentials", ""))
        return shown and request.headers.get("Authorization", "") == scheme


def transcoder_rpc(desk: TranscoderDesk, secret: Secret) -> grpc.GenericRpcHandler:
    """`net.Transcoder`: a stream of tasks for each that shows the secret."""

    async def register(data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            joins = worker_api.decode_transcoder_joins(data)
        except MalformedMessage as error:
            await context.abort(grpc.StatusCode.INTERNAL, str(error))
        if not secret.is_shown_by(joins.secret):
            _log.warning("transcoder refused: %s", INVALID_SECRET)
            await context.abort(grpc.StatusCode.UNKNOWN, INVALID_SECRET)
        if joins.capacity < 1:
            await context.abort(grpc.StatusCode.UNKNOWN, ZERO_CAPACITY)
        async for task in stream(desk.attend(joins), worker_api.encode_segment_task, context):
            yield task

    handler = grpc.unary_stream_rpc_method_handler(register)
    return grpc.method_handlers_generic_handler(TRANSCODER_SERVICE, {"RegisterTranscoder": handler})


async def stream(
    tasks: AsyncGenerator[T, None], encode: Callable[[T], bytes], context: grpc.aio.ServicerContext
) -> AsyncIterator[bytes]:
    """Tasks as messages, with headers at once so that the worker knows it was taken."""
    await context.send_initial_metadata(())
    try:
        async with aclosing(tasks) as open_tasks:
            async for task in open_tasks:
                yield encode(task)
    except InvalidInput as error:
        await context.abort(grpc.StatusCode.UNKNOWN, str(error))


def mount_transcoders(app: web.Application, desk: TranscoderDesk, secret: Secret) -> None:
    """The routes that remote transcoders use."""
    routes = _TranscoderRoutes(desk, secret)
    app.router.add_post("/transcodeResults", routes.results)
    app.router.add_get("/segments/{name}", routes.source)


class _TranscoderRoutes:
    def __init__(self, desk: TranscoderDesk, secret: Secret) -> None:
        self._desk = desk
        self._secret = secret

    async def source(self, request: web.Request) -> web.Response:
        # The name is 128 random bits that only a transcoder was told.
        data = self._desk.source(request.match_info["name"])
        if data is None:
            return web.Response(status=404, text="not found\n")
        return web.Response(body=data, content_type="video/mp2t")

    async def results(self, request: web.Request) -> web.Response:
        if not self._secret.is_shown(request, worker_api.TRANSCODER_SCHEME):
            return web.Response(status=401, text="Unauthorized\n")
        return await take_result(request, self._take)

    async def _take(self, request: web.Request, task_id: int) -> bool:
        credentials = self._desk.expected(task_id)
        if credentials is None:
            return False
        if request.content_type == worker_api.TRANSCODING_ERROR:
            return self._desk.fail(task_id, await read_reason(request))
        if request.content_type != "multipart/mixed":
            raise web.HTTPUnsupportedMediaType(text="Unsupported Media Type\n")
        if _number(request.headers.get("Pixels", "")) is None:
            raise BadPart("Invalid Pixels")
        return self._desk.finish(task_id, await _parts(request, len(credentials.profiles)))


async def take_result(request: web.Request, take: Callable[[web.Request, int], Awaitable[bool]]) -> web.Response:
    """Answer the post of a result.

    :param take: reads it and tells whether it was wanted. Of what came too late, and for the tasks of others, it reads
        nothing. May raise `BadPart`, and `web.HTTPUnsupportedMediaType` for a type that is none of a result's.
    """
    task_id = _number(request.headers.get("TaskId", ""))
    try:
        if task_id is None or not await take(request, task_id):
            return web.Response(status=400, text="Invalid Task ID\n")
    except BadPart as error:
        return web.Response(status=400, text=f"{error}\n")
    except web.HTTPUnsupportedMediaType as error:
        return web.Response(status=error.status, text=error.text)
    except READ_ERRORS as error:
        _log.info("result not read task=%d: %s", task_id, type(error).__name__)
        return web.Response(status=500, text="Internal Server Error\n")
    return web.Response(text="OK\n")


READ_ERRORS: Final = (TimeoutError, ConnectionError, web.HTTPException, HttpProcessingError, ValueError, RuntimeError)
"""What reading a body that a peer makes up may end with."""


class BadPart(Exception):
    """A part of a result that is none."""


async def _parts(request: web.Request, renditions: int) -> list[tuple[bytes, int, bytes]]:
    """Renditions with their pixels and perceptual hashes; no more of either than renditions are wanted."""
    found: list[tuple[bytes, int, bytes]] = []
    left = MAX_RESULT_BYTES
    async with asyncio.timeout(UPLOAD_S):
        reader = await request.multipart()
        while True:
            async with asyncio.timeout(PIECE_S):
                part = await reader.next()
            if part is None:
                return found
            if not isinstance(part, BodyPartReader):
                raise BadPart("a part within a part")
            stated = part.headers.get("Pixels")
            if stated is None:
                if not found or found[-1][2]:
                    raise BadPart("a perceptual hash of nothing")
                data, pixels, _ = found[-1]
                found[-1] = data, pixels, await read_part(part, MAX_HASH_BYTES)
                continue
            number = _number(stated)
            if number is None:
                raise BadPart("Invalid Pixels")
            if len(found) == renditions:
                raise BadPart("more renditions than profiles")
            data = await read_part(part, left)
            left -= len(data)
            found.append((data, number, b""))


async def read_part(part: BodyPartReader, limit: int, taking: Callable[[int], None] = lambda _: None) -> bytes:
    """:param taking: told of each piece before it is kept.
    :raises BadPart: more than `limit` bytes.
    """
    data = bytearray()
    while True:
        async with asyncio.timeout(PIECE_S):
            piece = await part.read_chunk(1 << 18)
        if not piece:
            return bytes(data)
        taking(len(piece))
        data += piece
        if len(data) > limit:
            raise BadPart("too large")


async def read_reason(request: web.Request) -> str:
    """The text of a failure, as much of it as is worth keeping."""
    async with asyncio.timeout(PIECE_S):
        body = b""
        while len(body) < MAX_REASON_BYTES and (piece := await request.content.read(MAX_REASON_BYTES - len(body))):
            body += piece
    return body.decode("utf-8", "replace").strip() or "unknown error"


def _number(text: str) -> int | None:
    """A natural number of an int64, as headers give it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 19 else None
