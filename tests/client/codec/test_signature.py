"""Signatures against a second implementation of the curve (py_ecc, pure Python) and against malleability."""

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.secp256k1 import N, ecdsa_raw_recover, ecdsa_raw_sign

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import (
    is_signed_by,
    personal_hash,
    public_key_to_address,
    recover_personal,
    sign_personal,
)
from livepeer_client.errors import InvalidInput
from livepeer_client.types import Address

# The oracle is slow: a few milliseconds a curve operation.
ORACLE = settings(max_examples=15)
keys = st.integers(1, N - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)

KEY = PrivateKey(b"\x11" * 32)
SIGNER = public_key_to_address(KEY.public_key)
DIGEST = keccak256(b"segment")
SIG = sign_personal(KEY, DIGEST)


def _address_of_point(point: tuple[int, int]) -> Address:
    return Address(keccak256(point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))[12:])


def _pack(v: int, r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((v,))


@ORACLE
@given(keys, digests)
def test_sign_personal__recovered_by_a_second_implementation__is_the_signer(key: bytes, digest: bytes) -> None:
    signer = PrivateKey(key)
    sig = sign_personal(signer, digest)
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:64], "big")
    assert _address_of_point(ecdsa_raw_recover(personal_hash(digest), (sig[64], r, s))) == public_key_to_address(
        signer.public_key
    )
    assert s <= N // 2
    assert sig[64] in (27, 28)


@ORACLE
@given(keys, digests)
def test_recover_personal__signed_by_a_second_implementation__is_the_signer(key: bytes, digest: bytes) -> None:
    v, r, s = ecdsa_raw_sign(personal_hash(digest), key)
    if s > N // 2:
        v, s = 55 - v, N - s
    assert recover_personal(_pack(v, r, s), digest) == public_key_to_address(PrivateKey(key).public_key)


def test_sign_personal__same_key_and_digest__is_deterministic() -> None:
    assert sign_personal(KEY, DIGEST) == SIG


def test_is_signed_by__the_signer__holds() -> None:
    assert is_signed_by(SIGNER, SIG, DIGEST)


@given(digests)
def test_is_signed_by__another_digest__fails(digest: bytes) -> None:
    assert is_signed_by(SIGNER, SIG, digest) is (digest == DIGEST)


@given(st.binary(min_size=20, max_size=20))
def test_is_signed_by__another_address__fails(address: bytes) -> None:
    assert is_signed_by(address, SIG, DIGEST) is (address == SIGNER)


def test_recover_personal__s_in_the_high_half__is_nobody() -> None:
    s = N - int.from_bytes(SIG[32:64], "big")
    assert recover_personal(_pack(55 - SIG[64], int.from_bytes(SIG[:32], "big"), s), DIGEST) is None


@pytest.mark.parametrize("v", [0, 1, 26, 29, 229])
def test_recover_personal__v_not_27_or_28__is_nobody(v: int) -> None:
    assert recover_personal(SIG[:64] + bytes((v,)), DIGEST) is None


@given(st.binary(max_size=130).filter(lambda sig: len(sig) != 65))
def test_recover_personal__not_65_bytes__is_nobody(sig: bytes) -> None:
    assert recover_personal(sig, DIGEST) is None


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (N, 1), (5, 1)], ids=str)
def test_recover_personal__r_or_s_out_of_range_or_off_the_curve__is_nobody(r: int, s: int) -> None:
    assert recover_personal(_pack(27, r, s), DIGEST) is None


@given(st.binary(max_size=64).filter(lambda digest: len(digest) != 32))
def test_sign_personal__not_32_bytes__is_refused(digest: bytes) -> None:
    with pytest.raises(InvalidInput):
        sign_personal(KEY, digest)
