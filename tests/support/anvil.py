"""A chain with the suite on it, without Ape: for tests of the client's own chain adapter."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
from eth_abi.abi import encode

from livepeer_client.adapters.chain.abi import contract_id, load_abi
from livepeer_client.adapters.chain.json_values import data_bytes, quantity, to_hex
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import Ticket, WinningTicket, is_winning, recipient_rand_hash
from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import SignedTransaction
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Round, Wei
from scripts._ports import free_port
from tests.support.artifacts import PROXIED, ROOT, SUITE, compile_all

# A broker with the deployed network's rules, for tests only.
PARTIAL_BROKER = "PartialTicketBroker"
ROUND_LENGTH = 20
ETH = 10**18
LPT = 10**18
MINTER_ROLE = keccak256(b"MINTER_ROLE")


def compile_suite(cache: Path) -> dict[str, str]:
    """Creation bytecode by contract, as hex. Compiled once per state of the sources."""
    names = (*SUITE, f"mocks/{PARTIAL_BROKER}")
    return {name: "0x" + artifact.bytecode.hex() for name, artifact in compile_all(names, cache).items()}


@contextlib.contextmanager
def anvil(*options: str) -> Iterator[str]:
    """A node of our own on a free port; yields its URL."""
    port = free_port()
    with subprocess.Popen(
        [str(ROOT / "scripts" / "_bin" / "anvil"), "--port", str(port), "--silent", *options], stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def wait_until_up(url: str) -> None:
    async with asyncio.timeout(60), JsonRpc(url, attempts=1) as rpc:
        while True:
            try:
                await rpc.call("eth_chainId")
            except ChainUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


class Deployer:
    """Sends from anvil's first account, which the node signs for."""

    def __init__(self, rpc: JsonRpc, account: str) -> None:
        self._rpc = rpc
        self._account = account

    async def create(self, bytecode: str, types: Sequence[str] = (), args: Sequence[object] = ()) -> Address:
        receipt = await self._send({"data": bytecode + encode(list(types), list(args)).hex()})
        return Address(data_bytes(receipt["contractAddress"], 20))

    async def call(self, contract: str, at: Address, function: str, *args: object) -> Any:
        """The receipt."""
        return await self._send({"to": to_hex(at), "data": to_hex(load_abi(contract).function(function).encode(args))})

    async def _send(self, transaction: dict[str, str]) -> Any:
        receipt = await self._rpc.call("eth_sendTransactionSync", [{"from": self._account, **transaction}])
        assert quantity(receipt["status"]) == 1, transaction
        return receipt


async def deploy(
    rpc: JsonRpc, bytecode: dict[str, str], *, round_blocks: int = ROUND_LENGTH, broker: str = "TicketBroker"
) -> Addresses:
    """The suite, wired and unpaused. `broker` names the code that stands behind the TicketBroker's proxy."""
    account = (await rpc.call("eth_accounts"))[0]
    deployer = Deployer(rpc, account)
    controller = await deployer.create(bytecode["Controller"])
    contracts: dict[str, Address] = {}

    async def register(name: str, address: Address) -> None:
        await deployer.call("Controller", controller, "setContractInfo", contract_id(name), address, bytes(20))

    percents = (220_500, 500, 500_000_000)
    types = ["address", "uint256", "uint256", "uint256"]
    contracts["Minter"] = await deployer.create(bytecode["Minter"], types, [controller, *percents])
    contracts["LivepeerToken"] = await deployer.create(bytecode["LivepeerToken"])
    contracts["L2LPTDataCache"] = await deployer.create(bytecode["L2LPTDataCache"])
    for name in PROXIED:
        code = bytecode[broker if name == "TicketBroker" else name]
        target = await deployer.create(code, ["address"], [controller])
        await register(f"{name}Target", target)
        contracts[name] = await deployer.create(
            bytecode["ManagerProxy"], ["address", "bytes32"], [controller, contract_id(f"{name}Target")]
        )
    for name, address in contracts.items():
        await register(name, address)
    await register("JobsManager", contracts["TicketBroker"])

    async def configure(contract: str, function: str, *args: object) -> None:
        await deployer.call(contract, contracts[contract], function, *args)

    await configure("BondingManager", "setUnbondingPeriod", 1)
    await configure("BondingManager", "setNumActiveTranscoders", 10)
    await configure("RoundsManager", "setRoundLength", round_blocks)
    await configure("RoundsManager", "setRoundLockAmount", 100_000)
    await configure("TicketBroker", "setUnlockPeriod", 2)
    await configure("TicketBroker", "setTicketValidityPeriod", 2)
    await configure("LivepeerToken", "grantRole", MINTER_ROLE, contracts["Minter"])
    await configure("LivepeerToken", "grantRole", MINTER_ROLE, data_bytes(account, 20))
    await deployer.call("Controller", controller, "unpause")
    for role in (ALICE, BOB):
        await configure("LivepeerToken", "mint", role.address, 10_000 * LPT)
    chain_id = quantity(await rpc.call("eth_chainId"))
    del contracts["L2LPTDataCache"]
    return Addresses(chain_id, controller, contracts, BlockNumber(0))


@dataclass(frozen=True, slots=True)
class Role:
    """A key of the story, always the same."""

    name: str

    @property
    def key(self) -> bytes:
        return keccak256(self.name.encode())

    @property
    def private_key(self) -> coincurve.PrivateKey:
        return coincurve.PrivateKey(self.key)

    @property
    def address(self) -> Address:
        return public_key_to_address(self.private_key.public_key)


ALICE = Role("orchestrator alice")
BOB = Role("orchestrator bob")
GATEWAY = Role("gateway")
STRANGER = Role("stranger")


