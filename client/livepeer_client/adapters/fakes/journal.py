"""A journal of transactions in memory."""

from livepeer_client.facts import Outgoing
from livepeer_client.types import Address


class MemoryTransactionJournal:
    """`ports.TransactionJournal`; it survives its manager, not the process."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Address, int], Outgoing] = {}

    async def record(self, outgoing: Outgoing) -> None:
        self._rows[outgoing.key, outgoing.nonce] = outgoing

    async def outgoing(self, key: Address) -> list[Outgoing]:
        return sorted((row for row in self._rows.values() if row.key == key), key=lambda row: row.nonce)

    async def forget(self, key: Address, nonce: int) -> None:
        self._rows.pop((key, nonce), None)

    async def close(self) -> None:
        return
