"""A transactor whose transactions do what a test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from livepeer_client.adapters.fakes.chain import FakeChain
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ChainError,
    InsufficientFunds,
    InvalidInput,
    NonceConsumed,
    Reverted,
    TransactionDropped,
    Underpriced,
)
from livepeer_client.facts import Broadcast, Fees, Log, NonceState, Receipt, SignedTransaction, Simulation
from livepeer_client.policy.fees import FeeLimits, bumped, initial_fees, price_at, replacement_fees
from livepeer_client.types import Address, Hash32, Wei


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call of the suite as it was prepared. `tx_hash` is what its receipt and events carry."""

    contract: str
    function: str
    args: tuple[object, ...]
    gas_limit: int | None
    value: Wei
    tx_hash: Hash32
    nonce: int
    fees: Fees


class FakeTransactor:
    """`ports.Transactor` on a `FakeChain`.

    A broadcast call is mined at once, or with `auto_mine` False when `mine_pending` is called. `effect` is run when a
    call is mined: it changes the chain, returns the events, or raises `Reverted`, which makes the receipt a failure.
    `simulated`: tickets whose single redemption was simulated, in order.
    `refusals` maps (contract, function) to the reason that simulation gives; `redeem_refusals` a ticket hash to the
    reason of `simulate_redeem`, on top of "ticket is used". A transaction whose block a reorg removed waits again.
    """

    def __init__(
        self,
        address: Address,
        chain: FakeChain,
        effect: Callable[[FakeCall], Sequence[Log]] | None = None,
        *,
        limits: FeeLimits | None = None,
    ) -> None:
        self._address = address
        self.chain = chain
        self.effect = effect
        self.limits = limits or FeeLimits()
        self.balance: Wei | None = None
        self.auto_mine = True
        self.gas_per_call = 100_000
        self.redeem_gas = 350_000
        self.refusals: dict[tuple[str, str], str] = {}
        self.redeem_refusals: dict[Hash32, str] = {}
        self.prepared: list[FakeCall] = []
        self.simulated: list[Hash32] = []
        self.broadcasts: list[SignedTransaction] = []
        self.failure: ChainError | None = None
        self.broadcast_failure: ChainError | None = None
        self._reserved: set[int] = set()
        self._calls: dict[Hash32, FakeCall] = {}
        self._pending: list[Hash32] = []
        self._receipts: dict[Hash32, Receipt] = {}

    @property
    def address(self) -> Address:
        return self._address

    @property
    def mined(self) -> list[FakeCall]:
        """Calls that are in blocks."""
        self._settle_reorg()
        return [self._calls[tx_hash] for tx_hash in self._receipts]

    def forget_reserved(self) -> None:
        """As a new process does: only the network's own count of nonces is left."""
        self._reserved.clear()

    def mine_pending(self) -> None:
        """Mine what was broadcast and can be paid, in order, in one new block."""
        self._settle_reorg()
        # One that cannot be paid holds up those of later nonces.
        payable = list(takewhile(lambda tx: self._calls[tx].fees.cap >= self.chain.gas_price, self._in_line()))
        if payable:
            self.chain.mine()
        for tx_hash in payable:
            self._receipts[tx_hash] = self._mine(self._calls[tx_hash])
        self._pending = [tx for tx in self._pending if tx not in payable]

    async def simulate_redeem(self, ticket: WinningTicket, *, block: Hash32 | None = None) -> int:
        self._check()
        if block is not None:
            self.chain.look("simulate_redeem", block)
        hash_ = ticket.ticket.hash
        self.simulated.append(hash_)
        reason = "ticket is used" if hash_ in self.chain.used else self.redeem_refusals.get(hash_)
        if reason is not None:
            raise Reverted(reason, call="redeemWinningTicket")
        return self.redeem_gas

    async def simulate(
        self, contract: str, function: str, args: Sequence[object], *, value: Wei = Wei(0)
    ) -> Simulation:
        """The effect is not run, so no events are known."""
        self._check()
        if (contract, function) in self.refusals:
            raise Reverted(self.refusals[contract, function], call=function)
        fees = initial_fees(self.chain.gas_price, 0, self.limits)
        self._afford(None, value, fees)
        return Simulation(self.gas_per_call, fees, price_at(self.chain.gas_price, fees), None)

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
        self._check()
        if gas_limit is None and (contract, function) in self.refusals:
            raise Reverted(self.refusals[contract, function], call=function)
        fees = initial_fees(self.chain.gas_price, 0, self.limits.within(max_fee_per_gas))
        self._afford(gas_limit, value, fees)
        nonce = self._mined_nonces() + len(self._in_line())
        while nonce in self._reserved:
            nonce += 1
        self._reserved.add(nonce)
        return self._sign(FakeCall(contract, function, tuple(args), gas_limit, value, Hash32(b""), nonce, fees))

    async def replace(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        self._check()
        return self._again(self._known(transaction.tx_hash), max_fee_per_gas)

    async def cancel(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        self._check()
        call = self._known(transaction.tx_hash)
        empty = replace(call, contract="", function="", args=(), gas_limit=21_000, value=Wei(0))
        return self._again(empty, max_fee_per_gas)

    def reserve(self, nonce: int) -> None:
        self._reserved.add(nonce)

    def release(self, nonce: int) -> None:
        self._reserved.discard(nonce)

    def _again(self, call: FakeCall, max_fee_per_gas: Wei | None) -> SignedTransaction:
        if self._mined_nonces() > call.nonce:
            raise NonceConsumed(call.tx_hash, call.nonce, self._mined_nonces())
        market = initial_fees(self.chain.gas_price, 0, FeeLimits())
        ceiling = self.limits.max_fee_per_gas if max_fee_per_gas is None else max_fee_per_gas
        fees = replacement_fees(call.fees, market, ceiling)
        self._afford(call.gas_limit, call.value, fees)
        return self._sign(replace(call, fees=fees))

    async def fees(self, transaction: SignedTransaction) -> Fees:
        return self._known(transaction.tx_hash).fees

    async def nonces(self, key: Address | None = None) -> NonceState:
        self._check()
        self._settle_reorg()
        if key not in (None, self._address):
            return NonceState(0, 0)
        mined = self._mined_nonces()
        return NonceState(mined=mined, pending=mined + len(self._in_line()))

    async def broadcast(self, transaction: SignedTransaction) -> Broadcast:
        self._check()
        self._settle_reorg()
        self.broadcasts.append(transaction)
        tx_hash = transaction.tx_hash
        call = self._known(tx_hash)
        if self.broadcast_failure is not None:
            raise self.broadcast_failure
        if tx_hash in self._receipts or tx_hash in self._pending:
            outcome = Broadcast.KNOWN
        else:
            self._admit(call)
            outcome = Broadcast.ACCEPTED
        if self.auto_mine:
            self.mine_pending()
        return outcome

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        self._check()
        self._settle_reorg()
        return self._receipts.get(tx_hash)

    async def wait(self, tx_hash: Hash32, timeout_s: float) -> Receipt:
        receipt = await self.receipt(tx_hash)
        if receipt is None:
            # Nothing mines while the test waits, so the timeout is certain.
            raise TransactionDropped(tx_hash, timeout_s)
        return receipt

    async def send(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> Receipt:
        transaction = await self.prepare(contract, function, args, gas_limit=gas_limit, value=value)
        await self.broadcast(transaction)
        receipt = await self.wait(transaction.tx_hash, 0)
        if not receipt.succeeded:
            raise await self.why(receipt, contract, function, args, value)
        return receipt

    async def why(
        self, receipt: Receipt, contract: str, function: str, args: Sequence[object], value: Wei = Wei(0)
    ) -> Reverted:
        reason = self.refusals.get((contract, function), "")
        return Reverted(reason, call=function, tx_hash=receipt.tx_hash)

    # --- inside

    def _sign(self, call: FakeCall) -> SignedTransaction:
        raw = f"fake transaction {len(self.prepared)} of {self._address.hex()}, nonce {call.nonce}".encode()
        call = replace(call, tx_hash=keccak256(raw))
        self.prepared.append(call)
        self._calls[call.tx_hash] = call
        return SignedTransaction(raw, call.tx_hash, call.nonce)

    def _known(self, tx_hash: Hash32) -> FakeCall:
        if tx_hash not in self._calls:
            raise InvalidInput(f"transaction 0x{tx_hash.hex()} was not prepared here")
        return self._calls[tx_hash]

    def _afford(self, gas_limit: int | None, value: Wei, fees: Fees) -> None:
        required = value + (gas_limit or self.gas_per_call) * fees.cap
        if self.balance is not None and self.balance < required:
            raise InsufficientFunds(self._address, balance=self.balance, required=required)

    def _admit(self, call: FakeCall) -> None:
        """Into the pool, in place of one with the same nonce that offers 10 % less."""
        mined, price = self._mined_nonces(), self.chain.gas_price
        if mined > call.nonce:
            raise NonceConsumed(call.tx_hash, call.nonce, mined)
        rival = next((tx for tx in self._pending if self._calls[tx].nonce == call.nonce), None)
        outbid = rival is None or (
            call.fees.cap >= bumped(self._calls[rival].fees.cap, 10) and call.fees.tip > self._calls[rival].fees.tip
        )
        if not outbid or call.fees.cap < price:
            fees = call.fees
            raise Underpriced(call.tx_hash, cap=fees.cap, tip=fees.tip, base_fee=price, occupied=not outbid)
        if rival is not None:
            self._pending.remove(rival)
        self._reserved.add(call.nonce)
        self._pending.append(call.tx_hash)
        self._pending.sort(key=lambda tx: self._calls[tx].nonce)

    def _in_line(self) -> list[Hash32]:
        """What waits without a gap in the nonces before it."""
        first = self._mined_nonces()
        return [tx for at, tx in enumerate(self._pending) if self._calls[tx].nonce == first + at]

    def _mined_nonces(self) -> int:
        return 1 + max((self._calls[tx].nonce for tx in self._receipts), default=-1)

    def _settle_reorg(self) -> None:
        """Transactions of removed blocks wait again."""
        for tx_hash, receipt in list(self._receipts.items()):
            if receipt.block > self.chain.block or self.chain.hash_of(receipt.block) != receipt.block_hash:
                del self._receipts[tx_hash]
                self._pending.append(tx_hash)
        self._pending.sort(key=lambda tx: self._calls[tx].nonce)

    def _mine(self, call: FakeCall) -> Receipt:
        logs: Sequence[Log] = ()
        succeeded = (call.contract, call.function) not in self.refusals
        if succeeded and self.effect is not None:
            try:
                logs = self.effect(call)
            except Reverted:
                succeeded = False
        block, block_hash = self.chain.block, self.chain.hash_of(self.chain.block)
        stamped = tuple(
            replace(log, block=block, block_hash=block_hash, tx_hash=call.tx_hash, index=index)
            for index, log in enumerate(logs)
        )
        self.chain.events.extend(stamped)
        return Receipt(
            call.tx_hash, succeeded, block, self.gas_per_call, self.chain.gas_price, stamped, block_hash=block_hash
        )

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
