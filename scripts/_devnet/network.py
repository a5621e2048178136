"""Bring the network up, in the order in which its people would."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.services.tasks import together
from livepeer_client.types import Wei
from scripts._demo import cast, operators
from scripts._demo.local_chain import CHAIN_ID, LocalChain, local_chain
from scripts._demo.operators import Orchestrator
from scripts._ports import free_port

MOST: Final = 10
"""As many as the active set of the demo's parameters holds."""
BEAT_BLOCKS_PER_S: Final = 1.0
SPARE_LPT: Final = 10_000 * cast.LPT
"""With the deployer, for whoever joins."""
_NAMES: Final = ("Ana", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jana")
# The first accounts of the test mnemonic, without the deployer's and those that the demo gives to others.
_INDICES: Final = (1, 2, 3, 4, 7, 8, 9, 10, 11, 12)
_ROUND_TIMEOUT_S: Final = 120.0
_ROUND_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Member:
    """One orchestrator of the network, with where its metrics are."""

    node: Orchestrator
    settings: Path
    metrics_url: str


@dataclass(frozen=True, slots=True)
class Network:
    """Everything that is up."""

    chain: LocalChain
    addresses: Path
    suite: Suite
    members: Sequence[Member]
    gateway: Path

    def describe(self) -> dict[str, object]:
        """For programs; keys are of the well-known test mnemonic and worth nothing elsewhere."""
        return {
            "rpc_url": self.chain.url,
            "chain_id": CHAIN_ID,
            "addresses": str(self.addresses),
            "contracts": {name: "0x" + self.suite.address_of(name).hex() for name in self.suite.names},
            "gateway": {**_account(cast.GATEWAY), "settings": str(self.gateway)},
            "deployer": _account(cast.DEPLOYER),
            "orchestrators": [
                {
                    **_account(member.node.role.account),
                    "service_uri": member.node.service_uri,
                    "settings": str(member.settings),
                    "metrics_url": member.metrics_url,
                }
                for member in self.members
            ],
        }


def _account(account: cast.Account) -> dict[str, object]:
    return {"name": account.name, "address": "0x" + account.address.hex(), "key": "0x" + account.key.hex()}


def roles(count: int) -> list[cast.OrchestratorRole]:
    """So many orchestrators: alike but for stake and price, the first with most stake, the last the cheapest."""
    return [
        cast.OrchestratorRole(
            cast.Account(_NAMES[at], _INDICES[at]),
            "",
            cast.FAIR_PRICE * Fraction(20 - at, 20),
            (1_000 - 50 * at) * cast.LPT,
            latency_ms=0,
        )
        for at in range(count)
    ]


@contextlib.asynccontextmanager
async def network(folder: Path, count: int, port: int = 0) -> AsyncIterator[Network]:
    """A network of `count` orchestrators while the block lasts; its files are in `folder`, and stay.

    :raises ProcessFailed: chain, deployment or a node did not come up; with its last words.
    """
    addresses = folder / "addresses.json"
    async with contextlib.AsyncExitStack() as stack:
        chain = await stack.enter_async_context(local_chain(folder, port))
        cast_members = roles(count)
        grants = {role.account.address: role.stake for role in cast_members}
        grants[cast.DEPLOYER.address] = SPARE_LPT
        await operators.deploy(chain, addresses, folder / "deploy.log", grants)
        suite = Suite(chain.rpc, load_addresses(addresses))
        members = [_configured(role, folder, chain, addresses, suite) for role in cast_members]
        for member in members:
            stack.push_async_callback(member.node.stop_node)
        await together(*(member.node.register(suite) for member in members))
        await together(*(member.node.start_node() for member in members))
        gateway = operators.gateway_settings(folder / "gateway", chain, addresses)
        await Transactor(suite, cast.GATEWAY.key).send(
            "TicketBroker",
            "fundDepositAndReserve",
            [cast.GATEWAY_DEPOSIT, cast.GATEWAY_RESERVE],
            value=Wei(cast.GATEWAY_DEPOSIT + cast.GATEWAY_RESERVE),
        )
        # Stake counts from the round after it was bonded.
        await _next_round(chain, suite)
        found = Network(chain, addresses, suite, members, gateway)
        (folder / "devnet.json").write_text(json.dumps(found.describe(), indent=2) + "\n")
        yield found


def _configured(role: cast.OrchestratorRole, folder: Path, chain: LocalChain, addresses: Path, suite: Suite) -> Member:
    node = Orchestrator(role, folder / role.account.name.lower(), Transactor(suite, role.account.key))
    settings = node.configure(chain, addresses)
    metrics = f"127.0.0.1:{free_port()}"
    with settings.open("a") as file:
        file.write(cast.toml({"metrics": {"listen": metrics}}))
    return Member(node, settings, f"http://{metrics}/metrics")


async def _next_round(chain: LocalChain, suite: Suite) -> None:
    """Run the clock until a node has opened another round."""
    before = (await suite.round_state()).last_initialized
    chain.set_beat(cast.FAST_BEAT_BLOCKS_PER_S)
    async with asyncio.timeout(_ROUND_TIMEOUT_S):
        # A round is opened by whichever node is first; the chain tells nobody.
        while (await suite.round_state()).last_initialized == before:  # noqa: ASYNC110
            await asyncio.sleep(_ROUND_POLL_S)
    chain.set_beat(BEAT_BLOCKS_PER_S)
