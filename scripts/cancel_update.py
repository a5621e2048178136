"""`ape run cancel_update FILE`: take a staged update of the Governor back. Its owner only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import GOVERNOR
from scripts._environment import complete_path
from scripts._governance.decision import load_decision
from scripts._governance.desk import decision_file, desk, options
from scripts._governance.errors import Refused

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@options
def cli(provider: ProviderAPI, file: Path, **common: Any) -> None:
    """Take a staged update of the protocol back."""
    with desk(provider, f"cancel {file}", **common) as at:
        decision = load_decision(file, at.site, proposal=False)
        click.echo(f"Update 0x{decision.update_id.hex()}, nonce {decision.nonce}: {decision.said}".rstrip(": "))
        at.say_calls(decision)
        if int(at.site.read(GOVERNOR, "updates", decision.update_id)) == 0:
            raise Refused("it is not staged, or was executed or cancelled: there is nothing to take back")
        if not at.owns_governor():
            at.print_for_the_owner("cancel", decision.update)
            return
        if at.send("cancel", GOVERNOR, "cancel", decision.update):
            click.echo("Done: nobody can execute it. It may be staged again.")
