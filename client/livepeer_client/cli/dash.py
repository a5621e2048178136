"""The operator's board, in this terminal or served to browsers."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from livepeer_client.cli.options import Changes, Config, sources
from livepeer_client.cli.running import run

Gateway = Annotated[
    Path | None,
    typer.Option("--gateway", metavar="FILE", help="a gateway's settings: ask the orchestrators as it does"),
]


def add(app: typer.Typer) -> None:
    app.command("dash")(dash)


def dash(
    config: Config,
    changes: Changes = None,
    gateway: Gateway = None,
    serve: Annotated[bool, typer.Option("--serve", help="to browsers, instead of in this terminal")] = False,
    host: Annotated[str, typer.Option(help="where to serve; whoever reaches it can redeem")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 8000,
    public_url: Annotated[str | None, typer.Option(help="how browsers reach it, as through a tunnel")] = None,
    anybody: Annotated[bool, typer.Option("--anybody", help="serve on an address that others reach")] = False,
) -> None:
    """Round, gas, winners with the decision about each, orchestrators; keys to redeem, hold and pause."""

    def work() -> Coroutine[Any, Any, None]:
        from livepeer_client.config import load_gateway
        from livepeer_client.nodes import dash as board

        given = sources(changes)
        if serve:
            board.load_redeeming(config, given)
            return board.serve(
                config, gateway, changes or (), host=host, port=port, public_url=public_url, anybody=anybody
            )
        buyer = None if gateway is None else load_gateway(gateway)
        return board.run(board.load_redeeming(config, given), buyer)

    run(work)
