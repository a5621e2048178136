"""The meter of brought-along capabilities where it meets a slow or failing store."""

import asyncio
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.codec.byoc_api import Registration
from livepeer_client.errors import StoreError, StoreUnavailable
from livepeer_client.services.byoc import DEBIT_S, Meter, metered
from livepeer_client.services.tasks import completed
from livepeer_client.types import Address

ENTRY = Registration("reverse", "https://worker.example", 1, Fraction(1))


class Till:
    """Takes its time with a debit, which ends in the books whether or not somebody still waits for it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.debited: list[int] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.trouble: StoreError | None = None

    def balance(self, _sender: Address, _account: str) -> Fraction:
        return Fraction(1_000_000)

    async def charge(self, _sender: Address, _entry: Registration, _seq: int, seconds: int) -> None:
        await completed(self._debit(seconds))

    async def _debit(self, seconds: int) -> None:
        self.asked.set()
        await self.go_on.wait()
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        self.debited.append(seconds)


async def debit_begun(till: Till) -> tuple[Meter, "asyncio.Task[None]", asyncio.Event]:
    """A job of five seconds whose first debit is on its way to the store."""
    meter = Meter(till, Address(b"\1" * 20), ENTRY, seq=1)  # type: ignore[arg-type]
    done = asyncio.Event()

    async def work() -> None:
        await done.wait()

    job = asyncio.create_task(metered(meter, work()))
    while not till.asked.is_set():
        await till.clock.advance(DEBIT_S)
    return meter, job, done


async def test_metered__job_ends_while_a_debit_is_being_stored__those_seconds_are_charged_once() -> None:
    till = Till()
    meter, job, done = await debit_begun(till)
    done.set()
    # The job is over, and waits for the debit.
    for _ in range(10):
        await asyncio.sleep(0)
    till.go_on.set()
    async with asyncio.timeout(60):
        await job
    assert sum(till.debited) == meter.cost == till.clock.monotonic()


@pytest.mark.parametrize(
    ("trouble", "charged"), [(StoreUnavailable("gone"), 0), (StoreError("refused"), DEBIT_S)], ids=["perhaps", "no"]
)
async def test_metered__debit_fails__is_repeated_only_if_nothing_was_stored(trouble: StoreError, charged: int) -> None:
    till = Till()
    till.trouble = trouble
    _, job, _ = await debit_begun(till)
    till.go_on.set()
    async with asyncio.timeout(60):
        with pytest.raises(StoreError):
            await job
    assert sum(till.debited) == charged
