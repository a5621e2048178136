"""Named renditions, and renditions ordered in JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.messages import CodecProfile, VideoCodec, VideoFormat, VideoProfile
from livepeer_client.codec.presets import StreamOrder, decode_order, preset
from livepeer_client.errors import InvalidInput, MalformedMessage


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("P720p60fps16x9", (1280, 720, 6_000_000, 60)),
        ("P576p25fps16x9", (1024, 576, 1_500_000, 25)),
        ("P360p30fps4x3", (480, 360, 1_000_000, 30)),
        ("P240p30fps16x9", (426, 240, 600_000, 30)),
        ("P144p25fps16x9", (256, 144, 400_000, 25)),
    ],
)
def test_preset__by_name__has_the_networks_figures(name: str, figures: tuple[int, int, int, int]) -> None:
    found = preset(name)
    assert (found.name, found.width, found.height, found.bitrate, found.fps) == (name, *figures)


def test_preset__unknown__is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="P144p25fps16x9"):
        preset("P480p30fps16x9")


def test_decode_order__every_field__is_read() -> None:
    text = {
        "manifestID": "m",
        "presets": ["P144p30fps16x9"],
        "profiles": [
            {
                "name": "own",
                "width": 640,
                "height": 360,
                "bitrate": 900_000,
                "fps": 30_000,
                "fpsDen": 1001,
                "profile": "H264ConstrainedHigh",
                "gop": "2.5",
                "encoder": "H.264",
            },
            {"width": 320, "height": 180, "bitrate": 1, "gop": "intra", "encoder": "HEVC", "profile": "none"},
        ],
        "verificationFreq": 3,
        "timeoutMultiplier": 2,
        "streamID": "s1",
        "sessionID": "x9",
        "streamKey": "k",
        "recordObjectStore": "s3://elsewhere",
        "objectStore": "",
        "forceSessionReinit": True,
    }
    order = decode_order(json.dumps(text).encode(), VideoFormat.MP4)
    assert order == StreamOrder(
        "m",
        (
            preset("P144p30fps16x9"),
            VideoProfile(
                "own", 640, 360, 900_000, 30_000, 1001, VideoFormat.MP4, CodecProfile.H264_CONSTRAINED_HIGH, 2500
            ),
            VideoProfile("webhook_320x180_1", 320, 180, 1, format=VideoFormat.MP4, gop_ms=-1, encoder=VideoCodec.H265),
        ),
        verification=3,
        timeout_multiplier=2.0,
        stream_id="s1",
        session_id="x9",
    )
    assert order.unserved == ("forceSessionReinit", "recordObjectStore")


def test_decode_order__nothing_said__orders_nothing() -> None:
    assert decode_order(b"{}") == StreamOrder()
    assert decode_order(b'{"timeoutMultiplier": 0}') == StreamOrder()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"manifestID": 7}',
        '{"presets": "P144p30fps16x9"}',
        '{"presets": ["P1"]}',
        '{"profiles": [7]}',
        '{"profiles": [{"width": 640}]}',
        '{"profiles": [{"width": 640, "height": 360, "bitrate": -1}]}',
        '{"profiles": [{"width": 640.5, "height": 360, "bitrate": 1}]}',
        '{"profiles": [{"width": 0, "height": 360, "bitrate": 1}]}',
        '{"profiles": [{"width": 4294967296, "height": 360, "bitrate": 1}]}',
        '{"profiles": [{"width": 640, "height": 360, "bitrate": 1, "gop": "soon"}]}',
        '{"profiles": [{"width": 640, "height": 360, "bitrate": 1, "gop": "1e400"}]}',
        '{"profiles": [{"width": 640, "height": 360, "bitrate": 1, "encoder": "AV1"}]}',
        '{"profiles": [{"width": 640, "height": 360, "bitrate": 1, "profile": "H264Extended"}]}',
        '{"presets": ["P144p30fps16x9", "P144p30fps16x9"]}',
        json.dumps({"presets": ["P144p30fps16x9"] * 11}),
        '{"verificationFreq": -1}',
        '{"verificationFreq": 10001}',
        '{"verificationFreq": true}',
        '{"verificationFreq": 0.5}',
        '{"timeoutMultiplier": -1}',
        '{"timeoutMultiplier": 11}',
        '{"timeoutMultiplier": NaN}',
        '{"timeoutMultiplier": "2"}',
        '{"sessionID": 7}',
    ],
)
def test_decode_order__anything_else__is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_order(text.encode())


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_decode_order__any_bytes__are_an_order_or_malformed(text: bytes) -> None:
    try:
        order = decode_order(text)
    except MalformedMessage:
        return
    assert isinstance(order, StreamOrder)
