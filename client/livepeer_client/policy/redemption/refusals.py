"""What the contract's refusals mean for a ticket (onchain 11.5, offchain-payments 16, Simulation)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from livepeer_client.policy.redemption.situation import SimulationFailure
from livepeer_client.types import BlockNumber

_MAX_BACKOFF_BLOCKS: Final = 64


class Refusal(Enum):
    """What a revert of a single redemption means for the ticket."""

    USED = "used"
    """Redeemed before: check `usedTickets` and record it."""
    PERMANENT = "permanent"
    """No later call can succeed."""
    TRANSIENT = "transient"
    """It may succeed in another block or round."""


NO_BLOCK_HASH: Final = "ticket creationRound does not have a block hash"

REFUSALS: Final[Mapping[str, Refusal]] = {
    "ticket is used": Refusal.USED,
    "ticket recipient is null address": Refusal.PERMANENT,
    "ticket sender is null address": Refusal.PERMANENT,
    "invalid length for ticket auxData: must be 64 bytes": Refusal.PERMANENT,
    "ticket creationRoundBlockHash invalid for creationRound": Refusal.PERMANENT,
    "ticket is expired": Refusal.PERMANENT,
    "recipientRand does not match recipientRandHash": Refusal.PERMANENT,
    "INVALID_SIGNATURE_LENGTH": Refusal.PERMANENT,
    "ECDSA: invalid signature": Refusal.PERMANENT,
    "ECDSA: invalid signature 's' value": Refusal.PERMANENT,
    "ECDSA: invalid signature 'v' value": Refusal.PERMANENT,
    "invalid signature over ticket hash": Refusal.PERMANENT,
    "ticket did not win": Refusal.PERMANENT,
    NO_BLOCK_HASH: Refusal.TRANSIENT,
    "system is paused": Refusal.TRANSIENT,
    "current round is not initialized": Refusal.TRANSIENT,
    "sender is unlocked": Refusal.TRANSIENT,
    "sender deposit and reserve are zero": Refusal.TRANSIENT,
    "sender deposit and reserve insufficient to cover ticket face value": Refusal.TRANSIENT,
    "transcoder must be registered": Refusal.TRANSIENT,
    "transcoder must be active": Refusal.TRANSIENT,
}
"""Contracts give reasons as text only, so text is matched here and nowhere else."""


PAUSED: Final = frozenset({"system is paused", "current round is not initialized"})
"""Refusals that say nothing about the ticket: they would meet every other one too."""


def classify(reason: str, *, creation_round_over: bool = False) -> Refusal:
    """The meaning of a revert reason. An unknown one counts as transient: waiting loses nothing, dropping might.

    `creation_round_over`: a later round than the ticket's has been opened, so a hash it lacks will never come.
    """
    if reason == NO_BLOCK_HASH and creation_round_over:
        return Refusal.PERMANENT
    return REFUSALS.get(reason, Refusal.TRANSIENT)


def failed_simulation(
    reason: str, before: SimulationFailure | None, head: BlockNumber, *, creation_round_over: bool = False
) -> SimulationFailure:
    """Record a refusal. Known transient ones are tried at each block; unknown ones ever more rarely."""
    tries = before.tries + 1 if before is not None else 1
    known = reason in REFUSALS
    pause = 1 if known else min(2 ** (tries - 1), _MAX_BACKOFF_BLOCKS)
    permanent = classify(reason, creation_round_over=creation_round_over) is Refusal.PERMANENT
    return SimulationFailure(reason, permanent, tries, BlockNumber(head + pause), known)
