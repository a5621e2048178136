"""The chain a protocol is deployed on, through Ape: reading, and sending from one account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ape.contracts import ContractContainer
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from scripts._deployment.errors import DeploymentError

if TYPE_CHECKING:
    from ape.api import AccountAPI, ProviderAPI, ReceiptAPI, TransactionAPI
    from ape.contracts import ContractInstance
    from ape.managers.project import ProjectManager
    from ethpm_types import ContractType

NO_COMMIT = bytes(20)
ERROR_STRING = keccak(text="Error(string)")[:4]
NULL_ADDRESS = "0x0000000000000000000000000000000000000000"
# Most nodes answer for so many blocks at once.
LOG_RANGE_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Log:
    """One event, in emission order."""

    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a call: what it returns, or what it reverts with."""

    ok: bool
    data: bytes

    @property
    def reason(self) -> str:
        """Why it failed, for people."""
        if self.data[:4] == ERROR_STRING:
            return str(decode(["string"], self.data[4:], strict=False)[0])
        return f"0x{self.data.hex()}" if self.data else "no reason given"


class Site:
    """Where a deployment happens: the chain, the compiled contracts, and the addresses known so far by name."""

    def __init__(self, project: ProjectManager, provider: ProviderAPI, *, commit: bytes = NO_COMMIT) -> None:
        self.project = project
        self.provider = provider
        # 20-byte git hash that the registry remembers for each entry.
        self.commit = commit
        self.addresses: dict[str, str] = {}
        self._interfaces: dict[str, str] = {}

    # --- what stands where ------------------------------------------------------------------------

    def know(self, name: str, address: str, interface: str) -> None:
        """Remember an address, and as what kind of contract it answers."""
        self.addresses[name] = address
        self._interfaces[name] = interface
        # What Ape may have kept on disk for the address is from another chain or another life of this one.
        self._instance(address, interface)

    def at(self, name: str) -> ContractInstance:
        """A handle to a contract by its name."""
        return self._instance(self.addresses[name], self._interfaces[name])

    def _instance(self, address: str, interface: str) -> ContractInstance:
        return self.provider.chain_manager.contracts.instance_at(
            address,
            contract_type=self.type_of(interface),
            fetch_from_explorer=False,
            fetch_from_disk=False,
            detect_proxy=False,
            replace=True,
        )

    def type_of(self, contract: str) -> ContractType:
        return self.project.get_contract(contract).contract_type

    def read(self, name: str, getter: str, *arguments: object) -> Any:
        """What a view answers."""
        return getattr(self.at(name), getter)(*arguments)

    def interface(self, name: str) -> str:
        """As what kind of contract it answers."""
        return self._interfaces[name]

    # --- the chain --------------------------------------------------------------------------------

    def attempt(self, request: dict[str, str], overrides: dict[str, Any] | None = None) -> Answer:
        """What a call would answer, or with which data it would revert.

        :param overrides: address -> balance, code or storage that the node shall assume for it.
        :raises DeploymentError: if the node does not answer at all.
        """
        more = [overrides] if overrides else []
        answer = self.provider.web3.provider.make_request("eth_call", [request, "latest", *more])
        if "error" not in answer:
            return Answer(True, bytes.fromhex(str(answer["result"])[2:]))
        data = answer["error"].get("data")
        if not isinstance(data, str):
            raise DeploymentError(f"the node cannot tell what a call would do: {answer['error'].get('message')}")
        return Answer(False, bytes.fromhex(data.removeprefix("0x")))

    def rpc(self, method: str, *parameters: object) -> Any:
        return self.provider.make_request(method, list(parameters))

    @cached_property
    def mines_on_demand(self) -> bool:
        """True for anvil as it is started without an interval: a block is mined when there is a transaction."""
        is_anvil = str(self.rpc("web3_clientVersion")).startswith("anvil/")
        return is_anvil and bool(self.rpc("anvil_getAutomine"))

    @property
    def height(self) -> int:
        """Number of the latest block, as the node counts (on Arbitrum not what the contracts count)."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def time(self) -> int:
        """Unix time of the latest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def block_hash(self, number: int) -> str:
        """Empty if the node does not have the block."""
        block = self.rpc("eth_getBlockByNumber", hex(number), False)
        return str(block["hash"]) if block else ""

    def transactions_of(self, account: str, block: str = "latest") -> int:
        """How many transactions an account has in the chain; with "pending" also those that wait."""
        return int(self.rpc("eth_getTransactionCount", account, block), 16)

    def code(self, address: str) -> bytes:
        return bytes.fromhex(str(self.rpc("eth_getCode", address, "latest"))[2:])

    def expected_code(self, contract: str, arguments: tuple[object, ...], found: bytes) -> bytes:
        """The runtime code that the sources give, with the values that the constructor writes into it.

        Those values lie behind the compiled code; which they are, the node says by running the constructor.
        """
        compiled = bytes(self.type_of(contract).get_runtime_bytecode() or b"")
        if len(found) == len(compiled) or not found.startswith(compiled):
            return compiled
        creation = self.creation(contract, arguments)
        return bytes.fromhex(str(self.rpc("eth_call", {"data": "0x" + bytes(creation.data).hex()}, "latest"))[2:])

    def logs(self, name: str, first_block: int, *topics: bytes) -> list[Log]:
        """Every event of a contract from a block on that begins with these topics: a token has many others, and nodes
        refuse to tell too many at once."""
        found = []
        head = self.height
        for start in range(first_block, head + 1, LOG_RANGE_BLOCKS):
            query = {
                "address": self.addresses[name],
                "fromBlock": hex(start),
                "toBlock": hex(min(start + LOG_RANGE_BLOCKS - 1, head)),
                "topics": ["0x" + topic.hex() for topic in topics],
            }
            for entry in self.rpc("eth_getLogs", query):
                topics = tuple(bytes.fromhex(topic[2:]) for topic in entry["topics"])
                found.append(Log(topics, bytes.fromhex(entry["data"][2:])))
        return found

    # --- transactions -----------------------------------------------------------------------------

    def creation(self, contract: str, arguments: tuple[object, ...]) -> TransactionAPI:
        """The transaction that creates a contract."""
        return ContractContainer(self.type_of(contract))(*arguments)

    def call(self, name: str, method: str, *arguments: object) -> TransactionAPI:
        """The transaction that calls a contract."""
        return self._call(self.addresses[name], self._interfaces[name], method, arguments)

    def calldata(self, contract: str, method: str, *arguments: object) -> bytes:
        """Of a call to some contract of a kind."""
        return bytes(self._call(NULL_ADDRESS, contract, method, arguments).data)

    def _call(self, address: str, contract: str, method: str, arguments: tuple[object, ...]) -> TransactionAPI:
        abi = next(
            entry
            for entry in self.type_of(contract).methods
            if entry.name == method and len(entry.inputs) == len(arguments)
        )
        return self.provider.network.ecosystem.encode_transaction(address, abi, *arguments)


