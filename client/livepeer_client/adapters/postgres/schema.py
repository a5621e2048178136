"""Bringing a namespace up to date: migrations as in SQLite, under a lock that other processes wait for."""

from dataclasses import dataclass
from typing import Final

from livepeer_client.adapters.postgres.link import Link, Settings
from livepeer_client.adapters.sql.plan import Statement
from livepeer_client.errors import StoreError

_VERSIONS: Final = """
CREATE TABLE IF NOT EXISTS store_schema (kind text NOT NULL, version bigint NOT NULL);
CREATE OR REPLACE FUNCTION now_s() RETURNS double precision LANGUAGE sql VOLATILE
  AS 'SELECT extract(epoch FROM clock_timestamp())::double precision';
CREATE TABLE IF NOT EXISTS commits (number bytea PRIMARY KEY, committed_at double precision NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of store and its migrations, oldest first, never edited."""

    name: str
    migrations: tuple[str, ...]


async def migrate(link: Link, schema: Schema, settings: Settings) -> None:
    """:raises StoreError: another kind of store, or one written by a newer version; nothing was changed."""
    known = len(schema.migrations)
    if settings.read_only:
        version = await _version(link, schema, settings)
        if version != known:
            raise StoreError(f"{link.name} has schema {version}, needs {known}: open it once for writing")
        return
    # One transaction, so that it is there completely or not at all; the lock is on the namespace's name.
    await link.execute(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(" + f"'livepeer {settings.namespace}', 0))"
    )
    try:
        version = await _version(link, schema, settings)
        if version < known:
            if not await _exists(link, settings):
                await link.execute(f"CREATE SCHEMA {settings.namespace}")
            await link.execute(_VERSIONS)
            for migration in schema.migrations[version:]:
                await link.execute(migration)
            await link.fetch(Statement("DELETE FROM store_schema"))
            await link.fetch(Statement("INSERT INTO store_schema (kind, version) VALUES (?, ?)", (schema.name, known)))
        await link.execute("COMMIT")
    except BaseException:
        await link.drop()
        raise


async def _exists(link: Link, settings: Settings) -> bool:
    return bool(await link.fetch(Statement("SELECT 1 FROM pg_namespace WHERE nspname = ?", (settings.namespace,))))


async def _version(link: Link, schema: Schema, settings: Settings) -> int:
    """How many migrations ran here."""
    relation = Statement("SELECT to_regclass(?) IS NOT NULL", (f"{settings.namespace}.store_schema",))
    if not (await link.fetch(relation))[0][0]:
        tables = await link.fetch(
            Statement("SELECT count(*) FROM pg_tables WHERE schemaname = ?", (settings.namespace,))
        )
        if tables[0][0]:
            raise StoreError(f"namespace {settings.namespace} holds tables of somebody else")
        return 0
    kind, version = (await link.fetch(Statement("SELECT kind, version FROM store_schema")))[0]
    if kind != schema.name:
        raise StoreError(f"{link.name} is not a {schema.name} but a {kind}")
    if version > len(schema.migrations):
        raise StoreError(
            f"{link.name} was written by a newer version of this library (schema {version}, known up to "
            f"{len(schema.migrations)}): update it"
        )
    return int(version)
