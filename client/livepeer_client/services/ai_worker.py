"""An AI worker that runs jobs for an orchestrator elsewhere (offchain-network 4.9)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from random import Random
from typing import Protocol

from livepeer_client.codec.worker_api import AiTask, AiWorkerJoins
from livepeer_client.errors import InvalidInput, LivepeerError
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.pipelines import PipelineTable
from livepeer_client.ports import Clock
from livepeer_client.services.ai_runners import AT_FAULT
from livepeer_client.services.ai_work import AiRunner, file_field
from livepeer_client.services.worker_loop import DRAIN_S, WorkerLoop

_log = logging.getLogger(__name__)


class AiLink(Protocol):
    """The orchestrator; see `adapters.worker_client.OrchestratorLink`."""

    def ai_tasks(self, joins: AiWorkerJoins, joined: Callable[[], None]) -> AsyncGenerator[AiTask, None]: ...

    async def fetch(self, url: str) -> bytes: ...

    async def deliver_ai(self, task: AiTask, result: AiResult) -> None: ...

    async def report_ai(self, task: AiTask, reason: str) -> None: ...


class AiWorker:
    """Runs the models of a table. Parameters as `TranscoderWorker`."""

    def __init__(
        self,
        link: AiLink,
        runner: AiRunner,
        models: PipelineTable,
        *,
        secret: str,
        version: str,
        clock: Clock,
        random: Random,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        self._link = link
        self._runner = runner
        self._models = models
        self._joined = joined
        served = models.served_here
        self._joins = AiWorkerJoins(secret, replace(served, version=version))
        capacity = max(1, sum(entry.capacity for entry in models.entries))
        self._loop = WorkerLoop(self._tasks, self._work, capacity=capacity, clock=clock, random=random)

    async def run(self, stop: asyncio.Event, *, drain_s: float = DRAIN_S) -> None:
        """See `WorkerLoop.run`."""
        await self._loop.run(stop, drain_s=drain_s)

    def _tasks(self) -> AsyncGenerator[AiTask, None]:
        return self._link.ai_tasks(self._joins, self._joined)

    async def _work(self, task: AiTask) -> None:
        try:
            try:
                result = await self._result(task)
            except InvalidInput as error:
                reason = f"{AT_FAULT} {error}"
                await self._loop.deliver(lambda: self._link.report_ai(task, reason))
            except LivepeerError as error:
                _log.warning("job failed task=%d: %s", task.task_id, error)
                await self._loop.deliver(lambda: self._link.report_ai(task, "job failed"))
            else:
                await self._loop.deliver(lambda: self._link.deliver_ai(task, result))
        except LivepeerError as error:
            _log.warning("result not delivered task=%d: %s", task.task_id, error)

    async def _result(self, task: AiTask) -> AiResult:
        entry = self._models.find(task.pipeline, task.model)
        if entry is None:
            raise InvalidInput(f"no such model of {task.pipeline}")
        file = None
        if task.input_url:
            file = AiFile("input", await self._link.fetch(task.input_url))
        request = AiRequest(task.pipeline, task.model, task.request, file_field(task.pipeline), file)
        return await self._runner.run(entry, request)
