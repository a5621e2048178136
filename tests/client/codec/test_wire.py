"""Messages to bytes and back (offchain-payments 10 and invariant 24; offchain-network 2.4 and 4.1)."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec import wire
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    CodecProfile,
    Gpu,
    Hardware,
    ModelConstraint,
    NonceAndSig,
    ObjectStore,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PaymentResult,
    PriceInfo,
    S3Policy,
    SegmentCredentials,
    Slice,
    StorageType,
    TranscodedSegment,
    TranscodeResult,
    VideoCodec,
    VideoFormat,
    VideoProfile,
)
from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import MAX_UINT256, ZERO_HASH, Round
from tests.support.payments import EXPIRATION, GATEWAY, PRICE, make_params, make_payment, make_quote

INT64, INT32, UINT32 = 2**63 - 1, 2**31 - 1, 2**32 - 1

# --- any value of each message --------------------------------------------------------------------

addresses = st.binary(min_size=20, max_size=20)
hashes = st.binary(min_size=32, max_size=32)
uint256 = st.integers(0, MAX_UINT256)
uint32 = st.integers(0, UINT32)
int64 = st.integers(-INT64 - 1, INT64)
naturals = st.integers(0, INT64)
texts = st.text(max_size=8)
expirations = st.builds(ExpirationParams, naturals, hashes)
params = st.builds(TicketParams, addresses, uint256, uint256, hashes, uint256, uint256, expirations)
price_infos = st.builds(PriceInfo, int64, int64, uint32, texts)
tokens = st.builds(AuthToken, st.binary(max_size=40), texts, naturals)
models = st.builds(ModelConstraint, st.booleans(), uint32, texts, uint32)
bit_sets = st.frozensets(st.integers(0, 130), max_size=6)
capabilities = st.builds(
    Capabilities,
    bits=bit_sets,
    mandatories=bit_sets,
    capacities=st.dictionaries(uint32, uint32, min_size=1, max_size=3),
    version=texts,
    min_version=texts,
    constraints=st.dictionaries(uint32, st.dictionaries(texts, models, max_size=2), max_size=2),
)
gpus = st.builds(Gpu, texts, texts, uint32, uint32, naturals, naturals)
hardware = st.builds(Hardware, texts, texts, st.dictionaries(texts, gpus, max_size=2))
policies = st.builds(S3Policy, texts, texts, texts, texts, texts, texts)
stores = st.builds(ObjectStore, st.sampled_from(StorageType), st.none() | policies)
infos = st.builds(
    OrchestratorInfo,
    texts,
    st.none() | params,
    st.none() | price_infos,
    st.just(b"") | addresses,
    st.none() | capabilities,
    st.none() | tokens,
    st.lists(price_infos, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(hardware, max_size=2).map(tuple),
    st.lists(stores, max_size=2).map(tuple),
)
paid = st.builds(
    lambda quote, sender, tickets, price: Payment(quote, sender, quote.expiration, tickets, price),
    params,
    addresses,
    st.lists(st.builds(NonceAndSig, uint32, st.binary(max_size=65)), max_size=3).map(tuple),
    st.none() | price_infos,
)
ticketless = st.builds(Payment, st.none(), st.just(b"") | addresses, st.none(), st.just(()), st.none() | price_infos)
profiles = st.builds(
    VideoProfile,
    name=st.text(min_size=1, max_size=8),
    width=st.integers(1, INT32),
    height=st.integers(1, INT32),
    bitrate=st.integers(0, INT32),
    fps=uint32,
    fps_den=st.integers(1, UINT32),
    format=st.sampled_from(VideoFormat),
    profile=st.sampled_from(CodecProfile),
    gop_ms=st.integers(-INT32 - 1, INT32),
    encoder=st.sampled_from(VideoCodec),
)
segment_credentials = st.builds(
    SegmentCredentials,
    manifest_id=st.binary(max_size=16),
    seq=naturals,
    hash=hashes,
    profiles=st.lists(profiles, max_size=3).map(tuple),
    sig=st.binary(max_size=65),
    duration_ms=st.integers(0, INT32),
    capabilities=st.none() | capabilities,
    auth_token=st.none() | tokens,
    slice=st.none()
    | st.builds(Slice, st.integers(1, 1000), st.integers(1001, 300_000))
    | st.builds(Slice, st.integers(1, 299_999)),
)
segments = st.lists(st.builds(TranscodedSegment, texts, naturals), max_size=3).map(tuple)
results = st.builds(TranscodeResult, naturals, st.just(""), segments, st.binary(max_size=65), st.none() | infos) | (
    st.builds(TranscodeResult, naturals, st.text(min_size=1, max_size=8), info=st.none() | infos)
)


@given(st.binary(max_size=40))
def test_ping__encoded_and_decoded__is_the_same(value: bytes) -> None:
    assert wire.decode_ping(wire.encode_ping(value)) == value


@given(st.builds(OrchestratorRequest, st.just(b"") | addresses, st.binary(max_size=65), st.none() | capabilities))
def test_orchestrator_request__encoded_and_decoded__is_the_same(value: OrchestratorRequest) -> None:
    assert wire.decode_orchestrator_request(wire.encode_orchestrator_request(value)) == value


@given(infos)
def test_orchestrator_info__encoded_and_decoded__is_the_same(value: OrchestratorInfo) -> None:
    assert wire.decode_orchestrator_info(wire.encode_orchestrator_info(value)) == value


@given(paid | ticketless)
def test_payment__encoded_and_decoded__is_the_same(value: Payment) -> None:
    assert wire.decode_payment(wire.encode_payment(value)) == value
    assert wire.payment_from_header(wire.payment_header(value)) == value


@given(st.builds(PaymentResult, st.none() | infos))
def test_payment_result__encoded_and_decoded__is_the_same(value: PaymentResult) -> None:
    assert wire.decode_payment_result(wire.encode_payment_result(value)) == value


@given(segment_credentials)
def test_segment_credentials__encoded_and_decoded__are_the_same(value: SegmentCredentials) -> None:
    assert wire.decode_segment_credentials(wire.encode_segment_credentials(value)) == value
    assert wire.segment_from_header(wire.segment_header(value)) == value


@given(results)
def test_transcode_result__encoded_and_decoded__is_the_same(value: TranscodeResult) -> None:
    assert wire.decode_transcode_result(wire.encode_transcode_result(value)) == value


@given(st.binary(max_size=200))
def test_decoders__arbitrary_bytes__yield_a_value_or_a_malformed_message(data: bytes) -> None:
    for decode in (
        wire.decode_ping,
        wire.decode_orchestrator_request,
        wire.decode_orchestrator_info,
        wire.decode_payment,
        wire.decode_payment_result,
        wire.decode_segment_credentials,
        wire.decode_transcode_result,
    ):
        try:
            decode(data)
        except MalformedMessage:
            continue


# --- integers and widths --------------------------------------------------------------------------


def _payment_message() -> net_pb2.Payment:
    return net_pb2.Payment.FromString(wire.encode_payment(make_payment(make_quote())))


def test_encode_payment__zero_integers__are_empty_and_others_minimal() -> None:
    value = replace(make_params(0, 0, expiration_block=256), seed=0)
    message = net_pb2.Payment.FromString(wire.encode_payment(Payment(value, GATEWAY, EXPIRATION, (), None)))
    assert message.ticket_params.face_value == message.ticket_params.win_prob == message.ticket_params.seed == b""
    assert message.ticket_params.expiration_block == b"\x01\x00"


@pytest.mark.parametrize("first", [b"\x00", b"\x01"], ids=["small value", "large value"])
@pytest.mark.parametrize("name", ["face_value", "win_prob", "seed", "expiration_block"])
def test_decode_payment__integer_of_33_bytes__is_malformed(name: str, first: bytes) -> None:
    message = _payment_message()
    setattr(message.ticket_params, name, first + b"\x01" * 32)
    with pytest.raises(MalformedMessage, match=name):
        wire.decode_payment(message.SerializeToString())


@pytest.mark.parametrize("name", ["face_value", "win_prob", "seed", "expiration_block"])
def test_decode_payment__integer_of_32_bytes__is_read(name: str) -> None:
    message = _payment_message()
    setattr(message.ticket_params, name, b"\xff" * 32)
    assert getattr(wire.decode_payment(message.SerializeToString()).ticket_params, name) == MAX_UINT256


@pytest.mark.parametrize("width", [0, 19, 21])
def test_decode_payment__recipient_not_20_bytes__is_malformed(width: int) -> None:
    message = _payment_message()
    message.ticket_params.recipient = b"\x01" * width
    with pytest.raises(MalformedMessage, match="recipient"):
        wire.decode_payment(message.SerializeToString())


@pytest.mark.parametrize("width", [1, 19, 21])
def test_decode_payment__sender_not_20_bytes__is_malformed(width: int) -> None:
    message = _payment_message()
    message.sender = b"\x01" * width
    with pytest.raises(MalformedMessage, match="sender"):
        wire.decode_payment(message.SerializeToString())


@pytest.mark.parametrize("width", [0, 31, 33])
def test_decode_payment__commitment_not_32_bytes__is_malformed(width: int) -> None:
    message = _payment_message()
    message.ticket_params.recipient_rand_hash = b"\x01" * width
    with pytest.raises(MalformedMessage, match="recipient_rand_hash"):
        wire.decode_payment(message.SerializeToString())


@pytest.mark.parametrize("width", [1, 31, 33])
def test_decode_payment__block_hash_not_32_bytes__is_malformed(width: int) -> None:
    message = _payment_message()
    message.expiration_params.creation_round_block_hash = b"\x01" * width
    with pytest.raises(MalformedMessage, match="creation_round_block_hash"):
        wire.decode_payment(message.SerializeToString())


def test_decode_payment__negative_creation_round__is_malformed() -> None:
    message = _payment_message()
    message.expiration_params.creation_round = -1
    with pytest.raises(MalformedMessage, match="creation_round"):
        wire.decode_payment(message.SerializeToString())


def test_encode_orchestrator_info__price_beyond_int64__is_refused() -> None:
    info = OrchestratorInfo("", None, PriceInfo(2**63, 1), b"", None, None)
    with pytest.raises(InvalidInput):
        wire.encode_orchestrator_info(info)


# --- where creation params travel -----------------------------------------------------------------


def test_encode_orchestrator_info__a_quote__carries_creation_params_inside_it() -> None:
    info = OrchestratorInfo("", make_quote(), PRICE, b"", None, None)
    message = net_pb2.OrchestratorInfo.FromString(wire.encode_orchestrator_info(info))
    assert message.ticket_params.expiration_params.creation_round == EXPIRATION.creation_round


def test_encode_payment__with_tickets__carries_creation_params_beside_the_params_only() -> None:
    message = _payment_message()
    assert not message.ticket_params.HasField("expiration_params")
    assert message.expiration_params.creation_round == EXPIRATION.creation_round


def test_decode_payment__params_without_creation_params__is_malformed() -> None:
    message = _payment_message()
    message.ClearField("expiration_params")
    with pytest.raises(MalformedMessage, match="expiration params"):
        wire.decode_payment(message.SerializeToString())


def test_decode_payment__creation_params_inside_the_params_only__is_malformed() -> None:
    message = _payment_message()
    message.ticket_params.expiration_params.CopyFrom(message.expiration_params)
    message.ClearField("expiration_params")
    with pytest.raises(MalformedMessage, match="expiration params"):
        wire.decode_payment(message.SerializeToString())


def test_decode_payment__tickets_without_params__is_malformed() -> None:
    message = _payment_message()
    message.ClearField("ticket_params")
    with pytest.raises(MalformedMessage, match="ticket params"):
        wire.decode_payment(message.SerializeToString())


def test_encode_payment__tickets_without_params__is_refused() -> None:
    with pytest.raises(InvalidInput):
        wire.encode_payment(replace(make_payment(make_quote()), ticket_params=None))


def test_decode_orchestrator_info__quote_without_creation_params__leaves_them_to_the_sender() -> None:
    info = OrchestratorInfo("", make_quote(), PRICE, b"", None, None)
    message = net_pb2.OrchestratorInfo.FromString(wire.encode_orchestrator_info(info))
    message.ticket_params.ClearField("expiration_params")
    decoded = wire.decode_orchestrator_info(message.SerializeToString())
    assert decoded.ticket_params is not None
    assert decoded.ticket_params.expiration == ExpirationParams(Round(0), ZERO_HASH)


def test_decode_orchestrator_info__off_chain__has_neither_params_nor_price() -> None:
    message = net_pb2.OrchestratorInfo(transcoder="https://orchestrator:8935")
    decoded = wire.decode_orchestrator_info(message.SerializeToString())
    assert (decoded.ticket_params, decoded.price_info) == (None, None)


def test_decode_orchestrator_info__empty_params_message__is_read_as_absent() -> None:
    message = net_pb2.OrchestratorInfo(ticket_params=net_pb2.TicketParams())
    assert wire.decode_orchestrator_info(message.SerializeToString()).ticket_params is None


# --- capabilities ---------------------------------------------------------------------------------


def test_encode_orchestrator_request__capabilities_without_capacities__fills_one_each() -> None:
    request = OrchestratorRequest(b"", b"", Capabilities(bits=frozenset({0, 70})))
    message = net_pb2.OrchestratorRequest.FromString(wire.encode_orchestrator_request(request))
    assert dict(message.capabilities.capacities) == {0: 1, 70: 1}
    assert list(message.capabilities.bitstring) == [1, 1 << 6]


def test_decode_orchestrator_request__constraints_and_capacities_without_bits__is_read() -> None:
    # How the official SDK asks for a live pipeline (offchain-network B.1).
    message = net_pb2.OrchestratorRequest(ignoreCapacityCheck=True)
    message.capabilities.capacities[35] = 1
    message.capabilities.constraints.PerCapability[35].models["noop"].warm = False
    request = wire.decode_orchestrator_request(message.SerializeToString())
    assert request.ignore_capacity_check
    assert request.capabilities is not None
    assert request.capabilities.bits == frozenset()
    assert request.capabilities.capacities == {35: 1}
    assert request.capabilities.constraints == {35: {"noop": ModelConstraint()}}


def test_decode_orchestrator_request__endless_bitstring__is_malformed() -> None:
    message = net_pb2.OrchestratorRequest()
    message.capabilities.bitstring.extend([2**64 - 1] * 17)
    with pytest.raises(MalformedMessage):
        wire.decode_orchestrator_request(message.SerializeToString())


# --- segments -------------------------------------------------------------------------------------

PLAIN = VideoProfile("P240p30fps16x9", 426, 240, 600_000, 30)


def _segment(*wanted: VideoProfile) -> net_pb2.SegData:
    value = SegmentCredentials(b"manifest", 1, ZERO_HASH, wanted, b"", 2_000)
    return net_pb2.SegData.FromString(wire.encode_segment_credentials(value))


@pytest.mark.parametrize(
    ("changes", "filled"),
    [
        ({}, "fullProfiles"),
        ({"format": VideoFormat.MP4}, "fullProfiles2"),
        ({"fps": 30_000, "fps_den": 1_001}, "fullProfiles3"),
        ({"profile": CodecProfile.H264_HIGH}, "fullProfiles3"),
        ({"gop_ms": 1_000}, "fullProfiles3"),
        ({"gop_ms": -1}, "fullProfiles3"),
        ({"format": VideoFormat.MP4, "gop_ms": 1_000}, "fullProfiles3"),
    ],
    ids=str,
)
def test_encode_segment_credentials__profiles__go_to_the_oldest_list_that_holds_them(
    changes: dict[str, object], filled: str
) -> None:
    message = _segment(PLAIN, replace(PLAIN, **changes))  # type: ignore[arg-type]
    lists = ("fullProfiles", "fullProfiles2", "fullProfiles3")
    assert [len(getattr(message, name)) for name in lists] == [2 * (name == filled) for name in lists]
    assert message.profiles == b"invalid"


@pytest.mark.parametrize("part", [None, Slice(250, 0), Slice(0, 750), Slice(250, 750)])
def test_segment_credentials__a_slice__goes_there_and_back(part: Slice | None) -> None:
    value = SegmentCredentials(b"manifest", 1, ZERO_HASH, (PLAIN,), b"", 2_000, slice=part)
    data = wire.encode_segment_credentials(value)
    message = net_pb2.SegData.FromString(data)
    assert message.HasField("segment_parameters") is (part is not None)
    found = getattr(message.segment_parameters, "from"), message.segment_parameters.to
    assert found == ((0, 0) if part is None else (part.from_ms, part.to_ms))
    assert wire.decode_segment_credentials(data) == value


def test_decode_segment_credentials__a_slice_of_nothing_but_zeros__is_the_whole_segment() -> None:
    message = _segment(PLAIN)
    message.segment_parameters.SetInParent()
    assert wire.decode_segment_credentials(message.SerializeToString()).slice is None


@pytest.mark.parametrize(("begin", "end"), [(700, 700), (700, 300), (300_000, 0), (0, 300_001), (2**63, 2**64 - 1)])
def test_decode_segment_credentials__impossible_slice__is_malformed(begin: int, end: int) -> None:
    message = _segment(PLAIN)
    message.segment_parameters.CopyFrom(net_pb2.SegParameters(**{"from": begin, "to": end}))
    with pytest.raises(MalformedMessage):
        wire.decode_segment_credentials(message.SerializeToString())


def test_decode_segment_credentials__several_lists__takes_the_highest_numbered() -> None:
    message = _segment(PLAIN)
    message.fullProfiles3.extend(_segment(replace(PLAIN, name="third")).fullProfiles)
    decoded = wire.decode_segment_credentials(message.SerializeToString())
    assert [profile.name for profile in decoded.profiles] == ["third"]


def test_decode_segment_credentials__frame_rate_denominator_0__is_1() -> None:
    assert _segment(PLAIN).fullProfiles[0].fpsDen == 0
    assert wire.decode_segment_credentials(_segment(PLAIN).SerializeToString()).profiles == (PLAIN,)


def test_decode_segment_credentials__only_an_auth_token__is_read() -> None:
    # What the official SDK sends off chain (offchain-network B.1).
    message = net_pb2.SegData(auth_token=net_pb2.AuthToken(token=b"t", session_id="deadbeef", expiration=7))
    decoded = wire.decode_segment_credentials(message.SerializeToString())
    assert decoded.auth_token == AuthToken(b"t", "deadbeef", 7)
    assert (decoded.hash, decoded.profiles, decoded.sig) == (ZERO_HASH, (), b"")


@pytest.mark.parametrize(
    ("name", "value"), [("hash", b"\x01" * 31), ("seq", -1), ("duration", -1)], ids=["hash", "seq", "duration"]
)
def test_decode_segment_credentials__field_out_of_range__is_malformed(name: str, value: object) -> None:
    message = _segment(PLAIN)
    setattr(message, name, value)
    with pytest.raises(MalformedMessage, match=name):
        wire.decode_segment_credentials(message.SerializeToString())


@pytest.mark.parametrize(("name", "value"), [("name", ""), ("width", 0), ("height", -1), ("format", 9)], ids=str)
def test_decode_segment_credentials__impossible_profile__is_malformed(name: str, value: object) -> None:
    message = _segment(PLAIN)
    setattr(message.fullProfiles[0], name, value)
    with pytest.raises(MalformedMessage):
        wire.decode_segment_credentials(message.SerializeToString())


def test_decode_transcode_result__neither_renditions_nor_error__is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        wire.decode_transcode_result(net_pb2.TranscodeResult(seq=1).SerializeToString())


def test_decode_transcode_result__negative_pixels__is_malformed() -> None:
    message = net_pb2.TranscodeResult(seq=1)
    message.data.segments.add(url="u", pixels=-1)
    with pytest.raises(MalformedMessage, match="pixels"):
        wire.decode_transcode_result(message.SerializeToString())


# --- headers --------------------------------------------------------------------------------------


def test_payment_header__off_chain__is_empty_and_reads_as_an_empty_payment() -> None:
    assert wire.payment_header(None) == ""
    assert wire.payment_from_header("") == Payment(None, b"", None, (), None)


@pytest.mark.parametrize("header", ["not base64", "AA", "AAA=\n", "\u00e4\u00f6", "_-8="])
def test_payment_from_header__not_padded_standard_base64__is_malformed(header: str) -> None:
    with pytest.raises(MalformedMessage) as refusal:
        wire.payment_from_header(header)
    assert refusal.value.detail == "base64 decode error"


def test_payment_from_header__truncated_protobuf__is_malformed() -> None:
    data = wire.encode_payment(make_payment(make_quote()))
    for end in (1, 5, len(data) // 2, len(data) - 1):
        with pytest.raises(MalformedMessage):
            wire.payment_from_header(base64.b64encode(data[:end]).decode())


def test_segment_from_header__truncated_protobuf__is_malformed() -> None:
    data = _segment(PLAIN).SerializeToString()
    with pytest.raises(MalformedMessage) as refusal:
        wire.segment_from_header(base64.b64encode(data[:-1]).decode())
    assert refusal.value.detail == "protobuf unmarshal error"
