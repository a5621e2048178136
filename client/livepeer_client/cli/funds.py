"""A gateway's money with the TicketBroker."""

from typing import Annotated

import typer

from livepeer_client.cli.calling import call
from livepeer_client.cli.options import AnyConfig, Changes, DryRun, Eth, Json, parse_account
from livepeer_client.types import Address, Wei


def add(app: typer.Typer) -> None:
    app.command()(fund)
    app.command()(unlock)
    app.command()(cancel_unlock)
    app.command()(withdraw)


def fund(
    deposit: Eth = None,
    reserve: Eth = None,
    sender: Annotated[
        bytes | None, typer.Option("--for", parser=parse_account, metavar="ADDRESS", help="somebody else's account")
    ] = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Add to deposit and reserve; an unlock of one's own in progress ends."""
    ether = Wei(deposit or 0), Wei(reserve or 0)
    if not any(ether):
        raise typer.BadParameter("nothing to add: give --deposit, --reserve or both")
    if sender is not None:
        to = Address(sender)
        call(config, changes, lambda own: own.contracts.broker.fund_for(to, *ether, dry_run=dry_run), as_json=as_json)
    else:
        call(config, changes, lambda own: own.contracts.broker.fund(*ether, dry_run=dry_run), as_json=as_json)


def unlock(config: AnyConfig = None, changes: Changes = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Announce that deposit and reserve are wanted back."""
    call(config, changes, lambda own: own.contracts.broker.unlock(dry_run=dry_run), as_json=as_json)


def cancel_unlock(
    config: AnyConfig = None, changes: Changes = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """End an unlock that is in progress."""
    call(config, changes, lambda own: own.contracts.broker.cancel_unlock(dry_run=dry_run), as_json=as_json)


def withdraw(config: AnyConfig = None, changes: Changes = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Take deposit and reserve, once the unlock's round is there."""
    call(config, changes, lambda own: own.contracts.broker.withdraw(dry_run=dry_run), as_json=as_json)
