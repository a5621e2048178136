"""An operator at the winners of an orchestrator: look, hold back, redeem (offchain-payments 16, Observability)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.control import NodeAbsent
from livepeer_client.adapters.sql.store import SqlTicketStore
from livepeer_client.config import OrchestratorConfig
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Restored, StoredTicket, TicketState
from livepeer_client.nodes.chain import open_suite
from livepeer_client.nodes.desk import NodeDesk, RedeemingNode
from livepeer_client.nodes.keys import make_transactor, open_signer
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.policy.redemption import Explanation
from livepeer_client.ports import TransactionSigner, Transactor
from livepeer_client.ports.desk import RedeemedNow
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.ticket_transfer import export_tickets, import_tickets
from livepeer_client.types import Hash32


@contextlib.asynccontextmanager
async def _opened(
    config: OrchestratorConfig, *, read_only: bool
) -> AsyncIterator[tuple[SqlTicketStore, RedemptionService]]:
    """What does not send."""
    async with _reached(config, read_only=read_only) as (suite, signer, store):
        yield store, _service(config, suite, make_transactor(suite, signer, config.chain), store)


@contextlib.asynccontextmanager
async def _reached(
    config: OrchestratorConfig, *, read_only: bool
) -> AsyncIterator[tuple[Suite, TransactionSigner, SqlTicketStore]]:
    path = config.orchestrator.data_dir / "orchestrator.sqlite"
    async with (
        open_signer(config.key) as signer,
        open_suite(config.chain, load_addresses(config.chain.addresses)) as suite,
        await open_tickets(path, config.orchestrator.store_url, read_only=read_only) as store,
    ):
        yield suite, signer, store


def _service(
    config: OrchestratorConfig, suite: Suite, transactor: Transactor, store: SqlTicketStore
) -> RedemptionService:
    return RedemptionService(suite, transactor, store, SystemClock(), config.redemption.policy, owner="operator")


async def list_tickets(config: OrchestratorConfig) -> list[StoredTicket]:
    """Every winner in the store, oldest first. Raises as `Suite` and `open_tickets`."""
    async with _opened(config, read_only=True) as (store, _):
        return list(await store.tickets())


async def plan_tickets(config: OrchestratorConfig) -> list[Explanation]:
    """What would be done with every open winner now. Nothing is sent."""
    async with _opened(config, read_only=True) as (_, service):
        return list(await service.survey())


async def explain_ticket(config: OrchestratorConfig, prefix: str) -> Explanation:
    """Everything about one winner.

    :raises InvalidInput: none, or several, whose hashes start with `prefix`.
    """
    async with _opened(config, read_only=True) as (store, service):
        (hash_,) = await _named(store, [prefix])
        return await service.explain(hash_)


async def hold_tickets(config: OrchestratorConfig, prefixes: Sequence[str], note: str) -> None:
    """Keep winners out of every transaction until released; a running node does it itself. Raises as
    `explain_ticket`."""
    async with _opened(config, read_only=True) as (store, _):
        hashes = await _named(store, prefixes)
    try:
        await RedeemingNode.of(config).control.hold(hashes, note)
    except NodeAbsent:
        async with _opened(config, read_only=False) as (_, service):
            await service.hold(hashes, note)


async def release_tickets(config: OrchestratorConfig, prefixes: Sequence[str]) -> None:
    """End a hold; a running node does it itself. Raises as `explain_ticket`."""
    async with _opened(config, read_only=True) as (store, _):
        hashes = await _named(store, prefixes)
    try:
        await RedeemingNode.of(config).control.release(hashes)
    except NodeAbsent:
        async with _opened(config, read_only=False) as (_, service):
            await service.release(hashes)


async def export_winners(config: OrchestratorConfig, file: Path) -> int:
    """Write every winner and batch of the store to a new file that only its owner can read.

    :returns: how many winners.
    :raises InvalidInput: the file is there already, or cannot be made.
    :raises StoreError: the store cannot be read.
    """
    path = config.orchestrator.data_dir / "orchestrator.sqlite"
    async with await open_tickets(path, config.orchestrator.store_url, read_only=True) as store:
        document, count = await export_tickets(store), len(await store.tickets())
    try:
        await asyncio.to_thread(_write_new, file, document)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}") from error
    return count


async def import_winners(config: OrchestratorConfig, file: Path) -> Restored:
    """Add what a file of `export_winners` holds; a running node keeps its SQLite store to itself.

    :raises MalformedMessage, InvalidInput, StoreError: nothing was added.
    """
    try:
        document = await asyncio.to_thread(file.read_text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from error
    path = config.orchestrator.data_dir / "orchestrator.sqlite"
    async with await open_tickets(path, config.orchestrator.store_url) as store:
        return await import_tickets(store, document)


def _write_new(file: Path, document: str) -> None:
    with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(document)


async def redeem_tickets(config: OrchestratorConfig, prefixes: Sequence[str], *, now: bool) -> RedeemedNow:
    """One step of redemption by hand; with `now` these winners wait neither for others nor for cheaper gas. A running
    node takes it itself.

    :returns: what was sent, and what was decided about each of these winners.
    :raises InvalidInput: as `explain_ticket`, or another node has the lease of the key.
    """
    async with _reached(config, read_only=True) as (suite, signer, store):
        chosen = await _named(store, prefixes) if prefixes else [t.hash for t in await store.tickets(TicketState.HELD)]
        desk = NodeDesk(RedeemingNode.of(config), suite, signer)
        return await (desk.redeem_now(chosen) if now else desk.redeem(chosen))


async def _named(store: SqlTicketStore, prefixes: Sequence[str]) -> list[Hash32]:
    hashes = {ticket.hash.hex(): ticket.hash for ticket in await store.tickets()}
    found = []
    for prefix in prefixes:
        matches = [hash_ for text, hash_ in hashes.items() if text.startswith(prefix.lower().removeprefix("0x"))]
        if len(matches) != 1:
            raise InvalidInput(f"{len(matches)} tickets start with {prefix}, must be one")
        found += matches
    return found
