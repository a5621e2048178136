"""`ape run propose FILE`: put a decision about the treasury to the vote.

    ape run propose grant.json --dry-run     # what it would change
    ape run propose grant.json --account NAME

The file is described in docs/deploy.md. Whoever proposes needs stake, its own or delegated to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import VOTING
from scripts._environment import complete_path
from scripts._governance.decision import load_decision
from scripts._governance.desk import decision_file, desk, lpt, options
from scripts._governance.errors import Refused
from scripts._governance.preview import changes_of_proposal

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()


@click.command(cls=ConnectedProviderCommand)
@decision_file
@options
def cli(provider: ProviderAPI, file: Path, **common: Any) -> None:
    """Put a decision about the treasury to the vote."""
    with desk(provider, f"propose {file}", **common) as at:
        decision = load_decision(file, at.site, proposal=True)
        click.echo(f"Proposal {decision.proposal_id}: {decision.said}")
        at.say_calls(decision)
        at.say_changes(changes_of_proposal(at.site, decision))
        last = at.round - 1
        votes = int(at.site.read(VOTING, "getVotes", at.sender.address, last))
        needed = int(at.site.read(VOTING, "proposalThreshold"))
        if votes < needed:
            raise Refused(
                f"{at.sender.address} had {lpt(votes)} of votes at the end of round {last}; {lpt(needed)} are needed"
            )
        if at.send("propose", VOTING, "propose", *decision.lists, decision.description):
            first, last = at.window(decision.proposal_id)
            click.echo(f"Votes are taken in rounds {first} to {last}; now is round {at.round}.")
            click.echo(f"Next: `ape run vote {file} for` in one of them.")
