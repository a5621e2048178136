"""Draw the tickets of large payments on all cores without holding up the event loop.

coincurve releases the GIL while it recovers a signature, which is most of a ticket's cost, so threads scale.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Final

from livepeer_client.policy.receiving import Draw, OpenedPayment, draw_tickets

INLINE: Final = 16
"""Tickets drawn where they are: under a millisecond, less than what a hand-over to threads may cost."""
CHUNK: Final = 64
"""Tickets per hand-over at most: about two milliseconds, short enough for several payments to share the threads."""


class TicketDrawer:
    """A pool of threads for `policy.receiving.draw_tickets`; one per core unless told otherwise."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tickets")

    async def draw(self, opened: OpenedPayment) -> list[Draw]:
        """The draws of all tickets of a payment, in their order."""
        tickets = opened.tickets
        if len(tickets) <= INLINE:
            return draw_tickets(opened, tickets)
        loop = asyncio.get_running_loop()
        # As many parts for each thread, of one size: a last part alone would keep one core waiting for the other.
        rounds = ceil(len(tickets) / (self._threads * CHUNK))
        size = ceil(len(tickets) / (self._threads * rounds))
        parts = [
            loop.run_in_executor(self._pool, draw_tickets, opened, tickets[at : at + size])
            for at in range(0, len(tickets), size)
        ]
        return [draw for part in await asyncio.gather(*parts) for draw in part]

    def close(self) -> None:
        """End the threads; draws in progress are finished first."""
        self._pool.shutdown(wait=False)
