"""What the people behind the keys do: register, bond, write their nodes' files, start and restart them, cash in."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.errors import Reverted
from livepeer_client.facts import Receipt
from livepeer_client.types import Address
from scripts._demo import cast
from scripts._demo.local_chain import LocalChain
from scripts._demo.processes import ROOT, Child, run, start
from scripts._ports import free_port

_READY_TIMEOUT_S: Final = 120.0
_ROUND_POLL_S: Final = 0.25


async def deploy(chain: LocalChain, addresses: Path, log: Path, stakers: Mapping[Address, int] | None = None) -> None:
    """The suite by the deploy script that testnets use; LPT wei for `stakers`, who are the story's unless named."""
    if stakers is None:
        stakers = {role.account.address: role.stake for role in cast.ORCHESTRATORS}
        stakers[cast.DELEGATOR.address] = cast.DELEGATION
    grants = [f"--fund-lpt=0x{address.hex()}:{amount // cast.LPT}" for address, amount in stakers.items()]
    command = [
        str(Path(sys.executable).parent / "ape"),
        *("run", "deploy", "--network", chain.url, "--params", "demo"),
        *("--unlock-period-rounds", str(cast.UNLOCK_PERIOD_ROUNDS)),
        *("--output", str(addresses), "--journal", str(addresses.with_name("deployment.json"))),
        *grants,
    ]
    # ape finds the compiler and the chain's program by name, and keeps its own data wherever it is told.
    path = os.pathsep.join((str(ROOT / "scripts" / "_bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    await run("deployment", command, log, {"PATH": path, "APE_DATA_FOLDER": str(ROOT / ".ape")})


@dataclass
class Orchestrator:
    """An operator with a node that can be started, killed and started again on the same files."""

    role: cast.OrchestratorRole
    folder: Path
    wallet: Transactor
    port: int = field(default_factory=free_port)
    node: Child | None = None

    @property
    def name(self) -> str:
        return self.role.account.name

    @property
    def address(self) -> Address:
        return self.role.account.address

    @property
    def service_uri(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        return self.folder / "data" / "orchestrator.sqlite"

    def configure(self, chain: LocalChain, addresses: Path) -> Path:
        """Write the node's key and its settings file."""
        cast.write_secret(self.folder / "key", self.role.account.key)
        price = self.role.price
        settings = cast.toml(
            {
                "chain": {"rpc_url": chain.url, "addresses": str(addresses), "poll_interval_s": 0.25},
                "key": {"file": "key"},
                "orchestrator": {
                    "service_uri": self.service_uri,
                    "listen": f"127.0.0.1:{self.port}",
                    "data_dir": "data",
                    "price_per_unit": price.numerator,
                    "pixels_per_unit": price.denominator,
                    "ticket_ev_wei": cast.TICKET_EV,
                    "max_face_value_wei": cast.FACE_VALUE,
                    "redeem_gas": 120_000,
                    "expiration_blocks": cast.PARAMS_EXPIRATION_BLOCKS,
                    "latency_ms": self.role.latency_ms,
                    "capabilities_removed": list(self.role.capabilities_removed),
                },
                "redemption": {"min_batch": 5, "max_batch": 20, "poll_interval_s": 0.25},
                "rounds": {"initialize": True, "max_delay_s": 1.0, "poll_interval_s": 0.25},
                "reward": {"enabled": True, "poll_interval_s": 0.5},
            }
        )
        path = self.folder / "orchestrator.toml"
        path.write_text(settings)
        return path

    async def start_node(self) -> None:
        """:raises ProcessFailed: it does not come up."""
        log = self.folder / "node.log"
        if log.exists():
            log.rename(self.folder / "node.before-restart.log")
        command = [sys.executable, "-m", "livepeer_client", "orchestrator", "run"]
        self.node = await start(self.name, [*command, "--config", str(self.folder / "orchestrator.toml")], log)
        await self.node.wait_for_line("ready", _READY_TIMEOUT_S)

    async def stop_node(self) -> None:
        if self.node is not None:
            await self.node.stop()

    async def register(self, suite: Suite) -> None:
        """Bond one's own stake, state one's rates, publish the service URI."""
        bonding_manager = suite.address_of("BondingManager")
        await self.wallet.send("LivepeerToken", "approve", [bonding_manager, self.role.stake])
        await self.wallet.send("BondingManager", "bond", [self.role.stake, self.address])
        await self.wallet.send("BondingManager", "transcoder", [self.role.reward_cut_ppm, self.role.fee_share_ppm])
        await self.wallet.send("ServiceRegistry", "setServiceURI", [self.service_uri])


async def bond(wallet: Transactor, suite: Suite, amount: int, to: Address) -> None:
    """Delegate `amount` LPT wei."""
    await wallet.send("LivepeerToken", "approve", [suite.address_of("BondingManager"), amount])
    await wallet.send("BondingManager", "bond", [amount, to])


async def in_open_round(suite: Suite, call: Callable[[], Awaitable[Receipt]]) -> Receipt:
    """Make a call that only an initialised round allows; if a round ends meanwhile, again in the next."""
    while True:
        before = await suite.round_state()
        try:
            return await call()
        except Reverted:
            after = await suite.round_state()
            if before.initialized and after.current == before.current:
                raise
            await asyncio.sleep(_ROUND_POLL_S)


async def claim_and_withdraw(wallet: Transactor, suite: Suite, payout: Address) -> int:
    """Claim all earnings and send the ETH fees to `payout`. Returns them, wei."""
    await in_open_round(suite, lambda: wallet.send("BondingManager", "claimEarnings", [0]))
    (fees,) = await suite.call("BondingManager", "pendingFees", [wallet.address, 0])
    assert isinstance(fees, int)
    if fees:
        await in_open_round(suite, lambda: wallet.send("BondingManager", "withdrawFees", [payout, fees]))
    return fees


def gateway_settings(folder: Path, chain: LocalChain, addresses: Path) -> Path:
    """Write the gateway's key and its settings file."""
    cast.write_secret(folder / "key", cast.GATEWAY.key)
    ceiling = cast.PRICE_CEILING
    text = cast.toml(
        {
            "chain": {"rpc_url": chain.url, "addresses": str(addresses), "poll_interval_s": 0.25},
            "key": {"file": "key"},
            "gateway": {
                "data_dir": "data",
                "max_price_per_unit": ceiling.numerator,
                "pixels_per_unit": ceiling.denominator,
                "max_ticket_ev_wei": 2 * cast.TICKET_EV,
                "max_total_ev_wei": 20 * cast.TICKET_EV,
                # Everybody is waited for, on a busy machine as well; it ends once all have answered.
                "discovery_timeout_s": 5.0,
            },
        }
    )
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


async def receipts(wallet: Transactor, hashes: Sequence[bytes]) -> dict[bytes, Receipt]:
    found: dict[bytes, Receipt] = {}
    for tx_hash in hashes:
        receipt = await wallet.receipt(tx_hash)
        assert receipt is not None, "a transaction whose events we read has a receipt"
        found[bytes(tx_hash)] = receipt
    return found
