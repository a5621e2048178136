"""The stores on disk: an orchestrator's tickets, a gateway's books, a key's transactions, one SQLite file each.

Sums and winners never leave the file by themselves, and what a method acknowledged survives a kill or a power cut:
WAL with `synchronous=FULL`, one writer thread, commits shared by all callers that wait at that moment.
"""

from livepeer_client.adapters.sqlite.books import SqliteGatewayBooks
from livepeer_client.adapters.sqlite.journal import SqliteTransactionJournal
from livepeer_client.adapters.sqlite.tickets import SqliteTicketStore

__all__ = ["SqliteGatewayBooks", "SqliteTicketStore", "SqliteTransactionJournal"]
