"""A Chainlink aggregator as price feed (offchain-payments 7)."""

from typing import Any, Final

from livepeer_client.adapters.chain.abi import Function
from livepeer_client.adapters.chain.rpc import BadAnswer, Rpc
from livepeer_client.errors import ChainError, MalformedMessage
from livepeer_client.facts import FeedReading
from livepeer_client.types import Address

ARBITRUM_ETH_USD: Final = Address(bytes.fromhex("639fe6ab55c921f74e7fac1ee960c0b6293ba612"))


def _view(name: str, *outputs: str) -> Function:
    return Function({"name": name, "inputs": [], "outputs": [{"type": kind} for kind in outputs]})


_DESCRIPTION: Final = _view("description", "string")
_DECIMALS: Final = _view("decimals", "uint8")
_LATEST_ROUND: Final = _view("latestRoundData", "uint80", "int256", "uint256", "uint256", "uint80")


class ChainlinkFeed:
    """`ports.PriceFeed` over one contract; a reading is one batch of three calls."""

    def __init__(self, rpc: Rpc, address: Address) -> None:
        self._rpc = rpc
        self._address = f"0x{address.hex()}"

    async def read(self) -> FeedReading:
        functions = (_DESCRIPTION, _DECIMALS, _LATEST_ROUND)
        answers = await self._rpc.batch(
            [
                ("eth_call", [{"to": self._address, "data": f"0x{function.selector.hex()}"}, "latest"])
                for function in functions
            ]
        )
        (description,), (decimals,), (_, answer, _, updated_at, _) = (
            self._decoded(function, found) for function, found in zip(functions, answers, strict=True)
        )
        return FeedReading(description, decimals, answer, updated_at)

    def _decoded(self, function: Function, answer: Any) -> tuple[Any, ...]:
        if isinstance(answer, ChainError):
            raise answer
        try:
            return function.decode(bytes.fromhex(str(answer).removeprefix("0x")))
        except (MalformedMessage, ValueError) as error:
            raise BadAnswer(f"price feed {self._address}: {function.name}: {error}") from error
