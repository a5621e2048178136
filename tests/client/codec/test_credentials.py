"""Logins, segments, pings, results and auth tokens (offchain-network 2.5, 4.1, 4.7)."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.credentials import (
    AUTH_TOKEN_LIFETIME_S,
    check_auth_token,
    needs_renewal,
    new_auth_token,
    orchestrator_request_digest,
    ping_digest,
    result_digest,
    segment_digest,
)
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import AuthToken, VideoProfile
from livepeer_client.errors import BadCredentials, InvalidInput
from livepeer_client.types import Address, Hash32

KEY = b"\x07" * 32
NOW = 1_800_000_000
TOKEN = new_auth_token(KEY, "deadbeef", NOW + AUTH_TOKEN_LIFETIME_S)
PROFILES = (
    VideoProfile("P144p30fps16x9", 256, 144, 400_000, 30),
    VideoProfile("P240p30fps16x9", 426, 240, 600_000, 30),
)
SEGMENT_HASH = Hash32(keccak256(b"segment"))


def _reason(token: AuthToken | None, now: float = NOW, key: bytes = KEY) -> str:
    with pytest.raises(BadCredentials) as refusal:
        check_auth_token(key, token, now)
    return refusal.value.reason


def test_new_auth_token__any_session__is_the_hmac_of_id_and_minimal_expiration() -> None:
    expiration = (NOW + AUTH_TOKEN_LIFETIME_S).to_bytes(4, "big")
    assert TOKEN.token == hmac.new(KEY, b"deadbeef" + expiration, hashlib.sha256).digest()


def test_check_auth_token__fresh_token__passes() -> None:
    check_auth_token(KEY, TOKEN, NOW)


def test_check_auth_token__at_its_expiration__still_passes() -> None:
    check_auth_token(KEY, TOKEN, TOKEN.expiration)


def test_check_auth_token__after_its_expiration__is_expired() -> None:
    assert _reason(TOKEN, TOKEN.expiration + 0.5) == "expired auth token"


def test_check_auth_token__no_token__is_missing() -> None:
    assert _reason(None) == "missing auth token"


@pytest.mark.parametrize(
    "forged",
    [
        replace(TOKEN, session_id="deadbee0"),
        replace(TOKEN, expiration=TOKEN.expiration + 1),
        replace(TOKEN, expiration=-1),
        replace(TOKEN, token=b""),
        replace(TOKEN, token=TOKEN.token[:-1]),
    ],
    ids=["session", "expiration", "negative expiration", "no mac", "short mac"],
)
def test_check_auth_token__any_part_changed__is_invalid(forged: AuthToken) -> None:
    assert _reason(forged) == "invalid auth token"


def test_check_auth_token__another_key__is_invalid() -> None:
    assert _reason(TOKEN, key=b"\x08" * 32) == "invalid auth token"


def test_check_auth_token__session_id_shifted_into_the_expiration__is_invalid() -> None:
    # The same MAC input split elsewhere: a genuine MAC, and a token that would never expire.
    shifted = int.from_bytes(b"f" + TOKEN.expiration.to_bytes(4, "big"), "big")
    forged = AuthToken(TOKEN.token, "deadbee", shifted)
    assert new_auth_token(KEY, forged.session_id, forged.expiration).token == forged.token
    assert _reason(forged) == "invalid auth token"


def test_new_auth_token__no_session_or_a_negative_expiration__is_refused() -> None:
    for session_id, expiration in (("", NOW), ("deadbeef", -1)):
        with pytest.raises(InvalidInput):
            new_auth_token(KEY, session_id, expiration)


@pytest.mark.parametrize(("left_s", "expected"), [(1_800, False), (181, False), (180, True), (0, True), (-5, True)])
def test_needs_renewal__seconds_left__is_true_in_the_last_tenth(left_s: int, expected: bool) -> None:
    assert needs_renewal(TOKEN, TOKEN.expiration - left_s) is expected


def test_orchestrator_request_digest__an_address__covers_its_checksummed_text() -> None:
    address = Address(bytes.fromhex("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"))
    assert orchestrator_request_digest(address) == keccak256(b"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


def test_ping_digest__a_challenge__is_its_keccak() -> None:
    assert ping_digest(b"challenge") == keccak256(b"challenge")


def test_result_digest__two_renditions__covers_both_hashes_in_order() -> None:
    one, two = keccak256(b"one"), keccak256(b"two")
    assert result_digest([one, two]) == keccak256(one + two)
    assert result_digest([one, two]) != result_digest([two, one])


def test_result_digest__not_a_hash__is_refused() -> None:
    with pytest.raises(InvalidInput):
        result_digest([b"short"])


@pytest.mark.parametrize(
    "arguments",
    [
        (b"manifest0", 7, SEGMENT_HASH, PROFILES),
        (b"manifest", 8, SEGMENT_HASH, PROFILES),
        (b"manifest", 7, keccak256(b"other"), PROFILES),
        (b"manifest", 7, SEGMENT_HASH, PROFILES[:1]),
        (b"manifest", 7, SEGMENT_HASH, PROFILES[::-1]),
    ],
    ids=["manifest", "seq", "hash", "profiles", "order"],
)
def test_segment_digest__any_input_changed__differs(
    arguments: tuple[bytes, int, Hash32, tuple[VideoProfile, ...]],
) -> None:
    assert segment_digest(*arguments) != segment_digest(b"manifest", 7, SEGMENT_HASH, PROFILES)


@given(st.integers(max_value=-1))
def test_segment_digest__negative_sequence_number__is_refused(seq: int) -> None:
    with pytest.raises(InvalidInput):
        segment_digest(b"manifest", seq, SEGMENT_HASH, PROFILES)


def test_segment_digest__hash_of_a_wrong_width__is_refused() -> None:
    with pytest.raises(InvalidInput):
        segment_digest(b"manifest", 7, b"short", PROFILES)
