"""A redeemer: one recipient's winners, taken over gRPC, kept on disk and redeemed from one key."""

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from livepeer_client.adapters.chain.suite import load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.pause_file import PauseFile
from livepeer_client.adapters.redeemer_client import GrpcTicketRedeemer
from livepeer_client.adapters.redeemer_server import RedeemerServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.config import RedeemerConfig, RemoteRedeemer
from livepeer_client.facts import Lane
from livepeer_client.nodes.chain import gas_monitor, open_suite
from livepeer_client.nodes.control import PAUSE_NAME, answer_operator
from livepeer_client.nodes.keys import open_signer, open_transactions
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.nodes.metrics import NodeMetrics
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.figures import FigureService
from livepeer_client.services.redeemer import RedeemerService, WrongRecipient
from livepeer_client.services.redemption import RedemptionService


async def run(config: RedeemerConfig) -> None:
    """Serve until SIGTERM or SIGINT. Prints `ready <host:port>` once the port is open.

    :raises ConfigError: key, token, certificate or address file; or callers that nothing would keep out.
    :raises LivepeerError: what stopped it, such as `StoreCorrupt`.
    """
    log_to_stderr()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings, redemption, clock = config.redeemer, config.redemption, SystemClock()
    addresses = await asyncio.to_thread(load_addresses, config.chain.addresses)
    certificate = settings.data_dir / "tls.pem"
    metrics = NodeMetrics(config.metrics)
    async with contextlib.AsyncExitStack() as opened:
        signer = await opened.enter_async_context(open_signer(config.key))
        await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
        # Makes the certificate if there is none yet; gRPC reads the file itself.
        await asyncio.to_thread(server_context, certificate, settings.host, time.time())
        suite = await opened.enter_async_context(open_suite(config.chain, addresses, metrics.observe))
        # One that cannot see the chain must not say that it is ready.
        await suite.head()
        file = settings.data_dir / "redeemer.sqlite"
        store = await opened.enter_async_context(await open_tickets(file, settings.store_url))
        view = ChainView(suite, clock, settings.recipient, config.chain.poll_interval_s)
        service = RedeemerService(settings.recipient, store, view, clock, poll_interval_s=config.chain.poll_interval_s)
        transactions = await opened.enter_async_context(
            open_transactions(suite, signer, config.chain, settings.data_dir)
        )
        gas = gas_monitor(suite, config.chain)
        redeem = RedemptionService(
            suite,
            transactions.lane(Lane.REDEMPTION),
            store,
            clock,
            redemption.policy,
            owner=f"redeemer {settings.host}:{settings.listen_port}",
            poll_interval_s=redemption.poll_interval_s,
            gas=gas,
            pause=PauseFile(settings.data_dir / PAUSE_NAME),
        )
        server = RedeemerServer(
            service,
            host=settings.listen_host,
            port=settings.listen_port,
            certificate=certificate,
            token=None if settings.token_file is None else load_token(settings.token_file),
            client_authority=settings.client_authority,
            wrong_recipient=WrongRecipient,
        )
        figures = FigureService(suite, store, clock, settings.recipient, redemption=redeem)
        services = (
            *(gas.run(), transactions.run(), redeem.run()),
            answer_operator(redeem, settings.data_dir),
            metrics.serve(figures),
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service) for service in services]
            async with server:
                sys.stdout.write(f"ready {settings.listen_host}:{server.port}\n")
                sys.stdout.flush()
                await stop.wait()
            for task in tasks:
                task.cancel()


def connect(remote: RemoteRedeemer) -> GrpcTicketRedeemer:
    """The redeemer that an orchestrator hands its winners to.

    :raises ConfigError: a file cannot be read.
    """
    token: Path | None = remote.token_file
    return GrpcTicketRedeemer(
        remote.target,
        authority=remote.authority,
        token=None if token is None else load_token(token),
        certificate=remote.certificate,
    )
