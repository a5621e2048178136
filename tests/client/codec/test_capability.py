"""Capabilities: bit coding, what a job needs, compatibility rules (offchain-network 2.1 to 2.3)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.capability import (
    DEFAULT_CAPABILITIES,
    LEGACY_CAPABILITIES,
    OPTIONAL_CAPABILITIES,
    Capability,
    JobStorage,
    MismatchKind,
    from_words,
    job_capabilities,
    mismatch,
    to_words,
)
from livepeer_client.codec.messages import (
    Capabilities,
    CodecProfile,
    ModelConstraint,
    VideoCodec,
    VideoFormat,
    VideoProfile,
)
from livepeer_client.errors import InvalidInput

OFFER = Capabilities(bits=frozenset(int(number) for number in DEFAULT_CAPABILITIES), version="0.9.1")
PLAIN = VideoProfile("P240p30fps16x9", 426, 240, 600_000, 30)
JOB = job_capabilities([PLAIN])
LIVE = Capability.LIVE_VIDEO_TO_VIDEO
bits = st.frozensets(st.integers(0, 1_023), max_size=10)


@given(bits)
def test_words__any_ids__come_back(ids: frozenset[int]) -> None:
    words = to_words(ids)
    assert from_words(words) == ids
    assert all(0 <= word < 2**64 for word in words)


@given(bits)
def test_to_words__any_ids__uses_as_few_words_as_needed(ids: frozenset[int]) -> None:
    assert len(to_words(ids)) == (max(ids) // 64 + 1 if ids else 0)


def test_to_words__ids_of_two_words__are_least_significant_first() -> None:
    assert to_words([0, 12, 65]) == [1 | 1 << 12, 2]


@pytest.mark.parametrize("number", [-1, 1_024])
def test_to_words__id_out_of_range__is_refused(number: int) -> None:
    with pytest.raises(InvalidInput):
        to_words([number])


def test_from_words__too_many_words__is_refused() -> None:
    with pytest.raises(InvalidInput):
        from_words([0] * 17)


def test_capability__all_ids__are_contiguous_from_minus_2_to_37() -> None:
    assert [int(number) for number in Capability] == list(range(-2, 38))


@pytest.mark.parametrize(
    ("number", "pipeline"),
    [(35, "live-video-to-video"), (27, "text-to-image"), (32, "segment-anything-2"), (33, "llm"), (37, "byoc")],
)
def test_pipeline__of_an_ai_capability__is_its_hyphenated_name(number: int, pipeline: str) -> None:
    assert Capability(number).pipeline == pipeline


def test_sets__default_optional_legacy__are_those_of_the_network() -> None:
    assert {*range(13), 14, 26} == DEFAULT_CAPABILITIES
    assert {15, 16, 17, 18, 21, 22, 23, 24, 25, 27, 28, 29, 30, 31, 32, 34, 36} == OPTIONAL_CAPABILITIES
    assert set(range(12)) == LEGACY_CAPABILITIES


# --- what a job needs -----------------------------------------------------------------------------


def test_job_capabilities__plain_profile__needs_only_defaults_and_the_auth_token() -> None:
    assert JOB.bits == {Capability.AUTH_TOKEN, Capability.H264, Capability.MPEGTS, Capability.STORAGE_DIRECT}
    assert JOB.bits <= DEFAULT_CAPABILITIES
    assert JOB.capacities == dict.fromkeys(JOB.bits, 1)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"format": VideoFormat.MP4}, Capability.MP4),
        ({"fps_den": 1_001}, Capability.FRACTIONAL_FRAMERATES),
        ({"gop_ms": 1_000}, Capability.GOP),
        ({"profile": CodecProfile.H264_BASELINE}, Capability.PROFILE_H264_BASELINE),
        ({"profile": CodecProfile.H264_CONSTRAINED_HIGH}, Capability.PROFILE_H264_CONSTRAINED_HIGH),
        ({"encoder": VideoCodec.H265}, Capability.HEVC_ENCODE),
        ({"encoder": VideoCodec.VP9}, Capability.VP9_ENCODE),
    ],
    ids=str,
)
def test_job_capabilities__profile_feature__is_asked_for(changes: dict[str, object], needed: Capability) -> None:
    assert needed not in JOB.bits
    assert needed in job_capabilities([PLAIN, replace(PLAIN, **changes)]).bits  # type: ignore[arg-type]


def test_job_capabilities__options__are_asked_for() -> None:
    job = job_capabilities(
        [PLAIN],
        input_codec=VideoCodec.H265,
        storage=JobStorage.S3,
        fast_verification=True,
        slicing=True,
        min_version="0.9.0",
    )
    wanted = {Capability.HEVC_DECODE, Capability.STORAGE_S3, Capability.MPEG7_SIGNATURE, Capability.SEGMENT_SLICING}
    assert wanted <= job.bits
    assert Capability.STORAGE_DIRECT not in job.bits
    assert job.min_version == "0.9.0"


# --- compatibility --------------------------------------------------------------------------------


def _kind(job: Capabilities, offer: Capabilities | None) -> MismatchKind | None:
    found = mismatch(job, offer)
    return found.kind if found else None


def test_mismatch__default_offer_and_plain_job__is_none() -> None:
    assert mismatch(JOB, OFFER) is None


def test_mismatch__missing_bit__is_named() -> None:
    found = mismatch(job_capabilities([replace(PLAIN, encoder=VideoCodec.H265)]), OFFER)
    assert found is not None
    assert (found.kind, found.capability) == (MismatchKind.CAPABILITY, Capability.HEVC_ENCODE)
    assert "HEVC encode (16)" in str(found)


@given(bits, bits)
def test_mismatch__bits_only__is_none_if_and_only_if_a_subset(job: frozenset[int], offer: frozenset[int]) -> None:
    assert (mismatch(Capabilities(bits=job), Capabilities(bits=offer)) is None) is (job <= offer)


def test_mismatch__mandatory_not_asked_for__is_named() -> None:
    offer = replace(OFFER, mandatories=frozenset({Capability.AUTH_TOKEN}))
    assert mismatch(JOB, offer) is None
    found = mismatch(replace(JOB, bits=JOB.bits - {Capability.AUTH_TOKEN}), offer)
    assert found is not None
    assert (found.kind, found.capability) == (MismatchKind.MANDATORY, Capability.AUTH_TOKEN)


@pytest.mark.parametrize(
    ("wanted", "offered", "fits"),
    [
        ("", "", True),
        ("", "undefined", True),
        ("0.9.1", "0.9.1", True),
        ("0.9.1", "v0.9.1", True),
        ("0.9.1", "0.9.1-dirty", True),
        ("0.9.1-alpha", "0.9.1", True),
        ("0.9.2", "0.9.10", True),
        ("0.9", "0.9.0", True),
        ("nonsense", "0.9.1", True),
        ("0.9.2", "0.9.1", False),
        ("0.10.0", "0.9.9", False),
        ("0.9.1", "", False),
        ("0.9.1", "undefined", False),
        ("0.9.1", "nonsense", False),
        ("nonsense", "undefined", False),
    ],
)
def test_mismatch__versions__are_compared_semantically(wanted: str, offered: str, fits: bool) -> None:
    found = _kind(replace(JOB, min_version=wanted), replace(OFFER, version=offered))
    assert found is (None if fits else MismatchKind.VERSION)


def _live(**constraint: object) -> Capabilities:
    return Capabilities(bits=frozenset({LIVE}), constraints={LIVE: {"noop": ModelConstraint(**constraint)}})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "offered", "kind"),
    [
        ({}, {}, None),
        ({"warm": True}, {"warm": True}, None),
        ({}, {"warm": True}, None),
        ({"warm": True}, {}, MismatchKind.MODEL_COLD),
        ({"runner_version": "0.2.0"}, {"runner_version": "0.10.0"}, None),
        ({}, {"runner_version": "0.2.0"}, None),
        ({"runner_version": "0.2.0"}, {"runner_version": "0.1.9"}, MismatchKind.MODEL_VERSION),
        ({"runner_version": "0.2.0"}, {}, MismatchKind.MODEL_VERSION),
    ],
)
def test_mismatch__model_constraints__are_compared(
    wanted: dict[str, object], offered: dict[str, object], kind: MismatchKind | None
) -> None:
    found = mismatch(_live(**wanted), _live(**offered))
    assert (found.kind if found else None) is kind
    if found:
        assert (found.capability, found.model) == (LIVE, "noop")


def test_mismatch__model_not_offered__is_named() -> None:
    found = mismatch(_live(), Capabilities(bits=frozenset({LIVE}), constraints={LIVE: {}}))
    assert found is not None
    assert (found.kind, found.model) == (MismatchKind.MODEL, "noop")


def test_mismatch__capability_absent_from_the_offered_constraints__passes() -> None:
    assert mismatch(_live(), Capabilities(bits=frozenset({LIVE}))) is None


def test_mismatch__constraints_without_bits__are_matched_all_the_same() -> None:
    # How the official SDK asks (offchain-network B.1).
    assert mismatch(replace(_live(), bits=frozenset()), _live()) is None
    assert _kind(replace(_live(), bits=frozenset()), Capabilities(constraints={LIVE: {}})) is MismatchKind.MODEL


def test_mismatch__no_capabilities_stated_and_legacy_job__is_none() -> None:
    assert mismatch(Capabilities(bits=frozenset({0, 1, 11})), None) is None


def test_mismatch__no_capabilities_stated_and_newer_job__names_the_bit() -> None:
    found = mismatch(JOB, None)
    assert found is not None
    assert (found.kind, found.capability) == (MismatchKind.NO_CAPABILITIES, Capability.AUTH_TOKEN)
