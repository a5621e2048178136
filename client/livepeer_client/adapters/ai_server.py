"""Batch AI over HTTP: a route per pipeline, JSON or a form in, JSON or server-sent events out (offchain-network 4.8).

POST /{pipeline}       GET /results/{name}
"""

import asyncio
import base64
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import BodyPartReader, web

from livepeer_client.adapters.bodies import bound_bodies, hold
from livepeer_client.adapters.http_server import PAYMENT_HEADER, SEGMENT_HEADER
from livepeer_client.adapters.worker_server import READ_ERRORS, BadPart, read_part
from livepeer_client.codec import bounded_json
from livepeer_client.codec.worker_api import AI_WORKER_SCHEME
from livepeer_client.facts.ai import AiFile, AiResult

MAX_FIELDS: Final = 100
MAX_FIELD_BYTES: Final = 1 << 20
MAX_FILE_BYTES: Final = 100_000_000
MAX_JSON_BYTES: Final = 1 << 22
BODY_S: Final = 120
RESULT_S: Final = 600
MAX_RESULT_BYTES: Final = 200_000_000
"""Results that are kept to be fetched, all together."""

_log = logging.getLogger(__name__)


class Refusal(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str: ...


class AiDesk(Protocol):
    """What the routes lead to; `services.ai_work.AiWork`."""

    def check(self, payment: str, credentials: str) -> Any: ...

    async def run(
        self, checked: Any, pipeline: str, fields: Mapping[str, Any], file: AiFile | None
    ) -> "AiResult | Refusal": ...


class ResultFiles:
    """Files of results until they are fetched: for 10 minutes, and no more than a bound together."""

    def __init__(self, service_uri: str, *, clock: Any = time.monotonic, limit: int = MAX_RESULT_BYTES) -> None:
        self._base = f"{service_uri.rstrip('/')}/results"
        self._now = clock
        self._limit = limit
        self._files: OrderedDict[str, tuple[float, AiFile]] = OrderedDict()
        self._held = 0

    def put(self, file: AiFile) -> str:
        """:returns: the URL it can be fetched at."""
        name = f"{secrets.token_hex(16)}-{file.name.rpartition('/')[2]}"
        self._files[name] = self._now() + RESULT_S, file
        self._held += len(file.data)
        self._tidy()
        return f"{self._base}/{name}"

    def get(self, name: str) -> AiFile | None:
        self._tidy()
        found = self._files.get(name)
        return None if found is None else found[1]

    def _tidy(self) -> None:
        while self._files:
            until, file = next(iter(self._files.values()))
            if until > self._now() and self._held <= self._limit:
                return
            self._files.popitem(last=False)
            self._held -= len(file.data)


def mount_ai(app: web.Application, desk: AiDesk, pipelines: Iterable[str], files: ResultFiles) -> None:
    """A route for each pipeline, and one for the files of results."""
    bound_bodies(app)
    routes = _Routes(desk, files)
    for name in sorted(set(pipelines)):
        app.router.add_post(f"/{name}", routes.job)
    app.router.add_get("/results/{name}", routes.result)


class _Routes:
    def __init__(self, desk: AiDesk, files: ResultFiles) -> None:
        self._desk = desk
        self._files = files

    async def job(self, request: web.Request) -> web.StreamResponse:
        checked = self._desk.check(request.headers.get(PAYMENT_HEADER, ""), request.headers.get(SEGMENT_HEADER, ""))
        if hasattr(checked, "status"):
            return refused(checked)
        try:
            async with asyncio.timeout(BODY_S):
                fields, file = await read_request(request)
        except (BadPart, UnicodeDecodeError, *READ_ERRORS) as error:
            _log.info("request not read: %s", error)
            return _error(400, str(error) or "request not read")
        answer = await self._desk.run(checked, request.path.lstrip("/"), fields, file)
        if not isinstance(answer, AiResult):
            return refused(answer)
        return await self._answered(request, answer)

    async def _answered(self, request: web.Request, result: AiResult) -> web.StreamResponse:
        if result.events is not None:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
            await response.prepare(request)
            async for event in result.events:
                await response.write(event)
            await response.write_eof()
            return response
        by_url = request.headers.get("Authorization") == AI_WORKER_SCHEME
        urls = {name: self._files.put(file) if by_url else data_url(file) for name, file in result.files.items()}
        return web.json_response(with_urls(result.body, urls))

    async def result(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            return _error(404, "not found")
        return web.Response(body=file.data, content_type=file.content_type)


async def read_request(request: web.Request) -> tuple[dict[str, Any], AiFile | None]:
    """The fields of a request and its file, if it has one.

    :raises BadPart: not such a request, or too large.
    """
    if request.content_type == "application/json":
        body = await read_all(request, MAX_JSON_BYTES)
        try:
            fields = bounded_json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadPart("not JSON") from error
        if not isinstance(fields, dict):
            raise BadPart("not a JSON object")
        return fields, None
    if request.content_type != "multipart/form-data":
        raise BadPart("neither JSON nor a form")
    fields, file, taking = {}, None, partial(hold, request)
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or len(fields) >= MAX_FIELDS:
            raise BadPart("a part within a part, or too many")
        if part.filename is None:
            fields[part.name or ""] = (await read_part(part, MAX_FIELD_BYTES, taking)).decode()
        elif file is None:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            file = AiFile(part.filename, await read_part(part, MAX_FILE_BYTES, taking), kind)
        else:
            raise BadPart("two files")
    return fields, file


async def read_all(request: web.Request, limit: int) -> bytes:
    """:raises BadPart: more than `limit` bytes."""
    body = bytearray()
    async for piece in request.content.iter_chunked(1 << 16):
        hold(request, len(piece))
        body += piece
        if len(body) > limit:
            raise BadPart("too large")
    return bytes(body)


def with_urls(value: Any, urls: Mapping[str, str]) -> Any:
    """A result in which names of files are their URLs."""
    if isinstance(value, Mapping):
        return {
            key: urls.get(each, each) if key == "url" and isinstance(each, str) else with_urls(each, urls)
            for key, each in value.items()
        }
    return [with_urls(each, urls) for each in value] if isinstance(value, list) else value


def data_url(file: AiFile) -> str:
    return f"data:{file.content_type};base64,{base64.b64encode(file.data).decode()}"


def refused(refusal: Refusal) -> web.Response:
    """An answer with the refusal's status and text, and the time after which to ask again if it has one."""
    response = _error(refusal.status, refusal.reason)
    if (after := getattr(refusal, "retry_after_s", None)) is not None:
        response.headers["Retry-After"] = str(after)
    return response


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": {"message": reason}}, status=status)
