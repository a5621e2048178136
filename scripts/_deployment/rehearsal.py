"""What a deployment would cost: the same steps on a chain of its own that is thrown away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ape import accounts, networks

from scripts._deployment.command import ends_with_the_command, mine
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender, Site
from scripts._deployment.steps import Step

if TYPE_CHECKING:
    from ape.api import ProviderAPI
    from ape.managers.project import ProjectManager

Plan = Callable[[str, Journal], Sequence[Step]]


@contextlib.contextmanager
def throw_away_chain(provider: ProviderAPI) -> Iterator[ProviderAPI]:
    """A local chain; the connected one, set back afterwards, if it ends with the command anyway."""
    if ends_with_the_command(provider):
        state = provider.make_request("evm_snapshot", [])
        try:
            yield provider
        finally:
            provider.make_request("evm_revert", [state])
        return
    with networks.ethereum.local.use_provider("foundry") as local:
        yield local


def gas_by_step(
    project: ProjectManager,
    provider: ProviderAPI,
    begin: Callable[[Site, str], Journal],
    plan: Plan,
    *,
    deployer: str,
) -> dict[str, int]:
    """Gas of each step of a complete deployment. On a rollup the price of publishing the data comes on top.

    :param deployer: who will do it in earnest; here a test account does.
    """
    with throw_away_chain(provider) as local:
        account = accounts.test_accounts[0]
        site = Site(project, local)
        journal = begin(site, str(account.address))
        steps = plan(str(account.address), journal)
        Run(site=site, sender=Sender(account, site), journal=journal, mine=lambda blocks: mine(local, blocks)).run(
            steps
        )
        actor = str(account.address)
        return {key.replace(actor, deployer): record.gas_used or 0 for key, record in journal.records.items()}
