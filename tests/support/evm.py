"""An EVM in this process, for tests that need thousands of calls a second.

    evm = Evm()
    counter = evm.deploy(compile_all(["mocks/StakeMock"])["StakeMock"])
    receipt = counter.call("setStake", ALICE, 5, sender=ALICE)   # a transaction; raises Reverted
    receipt.events                                               # [Event(address, "StakeSet", {...})]
    counter.view("stakeOf", ALICE)                               # one value, or a tuple of several

The whole protocol, wired, is `tests.support.evm_suite.deploy_suite`. What differs from a chain:

- Every call is a transaction of its own: transient storage is empty at its start, and a revert leaves no trace. There
  are no nonces, fees, signatures or gas limits of blocks, and any address may call.
- Blocks pass only where a test says so. Block hashes are keccak256 of the block number in decimal, always the same.
- Warm storage stays warm from call to call, so gas is not that of a receipt. Gas is measured on anvil.
- `give` is a transfer of a rich account, because ether that is set directly does not follow snapshots.

Addresses are lower-case hex strings throughout, as eth_abi decodes them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from pyrevm import EVM, AccountInfo, BlockEnv

from tests.support.artifacts import Artifact
from tests.support.evm_abi import EventAbi, Interface

NOBODY = "0x" + "00" * 20
OWNER = "0x" + "0a" * 20
"""Deploys, unless told otherwise."""
_BANK = "0x" + "ba" * 20
_OUTPUT = re.compile(r"^Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}$")
_HALT = re.compile(r"^Halt \{ reason: (.*), gas_used: \d+ \}$")
_ERROR = keccak(text="Error(string)")[:4]
_DRIVER = "0x" + "dd" * 20
# Runs the code at `impl` for everybody, and a call of its own for the driver: target (20 bytes), value (32), data.
_COMMANDED = (
    "33 73{driver} 14 6047 57"  # from the driver: on at 0x47
    "36 5f 5f 37 5f 5f 36 5f 73{impl} 5a f4"  # delegatecall(impl, calldata)
    "3d 5f 5f 3e 6043 57 3d 5f fd 5b 3d 5f f3"  # pass on what came back
    "5b 6034 36 03 80 6034 5f 37 5f 5f 82 5f 6014 35 5f 35 6060 1c 5a f1"  # call(target, value, data)
    "3d 5f 5f 3e 6069 57 3d 5f fd 5b 3d 5f f3"
)
# Blocks of this EVM: beyond the first 256, so that the rules for old block hashes hold from the start.
FIRST_BLOCK = 1000


def _fast_engine() -> Any:
    return EVM(spec_id="PRAGUE")


new_engine: Callable[[], Any] = _fast_engine
"""Makes the machine behind an `Evm`; the one that counts lines takes its place in `make coverage`."""


class Reverted(Exception):
    """A call that changed nothing."""

    def __init__(self, data: bytes, halt: str | None = None) -> None:
        self.data = data
        """Revert data as they are: empty for a bare revert."""
        self.halt = halt
        """Why the EVM itself stopped the call, such as out of gas; None for an ordinary revert."""
        super().__init__(self.reason if self.reason is not None else halt or f"0x{data.hex()}")

    @property
    def reason(self) -> str | None:
        """The text of `Error(string)`, what is not UTF-8 in it replaced; None for everything else."""
        if self.data[:4] != _ERROR:
            return None
        length = int.from_bytes(self.data[36:68], "big")
        return self.data[68 : 68 + length].decode(errors="replace")

    @property
    def is_bare(self) -> bool:
        return not self.data and self.halt is None


def custom_error(signature: str, *values: object) -> bytes:
    """Revert data of a custom error, as in `custom_error("Late(uint256)", 7)`."""
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return bytes(keccak(text=signature)[:4]) + encode(types, values)


@dataclass(frozen=True, slots=True)
class Event:
    """A log, decoded by the interface of the contract that wrote it."""

    address: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it is."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """Outcome of a call that succeeded."""

    result: Any
    logs: tuple[Log, ...]
    gas_used: int
    _evm: Evm = field(repr=False)

    @property
    def events(self) -> list[Event]:
        return [self._evm.decode(log) for log in self.logs]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state to return to."""

    checkpoint: Any
    block: int


