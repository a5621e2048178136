"""`ape run deploy`: the whole protocol on a chain, and a file with its addresses.

In-process:           ape run deploy --output addresses.json
On a running node:    ape run deploy --network http://127.0.0.1:8545 --params demo --output addresses.json
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import accounts, project
from ape.cli import ConnectedProviderCommand
from ape.exceptions import AccountsError
from eth_utils.address import is_address, to_checksum_address

from scripts._build import ensure_fresh
from scripts._params import NETWORKS, InvalidParams, Params
from scripts._protocol import NO_COMMIT, Protocol, deploy, mint_tokens, start

if TYPE_CHECKING:
    from ape.api import AccountAPI, ProviderAPI

LPT = 10**18


class Grant(click.ParamType):
    """ADDRESS:AMOUNT, the amount in whole LPT."""

    name = "ADDRESS:AMOUNT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        address, _, amount = value.partition(":")
        if not is_address(address) or not amount.isdecimal():
            self.fail(f"{value!r} is not an address, a colon and a whole number of LPT", param, ctx)
        return str(to_checksum_address(address)), int(amount) * LPT


def is_development_chain(provider: ProviderAPI) -> bool:
    """True for anvil, in-process or not: the only kind of chain on which blocks and LPT come on demand."""
    return bool(re.match(r"anvil/", provider.make_request("web3_clientVersion", [])))


def mine(provider: ProviderAPI, blocks: int) -> None:
    if not is_development_chain(provider):
        raise click.ClickException(f"round 0 cannot be initialised: wait {blocks} blocks, or deploy with --no-start")
    provider.make_request("anvil_mine", [hex(blocks)])


def find_deployer(alias: str | None, provider: ProviderAPI) -> AccountAPI:
    if alias:
        return accounts.load(alias)
    if not is_development_chain(provider):
        raise click.UsageError("name an Ape account with --account")
    return accounts.test_accounts[0]


def checkout_commit(root: Path) -> bytes:
    """The git hash of the sources; zeros outside a git checkout."""
    git = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return bytes.fromhex(git.stdout.strip()) if git.returncode == 0 else NO_COMMIT


def address_file(protocol: Protocol, chain_id: int) -> dict[str, object]:
    addresses = protocol.addresses()
    return {
        "chain_id": chain_id,
        "controller": addresses.pop("Controller"),
        "contracts": dict(sorted(addresses.items())),
        "block": protocol.block,
    }


@click.command(cls=ConnectedProviderCommand)
@click.option("--params", "kind", type=click.Choice(sorted(NETWORKS)), default="local", show_default=True)
@click.option("--round-length-blocks", type=int, help="Instead of the figure of --params.")
@click.option("--unlock-period-rounds", type=int, help="Instead of the figure of --params.")
@click.option("--unbonding-period-rounds", type=int, help="Instead of the figure of --params.")
@click.option("--num-active-transcoders", type=int, help="Instead of the figure of --params.")
@click.option("--ticket-validity-period-rounds", type=int, help="Instead of the figure of --params.")
@click.option("--account", "alias", help="Alias of the Ape account that deploys; on anvil the first test account.")
@click.option("--fund-lpt", "grants", type=Grant(), multiple=True, help="Mint whole LPT; on anvil only.")
@click.option("--start/--no-start", "starts", default=True, help="Unpause and initialise the first round.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the addresses as JSON.")
def cli(
    provider: ProviderAPI,
    kind: str,
    alias: str | None,
    grants: tuple[tuple[str, int], ...],
    starts: bool,
    output: Path | None,
    **overrides: int | None,
) -> None:
    """Deploy the protocol and print or write its addresses."""
    try:
        params: Params = NETWORKS[kind].override(**overrides)
    except InvalidParams as error:
        raise click.UsageError(str(error)) from error
    if grants and not is_development_chain(provider):
        raise click.UsageError("--fund-lpt is for anvil only")
    try:
        deployer = find_deployer(alias, provider)
    except AccountsError as error:
        raise click.UsageError(str(error)) from error

    ensure_fresh(project)
    protocol = deploy(project, deployer, params, commit=checkout_commit(Path(project.path)))
    if grants:
        totals: dict[str, int] = {}
        for account, amount in grants:
            totals[account] = totals.get(account, 0) + amount
        mint_tokens(protocol, deployer, totals)
    if starts:
        start(protocol, deployer, lambda blocks: mine(provider, blocks))

    text = json.dumps(address_file(protocol, provider.chain_id), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
