"""A transcoder: works for one orchestrator, and needs neither key nor chain."""

import asyncio
import contextlib
import random
import signal
import sys
from importlib.metadata import version

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.media import PyavTranscoder
from livepeer_client.adapters.media.source import source_pixels
from livepeer_client.adapters.worker_client import OrchestratorLink
from livepeer_client.codec.capability import with_capacities
from livepeer_client.codec.messages import Capabilities
from livepeer_client.config.workers import TranscoderSettings
from livepeer_client.errors import ConfigError
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.services.transcoder_worker import TranscoderWorker


async def run(settings: TranscoderSettings) -> None:
    """Work until SIGTERM or SIGINT, then finish what was taken. Prints `ready <orchestrator>` once it has joined.

    :raises ConfigError: the secret or the certificate cannot be read, or PyAV is not installed.
    :raises PeerRefused: the orchestrator does not want this transcoder.
    """
    log_to_stderr()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    secret = load_token(settings.secret_file)
    async with contextlib.AsyncExitStack() as opened:
        transcoder = PyavTranscoder(workers=settings.threads, preset=settings.preset)
        opened.push_async_callback(transcoder.close)
        link = OrchestratorLink(
            settings.orchestrator, secret, certificate=_certificate(settings), hosts=settings.segment_hosts
        )
        opened.push_async_callback(link.close)
        bits = transcoder.capabilities
        worker = TranscoderWorker(
            link,
            transcoder,
            secret=secret,
            capacity=settings.capacity,
            capabilities=Capabilities(bits, capacities=with_capacities(bits), version=version("livepeer-client")),
            pixels=source_pixels,
            clock=SystemClock(),
            random=random.SystemRandom(),
            joined=lambda: _say(settings.orchestrator),
        )
        await worker.run(stop)


def _certificate(settings: TranscoderSettings) -> bytes | None:
    if settings.certificate is None:
        return None
    try:
        return settings.certificate.read_bytes()
    except OSError as error:
        raise ConfigError(f"{settings.certificate}: {error.strerror}") from error


def _say(orchestrator: str) -> None:
    sys.stdout.write(f"ready {orchestrator}\n")
    sys.stdout.flush()
