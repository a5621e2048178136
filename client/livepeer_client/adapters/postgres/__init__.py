"""The stores in PostgreSQL: for several processes behind one recipient, or one gateway key.

The same statements and the same promises as in SQLite. What a method acknowledged is on the server's disk
(`synchronous_commit=on`), commits are shared by all callers that wait at that moment, and a connection lost in the
middle of a commit is settled by asking the server whether it happened. Needs `pip install livepeer-client[postgres]`.
"""

from livepeer_client.adapters.postgres.books import PostgresGatewayBooks
from livepeer_client.adapters.postgres.tickets import PostgresTicketStore

__all__ = ["PostgresGatewayBooks", "PostgresTicketStore"]
