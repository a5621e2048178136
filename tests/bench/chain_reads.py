"""Read a pool of 100 orchestrators (stake, activity, service URI of each): this library against AsyncWeb3.

    python tests/bench/chain_reads.py [REPEATS]

The contracts are on a node of its own (anvil); all ways read the same 300 values and must agree. They take turns, and
a ratio is that of the medians of one run. `gather` is what web3's own documentation shows; `tuned` keeps its
connections open and leaves out the validation that asks for the chain id before and after each call.
"""

import asyncio
import json
import statistics
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from livepeer_client.adapters.chain.failover import FailoverRpc
from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.retrying import RetryingRpc
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.adapters.chain.web3 import Web3Rpc
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.keccak import keccak256
from livepeer_client.types import Address

with warnings.catch_warnings():
    # web3 imports a part of websockets that announces its own end.
    warnings.simplefilter("ignore", DeprecationWarning)
    from web3 import AsyncHTTPProvider, AsyncWeb3

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# Some package installs a `tests` of its own, which would hide ours from a script.
_ours = ModuleType("tests")
_ours.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _ours

from tests.support.anvil import (  # noqa: E402 - only now can it be found
    Deployer,
    anvil,
    compile_suite,
    deploy,
    wait_until_up,
)

POOL: Final = 100
LONG_ROUND: Final = 700
LPT: Final = 10**18
Row = tuple[int, bool, str]


def members() -> list[Address]:
    return [Address(keccak256(b"orchestrator %d" % number)[:20]) for number in range(POOL)]


async def populate(rpc: JsonRpc, addresses: Addresses) -> None:
    """A full pool, each with its own stake and service URI."""
    account = (await rpc.call("eth_accounts"))[0]
    owner = Deployer(rpc, account)
    contracts = addresses.contracts
    await owner.call("BondingManager", contracts["BondingManager"], "setNumActiveTranscoders", POOL)
    # Long enough to take in all of them.
    await owner.call("RoundsManager", contracts["RoundsManager"], "setRoundLength", LONG_ROUND)
    await next_round(rpc, owner, contracts["RoundsManager"])
    for number, member in enumerate(members()):
        await rpc.call("anvil_setBalance", [to_hex(member), hex(10**20)])
        await rpc.call("anvil_impersonateAccount", [to_hex(member)])
        own, stake = Deployer(rpc, to_hex(member)), (1000 + number) * LPT
        await owner.call("LivepeerToken", contracts["LivepeerToken"], "mint", member, stake)
        await own.call("LivepeerToken", contracts["LivepeerToken"], "approve", contracts["BondingManager"], stake)
        await own.call("BondingManager", contracts["BondingManager"], "bond", stake, member)
        uri = f"https://orchestrator-{number}.example:8935"
        await own.call("ServiceRegistry", contracts["ServiceRegistry"], "setServiceURI", uri)

    await next_round(rpc, owner, contracts["RoundsManager"])


async def next_round(rpc: JsonRpc, owner: Deployer, manager: Address) -> None:
    await rpc.call("anvil_mine", [hex(LONG_ROUND)])
    await owner.call("RoundsManager", manager, "initializeRound")


async def ours(suite: Suite) -> list[Row]:
    """As one batch, all of one block."""
    reads = [
        (contract, function, [member])
        for member in members()
        for contract, function in (
            ("BondingManager", "transcoderTotalStake"),
            ("BondingManager", "isActiveTranscoder"),
            ("ServiceRegistry", "getServiceURI"),
        )
    ]
    values = [value for (value,) in await suite.read(reads)]
    return list(zip(values[::3], values[1::3], values[2::3], strict=True))


def gather(w3: "AsyncWeb3[Any]", addresses: Addresses) -> Callable[[], Awaitable[list[Row]]]:
    """One contract call for each value, all at once."""

    def contract(name: str) -> Any:
        abi = json.loads((ROOT / f"client/livepeer_client/adapters/abi/{name}.json").read_text())
        return w3.eth.contract(address=checksum_address(addresses.contracts[name]), abi=abi)  # type: ignore[call-overload]

    bonding, registry = contract("BondingManager"), contract("ServiceRegistry")

    async def read() -> list[Row]:
        calls = []
        for member in members():
            shown = checksum_address(member)
            calls += [
                bonding.functions.transcoderTotalStake(shown).call(),
                bonding.functions.isActiveTranscoder(shown).call(),
                registry.functions.getServiceURI(shown).call(),
            ]
        values = await asyncio.gather(*calls)
        return list(zip(values[::3], values[1::3], values[2::3], strict=True))

    return read


async def tuned(url: str) -> "AsyncWeb3[Any]":
    import aiohttp

    provider = AsyncHTTPProvider(url)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32))
    await provider.cache_async_session(session)
    w3: AsyncWeb3[Any] = AsyncWeb3(provider)
    w3.middleware_onion.remove("validation")
    return w3


async def measure(url: str, addresses: Addresses, repeats: int) -> None:
    default: AsyncWeb3[Any] = AsyncWeb3(AsyncHTTPProvider(url))
    lean = await tuned(url)
    node = JsonRpc(url)
    async with FailoverRpc([node]) as rpc:
        suite, over_web3 = Suite(RetryingRpc(rpc), addresses), Suite(Web3Rpc(lean), addresses)
        ways: dict[str, Callable[[], Awaitable[list[Row]]]] = {
            "ours, one batch": lambda: ours(suite),
            "ours over a web3 handed in": lambda: ours(over_web3),
            "AsyncWeb3, gather, tuned": gather(lean, addresses),
            "AsyncWeb3, gather": gather(default, addresses),
        }
        expected = await ours(suite)
        assert len({uri for _, _, uri in expected}) == POOL
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, read in ways.items():
                start = time.perf_counter()
                found = await read()
                times[name].append(time.perf_counter() - start)
                assert [tuple(row) for row in found] == [tuple(row) for row in expected], name
        best = statistics.median(times["ours, one batch"])
        for name, taken in times.items():
            median = statistics.median(taken)
            print(f"{name:28} {1000 * median:8.1f} ms  {median / best:6.1f} x")
    for w3 in (default, lean):
        await w3.provider.disconnect()


async def main(repeats: int) -> None:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    bytecode = compile_suite(cache)
    with anvil() as url:
        await wait_until_up(url)
        async with JsonRpc(url, timeout_s=120) as rpc:
            addresses = await deploy(rpc, bytecode)
            await populate(rpc, addresses)
        print(f"{POOL} orchestrators, {3 * POOL} values; medians of {repeats}")
        await measure(url, addresses, repeats)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
