"""Draw the tickets of large payments on all cores without holding up the event loop.

coincurve releases the GIL while it recovers a signature, which is most of a ticket's cost, so threads scale.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from livepeer_client.policy.receiving import Draw, OpenedPayment, draw_tickets

INLINE: Final = 16
"""Tickets drawn where they are: under a millisecond, less than what a hand-over to threads may cost."""
CHUNK: Final = 32
"""Tickets per hand-over: about a millisecond, short enough for several payments to share the threads fairly."""


class TicketDrawer:
    """A pool of threads for `policy.receiving.draw_tickets`; one per core unless told otherwise."""

    def __init__(self, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="tickets")

    async def draw(self, opened: OpenedPayment) -> list[Draw]:
        """The draws of all tickets of a payment, in their order."""
        tickets = opened.tickets
        if len(tickets) <= INLINE:
            return draw_tickets(opened, tickets)
        loop = asyncio.get_running_loop()
        parts = [
            loop.run_in_executor(self._pool, draw_tickets, opened, tickets[at : at + CHUNK])
            for at in range(0, len(tickets), CHUNK)
        ]
        return [draw for part in await asyncio.gather(*parts) for draw in part]

    def close(self) -> None:
        """End the threads; draws in progress are finished first."""
        self._pool.shutdown(wait=False)
