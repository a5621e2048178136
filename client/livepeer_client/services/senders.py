"""Whom a request is from, where every sender has a key (offchain-network 0)."""

from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import BadCredentials
from livepeer_client.types import ADDRESS_BYTES, Address


class SignedSenders:
    """`Senders` that prove who they are by their signature."""

    def of_request(self, address: bytes, sig: bytes) -> Address:
        if len(address) != ADDRESS_BYTES or not is_signed_by(
            address, sig, orchestrator_request_digest(Address(address))
        ):
            raise BadCredentials("Invalid orchestrator request: orchestrator req sig check failed")
        return Address(address)

    def of_segment(self, sender: bytes, sig: bytes, digest: bytes) -> Address:
        if not sender or not is_signed_by(sender, sig, digest):
            raise BadCredentials("ErrSegSig")
        return Address(sender)
