"""The contracts of one deployment: where they are, views of any function of theirs, and their events."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Final, Self, TypeVar

from livepeer_client.adapters.chain.abi import INSTANCE, contract_id, load_abi
from livepeer_client.adapters.chain.addresses import Addresses as Addresses
from livepeer_client.adapters.chain.addresses import load_addresses as load_addresses
from livepeer_client.adapters.chain.json_values import data_bytes, member, quantity, to_hex
from livepeer_client.adapters.chain.rpc import BadAnswer, NodeError, Rpc
from livepeer_client.codec.address import parse_address
from livepeer_client.errors import ChainError, ChainUnavailable, InvalidInput, MalformedMessage, Reverted
from livepeer_client.facts import (
    Log,
)
from livepeer_client.policy.ranges import LogSpan
from livepeer_client.types import ADDRESS_BYTES, HASH_BYTES, ZERO_ADDRESS, Address, BlockNumber, Hash32

T = TypeVar("T")

Read = tuple[str, str, Sequence[object]]
"""Contract name, function name, arguments as ABI values."""

CONTRACTS: Final = (
    "BondingManager",
    "BondingVotes",
    "LivepeerToken",
    "Minter",
    "RoundsManager",
    "ServiceRegistry",
    "TicketBroker",
)
"""Names under which the Controller knows what a node talks to, and whose events it reads."""

LATEST: Final = "latest"
Tag = str | Mapping[str, object]
"""Which block a read is of, as nodes name it."""

_PIN_ATTEMPTS: Final = 5
LOG_BLOCKS: Final = 1000
"""The widest range of one query for logs."""


class ContractReader:
    """`ports.Chain`. Holds no connection of its own; close what `rpc` stands for when done.

    :param addresses: the Controller, and contracts known beforehand; others are asked from it at first use.
    """

    def __init__(self, rpc: Rpc, addresses: Addresses) -> None:
        self._rpc = rpc
        self._addresses = addresses
        self._contracts: dict[str, Address] = {**addresses.contracts, "Controller": addresses.controller}
        self._asked: set[str] = set()
        self._pool: tuple[Address, ...] = ()
        # The one block whose state is read, or None for the newest of each read.
        self._pin: Hash32 | None = None
        self._span = LogSpan(LOG_BLOCKS)

    @classmethod
    async def from_controller(cls, rpc: Rpc, controller: Address) -> Self:
        """The suite that a Controller knows, with all of `CONTRACTS` that are registered."""
        suite = cls(rpc, Addresses(quantity(await rpc.call("eth_chainId")), controller))
        await suite.resolve()
        return suite

    @property
    def rpc(self) -> Rpc:
        return self._rpc

    def at(self, block: Hash32) -> Self:
        """As in the port. Blocks are named by hash (EIP-1898), so state of another one at that height never passes."""
        pinned = copy(self)
        pinned._pin = block  # noqa: SLF001 - of the same class
        return pinned

    @property
    def _tag(self) -> Tag:
        return LATEST if self._pin is None else {"blockHash": to_hex(self._pin), "requireCanonical": True}

    # --- addresses

    @property
    def addresses(self) -> Addresses:
        """What was given, and what the Controller was asked for since."""
        contracts = {
            name: address for name, address in self._contracts.items() if name != "Controller" and INSTANCE not in name
        }
        return replace(self._addresses, contracts=contracts)

    @property
    def names(self) -> list[str]:
        """Names of the contracts whose addresses are known, sorted."""
        return sorted(self._contracts)

    def address_of(self, name: str) -> Address:
        """The address of a contract that is known already.

        :raises InvalidInput: it is not: ask with `address`.
        """
        if name not in self._contracts:
            raise InvalidInput(f"the address of {name} is not known yet")
        return self._contracts[name]

    async def address(self, name: str) -> Address:
        """The address of a contract, asked from the Controller if need be; `Poll@0x…` says it itself.

        :raises BadAnswer: the Controller knows none of that name.
        :raises InvalidInput: what follows the @ is no address.
        """
        if name not in self._contracts:
            _, instance, at = name.partition(INSTANCE)
            if instance:
                self._contracts[name] = parse_address(at)
                return self._contracts[name]
            await self.resolve([name])
        if name not in self._contracts:
            raise BadAnswer(f"the Controller knows no {name}")
        return self._contracts[name]

    async def resolve(self, names: Iterable[str] = CONTRACTS) -> None:
        """Ask the Controller for those of `names` that are not known. Unregistered ones stay unknown."""
        missing = [name for name in names if name not in self._contracts]
        if not missing:
            return
        found = await self._read([("Controller", "getContract", [contract_id(name)]) for name in missing], LATEST)
        for name, result in zip(missing, found, strict=True):
            (address,) = value_of(result)
            if address != ZERO_ADDRESS:
                self._contracts[name] = Address(address)

    # --- reads of any function

    async def call(self, contract: str, function: str, args: Sequence[object] = ()) -> tuple[Any, ...]:
        """One view at the head: its return values in order, structs as tuples, addresses and hashes as bytes.

        :raises InvalidInput: no such function, or arguments that do not fit.
        """
        values: tuple[Any, ...] = value_of((await self._read([(contract, function, args)], self._tag))[0])
        return values

    async def read(self, reads: Sequence[Read]) -> list[tuple[Any, ...]]:
        """Several views, all of one block; values as `call` gives them. Raises what the first failing one raised."""

        async def at(block: Tag) -> list[tuple[Any, ...]]:
            return [value_of(result) for result in await self._read(reads, block)]

        return await self._pinned(at)

    async def _read(self, reads: Sequence[Read], block: Tag) -> list[Any]:
        """One batch: the return values of each view, or its error.

        :raises NodeError: the node does not have the block, or is otherwise in trouble.
        """
        calls = []
        functions = []
        for contract, name, args in reads:
            function = load_abi(contract).function(name)
            transaction = {"to": to_hex(await self.address(contract)), "data": to_hex(function.encode(args))}
            calls.append(("eth_call", [transaction, block]))
            functions.append(function)
        results: list[Any] = []
        answers = await self._rpc.batch(calls)
        for (contract, name, _), function, answer in zip(reads, functions, answers, strict=True):
            if isinstance(answer, Reverted):
                results.append(named(answer, contract, name))
            elif isinstance(answer, ChainError):
                raise answer
            else:
                try:
                    results.append(function.decode(data_bytes(answer)))
                except MalformedMessage as error:
                    results.append(BadAnswer(f"{contract}.{name}: {error}"))
        return results

    async def _pinned(self, read: Callable[[Tag], Awaitable[T]]) -> T:
        """Run `read` for one block: the one of `at`, or else the number of the newest, which is looked up again if the
        node has dropped that block's state."""
        if self._pin is not None:
            return await read(self._tag)
        for attempt in range(1, _PIN_ATTEMPTS + 1):
            block = quantity(await self._rpc.call("eth_blockNumber"))
            try:
                return await read(hex(block))
            except NodeError:
                if attempt == _PIN_ATTEMPTS:
                    raise
        raise ChainUnavailable("no block stayed readable")

    # --- events

    async def decode_logs(self, raw: Iterable[object]) -> list[Log]:
        """Events of the suite among a node's log objects, in their order. Other contracts' logs are left out.

        :raises BadAnswer: a log of ours does not fit its ABI.
        """
        await self.resolve(name for name in CONTRACTS if name not in self._asked)
        self._asked.update(CONTRACTS)
        names = {address: name for name, address in self._contracts.items()}
        found: list[Log] = []
        for entry in raw:
            contract = names.get(Address(data_bytes(member(entry, "address"), ADDRESS_BYTES)))
            topics = [data_bytes(topic, HASH_BYTES) for topic in member(entry, "topics")]
            if contract is None or not topics:
                continue
            event = load_abi(contract).event_by_topic(topics[0])
            if event is None:
                continue
            try:
                args = event.decode(topics, data_bytes(member(entry, "data")))
            except MalformedMessage as error:
                raise BadAnswer(str(error)) from error
            found.append(
                Log(
                    contract=contract,
                    name=event.name,
                    args=args,
                    block=BlockNumber(quantity(member(entry, "blockNumber"))),
                    tx_hash=Hash32(data_bytes(member(entry, "transactionHash"), HASH_BYTES)),
                    index=quantity(member(entry, "logIndex")),
                    block_hash=Hash32(data_bytes(member(entry, "blockHash"), HASH_BYTES)),
                )
            )
        return found


def named(refusal: Reverted, contract: str, function: str) -> Reverted:
    """A refusal with the call it is of, and with the error of the contract's interface if it is one."""
    custom = load_abi(contract).custom_error(refusal.data)
    return Reverted(
        refusal.reason, call=f"{contract}.{function}", data=refusal.data, tx_hash=refusal.tx_hash, custom=custom
    )


def value_of(result: Any) -> Any:
    """A batched result, or raise the error that stands in its place."""
    if isinstance(result, ChainError):
        raise result
    return result
