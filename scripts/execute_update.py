"""`ape run execute_update FILE`: carry out a staged update of the Governor, once its delay is over. Anybody may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import GOVERNOR
from scripts._deployment.steps import ROUNDS
from scripts._environment import complete_path
from scripts._governance.decision import load_decision
from scripts._governance.desk import decision_file, desk, options
from scripts._governance.errors import Refused
from scripts._governance.preview import changes_of_update

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@options
def cli(provider: ProviderAPI, file: Path, **common: Any) -> None:
    """Carry out a staged update of the protocol."""
    with desk(provider, f"execute {file}", **common) as at:
        decision = load_decision(file, at.site, proposal=False)
        click.echo(f"Update 0x{decision.update_id.hex()}, nonce {decision.nonce}: {decision.said}".rstrip(": "))
        at.say_calls(decision)
        due = int(at.site.read(GOVERNOR, "updates", decision.update_id))
        if due == 0:
            raise Refused(f"it is not staged, or was executed or cancelled: `ape run stage {file} --delay BLOCKS`")
        # As the contracts count blocks, which on a rollup is not as the node does.
        now = int(at.site.read(ROUNDS, "blockNum"))
        if now < due:
            raise Refused(f"its delay ends with block {due}, in {due - now} blocks")
        at.say_changes(changes_of_update(at.site, decision))
        # The Governor keeps no ETH: what its calls send comes with this one.
        if at.send("execute", GOVERNOR, "execute", decision.update, value_wei=decision.value_wei):
            click.echo("Done. Next: `ape run verify_deployment` shows what is now not as the parameters say.")
