"""Brought-along capabilities on an orchestrator's port."""

from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from livepeer_client.adapters.byoc_client import ByocHttp
from livepeer_client.adapters.byoc_server import mount_byoc
from livepeer_client.adapters.byoc_stream_server import mount_byoc_streams
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.sqlite.jobs import SqliteJobMemory
from livepeer_client.adapters.trickle_server import TrickleHub
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.ports.till import Till
from livepeer_client.services.byoc import ByocWork, Registry, metered
from livepeer_client.services.byoc_streams import ByocStreams
from livepeer_client.services.byoc_training import TrainingJobs
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.work import WorkService


async def sell_byoc(
    opened: AsyncExitStack,
    registry: Registry,
    service_uri: str,
    secret: Secret | None,
    *,
    work: WorkService,
    payments: Till,
    board: CapacityBoard,
    hub: TrickleHub,
    memory: Path | None = None,
) -> Mount:
    """The routes. Streams, and jobs that outlast their requests, end with `opened`.

    :param memory: the file in which used jobs are remembered; None where balances do not outlive the process either.
    :raises StoreError: it cannot be used.
    """
    byoc = ByocWork(
        registry,
        service_uri=service_uri,
        work=work,
        payments=payments,
        board=board,
        call=await opened.enter_async_context(ByocHttp()),
        clock=SystemClock(),
        memory=None if memory is None else await opened.enter_async_context(await SqliteJobMemory.open(memory)),
    )
    training = TrainingJobs(byoc, service_uri)
    opened.push_async_callback(training.close)
    streams = ByocStreams(byoc, hub, service_uri)
    opened.push_async_callback(streams.close)

    def mount(app: web.Application) -> None:
        mount_byoc(app, byoc, training, metered, secret)
        mount_byoc_streams(app, streams)

    return mount
