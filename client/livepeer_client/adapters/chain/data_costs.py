"""What an Arbitrum chain charges for a transaction's bytes, as its nodes say.

NodeInterface is no contract: nodes answer calls of its address themselves, so it is not there on other chains, and not
for contracts (https://docs.arbitrum.io/arbitrum-essentials/nodeinterface/overview).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.json_values import data_bytes, to_hex
from livepeer_client.adapters.chain.rpc import NodeError, Rpc
from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import ChainError, Reverted
from livepeer_client.facts import DataCost
from livepeer_client.types import ADDRESS_BYTES, Address, Wei

NODE_INTERFACE: Final = Address(bytes(ADDRESS_BYTES - 1) + b"\xc8")
# `gasEstimateComponents` also runs the call, and fails with it. Nobody has this address, so that every call of it
# succeeds; as many bytes go to it as to the true one.
_NOBODY: Final = keccak256(b"livepeer-client: an address without code")[:ADDRESS_BYTES]
_SELECTOR: Final = keccak256(b"gasEstimateComponents(address,bool,bytes)")[:4]
_WORD: Final = 32


async def data_costs(
    rpc: Rpc, calls: Sequence[tuple[str, str, Sequence[object]]], block: str | Mapping[str, object]
) -> list[DataCost]:
    """As in `ports.Chain`, of the state at `block`."""
    questions = [_question(load_abi(contract).function(function).encode(args)) for contract, function, args in calls]
    found = []
    for answer in await rpc.batch([("eth_call", [question, block]) for question in questions]):
        if isinstance(answer, Reverted | NodeError):
            # Something else is at that address, or this node does not answer for it.
            return []
        if isinstance(answer, ChainError):
            raise answer
        cost = _cost(answer)
        if cost is None:
            return []
        found.append(cost)
    return found


def _question(calldata: bytes) -> dict[str, str]:
    head = _SELECTOR + _word(int.from_bytes(_NOBODY, "big")) + _word(0) + _word(3 * _WORD) + _word(len(calldata))
    data = head + calldata + bytes(-len(calldata) % _WORD)
    return {"to": to_hex(NODE_INTERFACE), "data": to_hex(data)}


def _cost(answer: object) -> DataCost | None:
    """Of the words gasEstimate, gasEstimateForL1, baseFee, l1BaseFeeEstimate the second and the third."""
    data = data_bytes(answer)
    if len(data) != 4 * _WORD:
        return None
    gas, base_fee = (int.from_bytes(data[at : at + _WORD], "big") for at in (_WORD, 2 * _WORD))
    return DataCost(gas, Wei(base_fee))


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")
