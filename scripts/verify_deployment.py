"""`ape run verify_deployment`: read the whole protocol back from the chain and compare it with what it should be.

With a journal:       ape run verify_deployment --network arbitrum:sepolia:https://...
With addresses only:  ape run verify_deployment --network http://127.0.0.1:8545 --params demo --addresses addresses.json

Exit code 0: everything is as expected. 1: something differs, and is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import project
from ape.cli import ConnectedProviderCommand

from scripts._build import ensure_fresh
from scripts._deployment.checks import recognised, table
from scripts._deployment.command import Address, existing_journal, find_network, overrides, quieten_ape
from scripts._deployment.errors import DeploymentError
from scripts._deployment.governance import GOVERNOR
from scripts._deployment.known import from_addresses, from_journal
from scripts._deployment.site import Site
from scripts._deployment.steps import CONTROLLER, Create
from scripts._environment import complete_path
from scripts._params import InvalidParams
from scripts._protocol import expectation

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@click.option("--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id.")
@overrides
@click.option("--journal", "given", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--addresses", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Instead of a journal.")
@click.option("--owner", type=Address(), help="Who should own the Governor; by default as the journal says.")
@click.option("--paused/--running", "paused", default=None, help="What it should be; by default as the journal says.")
def cli(
    provider: ProviderAPI,
    named: str | None,
    given: Path | None,
    addresses: Path | None,
    owner: str | None,
    paused: bool | None,
    **changed: int | None,
) -> None:
    """Compare a deployed protocol with what it should be."""
    quieten_ape()
    network = find_network(named, provider)
    try:
        network = network.override(**changed)
    except InvalidParams as error:
        raise click.UsageError(str(error)) from error
    ensure_fresh(project)
    site = Site(project, provider)
    try:
        if addresses:
            known = from_addresses(addresses, network)
        else:
            known = from_journal(existing_journal(given, network, provider), site)
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error

    asked = named or any(value is not None for value in changed.values())
    site.know(CONTROLLER, known.addresses[CONTROLLER], CONTROLLER)
    if not site.code(site.addresses[CONTROLLER]):
        raise click.ClickException(f"this chain has no Controller at {site.addresses[CONTROLLER]}")
    if GOVERNOR not in known.addresses:
        raise click.ClickException(
            "the Governor is not there yet: finish the deployment with `ape run deploy`, or name with --addresses a "
            "file that lists it"
        )
    site.know(GOVERNOR, known.addresses[GOVERNOR], GOVERNOR)
    wanted = expectation(
        network.params if asked else known.params,
        profile=network.profile,
        deployer=known.deployer,
        owner=owner or known.owner or str(site.read(GOVERNOR, "owner")),
        paused=paused if paused is not None else not (known.running is None or known.running),
        block=known.block,
    )
    recognised(site, (step for step in wanted.steps if isinstance(step, Create)), known.addresses)
    checks = wanted.check(site)
    differing = [check for check in checks if not check.ok]
    click.echo(table(checks))
    click.echo(f"{len(checks)} facts of chain {provider.chain_id}, {len(differing)} differ")
    for check in differing:
        click.echo(f"  {check}", err=True)
    if differing:
        raise SystemExit(1)
