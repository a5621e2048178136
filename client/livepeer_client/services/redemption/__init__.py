"""Redeem winners: at each new block settle what is open, plan, simulate, send (offchain-payments 16).

The order of writes makes every crash harmless. A batch is stored with its signed transaction and its tickets marked
SENT before it is broadcast, and each replacement is stored before it goes out. So after a restart it is found open:
the receipt of any of its transactions settles it, otherwise it is broadcast again, and if another transaction has
taken its nonce `usedTickets` decides. What a block has settled stays provisional until that block is final, and is
taken back if the block vanishes. Doing any of it twice changes nothing.
"""

from livepeer_client.services.redemption.service import RedemptionReport, RedemptionService

__all__ = ["RedemptionReport", "RedemptionService"]
