"""JSON that starts a live-video-to-video job, towards orchestrators and runners (offchain-network 4.10)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.errors import MalformedMessage

MAX_REQUEST_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What a gateway asks for. Its two ids are for logs alone."""

    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    gateway_request_id: str = ""
    stream_id: str = ""


@dataclass(frozen=True, slots=True)
class LiveUrls:
    """The channels of a job, absolute: the first four of live video, any of them of a BYOC stream (else empty)."""

    publish: str
    subscribe: str
    control: str
    events: str
    data: str = ""


def decode_request(data: bytes) -> LiveRequest:
    """:raises MalformedMessage: no JSON object of these fields, or more than `MAX_REQUEST_BYTES`."""
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedMessage("live request", "request too large")
    found = _object(data)
    texts = [found.get(name) or "" for name in ("model_id", "gateway_request_id", "stream_id")]
    params = found.get("params") or {}
    if not isinstance(params, dict) or not all(isinstance(text, str) for text in texts):
        raise MalformedMessage("live request", "model_id, params or an id of a wrong type")
    model, request_id, stream_id = texts
    return LiveRequest(model, params, request_id, stream_id)


def encode_request(request: LiveRequest, urls: LiveUrls | None = None) -> bytes:
    """For an orchestrator; with `urls` for a runner, which reads and writes there."""
    body = {
        "model_id": request.model,
        "params": dict(request.params),
        "gateway_request_id": request.gateway_request_id,
        "stream_id": request.stream_id,
    }
    if urls is not None:
        # What a gateway publishes is what a runner subscribes to.
        body |= {
            "subscribe_url": urls.publish,
            "publish_url": urls.subscribe,
            "control_url": urls.control,
            "events_url": urls.events,
        }
    return json.dumps(body).encode()


def encode_answer(manifest_id: str, urls: LiveUrls) -> bytes:
    return json.dumps(
        {
            "manifest_id": manifest_id,
            "publish_url": urls.publish,
            "subscribe_url": urls.subscribe,
            "control_url": urls.control,
            "events_url": urls.events,
        }
    ).encode()


def decode_answer(data: bytes) -> tuple[str, LiveUrls]:
    """Manifest id and channels, whose URLs may be relative to the orchestrator's.

    :raises MalformedMessage: one of them is missing.
    """
    found = _object(data)
    names = ("manifest_id", "publish_url", "subscribe_url", "control_url", "events_url")
    texts = [found.get(name) for name in names]
    if not all(isinstance(text, str) and text for text in texts):
        raise MalformedMessage("live answer", "manifest_id or a URL is missing")
    manifest_id, *urls = map(str, texts)
    return manifest_id, LiveUrls(*urls)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(data)
    except ValueError as error:
        raise MalformedMessage("live request", "not JSON") from error
    if not isinstance(found, dict):
        raise MalformedMessage("live request", "not a JSON object")
    return found
