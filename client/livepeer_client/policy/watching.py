"""What events do to what is known of the chain (offchain-payments 13), with a way back for blocks that vanish.

Every function here is the event as a change of a value; `Ledger` keeps the values together with what they were before,
so that the state after any block it still remembers can be restored exactly.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from livepeer_client.errors import MalformedMessage
from livepeer_client.facts import Activation, Log, RoundState, SenderAccount, SenderInfo, UnbondingLock
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei

K = TypeVar("K")
V = TypeVar("V")

WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    "TicketBroker": (
        "DepositFunded",
        "ReserveFunded",
        "Withdrawal",
        "WinningTicketTransfer",
        "Unlock",
        "UnlockCancelled",
    ),
    "RoundsManager": ("NewRound", "ParameterUpdate"),
    "BondingManager": (
        "TranscoderActivated",
        "TranscoderDeactivated",
        "Unbond",
        "Rebond",
        "TransferBond",
        "WithdrawStake",
    ),
    "ServiceRegistry": ("ServiceURIUpdate",),
}
"""The events that move what is kept here, by contract."""


class Ledger(Generic[K, V]):
    """Values by key, each change noted with the block it happened in."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        # Block, key, and the value before; None where there was none.
        self._before: deque[tuple[int, K, V | None]] = deque()

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._values))

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def items(self) -> list[tuple[K, V]]:
        return list(self._values.items())

    def put(self, key: K, value: V | None, block: int) -> None:
        """The value since `block`; None removes the key."""
        self._before.append((block, key, self._values.get(key)))
        self._set(key, value)

    def roll_back(self, block: int) -> None:
        """Forget all that happened after `block`. A key first seen later is not known any more."""
        while self._before and self._before[-1][0] > block:
            _, key, value = self._before.pop()
            self._set(key, value)

    def settle(self, block: int) -> None:
        """Nothing up to `block` will be rolled back."""
        while self._before and self._before[0][0] <= block:
            self._before.popleft()

    def clear(self) -> None:
        self._values.clear()
        self._before.clear()

    def _set(self, key: K, value: V | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value


# --- senders --------------------------------------------------------------------------------------


def sender_of(log: Log) -> Address | None:
    """Whose account with the broker an event is about; None for any other event."""
    if log.contract != "TicketBroker" or log.name not in WANTED["TicketBroker"]:
        return None
    name = "reserveHolder" if log.name == "ReserveFunded" else "sender"
    return _address(log, name)


def after_broker_event(account: SenderAccount, log: Log, claimant: Address) -> SenderAccount:
    """An account after an event about it. A payment draws on the deposit first, then on the reserve."""
    info = account.info
    if log.name == "DepositFunded":
        return replace(account, info=replace(info, deposit=Wei(info.deposit + _int(log, "amount"))))
    if log.name == "ReserveFunded":
        return replace(account, info=replace(info, reserve=Wei(info.reserve + _int(log, "amount"))))
    if log.name == "Unlock":
        return replace(account, info=replace(info, withdraw_round=Round(_int(log, "endRound"))))
    if log.name == "UnlockCancelled":
        return replace(account, info=replace(info, withdraw_round=Round(0)))
    if log.name == "Withdrawal":
        # What was claimed in the round stays on record (onchain 11.3), unlike in the reference.
        return replace(account, info=replace(info, deposit=Wei(0), reserve=Wei(0)))
    if log.name == "WinningTicketTransfer":
        amount = _int(log, "amount")
        drawn = max(0, amount - info.deposit)
        return SenderAccount(
            SenderInfo(
                deposit=Wei(max(0, info.deposit - amount)),
                withdraw_round=info.withdraw_round,
                reserve=Wei(info.reserve - drawn),
                claimed_in_current_round=Wei(info.claimed_in_current_round + drawn),
            ),
            claimed=Wei(account.claimed + (drawn if _address(log, "recipient") == claimant else 0)),
        )
    return account


def in_new_round(account: SenderAccount) -> SenderAccount:
    """An account once a round has ended: claims start anew."""
    return SenderAccount(replace(account.info, claimed_in_current_round=Wei(0)), claimed=Wei(0))


# --- rounds ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundClock:
    """The last initialised round, and when rounds are. L1 blocks.

    `previous_hash` is the hash stored for the round before, zero if that was skipped, None while it is not known.
    """

    last_initialized: Round
    block_hash: Hash32
    previous_hash: Hash32 | None
    start_block: BlockNumber
    length_blocks: int

    def current(self, l1_block: int) -> Round:
        """The round that a block falls into, initialised or not."""
        return Round(self.last_initialized + (l1_block - self.start_block) // self.length_blocks)

    def start_of(self, round_: int) -> BlockNumber:
        return BlockNumber(self.start_block + (round_ - self.last_initialized) * self.length_blocks)


def clock_of(state: RoundState, previous_hash: Hash32 | None) -> RoundClock:
    """The clock that a reading of the chain shows."""
    passed = state.current - state.last_initialized
    start = BlockNumber(state.start_block - passed * state.length_blocks)
    return RoundClock(
        state.last_initialized, state.last_initialized_block_hash, previous_hash, start, state.length_blocks
    )


def after_new_round(clock: RoundClock, log: Log) -> RoundClock:
    """The clock after `NewRound`. The hash before is the one that was current, unless rounds were skipped."""
    round_ = Round(_int(log, "round"))
    follows = round_ == clock.last_initialized + 1
    return RoundClock(
        last_initialized=round_,
        block_hash=Hash32(_bytes(log, "blockHash")),
        previous_hash=clock.block_hash if follows else None,
        start_block=clock.start_of(round_),
        length_blocks=clock.length_blocks,
    )


# --- orchestrators --------------------------------------------------------------------------------


def after_activation_event(activation: Activation, log: Log) -> Activation | None:
    """When an orchestrator is active after it left the pool; None after it joined.

    The event of joining does not say it: one that comes back in the round it left in never ceased to be active, unlike
    on the network deployed in 2024.
    """
    if log.name == "TranscoderActivated":
        return None
    return replace(activation, deactivation_round=Round(_int(log, "deactivationRound")))


def pool_change(log: Log) -> int:
    """How many members an event adds to the transcoder pool."""
    if log.contract != "BondingManager":
        return 0
    return {"TranscoderActivated": 1, "TranscoderDeactivated": -1}.get(log.name, 0)


def orchestrator_of(log: Log) -> Address | None:
    return _address(log, "transcoder") if pool_change(log) else None


# --- unbonding locks ------------------------------------------------------------------------------


def lock_change(log: Log, delegator: Address) -> tuple[int, UnbondingLock | None] | None:
    """Which lock of `delegator` an event opens (with what is in it) or uses up (None); None if it is about none."""
    if log.contract != "BondingManager":
        return None
    if log.name == "TransferBond":
        # The lock that carried the stake is gone; the receiver's one lives within the transaction only.
        return (_int(log, "oldUnbondingLockId"), None) if _address(log, "oldDelegator") == delegator else None
    if log.name not in ("Unbond", "Rebond", "WithdrawStake") or _address(log, "delegator") != delegator:
        return None
    number = _int(log, "unbondingLockId")
    if log.name == "Unbond":
        return number, UnbondingLock(_int(log, "amount"), Round(_int(log, "withdrawRound")))
    return number, None


# --- arguments ------------------------------------------------------------------------------------


def _int(log: Log, name: str) -> int:
    value = log.args.get(name)
    if not isinstance(value, int):
        raise MalformedMessage(f"event {log.name}", f"{name} is no number")
    return value


def _bytes(log: Log, name: str) -> bytes:
    value = log.args.get(name)
    if not isinstance(value, bytes):
        raise MalformedMessage(f"event {log.name}", f"{name} is not bytes")
    return value


def _address(log: Log, name: str) -> Address:
    return Address(_bytes(log, name))
