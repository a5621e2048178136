"""Live sessions of an orchestrator: who gets one, what time costs, and how they end (offchain-network 4.10)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from livepeer_client.adapters.trickle_server import TrickleHub
from livepeer_client.codec import wire
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.errors import LivepeerError, PeerTimeout
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.streaming import PIXELS_PER_S
from livepeer_client.policy.trickle import Segment
from livepeer_client.services.live_sessions import LiveSessions
from livepeer_client.services.work import Refused
from tests.support.shop import GATEWAY, SERVICE_URI, Session, Shop

PRICE = Fraction(1, 100)
BODY = json.dumps({"model_id": "noop", "params": {"prompt": "x"}, "stream_id": "s"}).encode()
PER_INTERVAL = 5 * PIXELS_PER_S * PRICE
START_TICKETS = 4  # 4,000,000 wei: two debits of 1,382,400 wei and most of a third


@dataclass
class Runner:
    """`LiveRunner` that remembers what it was told."""

    started: list[tuple[LiveRequest, LiveUrls]] = field(default_factory=list)
    failure: LivepeerError | None = None

    async def start(self, request: LiveRequest, urls: LiveUrls) -> None:
        if self.failure is not None:
            raise self.failure
        self.started.append((request, urls))


@dataclass
class Stage:
    shop: Shop
    hub: TrickleHub
    runner: Runner
    live: LiveSessions

    async def start(self, session: Session, *, tickets: int = START_TICKETS, body: bytes = BODY) -> bytes | Refused:
        return await self.live.start(*session.headers(tickets=tickets), body)


@asynccontextmanager
async def stage(**settings: Any) -> AsyncIterator[Stage]:
    shop = Shop(price=PRICE)
    limits = {"max_channels": settings.pop("max_channels", 100), "max_bytes": settings.pop("max_bytes", 1 << 20)}
    hub, runner = TrickleHub(shop.clock, **limits), Runner()
    live = LiveSessions(
        work=shop.work,
        payments=shop.payments,
        channels=hub,
        runner=runner,
        clock=shop.clock,
        service_uri=lambda: SERVICE_URI,
        models={"noop": Tariff(PRICE)},
        **settings,
    )
    try:
        yield Stage(shop, hub, runner, live)
    finally:
        await live.close()


async def test_start__paid_ahead__opens_four_channels_of_names_nobody_guesses_and_tells_the_runner() -> None:
    async with stage() as it:
        session = await it.shop.session()
        answer = json.loads(await it.start(session))  # type: ignore[arg-type]
        assert answer["manifest_id"] == session.token.session_id
        urls = [answer[f"{name}_url"] for name in ("publish", "subscribe", "control", "events")]
        names = [url.removeprefix(f"{SERVICE_URI}/ai/trickle/") for url in urls]
        assert all(it.hub.has(name) for name in names)
        assert len(names[0]) == 32
        assert len({name[:32] for name in names}) == 4
        request, told = it.runner.started[0]
        assert (request.model, request.params, [told.publish, told.subscribe, told.control, told.events]) == (
            "noop",
            {"prompt": "x"},
            urls,
        )


async def test_run__nobody_pays_on__debits_what_the_balance_covers_and_ends_with_the_reason() -> None:
    async with stage() as it:
        session = await it.shop.session()
        answer = json.loads(await it.start(session))  # type: ignore[arg-type]
        events = it.hub.entry(answer["events_url"].rpartition("/")[2]).channel
        for _ in range(4):
            await it.shop.clock.advance(5)
        assert (len(it.live), len(it.hub)) == (0, 0)
        assert session.balance == START_TICKETS * session.params.expected_value - 2 * PER_INTERVAL
        last = events.look(events.next_seq - 1)
        assert isinstance(last, Segment)
        told = json.loads(last.data)
        assert told["queue_event_type"] == "stopped"
        assert told["event"]["reason"].startswith("Insufficient balance: have 1235200 wei, need 2764800 wei")


async def test_run__paid_on_under_its_manifest_with_a_new_token__goes_on() -> None:
    async with stage() as it:
        session = await it.shop.session()
        await it.start(session)
        manifest_id = session.token.session_id
        for _ in range(8):
            await it.shop.clock.advance(5)
            later = await it.shop.session()
            payment = wire.payment_header(later.payment(2))
            credentials = wire.segment_header(later.credentials(manifest_id=manifest_id.encode()))
            assert isinstance(await it.shop.work.pay(payment, credentials), bytes)
        assert len(it.live) == 1
        credit = (START_TICKETS + 16) * session.params.expected_value
        assert it.shop.payments.balance(GATEWAY, manifest_id) == credit - 8 * PER_INTERVAL


async def test_run__warning_that_finds_no_room__ends_nothing_and_the_session_is_paid_on() -> None:
    async with stage(max_bytes=8) as it:
        session = await it.shop.session()
        answer = json.loads(await it.start(session))  # type: ignore[arg-type]
        events = answer["events_url"].rpartition("/")[2]
        for _ in range(3):
            await it.shop.clock.advance(5)
        # The third debit was not covered, and the notice of it is larger than all that the channels may hold.
        assert (len(it.live), it.hub.next_seq(events)) == (1, 0)
        later = await it.shop.session()
        credentials = wire.segment_header(later.credentials(manifest_id=session.token.session_id.encode()))
        assert isinstance(await it.shop.work.pay(wire.payment_header(later.payment(4)), credentials), bytes)
        await it.shop.clock.advance(5)
        assert len(it.live) == 1
        tickets = START_TICKETS + 4
        paid = it.shop.payments.balance(GATEWAY, session.token.session_id)
        assert paid == tickets * session.params.expected_value - 4 * PER_INTERVAL


async def test_start__same_token_again__is_409_and_takes_no_payment() -> None:
    async with stage() as it:
        session = await it.shop.session()
        await it.start(session)
        books = it.shop.books()
        assert await it.start(session) == Refused(409, "session already exists")
        assert (it.shop.books(), len(it.live), len(it.hub)) == (books, 1, 4)


async def test_start__same_token_twice_at_once__is_one_session() -> None:
    async with stage() as it:
        session = await it.shop.session()
        answers = await asyncio.gather(it.start(session), it.start(session))
        assert sorted(type(answer) is bytes for answer in answers) == [False, True]
        assert len(it.hub) == 4


@pytest.mark.parametrize(
    ("body", "tickets", "status", "reason"),
    [
        (b"{", START_TICKETS, 400, "not JSON"),
        (b"[]", START_TICKETS, 400, "not a JSON object"),
        (b"[" * 50_000, START_TICKETS, 400, "not JSON"),
        (b" " * 70_000, START_TICKETS, 400, "request too large"),
        (b'{"model_id": 5}', START_TICKETS, 400, "model_id, params or an id of a wrong type"),
        (b'{"model_id": "other"}', START_TICKETS, 400, "no such model of live-video-to-video"),
        (BODY, 1, 402, "Insufficient balance"),
    ],
)
async def test_start__what_cannot_be_served__is_refused_and_opens_nothing(
    body: bytes, tickets: int, status: int, reason: str
) -> None:
    async with stage() as it:
        assert await it.start(await it.shop.session(), tickets=tickets, body=body) == Refused(status, reason)
        assert (len(it.live), len(it.hub), it.runner.started) == (0, 0, [])


@pytest.mark.parametrize("settings", [{"max_sessions": 1}, {"max_channels": 7}])
async def test_start__no_room__is_503_and_leaves_the_others_alone(settings: dict[str, int]) -> None:
    async with stage(**settings) as it:
        assert isinstance(await it.start(await it.shop.session()), bytes)
        assert await it.start(await it.shop.session()) == Refused(503, "insufficient capacity")
        assert (len(it.live), len(it.hub)) == (1, 4)


async def test_start__runner_that_does_not__is_503_and_frees_the_place() -> None:
    async with stage(max_sessions=1) as it:
        it.runner.failure = PeerTimeout("runner", "no answer in time")
        assert await it.start(await it.shop.session()) == Refused(503, "insufficient capacity")
        it.runner.failure = None
        assert isinstance(await it.start(await it.shop.session()), bytes)


async def test_run__gateway_closes_its_channel__ends_the_session_and_all_its_channels() -> None:
    async with stage() as it:
        answer = json.loads(await it.start(await it.shop.session()))  # type: ignore[arg-type]
        it.hub.close(answer["publish_url"].rpartition("/")[2])
        await it.shop.clock.advance(1)
        await it.shop.clock.advance(1)
        assert (len(it.live), len(it.hub)) == (0, 0)


async def test_start__on_a_quote_below_the_models_price__is_refused_and_takes_no_payment() -> None:
    async with stage() as it:
        session = await it.shop.session()
        it.shop.price, books = PRICE / 2, it.shop.books()
        cheap = await it.shop.session()
        refused = await it.start(cheap)
        assert refused == Refused(400, "TicketParams expired: expected price below 1/100 wei per pixel")
        assert (it.shop.books(), len(it.live)) == (books, 0)
        assert isinstance(await it.start(session), bytes)


async def test_start__capacity_of_its_model__is_taken_and_given_back_once() -> None:
    held: list[str] = []

    def take(model: str) -> bool:
        held.append(model)
        return len(held) <= 1 or held.pop() == ""

    async with stage(take=take, give_back=held.remove) as it:
        session = await it.shop.session()
        await it.start(session)
        assert held == ["noop"]
        assert await it.start(await it.shop.session()) == Refused(503, "insufficient capacity")
        it.live.end(session.token.session_id)
        it.live.end(session.token.session_id)
        assert held == []
