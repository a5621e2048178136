"""The board of an orchestrator or redeemer, opened over its settings beside the node or without it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from livepeer_client.adapters.chain.suite import load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.gateway_admin import GatewayAdmin
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.capability import job_capabilities
from livepeer_client.config import (
    GatewayConfig,
    OrchestratorConfig,
    RedeemerConfig,
    Sources,
    load_orchestrator,
    load_redeemer,
)
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.nodes.chain import gas_monitor, open_suite
from livepeer_client.nodes.desk import NodeDesk, RedeemingNode
from livepeer_client.nodes.discovery import open_discovery
from livepeer_client.nodes.gateway import probe_plan
from livepeer_client.nodes.keys import make_transactor, open_signer
from livepeer_client.nodes.prices import ceiling_now, open_feed
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.policy.selection import Criteria
from livepeer_client.ports.board import BoardSource, MarketView
from livepeer_client.ports.desk import RedemptionDesk
from livepeer_client.services.block_time import BlockTime
from livepeer_client.services.board import BoardService, DiscoveryMarket, GatewayMarket, PoolMarket
from livepeer_client.services.redemption import RedemptionService

MISSING = "the board needs the extra `dash`: pip install 'livepeer-client[dash]'"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a board is made of."""

    source: BoardSource
    desk: RedemptionDesk


def load_redeeming(file: str | Path, sources: Sources | None = None) -> OrchestratorConfig | RedeemerConfig:
    """The settings of whichever node the file is for. Raises as `load_orchestrator`."""
    try:
        with Path(file).open("rb") as source:
            redeems = "redeemer" in tomllib.load(source)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Said in full by what reads it next.
        redeems = False
    return load_redeemer(file, sources) if redeems else load_orchestrator(file, sources)


@contextlib.asynccontextmanager
async def open_board(
    config: OrchestratorConfig | RedeemerConfig, gateway: GatewayConfig | None = None
) -> AsyncIterator[Opened]:
    """What a board of this node shows and does. The store is read only; nothing is sent but on request.

    :param gateway: whose discovery finds the orchestrators; without, they are those of the pool on chain.
    :raises ConfigError: key or address file.
    :raises StoreError: there is no store yet, or it cannot be read.
    """
    node, clock = RedeemingNode.of(config), SystemClock()
    async with contextlib.AsyncExitStack() as opened:
        signer = await opened.enter_async_context(open_signer(node.key))
        suite = await opened.enter_async_context(open_suite(node.chain, load_addresses(node.chain.addresses)))
        store = await opened.enter_async_context(await open_tickets(node.store, node.store_url, read_only=True))
        gas, block_time = gas_monitor(suite, node.chain), BlockTime(suite, clock)
        planner = RedemptionService(
            suite,
            make_transactor(suite, signer, node.chain),
            store,
            clock,
            node.redemption.policy,
            gas=gas,
            pause=node.pause,
            block_time=block_time,
        )
        market = PoolMarket(suite) if gateway is None else await opened.enter_async_context(_asking(gateway))
        desk = NodeDesk(node, suite, signer)
        recipient = node.recipient or signer.address
        source = BoardService(
            suite,
            store,
            planner,
            gas,
            desk,
            market,
            clock,
            block_time,
            recipient=recipient,
            policy=node.redemption.policy,
        )
        yield Opened(source, desk)


@contextlib.asynccontextmanager
async def _asking(config: GatewayConfig) -> AsyncIterator[MarketView]:
    """A gateway's discovery without its books, which belong to the gateway; of the one that runs, what it knows."""
    settings = config.gateway
    async with (
        open_signer(config.key) as signer,
        open_suite(config.chain, load_addresses(config.chain.addresses)) as suite,
        GrpcProbe(settings.data_dir / "certificates") as probe,
        open_discovery(config.discovery, suite, probe, signer, probe_plan(config)) as found,
        AiohttpWebClient() as web,
    ):
        ceiling = ceiling_now(config, await open_feed(config.price_feed, suite))
        criteria = Criteria(now_s=SystemClock().monotonic(), ceiling=ceiling)
        market = DiscoveryMarket(found.service, job_capabilities([]), criteria)
        yield GatewayMarket(market, None if config.admin is None else GatewayAdmin(web, *config.admin))


async def run(config: OrchestratorConfig | RedeemerConfig, gateway: GatewayConfig | None = None) -> None:
    """Show the board in this terminal until it is left. Raises as `open_board`.

    :raises ConfigError: the extra `dash` is not installed.
    :raises InvalidInput: there is no terminal.
    """
    try:
        from livepeer_client.dash.app import Board
    except ModuleNotFoundError as missing:
        raise ConfigError(MISSING) from missing
    async with open_board(config, gateway) as board:
        # A page of `--serve` is drawn into a pipe, by a driver that is named there.
        if not sys.stdout.isatty() and "TEXTUAL_DRIVER" not in os.environ:
            raise InvalidInput("the board needs a terminal; --serve shows it to a browser")
        await Board(board.source, board.desk, poll_s=max(config.chain.poll_interval_s, 0.5)).run_async()


async def serve(
    file: Path,
    gateway: Path | None,
    changes: Sequence[str] = (),
    *,
    host: str,
    port: int,
    public_url: str | None = None,
    anybody: bool = False,
) -> None:
    """Serve the board to browsers until SIGINT or SIGTERM; prints `ready <URL>`, with the key that opens it.

    Each page runs the board as a process of its own, started with the same settings and `changes` to them.

    :raises ConfigError: the extra `dash` is not installed.
    :raises InvalidInput: an address that others reach, without `anybody`.
    """
    try:
        from livepeer_client.dash.serve import BoardServer
    except ModuleNotFoundError as missing:
        raise ConfigError(MISSING) from missing
    command = [sys.executable, "-m", "livepeer_client", "dash", "--config", str(file)]
    for change in changes:
        command += ["--set", change]
    if gateway is not None:
        command += ["--gateway", str(gateway)]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = BoardServer(command, host=host, port=port or free_port(host), public_url=public_url, anybody=anybody)
    async with server.open():
        sys.stdout.write(f"ready {server.address}\n")
        sys.stdout.flush()
        await stop.wait()


def free_port(host: str) -> int:
    """A port that nobody listens on now: the pages must know it before it is open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
