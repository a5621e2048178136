"""Send batch AI jobs over HTTP (offchain-network 4.8). Answers are bounded; their files come from the peer alone."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import aiohttp

from livepeer_client.adapters.http import HttpTransport
from livepeer_client.codec import bounded_json
from livepeer_client.codec.worker_api import AI_WORKER_SCHEME
from livepeer_client.errors import MalformedMessage
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.pipelines import Pipeline
from livepeer_client.policy.uri import origin
from livepeer_client.policy.workers import Nobody, NoWorker

MAX_ANSWER_BYTES: Final = 200_000_000
MAX_FILES: Final = 100
FETCH_S: Final = 60
JOB_S: Final = 900.0


class AiHttp:
    """`services.ai_dispatch.AiTransport` over HTTP."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http

    async def submit(
        self, uri: str, request: AiRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> AiResult:
        """See `AiTransport.submit`."""
        headers = {
            "Livepeer-Segment": credentials,
            "Livepeer-Payment": payment,
            "Authorization": AI_WORKER_SCHEME,
        }
        url = f"{uri.rstrip('/')}/{request.pipeline}"
        body: bytes | aiohttp.MultipartWriter
        if request.file is None:
            body = json.dumps(dict(request.fields)).encode()
            headers["Content-Type"] = "application/json"
        else:
            body = _form(request)
            headers["Content-Type"] = body.content_type
        kind, content = await self._http.post_typed(
            url, data=body, headers=headers, limit_bytes=MAX_ANSWER_BYTES, timeout_s=timeout_s
        )
        if not isinstance(content, bytes):
            return AiResult(events=content)
        try:
            said = bounded_json.loads(content)
        except (ValueError, RecursionError) as error:
            raise MalformedMessage(f"AI answer of {uri}", f"{kind} is not JSON") from error
        if not isinstance(said, dict):
            raise MalformedMessage(f"AI answer of {uri}", "not an object")
        return AiResult(said, await self._files(uri, said))

    async def _files(self, uri: str, said: Mapping[str, Any]) -> dict[str, AiFile]:
        """What the URLs of an answer lead to: data in them, or files of the orchestrator's."""
        files = {}
        for url in urls_of(said):
            if url.startswith("data:"):
                files[url] = _of_data_url(url)
            elif origin(url) is not None and origin(url) == origin(uri):
                data = await self._http.fetch(url, limit_bytes=MAX_ANSWER_BYTES, timeout_s=FETCH_S)
                files[url] = AiFile(url.rpartition("/")[2], data)
            else:
                # A peer that could name any host would see what this one can reach.
                raise MalformedMessage(f"AI answer of {uri}", "a file at another host")
        return files


def urls_of(value: Any) -> list[str]:
    """Every `url` in an answer.

    :raises MalformedMessage: more than anybody asked for.
    """
    found: list[str] = []
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            found += [url for key, url in each.items() if key == "url" and isinstance(url, str)]
            left += each.values()
        elif isinstance(each, list):
            left += each
    if len(found) > MAX_FILES:
        raise MalformedMessage("AI answer", f"{len(found)} files")
    return found


def _of_data_url(url: str) -> AiFile:
    head, _, content = url.removeprefix("data:").partition(",")
    kind, _, coding = head.partition(";")
    try:
        data = base64.b64decode(content, validate=True) if coding == "base64" else unquote_to_bytes(content)
    except binascii.Error as error:
        raise MalformedMessage("data URL", "not base64") from error
    return AiFile("", data, kind or "text/plain")


def _form(request: AiRequest) -> aiohttp.MultipartWriter:
    form = aiohttp.MultipartWriter("form-data")
    for name, value in request.fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        form.append(text).set_content_disposition("form-data", name=name)
    file = request.file
    if file is not None:
        part = form.append(file.data, {"Content-Type": file.content_type})
        part.set_content_disposition("form-data", name=request.file_field, filename=file.name)
    return form


class HttpRunner:
    """Jobs by model runners that speak the same HTTP, without payment: one base URL per pipeline."""

    def __init__(self, urls: Mapping[str, str], http: HttpTransport, *, job_s: float = JOB_S) -> None:
        self._urls = dict(urls)
        self._http = AiHttp(http)
        self._job_s = job_s

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        """See `services.ai_work.AiRunner.run`."""
        url = self._urls.get(pipeline.name)
        if url is None:
            raise NoWorker(Nobody.UNFIT)
        return await self._http.submit(url, request, credentials="", payment="", timeout_s=self._job_s)
