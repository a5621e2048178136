"""Writes by one key: `ports.Transactor` over any `Rpc`. Transactions are EIP-1559."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.json_values import data_bytes, member, quantity, to_hex
from livepeer_client.adapters.chain.nonces import Nonces
from livepeer_client.adapters.chain.retrying import is_passing
from livepeer_client.adapters.chain.rpc import BadAnswer, NodeError
from livepeer_client.adapters.chain.suite import LATEST, Suite, named
from livepeer_client.adapters.chain.transaction import unsigned
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ChainError,
    ChainUnavailable,
    GasPriceTooHigh,
    InsufficientFunds,
    NonceConsumed,
    Reverted,
    TransactionDropped,
    TransactionRefused,
    Underpriced,
)
from livepeer_client.facts import (
    BlockRef,
    Broadcast,
    Fees,
    Log,
    NonceState,
    Receipt,
    SignedTransaction,
    Simulation,
    UnsignedTransaction,
)
from livepeer_client.policy.fees import FeeLimits, initial_fees, price_at, replacement_fees
from livepeer_client.policy.redemption import redeem_arguments
from livepeer_client.ports import TransactionSigner
from livepeer_client.types import HASH_BYTES, Address, BlockNumber, Hash32, Wei

__all__ = ["GasPriceTooHigh", "Transactor"]

_SEND_ATTEMPTS: Final = 3


class Transactor:
    """Signs and sends for one account. Nothing else may send from that key at the same time.

    Nonces are leased: a lease that was signed but never broadcast (its owner failed or was cancelled) lapses after
    `lease_s`, one that was broadcast but never mined after `sent_lease_s`. Then the nonce is used again, so that no
    gap holds up the account for ever. One that was mined and lost to a reorg ends at once, when the node that shows
    another block in that place knows no transaction of ours for it; a reserved one does not, as its owner sends it
    again.

    :param signer: of the account, or its 32-byte private key.
    :param max_fee_per_gas: hard ceiling of the fee cap in wei, none by default.
    :param max_base_fee: above this base fee nothing new is signed; replacing goes on up to `max_fee_per_gas`.
    :param poll_s: between looks for a receipt.
    """

    def __init__(
        self,
        suite: Suite,
        signer: TransactionSigner | bytes,
        *,
        max_fee_per_gas: Wei | None = None,
        max_base_fee: Wei | None = None,
        poll_s: float = 0.2,
        send_timeout_s: float = 120.0,
        lease_s: float = 60.0,
        sent_lease_s: float = 600.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signer: TransactionSigner = LocalSigner(signer) if isinstance(signer, bytes) else signer
        self._address = self._signer.address
        self._suite = suite
        self._rpc = suite.rpc
        self._limits = FeeLimits(max_base_fee=max_base_fee, max_fee_per_gas=max_fee_per_gas)
        self._poll_s = poll_s
        self._send_timeout_s = send_timeout_s
        self._lock = asyncio.Lock()
        self._nonces = Nonces(lease_s, sent_lease_s, monotonic)

    def __repr__(self) -> str:
        return f"Transactor({checksum_address(self._address)})"

    @property
    def address(self) -> Address:
        return self._address

    # --- simulation

    async def simulate_redeem(self, ticket: WinningTicket, *, block: Hash32 | None = None) -> int:
        call = await self._transaction("TicketBroker", "redeemWinningTicket", redeem_arguments(ticket))
        tag = LATEST if block is None else {"blockHash": to_hex(block), "requireCanonical": True}
        executed, estimate = await self._rpc.batch([("eth_call", [call, tag]), ("eth_estimateGas", [call, tag])])
        for answer in (executed, estimate):
            _raise_error(answer, "TicketBroker.redeemWinningTicket")
        return quantity(estimate)

    async def simulate(
        self, contract: str, function: str, args: Sequence[object], *, value: Wei = Wei(0)
    ) -> Simulation:
        name, call = f"{contract}.{function}", await self._transaction(contract, function, args, value)
        executed, block, tip, balance, gas, simulated = await self._rpc.batch(
            [
                ("eth_call", [call, LATEST]),
                ("eth_getBlockByNumber", [LATEST, False]),
                ("eth_maxPriorityFeePerGas", []),
                ("eth_getBalance", [to_hex(self._address), LATEST]),
                ("eth_estimateGas", [call, LATEST]),
                ("eth_simulateV1", [{"blockStateCalls": [{"calls": [call]}]}, LATEST]),
            ]
        )
        for answer in (block, balance):
            _raise_error(answer, name)
        base_fee = quantity(member(block, "baseFeePerGas"))
        fees = initial_fees(base_fee, _tip(tip), self._limits)
        # Before what the nodes make of it, each in its own words.
        self._afford(quantity(balance), value)
        for answer in (executed, gas):
            _raise_error(answer, name)
        self._afford(quantity(balance), value + quantity(gas) * fees.cap)
        return Simulation(
            gas=quantity(gas), fees=fees, gas_price=price_at(base_fee, fees), logs=await self._simulated(simulated)
        )

    async def _simulated(self, answer: Any) -> tuple[Log, ...] | None:
        """The events of a simulated block; None from a node that does not simulate blocks."""
        if isinstance(answer, ChainError):
            return None
        try:
            (block,) = answer
            (call,) = member(block, "calls")
            return tuple(await self._suite.decode_logs(member(call, "logs")))
        except (BadAnswer, TypeError, ValueError):
            return None

    # --- two steps

    async def prepare(
        self,
        contract: str,
        function: str,
        args: Sequence[object],
        *,
        gas_limit: int | None = None,
        value: Wei = Wei(0),
        max_fee_per_gas: Wei | None = None,
    ) -> SignedTransaction:
        limits = self._limits.within(max_fee_per_gas)
        call = await self._transaction(contract, function, args, value)
        name = f"{contract}.{function}"
        if gas_limit is None:
            held, estimate = await self._rpc.batch(
                [("eth_getBalance", [to_hex(self._address), LATEST]), ("eth_estimateGas", [call, LATEST])]
            )
            # Before what nodes make of it, each in its own words.
            if not isinstance(held, ChainError):
                self._afford(quantity(held), value)
            _raise_error(estimate, name)
            # State may move before the transaction is mined, so a quarter more than it takes now.
            gas_limit = -(-quantity(estimate) * 5 // 4)
        async with self._lock:
            pending, block, tip, chain_id, balance = await self._rpc.batch(
                [
                    ("eth_getTransactionCount", [to_hex(self._address), "pending"]),
                    ("eth_getBlockByNumber", [LATEST, False]),
                    ("eth_maxPriorityFeePerGas", []),
                    ("eth_chainId", []),
                    ("eth_getBalance", [to_hex(self._address), LATEST]),
                ]
            )
            for answer in (pending, block, chain_id, balance):
                _raise_error(answer, name)
            fees = initial_fees(quantity(member(block, "baseFeePerGas")), _tip(tip), limits)
            self._afford(quantity(balance), value + gas_limit * fees.cap)
            await self._end_vanished(quantity(pending))
            nonce = self._nonces.take(quantity(pending))
        return await self._signer.sign_transaction(
            UnsignedTransaction(
                chain_id=quantity(chain_id),
                nonce=nonce,
                to=await self._suite.address(contract),
                value=value,
                data=bytes.fromhex(call["data"].removeprefix("0x")),
                gas_limit=gas_limit,
                fees=fees,
            )
        )

    async def replace(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        """As in the port. Also raises `InsufficientFunds`."""
        return await self._again(transaction, max_fee_per_gas, lambda before: before)

    async def _again(
        self,
        transaction: SignedTransaction,
        max_fee_per_gas: Wei | None,
        change: Callable[[UnsignedTransaction], UnsignedTransaction],
    ) -> SignedTransaction:
        before = await unsigned(transaction.raw)
        mined, block, tip, balance = await self._rpc.batch(
            [
                ("eth_getTransactionCount", [to_hex(self._address), LATEST]),
                ("eth_getBlockByNumber", [LATEST, False]),
                ("eth_maxPriorityFeePerGas", []),
                ("eth_getBalance", [to_hex(self._address), LATEST]),
            ]
        )
        for answer in (mined, block, balance):
            _raise_error(answer, "replace")
        if quantity(mined) > transaction.nonce:
            raise NonceConsumed(transaction.tx_hash, transaction.nonce, quantity(mined))
        market = initial_fees(quantity(member(block, "baseFeePerGas")), _tip(tip), FeeLimits())
        ceiling = self._limits.max_fee_per_gas if max_fee_per_gas is None else max_fee_per_gas
        after = replace(change(before), fees=replacement_fees(before.fees, market, ceiling))
        self._afford(quantity(balance), after.value + after.gas_limit * after.fees.cap)
        # Whoever stored the old one may do so again before this goes out, so its nonce stays taken.
        self.reserve(transaction.nonce)
        return await self._signer.sign_transaction(after)

    async def cancel(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        """As in the port. Also raises `InsufficientFunds`."""
        own = to_hex(self._address)
        # On a rollup even an empty transfer takes more than 21,000, for its share of the layer below.
        (gas,) = await self._rpc.batch([("eth_estimateGas", [{"from": own, "to": own}, LATEST])])
        _raise_error(gas, "cancel")
        return await self._again(
            transaction,
            max_fee_per_gas,
            lambda before: replace(
                before, to=self._address, value=Wei(0), data=b"", gas_limit=-(-quantity(gas) * 5 // 4)
            ),
        )

    def reserve(self, nonce: int) -> None:
        self._nonces.reserve(nonce)

    def release(self, nonce: int) -> None:
        self._nonces.release(nonce)

    async def fees(self, transaction: SignedTransaction) -> Fees:
        return (await unsigned(transaction.raw)).fees

    async def nonces(self, key: Address | None = None) -> NonceState:
        address = to_hex(self._address if key is None else key)
        mined, pending = await self._rpc.batch(
            [("eth_getTransactionCount", [address, tag]) for tag in (LATEST, "pending")]
        )
        for answer in (mined, pending):
            _raise_error(answer, "eth_getTransactionCount")
        return NonceState(mined=quantity(mined), pending=max(quantity(mined), quantity(pending)))

    async def broadcast(self, transaction: SignedTransaction) -> Broadcast:
        try:
            await self._rpc.call("eth_sendRawTransaction", [to_hex(transaction.raw)])
            outcome = Broadcast.ACCEPTED
        except NodeError as refusal:
            # Nodes word their refusals differently, so ask for the facts.
            error = await self._refusal(transaction, refusal)
            if error is not None:
                if not (isinstance(error, Underpriced) and error.occupied):
                    self._nonces.release(transaction.nonce)
                raise error from None
            outcome = Broadcast.KNOWN
        self._nonces.sent(transaction.nonce, transaction.tx_hash)
        return outcome

    async def _refusal(self, transaction: SignedTransaction, refusal: NodeError) -> ChainError | None:
        """Why a transaction was not taken; None if the node has it."""
        address = to_hex(self._address)
        known, mined, pending, block, balance = await self._rpc.batch(
            [
                ("eth_getTransactionByHash", [to_hex(transaction.tx_hash)]),
                ("eth_getTransactionCount", [address, LATEST]),
                ("eth_getTransactionCount", [address, "pending"]),
                ("eth_getBlockByNumber", [LATEST, False]),
                ("eth_getBalance", [address, LATEST]),
            ]
        )
        for answer in (mined, pending, block, balance):
            _raise_error(answer, "eth_sendRawTransaction")
        if isinstance(known, ChainError):
            raise known
        if known is not None:
            return None
        if quantity(mined) > transaction.nonce:
            return NonceConsumed(transaction.tx_hash, transaction.nonce, quantity(mined))
        content, base_fee = await unsigned(transaction.raw), quantity(member(block, "baseFeePerGas"))
        occupied = quantity(pending) > transaction.nonce
        if occupied or content.fees.cap < base_fee:
            cap, tip = content.fees.cap, content.fees.tip
            return Underpriced(transaction.tx_hash, cap=cap, tip=tip, base_fee=base_fee, occupied=occupied)
        required = content.value + content.gas_limit * content.fees.cap
        if quantity(balance) < required:
            return InsufficientFunds(self._address, balance=quantity(balance), required=required)
        return TransactionRefused(transaction.tx_hash, str(refusal))

    # --- receipts

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        answer = await self._rpc.call("eth_getTransactionReceipt", [to_hex(tx_hash)])
        if answer is None or member(answer, "blockNumber") is None:
            return None
        found = Receipt(
            tx_hash=Hash32(data_bytes(member(answer, "transactionHash"), HASH_BYTES)),
            succeeded=quantity(member(answer, "status")) == 1,
            block=BlockNumber(quantity(member(answer, "blockNumber"))),
            gas_used=quantity(member(answer, "gasUsed")),
            effective_gas_price=Wei(quantity(member(answer, "effectiveGasPrice"))),
            logs=tuple(await self._suite.decode_logs(member(answer, "logs"))),
            block_hash=Hash32(data_bytes(member(answer, "blockHash"), HASH_BYTES)),
        )
        self._nonces.mined(found.tx_hash, BlockRef(found.block, found.block_hash))
        return found

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
                await self._hand_over(transaction)
                break
            except NonceConsumed:
                # By this one, if another node took it whose answer was lost.
                if await self.receipt(transaction.tx_hash) is not None:
                    break
                # Somebody else used our key between the two steps; this one can never be mined, so a new one is safe.
                if attempt == _SEND_ATTEMPTS:
                    raise
        try:
            receipt = await self.wait(transaction.tx_hash, self._send_timeout_s)
        except asyncio.CancelledError as stopped:
            # For whoever stopped us, or the money would be sent again.
            stopped.add_note(f"transaction {to_hex(transaction.tx_hash)} was sent and may still be mined")
            raise
        if not receipt.succeeded:
            raise await self.why(receipt, contract, function, args, value)
        return receipt

    async def _hand_over(self, transaction: SignedTransaction) -> None:
        """Broadcast, and once more if the answer was lost: the same, which cannot be mined twice. If that one's is lost
        too, the receipt tells whether it arrived: an error would have it sent anew, with another nonce."""
        try:
            await self.broadcast(transaction)
        except ChainUnavailable as lost:
            if not is_passing(lost) or isinstance(lost, TransactionRefused):
                raise
            self._nonces.sent(transaction.nonce, transaction.tx_hash)
            # Nor is a nonce that is taken now a reason to sign again: this one may have taken it.
            with contextlib.suppress(ChainError):
                await self.broadcast(transaction)

    async def why(
        self, receipt: Receipt, contract: str, function: str, args: Sequence[object], value: Wei = Wei(0)
    ) -> Reverted:
        tag = {"blockHash": to_hex(receipt.block_hash), "requireCanonical": True}
        (answer,) = await self._rpc.batch(
            [("eth_call", [await self._transaction(contract, function, args, value), tag])]
        )
        refusal = answer if isinstance(answer, Reverted) else Reverted("")
        found = named(refusal, contract, function)
        found.tx_hash = receipt.tx_hash
        return found

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

    def _afford(self, balance: int, required: int) -> None:
        """:raises InsufficientFunds: with both figures."""
        if balance < required:
            raise InsufficientFunds(self._address, balance=balance, required=required)

    async def _end_vanished(self, pending: int) -> None:
        """End the leases of transactions that a reorg removed and that the node does not keep either.

        A node that is merely behind does not have the block in whose place another one would have to be.
        """
        for nonce, lease in self._nonces.doubtful(pending).items():
            mined, hashes = lease.mined, sorted(lease.sent)
            if mined is None:
                continue
            # The count last: what comes back meanwhile is seen.
            block, *known, count = await self._rpc.batch(
                [
                    ("eth_getBlockByNumber", [hex(mined.number), False]),
                    *(("eth_getTransactionByHash", [to_hex(tx_hash)]) for tx_hash in hashes),
                    ("eth_getTransactionCount", [to_hex(self._address), "pending"]),
                ]
            )
            _raise_error(count, "eth_getTransactionCount")
            elsewhere = isinstance(block, Mapping) and data_bytes(member(block, "hash"), HASH_BYTES) != mined.hash
            if elsewhere and quantity(count) <= nonce and all(answer is None for answer in known):
                self._nonces.vanished(nonce, lease, mined)


def _tip(answer: Any) -> int:
    """Some nodes do not suggest a tip; zero is accepted wherever blocks are not full."""
    return 0 if isinstance(answer, ChainError) else quantity(answer)


def _raise_error(answer: Any, call: str) -> None:
    """:raises ChainError: a batched answer is an error; a refusal is named after the call."""
    if isinstance(answer, Reverted):
        contract, _, function = call.partition(".")
        raise named(answer, contract, function) if function else answer
    if isinstance(answer, ChainError):
        raise answer
    if not isinstance(answer, str | Mapping):
        raise BadAnswer(f"{call}: unexpected answer of the node")
