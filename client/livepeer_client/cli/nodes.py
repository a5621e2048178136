"""Commands that start nodes, and the gateway's look around."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from livepeer_client.cli import EXIT_USAGE
from livepeer_client.cli.explain import candidate_data, gateway_explain
from livepeer_client.cli.options import Changes, Config, Json, group, sources
from livepeer_client.cli.output import Output
from livepeer_client.cli.running import run


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
    gateway.command("serve")(gateway_serve)
    gateway.command("run")(gateway_serve)
    app.add_typer(gateway, name="gateway")
    app.command("discover")(gateway_discover)
    app.command("explain")(gateway_explain)
    devnet = group("A network of one's own, from a checkout.")
    devnet.callback()(_nothing)
    devnet.command("up")(devnet_up)
    app.add_typer(devnet, name="devnet")


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
                "candidates": [candidate_data(each) for each in selection.candidates],
                "usable": len(report.offers),
                "stop": report.stop.value,
                "took_s": report.took_s,
            }
        )

    run(work, as_json=as_json)


async def _gateway(file: Path, changes: list[str] | None) -> Any:
    from livepeer_client.config import load_gateway

    return await asyncio.to_thread(load_gateway, file, sources(changes))


async def _discovered(file: Path, changes: list[str] | None) -> Any:
    from livepeer_client.nodes.gateway import Gateway

    async with Gateway.open(await _gateway(file, changes)) as opened:
        return await opened.discover()


def gateway_serve(config: Config, changes: Changes = None) -> None:
    """Take segments that are pushed over HTTP until SIGTERM or SIGINT; prints `ready <host:port>` once it does."""
    _serve(config, changes, "gateway", module="ingest")


def devnet_up(
    orchestrators: Annotated[int, typer.Option(min=1, max=10, help="how many")] = 2,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of the chain; 0 takes a free one")] = 8545,
    folder: Annotated[Path | None, typer.Option(help="of settings, keys, stores and logs; begun anew")] = None,
) -> None:
    """Chain, contracts, orchestrators and a gateway with money, until Ctrl-C. Run it in a checkout of the repository:
    what is deployed is compiled from its contracts."""
    here = Path.cwd()
    root = next((each for each in (here, *here.parents) if (each / "scripts" / "_devnet").is_dir()), None)
    if root is None:
        typer.echo(
            f"livepeer-client: {here} is in no checkout of the repository, whose contracts are deployed", err=True
        )
        raise SystemExit(EXIT_USAGE)
    command = [sys.executable, "-m", "scripts._devnet", "--orchestrators", str(orchestrators), "--port", str(port)]
    os.chdir(root)
    # In place of this process, so that Ctrl-C and SIGTERM reach it.
    os.execv(sys.executable, command if folder is None else [*command, "--folder", str(here / folder)])  # noqa: S606


LOADED: Final = {"orchestrator": "selling"}
"""Nodes whose settings have several forms."""


def _serve(file: Any, changes: list[str] | None, node: str, module: str | None = None) -> None:
    def work() -> Coroutine[Any, Any, None]:
        load: Callable[..., Any] = getattr(import_module("livepeer_client.config"), f"load_{LOADED.get(node, node)}")
        start: Callable[..., Coroutine[Any, Any, None]] = import_module(f"livepeer_client.nodes.{module or node}").run
        served = start(load(file, sources(changes)))
        import_module("livepeer_client.nodes.memory").keep_what_is_loaded()
        return served

    run(work)
