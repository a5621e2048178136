"""What an orchestrator's port serves to those that work for it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from livepeer_client.adapters.ai_worker_server import ai_worker_rpc, mount_ai_workers
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.worker_server import Secret, mount_transcoders, transcoder_rpc
from livepeer_client.codec.capability import mismatch
from livepeer_client.codec.messages import Capabilities
from livepeer_client.config.workers import WorkersConfig
from livepeer_client.ports import Transcoder
from livepeer_client.services.ai_runners import RemoteAiWorkers
from livepeer_client.services.ai_work import AiRunner
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.transcoders import RemoteTranscoders

GRACE_S: Final = 10.0
"""For the tasks that are out when the node stops."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The parts of a node that workers need, and that need them."""

    transcoder: Transcoder
    runner: AiRunner
    mounts: tuple[Mount, ...] = ()
    rpc: tuple[grpc.GenericRpcHandler, ...] = ()
    session_ended: Callable[[str], None] = lambda _: None
    secret: Secret | None = None
    drains: tuple[Callable[[float], Coroutine[Any, Any, None]], ...] = field(default=())

    async def drain(self) -> None:
        """Before the port closes: results that are on their way need it."""
        for drain in self.drains:
            await drain(GRACE_S)


def open_workers(
    config: WorkersConfig | None, service_uri: str, board: CapacityBoard, here: Transcoder, runner: AiRunner
) -> Workers:
    """Everything for remote workers, or what works here alone if there are none.

    :raises ConfigError: the secret is missing, too short, or readable by others.
    """
    if config is None:
        return Workers(here, runner)
    secret = Secret(load_token(config.secret_file))
    transcoders = RemoteTranscoders(service_uri, here=here if config.transcodes_here else None, board=board)
    least = Capabilities(min_version=config.min_version)

    def new_enough(version: str) -> bool:
        return mismatch(least, Capabilities(version=version)) is None

    models = RemoteAiWorkers(service_uri, here=runner, board=board)
    return Workers(
        transcoder=transcoders,
        runner=models,
        mounts=(
            lambda app: mount_transcoders(app, transcoders, secret),
            lambda app: mount_ai_workers(app, models, secret),
        ),
        rpc=(transcoder_rpc(transcoders, secret), ai_worker_rpc(models, secret, new_enough)),
        session_ended=transcoders.session_ended,
        secret=secret,
        drains=(transcoders.pool.drain, models.pool.drain),
    )
