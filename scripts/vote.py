"""`ape run vote FILE for|against|abstain`: vote on a proposal, with the votes of the end of its snapshot round.

    ape run vote grant.json for --reason "they have built it" --account NAME

Instead of the file the proposal's id does. A delegator's vote takes its part out of its transcoder's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.governance import VOTING
from scripts._environment import complete_path
from scripts._governance.bounds import check_bound
from scripts._governance.decision import load_decision
from scripts._governance.desk import ACTIVE, PENDING, STATES, desk, lpt, options
from scripts._governance.errors import Refused

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()

CHOICES = ("against", "for", "abstain")


@click.command(cls=ConnectedProviderCommand)
@click.argument("proposal", metavar="FILE_OR_ID")
@click.argument("choice", type=click.Choice(CHOICES))
@click.option("--reason", default="", help="Is published with the vote.")
@options
def cli(provider: ProviderAPI, proposal: str, choice: str, reason: str, **common: Any) -> None:
    """Vote on a proposal."""
    with desk(provider, f"vote {choice} {proposal}", **common) as at:
        if proposal.isdecimal():
            id_ = int(proposal)
        elif Path(proposal).is_file():
            id_ = load_decision(Path(proposal), at.site, proposal=True).proposal_id
        else:
            raise click.UsageError(f"{proposal!r} is neither a file nor the number of a proposal")
        check_bound("--reason", "bytes", len(reason.encode()), "MAX_REASON")
        state, (first, last) = at.state(id_), at.window(id_)
        if state != ACTIVE:
            when = f"votes are taken in rounds {first} to {last}; now is round {at.round}"
            wait = f" Run this again in {first - at.round} rounds." if state == PENDING else ""
            raise Refused(f"the proposal is {STATES[state]}: {when}.{wait}")
        if at.site.read(VOTING, "hasVoted", id_, at.sender.address):
            raise Refused(f"{at.sender.address} has voted on it, and a vote stays as it is")
        weight = int(at.site.read(VOTING, "getVotes", at.sender.address, first - 1))
        click.echo(f"{at.sender.address} votes {choice} with {lpt(weight)}, as of the end of round {first - 1}.")
        if weight == 0:
            click.echo("A vote without stake counts for nothing.", err=True)
        support = CHOICES.index(choice)
        method, arguments = ("castVoteWithReason", [reason]) if reason else ("castVote", [])
        at.send("vote", VOTING, method, id_, support, *arguments)
        click.echo(f"Counted: {at.tally(id_)}.")
        click.echo(f"Next: `ape run queue FILE` from round {last + 1} on, if it succeeds; now is round {at.round}.")
