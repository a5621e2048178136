"""`ape run verification_input`: a folder with all that a block explorer asks for (docs/deploy.md).

ape run verification_input --network arbitrum:sepolia:https://... --output .verification
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import project
from ape.cli import ConnectedProviderCommand

from scripts._build import ensure_fresh
from scripts._deployment.checks import recognised
from scripts._deployment.command import existing_journal, find_network, quieten_ape
from scripts._deployment.errors import DeploymentError
from scripts._deployment.known import from_addresses, from_journal
from scripts._deployment.site import Site
from scripts._deployment.standard_json import submissions, write
from scripts._deployment.steps import CONTROLLER, Create
from scripts._environment import complete_path
from scripts._protocol import everything

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@click.option("--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id.")
@click.option("--journal", "given", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--addresses", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Instead of a journal.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path(".verification"))
def cli(provider: ProviderAPI, named: str | None, given: Path | None, addresses: Path | None, output: Path) -> None:
    """Write standard JSON and constructor arguments of every contract."""
    quieten_ape()
    network = find_network(named, provider)
    ensure_fresh(project)
    site = Site(project, provider)
    try:
        if addresses:
            known = from_addresses(addresses, network)
        else:
            known = from_journal(existing_journal(given, network, provider), site)
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error
    creations = [step for step in everything(known.params, known.deployer) if isinstance(step, Create)]
    site.know(CONTROLLER, known.addresses[CONTROLLER], CONTROLLER)
    recognised(site, creations, known.addresses)
    wrong = [step.name for step in creations if not step.code_check(site, site.addresses[step.name]).ok]
    if wrong:
        raise click.ClickException(f"these sources do not give the code on chain of {', '.join(wrong)}")
    write(output, submissions(site, creations))
    click.echo(f"{len(creations)} contracts in {output}")
