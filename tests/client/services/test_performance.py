"""Scores of performance from outside (offchain-network 1.6)."""

import asyncio
from collections.abc import Mapping

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.errors import LivepeerError, PeerTimeout
from livepeer_client.services.performance import INTERVAL_S, PerformanceScores
from livepeer_client.types import Address

ADA = Address(b"\xaa" * 20)


class Web:
    def __init__(self) -> None:
        self.answer: bytes | LivepeerError = b"{}"
        self.asked = 0

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        self.asked += 1
        if isinstance(self.answer, LivepeerError):
            raise self.answer
        return self.answer

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        raise AssertionError("scores are read")


async def test_run__every_ten_minutes__reads_its_region_and_keeps_what_it_had_on_failure() -> None:
    clock, web = ManualClock(), Web()
    web.answer = b'{"0x%s": {"FRA": {"score": 0.9}, "LAX": {"score": 0.2}}}' % ADA.hex().encode()
    scores = PerformanceScores("https://scores.example", "FRA", web, clock)
    assert scores.scores == {}
    task = asyncio.create_task(scores.run())
    await clock.advance(1)
    assert scores.scores == {ADA: 0.9}
    for bad in (PeerTimeout("scores.example", "no answer"), b"nonsense"):
        web.answer = bad
        await clock.advance(INTERVAL_S)
        assert scores.scores == {ADA: 0.9}
    web.answer = b"{}"
    await clock.advance(INTERVAL_S)
    assert scores.scores == {}
    assert web.asked == 4
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
