"""An orchestrator without a chain: no key, no store, one TLS port; it gives its work away."""

import asyncio
import contextlib

from livepeer_client.config import OffchainConfig
from livepeer_client.nodes.admin import overseen_offchain
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.nodes.metrics import serve_work
from livepeer_client.nodes.selling import Shop, told_to_stop
from livepeer_client.services.offchain import AnySender, FreeTill, NoKey


async def run(config: OffchainConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Prints `ready <service URI>` once the port is open.

    :raises ConfigError: the workers' or runners' secret.
    """
    log_to_stderr()
    stop, till = told_to_stop(), FreeTill()
    async with contextlib.AsyncExitStack() as opened:
        await asyncio.to_thread(config.orchestrator.data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
        shop = await Shop.open(opened, config, free=True)
        advertise, work = shop.staff(NoKey(), till, senders=AnySender())
        await opened.enter_async_context(overseen_offchain(config.admin, work))
        server, services = await shop.serve(opened, advertise, work, till, free=True)
        await shop.run(server, work, [*services, serve_work(config.metrics, work.status)], stop)
