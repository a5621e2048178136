"""A chain to measure on: one anvil per world, plain JSON-RPC, and the gas of whole transactions from their receipts.

Everything that could move a figure is fixed: hard fork, times of blocks, keys. So the same bytecode gives the same
figures, always.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_abi.grammar import parse
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from scripts._ports import free_port
from tests.support.anvil import ROOT

HARD_FORK = "osaka"
# A transaction may use 2^24 gas (EIP-7825).
TERMS = {"gas": hex(16_000_000), "gasPrice": "0x0"}
GENESIS_TIME = 1_700_000_000
START_TIMEOUT_S = 60.0


class Failed(AssertionError):
    """A transaction that a scenario relies on was refused."""


@functools.cache
def _types(signature: str) -> tuple[bytes, list[str]]:
    """Selector and argument types of `name(type,...)`."""
    arguments = signature[signature.index("(") :]
    types = [] if arguments == "()" else [component.to_type_str() for component in parse(arguments).components]
    return keccak(text=signature)[:4], types


def calldata(signature: str, *arguments: Any) -> str:
    """A call as hex."""
    selector, types = _types(signature)
    return "0x" + (selector + encode(types, arguments)).hex()


@dataclass(slots=True)
class Chain:
    """Every transaction is a block of its own, except in `bulk`."""

    connection: http.client.HTTPConnection
    _bulk: list[dict[str, str]] | None = None
    _ids: list[int] = field(default_factory=lambda: [0])

    def rpc(self, method: str, *params: Any) -> Any:
        self._ids[0] += 1
        request = {"jsonrpc": "2.0", "id": self._ids[0], "method": method, "params": params}
        self.connection.request("POST", "/", json.dumps(request), {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, sender: str, to: str, data: str, value: int = 0) -> int:
        """Gas of a transaction that must succeed; 0 inside of `bulk`, where it happens later."""
        transaction = {"from": sender, "to": to, "data": data, "value": hex(value), **TERMS}
        if self._bulk is not None:
            self._bulk.append(transaction)
            return 0
        [receipt] = self._block_of([transaction])
        return int(receipt["gasUsed"], 16)

    def create(self, sender: str, bytecode: str) -> tuple[str, int]:
        """Address and gas of a new contract."""
        [receipt] = self._block_of([{"from": sender, "data": bytecode, **TERMS}])
        return to_checksum_address(receipt["contractAddress"]), int(receipt["gasUsed"], 16)

    def call(self, to: str, data: str) -> bytes:
        return bytes.fromhex(self.rpc("eth_call", {"to": to, "data": data}, "latest")[2:])

    def _block_of(self, transactions: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Receipts of transactions that make up one block. Mined on demand: a node that mines by itself tidies up
        behind the answer, which a following `branch` would not survive."""
        for transaction in transactions:
            self.rpc("eth_sendTransaction", transaction)
        self.rpc("evm_mine")
        receipts: list[dict[str, str]] = self.rpc("eth_getBlockReceipts", "latest")
        if len(receipts) != len(transactions):
            raise Failed(f"{len(receipts)} of {len(transactions)} transactions were mined")
        for receipt, transaction in zip(receipts, transactions, strict=True):
            if int(receipt["status"], 16) != 1:
                # Asked again as a call, the node tells why.
                self.rpc("eth_call", transaction, "latest")
                raise Failed(f"reverted: {transaction}")
        return receipts

    @contextlib.contextmanager
    def bulk(self) -> Iterator[None]:
        """What is sent inside goes into one block, in order: set-up only, nothing is measured."""
        self._bulk = []
        yield
        transactions, self._bulk = self._bulk, None
        self._block_of(transactions)

    @contextlib.contextmanager
    def branch(self) -> Iterator[None]:
        """What happens inside is undone afterwards."""
        before = self.rpc("evm_snapshot")
        yield
        if not self.rpc("evm_revert", before):
            raise Failed("the chain did not go back")

    def mine(self, blocks: int) -> None:
        if blocks > 0:
            self.rpc("anvil_mine", hex(blocks))

    def height(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def head_hash(self) -> bytes:
        return bytes.fromhex(self.rpc("eth_getBlockByNumber", "latest", False)["hash"][2:])

    def give_ether(self, account: str, wei: int) -> None:
        self.rpc("anvil_setBalance", account, hex(wei))


@contextlib.contextmanager
def opened() -> Iterator[Chain]:
    """A fresh chain on a node of its own; accounts need neither keys nor money for gas."""
    port = free_port()
    command = [str(ROOT / "scripts" / "_bin" / "anvil"), "--port", str(port), "--silent", "--accounts", "1"]
    command += [
        "--hardfork",
        HARD_FORK,
        "--timestamp",
        str(GENESIS_TIME),
        "--auto-impersonate",
        "--no-mining",
        "--order",
        "fifo",
    ]
    command += ["--base-fee", "0", "--gas-price", "0", "--gas-limit", str(2**40)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            chain = Chain(connection)
            _wait(chain)
            chain.rpc("anvil_setBlockTimestampInterval", 1)
            yield chain
            connection.close()
        finally:
            process.terminate()


def _wait(chain: Chain) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            chain.rpc("eth_chainId")
        except OSError:
            if time.monotonic() > deadline:
                raise
            chain.connection.close()
            time.sleep(0.02)
        else:
            return
