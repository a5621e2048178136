"""What a SQL store does, once for every database: plans of statements, without a connection.

A plan is a generator that yields statements and is sent their rows, so it can be run by a thread that owns a SQLite
connection and by a coroutine that owns a PostgreSQL one, and run again if the database made its transaction fail.
"""
