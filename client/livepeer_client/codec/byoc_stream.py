"""JSON of streams of brought-along capabilities (offchain-network 4.12)."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.byoc_api import JobRequest
from livepeer_client.codec.live_job import LiveUrls
from livepeer_client.codec.trickle import is_channel_name
from livepeer_client.errors import MalformedMessage

JSON_LINES: Final = "application/jsonl"
MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """Which channels a stream has beside control and events."""

    ingress: bool = False
    egress: bool = False
    data: bool = False


def stream_id_of(job: JobRequest) -> str:
    """A stream's id: `stream_id` of the signed request, or else the job's own id.

    :raises MalformedMessage: neither, or none that can stand in a header: letters, digits, `-` and `_`, 128 at most.
    """
    found = _object(job.request, "request").get("stream_id") or job.id
    if not isinstance(found, str) or not is_channel_name(found):
        raise MalformedMessage("request", "stream_id")
    return found


def decode_parameters(text: str) -> StreamParameters:
    """The signed `parameters`.

    :raises MalformedMessage: no JSON object, or a switch that is neither true nor false.
    """
    found = _object(text, "parameters")
    names = ("enable_video_ingress", "enable_video_egress", "enable_data_output")
    switches = [found.get(name) or False for name in names]
    for name, value in zip(names, switches, strict=True):
        if not isinstance(value, bool):
            raise MalformedMessage("parameters", name)
    return StreamParameters(*switches)


def parameters_of(
    parameters: StreamParameters, include: Collection[str] = (), exclude: Collection[str] = ()
) -> dict[str, Any]:
    """What a gateway signs as `parameters`. `include` and `exclude`: orchestrators."""
    said: dict[str, Any] = {
        "enable_video_ingress": parameters.ingress,
        "enable_video_egress": parameters.egress,
        "enable_data_output": parameters.data,
    }
    if include or exclude:
        said["orchestrators"] = {"include": sorted(include), "exclude": sorted(exclude)}
    return said


def decode_body(data: bytes) -> Mapping[str, Any]:
    """What somebody tells a stream's worker.

    :raises MalformedMessage: no JSON object.
    """
    return _object(data, "body")


def encode_worker_start(body: bytes, stream_id: str, request_id: str, urls: LiveUrls) -> bytes:
    """What a worker is told at `/stream/start`: what the gateway said, and where to read and write.

    :raises MalformedMessage: `body` is no JSON object.
    """
    said = dict(_object(body, "body")) | {
        "stream_id": stream_id,
        "gateway_request_id": request_id,
        "control_url": urls.control,
        "events_url": urls.events,
    }
    # What a gateway publishes is what a worker subscribes to. None of these is the buyer's to name.
    for key, url in (("subscribe_url", urls.publish), ("publish_url", urls.subscribe), ("data_url", urls.data)):
        said.pop(key, None)
        if url:
            said[key] = url
    return json.dumps(said).encode()


def _object(data: str | bytes, what: str) -> Mapping[str, Any]:
    if not data:
        return {}
    try:
        found = bounded_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(what, "not JSON") from error
    if not isinstance(found, dict):
        raise MalformedMessage(what, "not a JSON object")
    return found
