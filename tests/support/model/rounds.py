"""RoundsManager (spec 6; differences: K15, K17)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.model.fractions import PPM, ppm_of
from tests.support.model.state import Cell, Table, require

if TYPE_CHECKING:
    from tests.support.model.protocol import Model

HASH_WINDOW = 256


class Clock(NamedTuple):
    length: int = 0
    lock_ppm: int = 0
    last_initialized: int = 0
    base_round: int = 0
    base_block: int = 0


class RoundsModel:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._clock: Cell[Clock] = Cell(model.journal, "clock", Clock())
        self._hashes: Table[int, bytes] = Table(model.journal, "hashes", bytes(32))
        self._lips: Table[int, int] = Table(model.journal, "lips", 0)

    @property
    def current(self) -> int:
        clock = self._clock.value
        return clock.base_round + (self._model.block - clock.base_block) // clock.length

    @property
    def start_block(self) -> int:
        clock = self._clock.value
        return self._model.block - (self._model.block - clock.base_block) % clock.length

    @property
    def is_initialized(self) -> bool:
        return self._clock.value.last_initialized == self.current

    @property
    def is_locked(self) -> bool:
        clock = self._clock.value
        return self._model.block - self.start_block >= clock.length - ppm_of(clock.length, clock.lock_ppm)

    def hash_of(self, round_: int) -> bytes:
        return self._hashes[round_]

    def ready(self) -> int:
        """The current round: not paused, and initialised."""
        self._model.controller.when_not_paused()
        require(self.is_initialized, "current round is not initialized")
        return self.current

    # --- calls --------------------------------------------------------------------------------------------------------

    def setRoundLength(self, sender: str, length: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(length > 0, "round length cannot be 0")
        clock, block = self._clock.value, self._model.block
        if clock.length == 0:
            base_round, base_block = block // length, block // length * length
        else:
            base_round, base_block = self.current, self.start_block
            if block - base_block >= length:
                base_block = block
        self._clock.value = clock._replace(length=length, base_round=base_round, base_block=base_block)
        self._model.updated("RoundsManager", "roundLength")

    def setRoundLockAmount(self, sender: str, ppm: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(ppm <= PPM, "round lock amount must be a valid percentage")
        self._clock.value = self._clock.value._replace(lock_ppm=ppm)
        self._model.updated("RoundsManager", "roundLockAmount")

    def setLIPUpgradeRound(self, sender: str, lip: int, round_: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(self._lips[lip] == 0, "LIP upgrade round already set")
        self._lips[lip] = round_

    def initializeRound(self, sender: str) -> None:  # noqa: N802
        del sender
        self._model.controller.when_not_paused()
        current = self.current
        require(self._clock.value.last_initialized < current, "round already initialized")
        round_hash = self._model.block_hash(self._model.block - 1)
        self._clock.value = self._clock.value._replace(last_initialized=current)
        self._hashes[current] = round_hash
        self._model.bonding.rotate()
        self._model.minter().set_reward_tokens()
        self._model.emit("RoundsManager", "NewRound", current, round_hash)

    # --- views --------------------------------------------------------------------------------------------------------

    def blockNum(self) -> int:  # noqa: N802
        return self._model.block

    def blockHash(self, block: int) -> bytes:  # noqa: N802
        require(block < self._model.block, "can only retrieve past block hashes")
        require(block >= self._model.block - HASH_WINDOW, "can only retrieve hashes for last 256 blocks")
        return self._model.block_hash(block)

    def blockHashForRound(self, round_: int) -> bytes:  # noqa: N802
        return self._hashes[round_]

    def currentRound(self) -> int:  # noqa: N802
        return self.current

    def currentRoundStartBlock(self) -> int:  # noqa: N802
        return self.start_block

    def currentRoundInitialized(self) -> bool:  # noqa: N802
        return self.is_initialized

    def currentRoundLocked(self) -> bool:  # noqa: N802
        return self.is_locked

    def roundState(self) -> tuple[int, bool, bool]:  # noqa: N802
        return self.current, self.is_initialized, self.is_locked

    def roundLength(self) -> int:  # noqa: N802
        return self._clock.value.length

    def roundLockAmount(self) -> int:  # noqa: N802
        return self._clock.value.lock_ppm

    def lastInitializedRound(self) -> int:  # noqa: N802
        return self._clock.value.last_initialized

    def lastRoundLengthUpdateRound(self) -> int:  # noqa: N802
        return self._clock.value.base_round

    def lastRoundLengthUpdateStartBlock(self) -> int:  # noqa: N802
        return self._clock.value.base_block

    def lipUpgradeRound(self, lip: int) -> int:  # noqa: N802
        return self._lips[lip]
