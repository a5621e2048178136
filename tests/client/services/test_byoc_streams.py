"""Streams of brought-along capabilities over real sockets: their channels, their price, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import pytest

from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSubscriber
from livepeer_client.codec.trickle import JSON, MPEGTS, decode_events
from livepeer_client.errors import StoreError
from tests.support.ai import until
from tests.support.byoc import PRICE, Bazaar, StreamWorker, bazaar, stream_header
from tests.support.shop import STRANGER_KEY

DEAR = 33_000
"""Wei per second: a minute of it costs nearly all that two tickets are worth."""
MEDIA = {"video_ingress": True, "video_egress": True, "data_output": True}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Bazaar]:
    async with bazaar(tmp_path) as opened:
        yield opened


@pytest.fixture
async def worker() -> StreamWorker:
    return StreamWorker()


@pytest.fixture
async def channels() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        yield http


async def begun(place: Bazaar, url: str, *, price: int = PRICE, **switches: bool) -> httpx.Response:
    """A stream that runs, with its meter and its watch at work."""
    await place.register(url, price_per_unit=price)
    answer = await place.stream("start", stream_header(**switches), tickets=2, body={"prompt": "x"})
    assert answer.status_code == 200, answer.text
    await until(lambda: place.shop.shop.clock.sleeping == 2)
    return answer


async def pass_23_s(place: Bazaar) -> None:
    """One debit."""
    debits, clock = len(place.shop.shop.store.debits), place.shop.shop.clock
    await until(lambda: clock.sleeping == 2)
    await clock.advance(23)
    await until(lambda: len(place.shop.shop.store.debits) > debits)


async def stopped(place: Bazaar) -> httpx.Response:
    return await place.stream("stop", stream_header(nonce="stop"))


# --- channels -------------------------------------------------------------------------------------


async def test_stream__a_worker_reads_and_writes_its_channels__the_gateway_has_what_it_made(
    place: Bazaar, worker: StreamWorker, channels: aiohttp.ClientSession
) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url, **MEDIA)).headers
        output = TrickleSubscriber(channels, headers["X-Subscribe-Url"]).segments()
        data = TrickleSubscriber(channels, headers["X-Data-Url"]).segments()
        source = TricklePublisher(channels, headers["X-Publish-Url"], MPEGTS)
        made = []
        for segment in (b"abc", b"defg"):
            await source.publish(segment)
            made.append(((await anext(output)).data, json.loads((await anext(data)).data)))
        goodbye = await stopped(place)
        after = [segment async for segment in output]

    assert made == [(b"cba", {"bytes": 3}), (b"gfed", {"bytes": 4})]
    assert (goodbye.json(), after) == ({"did": "stop"}, [])
    # A second begun is a second paid.
    assert (place.charged, place.room, len(place.streams)) == (PRICE, 1, 0)


async def test_stream__its_worker__is_told_what_the_gateway_said_and_where_to_read_and_write(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url, **MEDIA)).headers
        update = await place.stream("update", stream_header(nonce="update"), body={"prompt": "y"})
        await place.stream("stop", stream_header(nonce="stop"), body={"why": "enough"})

    assert worker.told == [
        (
            "start",
            "one",
            {
                "prompt": "x",
                "stream_id": "one",
                "gateway_request_id": "request-1",
                "subscribe_url": headers["X-Publish-Url"],
                "publish_url": headers["X-Subscribe-Url"],
                "control_url": headers["X-Control-Url"],
                "events_url": headers["X-Events-Url"],
                "data_url": headers["X-Data-Url"],
            },
        ),
        ("params", "one", {"prompt": "y"}),
        ("stop", "one", {"why": "enough"}),
    ]
    assert update.json() == {"did": "params"}


async def test_stream__switches_that_are_off__open_no_channels(place: Bazaar, worker: StreamWorker) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url, data_output=True)).headers
        await stopped(place)

    assert [name for name in headers if name.endswith("-url")] == ["x-control-url", "x-events-url", "x-data-url"]
    assert "subscribe_url" not in worker.told[0][2]


async def test_stream__its_input_is_closed_by_the_gateway__ends(
    place: Bazaar, worker: StreamWorker, channels: aiohttp.ClientSession
) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url, **MEDIA)).headers
        await TricklePublisher(channels, headers["X-Publish-Url"], MPEGTS).close()
        await place.shop.shop.clock.advance(1)
        await until(lambda: not len(place.streams))

    assert (worker.names(), place.room) == (["start", "stop"], 1)


# --- money ----------------------------------------------------------------------------------------


async def test_stream__runs__is_debited_every_23_s_and_its_last_seconds_when_it_stops(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        seen = []
        for _ in range(2):
            await pass_23_s(place)
            seen.append(place.charged)
        await until(lambda: place.shop.shop.clock.sleeping == 2)
        await place.shop.shop.clock.advance(7.5)
        await stopped(place)

    assert seen == [23 * PRICE, 46 * PRICE]
    assert place.charged == 54 * PRICE
    assert {debit.session_id for debit in place.shop.shop.store.debits} == {"reverse"}


async def test_stream__its_balance_goes_below_zero__is_warned_once_and_stopped_at_the_next_debit(
    place: Bazaar, worker: StreamWorker, channels: aiohttp.ClientSession
) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url, price=DEAR)).headers
        events = TrickleSubscriber(channels, headers["X-Events-Url"], start=0).segments()
        for _ in range(2):
            await pass_23_s(place)
        assert place.balance > 0
        await pass_23_s(place)
        (warning,) = decode_events((await anext(events)).data)
        assert place.balance < 0
        assert (len(place.streams), worker.names()) == (1, ["start"])
        told = asyncio.ensure_future(anext(events))
        reading = place.hub.entry(headers["X-Events-Url"].rpartition("/")[2])
        await until(lambda: reading.readers == 1)
        await pass_23_s(place)
        await until(lambda: not len(place.streams))
        (end,) = decode_events((await told).data)

    assert warning["queue_event_type"] == "balance_low"
    assert end == {"queue_event_type": "stopped", "event": {"type": "stopped", "reason": "insufficient balance"}}
    # What was worked for without pay is less than two intervals.
    assert (place.charged, worker.names(), place.room) == (92 * DEAR, ["start", "stop"], 1)


async def test_stream__paid_after_the_warning__goes_on_and_would_be_warned_again(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url, price=DEAR)
        for _ in range(3):
            await pass_23_s(place)
        low = place.balance
        paid = await place.stream("payment", stream_header(nonce="pay"), tickets=2)
        after = place.balance
        # The next debit is covered, the one after it is the first again that is not.
        for _ in range(3):
            await pass_23_s(place)
        running = len(place.streams)
        await stopped(place)

    assert low < 0 < after
    assert (paid.status_code, paid.headers["Livepeer-Payment-Balance"]) == (200, str(int(after)))
    assert running == 1


async def test_start__less_than_a_minute_in_hand__is_402_and_its_worker_hears_nothing(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await place.register(url, price_per_unit=34_000)
        answer = await place.stream("start", stream_header(**MEDIA), tickets=2)

    assert (answer.status_code, answer.text) == (402, "Insufficient balance for request\n")
    assert (worker.told, place.room, len(place.streams), place.charged) == ([], 1, 0, 0)


async def test_stream__holds_its_place_until_it_is_stopped__others_are_503_and_pay_nothing(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        before = place.shop.shop.books()
        other = await place.stream("start", stream_header("two"), tickets=2)
        job = await place.submit()
        assert (place.shop.shop.books(), place.room) == (before, 0)
        await stopped(place)
        again = await place.stream("start", stream_header("two"), tickets=2)
        await place.streams.close()

    assert (other.status_code, other.text) == (503, "No capacity available for capability\n")
    assert (job.status_code, again.status_code, place.room) == (503, 200, 1)


async def test_stream__the_store_fails__is_stopped_for_what_cannot_be_charged_is_not_worked_for(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        store = place.shop.shop.store

        async def broken(*_: object) -> None:
            raise StoreError("no disk")

        held, store.record_debit = store.record_debit, broken  # type: ignore[method-assign,assignment]
        await place.shop.shop.clock.advance(23)
        await until(lambda: not len(place.streams))
        store.record_debit = held  # type: ignore[method-assign]

    assert (worker.names(), place.room, place.charged) == (["start", "stop"], 1, 0)


# --- those who may not ----------------------------------------------------------------------------


async def test_stream__of_somebody_else__is_not_there(place: Bazaar, worker: StreamWorker) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        stranger = stream_header(nonce="stop", key=STRANGER_KEY)
        answers = [(await place.stream(route, stranger)).status_code for route in ("update", "payment", "stop")]
        running, told = len(place.streams), worker.names()
        await stopped(place)

    assert (answers, running, told) == ([404, 404, 404], 1, ["start"])


async def test_start__of_a_stream_that_runs__is_409_and_takes_no_payment(place: Bazaar, worker: StreamWorker) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        before = place.shop.shop.books()
        again = await place.stream("start", stream_header(nonce="again"), tickets=2)
        assert place.shop.shop.books() == before
        await stopped(place)

    assert again.status_code == 409


async def test_start__its_header_overheard__cannot_spend_what_its_sender_has_paid_ahead(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        await stopped(place)
        replayed = await place.stream("start", stream_header())

    assert (replayed.status_code, replayed.text) == (403, "job credentials were used before\n")
    assert place.balance > 60 * PRICE


async def test_start__with_the_header_of_an_update_or_a_stop_that_was_overheard__cannot_spend_it_either(
    place: Bazaar, worker: StreamWorker
) -> None:
    async with worker.serving() as url:
        await begun(place, url)
        await place.stream("update", stream_header(nonce="update"), body={"prompt": "y"})
        await place.stream("payment", stream_header(nonce="payment"), tickets=1)
        await stopped(place)
        charged = place.charged
        headers = [stream_header(nonce=nonce) for nonce in ("update", "payment", "stop")]
        replayed = [await place.stream("start", header) for header in headers]

    assert [answer.status_code for answer in replayed] == [403, 403, 403]
    assert place.charged == charged


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("?", {}),
        (stream_header("a/b"), {}),
        (stream_header("a\r\nX-Forged: 1"), {}),
        (stream_header(video_ingress="yes"), {}),  # type: ignore[arg-type]
        (stream_header(), [1]),
    ],
    ids=["no header", "id is a path", "id breaks a line", "switch is text", "body is a list"],
)
async def test_start__a_request_that_does_not_hold__is_400_and_takes_no_payment(
    place: Bazaar, worker: StreamWorker, header: str, body: object
) -> None:
    async with worker.serving() as url:
        await place.register(url)
        before = place.shop.shop.books()
        answer = await place.stream("start", header, tickets=2, body=body)
        assert place.shop.shop.books() == before

    assert (answer.status_code, worker.told, place.room) == (400, [], 1)


# --- workers that fail ----------------------------------------------------------------------------


async def test_start__the_worker_refuses__its_answer_is_passed_on_and_nothing_is_charged(
    place: Bazaar, worker: StreamWorker
) -> None:
    worker.status = 422
    async with worker.serving() as url:
        await place.register(url)
        answer = await place.stream("start", stream_header(**MEDIA), tickets=2)

    assert (answer.status_code, answer.text, "X-Publish-Url" in answer.headers) == (422, "not today", False)
    assert (place.charged, place.room, len(place.streams)) == (0, 1, 0)


async def test_start__the_worker_is_not_there__is_502_and_costs_nothing(place: Bazaar) -> None:
    await place.register("http://127.0.0.1:1")
    answer = await place.stream("start", stream_header(**MEDIA), tickets=2)

    assert (answer.status_code, place.charged, place.room, len(place.streams)) == (502, 0, 1, 0)


async def test_close__a_stream_runs__its_worker_is_told_and_its_seconds_are_charged(
    place: Bazaar, worker: StreamWorker, channels: aiohttp.ClientSession
) -> None:
    async with worker.serving() as url:
        headers = (await begun(place, url)).headers
        await place.streams.close()
        gone = await TricklePublisher(channels, headers["X-Control-Url"], JSON).publish(b"{}")

    assert (worker.names(), place.charged, place.room, gone) == (["start", "stop"], PRICE, 1, None)
