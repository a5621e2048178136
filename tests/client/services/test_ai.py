"""Batch AI between a gateway and an orchestrator over real sockets. The model is libswscale: upscale needs no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec import wire
from livepeer_client.config.pipelines import read_pipelines
from livepeer_client.config.tables import Document
from livepeer_client.errors import InvalidInput, LivepeerError, MediaError, NoOrchestrator
from livepeer_client.facts.ai import AiRequest, AiResult
from livepeer_client.policy.ai_request import FileSize
from livepeer_client.policy.pipelines import Pipeline, PipelineTable, Unit, pipeline_job
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.sender import AccountShort
from tests.support.ai import UPSCALE, AiShop, TwoEvents, a_file, buying, model_runner, picture, png, until
from tests.support.shop import GATEWAY, Session, Shop, login

FIELDS = {"prompt": "sharper"}
SIZE = FileSize(64, 48)
UNITS = 64 * 48
LLM = Pipeline(33, "llm", "small", Tariff(Fraction(1000)))


class Waiting:
    """A runner that waits for `go_on`, and fails if told to."""

    def __init__(self, failure: LivepeerError | None = None) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failure = failure
        self.runs = 0

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        self.runs += 1
        self.begun.set()
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        return AiResult({"text": "done"})


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AiShop]:
    async with AiShop(tmp_path, PipelineTable([UPSCALE])).serving() as shop:
        yield shop


# --- honest ---------------------------------------------------------------------------------------


async def test_job__with_a_file__comes_back_done_and_is_paid_by_its_units_on_both_sides(shop: AiShop) -> None:
    async with buying(shop) as buyer:
        done = await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)
        (total,) = (await buyer.books.totals()).values()

    (image,) = done.result.files.values()
    assert picture(image.data) == (128, 96)
    assert (done.units, done.fee) == (UNITS, 2 * UNITS)
    assert total.fees == 2 * UNITS
    (debit,) = shop.shop.store.debits
    assert (debit.session_id, debit.pixels, debit.fee) == ("30_lanczos", UNITS, 2 * UNITS)


async def test_job__a_pipeline_nobody_has_heard_of__is_advertised_priced_dispatched_and_paid_by_configuration(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "orchestrator.toml"
    settings.write_text(
        '[[pipelines]]\npipeline = "tell-the-colour"\ncapability = 77\nmodel = "eyes"\nprice_per_unit = 5000\n'
        'unit = "fixed"\ncapacity = 1\n'
    )
    table = read_pipelines(Document(settings))
    asked: list[object] = []

    async def tell(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"colour": "blue"})

    async with (
        model_runner("/tell-the-colour", tell) as url,
        AiShop(tmp_path, table, {"tell-the-colour": url}).serving() as shop,
        buying(shop) as buyer,
    ):
        info = await shop.shop.advertise.get_orchestrator(login())
        done = await buyer.ai.run(table.entries[0], {"of": "the sky"})

    assert info.capabilities is not None
    assert 77 in info.capabilities.bits
    assert info.capabilities.constraints[77]["eyes"].capacity == 1
    assert [(each.capability, each.constraint, each.wei_per_pixel) for each in info.capabilities_prices] == [
        (77, "eyes", 5000)
    ]
    assert asked == [{"of": "the sky", "model_id": "eyes"}]
    assert (done.result.body, done.units, done.fee) == ({"colour": "blue"}, 1, 5000)
    assert [(debit.session_id, debit.fee) for debit in shop.shop.store.debits] == [("77_eyes", 5000)]


async def test_llm__streaming__passes_events_on_as_they_come_and_is_paid_by_its_tokens(tmp_path: Path) -> None:
    talk = TwoEvents()

    async with (
        model_runner("/llm", talk.answer) as url,
        AiShop(tmp_path, PipelineTable([LLM]), {"llm": url}).serving() as shop,
        buying(shop) as buyer,
    ):
        done = await buyer.ai.run(LLM, {"messages": [{"role": "user", "content": "hi"}], "stream": True})
        assert done.result.events is not None
        assert await anext(done.result.events) == talk.FIRST
        assert shop.board.capabilities.constraints[33]["small"].capacity == 0
        talk.go_on.set()
        assert [each async for each in done.result.events] == [talk.SECOND]
        await until(lambda: shop.board.capabilities.constraints[33]["small"].capacity == 1)

    # The gateway asked for 256 tokens, since its caller named no number.
    assert (done.units, done.fee) == (256, 256_000)


async def test_result__without_the_workers_header__is_in_the_answer_itself(shop: AiShop) -> None:
    session = await a_session(shop)
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.post(
            f"{shop.uri}/upscale", data=FIELDS, files={"image": ("a.png", png())}, headers=headers(session)
        )

    assert answer.status_code == 200
    assert answer.json()["images"][0]["url"].startswith("data:image/png;base64,")


# --- refusals -------------------------------------------------------------------------------------


async def a_session(shop: AiShop, job: tuple[int, str] = UPSCALE.key) -> Session:
    asked = replace(login(), capabilities=pipeline_job(*job))
    return Session(shop.shop, await shop.shop.advertise.get_orchestrator(asked))


def headers(session: Session, tickets: int = 2) -> dict[str, str]:
    credentials = session.credentials(segment=b"", profiles=(), capabilities=pipeline_job(*UPSCALE.key))
    return {
        "Livepeer-Payment": wire.payment_header(session.payment(tickets)),
        "Livepeer-Segment": wire.segment_header(credentials),
    }


async def post(shop: AiShop, headers: dict[str, str], **how: object) -> httpx.Response:
    sent = {"data": FIELDS, "files": {"image": ("a.png", png())}, **how}
    async with httpx.AsyncClient(verify=False, timeout=20) as client:
        return await client.post(f"{shop.uri}/upscale", headers=headers, **sent)  # type: ignore[arg-type]


async def test_job__no_room__is_503_with_the_time_to_come_back_and_takes_no_payment(tmp_path: Path) -> None:
    waiting = Waiting()
    async with AiShop(tmp_path, PipelineTable([UPSCALE]), runner=waiting).serving() as shop:
        first = asyncio.ensure_future(post(shop, headers(await a_session(shop))))
        await asyncio.wait_for(waiting.begun.wait(), 60)
        before = shop.shop.books()
        refused = await post(shop, headers(await a_session(shop)))
        assert shop.shop.books() == before
        waiting.go_on.set()

        assert (await first).status_code == 200
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert refused.json() == {"error": {"message": "insufficient capacity"}}
        assert (await post(shop, headers(await a_session(shop)))).status_code == 200


async def test_job__payment_does_not_cover_it__is_402_and_not_done(tmp_path: Path) -> None:
    dear = Pipeline(30, "upscale", "lanczos", Tariff(Fraction(10**6)))
    waiting = Waiting()
    async with AiShop(tmp_path, PipelineTable([dear]), runner=waiting).serving() as shop:
        answer = await post(shop, headers(await a_session(shop)))

    assert (answer.status_code, waiting.runs) == (402, 0)


async def test_job__paid_on_a_quote_for_something_cheaper__is_refused_before_the_payment(tmp_path: Path) -> None:
    cheap = Pipeline(34, "image-to-text", "tiny", Tariff(Fraction(1)))
    async with AiShop(tmp_path, PipelineTable([UPSCALE, cheap])).serving() as shop:
        answer = await post(shop, headers(await a_session(shop, cheap.key)))

        assert (answer.status_code, shop.shop.books()[0]) == (400, 0)
        assert "expected price below 2" in answer.text


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"files": {"image": ("a.png", b"no picture")}}, "a file that cannot be read"),
        ({"files": {"image": ("a.png", b"#EXTM3U\nfile:///etc/passwd")}}, "a file that cannot be read"),
        ({"files": {"image": ("a.png", b"ffconcat version 1.0\nfile /etc/passwd")}}, "a file that cannot be read"),
        ({"files": {"image": ("a.png", b"\x89PNG\r\n\x1a\n and no more")}}, "the size of the image"),
        ({"files": {}, "data": FIELDS}, "neither JSON nor a form"),
        ({"data": {}}, "missing prompt"),
        ({"data": {**FIELDS, "model_id": "another"}}, "no such model"),
        ({"files": [("image", ("a", b"1")), ("image", ("b", b"2"))]}, "two files"),
        ({"data": None, "files": None, "json": [1]}, "not a JSON object"),
        ({"data": None, "files": None, "json": {"prompt": "x"}}, "missing image"),
    ],
    ids=[
        "no picture",
        "playlist",
        "concat",
        "cut off",
        "no form",
        "no prompt",
        "no model",
        "two files",
        "no object",
        "no image",
    ],
)
async def test_job__a_request_that_is_none__is_400_and_takes_no_payment(
    shop: AiShop, how: dict[str, object], text: str
) -> None:
    answer = await post(shop, headers(await a_session(shop)), **how)

    assert (answer.status_code, text in answer.text, shop.shop.books()[0]) == (400, True, 0)


async def test_job__a_field_without_end__is_refused(shop: AiShop) -> None:
    answer = await post(shop, headers(await a_session(shop)), data={"prompt": "x" * 2_000_000})

    assert (answer.status_code, shop.shop.books()[0]) == (400, 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"Livepeer-Payment": "?"}, 402), ({"Livepeer-Segment": ""}, 403), ({"Livepeer-Segment": "AAAA"}, 403)],
)
async def test_job__headers_that_do_not_hold__are_refused(shop: AiShop, change: dict[str, str], status: int) -> None:
    assert (await post(shop, {**headers(await a_session(shop)), **change})).status_code == status


async def test_job__fails__is_500_and_not_charged(tmp_path: Path) -> None:
    failing = Waiting(MediaError("out of memory"))
    failing.go_on.set()
    async with AiShop(tmp_path, PipelineTable([UPSCALE]), runner=failing).serving() as shop:
        answer = await post(shop, headers(await a_session(shop)))

        assert (answer.status_code, shop.shop.store.debits) == (500, [])
        # What was paid is still there.
        assert round(shop.shop.payments.balance(GATEWAY, "30_lanczos")) == 2_000_000


# --- the gateway's choices ------------------------------------------------------------------------


async def test_gateway__the_request_is_at_fault__says_so_and_suspends_nobody(tmp_path: Path) -> None:
    failing = Waiting(InvalidInput("a bad prompt"))
    failing.go_on.set()
    async with AiShop(tmp_path, PipelineTable([UPSCALE]), runner=failing).serving() as shop, buying(shop) as buyer:
        with pytest.raises(InvalidInput, match="a bad prompt"):
            await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)

        assert buyer.choices.suspensions == {}
        assert failing.runs == 1


async def test_gateway__nobody_has_room__says_so_and_suspends_nobody(tmp_path: Path) -> None:
    waiting = Waiting()
    async with AiShop(tmp_path, PipelineTable([UPSCALE]), runner=waiting).serving() as shop, buying(shop) as buyer:
        first = asyncio.ensure_future(buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE))
        await asyncio.wait_for(waiting.begun.wait(), 60)
        with pytest.raises(NoOrchestrator, match="capacity"):
            await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)
        assert buyer.choices.suspensions == {}
        waiting.go_on.set()

        assert (await first).result.body == {"text": "done"}


async def test_gateway__fails_at_an_orchestrator__keeps_it_out_for_a_while(tmp_path: Path) -> None:
    failing = Waiting(MediaError("out of memory"))
    failing.go_on.set()
    async with AiShop(tmp_path, PipelineTable([UPSCALE]), runner=failing).serving() as shop, buying(shop) as buyer:
        with pytest.raises(NoOrchestrator):
            await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)

        assert list(buyer.choices.suspensions) == [shop.shop.address]


async def test_gateway__missing_fields__asks_nobody(shop: AiShop) -> None:
    async with buying(shop) as buyer:
        with pytest.raises(InvalidInput, match="missing prompt, image"):
            await buyer.ai.run(UPSCALE, {})

    assert shop.shop.books()[0] == 0


async def test_gateway__an_answer_with_a_file_elsewhere__is_not_fetched(tmp_path: Path) -> None:
    entry = Pipeline(77, "lie", "m", Tariff(Fraction(1)), Unit.FIXED)

    async def lie(_: web.Request) -> web.Response:
        return web.json_response({"images": [{"url": "http://169.254.169.254/latest"}]})

    async with (
        model_runner("/lie", lie) as url,
        AiShop(tmp_path, PipelineTable([entry]), {"lie": url}).serving() as shop,
        buying(shop) as buyer,
    ):
        with pytest.raises(NoOrchestrator):
            await buyer.ai.run(entry, {})


# --- more than one orchestrator -------------------------------------------------------------------


class FailsOnce:
    """A runner, of whoever asks first, that fails after `s` seconds and never again."""

    def __init__(self, clock: ManualClock, s: float) -> None:
        self._clock, self._s = clock, s
        self.runs = 0

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        self.runs += 1
        if self.runs == 1:
            await self._clock.advance(self._s)
            raise MediaError("out of memory")
        return AiResult({"text": "done"})


@asynccontextmanager
async def two(folder: Path, takes_s: float) -> AsyncIterator[tuple[list[AiShop], FailsOnce]]:
    """Two orchestrators on one chain; whichever comes first fails."""
    first = Shop()
    second = Shop(chain=first.chain, clock=first.clock, signer=LocalSigner(b"\x55" * 32))
    runner = FailsOnce(first.clock, takes_s)
    async with AsyncExitStack() as opened:
        shops = [AiShop(folder, PipelineTable([UPSCALE]), runner=runner, shop=shop) for shop in (first, second)]
        for shop in shops:
            await opened.enter_async_context(shop.serving())
        yield shops, runner


async def test_gateway__an_orchestrator_fails__goes_on_to_the_other_and_pays_that_one_only(tmp_path: Path) -> None:
    async with two(tmp_path, 0.5) as (shops, runner), buying(*shops) as buyer:
        done = await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)

        assert (done.attempts, runner.runs, done.result.body) == (2, 2, {"text": "done"})
        assert list(buyer.choices.suspensions) == [
            shop.shop.address for shop in shops if shop.shop.address != done.orchestrator
        ]
        assert sum(len(shop.shop.store.debits) for shop in shops) == 1


async def test_gateway__the_first_failure_takes_longer_than_the_budget__nobody_else_is_tried(tmp_path: Path) -> None:
    async with two(tmp_path, 2.5) as (shops, runner), buying(*shops) as buyer:
        with pytest.raises(NoOrchestrator):
            await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)

    assert runner.runs == 1


async def test_job__our_own_account_is_empty__is_said_and_suspends_nobody(shop: AiShop) -> None:
    async with buying(shop) as buyer:
        await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)
        account = shop.shop.chain.senders.pop(GATEWAY)
        await shop.shop.clock.advance(2)
        with pytest.raises(AccountShort):
            await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)
        assert buyer.choices.suspensions == {}
        shop.shop.chain.senders[GATEWAY] = account
        await shop.shop.clock.advance(2)
        assert (await buyer.ai.run(UPSCALE, FIELDS, a_file(png()), SIZE)).attempts == 1
