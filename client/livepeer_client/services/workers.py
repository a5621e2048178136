"""Workers that have joined over the network, and the tasks they were given (offchain-network 4.4, 4.9).

A task's id is 62 random bits: who was not given a task cannot answer it, though all workers share one secret. A job is
given to the next worker as soon as the one that has it is gone; whoever answers first has done it, also one whose
stream broke off and that went on working.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from livepeer_client.codec.messages import Capabilities, Hardware
from livepeer_client.errors import InvalidInput, PeerRefused, PeerTimeout
from livepeer_client.policy.workers import Loaded, Nobody, NoWorker, least_loaded
from livepeer_client.services.capacity import CapacityBoard

MAX_WORKERS: Final = 200
MAX_CAPACITY: Final = 1000
"""Nobody has more at once, whatever it says."""
MAX_ATTEMPTS: Final = 3
MAX_LATE: Final = 3
"""Tasks in a row that a worker leaves unanswered before it is sent away; it may join anew."""
_TASK_BITS: Final = 62

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Worker(Generic[T]):
    """One that has joined."""

    number: int
    offers: Capabilities
    capacity: int
    outbox: asyncio.Queue[T | None] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: set[str] = field(default_factory=set)
    jobs: dict[int, "Job[T]"] = field(default_factory=dict)
    late: int = 0

    def __str__(self) -> str:
        return f"worker {self.number}"


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """What has to be done by somebody."""

    needs: Capabilities
    make: Callable[[int], T]
    session: str
    context: object
    answer: "asyncio.Future[Any]"
    ids: set[int] = field(default_factory=set)


Room = Callable[[Worker[T], Capabilities], tuple[int, int]]
"""How much of a worker's capacity for such a job is in use, and how much it has."""


def by_session(worker: Worker[T], _: Capabilities) -> tuple[int, int]:
    """A session counts once, whatever it has under way."""
    return len(worker.sessions), worker.capacity


def by_model(worker: Worker[T], job: Capabilities) -> tuple[int, int]:
    """Jobs of the same models count against the capacity that the worker stated for them."""
    names = {(number, model) for number, models in job.constraints.items() for model in models}
    taken = sum(
        any((number, model) in names for number, models in each.needs.constraints.items() for model in models)
        for each in worker.jobs.values()
    )
    stated = [worker.offers.constraints.get(number, {}).get(model) for number, model in names]
    return taken, min((each.capacity for each in stated if each is not None), default=0)


