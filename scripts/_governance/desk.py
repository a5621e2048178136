"""What the commands of governance have in common: the deployment they are about, and who sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape import project
from ape.exceptions import ApeException

from scripts._build import ensure_fresh
from scripts._deployment.checks import recognised
from scripts._deployment.command import (
    consent,
    existing_journal,
    find_account,
    find_network,
    is_development_chain,
    quieten_ape,
)
from scripts._deployment.errors import DeploymentError, StepFailed
from scripts._deployment.governance import GOVERNOR, VOTING
from scripts._deployment.known import from_addresses, from_journal
from scripts._deployment.printing import harmless
from scripts._deployment.site import Answer, Sender, Site
from scripts._deployment.steps import CONTROLLER, Create, Register, contract_id
from scripts._governance.decision import Decision
from scripts._governance.errors import Refused
from scripts._governance.preview import Change, names_of
from scripts._governance.values import EXACT
from scripts._params import Params
from scripts._protocol import everything

if TYPE_CHECKING:
    from ape.api import ProviderAPI, ReceiptAPI, TransactionAPI

STATES = ("Pending", "Active", "Canceled", "Defeated", "Succeeded", "Queued", "Expired", "Executed")
PENDING, ACTIVE, CANCELED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
LPT = 10**18


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those that every command of governance has."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask before the transaction."),
        click.option("--dry-run", "dry", is_flag=True, help="Say what it would do; send nothing."),
        click.option(
            "--account", "alias", help="Alias of the Ape account that sends; on anvil the first test account."
        ),
        click.option(
            "--addresses",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Instead of a journal: what `ape run deploy --output` wrote.",
        ),
        click.option("--journal", "given", type=click.Path(dir_okay=False, path_type=Path), help="Of the deployment."),
        click.option(
            "--params", "named", help="Name in scripts/_networks or a file; by default the one with the chain's id."
        ),
    ):
        command = option(command)
    return command


decision_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@dataclass(slots=True, kw_only=True)
class Desk:
    """One deployment and one account."""

    site: Site
    sender: Sender
    dry: bool

    @property
    def round(self) -> int:
        return int(self.site.read(VOTING, "clock"))

    def state(self, proposal: int) -> int:
        """:raises Refused: if nobody proposed it."""
        if int(self.site.read(VOTING, "proposalSnapshot", proposal)) == 0:
            raise Refused(f"there is no proposal {proposal}: is the file as it was proposed? `ape run propose FILE`")
        return int(self.site.read(VOTING, "state", proposal))

    def window(self, proposal: int) -> tuple[int, int]:
        """First and last round in which votes are taken."""
        snapshot = int(self.site.read(VOTING, "proposalSnapshot", proposal))
        return snapshot + 1, int(self.site.read(VOTING, "proposalDeadline", proposal))

    def tally(self, proposal: int) -> str:
        against, in_favour, abstain = (int(value) for value in self.site.read(VOTING, "proposalVotes", proposal))
        figures = f"for {lpt(in_favour)}, against {lpt(against)}, abstain {lpt(abstain)}"
        snapshot = int(self.site.read(VOTING, "proposalSnapshot", proposal))
        if snapshot >= self.round:
            return figures
        return f"{figures}; the quorum is {lpt(int(self.site.read(VOTING, 'quorum', snapshot)))}"

    # --- sending ----------------------------------------------------------------------------------

    def try_out(self, transaction: TransactionAPI) -> Answer:
        """:raises Refused: if the chain would."""
        answer = self.site.attempt(
            {
                "from": self.sender.address,
                "to": str(transaction.receiver),
                "data": "0x" + bytes(transaction.data).hex(),
                "value": hex(transaction.value),
            }
        )
        if not answer.ok:
            raise Refused(f"the contract would refuse it: {answer.reason}")
        return answer

    def send(self, what: str, name: str, method: str, *arguments: object, value_wei: int = 0) -> bool:
        """Try it, and unless this is a dry run send it. False if nothing was sent.

        :raises DeploymentError: if it is refused or fails.
        """
        transaction = self.site.call(name, method, *arguments)
        transaction.value = value_wei
        self.try_out(transaction)
        if self.dry:
            click.echo(f"dry run: {what} would work now; nothing was sent")
            return False
        try:
            nonce = self.site.transactions_of(self.sender.address, "pending")
            receipt: ReceiptAPI = self.sender.send(self.sender.sign(transaction, nonce))
        except ApeException as error:
            raise StepFailed(what, str(error)) from error
        click.echo(f"{what}: {receipt.txn_hash} in block {receipt.block_number}, {receipt.gas_used:,} gas")
        return True

    def owns_governor(self) -> bool:
        return str(self.site.read(GOVERNOR, "owner")) == self.sender.address

    def print_for_the_owner(self, method: str, *arguments: object) -> None:
        """What the Governor's owner has to send, if that is somebody else."""
        data = bytes(self.site.call(GOVERNOR, method, *arguments).data)
        click.echo(
            f"{self.sender.address} does not own the {GOVERNOR}. Its owner {self.site.read(GOVERNOR, 'owner')} has to "
            f"send:\n  to    {self.site.addresses[GOVERNOR]}\n  data  0x{data.hex()}"
        )

    # --- telling ----------------------------------------------------------------------------------

    def say_calls(self, decision: Decision) -> None:
        for i, call in enumerate(decision.calls):
            click.echo(f"  {i + 1}. {call.text(names_of(self.site))}")

    def say_changes(self, changes: list[Change]) -> None:
        click.echo("What it changes, tried on the present state:")
        for change in changes:
            click.echo(f"  {change}")
        if not changes:
            click.echo("  nothing that a view of these contracts shows")


