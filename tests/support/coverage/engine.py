"""An EVM that remembers which instructions ran, with the interface of the fast one.

py-evm, which Ape brings along, is some fifty times slower than pyrevm, whose own trace takes seconds per call. So tests
use this one only while lines are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth.constants import BLANK_ROOT_HASH, CREATE_CONTRACT_ADDRESS
from eth.db.atomic import AtomicDB
from eth.exceptions import InsufficientFunds, Revert
from eth.vm.code_stream import CodeStream
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rlp import encode as rlp_encode

GAS = 2**50
SEEN: dict[bytes, set[int]] = {}
"""Code as it lies on chain, or as it creates a contract -> the offsets of instructions that ran."""


class _Code(CodeStream):
    """Writes down where it was read."""

    __slots__ = ["_seen"]

    def __init__(self, code: bytes) -> None:
        super().__init__(code)
        self._seen = SEEN.setdefault(bytes(code), set())

    def __iter__(self) -> Iterator[int]:
        seen = self._seen
        for opcode in super().__iter__():
            seen.add(self.program_counter - 1)
            yield opcode


class _Computation(PragueComputation):  # type: ignore[misc]
    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)
        self.code = _Code(message.code)


class _State(PragueState):  # type: ignore[misc]
    computation_class = _Computation

    def get_ancestor_hash(self, block_number: int) -> bytes:
        """The same hashes as pyrevm's."""
        recent = self.block_number - 256 <= block_number < self.block_number
        return keccak(text=str(block_number)) if recent and block_number >= 0 else bytes(32)


@dataclass(frozen=True, slots=True)
class _Log:
    address: str
    topics: list[str]
    data: tuple[list[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Result:
    logs: list[_Log]
    gas_used: int


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


class RecordingEngine:
    """What `tests.support.evm.Evm` needs of pyrevm's EVM, errors and their texts included."""

    def __init__(self) -> None:
        self.result: _Result | None = None
        self._state = _State(AtomicDB(), _context(1, 0), BLANK_ROOT_HASH)

    def set_block_env(self, block: Any) -> None:
        self._state.execution_context = _context(block.number, block.timestamp)

    def reset_transient_storage(self) -> None:
        self._state.clear_transient_storage()

    def snapshot(self) -> Any:
        return self._state.snapshot()

    def revert(self, snapshot: Any) -> None:
        self._state.revert(snapshot)

    # --- accounts -----------------------------------------------------------------------------------------------------

    def get_balance(self, address: str) -> int:
        return int(self._state.get_balance(_bytes(address)))

    def set_balance(self, address: str, wei: int) -> None:
        self._state.set_balance(_bytes(address), wei)

    def get_code(self, address: str) -> bytes | None:
        return bytes(self._state.get_code(_bytes(address))) or None

    def storage(self, address: str, slot: int) -> int:
        return int(self._state.get_storage(_bytes(address), slot))

    def insert_account_storage(self, address: str, slot: int, value: int) -> None:
        self._state.set_storage(_bytes(address), slot, value)

    def insert_account_info(self, address: str, info: Any) -> None:
        self._state.set_code(_bytes(address), bytes(info.code or b""))
        self._state.set_balance(_bytes(address), info.balance)

    # --- calls --------------------------------------------------------------------------------------------------------

    def message_call(
        self, caller: str, to: str, calldata: bytes = b"", value: int | None = None, *, is_static: bool = False
    ) -> bytes:
        message = Message(
            gas=GAS,
            to=_bytes(to),
            sender=_bytes(caller),
            value=value or 0,
            data=calldata,
            code=self._state.get_code(_bytes(to)),
            is_static=is_static,
        )
        return self._run(message, _Computation.apply_message)

    def deploy(self, deployer: str, code: bytes) -> str:
        sender = _bytes(deployer)
        nonce = self._state.get_nonce(sender)
        self._state.increment_nonce(sender)
        created = keccak(rlp_encode([sender, nonce]))[12:]
        message = Message(
            gas=GAS,
            to=CREATE_CONTRACT_ADDRESS,
            sender=sender,
            value=0,
            data=b"",
            code=code,
            create_address=created,
        )
        self._run(message, _Computation.apply_create_message)
        return str(to_checksum_address(created))

    def _run(self, message: Message, apply: Any) -> bytes:
        context = BaseTransactionContext(gas_price=0, origin=message.sender)
        self.result = None
        try:
            computation = apply(self._state, message, context)
        except InsufficientFunds as error:
            raise RuntimeError(f"Transaction(LackOfFundForMaxFee {{ {error} }})") from error
        if computation.is_error:
            if isinstance(computation.error, Revert):
                raise RuntimeError(f"Revert {{ gas_used: 0, output: 0x{computation.output.hex()} }}")
            raise RuntimeError(f"Halt {{ reason: {computation.error!r}, gas_used: 0 }}")
        logs = [
            _Log(to_checksum_address(address), [], ([topic.to_bytes(32, "big") for topic in topics], data))
            for address, topics, data in computation.get_log_entries()
        ]
        self.result = _Result(logs, computation.get_gas_used())
        return bytes(computation.output)


def _context(number: int, timestamp: int) -> ExecutionContext:
    return ExecutionContext(
        coinbase=bytes(20),
        timestamp=timestamp,
        block_number=number,
        difficulty=0,
        mix_hash=bytes(32),
        gas_limit=GAS,
        prev_hashes=(),
        chain_id=1,
        base_fee_per_gas=0,
        excess_blob_gas=0,
    )
