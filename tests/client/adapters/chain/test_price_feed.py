"""Reading a Chainlink aggregator from a real node."""

from collections.abc import AsyncIterator

import pytest
from eth_abi.abi import encode

from livepeer_client.adapters.chain.price_feed import ARBITRUM_ETH_USD, ChainlinkFeed
from livepeer_client.adapters.chain.rpc import BadAnswer, JsonRpc
from livepeer_client.adapters.chain.suite import to_hex
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts import FeedReading
from livepeer_client.types import Address
from tests.support.anvil import anvil, wait_until_up

AT = Address(b"\xfe" * 20)
UPDATED_AT = 1_626_192_000


def contract_that_answers(answers: dict[str, bytes]) -> str:
    """Runtime code with one constant answer per function."""
    heads, bodies = b"", b""
    dispatch = len(answers) * 15 + 5
    for signature, answer in answers.items():
        start = dispatch + len(bodies)
        # At each body: copy the answer from the code to memory and return it.
        code_at = start + 16
        body = b"\x5b" + b"\x61" + len(answer).to_bytes(2, "big") + b"\x61" + code_at.to_bytes(2, "big")
        body += b"\x5f\x39" + b"\x61" + len(answer).to_bytes(2, "big") + b"\x5f\xf3" + b"\x00" * 2
        assert len(body) == 16
        bodies += body + answer
        # Load the selector, compare, jump.
        head = b"\x5f\x35\x60\xe0\x1c" + b"\x63" + keccak256(signature.encode())[:4] + b"\x14"
        head += b"\x61" + start.to_bytes(2, "big") + b"\x57"
        heads += head
    assert len(heads) == len(answers) * 15
    return to_hex(heads + b"\x5f\x5f\xfd" + b"\x00\x00" + bodies)


@pytest.fixture
async def rpc() -> AsyncIterator[JsonRpc]:
    with anvil() as url:
        await wait_until_up(url)
        async with JsonRpc(url) as opened:
            yield opened


async def test_read__an_aggregator__gives_its_latest_round(rpc: JsonRpc) -> None:
    round_types = ["uint80", "int256", "uint256", "uint256", "uint80"]
    answers = {
        "description()": encode(["string"], ["ETH / USD"]),
        "decimals()": encode(["uint8"], [8]),
        "latestRoundData()": encode(round_types, [2**70, 2_512_34567890, UPDATED_AT - 5, UPDATED_AT, 2**70]),
    }
    await rpc.call("anvil_setCode", [to_hex(AT), contract_that_answers(answers)])
    assert await ChainlinkFeed(rpc, AT).read() == FeedReading("ETH / USD", 8, 251234567890, UPDATED_AT)


async def test_read__an_address_without_code__is_no_feed(rpc: JsonRpc) -> None:
    with pytest.raises(BadAnswer, match="description"):
        await ChainlinkFeed(rpc, AT).read()


def test_default_feed__of_arbitrum__is_chainlinks() -> None:
    assert checksum_address(ARBITRUM_ETH_USD) == "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612"
