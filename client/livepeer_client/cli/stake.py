"""Stake, earnings and an orchestrator's public terms."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livepeer_client.cli.calling import call
from livepeer_client.cli.options import AnyConfig, Changes, DryRun, Json, parse_account, parse_eth, parse_lpt
from livepeer_client.codec.amounts import parse_percent
from livepeer_client.errors import InvalidInput
from livepeer_client.services.calls import Result
from livepeer_client.types import ZERO_ADDRESS, Address, Wei

if TYPE_CHECKING:
    from livepeer_client.nodes.account import Account

Lpt = Annotated[int, typer.Argument(parser=parse_lpt, metavar="LPT", help="such as 10lpt, or LPT wei")]
Lock = Annotated[int, typer.Argument(metavar="LOCK", min=0, help="number of the lock, see `status`")]
ONESELF = b""


def parse_delegate(text: str) -> bytes:
    """An address, or `self`."""
    return ONESELF if text == "self" else parse_account(text)


To = Annotated[
    bytes | None,
    typer.Option(
        "--to", parser=parse_delegate, metavar="ADDRESS|self", help="the delegate; the one that is set already without"
    ),
]


def parse_share(text: str) -> int:
    """`10%` as ppm, exactly."""
    try:
        return parse_percent(text.removesuffix("%").strip())
    except InvalidInput as error:
        raise typer.BadParameter(f"{error}: write 10%") from None


Share = Annotated[int, typer.Option(parser=parse_share, metavar="PERCENT")]


def add(app: typer.Typer) -> None:
    for command in (bond, unbond, rebond, withdraw_stake, withdraw_fees, set_rates, set_uri):
        app.command()(command)


def bond(
    amount: Lpt,
    to: To = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delegate LPT, moving what is bonded elsewhere along; `--to self` makes a transcoder. Allows the BondingManager to
    take exactly that amount first, if it may not yet."""

    async def work(own: "Account") -> tuple[Result[Any] | None, Mapping[str, Result[Any]]]:
        return await own.bond(amount, await _delegate(own, to), dry_run=dry_run)

    call(config, changes, work, as_json=as_json)


async def _delegate(own: "Account", to: bytes | None) -> Address:
    """:raises InvalidInput: none is given and none set."""
    if to is not None:
        return own.address if to == ONESELF else Address(to)
    present = Address((await own.reader.call("BondingManager", "getDelegator", [own.address]))[2])
    if present == ZERO_ADDRESS:
        raise InvalidInput("nothing is bonded yet: say --to ADDRESS, or --to self to become a transcoder")
    return present


def unbond(
    amount: Lpt, config: AnyConfig = None, changes: Changes = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Take LPT out of the stake, into a lock that opens after the unbonding period."""
    call(config, changes, lambda own: own.contracts.bonding.unbond(amount, dry_run=dry_run), as_json=as_json)


def rebond(
    lock: Lock,
    to: Annotated[
        bytes | None,
        typer.Option("--to", parser=parse_account, metavar="ADDRESS", help="needed once nothing is bonded"),
    ] = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bond a lock again: to the delegate one has, or to another once nothing is bonded."""
    if to is None:
        call(config, changes, lambda own: own.contracts.bonding.rebond(lock, dry_run=dry_run), as_json=as_json)
    else:
        delegate = Address(to)
        call(
            config,
            changes,
            lambda own: own.contracts.bonding.rebond_from_unbonded(delegate, lock, dry_run=dry_run),
            as_json=as_json,
        )


def withdraw_stake(
    lock: Lock, config: AnyConfig = None, changes: Changes = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Take the LPT of a lock that is open."""
    call(config, changes, lambda own: own.contracts.bonding.withdraw_stake(lock, dry_run=dry_run), as_json=as_json)


def withdraw_fees(
    amount: Annotated[
        int | None, typer.Argument(parser=parse_eth, metavar="[ETH]", help="such as 0.5eth, or wei; all without")
    ] = None,
    to: Annotated[
        bytes | None, typer.Option("--to", parser=parse_account, metavar="ADDRESS", help="oneself without")
    ] = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take fees that were earned, ETH."""

    async def work(own: "Account") -> Result[Any]:
        recipient = own.address if to is None else Address(to)
        fees = amount
        if fees is None:
            fees = (await own.reader.orchestrator_state(own.address)).pending_fees
            if fees == 0:
                raise InvalidInput("there are 0 ETH of fees to withdraw")
        return await own.contracts.bonding.withdraw_fees(recipient, Wei(fees), dry_run=dry_run)

    call(config, changes, work, as_json=as_json)


def set_rates(
    reward_cut: Share,
    fee_share: Share,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Set the share of rewards that is kept (--reward-cut) and that of fees which delegators get (--fee-share)."""
    call(
        config,
        changes,
        lambda own: own.contracts.bonding.set_rates(reward_cut, fee_share, dry_run=dry_run),
        as_json=as_json,
    )


def set_uri(
    uri: Annotated[str, typer.Argument(metavar="URI", help="https://host:port")],
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Publish where this key's orchestrator is reached."""
    if not uri.startswith(("https://", "http://")):
        raise typer.BadParameter(f"{uri!r}: expected https://host:port")
    call(config, changes, lambda own: own.contracts.registry.set_service_uri(uri, dry_run=dry_run), as_json=as_json)
