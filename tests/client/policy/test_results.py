"""What a gateway accepts as a result."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import coincurve
import pytest

from livepeer_client.codec.credentials import result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import TranscodedSegment, VideoProfile
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.errors import BadResult
from livepeer_client.facts import MediaInfo
from livepeer_client.policy.results import (
    MAX_SEGMENT_BYTES,
    ExchangeTimes,
    check_claim,
    check_offered,
    check_rendition,
    check_signature,
    exchange_times,
    most_frames,
    rendition_limit,
)

HOME = "https://ada.example:8935"
P240 = VideoProfile("P240", 426, 240, 600_000, 30)
SOURCE = MediaInfo(1280, 720, 60, Fraction(2))


def offer(*urls: str, pixels: int = 1) -> list[TranscodedSegment]:
    return [TranscodedSegment(url, pixels) for url in urls]


def test_exchange_times__two_second_segment__has_the_floors() -> None:
    assert exchange_times(2) == ExchangeTimes(2, 8)


def test_exchange_times__long_segment__grows_with_it_and_with_the_multiplier() -> None:
    assert exchange_times(10) == ExchangeTimes(5, 40)
    assert exchange_times(10, 2) == ExchangeTimes(10, 80)


def test_rendition_limit__by_bitrate__between_floor_and_segment_limit() -> None:
    assert rendition_limit(P240, 2) == 4 * 1024 * 1024
    assert rendition_limit(VideoProfile("big", 2, 2, 10**8), 2) == 10**8
    assert rendition_limit(VideoProfile("huge", 2, 2, 2**31 - 1), 300) == MAX_SEGMENT_BYTES
    assert rendition_limit(VideoProfile("free", 2, 2, 0), 2) == MAX_SEGMENT_BYTES


def test_check_offered__one_rendition_per_profile_at_home__passes() -> None:
    check_offered(offer(f"{HOME}/stream/s/P240/1.ts"), [P240], HOME)
    check_offered(offer("https://ada.example/stream/1.ts"), [P240], "https://ada.example:443")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8935/stream/1.ts",
        "https://ada.example:8936/stream/1.ts",
        "http://ada.example:8935/stream/1.ts",
        "https://ada.example:8935@10.0.0.1/stream/1.ts",
        "https://user@ada.example:8935/stream/1.ts",
        "file:///etc/passwd",
        "/stream/1.ts",
        "https://ada.example:99999/1.ts",
    ],
)
def test_check_offered__rendition_lies_elsewhere__is_refused(url: str) -> None:
    with pytest.raises(BadResult) as bad:
        check_offered(offer(url), [P240], HOME)
    assert bad.value.actual == url


def test_check_offered__neither_side_names_a_host__is_refused() -> None:
    with pytest.raises(BadResult):
        check_offered(offer("nonsense"), [P240], "nonsense")


@pytest.mark.parametrize("count", [0, 2])
def test_check_offered__another_number_of_renditions__is_refused(count: int) -> None:
    with pytest.raises(BadResult):
        check_offered(offer(*[f"{HOME}/1.ts"] * count), [P240], HOME)


def test_check_offered__negative_pixels__are_refused() -> None:
    with pytest.raises(BadResult):
        check_offered(offer(f"{HOME}/1.ts", pixels=-1), [P240], HOME)


def test_check_signature__over_these_renditions_in_this_order__passes_and_no_other_does() -> None:
    key = coincurve.PrivateKey(b"\x05" * 32)
    signer = public_key_to_address(key.public_key)
    sig = sign_personal(key, result_digest([keccak256(b"one"), keccak256(b"two")]))
    check_signature([b"one", b"two"], sig, signer)
    for renditions in ([b"two", b"one"], [b"one"], [b"one", b"tvo"]):
        with pytest.raises(BadResult):
            check_signature(renditions, sig, signer)
    with pytest.raises(BadResult):
        check_signature([b"one", b"two"], b"", signer)


def test_check_rendition__as_ordered__passes() -> None:
    check_rendition(P240, 426 * 240 * 60, MediaInfo(426, 240, 60, Fraction(2)), SOURCE)


@pytest.mark.parametrize("claimed", [426 * 240 * 60 - 1, 426 * 240 * 60 + 1, 0])
def test_check_rendition__claimed_pixels_differ_by_one__is_refused(claimed: int) -> None:
    with pytest.raises(BadResult):
        check_rendition(P240, claimed, MediaInfo(426, 240, 60, Fraction(2)), SOURCE)


@pytest.mark.parametrize(
    ("size", "source"),
    [((426, 320), (640, 480)), ((426, 318), (640, 480)), ((136, 240), (720, 1280)), ((426, 426), (500, 500))],
)
def test_check_rendition__longer_side_with_the_sources_aspect__passes(
    size: tuple[int, int], source: tuple[int, int]
) -> None:
    found = MediaInfo(*size, 1, Fraction(2))
    check_rendition(P240, found.pixels, found, MediaInfo(*source, 1, Fraction(2)))


@pytest.mark.parametrize(
    ("size", "source"), [((426, 316), (640, 480)), ((424, 320), (640, 480)), ((1280, 720), (1280, 720))]
)
def test_check_rendition__another_size__is_refused(size: tuple[int, int], source: tuple[int, int]) -> None:
    found = MediaInfo(*size, 1, Fraction(2))
    with pytest.raises(BadResult):
        check_rendition(P240, found.pixels, found, MediaInfo(*source, 1, Fraction(2)))


@pytest.mark.parametrize(("source_s", "found_s"), [("2", "1.8"), ("2", "2.2"), ("10", "9"), ("1", "0.8")])
def test_check_rendition__duration_at_the_tolerance__passes(source_s: str, found_s: str) -> None:
    found = MediaInfo(426, 240, ceil(30 * Fraction(found_s)), Fraction(found_s))
    check_rendition(P240, found.pixels, found, MediaInfo(1280, 720, 60, Fraction(source_s)))


@pytest.mark.parametrize(("source_s", "found_s"), [("2", "1.79"), ("2", "2.21"), ("10", "8.99"), ("1", "0.79")])
def test_check_rendition__duration_beyond_the_tolerance__is_refused(source_s: str, found_s: str) -> None:
    found = MediaInfo(426, 240, ceil(30 * Fraction(found_s)), Fraction(found_s))
    with pytest.raises(BadResult):
        check_rendition(P240, found.pixels, found, MediaInfo(1280, 720, 60, Fraction(source_s)))


def test_check_rendition__more_frames_than_the_rate_asked_for__is_refused() -> None:
    most = most_frames(P240, SOURCE)
    for frames in (most, most + 1):
        found = MediaInfo(426, 240, frames, Fraction(2))
        if frames == most:
            check_rendition(P240, found.pixels, found, SOURCE)
            continue
        with pytest.raises(BadResult):
            check_rendition(P240, found.pixels, found, SOURCE)


def test_most_frames__rate_passed_through__is_the_sources_and_a_tenth() -> None:
    assert most_frames(replace(P240, fps=0), MediaInfo(1280, 720, 60, Fraction(2))) == 66


def test_most_frames__rate_asked_for__is_that_for_the_longest_duration_allowed() -> None:
    assert most_frames(replace(P240, fps=30_000, fps_den=1001), MediaInfo(1280, 720, 1, Fraction(10))) == 330


def test_check_claim__any_size_and_frames_that_check_rendition_takes__passes_and_twice_that_does_not() -> None:
    portrait = MediaInfo(720, 1280, 60, Fraction(2))
    for source, size in (
        (SOURCE, (426, 240)),
        (portrait, (136, 240)),
        (MediaInfo(500, 500, 60, Fraction(2)), (426, 428)),
    ):
        found = MediaInfo(*size, most_frames(P240, source), Fraction(2))
        check_rendition(P240, found.pixels, found, source)
        check_claim(P240, found.pixels, source)
        with pytest.raises(BadResult):
            check_claim(P240, 426 * 428 * (found.frames + 1), source)
