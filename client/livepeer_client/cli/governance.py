"""Proposals, votes and polls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livepeer_client.cli.calling import call, read
from livepeer_client.cli.options import AnyConfig, Changes, DryRun, Json, parse_account
from livepeer_client.cli.output import Output, Table, eth, hexed, lpt, ppm
from livepeer_client.codec.amounts import format_units
from livepeer_client.codec.printing import on_one_line
from livepeer_client.facts.governance import GovernedCall, NamedCall, PollChoice, Proposal, Support
from livepeer_client.types import Address, BlockNumber, Round

if TYPE_CHECKING:
    from livepeer_client.adapters.chain.governance import GovernanceReader
    from livepeer_client.nodes.account import Account

First = Annotated[
    int | None,
    typer.Option("--from-block", min=0, help="look from this block of the chain on; the deployment's without"),
]
Id = Annotated[str, typer.Argument(metavar="PROPOSAL", help="its id, or how that starts")]
_ID_SHOWN = 12
# An id is a hash: one of fewer digits comes once in 10^17.
_ID_WHOLE = 60


def add(app: typer.Typer) -> None:
    for command in (proposals, votes, vote, queue, execute, treasury, polls, poll_vote):
        app.command()(command)


def proposals(
    proposal: Annotated[str, typer.Argument(metavar="[PROPOSAL]", help="one of them in full, by id or its start")] = "",
    from_block: First = None,
    config: AnyConfig = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Proposals to the treasury's governor with state and counts."""

    async def work(reader: "GovernanceReader", out: Output) -> None:
        found = await reader.proposals(_from(from_block))
        if proposal:
            one = _only(found, proposal)
            calls, cast = await reader.named_calls(one.calls), await reader.votes_cast(one.id, one.block)
            data = _proposal(one)
            data["functions"] = [None if call is None else _named(call) for call in calls]
            data["votes"] = [
                {
                    "voter": hexed(each.voter),
                    "support": each.support.name.lower(),
                    "weight": str(each.weight),
                    "reason": each.reason,
                }
                for each in cast
            ]
            table = Table(
                ("voter", "vote", "weight", "reason"),
                [(hexed(each.voter), each.support.name.lower(), lpt(each.weight), each.reason) for each in cast],
            )
            out.show(data, lines=_proposal_lines(one, calls), table=table if cast else None)
            return
        rows = [
            (
                str(each.id)[:_ID_SHOWN],
                each.state.name.lower(),
                lpt(each.votes.in_favour),
                lpt(each.votes.against),
                lpt(each.votes.abstain),
                f"{each.snapshot + 1} to {each.deadline}",
                each.description.partition("\n")[0][:60],
            )
            for each in found
        ]
        columns = ("proposal", "state", "for", "against", "abstain", "rounds", "description")
        out.show({"proposals": [_proposal(each) for each in found]}, table=Table(columns, rows))

    read(config, changes, work, as_json=as_json)


