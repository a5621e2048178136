"""Commands that start nodes, and the gateway's look around."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from livepeer_client.cli.options import Changes, Config, Json, group, sources
from livepeer_client.cli.output import Output, hexed
from livepeer_client.cli.running import run
from livepeer_client.errors import InvalidInput


def add(app: typer.Typer) -> None:
    for name, help_, first in (
        ("orchestrator", "Sell work for tickets.", orchestrator_run),
        ("redeemer", "Redeem the winners of others.", redeemer_run),
        ("signer", "Hold a gateway's key and sign for others.", signer_run),
        ("transcoder", "Transcode for an orchestrator elsewhere.", transcoder_run),
        ("aiworker", "Run models for an orchestrator elsewhere.", aiworker_run),
    ):
        node = group(help_)
        node.callback()(_nothing)
        node.command("run")(first)
        app.add_typer(node, name=name)
    gateway = group("Buy work with tickets.")
    gateway.callback()(_nothing)
    gateway.command("discover")(gateway_discover)
    gateway.command("explain")(gateway_explain)
    app.add_typer(gateway, name="gateway")


def _nothing() -> None:
    # A group of a single command would otherwise be that command.
    return


def orchestrator_run(config: Config, changes: Changes = None) -> None:
    """Serve until SIGTERM or SIGINT; prints `ready <service URI>` once it does."""
    _serve(config, changes, "orchestrator")


def redeemer_run(config: Config, changes: Changes = None) -> None:
    """Take winners over gRPC until SIGTERM or SIGINT; prints `ready <host:port>` once it does."""
    _serve(config, changes, "redeemer")


def signer_run(config: Config, changes: Changes = None) -> None:
    """Sign for others until SIGTERM or SIGINT; prints `ready <host:port>` once it does."""
    _serve(config, changes, "signer")


def transcoder_run(config: Config, changes: Changes = None) -> None:
    """Work until SIGTERM or SIGINT; prints `ready <orchestrator>` once it has joined."""
    _serve(config, changes, "transcoder")


def aiworker_run(config: Config, changes: Changes = None) -> None:
    """Work until SIGTERM or SIGINT; prints `ready <orchestrator>` once it has joined."""
    _serve(config, changes, "aiworker")


def gateway_discover(config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """Probe the orchestrators of the chain's pool and explain the choice or refusal of each."""

    async def work() -> None:
        if not as_json:
            from livepeer_client.nodes.gateway import discover

            await discover(await _gateway(config, changes))
            return
        report, selection = await _discovered(config, changes)
        Output(as_json=True).show(
            {
                "candidates": [_candidate(each) for each in selection.candidates],
                "usable": len(report.offers),
                "stop": report.stop.value,
                "took_s": report.took_s,
            }
        )

    run(work, as_json=as_json)


def gateway_explain(
    orchestrator: Annotated[str, typer.Argument(metavar="ORCHESTRATOR", help="its address or URI, or how that starts")],
    config: Config,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Probe the pool, and explain one orchestrator: its verdict, the reason, and its chances in the lottery."""

    async def work() -> None:
        _, selection = await _discovered(config, changes)
        wanted = orchestrator.lower()
        data = [_candidate(each) for each in selection.candidates]
        found = [each for each in data if any(str(each[k]).lower().startswith(wanted) for k in ("uri", "address"))]
        if len(found) != 1:
            raise InvalidInput(f"{len(found)} of {len(data)} orchestrators start with {orchestrator}, must be one")
        lines = [(name.replace("_", " "), "none" if value is None else str(value)) for name, value in found[0].items()]
        Output(as_json=as_json).show(found[0], lines=lines)

    run(work, as_json=as_json)


async def _gateway(file: Path, changes: list[str] | None) -> Any:
    from livepeer_client.config import load_gateway

    return await asyncio.to_thread(load_gateway, file, sources(changes))


async def _discovered(file: Path, changes: list[str] | None) -> Any:
    from livepeer_client.nodes.gateway import Gateway

    async with Gateway.open(await _gateway(file, changes)) as opened:
        return await opened.discover()


def _serve(file: Any, changes: list[str] | None, node: str) -> None:
    def work() -> Coroutine[Any, Any, None]:
        load: Callable[..., Any] = getattr(import_module("livepeer_client.config"), f"load_{node}")
        served: Coroutine[Any, Any, None] = import_module(f"livepeer_client.nodes.{node}").run(
            load(file, sources(changes))
        )
        return served

    run(work)


def _candidate(candidate: Any) -> dict[str, object]:
    """Price in wei per pixel, a fraction in text; stake in LPT wei."""
    shares = candidate.shares
    return {
        "uri": candidate.uri,
        "address": hexed(candidate.address),
        "verdict": candidate.verdict.value,
        "reason": candidate.reason,
        "price": None if candidate.price is None else str(candidate.price),
        "latency_s": candidate.latency_s,
        "stake": str(candidate.stake),
        "probability": candidate.probability,
        "shares": None if shares is None else {each.name: getattr(shares, each.name) for each in fields(shares)},
        "trust": candidate.trust,
        "performance": candidate.performance,
    }
