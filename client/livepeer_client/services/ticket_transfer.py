"""Moving tickets between stores as JSON (`policy.ticket_export`)."""

from typing import Final

from livepeer_client.facts import Restored, StoredTicket, TicketState
from livepeer_client.policy.ticket_export import read_document, write_document
from livepeer_client.ports import TicketStore
from livepeer_client.types import Address

_PAGE: Final = 1000


async def export_tickets(store: TicketStore, *states: TicketState, sender: Address | None = None) -> str:
    """Tickets in any of `states`, of `sender` or of all, with every batch all of whose tickets are among them.

    The store may be in use; what changes meanwhile may be missing, so stop the node to move house.

    :raises StoreError: it cannot be read.
    """
    # Batches first: one begun meanwhile is left out, and its tickets are exported as they were.
    batches = await store.batches()
    tickets: list[StoredTicket] = []
    after: int | None = 0
    while after is not None:
        page = await store.page(*states, sender=sender, after=after, limit=_PAGE)
        tickets += page.tickets
        after = page.next
    exported = {ticket.hash for ticket in tickets}
    return write_document(tickets, [batch for batch in batches if exported.issuperset(batch.batch.tickets)])


async def import_tickets(store: TicketStore, document: str) -> Restored:
    """Add what a document holds; known tickets and batches stay as they are, so importing twice changes nothing.

    :raises MalformedMessage: nothing was imported; the message names the entry that does not hold.
    :raises InvalidInput, StoreError: as `TicketStore.restore`; nothing was imported.
    """
    return await store.restore(*read_document(document))