def votes(
    address: Annotated[list[bytes], typer.Argument(parser=parse_account, metavar="ADDRESS...")],
    round_: Annotated[int | None, typer.Option("--round", min=0, help="at its end; the last one without")] = None,
    config: AnyConfig = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Voting power and delegates of accounts at the end of a round."""

    async def work(reader: "GovernanceReader", out: Output) -> None:
        at = None if round_ is None else Round(round_)
        found = await reader.voting_power([Address(each) for each in address], at)
        total, quorum = (await reader.total_votes([found[0].round]))[0], (await reader.quorums([found[0].round]))[0]
        out.show(
            {
                "round": int(found[0].round),
                "total": str(total),
                "quorum": str(quorum),
                "accounts": [
                    {"address": hexed(each.account), "votes": str(each.votes), "delegate": hexed(each.delegate)}
                    for each in found
                ],
            },
            lines=[("round", str(found[0].round)), ("all votes", lpt(total)), ("quorum", lpt(quorum))],
            table=Table(
                ("address", "votes", "delegate"),
                [(hexed(each.account), lpt(each.votes), hexed(each.delegate)) for each in found],
            ),
        )

    read(config, changes, work, as_json=as_json)


def vote(
    proposal: Id,
    support: Annotated[str, typer.Argument(metavar="for|against|abstain")],
    reason: Annotated[str, typer.Option(help="published with the vote")] = "",
    from_block: First = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Vote on a proposal."""
    if support.upper() not in Support.__members__:
        raise typer.BadParameter(f"{support!r}: expected for, against or abstain")

    async def work(own: "Account") -> Any:
        if len(proposal) >= _ID_WHOLE and proposal.isdecimal():
            # Nothing to look for.
            id_ = int(proposal)
        else:
            id_ = (await _chosen(own, proposal, from_block)).id
        return await own.contracts.council.cast_vote(id_, Support[support.upper()], reason, dry_run=dry_run)

    call(config, changes, work, as_json=as_json)


def queue(
    proposal: Id,
    from_block: First = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Hand a proposal that succeeded to the treasury. Anybody may."""

    async def work(own: "Account") -> Any:
        return await own.contracts.council.queue(await _chosen(own, proposal, from_block), dry_run=dry_run)

    call(config, changes, work, as_json=as_json)


def execute(
    proposal: Id,
    from_block: First = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let the treasury make the calls of a proposal whose delay is over. Anybody may."""

    async def work(own: "Account") -> Any:
        return await own.contracts.council.execute(await _chosen(own, proposal, from_block), dry_run=dry_run)

    call(config, changes, work, as_json=as_json)


async def _chosen(own: "Account", proposal: str, from_block: int | None) -> Any:
    return _only(await own.reader.proposals(_from(from_block)), proposal)


def treasury(config: AnyConfig = None, changes: Changes = None, as_json: Json = False) -> None:
    """What the treasury holds, and the governor's settings."""

    async def work(reader: "GovernanceReader", out: Output) -> None:
        found, settings = await reader.treasury(), await reader.settings()
        data = {
            "address": hexed(found.address),
            "eth": str(found.eth),
            "lpt": str(found.lpt),
            "reward_cut": str(found.reward_cut),
            "next_reward_cut": str(found.next_reward_cut),
            "ceiling": str(found.ceiling),
            "min_delay_s": found.min_delay_s,
            "voting_delay": settings.voting_delay,
            "voting_period": settings.voting_period,
            "proposal_threshold": str(settings.proposal_threshold),
            "quorum": settings.quorum,
            "quota": settings.quota,
        }
        shown = {
            **data,
            "eth": eth(found.eth),
            "lpt": lpt(found.lpt),
            "reward_cut": f"{format_units(found.reward_cut, 25)} %",
            "next_reward_cut": f"{format_units(found.next_reward_cut, 25)} %",
            "ceiling": lpt(found.ceiling),
            "voting_delay": f"{settings.voting_delay} rounds",
            "voting_period": f"{settings.voting_period} rounds",
            "proposal_threshold": lpt(settings.proposal_threshold),
            "quorum": ppm(settings.quorum),
            "quota": ppm(settings.quota),
        }
        out.show(data, lines=[(name.replace("_", " "), str(value)) for name, value in shown.items()])

    read(config, changes, work, as_json=as_json)


def polls(
    count: Annotated[bool, typer.Option("--count", help="count the votes by stake, too")] = False,
    from_block: First = None,
    config: AnyConfig = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Polls; with --count what was voted."""

    async def work(reader: "GovernanceReader", out: Output) -> None:
        from livepeer_client.policy.governance import count_poll

        found = await reader.polls(_from(from_block))
        tallies = [count_poll(await reader.ballots(poll)) if count else None for poll in found]
        data, rows = [], []
        for poll, tally in zip(found, tallies, strict=True):
            text = poll.proposal.decode() if _is_text(poll.proposal) else f"0x{poll.proposal.hex()}"
            data.append(
                {
                    "address": hexed(poll.address),
                    "proposal": text,
                    "active": poll.active,
                    "end_block": int(poll.end_block),
                    "quorum": poll.quorum,
                    "quota": poll.quota,
                    "yes": None if tally is None else str(tally.yes),
                    "no": None if tally is None else str(tally.no),
                }
            )
            counted = ("", "") if tally is None else (lpt(tally.yes), lpt(tally.no))
            state = "active" if poll.active else "closed"
            rows.append((hexed(poll.address), state, str(poll.end_block), *counted, text))
        out.show({"polls": data}, table=Table(("poll", "state", "end block", "yes", "no", "proposal"), rows))

    read(config, changes, work, as_json=as_json)


def poll_vote(
    poll: Annotated[bytes, typer.Argument(parser=parse_account, metavar="POLL", help="its address")],
    choice: Annotated[str, typer.Argument(metavar="yes|no")],
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Vote in a poll, or vote again: the last one counts."""
    if choice.upper() not in PollChoice.__members__:
        raise typer.BadParameter(f"{choice!r}: expected yes or no")
    chosen = PollChoice[choice.upper()]
    call(config, changes, lambda own: own.contracts.polls.vote(Address(poll), chosen, dry_run=dry_run), as_json=as_json)


def _from(block: int | None) -> BlockNumber | None:
    return None if block is None else BlockNumber(block)


def _only(found: list[Proposal], start: str) -> Proposal:
    from livepeer_client.errors import InvalidInput

    matches = [each for each in found if str(each.id).startswith(start)]
    if len(matches) != 1:
        raise InvalidInput(f"{len(matches)} of {len(found)} proposals start with {start}, must be one")
    return matches[0]


def _is_text(data: bytes) -> bool:
    try:
        return data.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _proposal(each: Proposal) -> dict[str, object]:
    return {
        "id": str(each.id),
        "state": each.state.name.lower(),
        "proposer": hexed(each.proposer),
        "description": each.description,
        "description_hash": hexed(each.description_hash),
        "calls": [
            {"target": hexed(call.target), "value": str(call.value), "calldata": f"0x{call.calldata.hex()}"}
            for call in each.calls
        ],
        "snapshot": int(each.snapshot),
        "deadline": int(each.deadline),
        "for": str(each.votes.in_favour),
        "against": str(each.votes.against),
        "abstain": str(each.votes.abstain),
        "eta": each.eta or None,
        "block": int(each.block),
        "tx_hash": hexed(each.tx_hash),
    }


def _named(call: NamedCall) -> dict[str, object]:
    """Integers as strings: which are amounts is for the reader to know."""
    return {"function": call.function, "arguments": {name: _spelt(value) for name, value in call.arguments.items()}}


def _spelt(value: object) -> object:
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, (list, tuple)):
        return [_spelt(each) for each in value]
    return value if isinstance(value, (bool, str)) else str(value)


def _proposal_lines(each: Proposal, names: Sequence[NamedCall | None]) -> list[tuple[str, str]]:
    return [
        ("proposal", str(each.id)),
        ("state", each.state.name.lower()),
        ("proposer", hexed(each.proposer)),
        ("votes", f"taken in rounds {each.snapshot + 1} to {each.deadline}"),
        ("for", lpt(each.votes.in_favour)),
        ("against", lpt(each.votes.against)),
        ("abstain", lpt(each.votes.abstain)),
        *(
            (f"call {number}", _call_text(call, name))
            for number, (call, name) in enumerate(zip(each.calls, names, strict=True), start=1)
        ),
        ("description", each.description),
    ]


def _call_text(call: GovernedCall, named: NamedCall | None) -> str:
    money = f" with {eth(call.value)}" if call.value else ""
    if named is None:
        return f"{hexed(call.target)}{money}, 0x{call.calldata.hex()}"
    arguments = ", ".join(f"{name} {_spelt(value)}" for name, value in named.arguments.items())
    # A text among them must not look like the next call.
    return on_one_line(f"{named.function.partition('(')[0]}({arguments}){money}")