class Evm:
    """State, and ways to change it."""

    def __init__(self, *, block: int = FIRST_BLOCK) -> None:
        self.engine = new_engine()
        self.engine.set_balance(_BANK, 2**255)
        self.interfaces: dict[str, Interface] = {}
        self._marks: list[Snapshot] = []
        self._commanded: set[str] = set()
        self.block = block

    # --- the chain ----------------------------------------------------------------------------------------------------

    @property
    def block(self) -> int:
        return self._block

    @block.setter
    def block(self, number: int) -> None:
        self._block = number
        self.engine.set_block_env(BlockEnv(number=number, timestamp=12 * number))

    def block_hash(self, number: int) -> bytes:
        """What `blockhash` answers for one of the last 256 blocks."""
        return bytes(keccak(text=str(number)))

    def snapshot(self) -> Snapshot:
        """Mark the present state. A mark costs one of the 1024 levels of call depth until `restore` uses it up."""
        mark = Snapshot(self.engine.snapshot(), self._block)
        self._marks.append(mark)
        return mark

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a state, block number included. This snapshot and those taken since are used up.

        :raises ValueError: it was used up before.
        """
        if not any(mark is snapshot for mark in self._marks):
            raise ValueError("the snapshot was used up")
        mark = None
        while mark is not snapshot:
            mark = self._marks.pop()
            self.engine.revert(mark.checkpoint)
        self.block = snapshot.block

    @contextlib.contextmanager
    def rolled_back(self) -> Iterator[None]:
        """What happens within leaves no trace."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.restore(snapshot)

    # --- ether --------------------------------------------------------------------------------------------------------

    def balance(self, account: str) -> int:
        return int(self.engine.get_balance(account))

    def give(self, account: str, wei: int) -> None:
        """Give ether to an account without code, or to a contract that takes plain transfers."""
        self.transact(_BANK, account, b"", value=wei)

    # --- calls --------------------------------------------------------------------------------------------------------

    def transact(self, sender: str, to: str, data: bytes, *, value: int = 0) -> bytes:
        """Any transaction; returns what the called contract returned.

        :raises Reverted: nothing has changed.
        """
        return self._message(sender, to, data, value, False)

    def query(self, to: str, data: bytes, *, sender: str = NOBODY) -> bytes:
        """A static call.

        :raises Reverted: also if the callee tries to change something.
        """
        return self._message(sender, to, data, 0, True)

    def _message(self, sender: str, to: str, data: bytes, value: int, is_static: bool) -> bytes:
        self.engine.reset_transient_storage()
        if sender in self._commanded:
            data = bytes.fromhex(to[2:]) + value.to_bytes(32, "big") + data
            sender, to, value = _DRIVER, sender, 0
        try:
            return bytes(self.engine.message_call(sender, to, data, value, is_static=is_static))
        except RuntimeError as error:
            raise _reverted(str(error)) from None

    def let_call(self, contract: str) -> None:
        """From now on this contract may be the sender of a transaction, paying from its own balance. To everybody else
        it is as before: its code moves to another address, and is run from there on its own storage. Not undone by
        `restore`."""
        if contract in self._commanded:
            return
        code = self.engine.get_code(contract)
        assert code, f"{contract} has no code"
        moved = "0x" + keccak(b"code of " + bytes.fromhex(contract[2:]))[12:].hex()
        wrapper = bytes.fromhex(_COMMANDED.format(driver=_DRIVER[2:], impl=moved[2:]).replace(" ", ""))
        self.engine.insert_account_info(moved, AccountInfo(code=bytes(code)))
        self.engine.insert_account_info(contract, AccountInfo(balance=self.balance(contract), code=wrapper))
        self._commanded.add(contract)

    def logs(self) -> tuple[Log, ...]:
        """Of the last call, which succeeded."""
        result = self.engine.result
        assert result is not None
        found = []
        for log in result.logs:
            topics, data = log.data
            found.append(Log(log.address.lower(), tuple(bytes(topic) for topic in topics), bytes(data)))
        return tuple(found)

    def gas_used(self) -> int:
        """Of the last call. Without meaning as a price: see the module's text."""
        result = self.engine.result
        assert result is not None
        return int(result.gas_used)

    def decode(self, log: Log) -> Event:
        """:raises KeyError: no contract with such an event is known at the log's address."""
        event: EventAbi = self.interfaces[log.address].events[log.topics[0]]
        return Event(log.address, event.name, event.decode(log.topics, log.data))

    # --- contracts ----------------------------------------------------------------------------------------------------

    def deploy(self, artifact: Artifact, *args: object, sender: str = OWNER) -> Contract:
        """:raises Reverted: the constructor refuses."""
        interface = Interface.of(artifact.name, artifact.abi)
        code = artifact.bytecode + interface.encode_constructor(args)
        self.engine.reset_transient_storage()
        try:
            address = str(self.engine.deploy(sender, code)).lower()
        except RuntimeError as error:
            raise _reverted(str(error)) from None
        return self.at(address, interface)

    def at(self, address: str, interface: Interface) -> Contract:
        """A handle to an address, and from now on the way to read its logs."""
        self.interfaces[address] = interface
        return Contract(self, address, interface)


class Contract:
    """A contract at an address. Functions are named as in the ABI; an overloaded one by its signature."""

    def __init__(self, evm: Evm, address: str, interface: Interface) -> None:
        self.evm = evm
        self.address = address
        self.interface = interface

    def __repr__(self) -> str:
        return f"{self.interface.name} at {self.address}"

    def call(self, function: str, *args: object, sender: str, value: int = 0) -> Receipt:
        """A transaction.

        :raises Reverted: nothing has changed.
        """
        abi = self.interface.functions[function]
        output = self.evm.transact(sender, self.address, abi.encode(args), value=value)
        return Receipt(abi.decode(output), self.evm.logs(), self.evm.gas_used(), self.evm)

    def view(self, function: str, *args: object, sender: str = NOBODY) -> Any:
        """The answer to a static call: None, one value, or a tuple.

        :raises Reverted: as the contract does.
        """
        abi = self.interface.functions[function]
        return abi.decode(self.evm.query(self.address, abi.encode(args), sender=sender))


def _reverted(text: str) -> Reverted:
    if match := _OUTPUT.match(text):
        return Reverted(bytes.fromhex(match[1]))
    if match := _HALT.match(text):
        return Reverted(b"", match[1])
    return Reverted(b"", text)


def addresses(count: int, *, first: int = 0x1000) -> Sequence[str]:
    """Accounts without keys, always the same."""
    return [f"0x{first + index:040x}" for index in range(count)]
