"""Commands for an orchestrator's winners."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from livepeer_client.cli.options import Changes, Config, Json, sources
from livepeer_client.cli.output import Output, hexed
from livepeer_client.cli.running import run
from livepeer_client.codec.printing import harmless

One = Annotated[str, typer.Argument(metavar="TICKET", help="hash, or how it starts")]
Some = Annotated[list[str], typer.Argument(metavar="TICKET...", help="hashes, or how they start")]


def make(group: Callable[[str], typer.Typer]) -> typer.Typer:
    tickets = group("See, hold back and redeem an orchestrator's winners.")
    tickets.command("list")(list_)
    tickets.command()(plan)
    tickets.command()(explain)
    tickets.command("show")(explain)
    tickets.command()(hold)
    tickets.command()(release)
    tickets.command()(redeem)
    tickets.command()(export)
    tickets.command("import")(import_)
    return tickets


def list_(config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """Every winner with its state."""

    async def work(desk: Any, settings: Any) -> None:
        found = await desk.list_tickets(settings)
        if as_json:
            Output(as_json=True).show({"tickets": [_stored(each) for each in found]})
        else:
            _say(*(_line(each) for each in found))

    _start(config, changes, work, as_json=as_json)


def plan(config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """What would be done with every open winner now, and why; nothing is sent."""

    async def work(desk: Any, settings: Any) -> None:
        told = await desk.plan_tickets(settings)
        if as_json:
            Output(as_json=True).show({"tickets": [_explained(each) for each in told]})
        else:
            _say(*(str(each) for each in told) if told else ("no winner is open",))

    _start(config, changes, work, as_json=as_json)


def explain(ticket: One, config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """One winner: state, reason, value, estimated cost, deadline."""

    async def work(desk: Any, settings: Any) -> None:
        told = await desk.explain_ticket(settings, ticket)
        if as_json:
            Output(as_json=True).show(_explained(told))
        else:
            _say(str(told))

    _start(config, changes, work, as_json=as_json)


def hold(
    ticket: Some,
    config: Config,
    note: Annotated[str, typer.Option(help="why")] = "",
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Keep winners out of every transaction until released."""

    async def work(desk: Any, settings: Any) -> None:
        await desk.hold_tickets(settings, ticket, note)
        if as_json:
            Output(as_json=True).show({"held": ticket, "note": note})

    _start(config, changes, work, as_json=as_json)


def release(ticket: Some, config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """End a hold."""

    async def work(desk: Any, settings: Any) -> None:
        await desk.release_tickets(settings, ticket)
        if as_json:
            Output(as_json=True).show({"released": ticket})

    _start(config, changes, work, as_json=as_json)


def redeem(
    config: Config,
    ticket: Annotated[list[str] | None, typer.Argument(metavar="[TICKET...]", help="all without")] = None,
    now: Annotated[bool, typer.Option("--now", help="wait neither for others nor for cheaper gas")] = False,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """One step of redemption by hand, by the node if it runs; the ceilings of the settings bind. `tickets plan` says
    what it would do."""

    async def work(desk: Any, settings: Any) -> None:
        done = await desk.redeem_tickets(settings, ticket or [], now=now)
        if as_json:
            decided = [
                {"hash": hexed(hash_), "action": action, "reason": reason} for hash_, action, reason in done.decided
            ]
            Output(as_json=True).show({"sent": [hexed(tx_hash) for tx_hash in done.sent], "decisions": decided})
            return
        lines = [f"sent 0x{tx_hash.hex()}" for tx_hash in done.sent] or ["nothing was sent"]
        lines += [f"0x{hash_.hex()[:16]}  {action}: {reason}" for hash_, action, reason in done.decided]
        _say(*lines)

    _start(config, changes, work, as_json=as_json)


def export(
    config: Config,
    file: Annotated[Path, typer.Argument(help="to write, readable by its owner alone; it must not be there yet")],
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Write every winner and batch to a JSON file. It holds recipientRand of open quotes: keep it as you keep keys."""

    async def work(desk: Any, settings: Any) -> None:
        count = await desk.export_winners(settings, file)
        if as_json:
            Output(as_json=True).show({"file": str(file), "tickets": count})
        else:
            _say(f"{count} winners in {file}")

    _start(config, changes, work, as_json=as_json)


def import_(
    config: Config,
    file: Annotated[Path, typer.Argument(help="of `tickets export`")],
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Add the winners of a JSON file while the node is stopped; known ones stay as they are."""

    async def work(desk: Any, settings: Any) -> None:
        added = await desk.import_winners(settings, file)
        if as_json:
            Output(as_json=True).show({"tickets": added.tickets, "batches": added.batches})
        else:
            _say(f"{added.tickets} winners and {added.batches} batches were added")

    _start(config, changes, work, as_json=as_json)


def _start(
    file: Any, changes: list[str] | None, work: Callable[[Any, Any], Coroutine[Any, Any, None]], *, as_json: bool
) -> None:
    async def start() -> None:
        from livepeer_client.config import load_orchestrator
        from livepeer_client.nodes import tickets as desk

        await work(desk, await asyncio.to_thread(load_orchestrator, file, sources(changes)))

    run(start, as_json=as_json)


def _stored(ticket: Any) -> dict[str, object]:
    terms = ticket.winner.ticket
    return {
        "hash": hexed(ticket.hash),
        "state": ticket.state.value,
        "reason": ticket.reason,
        "hold": ticket.hold,
        "sender": hexed(terms.sender),
        "face_value": str(terms.face_value),
        "creation_round": int(terms.creation_round),
        "paid": str(ticket.paid),
        "tx_hash": None if ticket.tx_hash is None else hexed(ticket.tx_hash),
    }


def _explained(told: Any) -> dict[str, object]:
    def amount(wei: int | None) -> str | None:
        return None if wei is None else str(int(wei))

    return {
        "hash": hexed(told.hash),
        "state": told.state.value,
        "reason": told.reason,
        "sender": hexed(told.sender),
        "face_value": str(told.face_value),
        "value": amount(told.value),
        "batch_cost": amount(told.batch_cost),
        "in_batch_of": told.in_batch_of,
        "single_cost": amount(told.single_cost),
        "paid": str(told.paid),
        "tx_hash": None if told.tx_hash is None else hexed(told.tx_hash),
        "opens": int(told.opens),
        "deadline": int(told.deadline),
        "ends": int(told.ends),
        "head": int(told.head),
        "deadline_time": told.deadline_time,
        "urgent": told.urgent,
    }


def _line(ticket: Any) -> str:
    from livepeer_client.policy.redemption import eth

    terms = ticket.winner.ticket
    reason = f"held back: {ticket.hold}" if ticket.hold is not None else ticket.reason
    return (
        f"0x{ticket.hash.hex()[:16]}  {ticket.state.value:14}  {eth(terms.face_value):>24}"
        f"  of 0x{terms.sender.hex()[:8]}  round {terms.creation_round}  {reason}".rstrip()
    )


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{harmless(line)}\n" for line in lines))
