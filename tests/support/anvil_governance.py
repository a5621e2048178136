"""Governance on top of a chain with the suite: treasury, governor, polls, and a treasury with something in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from eth_abi.abi import encode

from livepeer_client.adapters.chain.abi import contract_id, load_abi
from livepeer_client.adapters.chain.governance import GovernanceReader
from livepeer_client.adapters.chain.json_values import data_bytes, to_hex
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts.governance import GovernedCall
from livepeer_client.services.calls import Contracts
from livepeer_client.types import Address, Wei
from tests.support.anvil import BOB, ETH, LPT, Deployer, Role, Stage
from tests.support.artifacts import compile_all
from tests.support.variants import variant

CONTRACTS = ("Creator", "Treasury", "LivepeerGovernor", "ManagerProxy")
VOTING_DELAY_ROUNDS = 1
# Shorter than anywhere else, so that tests mine fewer blocks.
VOTING_PERIOD_ROUNDS = 3
THRESHOLD = 100 * LPT
QUORUM_PPM = 333_300
QUOTA_PPM = 500_000
# Instead of 57,600, which take a node half a minute to mine.
POLL_BLOCKS = 60
TREASURY_LPT = 10_000 * LPT
ROLES = [keccak256(f"{name}_ROLE".encode()) for name in ("PROPOSER", "CANCELLER", "EXECUTOR")]
ADMIN_ROLE = keccak256(b"TIMELOCK_ADMIN_ROLE")


async def deploy_governance(rpc: JsonRpc, addresses: Addresses, cache: Path) -> Addresses:
    """Treasury and LivepeerGovernor, created and initialised in one transaction each and registered; PollCreator, which
    the Controller does not know. The treasury holds `TREASURY_LPT`; nobody but the governor has a role of it."""
    account = (await rpc.call("eth_accounts"))[0]
    owner, deployer = Address(data_bytes(account, 20)), Deployer(rpc, account)
    codes = await asyncio.to_thread(compile_all, CONTRACTS, cache)
    bytecode = {name: codes[name].bytecode for name in CONTRACTS}
    creator = await deployer.create("0x" + bytecode["Creator"].hex())
    created = dict(addresses.contracts)

    async def create(name: str, code: bytes, *args: object) -> None:
        data = load_abi(name).function("initialize").encode(args)
        receipt = await deployer.call("Creator", creator, "create", code, data, 0)
        created[name] = Address(data_bytes(receipt["logs"][-1]["topics"][1])[12:])
        await register(name, created[name])

    async def register(name: str, address: Address) -> None:
        await deployer.call(
            "Controller", addresses.controller, "setContractInfo", contract_id(name), address, bytes(20)
        )

    await create("Treasury", bytecode["Treasury"], 0, [], [], owner)
    code = await deployer.create("0x" + bytecode["LivepeerGovernor"].hex(), ["address"], [addresses.controller])
    await register("LivepeerGovernorTarget", code)
    proxy = encode(("address", "bytes32"), (addresses.controller, contract_id("LivepeerGovernorTarget")))
    settings = (VOTING_DELAY_ROUNDS, VOTING_PERIOD_ROUNDS, THRESHOLD, QUORUM_PPM, QUOTA_PPM)
    await create("LivepeerGovernor", bytecode["ManagerProxy"] + proxy, *settings)
    for role in ROLES:
        await deployer.call("Treasury", created["Treasury"], "grantRole", role, created["LivepeerGovernor"])
    await deployer.call("Treasury", created["Treasury"], "renounceRole", ADMIN_ROLE, owner)
    polls = await asyncio.to_thread(
        variant,
        "PollCreator",
        {"POLL_PERIOD: public(constant(uint256)) = 57_600": f"POLL_PERIOD: public(constant(uint256)) = {POLL_BLOCKS}"},
    )
    created["PollCreator"] = await deployer.create(
        "0x" + polls.bytecode.hex(), ["address"], [created["BondingManager"]]
    )
    await deployer.call("LivepeerToken", created["LivepeerToken"], "mint", created["Treasury"], TREASURY_LPT)
    return replace(addresses, contracts=created)


@dataclass(slots=True)
class CouncilStage(Stage):
    """A stage with governance; `governance` reads it."""

    governance: GovernanceReader

    async def reach(self, round_: int) -> None:
        """Let rounds pass, opening each, until that one is there."""
        while (await self.suite.round_state()).current < round_:
            await self.next_round()

    def council(self, role: Role) -> Contracts:
        return Contracts(self.transactor(role))

    def grant(self, to: Address, amount: int) -> GovernedCall:
        """LPT of the treasury to somebody."""
        data = load_abi("LivepeerToken").function("transfer").encode([to, amount])
        return GovernedCall(self.suite.address_of("LivepeerToken"), Wei(0), data)

    async def delegate(self, role: Role, amount: int, to: Role) -> None:
        """Somebody without stake bonds to a transcoder; it counts from the next round on."""
        await self.rpc.call("anvil_setBalance", [to_hex(role.address), hex(100 * ETH)])
        await self.transactor(BOB).send("LivepeerToken", "transfer", [role.address, amount])
        calls = self.council(role)
        await calls.token.approve(await self.suite.address("BondingManager"), amount)
        await calls.bonding.bond(amount, to.address)


@contextlib.asynccontextmanager
async def opened_council(url: str, addresses: Addresses) -> AsyncIterator[CouncilStage]:
    async with JsonRpc(url) as rpc:
        reader = GovernanceReader(rpc, addresses)
        yield CouncilStage(rpc, reader, reader)
