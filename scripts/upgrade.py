"""`ape run upgrade <Target>`: new code behind a proxy, which keeps its address, its storage and its ETH.

    ape run upgrade BondingManager --network arbitrum:sepolia:https://... --account deployer

The sources' storage layout and answers are compared with those of the code in force first. If the account does not own
the Controller, the code is created and the call is printed that the owner has to send; run it again afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import project
from ape.cli import ConnectedProviderCommand

from scripts._build import ensure_fresh
from scripts._deployment.checks import Check, table
from scripts._deployment.command import (
    checkout_commit,
    consent,
    find_account,
    find_network,
    is_development_chain,
    journal_path,
    quieten_ape,
)
from scripts._deployment.errors import DeploymentError, IncompatibleLayout
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender, Site
from scripts._deployment.upgrade import Upgrade, layout_in_force, upgrade_of
from scripts._environment import complete_path
from scripts._layouts import Layout, incompatibilities, layout_of
from scripts._params import Params
from scripts._protocol import PROXIED, construction

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


def objections(name: str, problems: list[str], reason: str | None) -> bool:
    """Whether there are any. Without a reason to go on all the same they end the upgrade.

    :raises IncompatibleLayout: for any problem, if there is no reason.
    """
    for problem in problems:
        click.echo(f"  {problem}", err=True)
    if problems and not reason:
        raise IncompatibleLayout(name, [*problems, "--force REASON goes on all the same"])
    return bool(problems)


@click.command(cls=ConnectedProviderCommand)
@click.argument("name", metavar="TARGET", type=click.Choice(PROXIED))
@click.option("--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id.")
@click.option("--account", "alias", help="Alias of the Ape account that sends; on anvil the first test account.")
@click.option("--journal", "given", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", "reason", help="Go on with another layout or other answers; the reason goes to the journal.")
@click.option("--dry-run", "dry", is_flag=True, help="Compare the layouts and stop; send nothing.")
@click.option("--allow-uncommitted", is_flag=True, help="Deploy sources that are in no commit, and register none.")
@click.option("--confirm-each", is_flag=True, help="Confirm every transaction instead of unlocking the key once.")
@click.option("--yes", is_flag=True, help="Do not ask before the first transaction.")
def cli(
    provider: ProviderAPI,
    name: str,
    named: str | None,
    alias: str | None,
    given: Path | None,
    reason: str | None,
    dry: bool,
    allow_uncommitted: bool,
    confirm_each: bool,
    yes: bool,
) -> None:
    """Put new code behind a proxy."""
    quieten_ape()
    network = find_network(named, provider)
    path = journal_path(given, network, provider)
    if path is None or not path.is_file():
        raise click.UsageError(f"there is no journal {path or ''}: name the one of the deployment with --journal")
    account = find_account(alias, provider)
    ensure_fresh(project)
    try:
        site = Site(project, provider, commit=checkout_commit(network, allow_uncommitted=allow_uncommitted))
        asks = not (yes or is_development_chain(provider))
        sender = Sender(
            account, site, consent=consent(account, provider, f"upgrade {name}", asks=asks, each=confirm_each)
        )
        journal = Journal.resume(path)
        try:
            journal.check_chain(site)
            run = Run(site=site, sender=sender, journal=journal)
            upgrade = upgrade_of(name, run, construction(Params.from_dict(journal.header.params)))
            carry_out(upgrade, layout_of(name), reason=reason, dry=dry)
        finally:
            journal.close()
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error


def carry_out(upgrade: Upgrade, layout: Layout, *, reason: str | None, dry: bool = False) -> None:
    """:param layout: of the new code."""
    name = upgrade.create.contract
    if dry:
        upgrade.run.journal = upgrade.run.journal.in_memory()
    upgrade.prepare()
    running = upgrade.in_force()
    if not upgrade.is_new():
        click.echo(f"{name}: the code at {running} is what the sources give", err=True)
        report(upgrade.facts())
        return
    old = layout_in_force(upgrade.registered_commit(), name)
    forced = objections(name, incompatibilities(old, layout), reason)
    click.echo(f"{name}: the code at {running} can be replaced", err=True)
    if dry:
        return
    click.echo(f"{name}: new code at {upgrade.make_code()}", err=True)
    changed = [f"another answer: {check}" for check in upgrade.compare_answers() if not check.ok]
    forced |= objections(name, changed, reason)
    if forced and reason:
        upgrade.run.journal.explain(upgrade.create.key, reason)
    if not upgrade.is_owner():
        call = upgrade.controller_call()
        click.echo(f"The Controller's owner has to send:\n  to    {call.to}\n  data  {call.data}\n  ({call.text})")
        click.echo("Run this again afterwards to check it.")
        return
    upgrade.put_in_force()
    report(upgrade.facts())


def report(checks: list[Check]) -> None:
    """Print what was found; the exit code says whether it is right."""
    click.echo(table(checks))
    if any(not check.ok for check in checks):
        raise SystemExit(1)
