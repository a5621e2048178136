"""The batch AI side of nodes: what runs models, and the routes that sell them."""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version

from livepeer_client.adapters.ai_client import HttpRunner
from livepeer_client.adapters.ai_server import ResultFiles, mount_ai
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.media.images import file_size, upscale
from livepeer_client.adapters.worker_client import OrchestratorLink
from livepeer_client.codec.capability import Capability
from livepeer_client.config.workers import AiWorkerSettings, RunnersConfig
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.policy.ai_request import FileSize
from livepeer_client.policy.pipelines import PipelineTable
from livepeer_client.policy.price_list import PriceList
from livepeer_client.ports.till import Till
from livepeer_client.services.ai_runners import AnyRunner, LocalRunner, RemoteAiWorkers
from livepeer_client.services.ai_work import AiRunner, AiWork
from livepeer_client.services.ai_worker import AiWorker
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.work import WorkService

_OWN = {"upscale": upscale}


def open_runner(config: RunnersConfig, http: HttpTransport) -> AiRunner:
    """What runs the models of this node."""
    return AnyRunner(LocalRunner({name: _OWN[name] for name in config.own}), HttpRunner(config.urls, http))


async def measure(data: bytes) -> FileSize:
    """What a file measures, found out in a thread."""
    return await asyncio.to_thread(file_size, data)


def sell_pipelines(
    pipelines: PipelineTable,
    service_uri: str,
    *,
    work: WorkService,
    payments: Till,
    board: CapacityBoard,
    runner: AiRunner | RemoteAiWorkers,
    prices: Callable[[], PriceList] | None = None,
) -> Mount:
    """The routes of an orchestrator's pipelines, at the `prices` now if they do not stay the same."""
    desk = AiWork(
        pipelines=pipelines,
        work=work,
        payments=payments,
        board=board,
        runner=runner,
        measure=measure,
        prices=prices,
    )
    files = ResultFiles(service_uri)
    batch = [entry.name for entry in pipelines.entries if entry.capability != Capability.LIVE_VIDEO_TO_VIDEO]
    return lambda app: mount_ai(app, desk, batch, files)


async def run(settings: AiWorkerSettings) -> None:
    """Work until SIGTERM or SIGINT, then finish what was taken. Prints `ready <orchestrator>` once it has joined.

    :raises ConfigError: the secret or the certificate cannot be read.
    :raises PeerRefused: the orchestrator does not want this worker.
    """
    log_to_stderr()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    secret = load_token(settings.secret_file)
    async with contextlib.AsyncExitStack() as opened:
        certificate = None if settings.certificate is None else await asyncio.to_thread(settings.certificate.read_bytes)
        link = OrchestratorLink(settings.orchestrator, secret, certificate=certificate)
        opened.push_async_callback(link.close)
        http = await opened.enter_async_context(HttpTransport())

        def joined() -> None:
            sys.stdout.write(f"ready {settings.orchestrator}\n")
            sys.stdout.flush()

        worker = AiWorker(
            link,
            open_runner(settings.runners, http),
            settings.models,
            secret=secret,
            version=version("livepeer-client"),
            clock=SystemClock(),
            random=random.SystemRandom(),
            joined=joined,
        )
        await worker.run(stop)
