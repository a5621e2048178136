"""What the commands have in common: which network, which account, which journal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape import accounts
from ape.exceptions import AccountsError
from ape.logging import LogLevel, logger
from eth_utils.address import is_address, to_checksum_address

from scripts._deployment.errors import DeploymentError
from scripts._deployment.site import NO_COMMIT
from scripts._environment import ROOT
from scripts._params import NETWORKS, InvalidParams, Network, load

if TYPE_CHECKING:
    from ape.api import AccountAPI, ProviderAPI

JOURNALS = ROOT / "deployments"
ETH = 10**18


class Address(click.ParamType):
    name = "ADDRESS"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_address(value):
            self.fail(f"{value!r} is not an address", param, ctx)
        return str(to_checksum_address(value))


def overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that replace single parameters of the network's file."""
    for name in (
        "ticket-validity-period-rounds",
        "num-active-transcoders",
        "unbonding-period-rounds",
        "unlock-period-rounds",
        "round-length-blocks",
    ):
        command = click.option(f"--{name}", type=int, help="Instead of the figure of --params.")(command)
    return command


def replaced(before: Network, after: Network) -> list[str]:
    """A line for every parameter that is not what the network's file says."""
    return [
        f"{name} = {value} instead of {before.params.as_dict()[name]} in {before.name}.toml"
        for name, value in after.params.as_dict().items()
        if value != before.params.as_dict()[name]
    ]


def quieten_ape() -> None:
    """Leave out what Ape says of every transaction, unless its level was set otherwise."""
    if logger.level == LogLevel.INFO:
        logger.set_level(LogLevel.WARNING)


# --- the chain ------------------------------------------------------------------------------------


def is_development_chain(provider: ProviderAPI) -> bool:
    """True for anvil, in-process or not: the only kind of chain on which blocks and LPT come on demand."""
    return str(provider.make_request("web3_clientVersion", [])).startswith("anvil/")


def ends_with_the_command(provider: ProviderAPI) -> bool:
    """True for a chain that Ape has started and will stop."""
    return getattr(provider, "process", None) is not None


def mine(provider: ProviderAPI, blocks: int) -> None:
    provider.make_request("anvil_mine", [hex(blocks)])


# --- the network ----------------------------------------------------------------------------------


def find_network(named: str | None, provider: ProviderAPI) -> Network:
    """The network of `--params`: a name in `scripts/_networks` or a file; else the one with the chain's id.

    :raises click.UsageError: if there is none, or it is not for this chain.
    """
    chain_id = int(provider.chain_id)
    try:
        if named is None:
            network = _network_of(chain_id, provider)
        else:
            network = NETWORKS[named] if named in NETWORKS else load(Path(named))
    except FileNotFoundError as error:
        raise click.UsageError(f"--params {named}: no such file, and none of {', '.join(NETWORKS)}") from error
    except InvalidParams as error:
        raise click.UsageError(str(error)) from error
    if network.chain_id is not None and network.chain_id != chain_id:
        raise click.UsageError(f"{network.name} is for chain {network.chain_id}, this is chain {chain_id}")
    if network.profile == "development" and not is_development_chain(provider):
        raise click.UsageError(f"{network.name} is for development chains: its values are not safe on chain {chain_id}")
    return network


def _network_of(chain_id: int, provider: ProviderAPI) -> Network:
    for network in NETWORKS.values():
        if network.chain_id == chain_id:
            return network
    if is_development_chain(provider):
        return NETWORKS["local"]
    raise click.UsageError(f"no parameters are known for chain {chain_id}: name a file with --params")


def journal_path(given: Path | None, network: Network, provider: ProviderAPI) -> Path | None:
    """None: in memory, for a chain that ends with the command."""
    if given is not None:
        return given
    if ends_with_the_command(provider):
        return None
    return JOURNALS / (f"dev-{provider.chain_id}.json" if network.chain_id is None else f"{network.name}.json")


def existing_journal(given: Path | None, network: Network, provider: ProviderAPI) -> Path:
    """:raises click.UsageError: if there is none, with the option that would name one."""
    path = journal_path(given, network, provider)
    if path is None:
        raise click.UsageError(
            "Ape has started a chain for this command alone, on which nothing is deployed: say with --network where "
            "the deployment is, such as --network http://127.0.0.1:8545"
        )
    if not path.is_file():
        raise click.UsageError(f"there is no journal {path}: name the one of the deployment with --journal")
    return path


def set_aside(path: Path) -> Path:
    """Rename a journal that is not wanted any more, so that nothing is lost."""
    number = 1
    while (kept := path.with_suffix(f".{number}.old")).exists():
        number += 1
    return path.rename(kept)


# --- the account ----------------------------------------------------------------------------------


def find_account(alias: str | None, provider: ProviderAPI) -> AccountAPI:
    """An account that Ape keeps; on anvil also `TEST::N`, by default the first of them."""
    if alias:
        try:
            if is_development_chain(provider) and (test := re.fullmatch(r"TEST::(\d+)", alias)):
                return accounts.test_accounts[int(test[1])]
            return accounts.load(alias)
        except (AccountsError, KeyError) as error:
            raise click.UsageError(
                f"Ape has no account {alias!r}: see `ape accounts list`, on anvil also TEST::0 to TEST::9"
            ) from error
    if not is_development_chain(provider):
        raise click.UsageError("name an Ape account with --account")
    return accounts.test_accounts[0]


def consent(account: AccountAPI, provider: ProviderAPI, what: str, *, asks: bool, each: bool) -> Callable[[], None]:
    """Ask before the first transaction, and unlock the key then, so that a run with nothing to send asks nothing.

    :param each: every transaction is confirmed by itself instead of unlocking the key once.
    """

    def ask() -> None:
        click.echo(
            f"{what} on chain {provider.chain_id} from {account.address} "
            f"({provider.get_balance(account.address) / ETH:.6f} ETH)",
            err=True,
        )
        if asks:
            click.confirm("Send transactions?", abort=True, err=True)
        if not each and hasattr(account, "set_autosign"):
            account.set_autosign(True)

    return ask


# --- the sources ----------------------------------------------------------------------------------


def checkout_commit(network: Network, *, allow_uncommitted: bool) -> bytes:
    """The git hash of the sources; zeros outside a git checkout and for sources that differ from the commit.

    :raises DeploymentError: for such sources on a public network, unless allowed.
    """
    head = _git("rev-parse", "HEAD")
    if head is None:
        return NO_COMMIT
    if not _git("status", "--porcelain", "--", "contracts"):
        return bytes.fromhex(head)
    if network.profile != "development" and not allow_uncommitted:
        raise DeploymentError(
            "contracts/ differs from the commit that the registry would name: commit first, or pass "
            "--allow-uncommitted to register no commit"
        )
    return NO_COMMIT


def commit_told(commit: bytes) -> str:
    """What the registry will say of the code's source, as a line."""
    if commit != NO_COMMIT:
        return f"the registry names commit {commit.hex()}"
    return "the registry names no commit: contracts/ differs from the one checked out, or this is no git checkout"


def _git(*arguments: str) -> str | None:
    try:
        git = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return git.stdout.strip() if git.returncode == 0 else None
