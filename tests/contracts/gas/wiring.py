"""The suite in either wiring: behind proxies as in production, or the same code registered directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from eth_abi.abi import decode, encode

from scripts._protocol import JOBS_MANAGER, MINTER_ROLE, PROXIED, contract_id
from tests.contracts.gas.accounts import account
from tests.contracts.gas.chain import Chain, calldata

Mode = Literal["proxy", "direct"]
MODES: tuple[Mode, ...] = get_args(Mode)

ROUND_LENGTH = 20
UNBONDING_PERIOD = 7
UNLOCK_PERIOD = 2
# Larger than any pool in use, so that pools are full only where a scenario wants it.
LARGE_POOL = 200
# Inflation, its change and the target of bonding, in 1e-9.
INFLATION = (220_500, 500, 500_000_000)
# Stands for the 20-byte hash of a commit that the registry remembers.
COMMIT = bytes.fromhex("f225b10c62ce4baed0db14b2b9af1e19efee3b45")


@dataclass(frozen=True, slots=True)
class Suite:
    """Where the contracts are, and what it cost to create them."""

    chain: Chain
    deployer: str
    controller: str
    addresses: dict[str, str]
    creation_gas: dict[str, int]

    def send(self, sender: str, contract: str, signature: str, *arguments: object, value: int = 0) -> int:
        """Gas of a call to a contract by its name."""
        return self.chain.send(sender, self.addresses[contract], calldata(signature, *arguments), value)

    def read(self, contract: str, signature: str, *arguments: object) -> int:
        """A view that answers with one number."""
        answer = self.chain.call(self.addresses[contract], calldata(signature, *arguments))
        return int(decode(["uint256"], answer)[0])

    def read_bytes(self, contract: str, signature: str, *arguments: object) -> bytes:
        """A view that answers with 32 bytes."""
        return self.chain.call(self.addresses[contract], calldata(signature, *arguments))

    def register(self, name: str, address: str) -> int:
        return self.send(
            self.deployer, "Controller", "setContractInfo(bytes32,address,bytes20)", contract_id(name), address, COMMIT
        )


def deploy(chain: Chain, bytecode: dict[str, str], mode: Mode, pool_size: int = LARGE_POOL) -> Suite:
    """Deploy, wire and unpause; no round is initialized yet."""
    deployer = account("deployer").address
    gas: dict[str, int] = {}

    def create(name: str, types: list[str], *arguments: object) -> str:
        address, gas[name] = chain.create(deployer, bytecode[name] + encode(types, arguments).hex())
        return address

    controller = create("Controller", [])
    suite = Suite(chain, deployer, controller, {"Controller": controller}, gas)

    def add(name: str, address: str) -> None:
        suite.addresses[name] = address
        suite.register(name, address)

    add("Minter", create("Minter", ["address", "uint256", "uint256", "uint256"], controller, *INFLATION))
    add("LivepeerToken", create("LivepeerToken", []))
    add("L2LPTDataCache", create("L2LPTDataCache", []))
    for name in PROXIED:
        target = create(name, ["address"], controller)
        if mode == "direct":
            add(name, target)
            continue
        suite.register(f"{name}Target", target)
        add(name, create("ManagerProxy", ["address", "bytes32"], controller, contract_id(f"{name}Target")))
    if mode == "direct":
        create("ManagerProxy", ["address", "bytes32"], controller, contract_id("NoTarget"))
    suite.register(JOBS_MANAGER, suite.addresses["TicketBroker"])

    for contract, signature, value in (
        ("BondingManager", "setUnbondingPeriod(uint64)", UNBONDING_PERIOD),
        ("BondingManager", "setNumActiveTranscoders(uint256)", pool_size),
        ("RoundsManager", "setRoundLength(uint256)", ROUND_LENGTH),
        ("RoundsManager", "setRoundLockAmount(uint256)", 100_000),
        ("TicketBroker", "setUnlockPeriod(uint256)", UNLOCK_PERIOD),
        ("TicketBroker", "setTicketValidityPeriod(uint256)", 2),
    ):
        suite.send(deployer, contract, signature, value)
    for holder in (suite.addresses["Minter"], deployer):
        suite.send(deployer, "LivepeerToken", "grantRole(bytes32,address)", MINTER_ROLE, holder)
    suite.send(deployer, "Controller", "unpause()")
    return suite