class WorkerPool(Generic[T, R]):
    """Workers of one kind: tasks `T` go out, results `R` come back. Not for several threads."""

    def __init__(self, room: Room[T], board: CapacityBoard | None = None) -> None:
        self._room = room
        self._board = board
        self._workers: list[Worker[T]] = []
        self._sticky: dict[str, Worker[T]] = {}
        self._tasks: dict[int, tuple[Job[T], Worker[T]]] = {}
        self._joined = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def capacity(self) -> int:
        """Of all workers together."""
        return sum(each.capacity for each in self._workers)

    @property
    def load(self) -> int:
        return len(self._sticky)

    def __len__(self) -> int:
        return len(self._workers)

    # --- a worker's side ----------------------------------------------------------------------------

    @contextmanager
    def _membership(self, worker: Worker[T], hardware: Iterable[Hardware]) -> Iterator[None]:
        self._workers.append(worker)
        if self._board is not None:
            self._board.join(worker, worker.offers, hardware)
        self._changed.set()
        _log.info("%s joined capacity=%d workers=%d", worker, worker.capacity, len(self._workers))
        try:
            yield
        finally:
            self._detach(worker)

    async def attend(
        self, offers: Capabilities, capacity: int, hardware: Iterable[Hardware] = ()
    ) -> AsyncGenerator[T, None]:
        """Tasks for a worker, for as long as this is iterated; it has left when that ends.

        :raises InvalidInput: too many workers, or none are taken any more.
        """
        if self._closed or len(self._workers) >= MAX_WORKERS:
            raise InvalidInput(f"{len(self._workers)} workers have joined, and no more are taken")
        self._joined += 1
        worker: Worker[T] = Worker(self._joined, offers, min(capacity, MAX_CAPACITY))
        with self._membership(worker, hardware):
            while (task := await worker.outbox.get()) is not None:
                yield task

    def _detach(self, worker: Worker[T]) -> None:
        if worker.gone.is_set():
            return
        worker.gone.set()
        worker.outbox.put_nowait(None)
        self._workers.remove(worker)
        if self._board is not None:
            self._board.leave(worker)
        for session in worker.sessions:
            self._sticky.pop(session, None)
        self._changed.set()
        _log.info("%s left with %d tasks workers=%d", worker, len(worker.jobs), len(self._workers))

    def context(self, task_id: int) -> object | None:
        """What is known of a task that is still wanted, None for any other id."""
        found = self._tasks.get(task_id)
        return None if found is None or found[0].answer.done() else found[0].context

    def finish(self, task_id: int, result: R) -> bool:
        """Take a result; False if nobody waits for it any more."""
        if self.context(task_id) is None:
            return False
        job, worker = self._tasks[task_id]
        worker.late = 0
        job.answer.set_result(result)
        return True

    def fail(self, task_id: int, reason: str) -> bool:
        """Take a worker's word that it cannot do a task; as `finish`."""
        if self.context(task_id) is None:
            return False
        job, worker = self._tasks[task_id]
        worker.late = 0
        job.answer.set_exception(PeerRefused(str(worker), 0, reason))
        return True

    # --- who has work -------------------------------------------------------------------------------

    async def run(
        self,
        needs: Capabilities,
        make: Callable[[int], T],
        *,
        context: object,
        within_s: float,
        session: str = "",
        is_final: Callable[[str], bool] = lambda _: False,
        patient: bool = True,
    ) -> R:
        """Have a job done: by the session's worker if it has one, else by the least loaded.

        :param make: the task for an id.
        :param context: what `context` gives to whoever brings the result.
        :param is_final: whether a failure with this text would be the same at any other worker.
        :param patient: when the worker is lost and there is no other, wait for one, or for its answer.
        :raises NoWorker: nobody can take it.
        :raises PeerTimeout: no answer in time.
        :raises PeerRefused: the worker's own text, after `MAX_ATTEMPTS` workers or a final one.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        tried: set[Worker[T]] = set()
        refused: PeerRefused | None = None
        job: Job[T] = Job(needs, make, session, context, asyncio.get_running_loop().create_future())
        try:
            while True:
                worker: Worker[T] | None
                try:
                    worker = self._choose(job, tried)
                except NoWorker:
                    if refused is not None:
                        raise refused from None
                    if not tried or not patient:
                        raise
                    worker = await self._anybody(job, tried, deadline)
                if worker is not None:
                    tried.add(worker)
                    self._give(job, worker)
                try:
                    return await self._answer(job, worker, deadline)
                except _Lost:
                    continue
                except PeerRefused as error:
                    if is_final(error.reason) or len(tried) >= MAX_ATTEMPTS:
                        raise
                    _log.warning("task failed, next worker: %s", error)
                    refused, job.answer = error, asyncio.get_running_loop().create_future()
        finally:
            self._forget(job)

    def end_session(self, session: str, notice: T | None = None) -> None:
        """Nothing more comes of a session: free its place, and tell its worker."""
        worker = self._sticky.pop(session, None)
        if worker is not None:
            worker.sessions.discard(session)
            if notice is not None:
                worker.outbox.put_nowait(notice)

    async def drain(self, grace_s: float) -> None:
        """Wait for the tasks that are out, for so long at most; then send all workers away."""
        self._closed = True
        waiting = {job.answer for job, _ in self._tasks.values()}
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        for worker in list(self._workers):
            self._detach(worker)

    def _choose(self, job: Job[T], tried: set[Worker[T]]) -> Worker[T]:
        sticky = self._sticky.get(job.session)
        if sticky is not None and sticky not in tried:
            return sticky
        rows = []
        for worker in self._workers:
            if worker not in tried:
                load, capacity = self._room(worker, job.needs)
                rows.append(Loaded(worker, worker.offers, load, capacity))
        found = least_loaded(rows, job.needs)
        if isinstance(found, Nobody):
            raise NoWorker(found)
        return found

    def _give(self, job: Job[T], worker: Worker[T]) -> None:
        task_id = secrets.randbits(_TASK_BITS) + 1
        job.ids.add(task_id)
        worker.jobs[task_id] = job
        self._tasks[task_id] = job, worker
        if job.session:
            before = self._sticky.get(job.session)
            if before is not None:
                before.sessions.discard(job.session)
            self._sticky[job.session] = worker
            worker.sessions.add(job.session)
        worker.outbox.put_nowait(job.make(task_id))

    async def _anybody(self, job: Job[T], tried: set[Worker[T]], deadline: float) -> Worker[T] | None:
        """The next worker that can take it, or None if the answer came from one that was thought lost."""
        while not job.answer.done():
            self._changed.clear()
            with suppress(NoWorker):
                return self._choose(job, tried)
            changed: asyncio.Future[Any] = asyncio.ensure_future(self._changed.wait())
            try:
                await self._wait({changed, job.answer}, job, None, deadline)
            finally:
                changed.cancel()
        return None

    async def _answer(self, job: Job[T], worker: Worker[T] | None, deadline: float) -> R:
        if worker is not None:
            gone: asyncio.Future[Any] = asyncio.ensure_future(worker.gone.wait())
            try:
                await self._wait({gone, job.answer}, job, worker, deadline)
            finally:
                gone.cancel()
            if not job.answer.done():
                raise _Lost
        result: R = job.answer.result()
        return result

    async def _wait(
        self,
        for_any: "set[asyncio.Future[Any]]",
        job: Job[T],
        worker: Worker[T] | None,
        deadline: float,
    ) -> None:
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait(for_any, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return
        if worker is not None:
            worker.late += 1
            if worker.late >= MAX_LATE:
                _log.warning("%s sent away after %d tasks without an answer", worker, worker.late)
                self._detach(worker)
        raise PeerTimeout(str(worker or "workers"), "took too long")

    def _forget(self, job: Job[T]) -> None:
        for task_id in job.ids:
            _, worker = self._tasks.pop(task_id)
            worker.jobs.pop(task_id, None)
        if not job.answer.done():
            job.answer.cancel()
        elif not job.answer.cancelled():
            # Looked at, so that asyncio does not report it as overlooked.
            job.answer.exception()


class _Lost(Exception):
    """The worker is gone and has not answered."""
