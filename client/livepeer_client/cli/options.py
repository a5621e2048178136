"""Options that many commands have, and the settings they lead to."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from livepeer_client.codec.address import parse_address
from livepeer_client.codec.amounts import parse_units
from livepeer_client.config import Sources, gather
from livepeer_client.errors import InvalidInput
from livepeer_client.types import Address

Config = Annotated[Path, typer.Option("--config", metavar="FILE", envvar="LIVEPEER_CONFIG", help="settings, TOML")]
AnyConfig = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", envvar="LIVEPEER_CONFIG", help="settings of any node: [chain] and [key]"),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TABLE.KEY=VALUE", help="before the environment's LIVEPEER_TABLE_KEY and the file"),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object, keys as in docs/cli.md")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would happen and cost; send nothing")]

GWEI = 9
_UNITS = {"eth": 18, "lpt": 18, "gwei": GWEI, "wei": 0}


def group(help_: str) -> typer.Typer:
    """Commands under one name."""
    return typer.Typer(help=help_, no_args_is_help=True, pretty_exceptions_enable=False)


def sources(changes: Sequence[str] | None) -> Sources:
    """:raises ConfigError: an option --set of another form."""
    return gather(os.environ, changes or [])


def parse_eth(text: str) -> int:
    """`1.5eth`, `20gwei`, or wei as an integer; exactly."""
    return _amount(text, ("eth", "gwei", "wei"), "1.5eth")


def parse_lpt(text: str) -> int:
    """`10lpt`, or LPT wei as an integer; exactly."""
    return _amount(text, ("lpt", "wei"), "10lpt")


def _amount(text: str, units: Sequence[str], example: str) -> int:
    stripped = text.strip().lower()
    for unit in sorted(units, key=len, reverse=True):
        if stripped.endswith(unit):
            number = stripped.removesuffix(unit).strip()
            try:
                return parse_units(number, _UNITS[unit])
            except InvalidInput as error:
                raise typer.BadParameter(f"{text!r}: {error}; write {example}") from None
    if not (stripped.isascii() and stripped.isdecimal()):
        # Without a unit only wei, so that nobody sends a wei where a token was meant, or the other way round.
        raise typer.BadParameter(f"{text!r}: expected an amount such as {example}, or wei as an integer")
    return int(stripped)


def parse_account(text: str) -> Address:
    """An address in hex; its checksum counts if it has one."""
    try:
        return parse_address(text)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None


Eth = Annotated[int | None, typer.Option(parser=parse_eth, metavar="ETH", help="such as 1.5eth, or wei")]
Account = Annotated[bytes, typer.Argument(parser=parse_account, metavar="ADDRESS")]
"""20 bytes."""
