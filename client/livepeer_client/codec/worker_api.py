"""Messages between an orchestrator and its workers: `net.Transcoder` and `net.AIWorker` (offchain-network 4.4, 4.9)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from livepeer_client.codec import bounded_json, wire
from livepeer_client.codec.messages import AuthToken, Capabilities, Hardware, SegmentCredentials
from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.widths import read_natural
from livepeer_client.codec.wire_parts import (
    capabilities_from_pb,
    capabilities_to_pb,
    hardware_from_pb,
    hardware_to_pb,
    parse,
    reading,
    writing,
)
from livepeer_client.errors import MalformedMessage
from livepeer_client.types import HASH_BYTES, Hash32

TRANSCODER_SCHEME: Final = "Livepeer-Transcoder-1.0"
AI_WORKER_SCHEME: Final = "Livepeer-AI-Worker-1.0"
"""What an `Authorization` header says; the secret is in `Credentials`."""
TRANSCODING_ERROR: Final = "livepeer/transcoding-error"
AI_ERROR: Final = "livepeer/ai-worker-error"
"""Content types of a result that is the text of a failure."""
_PROFILES: Final = b"invalid"


@dataclass(frozen=True, slots=True)
class TranscoderJoins:
    """`net.RegisterRequest`; `capabilities` None is the default set."""

    secret: str = field(repr=False)
    capacity: int
    capabilities: Capabilities | None = None


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """`net.NotifySegment`: fetch `url`, make what `credentials` say, post it under `task_id`.

    Without a URL it is the notice that the session of the credentials' auth token is over.
    """

    url: str
    credentials: SegmentCredentials
    task_id: int
    orchestrator: str = ""

    @property
    def session_id(self) -> str:
        token = self.credentials.auth_token
        return "" if token is None else token.session_id


@dataclass(frozen=True, slots=True)
class AiWorkerJoins:
    """`net.RegisterAIWorkerRequest`."""

    secret: str = field(repr=False)
    capabilities: Capabilities
    hardware: tuple[Hardware, ...] = ()


@dataclass(frozen=True, slots=True)
class AiTask:
    """`net.NotifyAIJob`: run `request` through a pipeline and post what comes of it under `task_id`.

    `input_url` is where the file is that the request is about; empty where there is none.
    """

    pipeline: str
    request: Mapping[str, Any]
    task_id: int
    input_url: str = ""

    @property
    def model(self) -> str:
        value = self.request.get("model_id")
        return value if isinstance(value, str) else ""


def session_over(session_id: str) -> SegmentTask:
    """The notice that nothing more comes of a session."""
    token = AuthToken(b"", session_id, 0)
    return SegmentTask("", SegmentCredentials(b"", 0, Hash32(bytes(HASH_BYTES)), (), b"", 0, auth_token=token), 0)


def encode_transcoder_joins(value: TranscoderJoins) -> bytes:
    with writing("register request"):
        return net_pb2.RegisterRequest(
            secret=value.secret,
            capacity=value.capacity,
            capabilities=capabilities_to_pb(value.capabilities) if value.capabilities else None,
        ).SerializeToString()


def decode_transcoder_joins(data: bytes) -> TranscoderJoins:
    """:raises MalformedMessage: not such a message."""
    message = parse(net_pb2.RegisterRequest(), data, "register request")
    with reading("register request"):
        return TranscoderJoins(
            message.secret,
            message.capacity,
            capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
        )


def encode_segment_task(value: SegmentTask) -> bytes:
    """The segment's hash is left out, as on the network: who works does not check for whom."""
    with writing("segment task"):
        message = net_pb2.NotifySegment(
            url=value.url, taskId=value.task_id, profiles=_PROFILES, orchId=value.orchestrator
        )
        plain = replace(value.credentials, hash=Hash32(bytes(HASH_BYTES)))
        message.segData.ParseFromString(wire.encode_segment_credentials(plain))
        return message.SerializeToString()


def decode_segment_task(data: bytes) -> SegmentTask:
    """:raises MalformedMessage: not such a message."""
    message = parse(net_pb2.NotifySegment(), data, "segment task")
    credentials = wire.decode_segment_credentials(message.segData.SerializeToString())
    with reading("segment task"):
        return SegmentTask(message.url, credentials, read_natural(message.taskId, "taskId"), message.orchId)


def encode_ai_worker_joins(value: AiWorkerJoins) -> bytes:
    with writing("register AI worker request"):
        return net_pb2.RegisterAIWorkerRequest(
            secret=value.secret,
            capabilities=capabilities_to_pb(value.capabilities),
            hardware=[hardware_to_pb(each) for each in value.hardware],
        ).SerializeToString()


def decode_ai_worker_joins(data: bytes) -> AiWorkerJoins:
    """:raises MalformedMessage: not such a message."""
    message = parse(net_pb2.RegisterAIWorkerRequest(), data, "register AI worker request")
    with reading("register AI worker request"):
        return AiWorkerJoins(
            message.secret,
            capabilities_from_pb(message.capabilities),
            tuple(hardware_from_pb(each) for each in message.hardware),
        )


def encode_ai_task(value: AiTask) -> bytes:
    with writing("AI job"):
        data = json.dumps({"input_url": value.input_url, "request": dict(value.request)}).encode()
        return net_pb2.NotifyAIJob(
            AIJobData=net_pb2.AIJobData(pipeline=value.pipeline, requestData=data), taskId=value.task_id
        ).SerializeToString()


def decode_ai_task(data: bytes) -> AiTask:
    """:raises MalformedMessage: not such a message, or its request is no JSON object."""
    message = parse(net_pb2.NotifyAIJob(), data, "AI job")
    try:
        said = bounded_json.loads(message.AIJobData.requestData)
        request, url = said["request"], said.get("input_url", "")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise MalformedMessage("AI job", f"request: {type(error).__name__}") from error
    if not isinstance(request, dict) or not isinstance(url, str):
        raise MalformedMessage("AI job", "request is no object, or input_url no text")
    with reading("AI job"):
        return AiTask(message.AIJobData.pipeline, request, read_natural(message.taskId, "taskId"), url)
