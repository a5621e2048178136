"""Writes by one key: `ports.Transactor` over any `Rpc`. Transactions are EIP-1559, signed by eth-account."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import coincurve

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.rpc import BadAnswer, NodeError
from livepeer_client.adapters.chain.suite import LATEST, Suite, data_bytes, member, quantity, to_hex
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.signature import public_key_to_address
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import ChainError, ChainUnavailable, InvalidInput, Reverted, TransactionDropped
from livepeer_client.facts import Receipt, SignedTransaction
from livepeer_client.policy.redemption import redeem_arguments
from livepeer_client.types import HASH_BYTES, Address, BlockNumber, Hash32, Wei

_KEY_BYTES: Final = 32
_SEND_ATTEMPTS: Final = 3


class GasPriceTooHigh(ChainError):
    """The base fee exceeds what we are prepared to pay. Wei per gas."""

    retryable = True

    def __init__(self, base_fee: int, limit: int) -> None:
        self.base_fee = base_fee
        self.limit = limit
        super().__init__(f"base fee {base_fee} wei exceeds the limit of {limit} wei")


class Transactor:
    """Signs and sends for one account. Nothing else may send from that key at the same time.

    Nonces are leased: a lease that was signed but never broadcast (its owner failed or was cancelled) lapses after
    `lease_s`, one that was broadcast but never mined after `sent_lease_s`. Then the nonce is used again, so that no
    gap holds up the account for ever.

    :param key: 32 bytes; never logged or shown.
    :param max_fee_per_gas: hard ceiling of the fee cap in wei, none by default.
    :param poll_s: between looks for a receipt.
    """

    def __init__(
        self,
        suite: Suite,
        key: bytes,
        *,
        max_fee_per_gas: Wei | None = None,
        poll_s: float = 0.2,
        send_timeout_s: float = 120.0,
        lease_s: float = 60.0,
        sent_lease_s: float = 600.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if len(key) != _KEY_BYTES:
            raise InvalidInput("a private key is 32 bytes")
        try:
            self._address = public_key_to_address(coincurve.PrivateKey(key).public_key)
        except ValueError as error:
            raise InvalidInput("the private key is not a number of the curve") from error
        self._suite = suite
        self._rpc = suite.rpc
        self._key = key
        self._max_fee_per_gas = max_fee_per_gas
        self._poll_s = poll_s
        self._send_timeout_s = send_timeout_s
        self._lease_s = lease_s
        self._sent_lease_s = sent_lease_s
        self._monotonic = monotonic
        self._chain_id: int | None = None
        self._lock = asyncio.Lock()
        # Nonce -> when its lease ends.
        self._leases: dict[int, float] = {}

    def __repr__(self) -> str:
        return f"Transactor({checksum_address(self._address)})"

    @property
    def address(self) -> Address:
        return self._address

    # --- simulation

    async def simulate_redeem(self, ticket: WinningTicket) -> int:
        call = await self._transaction("TicketBroker", "redeemWinningTicket", redeem_arguments(ticket))
        executed, estimate = await self._rpc.batch([("eth_call", [call, LATEST]), ("eth_estimateGas", [call, LATEST])])
        for answer in (executed, estimate):
            _raise_error(answer, "TicketBroker.redeemWinningTicket")
        return quantity(estimate)

    # --- two steps

    async def prepare(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> SignedTransaction:
        call = await self._transaction(contract, function, args, value)
        if gas_limit is None:
            (estimate,) = await self._rpc.batch([("eth_estimateGas", [call, LATEST])])
            _raise_error(estimate, f"{contract}.{function}")
            # State may move before the transaction is mined, so a quarter more than it takes now.
            gas_limit = -(-quantity(estimate) * 5 // 4)
        # eth-account takes a quarter of a second to import; that must not stop the event loop.
        account = (await asyncio.to_thread(import_module, "eth_account")).Account
        async with self._lock:
            pending, block, tip, chain_id = await self._rpc.batch(
                [
                    ("eth_getTransactionCount", [to_hex(self._address), "pending"]),
                    ("eth_getBlockByNumber", [LATEST, False]),
                    ("eth_maxPriorityFeePerGas", []),
                    ("eth_chainId", []),
                ]
            )
            for answer in (pending, block, chain_id):
                _raise_error(answer, f"{contract}.{function}")
            # Some nodes do not suggest a tip; zero is accepted wherever blocks are not full.
            tip_wei = 0 if isinstance(tip, ChainError) else quantity(tip)
            cap, tip_wei = self._fees(quantity(member(block, "baseFeePerGas")), tip_wei)
            nonce = self._lease(quantity(pending))
            self._chain_id = quantity(chain_id)
        signed = account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": checksum_address(await self._suite.address(contract)),
                "value": int(value),
                "data": call["data"],
                "gas": gas_limit,
                "maxFeePerGas": cap,
                "maxPriorityFeePerGas": tip_wei,
            },
            self._key,
        )
        return SignedTransaction(raw=bytes(signed.raw_transaction), tx_hash=Hash32(bytes(signed.hash)), nonce=nonce)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """As in the port. Also raises `TransactionDropped` if another transaction has taken its nonce."""
        try:
            await self._rpc.call("eth_sendRawTransaction", [to_hex(transaction.raw)])
        except NodeError:
            # Known already, mined already, or refused: ask for the facts, nodes word their refusals differently.
            if not await self._is_known(transaction):
                if await self._mined_nonces() > transaction.nonce:
                    raise TransactionDropped(transaction.tx_hash, 0.0) from None
                self._leases.pop(transaction.nonce, None)
                raise
        self._leases[transaction.nonce] = self._monotonic() + self._sent_lease_s

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        answer = await self._rpc.call("eth_getTransactionReceipt", [to_hex(tx_hash)])
        if answer is None or member(answer, "blockNumber") is None:
            return None
        return Receipt(
            tx_hash=Hash32(data_bytes(member(answer, "transactionHash"), HASH_BYTES)),
            succeeded=quantity(member(answer, "status")) == 1,
            block=BlockNumber(quantity(member(answer, "blockNumber"))),
            gas_used=quantity(member(answer, "gasUsed")),
            effective_gas_price=Wei(quantity(member(answer, "effectiveGasPrice"))),
            logs=tuple(await self._suite.decode_logs(member(answer, "logs"))),
        )

    async def wait(self, tx_hash: Hash32, timeout_s: float) -> Receipt:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        found = await self.receipt(tx_hash)
                    except ChainUnavailable:
                        # The node may come back within the time there is.
                        found = None
                    if found is not None:
                        return found
                    await asyncio.sleep(self._poll_s)
        except TimeoutError as error:
            raise TransactionDropped(tx_hash, timeout_s) from error

    async def send(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> Receipt:
        for attempt in range(1, _SEND_ATTEMPTS + 1):
            transaction = await self.prepare(contract, function, args, gas_limit=gas_limit, value=value)
            try:
                await self.broadcast(transaction)
                break
            except TransactionDropped:
                # Somebody else used our key between the two steps; this one can never be mined, so a new one is safe.
                if attempt == _SEND_ATTEMPTS:
                    raise
        receipt = await self.wait(transaction.tx_hash, self._send_timeout_s)
        if not receipt.succeeded:
            raise Reverted("", call=f"{contract}.{function}", tx_hash=receipt.tx_hash)
        return receipt

    # --- inside

    async def _transaction(
        self, contract: str, function: str, args: Sequence[object], value: Wei = Wei(0)
    ) -> dict[str, str]:
        return {
            "from": to_hex(self._address),
            "to": to_hex(await self._suite.address(contract)),
            "data": to_hex(load_abi(contract).function(function).encode(args)),
            "value": hex(value),
        }

    def _fees(self, base_fee: int, tip: int) -> tuple[int, int]:
        """Fee cap and tip: room for the base fee to double, within the ceiling.

        :raises GasPriceTooHigh: not even the present base fee is within it.
        """
        cap = 2 * base_fee + tip
        if self._max_fee_per_gas is not None and cap > self._max_fee_per_gas:
            if base_fee > self._max_fee_per_gas:
                raise GasPriceTooHigh(base_fee, self._max_fee_per_gas)
            cap = int(self._max_fee_per_gas)
        return cap, min(tip, cap)

    def _lease(self, pending: int) -> int:
        """The lowest nonce from `pending` on that nobody holds."""
        now = self._monotonic()
        self._leases = {nonce: end for nonce, end in self._leases.items() if end > now}
        nonce = pending
        while nonce in self._leases:
            nonce += 1
        self._leases[nonce] = now + self._lease_s
        return nonce

    async def _is_known(self, transaction: SignedTransaction) -> bool:
        return await self._rpc.call("eth_getTransactionByHash", [to_hex(transaction.tx_hash)]) is not None

    async def _mined_nonces(self) -> int:
        return quantity(await self._rpc.call("eth_getTransactionCount", [to_hex(self._address), LATEST]))


def _raise_error(answer: Any, call: str) -> None:
    """:raises ChainError: a batched answer is an error; a refusal is named after the call."""
    if isinstance(answer, Reverted):
        raise Reverted(answer.reason, call=call, data=answer.data)
    if isinstance(answer, ChainError):
        raise answer
    if not isinstance(answer, str | Mapping):
        raise BadAnswer(f"{call}: unexpected answer of the node")
