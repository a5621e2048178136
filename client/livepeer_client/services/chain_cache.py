"""What a node asks of the chain again and again, kept in memory and moved by events (offchain-payments 13).

At every block that the watcher has told, each value is what a direct read at that block gives, whatever reorgs there
were (invariant 34).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import Activation, Block, Log, SenderAccount, UnbondingLock
from livepeer_client.policy.watching import (
    Ledger,
    RoundClock,
    after_activation_event,
    after_broker_event,
    after_new_round,
    clock_of,
    in_new_round,
    lock_change,
    orchestrator_of,
    pool_change,
    sender_of,
)
from livepeer_client.ports import Chain
from livepeer_client.services.blocks import Advance, RollBack, Step
from livepeer_client.types import Address, BlockNumber, Round

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SenderUnlocked:
    """A sender has asked for its money back: what it owes must be redeemed before `withdraw_round`."""

    sender: Address
    withdraw_round: Round


class ChainCache:
    """Accounts of senders, the round clock, activations, own unbonding locks and service URIs, as of one block.

    It is moved by `handle`, which a `BlockWatcher` of `policy.watching.WANTED` is given. Senders and orchestrators are
    read when they are first asked for, at the block that the cache stands at.

    :param me: whose claims and locks are followed.
    :param on_unlock: told when any sender begins to unlock; again after a reorg, so it must not mind repetition.
    """

    def __init__(
        self, chain: Chain, me: Address, *, on_unlock: Callable[[SenderUnlocked], None] = lambda event: None
    ) -> None:
        self._chain = chain
        self._me = me
        self._on_unlock = on_unlock
        self._block: Block | None = None
        # Each sender with the round that its claims are of.
        self._senders: Ledger[Address, tuple[SenderAccount, Round]] = Ledger()
        self._clock: Ledger[None, RoundClock] = Ledger()
        self._activations: Ledger[Address, Activation] = Ledger()
        self._pool_size: Ledger[None, int] = Ledger()
        self._locks: Ledger[int, UnbondingLock] = Ledger()
        self._uris: Ledger[Address, str] = Ledger()
        self._ledgers: tuple[Ledger[object, object], ...] = (
            self._senders,  # type: ignore[assignment]
            self._clock,
            self._activations,
            self._pool_size,
            self._locks,
            self._uris,
        )
        self._lock = asyncio.Lock()

    # --- what is known

    @property
    def block(self) -> Block:
        """The block that everything here is of.

        :raises ChainUnavailable: nothing was read yet.
        """
        if self._block is None:
            raise ChainUnavailable("the chain was not read yet")
        return self._block

    @property
    def clock(self) -> RoundClock:
        """Raises as `block`."""
        clock = self._clock.get(None)
        if clock is None:
            raise ChainUnavailable("the round was not read yet")
        return clock

    @property
    def current_round(self) -> Round:
        """The round of `block`, initialised or not. Raises as `block`."""
        return self.clock.current(self.block.l1_block)

    @property
    def pool_size(self) -> int:
        """Members of the transcoder pool, which reserves are divided by. Raises as `block`."""
        size = self._pool_size.get(None)
        if size is None:
            raise ChainUnavailable("the pool was not read yet")
        return size

    @property
    def locks(self) -> dict[int, UnbondingLock]:
        """Own unbonding locks that were not used yet, by id."""
        return dict(sorted(self._locks.items()))

    async def sender(self, sender: Address) -> SenderAccount:
        """A sender's account, and what we have claimed from its reserve this round.

        :raises ChainUnavailable: it is not known, and cannot be read now.
        """
        async with self._lock:
            if sender not in self._senders:
                (account,) = await self._here().sender_accounts([sender], self._me)
                self._senders.put(sender, (account, self.current_round), self.block.number)
            return self._account(sender)

    async def activations(self, orchestrators: Sequence[Address]) -> list[Activation]:
        """Raises as `sender`."""
        async with self._lock:
            missing = [each for each in orchestrators if each not in self._activations]
            for address, activation in zip(missing, await self._here().activations(missing), strict=True):
                self._activations.put(address, activation, self.block.number)
            return [self._activations.get(each) or Activation(Round(0), Round(0)) for each in orchestrators]

    async def service_uris(self, orchestrators: Sequence[Address]) -> list[str]:
        """Empty for those who have none. Raises as `sender`."""
        async with self._lock:
            missing = [each for each in orchestrators if each not in self._uris]
            for address, uri in zip(missing, await self._here().service_uris(missing), strict=True):
                self._uris.put(address, uri, self.block.number)
            return [self._uris.get(each) or "" for each in orchestrators]

    # --- what happens

    async def handle(self, step: Step) -> None:
        """Take one step of the chain.

        :raises ChainUnavailable: it could not be taken; the watcher tells it again.
        """
        async with self._lock:
            if isinstance(step, RollBack):
                await self._roll_back(step)
            elif isinstance(step, Advance) and self._block is not None:
                await self._advance(step)
            else:
                # Nothing is known yet, or nothing of it can be used.
                await self._read(step.block)
                self._tell(step.logs if isinstance(step, Advance) else ())

    async def _read(self, block: Block) -> None:
        here = self._chain.at(block.hash)
        state, locks, size = await here.round_state(), await here.unbonding_locks(self._me), await here.pool_size()
        previous = await here.block_hash_for_round(Round(state.last_initialized - 1))
        for ledger in self._ledgers:
            ledger.clear()
        self._clock.put(None, clock_of(state, previous), block.number)
        self._pool_size.put(None, size, block.number)
        for number, lock in locks.items():
            self._locks.put(number, lock, block.number)
        self._block = block

    async def _roll_back(self, step: RollBack) -> None:
        block = await self._chain.block_at(BlockNumber(step.to.number))
        if block is None or block.hash != step.to.hash:
            raise ChainUnavailable(f"block {step.to.number} has vanished as well")
        for ledger in self._ledgers:
            ledger.roll_back(block.number)
        if None not in self._clock:
            # What was known at first is of a block that has vanished.
            await self._read(block)
        elif self.clock.previous_hash is None:
            # It was filled in by a reading of a later block.
            await self._read_clock(block)
        self._block = block

    async def _advance(self, step: Advance) -> None:
        if self._block is not None and step.block.number <= self._block.number:
            return
        before = self.block
        try:
            for log in step.logs:
                self._apply(log)
            clock = self._clock.get(None)
            if clock is None or clock.previous_hash is None:
                # A round was skipped, or the rounds' length has changed: the event does not say all.
                await self._read_clock(step.block)
        except BaseException:
            # Told again later, from where we were.
            for ledger in self._ledgers:
                ledger.roll_back(before.number)
            raise
        for ledger in self._ledgers:
            ledger.settle(step.settled)
        self._block = step.block
        self._tell(step.logs)

    async def _read_clock(self, block: Block) -> None:
        here = self._chain.at(block.hash)
        state = await here.round_state()
        previous = await here.block_hash_for_round(Round(state.last_initialized - 1))
        self._clock.put(None, clock_of(state, previous), block.number)

    def _tell(self, logs: Iterable[Log]) -> None:
        for log in logs:
            sender = sender_of(log)
            if log.name == "Unlock" and sender is not None:
                end = log.args["endRound"]
                assert isinstance(end, int)
                self._on_unlock(SenderUnlocked(sender, Round(end)))

    def _apply(self, log: Log) -> None:
        if log.contract == "RoundsManager":
            self._apply_round(log)
        if (sender := sender_of(log)) is not None and sender in self._senders:
            # Only an initialised round has events that claim, so the claims are of that round.
            of = self.clock.last_initialized
            account = after_broker_event(self._account_in(sender, of), log, self._me)
            self._senders.put(sender, (account, of), log.block)
        if (orchestrator := orchestrator_of(log)) is not None:
            known = self._activations.get(orchestrator)
            if known is not None:
                self._activations.put(orchestrator, after_activation_event(known, log), log.block)
            self._pool_size.put(None, self.pool_size + pool_change(log), log.block)
        if (change := lock_change(log, self._me)) is not None:
            number, lock = change
            self._locks.put(number, lock, log.block)
        if log.contract == "ServiceRegistry":
            address, uri = log.args["addr"], log.args["serviceURI"]
            assert isinstance(address, bytes)
            assert isinstance(uri, str)
            self._uris.put(Address(address), uri, log.block)

    def _apply_round(self, log: Log) -> None:
        clock = self._clock.get(None)
        if clock is None:
            return
        if log.name == "NewRound":
            self._clock.put(None, after_new_round(clock, log), log.block)
        else:
            # A parameter of the rounds: their length may be another one from here on.
            self._clock.put(None, replace(clock, previous_hash=None), log.block)

    # --- inside

    def _here(self) -> Chain:
        return self._chain.at(self.block.hash)

    def _account(self, sender: Address) -> SenderAccount:
        return self._account_in(sender, self.current_round)

    def _account_in(self, sender: Address, round_: Round) -> SenderAccount:
        """An account as it is in a round: claims of another one do not count."""
        found = self._senders.get(sender)
        assert found is not None
        account, of = found
        return account if of == round_ else in_new_round(account)
