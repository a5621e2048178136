"""A remote signer: one gateway's key, a ledger of what it was used for, and an HTTP port."""

import asyncio
import contextlib
import secrets
import signal
import sys

from livepeer_client.adapters.chain.suite import load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.runner_list import RunnerListHttp
from livepeer_client.adapters.secret_file import read_or_create
from livepeer_client.adapters.signer_client import AuthWebhook
from livepeer_client.adapters.signer_server import build_signer_app, serve_signer
from livepeer_client.adapters.sqlite.signer import SqliteSignerLedger
from livepeer_client.codec.signer_api import STATE_KEY_BYTES
from livepeer_client.config import SignerNodeConfig
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.nodes.chain import open_suite
from livepeer_client.nodes.discovery import open_discovery
from livepeer_client.nodes.keys import open_signer
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.nodes.prices import open_feed, open_limits
from livepeer_client.policy.discovery import ProbePlan
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.signing import check_binding
from livepeer_client.services.directory import OrchestratorDirectory
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.services.prices import Limits
from livepeer_client.services.signer import SignerService


async def run(config: SignerNodeConfig) -> None:
    """Serve until SIGTERM or SIGINT. Prints `ready <host:port>` once the port is open.

    :raises ConfigError: key or address file; or a public port without a webhook that was not said to be meant.
    :raises LivepeerError: what stopped it, such as `StoreCorrupt`.
    """
    log_to_stderr()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings, clock = config.signer, SystemClock()
    webhook = settings.webhook_url is not None
    try:
        check_binding(settings.listen_host, webhook=webhook, allow_no_auth=settings.allow_no_auth)
    except InvalidInput as error:
        raise ConfigError(f"[signer] {error}: set webhook_url, or allow_no_auth = true") from error
    addresses = await asyncio.to_thread(load_addresses, config.chain.addresses)
    await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
    async with contextlib.AsyncExitStack() as opened:
        signer = await opened.enter_async_context(open_signer(config.key))
        suite = await opened.enter_async_context(open_suite(config.chain, addresses))
        # One that cannot see the chain must not say that it is ready.
        await suite.head()
        auth = None
        if settings.webhook_url is not None:
            auth = await opened.enter_async_context(AuthWebhook(settings.webhook_url))
        ledger = await opened.enter_async_context(await SqliteSignerLedger.open(settings.data_dir / "signer.sqlite"))
        service = SignerService(
            settings.policy,
            signer,
            ledger,
            GatewayView(suite, clock, signer.address, config.chain.poll_interval_s),
            clock,
            state_key=read_or_create(settings.data_dir / "state.key", lambda: secrets.token_bytes(STATE_KEY_BYTES)),
            auth=auth,
        )
        directory = None
        if config.discovery is not None:
            probe = await opened.enter_async_context(GrpcProbe(settings.data_dir / "certificates"))
            interval_s = config.chain.poll_interval_s
            found = await opened.enter_async_context(
                open_discovery(config.discovery, suite, probe, signer, ProbePlan(), poll_interval_s=interval_s)
            )
            directory = OrchestratorDirectory(
                found.service,
                clock,
                settings.policy.ceilings,
                refresh_s=config.discovery.refresh_s,
                runners=await opened.enter_async_context(RunnerListHttp()),
            )
        feed = await open_feed(config.price_feed, suite)

        def keep_to(ceilings: Ceilings) -> None:
            service.set_ceilings(ceilings)
            if directory is not None:
                directory.set_ceilings(ceilings)

        limits = open_limits(Limits(settings.ceiling, config.ceilings), feed, keep_to)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(service.run())]
            if feed is not None:
                background += [group.create_task(feed.run()), group.create_task(limits.run())]
            if directory is not None:
                background.append(group.create_task(directory.run()))
            async with serve_signer(
                build_signer_app(service, directory.entries if directory is not None else None),
                settings.listen_host,
                settings.listen_port,
                webhook=webhook,
                allow_no_auth=settings.allow_no_auth,
            ) as port:
                sys.stdout.write(f"ready {settings.listen_host}:{port}\n")
                sys.stdout.flush()
                await stop.wait()
            for task in background:
                task.cancel()