class _Mined(Transactor):
    """The node takes a transaction at once and shows its receipt a moment later, on a busy machine much later."""

    async def broadcast(self, transaction: SignedTransaction) -> None:
        await super().broadcast(transaction)
        await self.wait(transaction.tx_hash, 30.0)


@dataclass(slots=True)
class Stage:
    """The chain as tests use it. `suite` reads through whatever transport the test chose."""

    rpc: JsonRpc
    suite: Suite

    def transactor(self, role: Role, **options: Any) -> Transactor:
        return Transactor(self.suite, role.key, poll_s=0.01, **options)

    def mined_transactor(self, role: Role) -> Transactor:
        """For a chain that mines with every transaction: what is sent is mined when the call returns."""
        return _Mined(self.suite, role.key, poll_s=0.01)

    async def mine(self, blocks: int = 1) -> None:
        await self.rpc.call("anvil_mine", [hex(blocks)])

    async def reorg(self, depth: int, *, blocks: int | None = None) -> None:
        """Replace the newest `depth` blocks by as many, or by `blocks`, others that are empty."""
        await self.rpc.call("anvil_rollback", [depth])
        block = await self.rpc.call("eth_getBlockByNumber", ["latest", False])
        # A block of the same time and content would be the same block.
        await self.rpc.call("evm_setNextBlockTimestamp", [quantity(block["timestamp"]) + 1000])
        await self.mine(depth if blocks is None else blocks)

    async def next_base_fee(self) -> Wei:
        history = await self.rpc.call("eth_feeHistory", ["0x1", "latest", []])
        return Wei(quantity(history["baseFeePerGas"][-1]))

    @contextlib.asynccontextmanager
    async def taken_back(self) -> AsyncIterator[None]:
        """Whatever happens inside is undone: afterwards the chain is where it was, and mines each transaction.

        What is still in the pool goes first. Anvil mines beside its calls: told to mine again, it was seen to put
        such a transaction into a block upon one that the revert was taking away.
        """
        head, base_fee = await self.suite.head(), await self.next_base_fee()
        snapshot = await self.rpc.call("evm_snapshot")
        try:
            yield
        finally:
            await self.rpc.call("evm_setAutomine", [False])
            await self.rpc.call("anvil_dropAllTransactions", [])
            await self.rpc.call("evm_revert", [snapshot])
            await self.rpc.call("evm_setAutomine", [True])
            # A revert leaves the next block's base fee, and a test that finds gas dear leaves its tickets unredeemed.
            await self.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(base_fee)])
            assert (await self.suite.head()).block_hash == head.block_hash, "the chain did not go back"

    async def next_round(self, *, initialize: bool = True) -> None:
        """Go to the first block of the next round."""
        state = await self.suite.round_state()
        await self.mine(state.start_block + state.length_blocks - await self.suite.height())
        if initialize:
            await self.transactor(STRANGER).send("RoundsManager", "initializeRound", [])

    async def winner(self, *, nonce: int = 1, recipient: Role = ALICE, sender: Role = GATEWAY, **changes: Any) -> Any:
        """A ticket of the present round that wins, params expired at this block."""
        state = await self.suite.round_state()
        rand = changes.pop("recipient_rand", 7)
        values: dict[str, Any] = {
            "recipient": recipient.address,
            "sender": sender.address,
            "face_value": Wei(ETH // 1000),
            "win_prob": MAX_WIN_PROB,
            "sender_nonce": nonce,
            "recipient_rand_hash": recipient_rand_hash(rand),
            "creation_round": Round(state.last_initialized),
            "creation_round_block_hash": state.last_initialized_block_hash,
        }
        ticket = Ticket(**{**values, **changes})
        sig = sign_personal(sender.private_key, ticket.hash)
        assert is_winning(sig, rand, ticket.win_prob)
        return WinningTicket(ticket, sig, rand, (await self.suite.head()).l1_block)


async def populate(stage: Stage) -> None:
    """Two active orchestrators, of 1000 and 500 LPT, with service URIs; a gateway with 1 ETH deposit and reserve."""
    for role in (ALICE, BOB, GATEWAY, STRANGER):
        await stage.rpc.call("anvil_setBalance", [to_hex(role.address), hex(100 * ETH)])
    await stage.next_round()
    bonding = await stage.suite.address("BondingManager")
    for role, stake in ((BOB, 500 * LPT), (ALICE, 1000 * LPT)):
        wallet = stage.transactor(role)
        await wallet.send("LivepeerToken", "approve", [bonding, stake])
        await wallet.send("BondingManager", "bond", [stake, role.address])
        await wallet.send("BondingManager", "transcoder", [100_000, 400_000])
        await wallet.send("ServiceRegistry", "setServiceURI", [f"https://{role.name.split()[1]}.example:8935"])
    await stage.transactor(GATEWAY).send("TicketBroker", "fundDepositAndReserve", [ETH, ETH], value=Wei(2 * ETH))
    await stage.next_round()


@contextlib.asynccontextmanager
async def opened(url: str, addresses: Addresses) -> AsyncIterator[Stage]:
    async with JsonRpc(url) as rpc:
        yield Stage(rpc, Suite(rpc, addresses))


async def set_stage(
    url: str, cache: Path, *, round_blocks: int = ROUND_LENGTH, broker: str = "TicketBroker"
) -> Addresses:
    """Deploy and populate; what every test starts from. Options as of `deploy`."""
    bytecode = compile_suite(cache)
    await wait_until_up(url)
    async with JsonRpc(url) as rpc:
        addresses = await deploy(rpc, bytecode, round_blocks=round_blocks, broker=broker)
    async with opened(url, addresses) as stage:
        await populate(stage)
    return addresses
