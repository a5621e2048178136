"""`ape run upgrade <Target>`: new code behind a proxy, which keeps its address, its storage and its ETH.

    ape run upgrade BondingManager --network arbitrum:sepolia:https://... --account deployer

The sources' storage layout and answers are compared with those of the code in force first. If the account does not own
the Controller, the code is created and the call is printed that the owner has to send, for the Governor as an update
that `ape run stage` takes; run it again afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import project
from ape.cli import ConnectedProviderCommand

from scripts._build import ensure_fresh
from scripts._deployment.checks import table
from scripts._deployment.command import (
    checkout_commit,
    commit_told,
    consent,
    existing_journal,
    find_account,
    find_network,
    is_development_chain,
    quieten_ape,
)
from scripts._deployment.errors import DeploymentError, IncompatibleLayout
from scripts._deployment.governance import GOVERNOR
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender, Site
from scripts._deployment.steps import Check
from scripts._deployment.upgrade import Upgrade, layout_in_force, upgrade_of
from scripts._environment import complete_path
from scripts._layouts import Layout, incompatibilities, layout_of
from scripts._params import Params
from scripts._protocol import UPGRADABLE, everything

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
@click.argument("name", metavar="TARGET", type=click.Choice(UPGRADABLE))
@click.option("--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id.")
@click.option("--account", "alias", help="Alias of the Ape account that sends; on anvil the first test account.")
@click.option("--journal", "given", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", "reason", help="Go on with another layout or other answers; the reason goes to the journal.")
@click.option(
    "--update",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the Governor's update to this file, if the Governor owns the Controller.",
)
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
    update: Path | None,
    dry: bool,
    allow_uncommitted: bool,
    confirm_each: bool,
    yes: bool,
) -> None:
    """Put new code behind a proxy."""
    quieten_ape()
    network = find_network(named, provider)
    path = existing_journal(given, network, provider)
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
            upgrade = upgrade_of(
                name, run, everything(Params.from_dict(journal.header.params), journal.header.deployer)
            )
            carry_out(upgrade, layout_of(name), reason=reason, dry=dry, update=update)
        finally:
            journal.close()
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error


def carry_out(
    upgrade: Upgrade, layout: Layout, *, reason: str | None, dry: bool = False, update: Path | None = None
) -> None:
    """:param layout: of the new code.
    :param update: where to write what the Governor has to do, if it owns the Controller.
    """
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
    click.echo(f"{name}: new code at {upgrade.make_code()}; {commit_told(upgrade.site.commit)}", err=True)
    changed = [f"another answer: {check}" for check in upgrade.compare_answers() if not check.ok]
    forced |= objections(name, changed, reason)
    if forced and reason:
        upgrade.run.journal.explain(upgrade.create.key, reason)
    if not upgrade.is_owner():
        ask_the_owner(upgrade, update)
        return
    upgrade.put_in_force()
    report(upgrade.facts())


def ask_the_owner(upgrade: Upgrade, update: Path | None) -> None:
    """Say what the Controller's owner has to do; if that is the Governor, as a file for `ape run stage`."""
    call = upgrade.controller_call()
    click.echo(f"The Controller's owner has to send:\n  to    {call.to}\n  data  {call.data}\n  ({call.text})")
    if upgrade.owner() == upgrade.site.addresses.get(GOVERNOR):
        text = json.dumps(upgrade.decision(), indent=1) + "\n"
        if update is None:
            click.echo(f"That is the Governor. As an update of it:\n{text}", nl=False)
        else:
            update.write_text(text)
        file = update or "FILE"
        click.echo(f"Next: `ape run stage {file} --delay BLOCKS`, then `ape run execute_update {file}`.")
    click.echo("Run this again afterwards to check it.")


def report(checks: list[Check]) -> None:
    """Print what was found; the exit code says whether it is right."""
    click.echo(table(checks))
    if any(not check.ok for check in checks):
        raise SystemExit(1)
