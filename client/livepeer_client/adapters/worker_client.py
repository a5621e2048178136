"""A worker's side of its orchestrator: the stream of tasks, the files, the posts (offchain-network 4.4, 4.9)."""

import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import grpc
import grpc.aio
from multidict import CIMultiDict

from livepeer_client.adapters.grpc_probe import STATUS_ERRORS, GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.codec import worker_api
from livepeer_client.codec.messages import VideoFormat
from livepeer_client.codec.worker_api import AiTask, AiWorkerJoins, SegmentTask, TranscoderJoins
from livepeer_client.errors import ConfigError, LivepeerError, PeerUnreachable
from livepeer_client.facts import Rendition
from livepeer_client.facts.ai import AiResult
from livepeer_client.policy.uri import origin

MAX_FILE_BYTES: Final = 300_000_000
MAX_ANSWER_BYTES: Final = 4096
FETCH_S: Final = 60
POST_S: Final = 300
JOIN_S: Final = 10
Body = bytes | aiohttp.MultipartWriter | AsyncIterator[bytes]
_REGISTER_AI_WORKER: Final = "/net.AIWorker/RegisterAIWorker"
_REGISTER_TRANSCODER: Final = "/net.Transcoder/RegisterTranscoder"
_TYPES: Final = {VideoFormat.MPEGTS: "video/mp2t", VideoFormat.MP4: "video/mp4"}


class OrchestratorLink:
    """`ports.TranscoderLink` over gRPC and HTTP. Close it when done.

    :param certificate: PEM of the only certificate that is trusted; without, whatever the orchestrator presents.
    :param hosts: besides the orchestrator's own, where it may have files fetched from: a peer that could name any
        host would see what this one can reach.
    :raises ConfigError: `uri` is no service URI.
    """

    def __init__(self, uri: str, secret: str, *, certificate: bytes | None = None, hosts: Iterable[str] = ()) -> None:
        found = origin(uri)
        if found is None:
            raise ConfigError(f"{uri!r} is not http(s)://host:port")
        self.uri: Final = uri.rstrip("/")
        self._secret = secret
        self._certificate = certificate
        self._hosts = frozenset((found[1], *hosts))
        context: bool | ssl.SSLContext = False
        if certificate is not None:
            context = ssl.create_default_context(cadata=certificate.decode("ascii"))
        self._probe = GrpcProbe()
        self._http = HttpTransport(verify_certificates=context)

    async def segment_tasks(
        self, joins: TranscoderJoins, joined: Callable[[], None]
    ) -> AsyncGenerator[SegmentTask, None]:
        """Join, and yield tasks until the stream ends, which is an error of the orchestrator's or the network's.

        :param joined: called when the orchestrator has answered; one in Go does with its first task.
        :raises PeerRefused: `invalid secret`, `zero capacity`, or another refusal.
        :raises TransportError: nobody there, or the stream broke off.
        """
        async for data in self._stream(_REGISTER_TRANSCODER, worker_api.encode_transcoder_joins(joins), joined):
            yield worker_api.decode_segment_task(data)

    async def fetch(self, url: str) -> bytes:
        """A file that a task names.

        :raises PeerUnreachable: at a host that is none of the orchestrator's.
        """
        found = origin(url)
        if found is None or found[1] not in self._hosts:
            raise PeerUnreachable(url, "not a host of the orchestrator's")
        return await self._http.fetch(url, limit_bytes=MAX_FILE_BYTES, timeout_s=FETCH_S)

    async def deliver(self, task_id: int, renditions: Sequence[Rendition], pixels: int) -> None:
        """Post what was made; `pixels` of the source."""
        body = aiohttp.MultipartWriter("mixed")
        for rendition in renditions:
            _append(body, rendition.data, _TYPES[rendition.profile.format], {"Pixels": str(rendition.pixels)})
            if rendition.perceptual_hash:
                _append(body, rendition.perceptual_hash, "application/octet-stream", {})
        await self._post("/transcodeResults", worker_api.TRANSCODER_SCHEME, task_id, body, {"Pixels": str(pixels)})

    async def report(self, task_id: int, reason: str) -> None:
        """Post that a task failed, and why."""
        headers = {"Content-Type": worker_api.TRANSCODING_ERROR}
        await self._post("/transcodeResults", worker_api.TRANSCODER_SCHEME, task_id, reason.encode(), headers)

    async def ai_tasks(self, joins: AiWorkerJoins, joined: Callable[[], None]) -> AsyncGenerator[AiTask, None]:
        """As `segment_tasks`, for jobs of models."""
        async for data in self._stream(_REGISTER_AI_WORKER, worker_api.encode_ai_worker_joins(joins), joined):
            yield worker_api.decode_ai_task(data)

    async def deliver_ai(self, task: AiTask, result: AiResult) -> None:
        """Post what a job came to."""
        more = {"Pipeline": task.pipeline}
        if result.events is not None:
            more["Content-Type"] = "text/event-stream"
            await self._post("/aiResults", worker_api.AI_WORKER_SCHEME, task.task_id, result.events, more)
            return
        body = aiohttp.MultipartWriter("mixed")
        for name, file in result.files.items():
            part = _append(body, file.data, file.content_type, {})
            part.set_content_disposition("attachment", filename=name)
        _append(body, json.dumps(result.body).encode(), "application/json", {})
        await self._post("/aiResults", worker_api.AI_WORKER_SCHEME, task.task_id, body, more)

    async def report_ai(self, task: AiTask, reason: str) -> None:
        """Post that a job failed, and why."""
        more = {"Pipeline": task.pipeline, "Content-Type": worker_api.AI_ERROR}
        await self._post("/aiResults", worker_api.AI_WORKER_SCHEME, task.task_id, reason.encode(), more)

    async def close(self) -> None:
        await self._probe.close()
        await self._http.close()

    async def _stream(self, method: str, request: bytes, joined: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        channel = await self._probe.open_channel(self.uri, authority=self._certificate)
        try:
            call = channel.unary_stream(method)(request)
            try:
                await call.initial_metadata()
                if not call.done():
                    joined()
                async for data in call:
                    yield data
            finally:
                call.cancel()
        except grpc.aio.AioRpcError as error:
            raise _translated(self.uri, error) from error
        finally:
            await channel.close()
        raise PeerUnreachable(self.uri, "the stream has ended")

    async def _post(self, path: str, scheme: str, task_id: int, body: Body, more: Mapping[str, str]) -> None:
        headers = {"Authorization": scheme, "Credentials": self._secret, "TaskId": str(task_id), **more}
        if isinstance(body, aiohttp.MultipartWriter):
            headers["Content-Type"] = body.content_type
        await self._http.post(
            f"{self.uri}{path}", data=body, headers=headers, limit_bytes=MAX_ANSWER_BYTES, timeout_s=POST_S
        )


def _append(body: aiohttp.MultipartWriter, data: bytes, kind: str, headers: Mapping[str, str]) -> aiohttp.Payload:
    part = body.append(data, CIMultiDict({"Content-Type": kind, **headers}))
    # MultipartWriter adds one that readers of this network do not look for.
    with suppress(KeyError):
        del part.headers["Content-Disposition"]
    return part


def _translated(peer: str, error: grpc.aio.AioRpcError) -> LivepeerError:
    code = error.code()
    return STATUS_ERRORS[code](peer, code.value[0], error.details() or code.name)
