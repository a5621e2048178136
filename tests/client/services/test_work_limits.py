"""Sessions a node takes: fixed, by its capacity, changed while it runs, and none while it drains; segments by URL."""

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeTranscoder
from livepeer_client.codec import wire
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.errors import InvalidInput, LivepeerError, PeerUnreachable
from livepeer_client.facts import Rendition
from livepeer_client.services.work import AUTO, Refused
from tests.support.shop import SEGMENT, Session, Shop


async def admitted(session: Session, seq: int = 0) -> Refused | None:
    """One segment from its headers to its end; what refused it."""
    with session.shop.work.exchange(*session.headers(seq)) as exchange:
        refusal = await exchange.admit()
        if refusal is None:
            await exchange.work(SEGMENT)
        return refusal


async def test_max_sessions__lowered_while_it_runs__refuses_new_ones_and_keeps_those_it_has() -> None:
    shop = Shop(price=Fraction(1, 1000))
    first, second = await shop.session(), await shop.session()
    assert await admitted(first) is None
    shop.work.set_max_sessions(1)
    assert await admitted(second) == Refused(403, "OrchestratorCapped")
    assert await admitted(first, 1) is None
    assert shop.work.status()["MaxSessions"] == 1
    shop.work.set_max_sessions(2)
    assert await admitted(second) is None


async def test_max_sessions__auto__goes_by_the_capacity_of_the_moment() -> None:
    shop = Shop(max_sessions=AUTO, capacity=0)
    first, second = await shop.session(), await shop.session()
    assert await admitted(first) == Refused(403, "OrchestratorCapped")
    shop.capacity = 1
    assert await admitted(first) is None
    assert await admitted(second) == Refused(403, "OrchestratorCapped")
    shop.capacity = 2
    assert await admitted(second) is None
    assert shop.work.max_sessions == 2


async def test_set_max_sessions__fewer_than_none__is_refused_and_changes_nothing() -> None:
    shop = Shop(max_sessions=3)
    with pytest.raises(InvalidInput):
        shop.work.set_max_sessions(-1)
    assert shop.work.max_sessions == 3


class SlowTranscoder(FakeTranscoder):
    """Holds its work back until told."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        self.begun.set()
        await self.go.wait()
        return await super().transcode(segment, credentials)


async def test_drain__work_under_way__is_finished_and_nothing_new_begun() -> None:
    transcoder = SlowTranscoder()
    shop = Shop(transcoder=transcoder)
    session, late = await shop.session(), await shop.session()
    working = asyncio.create_task(admitted(session))
    await transcoder.begun.wait()
    shop.work.drain()
    draining = asyncio.create_task(shop.work.drained())
    assert await admitted(late) == Refused(403, "OrchestratorCapped")
    await shop.clock.advance(1)
    assert not draining.done()
    transcoder.go.set()
    assert await working is None
    await shop.clock.advance(1)
    await draining
    assert len(shop.store.debits) == 1
    assert shop.work.status()["Draining"] is True


@dataclass
class Pages:
    """`ports.UrlFetcher` over a table."""

    pages: dict[str, bytes | LivepeerError] = field(default_factory=dict)

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        found = self.pages.get(url, PeerUnreachable(url, "no public host"))
        if isinstance(found, LivepeerError):
            raise found
        return found


async def test_segment__by_url__is_fetched_checked_against_its_hash_and_worked() -> None:
    shop = Shop(fetcher=Pages({"https://store.example/0.ts": SEGMENT, "https://store.example/1.ts": b"another"}))
    session = await shop.session()
    with shop.work.exchange(*session.headers(0)) as exchange:
        assert await exchange.admit() is None
        assert await exchange.fetch("https://store.example/1.ts") == b"another"
        assert exchange.check_body(b"another") == Refused(403, "Forbidden")
        body = await exchange.fetch("https://store.example/0.ts")
        assert isinstance(body, bytes)
        assert exchange.check_body(body) is None
        assert wire.decode_transcode_result(await exchange.work(body)).error == ""


async def test_segment__by_a_url_that_cannot_be_had_or_where_none_may_be__is_400() -> None:
    for fetcher in (None, Pages()):
        session = await Shop(fetcher=fetcher).session()
        with session.shop.work.exchange(*session.headers(0)) as exchange:
            assert await exchange.admit() is None
            assert await exchange.fetch("http://169.254.169.254/") == Refused(400, "BadRequest")