def _check_registry(site: Site, params: Params, deployer: str) -> None:
    """A decision calls contracts by name, and must not reach one that the protocol has since replaced. The code behind
    proxies may differ: nobody calls it.

    :raises DeploymentError: for the first that the Controller knows elsewhere.
    """
    for step in everything(params, deployer):
        if not isinstance(step, Register) or step.name.endswith("Target"):
            continue
        known, registered = (
            site.addresses[step.entry or step.name],
            site.read(CONTROLLER, "getContract", contract_id(step.name)),
        )
        if known != str(registered):
            raise DeploymentError(
                f"the deployment has {step.name} at {known}, the Controller now at {registered}: give the addresses "
                "that are in force in a file with --addresses"
            )


def lpt(amount: int) -> str:
    """Exactly, in LPT whatever its size, so that figures beside one another compare at a glance."""
    return f"{EXACT.divide(amount, LPT).normalize(EXACT):,f} LPT"


def moment(unix: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix))


@contextmanager
def desk(
    provider: ProviderAPI,
    what: str,
    *,
    named: str | None,
    given: Path | None,
    addresses: Path | None,
    alias: str | None,
    dry: bool,
    yes: bool,
) -> Iterator[Desk]:
    """Of the deployment that the options name. What stops a command is told as a message."""
    quieten_ape()
    network = find_network(named, provider)
    account = find_account(alias, provider)
    ensure_fresh(project)
    site = Site(project, provider)
    try:
        if addresses:
            known = from_addresses(addresses, network)
        else:
            known = from_journal(existing_journal(given, network, provider), site)
        site.know(CONTROLLER, known.addresses[CONTROLLER], CONTROLLER)
        if not site.code(site.addresses[CONTROLLER]):
            raise DeploymentError(f"this chain has no Controller at {site.addresses[CONTROLLER]}")
        plan = [step for step in everything(known.params, known.deployer) if isinstance(step, Create)]
        recognised(site, plan, known.addresses)
        for name in (GOVERNOR, VOTING):
            if not site.code(site.addresses[name]):
                raise DeploymentError(f"this deployment has no {name}: finish it with `ape run deploy`")
        _check_registry(site, known.params, known.deployer)
        asks = not (yes or is_development_chain(provider))
        ask = consent(account, provider, what, asks=asks, each=False)
        yield Desk(site=site, sender=Sender(account, site, consent=ask), dry=dry)
    except DeploymentError as error:
        # It may tell a contract's reason, which is whatever that contract likes.
        raise click.ClickException(harmless(str(error))) from error
