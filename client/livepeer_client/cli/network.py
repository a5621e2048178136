"""Rounds, rewards, and all that the contracts know of an address."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livepeer_client.cli.calling import call, read
from livepeer_client.cli.options import AnyConfig, Changes, DryRun, Json, parse_account, sources
from livepeer_client.cli.output import Lines, Output, Table, eth, hexed, lpt, ppm
from livepeer_client.cli.running import run
from livepeer_client.types import ZERO_ADDRESS, Address

if TYPE_CHECKING:
    from livepeer_client.adapters.chain.governance import GovernanceReader
    from livepeer_client.nodes.account import Standing

Whose = Annotated[
    bytes | None,
    typer.Option("--address", parser=parse_account, metavar="ADDRESS", help="somebody else's; no key is needed then"),
]


def add(app: typer.Typer) -> None:
    for command in (rounds, rewards, status):
        app.command()(command)


def rounds(
    initialize: Annotated[bool, typer.Option("--initialize", help="open the current round")] = False,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The current round; with --initialize it is opened."""
    if initialize:
        call(config, changes, lambda own: own.contracts.rounds.initialize_round(dry_run=dry_run), as_json=as_json)
        return

    async def work(reader: "GovernanceReader", out: Output) -> None:
        head = await reader.head()
        state = await reader.at(head.block_hash).round_state()
        data = _round(state, head.l1_block)
        out.show(data, lines=[(name.replace("_", " "), _said(value)) for name, value in data.items()])

    read(config, changes, work, as_json=as_json)


def rewards(
    claim: Annotated[bool, typer.Option("--call", help="call reward for the current round")] = False,
    address: Whose = None,
    config: AnyConfig = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Whether reward was called this round, and what was earned; with --call it is called."""
    if claim:
        call(config, changes, lambda own: own.contracts.bonding.reward(dry_run=dry_run), as_json=as_json)
        return

    async def work(found: "Standing", out: Output) -> None:
        data: dict[str, Any] = {
            "address": hexed(found.address),
            "round": int(found.round.current),
            "active": found.active,
            "last_reward_round": int(found.last_reward_round),
            "called": found.last_reward_round == found.round.last_initialized,
            "stake": str(found.stake),
            "fees": str(found.fees),
        }
        shown = {**data, "stake": lpt(found.stake), "fees": eth(found.fees)}
        out.show(data, lines=[(name.replace("_", " "), _said(value)) for name, value in shown.items()])

    _standing(config, changes, address, work, as_json=as_json)


def status(address: Whose = None, config: AnyConfig = None, changes: Changes = None, as_json: Json = False) -> None:
    """Balances, deposit and reserve, stake, locks, terms and round, all of one block."""

    async def work(found: "Standing", out: Output) -> None:
        locks = Table(
            ("lock", "amount", "withdraw round", "open"),
            [
                (
                    str(number),
                    lpt(lock.amount),
                    str(lock.withdraw_round),
                    _said(lock.withdraw_round <= found.round.current),
                )
                for number, lock in found.locks.items()
            ],
        )
        out.show(_status(found), lines=_status_lines(found), table=locks if found.locks else None)

    _standing(config, changes, address, work, as_json=as_json)


def _standing(config: Any, changes: Any, address: bytes | None, work: Any, *, as_json: bool) -> None:
    """Read what is known of an address, or of the settings' key, and let `work` print it."""

    async def start() -> None:
        from livepeer_client.config import load_account, load_chain
        from livepeer_client.nodes.account import open_reader, read_standing
        from livepeer_client.nodes.keys import open_signer

        if address is not None:
            whose, chain = Address(address), await asyncio.to_thread(load_chain, config, sources(changes))
        else:
            settings = await asyncio.to_thread(load_account, config, sources(changes))
            async with open_signer(settings.key) as signer:
                whose, chain = signer.address, settings.chain
        async with open_reader(chain) as reader:
            found = await read_standing(reader, whose)
        await work(found, Output(as_json=as_json))

    run(start, as_json=as_json)


def _round(state: Any, l1_block: int) -> dict[str, object]:
    end = state.start_block + state.length_blocks
    return {
        "round": int(state.current),
        "initialized": state.initialized,
        "last_initialized": int(state.last_initialized),
        "locked": state.locked,
        "l1_block": int(l1_block),
        "start_block": int(state.start_block),
        "length_blocks": int(state.length_blocks),
        "blocks_left": max(0, int(end - l1_block)),
    }


def _status(found: "Standing") -> dict[str, object]:
    return {
        "address": hexed(found.address),
        "block": int(found.block),
        "round": _round(found.round, found.l1_block),
        "eth": str(found.eth),
        "lpt": str(found.lpt),
        "deposit": str(found.sender.deposit),
        "reserve": str(found.sender.reserve),
        "unlock_round": int(found.sender.withdraw_round) or None,
        "stake": str(found.stake),
        "delegate": None if found.delegate == ZERO_ADDRESS else hexed(found.delegate),
        "fees": str(found.fees),
        "locks": [
            {"lock_id": number, "amount": str(lock.amount), "withdraw_round": int(lock.withdraw_round)}
            for number, lock in found.locks.items()
        ],
        "transcoder": {
            "registered": found.registered,
            "active": found.active,
            "total_stake": str(found.total_stake),
            "reward_cut": found.reward_cut,
            "fee_share": found.fee_share,
            "last_reward_round": int(found.last_reward_round),
            "service_uri": found.service_uri,
        },
    }


def _status_lines(found: "Standing") -> Lines:
    unlock = found.sender.withdraw_round
    lines = [
        ("address", hexed(found.address)),
        ("block", str(found.block)),
        ("round", f"{found.round.current}{'' if found.round.initialized else ', not initialized'}"),
        ("balance", f"{eth(found.eth)}, {lpt(found.lpt)}"),
        ("deposit", eth(found.sender.deposit)),
        ("reserve", eth(found.sender.reserve)),
        ("unlock", f"from round {unlock} on" if unlock else "none"),
        ("stake", lpt(found.stake)),
        ("delegate", "none" if found.delegate == ZERO_ADDRESS else hexed(found.delegate)),
        ("fees", eth(found.fees)),
    ]
    if found.registered:
        lines += [
            ("transcoder", f"{'active' if found.active else 'not active'}, {lpt(found.total_stake)} in all"),
            ("rates", f"reward cut {ppm(found.reward_cut)}, fee share {ppm(found.fee_share)}"),
            ("last reward", f"round {found.last_reward_round}"),
            ("service URI", found.service_uri or "none"),
        ]
    return lines


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
