"""All commands together."""

from importlib.metadata import version
from typing import Annotated

import typer

from livepeer_client.cli import config, dash, funds, governance, network, nodes, stake, tickets
from livepeer_client.cli.options import group


def make_app() -> typer.Typer:
    """The program: one group per node, and the commands of an account."""
    app = typer.Typer(
        help="Nodes of the Livepeer network, and calls of its contracts.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def livepeer_client(
        shown: Annotated[
            bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_show_version)
        ] = False,
    ) -> None:
        """Nodes of the Livepeer network, and calls of its contracts."""

    for add in (nodes.add, funds.add, stake.add, network.add, governance.add, dash.add):
        add(app)
    app.add_typer(tickets.make(group), name="tickets")
    app.add_typer(config.make(group), name="config")
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livepeer-client {version('livepeer-client')}")
        raise typer.Exit
