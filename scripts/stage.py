"""`ape run stage FILE --delay BLOCKS`: announce an update of the Governor, which owns the protocol.

    ape run stage update.json --dry-run                  # what it would change
    ape run stage update.json --delay 50400 --account NAME

The file is described in docs/deploy.md. If the account does not own the Governor, the call is printed instead, for
whoever does.
"""

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
from scripts._governance.preview import changes_of_update

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@click.option("--delay", type=click.IntRange(min=0), help="Blocks until anybody may execute it; of L1 on Arbitrum.")
@options
def cli(provider: ProviderAPI, file: Path, delay: int | None, **common: Any) -> None:
    """Announce an update of the protocol."""
    with desk(provider, f"stage {file}", **common) as at:
        if delay is None and not at.dry:
            raise click.UsageError("--delay BLOCKS is missing: how long everybody can see it coming")
        decision = load_decision(file, at.site, proposal=False)
        click.echo(f"Update 0x{decision.update_id.hex()}, nonce {decision.nonce}: {decision.said}".rstrip(": "))
        at.say_calls(decision)
        at.say_changes(changes_of_update(at.site, decision))
        if due := int(at.site.read(GOVERNOR, "updates", decision.update_id)):
            raise Refused(
                f"it is staged and due at block {due}; an equal one needs another nonce. Next: `ape run execute_update "
                f"{file}` or `ape run cancel_update {file}`"
            )
        if not at.owns_governor():
            at.print_for_the_owner("stage", decision.update, delay or 0)
            return
        if at.send("stage", GOVERNOR, "stage", decision.update, delay or 0):
            due = int(at.site.read(GOVERNOR, "updates", decision.update_id))
            click.echo(f"Anybody may execute it from block {due} on; its owner may cancel it until then and after.")
            click.echo(f"Next: `ape run execute_update {file}`, or `ape run cancel_update {file}`.")
