"""Records payments as fast as it can until it is killed: `python killed_writer.py FILE`, or `... DSN NAMESPACE`.

Prints the number of each payment after the store has acknowledged it and its debit. Every payment has one winner,
whose nonce is the payment's number. It stands alone, because it is run as a script.
"""

import asyncio
import itertools
import os
import sys
from fractions import Fraction

from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.adapters.sql.store import SqlTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.facts import Debit, ReceivedPayment
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round, Signature, Wei, WinProb

SENDER = Address(bytes([0xAA] * 20))
CALLERS = 20
CREDIT = Fraction(10**15, 7)
FEE = Fraction(1, 3)


def winner(number: int) -> WinningTicket:
    ticket = Ticket(SENDER, SENDER, Wei(10**15), WinProb(1), number, ZERO_HASH, Round(0), ZERO_HASH)
    return WinningTicket(ticket, Signature(bytes(65)), 0, BlockNumber(0))


async def main(place: str, namespace: str | None = None) -> None:
    store: SqlTicketStore
    if namespace is None:
        store = await SqliteTicketStore.open(place)
    else:
        store = await PostgresTicketStore.open(place, namespace=namespace)
    numbers = itertools.count(1)

    async def caller() -> None:
        for number in numbers:
            session_id = f"session {number % 5}"
            await store.record_payment(ReceivedPayment(SENDER, session_id, 1, CREDIT, (winner(number),)))
            await store.record_debit(Debit(SENDER, session_id, number, 1000, FEE))
            # Unbuffered: a line that was read was written after the acknowledgement.
            os.write(1, b"%d\n" % number)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
