"""Senders that take their money back: those who owe us, and ourselves (onchain 11.3)."""

import logging
from dataclasses import dataclass

from livepeer_client.facts import SenderInfo
from livepeer_client.ports import Chain
from livepeer_client.services.chain_cache import SenderUnlocked
from livepeer_client.types import Address, Round

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnUnlock:
    """One's own unlock: `due` once deposit and reserve can be withdrawn, before that in so many `rounds_left`."""

    withdraw_round: Round
    rounds_left: int

    @property
    def due(self) -> bool:
        return self.rounds_left <= 0


class UnlockWatch:
    """Remembers which senders are unlocking, as a `ChainCache` tells it, with the last round to redeem from them."""

    def __init__(self) -> None:
        self._until: dict[Address, Round] = {}

    def __call__(self, event: SenderUnlocked) -> None:
        """For `ChainCache(on_unlock=...)`; being told again changes nothing."""
        if self._until.get(event.sender) != event.withdraw_round:
            logger.warning(
                "sender 0x%s unlocks: redeem what it owes before round %d", event.sender.hex(), event.withdraw_round
            )
        self._until[event.sender] = event.withdraw_round

    def urgent(self, current: Round) -> dict[Address, Round]:
        """Senders whose money may go: their withdraw rounds, from the most urgent on. Passed ones are forgotten."""
        self._until = {sender: end for sender, end in self._until.items() if end > current}
        return dict(sorted(self._until.items(), key=lambda item: item[1]))


async def own_unlock(chain: Chain, sender: Address) -> OwnUnlock | None:
    """Where one's own unlock stands; None if there is none, or nothing is left to withdraw.

    :raises ChainUnavailable: it cannot be read.
    """
    info: SenderInfo = await chain.sender_info(sender)
    if not info.withdraw_round or not info.deposit + info.reserve:
        return None
    left = info.withdraw_round - (await chain.round_state()).current
    return OwnUnlock(info.withdraw_round, max(0, left))