def digest(code: bytes) -> str:
    """A short name for code, for people to compare."""
    return f"keccak256 {keccak(code).hex()[:16]}, {len(code)} bytes" if code else "no code"


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction that can be sent, and by which it will be found again."""

    transaction: TransactionAPI
    nonce: int
    # None for accounts that the node impersonates.
    hash: str | None


class Sender:
    """Signs with an Ape account and sends, one transaction at a time."""

    def __init__(self, account: AccountAPI, site: Site, *, consent: Callable[[], None] | None = None) -> None:
        """:param consent: called once, before the first signature; raises if there shall be none."""
        self._account = account
        self._site = site
        self._consent = consent
        self.address = str(account.address)

    def created_at(self, nonce: int) -> str:
        """Where a contract lands that this account creates with a nonce."""
        ecosystem = self._site.provider.network.ecosystem
        return str(to_checksum_address(ecosystem.get_deployment_address(self._account.address, nonce)))

    def sign(self, transaction: TransactionAPI, nonce: int) -> Signed:
        if self._consent:
            self._consent()
            self._consent = None
        transaction.sender = self._account.address
        transaction.nonce = nonce
        if self._site.mines_on_demand:
            # A confirmation is a later block, and none comes unless somebody sends another transaction.
            transaction.required_confirmations = 0
        prepared = self._account.prepare_transaction(transaction)
        signed = self._account.sign_transaction(prepared)
        if signed is None:
            raise DeploymentError("the transaction was not signed")
        return Signed(signed, nonce, "0x" + bytes(signed.txn_hash).hex() if signed.signature else None)

    def send(self, signed: Signed) -> ReceiptAPI:
        """Send and wait until it is mined.

        :raises ape.exceptions.TransactionError: if it failed.
        """
        return self._site.provider.send_transaction(signed.transaction)
