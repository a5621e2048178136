"""Votes by signature: the typed data of a ballot, signed by one account (spec 13)."""

from __future__ import annotations

from coincurve import PrivateKey
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.governance import Council, Proposal

KEY = PrivateKey(b"\x11" * 32)
SIGNER = "0x" + keccak(KEY.public_key.format(compressed=False)[1:])[12:].hex()


def signature(council: Council, struct: bytes) -> tuple[int, bytes, bytes]:
    """EIP-712 over the governor's domain: v, r, s."""
    domain = keccak(
        encode(
            ("bytes32", "bytes32", "bytes32", "uint256", "address"),
            (
                keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak(text="LivepeerGovernor"),
                keccak(text="1"),
                council.governor.view("eip712Domain")[3],
                council.governor.address,
            ),
        )
    )
    raw = KEY.sign_recoverable(keccak(b"\x19\x01" + domain + keccak(struct)), hasher=None)
    return raw[64] + 27, raw[:32], raw[32:64]


def ballot(proposal: Proposal, support: int) -> bytes:
    kind = keccak(text="Ballot(uint256 proposalId,uint8 support)")
    return encode(("bytes32", "uint256", "uint8"), (kind, proposal.id, support))


def extended_ballot(proposal: Proposal, support: int, reason: str, params: bytes) -> bytes:
    kind = keccak(text="ExtendedBallot(uint256 proposalId,uint8 support,string reason,bytes params)")
    return encode(
        ("bytes32", "uint256", "uint8", "bytes32", "bytes32"),
        (kind, proposal.id, support, keccak(text=reason), keccak(params)),
    )
