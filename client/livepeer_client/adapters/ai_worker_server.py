"""Where AI workers join and bring results (offchain-network 4.9).

/net.AIWorker/RegisterAIWorker   POST /aiResults   GET /inputs/{name}
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, Protocol

import grpc
import grpc.aio
from aiohttp import BodyPartReader, web

from livepeer_client.adapters.worker_server import (
    INVALID_SECRET,
    PIECE_S,
    UPLOAD_S,
    BadPart,
    Secret,
    read_part,
    read_reason,
    stream,
    take_result,
)
from livepeer_client.codec import bounded_json, worker_api
from livepeer_client.codec.worker_api import AiTask, AiWorkerJoins
from livepeer_client.errors import MalformedMessage
from livepeer_client.facts.ai import AiFile, AiResult

AI_WORKER_SERVICE: Final = "net.AIWorker"
MAX_FILES: Final = 100
MAX_RESULT_BYTES: Final = 200_000_000
MAX_JSON_BYTES: Final = 1 << 22
MAX_EVENTS_S: Final = 15 * 60
QUEUED_EVENTS: Final = 64

_log = logging.getLogger(__name__)


class AiWorkersDesk(Protocol):
    """What the routes lead to; `services.ai_runners.RemoteAiWorkers`."""

    def attend(self, joins: AiWorkerJoins) -> AsyncGenerator[AiTask, None]: ...

    def input(self, name: str) -> AiFile | None: ...

    def expects(self, task_id: int) -> bool: ...

    def finish(self, task_id: int, result: AiResult) -> bool: ...

    def fail(self, task_id: int, reason: str) -> bool: ...


def ai_worker_rpc(desk: AiWorkersDesk, secret: Secret, is_new_enough: Callable[[str], bool]) -> grpc.GenericRpcHandler:
    """`net.AIWorker`: a stream of jobs for each that shows the secret and whose version `is_new_enough`."""

    async def register(data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            joins = worker_api.decode_ai_worker_joins(data)
        except MalformedMessage as error:
            await context.abort(grpc.StatusCode.INTERNAL, str(error))
        if not secret.is_shown_by(joins.secret):
            _log.warning("AI worker refused: %s", INVALID_SECRET)
            await context.abort(grpc.StatusCode.UNKNOWN, INVALID_SECRET)
        if not is_new_enough(joins.capabilities.version):
            await context.abort(grpc.StatusCode.UNKNOWN, f"version {joins.capabilities.version!r} is too old")
        async for task in stream(desk.attend(joins), worker_api.encode_ai_task, context):
            yield task

    handler = grpc.unary_stream_rpc_method_handler(register)
    return grpc.method_handlers_generic_handler(AI_WORKER_SERVICE, {"RegisterAIWorker": handler})


def mount_ai_workers(app: web.Application, desk: AiWorkersDesk, secret: Secret) -> None:
    """The routes that AI workers use."""
    routes = _Routes(desk, secret)
    app.router.add_post("/aiResults", routes.results)
    app.router.add_get("/inputs/{name}", routes.input)


class _Routes:
    def __init__(self, desk: AiWorkersDesk, secret: Secret) -> None:
        self._desk = desk
        self._secret = secret

    async def input(self, request: web.Request) -> web.Response:
        # The name is 128 random bits that only a worker was told.
        file = self._desk.input(request.match_info["name"])
        if file is None:
            return web.Response(status=404, text="not found\n")
        return web.Response(body=file.data, headers={"Content-Type": file.content_type})

    async def results(self, request: web.Request) -> web.Response:
        if not self._secret.is_shown(request, worker_api.AI_WORKER_SCHEME):
            return web.Response(status=401, text="Unauthorized\n")
        return await take_result(request, self._take)

    async def _take(self, request: web.Request, task_id: int) -> bool:
        if not self._desk.expects(task_id):
            return False
        if request.content_type == worker_api.AI_ERROR:
            return self._desk.fail(task_id, await read_reason(request))
        if request.content_type == "text/event-stream":
            return await self._events(request, task_id)
        if request.content_type.startswith("multipart/"):
            return self._desk.finish(task_id, await _result(request))
        raise web.HTTPUnsupportedMediaType(text="Unsupported Media Type\n")

    async def _events(self, request: web.Request, task_id: int) -> bool:
        """Pass events on as they come; the worker waits for whoever reads them."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED_EVENTS)
        if not self._desk.finish(task_id, AiResult(events=_until_none(queue))):
            return False
        try:
            async with asyncio.timeout(MAX_EVENTS_S):
                async for piece in request.content.iter_any():
                    async with asyncio.timeout(PIECE_S):
                        await queue.put(piece)
        finally:
            if queue.full():
                # Nobody reads any more.
                queue.get_nowait()
            queue.put_nowait(None)
        return True


async def _until_none(queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (piece := await queue.get()) is not None:
        yield piece


async def _result(request: web.Request) -> AiResult:
    files: dict[str, AiFile] = {}
    body = None
    left = MAX_RESULT_BYTES
    async with asyncio.timeout(UPLOAD_S):
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or len(files) >= MAX_FILES:
                raise BadPart("a part within a part, or too many")
            kind = part.headers.get("Content-Type", "")
            if part.filename is None and kind.partition(";")[0] == "application/json":
                try:
                    body = bounded_json.loads(await read_part(part, MAX_JSON_BYTES))
                except (ValueError, RecursionError) as error:
                    raise BadPart("not JSON") from error
                continue
            name = part.filename or ""
            data = await read_part(part, left)
            left -= len(data)
            files[name] = AiFile(name, data, kind or "application/octet-stream")
    if not isinstance(body, dict):
        raise BadPart("no JSON object among the parts")
    return AiResult(body, files)
