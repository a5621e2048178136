"""Where batch AI jobs are run: here, or by workers that have joined (offchain-network 4.8, 4.9)."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Final

from livepeer_client.codec.worker_api import AiTask, AiWorkerJoins
from livepeer_client.errors import PeerRefused
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.pipelines import Pipeline, pipeline_job
from livepeer_client.policy.workers import Nobody, NoWorker
from livepeer_client.services.ai_work import AiRunner
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.workers import MAX_CAPACITY, WorkerPool, by_model

TASK_S: Final = 15 * 60.0
_NAME_BYTES: Final = 16


class LocalRunner:
    """Jobs by functions of this process, one thread each."""

    def __init__(self, functions: Mapping[str, Callable[[AiRequest], AiResult]]) -> None:
        self._functions = dict(functions)

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        """See `AiRunner.run`."""
        function = self._functions.get(pipeline.name)
        if function is None:
            raise NoWorker(Nobody.UNFIT)
        return await asyncio.to_thread(function, request)


class AnyRunner:
    """The first of several that has the pipeline."""

    def __init__(self, *runners: AiRunner) -> None:
        self._runners = runners

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        """See `AiRunner.run`."""
        for runner in self._runners:
            with suppress(NoWorker):
                return await runner.run(pipeline, request)
        raise NoWorker(Nobody.UNFIT)


class RemoteAiWorkers:
    """AI workers that have joined this orchestrator.

    :param here: runs the models of this node's own capacity that no worker has room for.
    """

    def __init__(
        self,
        service_uri: str,
        *,
        here: AiRunner | None = None,
        board: CapacityBoard | None = None,
        task_s: float = TASK_S,
    ) -> None:
        self._base = f"{service_uri.rstrip('/')}/inputs"
        self._here = here
        self._task_s = task_s
        self._inputs: dict[str, AiFile] = {}
        self.pool: WorkerPool[AiTask, AiResult] = WorkerPool(by_model, board)

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        """See `AiRunner.run`. A worker that is lost is replaced while nothing has come of it."""
        # Without a capacity of its own the pipeline is left to workers.
        here = self._here if pipeline.capacity else None
        name, url = secrets.token_hex(_NAME_BYTES), ""
        if request.file is not None:
            self._inputs[name] = request.file
            url = f"{self._base}/{name}"
        fields = {**request.fields, "model_id": request.model}
        try:
            return await self.pool.run(
                pipeline_job(pipeline.capability, pipeline.model),
                lambda task_id: AiTask(pipeline.name, fields, task_id, url),
                context=request,
                within_s=self._task_s,
                # What a worker says of a request, another one would say too.
                is_final=lambda reason: reason.startswith(AT_FAULT),
                patient=here is None,
            )
        except NoWorker:
            if here is None:
                raise
            return await here.run(pipeline, request)
        except PeerRefused as error:
            if error.reason.startswith(AT_FAULT):
                raise PeerRefused(error.peer, 400, error.reason.removeprefix(AT_FAULT).strip()) from error
            raise
        finally:
            self._inputs.pop(name, None)

    # --- what a server calls ------------------------------------------------------------------------

    def attend(self, joins: AiWorkerJoins) -> AsyncGenerator[AiTask, None]:
        """Tasks for a worker that has shown the secret; see `WorkerPool.attend`."""
        return self.pool.attend(joins.capabilities, MAX_CAPACITY, joins.hardware)

    def input(self, name: str) -> AiFile | None:
        """The file of a job that is under way."""
        return self._inputs.get(name)

    def expects(self, task_id: int) -> bool:
        return self.pool.context(task_id) is not None

    def finish(self, task_id: int, result: AiResult) -> bool:
        """Take a result; False if nobody waits for it."""
        return self.pool.finish(task_id, result)

    def fail(self, task_id: int, reason: str) -> bool:
        """Take a worker's word that it cannot; False if nobody waits for it."""
        return self.pool.fail(task_id, reason)


AT_FAULT: Final = "bad request:"
"""How the text of a failure begins that is the request's fault."""
