"""The chain as one plan needs it, all of one block."""

from collections.abc import Sequence

from livepeer_client.errors import Reverted
from livepeer_client.facts import Head, StoredTicket, TicketState
from livepeer_client.policy.redemption import RedemptionFacts, data_fees, representative_calls
from livepeer_client.ports import Chain
from livepeer_client.services.tasks import together
from livepeer_client.types import Address, Wei


async def read_facts(chain: Chain, head: Head, tickets: Sequence[StoredTicket]) -> RedemptionFacts:
    """Everything about the parties of `tickets` after the block `head`; those among them that are SENT count as in
    flight.

    :raises ChainUnavailable: also if the block has left the chain.
    """
    view = chain.at(head.block_hash)
    pairs = sorted({(ticket.winner.ticket.sender, ticket.winner.ticket.recipient) for ticket in tickets})
    senders = sorted({sender for sender, _ in pairs})
    recipients = sorted({recipient for _, recipient in pairs})
    round_state, validity = await view.round_state(), await view.ticket_validity_period()
    compact = await view.redeems_compactly()
    costs = await view.data_costs(representative_calls())
    accounts = await together(*(view.sender_info(sender) for sender in senders))
    states = await together(*(view.orchestrator_state(recipient) for recipient in recipients))
    claimable = await together(*(_claimable(view, *pair) for pair in pairs))
    in_flight: dict[Address, Wei] = {}
    for ticket in tickets:
        if ticket.state is TicketState.SENT:
            sender = ticket.winner.ticket.sender
            in_flight[sender] = Wei(in_flight.get(sender, 0) + ticket.winner.ticket.face_value)
    return RedemptionFacts(
        head=head,
        round=round_state,
        validity_rounds=validity,
        senders=dict(zip(senders, accounts, strict=True)),
        recipients=dict(zip(recipients, states, strict=True)),
        claimable=dict(zip(pairs, claimable, strict=True)),
        in_flight=in_flight,
        compact=compact,
        data=data_fees(costs),
    )


async def _claimable(view: Chain, sender: Address, recipient: Address) -> Wei:
    """The recipient's share; nothing where the broker cannot say, as the deployed one when the pool grew (K8)."""
    try:
        return await view.claimable_reserve(sender, recipient)
    except Reverted:
        return Wei(0)
