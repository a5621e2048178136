"""Signed approvals. The signatures are made by an independent EIP-712 implementation, eth-account."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

# A key of the test mnemonic would do; one of its own shows that the holder need not send anything.
SIGNER = Account.from_key(b"\x11" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FIELDS = ("owner", "spender", "value", "nonce", "deadline")


@pytest.fixture
def deadline(chain) -> int:
    return chain.pending_timestamp + 1000


@pytest.fixture
def sign(token, chain, spender, deadline):
    """`sign(field=other_value)` gives (v, r, s) over a permit of 5 wei to the spender."""

    def make(domain: dict[str, Any] | None = None, **changed: Any) -> tuple[int, bytes, bytes]:
        message = {"owner": SIGNER.address, "spender": spender.address, "value": 5, "nonce": 0, "deadline": deadline}
        types = {"Permit": [{"name": n, "type": "address" if n in FIELDS[:2] else "uint256"} for n in FIELDS]}
        default = {
            "name": "Livepeer Token",
            "version": "1",
            "chainId": chain.chain_id,
            "verifyingContract": token.address,
        }
        signable = encode_typed_data({**default, **(domain or {})}, types, {**message, **changed})
        signature = SIGNER.sign_message(signable)
        return signature.v, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")

    return make


def test_permit__with_holders_signature__approves_for_any_caller(token, sign, spender, stranger, deadline):
    receipt = token.permit(SIGNER.address, spender, 5, deadline, *sign(), sender=stranger)

    assert token.allowance(SIGNER.address, spender) == 5
    assert token.nonces(SIGNER.address) == 1
    assert receipt.events == [token.Approval(owner=SIGNER.address, spender=spender, value=5)]


def test_permit__used_again__reverts(token, sign, spender, stranger, deadline):
    signature = sign()
    token.permit(SIGNER.address, spender, 5, deadline, *signature, sender=stranger)

    with ape.reverts("ERC20Permit: invalid signature"):
        token.permit(SIGNER.address, spender, 5, deadline, *signature, sender=stranger)


def test_permit__after_deadline__reverts(token, sign, chain, spender, stranger, deadline):
    chain.pending_timestamp = deadline + 1

    with ape.reverts("ERC20Permit: expired deadline"):
        token.permit(SIGNER.address, spender, 5, deadline, *sign(), sender=stranger)


@pytest.mark.parametrize(
    "changed", [{"value": 6}, {"nonce": 1}, {"domain": {"chainId": 1}}, {"domain": {"version": "2"}}]
)
def test_permit__over_other_data__reverts(token, sign, spender, stranger, deadline, changed):
    with ape.reverts("ERC20Permit: invalid signature"):
        token.permit(SIGNER.address, spender, 5, deadline, *sign(**changed), sender=stranger)


def test_permit__with_high_s__reverts(token, sign, spender, stranger, deadline):
    v, r, s = sign()
    twin = (55 - v, r, (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big"))

    with ape.reverts("ECDSA: invalid signature 's' value"):
        token.permit(SIGNER.address, spender, 5, deadline, *twin, sender=stranger)


def test_permit__with_illegal_v__reverts(token, sign, spender, stranger, deadline):
    _, r, s = sign()

    with ape.reverts("ECDSA: invalid signature"):
        token.permit(SIGNER.address, spender, 5, deadline, 0, r, s, sender=stranger)
    assert token.nonces(SIGNER.address) == 0


def test_eip712_domain__names_all_parts_but_salt(token, chain):
    fields, name, version, chain_id, contract, salt, extensions = token.eip712Domain()

    assert (fields, name, version, chain_id) == (b"\x0f", "Livepeer Token", "1", chain.chain_id)
    assert (contract, salt, extensions) == (token.address, bytes(32), [])


def test_domain_separator__is_the_hash_of_the_domain(token, chain):
    signable = encode_typed_data(
        {"name": "Livepeer Token", "version": "1", "chainId": chain.chain_id, "verifyingContract": token.address},
        {"Permit": [{"name": "nonce", "type": "uint256"}]},
        {"nonce": 0},
    )

    assert token.DOMAIN_SEPARATOR() == signable.header
