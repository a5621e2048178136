"""Jobs of brought-along capabilities that outlast their request: submitted, asked about, paid for again (B.1).

They are charged like others while they run. One that is no longer covered is stopped and says so. They live in memory:
when the node stops they end, and only the seconds until then are charged.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.errors import Bug, LivepeerError
from livepeer_client.services.byoc import ByocWork, Meter, Started, metered
from livepeer_client.services.work import Refused
from livepeer_client.types import Address

MAX_JOBS: Final = 1000
"""Kept together, running and ended; the oldest ended ones go first."""
MAX_RESULT_BYTES: Final = 1 << 20
_ID_BYTES: Final = 16

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Training:
    """One job as it stands."""

    id: str
    capability: str
    model_id: str
    sender: Address | None
    created_at: float
    updated_at: float
    status: str = "submitted"
    progress: int = 0
    result: object = None
    error: str | None = None
    meter: Meter | None = field(default=None, repr=False)
    outcome: tuple[str, str | None] | None = None
    """What the worker made of it, (status, error), until its last seconds are charged."""

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


class TrainingJobs:
    """All training jobs of a node."""

    def __init__(self, work: ByocWork, service_uri: str) -> None:
        self._work = work
        self._uri = service_uri.rstrip("/")
        self._jobs: OrderedDict[str, Training] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, header: str, payment: str, capability: str, body: bytes) -> dict[str, Any] | Refused:
        """Begin a job: its id and where to ask about it."""
        try:
            asked = bounded_json.loads(body)
            model_id = str(asked.get("model_id", ""))
        except (ValueError, RecursionError, AttributeError):
            return Refused(400, "not a JSON object")
        if not self._make_room():
            return Refused(503, "too many jobs")
        verdict: asyncio.Future[Training | Refused] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(header, payment, capability, model_id, body, verdict))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # What it fails with before it has begun is this request's failure.
        either: set[asyncio.Future[Any]] = {task, verdict}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not verdict.done():
            task.result()
            raise Bug("a job ended without a verdict")
        started = verdict.result()
        if isinstance(started, Refused):
            return started
        return {
            "job_id": started.id,
            "status": started.status,
            "status_url": f"{self._uri}/process/job/{started.id}",
        }

    def status(self, job_id: str) -> dict[str, Any] | None:
        """How a job stands, None if there is none of that id."""
        job = self._jobs.get(job_id)
        if job is None:
            return None
        balance = Fraction(0) if job.sender is None else self._work.balance(job.sender, job.capability)
        return {
            "job_id": job.id,
            "status": job.status,
            "progress": job.progress,
            "result": job.result,
            "error": job.error,
            "model_id": job.model_id,
            "created_at": job.created_at,
            "updated_at": job.updated_at,
            "cost": str(int(Fraction(0) if job.meter is None else job.meter.cost)),
            "balance": str(int(balance)),
        }

    async def refresh(self, job_id: str, payment: str) -> dict[str, Any] | Refused:
        """Take a payment for a job that runs, from whoever has started it."""
        job = self._jobs.get(job_id)
        if job is None:
            return Refused(404, "job not found")
        if job.ended:
            return Refused(409, "job has ended")
        if job.sender is None:
            return {"credited_wei": "0", "new_balance_wei": "0"}
        credit = await self._work.pay(payment, job.sender, job.capability)
        if isinstance(credit, Refused):
            return credit
        balance = self._work.balance(job.sender, job.capability)
        return {"credited_wei": str(int(credit)), "new_balance_wei": str(int(balance))}

    async def close(self) -> None:
        """End all jobs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _make_room(self) -> bool:
        if len(self._jobs) < MAX_JOBS:
            return True
        ended = next((job_id for job_id, job in self._jobs.items() if job.ended), None)
        if ended is not None:
            del self._jobs[ended]
        return ended is not None

    async def _run(
        self,
        header: str,
        payment: str,
        capability: str,
        model_id: str,
        body: bytes,
        verdict: "asyncio.Future[Training | Refused]",
    ) -> None:
        async with self._work.start(header, payment, capability) as started:
            if isinstance(started, Refused):
                verdict.set_result(started)
                return
            now = self._work.clock.time()
            job = Training(secrets.token_hex(_ID_BYTES), capability, model_id, started.job.sender, now, now)
            job.meter = started.meter
            self._jobs[job.id] = job
            verdict.set_result(job)
            try:
                await metered(started.meter, self._train(job, started, body))
                # Told only now, with the last seconds charged: who reads the outcome reads its cost beside it.
                if job.outcome is not None:
                    self._end(job, job.outcome[0], error=job.outcome[1])
                elif started.meter.exhausted:
                    self._end(job, "failed", error="insufficient balance")
            except LivepeerError as error:
                _log.warning("training failed job=%s: %s", job.id, error)
                self._end(job, "failed", error="the worker failed")
            finally:
                if not job.ended:
                    self._end(job, "cancelled", error="the node was stopped")

    async def _train(self, job: Training, started: Started[Meter], body: bytes) -> None:
        job.status = "running"
        async with self._work.call(
            started.entry, f"train/{job.capability}", body, "application/json", started.job.timeout_s
        ) as reply:
            held = bytearray()
            is_stream = reply.content_type.startswith("text/event-stream")
            async for piece in reply.body:
                held += piece
                while is_stream and b"\n" in held:
                    line, _, rest = bytes(held).partition(b"\n")
                    held = bytearray(rest)
                    self._hear(job, line)
                if len(held) > MAX_RESULT_BYTES:
                    job.outcome = "failed", "the worker's answer is too large"
                    return
            if reply.status >= 400:
                job.outcome = "failed", bytes(held[:500]).decode("utf-8", "replace")
                return
            if not is_stream:
                job.result = _json(bytes(held))
            job.progress = 100
            job.outcome = "completed", None

    def _hear(self, job: Training, line: bytes) -> None:
        """An event of a worker that tells how far it is, and in the end what came of it."""
        said = _json(line.removeprefix(b"data:")) if line.startswith(b"data:") else None
        if not isinstance(said, dict):
            return
        progress = said.get("progress")
        if isinstance(progress, int) and 0 <= progress <= 100:
            job.progress = progress
        if "result" in said:
            job.result = said["result"]
        job.updated_at = self._work.clock.time()

    def _end(self, job: Training, status: str, *, error: str | None = None) -> None:
        job.status, job.error, job.updated_at = status, error, self._work.clock.time()


def _json(data: bytes) -> object:
    try:
        return bounded_json.loads(data)
    except (ValueError, RecursionError):
        return None
