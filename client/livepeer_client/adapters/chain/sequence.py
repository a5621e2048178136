"""Several calls of one key, tried one after the other: each on what those before it would leave."""

from collections.abc import Sequence
from dataclasses import dataclass

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.contracts import LATEST, Read, named
from livepeer_client.adapters.chain.json_values import data_bytes, member, quantity, to_hex
from livepeer_client.adapters.chain.rpc import BadAnswer, NodeError, revert_reason
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.errors import Reverted
from livepeer_client.facts import Log
from livepeer_client.types import Address


@dataclass(frozen=True, slots=True)
class Step:
    """What one call would do: its gas and its events."""

    gas: int
    logs: tuple[Log, ...]


async def simulate_sequence(suite: Suite, sender: Address, calls: Sequence[Read]) -> list[Step] | None:
    """Try calls (contract, function, arguments) in their order at the head. None from a node that simulates no blocks.

    :raises Reverted: by the first that a contract would refuse.
    :raises ChainUnavailable: the node does not answer.
    """
    transactions = [
        {
            "from": to_hex(sender),
            "to": to_hex(await suite.address(contract)),
            "data": to_hex(load_abi(contract).function(function).encode(args)),
        }
        for contract, function, args in calls
    ]
    try:
        blocks = await suite.rpc.call("eth_simulateV1", [{"blockStateCalls": [{"calls": transactions}]}, LATEST])
    except NodeError:
        return None
    results = member(blocks[0], "calls") if isinstance(blocks, list) and blocks else None
    if not isinstance(results, list) or len(results) != len(calls):
        raise BadAnswer("eth_simulateV1: not a result for each call")
    steps = []
    for (contract, function, _), result in zip(calls, results, strict=True):
        if quantity(member(result, "status")) != 1:
            data = data_bytes(member(result, "returnData"))
            raise named(Reverted(revert_reason(data), data=data), contract, function)
        logs = await suite.decode_logs(member(result, "logs"))
        steps.append(Step(quantity(member(result, "gasUsed")), tuple(logs)))
    return steps
