"""Addresses as text: EIP-55."""

import pytest
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.address import checksum_address, parse_address
from livepeer_client.errors import InvalidInput

# From EIP-55 itself.
EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
addresses = st.binary(min_size=20, max_size=20)


@pytest.mark.parametrize("text", EXAMPLES)
def test_checksum_address__examples_of_the_standard__come_back(text: str) -> None:
    assert checksum_address(parse_address(text)) == text


@given(addresses)
def test_checksum_address__any_address__is_what_another_library_writes(address: bytes) -> None:
    assert checksum_address(address) == to_checksum_address(address)


@given(addresses)
def test_parse_address__checksummed_lower_or_upper_case__is_the_address(address: bytes) -> None:
    text = checksum_address(address)
    assert {parse_address(text), parse_address(text.lower()), parse_address("0x" + text[2:].upper())} == {address}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        EXAMPLES[0][2:],
        EXAMPLES[0] + "0",
        EXAMPLES[0][:-1],
        EXAMPLES[0][:-1] + "g",
        "0x" + "12 " * 13 + "1",
        "0x" + "12 " * 12 + "1212",
        EXAMPLES[2].replace("aA", "Aa"),
    ],
)
def test_parse_address__not_an_address_or_a_wrong_checksum__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_address(text)


@given(st.binary(max_size=40).filter(lambda address: len(address) != 20))
def test_checksum_address__not_20_bytes__is_refused(address: bytes) -> None:
    with pytest.raises(InvalidInput):
        checksum_address(address)
