"""What an operator does with a node's redemptions, whether the node runs or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from livepeer_client.types import Hash32


class PauseSwitch(Protocol):
    """Whether the operator has stopped redemption. Kept wherever it must outlive a restart."""

    def is_on(self) -> bool: ...

    def set(self, on: bool) -> None:
        """:raises StoreError: it could not be written down; it is as before."""


@dataclass(frozen=True, slots=True)
class DeskState:
    """`owner` is the name of the node that acts, None if none runs and the desk acts itself."""

    owner: str | None
    paused: bool


@dataclass(frozen=True, slots=True)
class RedeemedNow:
    """What a request to redeem did: the transactions sent, and for each ticket asked for what was decided, in the
    planner's words: its hash, action and reason."""

    sent: tuple[Hash32, ...]
    decided: tuple[tuple[Hash32, str, str], ...]


class RedemptionDesk(Protocol):
    """Every method raises `InvalidInput` for what cannot be done as things are, `StoreError` and `ChainError` as the
    service behind it, and `ChainUnavailable` if the node that acts does not answer."""

    async def state(self) -> DeskState: ...

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        """Keep tickets out of every transaction until released."""

    async def release(self, hashes: Sequence[Hash32]) -> None: ...

    async def redeem(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        """One step of redemption, of everything that is due, as a node takes at each block; told of these tickets."""

    async def redeem_now(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        """Wait neither for company nor for cheaper gas; the ceilings of the settings bind."""

    async def pause(self) -> None:
        """Send nothing new until `resume`."""

    async def resume(self) -> None: ...
