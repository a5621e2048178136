"""What commands that call contracts have in common: settings, an open account, one result."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepeer_client.cli import results
from livepeer_client.cli.options import sources
from livepeer_client.cli.output import Output, waiting
from livepeer_client.cli.running import run
from livepeer_client.errors import ChainError, Reverted
from livepeer_client.services.calls import Result

if TYPE_CHECKING:
    from livepeer_client.adapters.chain.governance import GovernanceReader
    from livepeer_client.nodes.account import Account

Work = Callable[["Account"], Awaitable[Result[Any] | tuple[Result[Any] | None, Mapping[str, Result[Any]]]]]
"""Makes or tries one call; with what had to go before it, by name. None where that keeps it from being tried."""


def call(file: Path | None, changes: list[str] | None, work: Work, *, as_json: bool) -> None:
    """Open the account of the settings, let `work` call, and print the result."""

    async def start() -> None:
        from livepeer_client.config import load_account
        from livepeer_client.nodes.account import open_account

        settings = await asyncio.to_thread(load_account, file, sources(changes))
        async with open_account(settings) as account:
            try:
                with waiting(as_json=as_json):
                    made = await work(account)
            except Reverted as refusal:
                await _add_figures(account, refusal)
                raise
        result, before = made if isinstance(made, tuple) else (made, {})
        results.show(Output(as_json=as_json), result, before)

    run(start, as_json=as_json)


def read(
    file: Path | None,
    changes: list[str] | None,
    work: "Callable[[GovernanceReader, Output], Awaitable[None]]",
    *,
    as_json: bool,
) -> None:
    """Open the chain of the settings, without a key, and let `work` read and print."""

    async def start() -> None:
        from livepeer_client.config import load_chain
        from livepeer_client.nodes.account import open_reader

        settings = await asyncio.to_thread(load_chain, file, sources(changes))
        async with open_reader(settings) as reader:
            await work(reader, Output(as_json=as_json))

    run(start, as_json=as_json)


async def _add_figures(account: "Account", refusal: Reverted) -> None:
    """What the contract compared, as far as it can be told afterwards."""
    from livepeer_client.nodes.account import figures_behind, read_standing

    # What cannot be read is left out: the refusal itself is what matters.
    with contextlib.suppress(ChainError):
        figures = figures_behind(refusal.reason, await read_standing(account.reader, account.address))
        if figures:
            refusal.add_note(figures)
