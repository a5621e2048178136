"""Addresses as text: EIP-55 checksums. Inside the library an address is 20 bytes; this is the border."""

from typing import Final

from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import InvalidInput
from livepeer_client.types import ADDRESS_BYTES, Address

_TEXT_LENGTH: Final = 2 + 2 * ADDRESS_BYTES


def checksum_address(address: bytes) -> str:
    """EIP-55 text of 20 bytes, `0x` and 40 digits; this exact text is what a login signs (offchain-network 1.3).

    :raises InvalidInput: not 20 bytes.
    """
    if len(address) != ADDRESS_BYTES:
        raise InvalidInput(f"an address is {ADDRESS_BYTES} bytes, got {len(address)}")
    digits = address.hex()
    checksum = keccak256(digits.encode("ascii")).hex()
    cased = (
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, checksum, strict=False)  # the digest is longer
    )
    return "0x" + "".join(cased)


def parse_address(text: str) -> Address:
    """The 20 bytes of a hex address. Mixed case must carry a correct EIP-55 checksum; one case carries none.

    :raises InvalidInput: not `0x` and 40 hex digits, or a wrong checksum.
    """
    digits = text[2:]
    if len(text) != _TEXT_LENGTH or text[:2] not in ("0x", "0X"):
        raise InvalidInput(f"not an address: {text!r}")
    try:
        address = Address(bytes.fromhex(digits))
    except ValueError as error:
        raise InvalidInput(f"not an address: {text!r}") from error
    if len(address) != ADDRESS_BYTES:
        # bytes.fromhex skips blanks between bytes, so the text length alone does not settle it.
        raise InvalidInput(f"not an address: {text!r}")
    if digits not in (digits.lower(), digits.upper()) and checksum_address(address) != "0x" + digits:
        raise InvalidInput(f"wrong checksum in address {text}")
    return address
