"""`ape run execute FILE`: let the treasury do what a queued proposal says, once its delay is over. Anybody may.

For an update of the Governor: `ape run execute_update FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import VOTING
from scripts._environment import complete_path
from scripts._governance.decision import load_decision
from scripts._governance.desk import QUEUED, STATES, SUCCEEDED, decision_file, desk, moment, options
from scripts._governance.errors import Refused
from scripts._governance.preview import changes_of_proposal

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@options
def cli(provider: ProviderAPI, file: Path, **common: Any) -> None:
    """Let the treasury do what a queued proposal says."""
    with desk(provider, f"execute {file}", **common) as at:
        decision = load_decision(file, at.site, proposal=True)
        id_ = decision.proposal_id
        state = at.state(id_)
        click.echo(f"Proposal {id_}: {decision.said}")
        at.say_calls(decision)
        if state != QUEUED:
            first = f" First `ape run queue {file}`." if state == SUCCEEDED else ""
            raise Refused(f"the proposal is {STATES[state]}, not Queued.{first}")
        due, now = int(at.site.read(VOTING, "proposalEta", id_)), at.site.time
        if now < due:
            raise Refused(f"its delay ends at {moment(due)}, in {due - now} seconds")
        at.say_changes(changes_of_proposal(at.site, decision))
        if at.send("execute", VOTING, "execute", *decision.lists, decision.description_hash):
            click.echo("Done: the treasury has made these calls, and there is nothing left to do.")
