"""What a gateway tells of the orchestrators it knows."""

import json
from fractions import Fraction
from typing import Any

import pytest

from livepeer_client.codec.gateway_api import (
    KnownOrchestrator,
    Out,
    Role,
    Use,
    decode_orchestrators,
    orchestrators_json,
)
from livepeer_client.errors import MalformedMessage
from livepeer_client.types import Address

WORKING = KnownOrchestrator(
    address=Address(b"\x01" * 20),
    uri="https://ada.example:8935",
    price=Fraction(1, 1000),
    latency_s=0.05,
    latency_score=0.4,
    trust=1.0,
    trusted=True,
    suspended=None,
    uses=(Use("transcoding", "movie", Role.WORKING), Use("batch AI", "upscale/lanczos", Role.STANDBY)),
)
OUT = KnownOrchestrator(
    address=Address(b"\x02" * 20),
    uri="https://bob.example:8935",
    price=None,
    latency_s=None,
    latency_score=None,
    trust=0.0,
    trusted=False,
    suspended=Out(1_700_000_000.5, 12.5, "another picture", True),
    uses=(),
)


def test_orchestrators__encoded_and_decoded__are_the_same() -> None:
    body = json.dumps(orchestrators_json([WORKING, OUT])).encode()
    assert decode_orchestrators(body) == (WORKING, OUT)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "0x12"),
        ("uri", None),
        ("price", "1e999999999"),
        ("price", "1/0"),
        ("latency_s", "0.05"),
        ("trust", None),
        ("trusted", 1),
        ("suspended", {"until": 1.0}),
        ("uses", [{"workload": "transcoding", "name": "movie", "role": "idle"}]),
    ],
)
def test_decode_orchestrators__a_field_that_is_none__is_refused(key: str, value: object) -> None:
    message: dict[str, Any] = orchestrators_json([WORKING])
    message["orchestrators"][0][key] = value
    with pytest.raises(MalformedMessage):
        decode_orchestrators(json.dumps(message).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"orchestrators": 7}', b'{"orchestrators": ["x"]}', b"[" * 100])
def test_decode_orchestrators__no_such_message__is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_orchestrators(body)
