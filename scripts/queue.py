"""`ape run queue FILE`: announce a proposal that has succeeded in the treasury. Anybody may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import VOTING
from scripts._environment import complete_path
from scripts._governance.decision import load_decision
from scripts._governance.desk import ACTIVE, PENDING, STATES, SUCCEEDED, decision_file, desk, moment, options
from scripts._governance.errors import Refused

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@options
def cli(provider: ProviderAPI, file: Path, **common: Any) -> None:
    """Announce a proposal that has succeeded."""
    with desk(provider, f"queue {file}", **common) as at:
        decision = load_decision(file, at.site, proposal=True)
        id_ = decision.proposal_id
        state, (_, last) = at.state(id_), at.window(id_)
        click.echo(f"Proposal {id_}: {decision.said}\n  {at.tally(id_)}")
        if state != SUCCEEDED:
            wait = (
                f" Votes are taken until round {last}; now is round {at.round}." if state in (PENDING, ACTIVE) else ""
            )
            raise Refused(f"the proposal is {STATES[state]}, not Succeeded.{wait}")
        if at.send("queue", VOTING, "queue", *decision.lists, decision.description_hash):
            click.echo(f"It may be executed from {moment(int(at.site.read(VOTING, 'proposalEta', id_)))} on.")
            click.echo(f"Next: `ape run execute {file}`.")
