"""Every wire message of ours is read by the official SDK's own protobuf, which writes it again; ours reads that."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepeer_client.codec import wire, worker_api
from livepeer_client.codec.messages import ModelConstraint, OrchestratorRequest, PaymentResult
from livepeer_client.codec.worker_api import AiTask, AiWorkerJoins, SegmentTask, TranscoderJoins
from tests.client.codec import test_wire as shapes
from tests.support.sdk import Sdk, official_sdk

Codec = tuple[str, Callable[[Any], bytes], Callable[[bytes], Any], st.SearchStrategy[Any]]
texts = st.text(min_size=1, max_size=8)
requests = st.builds(
    OrchestratorRequest,
    st.just(b"") | shapes.addresses,
    st.binary(max_size=65),
    st.none() | shapes.capabilities,
    st.booleans(),
)
tasks = st.builds(SegmentTask, texts, shapes.segment_credentials, st.integers(0, 2**62))
MESSAGES: list[Codec] = [
    ("PingPong", wire.encode_ping, wire.decode_ping, st.binary(max_size=40)),
    ("OrchestratorRequest", wire.encode_orchestrator_request, wire.decode_orchestrator_request, requests),
    ("OrchestratorInfo", wire.encode_orchestrator_info, wire.decode_orchestrator_info, shapes.infos),
    ("Capabilities", wire.encode_capabilities, wire.decode_capabilities, shapes.capabilities),
    (
        "EndTranscodingSessionRequest",
        wire.encode_end_session_request,
        wire.decode_end_session_request,
        shapes.tokens,
    ),
    ("Payment", wire.encode_payment, wire.decode_payment, shapes.paid | shapes.ticketless),
    (
        "PaymentResult",
        wire.encode_payment_result,
        wire.decode_payment_result,
        st.builds(PaymentResult, st.none() | shapes.infos),
    ),
    ("SegData", wire.encode_segment_credentials, wire.decode_segment_credentials, shapes.segment_credentials),
    ("TranscodeResult", wire.encode_transcode_result, wire.decode_transcode_result, shapes.results),
    (
        "RegisterRequest",
        worker_api.encode_transcoder_joins,
        worker_api.decode_transcoder_joins,
        st.builds(TranscoderJoins, texts, st.integers(1, 1000), st.none() | shapes.capabilities),
    ),
    ("NotifySegment", worker_api.encode_segment_task, worker_api.decode_segment_task, tasks),
    (
        "RegisterAIWorkerRequest",
        worker_api.encode_ai_worker_joins,
        worker_api.decode_ai_worker_joins,
        st.builds(AiWorkerJoins, texts, shapes.capabilities, st.lists(shapes.hardware, max_size=2).map(tuple)),
    ),
    (
        "NotifyAIJob",
        worker_api.encode_ai_task,
        worker_api.decode_ai_task,
        st.builds(AiTask, texts, st.dictionaries(texts, st.integers()), st.integers(0, 2**62), texts),
    ),
]


@pytest.fixture(scope="module")
def sdk() -> Iterator[Sdk]:
    with official_sdk() as opened:
        yield opened


@pytest.mark.parametrize(("name", "encode", "decode", "values"), MESSAGES, ids=[each[0] for each in MESSAGES])
def test_message__read_and_written_by_the_sdk__is_the_same_to_us(
    sdk: Sdk, name: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], values: st.SearchStrategy[Any]
) -> None:
    @settings(max_examples=40, database=None)
    @given(values)
    def same(value: object) -> None:
        ours = encode(value)
        theirs = bytes.fromhex(sdk.ask("round_trip", message=name, data=ours.hex())["data"])
        assert decode(theirs) == decode(ours)

    same()


def test_request__as_the_sdk_makes_it__is_read_by_us(sdk: Sdk) -> None:
    made = sdk.ask("built", address="11" * 20, sig="22" * 65, model="noop")
    request = wire.decode_orchestrator_request(bytes.fromhex(made["request"]))
    assert (request.address, request.sig) == (b"\x11" * 20, b"\x22" * 65)
    assert request.ignore_capacity_check
    assert request.capabilities == wire.decode_capabilities(bytes.fromhex(made["capabilities"]))
    assert request.capabilities.constraints == {35: {"noop": ModelConstraint()}}
