"""Work for senders that ask for more than they may: places, memory and time."""

import asyncio
from dataclasses import replace
from fractions import Fraction

from livepeer_client.adapters.fakes import FakeTranscoder
from livepeer_client.codec import wire
from livepeer_client.codec.messages import SegmentCredentials, TranscodeResult
from livepeer_client.facts import Rendition
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.price_list import Tariff
from livepeer_client.services.renditions import KEPT_DIRECTORIES, KEPT_PER_DIRECTORY, RenditionStore
from livepeer_client.services.work import QUEUE_LENGTH, SegmentExchange
from tests.support.shop import PROFILES, SEGMENT, SERVICE_URI, Session, Shop, login


def exchange(session: Session, seq: int) -> SegmentExchange:
    return session.shop.work.exchange(*session.headers(seq))


async def answer(open_exchange: SegmentExchange) -> TranscodeResult:
    return wire.decode_transcode_result(await open_exchange.work(SEGMENT))


async def test_admit__more_exchanges_than_places__want_no_body() -> None:
    session = await Shop().session()
    exchanges = [exchange(session, seq) for seq in range(QUEUE_LENGTH + 2)]

    assert [await each.admit() for each in exchanges] == [None] * len(exchanges)

    assert [each.wants_body for each in exchanges] == [True] * (QUEUE_LENGTH + 1) + [False]
    assert (await answer(exchanges[-1])).error == "OrchestratorBusy"


async def test_admit__sessions_that_upload__count_before_their_bodies_are_there() -> None:
    shop = Shop(max_sessions=1)
    first, second = exchange(await shop.session(), 0), exchange(await shop.session(), 0)

    with first:
        assert await first.admit() is None
        refusal = await second.admit()

    assert refusal is not None
    assert refusal.reason == "OrchestratorCapped"


async def test_exchange__left_before_its_body_came__gives_its_place_back() -> None:
    session = await Shop().session()
    for seq in range(3 * QUEUE_LENGTH):
        with exchange(session, seq) as one:
            assert await one.admit() is None
            assert one.wants_body


class EndlessTranscoder(FakeTranscoder):
    """Works until it is stopped."""

    stopped = False

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True
        return []


async def test_work__takes_longer_than_anybody_waits__is_stopped_and_not_charged() -> None:
    transcoder = EndlessTranscoder()
    shop = Shop(transcoder=transcoder, min_work_s=0.05)
    session = await shop.session()
    payment = wire.payment_header(session.payment(2))
    credentials = wire.segment_header(session.credentials(duration_ms=1))
    with shop.work.exchange(payment, credentials) as one:
        assert await one.admit() is None
        result = await answer(one)

    assert (result.error, transcoder.stopped, shop.store.debits) == ("TranscoderStopped", True, [])


def test_put__ever_new_profile_names__keeps_the_last_of_them() -> None:
    store = RenditionStore(SERVICE_URI)
    names = [f"profile {number}" for number in range(3 * KEPT_DIRECTORIES)]
    for seq, name in enumerate(names):
        store.put("session", replace(PROFILES[0], name=name), seq, b"data")

    kept = [name for seq, name in enumerate(names) if store.get("session", name, f"{seq}.ts") is not None]
    assert kept == names[-KEPT_DIRECTORIES:]


async def test_segment__headers_and_body_sent_again__are_answered_again_and_charged_once() -> None:
    shop = Shop(price=Fraction(1, 1000))
    session = await shop.session()
    credentials = wire.segment_header(session.credentials(7))
    results = []
    for tickets in (3, 0, 0):
        with shop.work.exchange(wire.payment_header(session.payment(tickets)), credentials) as one:
            assert await one.admit() is None
            results.append(await answer(one))
    assert [result.error for result in results] == ["", "", ""]
    assert {result.segments for result in results} == {results[0].segments}
    assert {result.sig for result in results} == {results[0].sig}
    assert (len(shop.store.debits), len(shop.transcoder.jobs)) == (1, 1)


async def test_segment__another_one_under_the_same_number__is_worked_and_charged() -> None:
    shop = Shop(price=Fraction(1, 1000))
    session = await shop.session()
    for segment in (SEGMENT, SEGMENT + b" another"):
        payment = wire.payment_header(session.payment(3))
        with shop.work.exchange(payment, wire.segment_header(session.credentials(7, segment))) as one:
            assert await one.admit() is None
            assert one.check_body(segment) is None
            assert wire.decode_transcode_result(await one.work(segment)).error == ""
    assert len(shop.store.debits) == 2


async def test_segment__repeated_long_after__is_work_again() -> None:
    shop = Shop(price=Fraction(1, 1000))
    session = await shop.session()
    for seq in (*range(KEPT_PER_DIRECTORY + 1), 0):
        with exchange(session, seq) as one:
            assert await one.admit() is None
            assert (await answer(one)).error == ""
    assert len(shop.store.debits) == KEPT_PER_DIRECTORY + 2


async def test_admit__paid_on_a_quote_for_a_cheaper_model__is_told_to_ask_anew_and_takes_nothing() -> None:
    shop = Shop(price=Fraction(100), models={(34, "tiny"): Tariff(Fraction(1))})
    request = replace(login(), capabilities=pipeline_job(34, "tiny"))
    cheap = Session(shop, await shop.advertise.get_orchestrator(request))
    assert cheap.info.price_info is not None
    assert cheap.info.price_info.wei_per_pixel == 1

    refused = await exchange(cheap, 0).admit()

    assert refused is not None
    assert (refused.status, refused.reason.startswith("TicketParams expired"), shop.books()[0]) == (400, True, 0)
    assert await exchange(await shop.session(), 0).admit() is None
