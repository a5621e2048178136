"""The command line: arguments to settings to a node, and exit codes. Nothing here is worth importing.

typer and rich are the extra `cli`; without them `main` says so instead of failing on an import.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from livepeer_client.errors import ConfigError, LivepeerError

if TYPE_CHECKING:
    import typer

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
"""Also for settings that are refused: nothing was started."""

_MISSING: Final = "the command line needs the extra `cli`: pip install 'livepeer-client[cli]'"


def main() -> None:
    """Entry point of `livepeer-client` and `python -m livepeer_client`."""
    try:
        app = build()
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"livepeer-client: {_MISSING}\n")
        raise SystemExit(EXIT_USAGE) from None
    app()


def build() -> "typer.Typer":
    """The commands.

    :raises ModuleNotFoundError: the extra `cli` is not installed.
    """
    import typer

    config = Annotated[Path, typer.Option("--config", metavar="FILE", help="settings, TOML")]
    plain: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "pretty_exceptions_enable": False}
    app = typer.Typer(help="Nodes of the Livepeer network.", **plain)
    orchestrator = typer.Typer(help="Sell work for tickets.", **plain)
    gateway = typer.Typer(help="Buy work with tickets.", **plain)
    signer = typer.Typer(help="Hold a gateway's key and sign for others.", **plain)
    app.add_typer(orchestrator, name="orchestrator")
    app.add_typer(gateway, name="gateway")
    app.add_typer(signer, name="signer")
    app.add_typer(_tickets(), name="tickets")

    redeemer = typer.Typer(help="Redeem the winners of others.", **plain)
    app.add_typer(redeemer, name="redeemer")

    @redeemer.callback()
    def redeemer_commands() -> None:
        """Redeem the winners of others."""

    @redeemer.command("run")
    def redeemer_run(config: config) -> None:
        """Take winners over gRPC until SIGTERM or SIGINT; prints `ready <host:port>` once it does."""
        from livepeer_client.config import load_redeemer
        from livepeer_client.nodes.redeemer import run

        _run(lambda: run(load_redeemer(config)))

    @orchestrator.callback()
    def orchestrator_commands() -> None:
        """Sell work for tickets."""

    @signer.callback()
    def signer_commands() -> None:
        """Hold a gateway's key and sign for others."""

    @gateway.callback()
    def gateway_commands() -> None:
        """Buy work with tickets."""

    @orchestrator.command("run")
    def orchestrator_run(config: config) -> None:
        """Serve until SIGTERM or SIGINT; prints `ready <service URI>` once it does."""
        from livepeer_client.config import load_orchestrator
        from livepeer_client.nodes.orchestrator import run

        _run(lambda: run(load_orchestrator(config)))

    @signer.command("run")
    def signer_run(config: config) -> None:
        """Sign for others until SIGTERM or SIGINT; prints `ready <host:port>` once it does."""
        from livepeer_client.config import load_signer
        from livepeer_client.nodes.signer import run

        _run(lambda: run(load_signer(config)))

    @gateway.command("discover")
    def gateway_discover(config: config) -> None:
        """Probe the orchestrators of the chain's pool and explain the choice or refusal of each."""
        from livepeer_client.config import load_gateway
        from livepeer_client.nodes.gateway import discover

        _run(lambda: discover(load_gateway(config)))

    return app


def _tickets() -> "typer.Typer":
    """Commands for an orchestrator's winners."""
    import typer

    config = Annotated[Path, typer.Option("--config", metavar="FILE", help="an orchestrator's settings, TOML")]
    one = Annotated[str, typer.Argument(metavar="TICKET", help="hash, or how it starts")]
    some = Annotated[list[str], typer.Argument(metavar="TICKET...", help="hashes, or how they start")]
    tickets = typer.Typer(
        help="See, hold back and redeem an orchestrator's winners.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    def start(file: Path, work: Callable[[Any, Any], Coroutine[Any, Any, None]]) -> None:
        from livepeer_client.config import load_orchestrator
        from livepeer_client.nodes import tickets as desk

        _run(lambda: work(desk, load_orchestrator(file)))

    @tickets.command("list")
    def tickets_list(config: config) -> None:
        """Every winner with its state."""
        start(config, lambda desk, settings: desk.list_tickets(settings))

    @tickets.command("plan")
    def tickets_plan(config: config) -> None:
        """What would be done with every open winner now, and why; nothing is sent."""
        start(config, lambda desk, settings: desk.show_plan(settings))

    @tickets.command("explain")
    def tickets_explain(ticket: one, config: config) -> None:
        """One winner: state, reason, value, estimated cost, deadline."""
        start(config, lambda desk, settings: desk.explain_ticket(settings, ticket))

    @tickets.command("hold")
    def tickets_hold(ticket: some, config: config, note: Annotated[str, typer.Option(help="why")] = "") -> None:
        """Keep winners out of every transaction until released."""
        start(config, lambda desk, settings: desk.hold_tickets(settings, ticket, note))

    @tickets.command("release")
    def tickets_release(ticket: some, config: config) -> None:
        """End a hold."""
        start(config, lambda desk, settings: desk.release_tickets(settings, ticket))

    @tickets.command("redeem")
    def tickets_redeem(
        config: config,
        ticket: Annotated[list[str] | None, typer.Argument(metavar="[TICKET...]", help="all without")] = None,
        now: Annotated[bool, typer.Option("--now", help="wait neither for others nor for cheaper gas")] = False,
    ) -> None:
        """One step of redemption by hand; the ceilings of the settings bind."""
        start(config, lambda desk, settings: desk.redeem_tickets(settings, ticket or [], now=now))

    return tickets


def _run(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(start())
    except ConfigError as error:
        sys.stderr.write(f"livepeer-client: {error}\n")
        raise SystemExit(EXIT_USAGE) from None
    except LivepeerError as error:
        sys.stderr.write(f"livepeer-client: {type(error).__name__}: {error}\n")
        raise SystemExit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
