"""`ape run deploy`: the whole protocol on a chain, and a file with its addresses.

In-process:           ape run deploy --output addresses.json
On a running node:    ape run deploy --network http://127.0.0.1:8545 --params demo --output addresses.json
On a test network:    ape run deploy --network arbitrum:sepolia:https://... --account deployer

Run again after a failure it goes on where it stopped; run again after that it does nothing (docs/deploy.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape import project
from ape.cli import ConnectedProviderCommand
from eth_utils.address import is_address, to_checksum_address

from scripts._build import ensure_fresh
from scripts._deployment.command import (
    Address,
    checkout_commit,
    consent,
    find_account,
    find_network,
    is_development_chain,
    journal_path,
    mine,
    overrides,
    quieten_ape,
    replaced,
    set_aside,
)
from scripts._deployment.errors import DeploymentError, DifferentPlan, MintingOver
from scripts._deployment.journal import Header, Journal, Record
from scripts._deployment.rehearsal import gas_by_step
from scripts._deployment.run import Run, State
from scripts._deployment.site import Sender, Site
from scripts._deployment.steps import CONTROLLER, Mint, RenounceRole, Step
from scripts._environment import complete_path
from scripts._params import InvalidParams, Params
from scripts._protocol import endowment, everything, genesis, hand_over_to_governance, header_of, opening

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()

LPT = 10**18
GWEI = 10**9
REHEARSED_ROUND_BLOCKS = 20


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


def address_file(addresses: dict[str, str], chain_id: int, block: int) -> dict[str, object]:
    """What those who use the protocol need; the code behind proxies is not among it."""
    contracts = {name: address for name, address in addresses.items() if not name.endswith("Target")}
    return {
        "chain_id": chain_id,
        "controller": contracts.pop(CONTROLLER),
        "contracts": dict(sorted(contracts.items())),
        "block": block,
    }


def open_journal(path: Path | None, begun: Header, asked: set[str], *, restart: bool) -> Journal:
    """The journal to go on with, or a new one.

    :param begun: what a deployment that begins now would begin with.
    :param asked: parts of it that the command names, which must not differ from the journal's.
    :raises DifferentPlan: if one differs.
    """
    if path is None or not path.is_file():
        return Journal.begin(begun, path)
    if restart:
        click.echo(f"the former journal is kept as {set_aside(path)}", err=True)
        return Journal.begin(begun, path)
    journal = Journal.resume(path)
    for part in ("deployer", *sorted(asked)):
        if getattr(journal.header, part) != getattr(begun, part):
            journal.close()
            raise DifferentPlan(
                f"{path}: the deployment began with {part} = {getattr(journal.header, part)}, now {part} = "
                f"{getattr(begun, part)} is wanted. It can only go on as it began; parameters of a protocol that runs "
                "are changed by the Controller's owner"
            )
    return journal


def steps_of(header: Header, journal: Journal, amounts: dict[str, int], *, starts: bool) -> Sequence[Step]:
    params = Params.from_dict(header.params)
    amounts = {**endowment(params), **amounts}
    return [
        *everything(params, header.deployer),
        *(genesis(header.deployer, amounts, journal) if amounts else []),
        *(opening() if starts else []),
        *hand_over_to_governance(params, header.deployer, header.owner),
    ]


def refuse_late_mints(run: Run, steps: Sequence[Step]) -> None:
    """:raises MintingOver: the deployer has given up its rights on the token, so that it can mint for nobody."""
    run.settle(steps)
    late = [step.key for step in steps if isinstance(step, Mint) and run.state(step) is State.TO_DO]
    over = any(isinstance(step, RenounceRole) and run.journal.is_done(step.key) and step.lasting for step in steps)
    if late and over:
        raise MintingOver(late)


def say(step: Step, state: State, record: Record | None) -> None:
    """A line for each step."""
    gas = f"{record.gas_used:>12,} gas" if state is State.SENT and record and record.gas_used else ""
    click.echo(f"  {step.key:<60} {state.value:>6} {gas:>16}  {(record and record.address) or ''}".rstrip(), err=True)


def dry_run(run: Run, steps: Sequence[Step], gas: dict[str, int]) -> None:
    """Print every step with its state; nothing is sent or written."""
    run.settle(steps)
    total, to_do = 0, 0
    for step in steps:
        state = run.state(step)
        to_do += state is State.TO_DO
        cost = gas.get(step.key, 0) if state is State.TO_DO else 0
        total += cost
        click.echo(f"  {step.key:<60} {state.value:>6} " + (f"{cost:>12,} gas" if cost else ""))
    price = run.site.provider.gas_price
    click.echo(f"{len(steps)} steps, {to_do} to do")
    click.echo(
        f"gas: {total:,}; at {price / GWEI:.4f} gwei: {total * price / LPT:.6f} ETH (a rollup adds its data fee)"
    )


@click.command(cls=ConnectedProviderCommand)
@click.option("--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id.")
@overrides
@click.option("--account", "alias", help="Alias of the Ape account that deploys; on anvil the first test account.")
@click.option("--owner", type=Address(), help="Owns the Governor in the end; by default the deployer.")
@click.option(
    "--fund-lpt", "grants", type=Grant(), multiple=True, help="ADDRESS:LPT, minted by a new deployment; on anvil only."
)
@click.option("--start/--no-start", "starts", default=True, help="Unpause and initialise the first round.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the addresses as JSON.")
@click.option(
    "--journal", "given", type=click.Path(dir_okay=False, path_type=Path), help="Instead of deployments/NETWORK.json."
)
@click.option("--restart", is_flag=True, help="Set the journal aside and begin another deployment.")
@click.option("--dry-run", "dry", is_flag=True, help="Print the steps and their gas; send nothing.")
@click.option("--allow-uncommitted", is_flag=True, help="Deploy sources that are in no commit, and register none.")
@click.option("--confirm-each", is_flag=True, help="Confirm every transaction instead of unlocking the key once.")
@click.option("--yes", is_flag=True, help="Do not ask before the first transaction.")
def cli(
    provider: ProviderAPI,
    named: str | None,
    alias: str | None,
    owner: str | None,
    grants: tuple[tuple[str, int], ...],
    starts: bool,
    output: Path | None,
    given: Path | None,
    restart: bool,
    dry: bool,
    allow_uncommitted: bool,
    confirm_each: bool,
    yes: bool,
    **changed: int | None,
) -> None:
    """Deploy the protocol and print or write its addresses."""
    quieten_ape()
    network = find_network(named, provider)
    try:
        overridden = network.override(**changed)
    except InvalidParams as error:
        raise click.UsageError(str(error)) from error
    for line in replaced(network, overridden):
        click.echo(line, err=True)
    network = overridden
    on_anvil = is_development_chain(provider)
    if grants and not on_anvil:
        raise click.UsageError("--fund-lpt is for anvil only")
    if network.profile == "production" and owner is None:
        raise click.UsageError("a production network needs --owner: no single key may own the Governor")
    account = find_account(alias, provider)
    amounts: dict[str, int] = {}
    for address, amount in grants:
        amounts[address] = amounts.get(address, 0) + amount

    ensure_fresh(project)
    try:
        site = Site(project, provider, commit=checkout_commit(network, allow_uncommitted=allow_uncommitted))
        begun = header_of(site, str(account.address), network.params, network=network.name, owner=owner)
        asked = {"owner"} if owner else set()
        if named or any(value is not None for value in changed.values()):
            asked.add("params")
        path = journal_path(given, network, provider)
        if dry and (restart or path is None or not path.is_file()):
            path = None
        journal = open_journal(path, begun, asked, restart=restart)
        try:
            journal.check_chain(site)
            site.commit = bytes.fromhex(journal.header.commit)
            steps = steps_of(journal.header, journal, amounts, starts=starts)
            run = Run(
                site=site,
                sender=Sender(
                    account,
                    site,
                    consent=consent(
                        account,
                        provider,
                        f"deploy with the parameters of {journal.header.network}",
                        asks=not (yes or on_anvil),
                        each=confirm_each,
                    ),
                ),
                journal=journal,
                report=say,
                mine=(lambda blocks: mine(provider, blocks)) if on_anvil else None,
            )
            if dry:
                run.journal = journal.in_memory()
            refuse_late_mints(run, steps)
            if dry:
                dry_run(run, steps, rehearse(provider, journal.header, amounts, starts=starts))
                return
            run.run(steps)
        finally:
            journal.close()
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error

    text = json.dumps(address_file(site.addresses, provider.chain_id, journal.header.block), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
    where = "printed above" if output is None else f"in {output}"
    click.echo(f"deployed: {len(site.addresses)} contracts, the addresses are {where}", err=True)
    if path is not None:
        click.echo(f"the journal, which a later run goes by: {path}", err=True)
        click.echo("next: ape run verify_deployment, with the same --network and --params", err=True)


def rehearse(provider: ProviderAPI, header: Header, amounts: dict[str, int], *, starts: bool) -> dict[str, int]:
    """Gas by step."""
    # A chain that begins at block 0 would have to be made longer by a whole round first.
    length = min(header.params["round_length_blocks"], REHEARSED_ROUND_BLOCKS)
    params = Params.from_dict({**header.params, "round_length_blocks": length})

    def begin(site: Site, deployer: str) -> Journal:
        return Journal.begin(header_of(site, deployer, params, owner=header.owner))

    def plan(_: str, journal: Journal) -> Sequence[Step]:
        return steps_of(journal.header, journal, amounts, starts=starts)

    return gas_by_step(project, provider, begin, plan, deployer=header.deployer)
