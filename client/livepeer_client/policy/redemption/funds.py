"""What senders can pay (offchain-payments 16): deposit first, then the recipient's share of the reserve."""

from collections.abc import Iterable

from livepeer_client.codec.ticket import Ticket
from livepeer_client.policy.redemption.situation import RedemptionFacts
from livepeer_client.types import Address, Wei


class Funds:
    """What is left of deposits and reserves while batches are put together.

    What is sent and unconfirmed draws on the same money, so it is subtracted first; its reserve part counts against
    every recipient, because nothing says whose share it will take.
    """

    def __init__(self, facts: RedemptionFacts) -> None:
        self._deposits: dict[Address, int] = {}
        self._claimable: dict[tuple[Address, Address], int] = dict(facts.claimable)
        self._shortage: dict[Address, int] = {}
        for sender, info in facts.senders.items():
            left = info.deposit - facts.in_flight.get(sender, Wei(0))
            self._deposits[sender] = max(0, left)
            self._shortage[sender] = max(0, -left)

    def available(self, ticket: Ticket) -> int:
        """Wei that a redemption of `ticket` could draw."""
        pair = (ticket.sender, ticket.recipient)
        return self._deposits[ticket.sender] + max(0, self._claimable[pair] - self._shortage[ticket.sender])

    def available_from(self, sender: Address) -> int:
        """Wei that all recipients together could draw from `sender`."""
        shares = (
            max(0, amount - self._shortage[sender])
            for (holder, _), amount in self._claimable.items()
            if holder == sender
        )
        return self._deposits[sender] + sum(shares)

    def draw(self, ticket: Ticket, amount: int) -> None:
        from_deposit = min(amount, self._deposits[ticket.sender])
        self._deposits[ticket.sender] -= from_deposit
        self._claimable[ticket.sender, ticket.recipient] -= amount - from_deposit


def pays_in_full(tickets: Iterable[Ticket], facts: RedemptionFacts) -> bool:
    """Whether all of `tickets`, redeemed in this order, are paid their face values."""
    funds = Funds(facts)
    for ticket in tickets:
        if funds.available(ticket) < ticket.face_value:
            return False
        funds.draw(ticket, ticket.face_value)
    return True
