"""Brought-along capabilities over real sockets: registered, advertised, metered; and those who try to do without."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from livepeer_client.codec import wire
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.byoc_api import decode_job, job_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import sign_personal
from livepeer_client.errors import BadCredentials, InvalidInput, MalformedMessage, StoreError
from livepeer_client.services.byoc import DEBIT_S, JobsInMemory
from tests.support.ai import SECRET, TwoEvents, model_runner, until
from tests.support.byoc import PRICE, Bazaar, Held, bazaar, job_header, reverse
from tests.support.payments import GATEWAY as SIGNER
from tests.support.shop import GATEWAY, GATEWAY_KEY, STRANGER_KEY
from tests.support.signing import signer_office, webhook_that_says


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Bazaar]:
    async with bazaar(tmp_path) as opened:
        yield opened


# --- registering ----------------------------------------------------------------------------------


async def test_register__with_the_secret__is_advertised_and_priced_until_it_leaves(place: Bazaar) -> None:
    assert (await place.register("http://127.0.0.1:1")).text == "ok\n"
    info = (await place.session()).info
    everything = await place.shop.shop.info()

    assert info.capabilities is not None
    assert info.price_info is not None
    assert 37 in info.capabilities.bits
    assert info.price_info.wei_per_pixel == PRICE
    assert [(each.capability, each.constraint) for each in everything.capabilities_prices] == [(37, "reverse")]
    gone = await place.http.post("/capability/unregister", content="reverse", headers={"Authorization": SECRET})
    assert (gone.text, 37 in place.shop.board.capabilities.bits) == ("ok\n", False)


@pytest.mark.parametrize("secret", ["", "a secret of somebody else", SECRET + "x"])
async def test_register__without_the_secret__is_401(place: Bazaar, secret: str) -> None:
    assert (await place.register("http://127.0.0.1:1", secret=secret)).status_code == 401
    assert place.registry.get("reverse") is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a/b"},
        {"url": "file:///etc/passwd"},
        {"capacity": 0},
        {"price_per_unit": -1},
        {"price_per_unit": 1.5},
        {"currency": "usd"},
        {"capacity": 10**9},
        {"price_scaling": "1"},
    ],
)
async def test_register__something_that_is_none__is_400(place: Bazaar, change: dict[str, object]) -> None:
    assert (await place.register("http://127.0.0.1:1", **change)).status_code == 400
    assert place.registry.get("reverse") is None


async def test_token__for_a_sender__has_terms_balance_and_room(place: Bazaar) -> None:
    await place.register("http://127.0.0.1:1", capacity=3)
    text = checksum_address(GATEWAY)
    said = {"addr": text, "sig": "0x" + sign_personal(GATEWAY_KEY, keccak256(text.encode())).hex()}
    headers = {"Livepeer-Eth-Address": base64.b64encode(json.dumps(said).encode()).decode()}

    answer = await place.http.get("/process/token", headers={**headers, "Livepeer-Capability": "reverse"})
    unknown = await place.http.get("/process/token", headers={**headers, "Livepeer-Capability": "other"})

    found = answer.json()
    assert base64.b64decode(found["ticket_params"]["recipient"]) == place.shop.shop.address
    assert (found["price"], found["balance"], found["available_capacity"]) == (
        {"pricePerUnit": PRICE, "pixelsPerUnit": 1},
        0,
        3,
    )
    assert (unknown.status_code, unknown.text) == (400, "Could not get job price\n")


# --- jobs -----------------------------------------------------------------------------------------


async def test_job__signed_and_paid__is_done_and_charged_by_the_second(place: Bazaar) -> None:
    async with model_runner("/reverse", reverse) as url:
        await place.register(url)
        answer = await place.submit()

    assert (answer.status_code, answer.json(), answer.headers["X-Metadata"]) == (200, {"text": "cba"}, "made here")
    # A second begun is a second paid, on the balance of sender and capability.
    assert place.charged == PRICE
    assert answer.headers["Livepeer-Balance"] == str(int(place.balance))
    assert [debit.session_id for debit in place.shop.shop.store.debits] == ["reverse"]


async def test_job__by_events__passes_them_on_and_is_charged_while_it_runs(place: Bazaar) -> None:
    talk = TwoEvents()

    async with model_runner("/reverse", talk.answer) as url:
        await place.register(url)
        job = asyncio.ensure_future(place.submit())
        await until(lambda: place.room == 0 and place.shop.shop.clock.sleeping == 1)
        await place.shop.shop.clock.advance(DEBIT_S)
        await until(lambda: place.charged == DEBIT_S * PRICE)
        talk.go_on.set()
        answer = await job

    assert answer.content == talk.FIRST + talk.SECOND
    assert (place.charged, place.room) == (DEBIT_S * PRICE, 1)


async def test_job__used_up_its_balance__is_stopped_and_says_so(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/reverse", held.answer) as url:
        # A minute costs nearly all that two tickets are worth.
        await place.register(url, price_per_unit=33_000)
        job = asyncio.ensure_future(place.submit())
        await asyncio.wait_for(held.begun.wait(), 60)
        for _ in range(30):
            await place.shop.shop.clock.advance(DEBIT_S)
        answer = await job
        held.go_on.set()

    assert (answer.status_code, answer.text) == (402, "insufficient balance\n")
    assert place.charged <= 2_000_000 + DEBIT_S * 33_000
    assert place.room == 1


async def test_job__no_room__is_503_and_takes_no_payment(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/reverse", held.answer) as url:
        await place.register(url)
        first = asyncio.ensure_future(place.submit())
        await asyncio.wait_for(held.begun.wait(), 60)
        before = place.shop.shop.books()
        second = await place.submit(header=job_header("other"))
        assert place.shop.shop.books() == before
        held.go_on.set()
        await first

    assert (second.status_code, second.text) == (503, "No capacity available for capability\n")


async def test_job__less_than_a_minute_in_hand__is_400_and_not_done(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/reverse", held.answer) as url:
        await place.register(url, price_per_unit=34_000)
        answer = await place.submit()

    assert (answer.status_code, answer.text) == (400, "Insufficient balance for request\n")
    assert not held.begun.is_set()


async def test_job__the_worker_is_not_there__is_502_and_costs_a_second(place: Bazaar) -> None:
    await place.register("http://127.0.0.1:1")

    assert ((await place.submit()).status_code, place.charged, place.room) == (502, PRICE, 1)


async def test_job__for_nothing__needs_no_sender(place: Bazaar) -> None:
    header = base64.b64encode(
        json.dumps({"id": "1", "request": "{}", "capability": "reverse", "timeout_seconds": 5}).encode()
    ).decode()
    async with model_runner("/reverse", reverse) as url:
        await place.register(url, price_per_unit=0)
        free = await place.submit(header=header, payment="")
        await place.register(url)
        paid = await place.submit(header=header, payment="")

    assert (free.status_code, paid.status_code, paid.text) == (200, 400, "Could not verify job creds\n")


# --- those who try to do without ------------------------------------------------------------------


async def test_job__headers_overheard__cannot_spend_what_their_sender_has_paid_ahead(place: Bazaar) -> None:
    async with model_runner("/reverse", reverse) as url:
        await place.register(url)
        assert (await place.submit()).status_code == 200
        before = place.balance
        replayed = await place.submit(payment="")
        paid_again = await place.submit()

    assert (replayed.status_code, replayed.text) == (403, "job credentials were used before\n")
    assert before > 60 * PRICE
    assert paid_again.status_code == 200


async def test_job__headers_overheard_with_an_unsigned_field_changed__cannot_spend_it_either(place: Bazaar) -> None:
    said = json.loads(base64.b64decode(job_header()))
    async with model_runner("/reverse", reverse) as url:
        await place.register(url)
        assert (await place.submit()).status_code == 200
        answers = []
        for change in (
            {"capability": ""},
            {"id": "other"},
            {"timeout_seconds": 3600},
            {"sig": said["sig"].upper()[2:]},
        ):
            header = base64.b64encode(json.dumps({**said, **change}).encode()).decode()
            answers.append((await place.submit(header=header, payment="")).status_code)

    assert answers == [403, 403, 403, 403]
    assert place.charged == PRICE


async def test_job__refused_for_want_of_balance__takes_no_room_in_the_memory_of_jobs(place: Bazaar) -> None:
    async with model_runner("/reverse", reverse) as url:
        await place.register(url)
        assert (await place.submit()).status_code == 200
        known = place.work.memory
        assert isinstance(known, JobsInMemory)
        before = len(known.jobs)
        await place.register(url, price_per_unit=10**9)
        refused = [(await place.submit(header=job_header(f"job {n}"), payment="")).status_code for n in range(3)]

    assert (refused, len(known.jobs)) == ([400, 400, 400], before)


async def test_job__two_at_once_for_nothing__are_both_answered(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/reverse", held.answer) as url:
        await place.register(url, price_per_unit=0, capacity=2)
        jobs = [asyncio.ensure_future(place.submit(header=job_header(text), payment="")) for text in ("abc", "def")]
        await until(lambda: place.room == 0)
        held.go_on.set()
        answers = await asyncio.gather(*jobs)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert place.room == 2


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (job_header(key=STRANGER_KEY), 403),
        ("?", 400),
        ("", 400),
        (base64.b64encode(b"[1]").decode(), 400),
        (base64.b64encode(b'{"timeout_seconds": 0}').decode(), 400),
        (base64.b64encode(b'{"timeout_seconds": 5, "sender": "0x1", "sig": ""}').decode(), 400),
        (base64.b64encode(b'{"timeout_seconds": 5, "request": 7}').decode(), 400),
    ],
    ids=["paid by another", "no base64", "none", "no object", "no timeout", "no signature", "no text"],
)
async def test_job__credentials_that_do_not_hold__are_refused_and_nothing_is_taken(
    place: Bazaar, header: str, status: int
) -> None:
    await place.register("http://127.0.0.1:1")
    before = place.shop.shop.books()

    assert (await place.submit(header=header)).status_code == status
    assert (place.shop.shop.books(), place.room) == (before, 1)


@pytest.mark.parametrize("path", ["request/..%2F..%2Fadmin", "request/reverse/%2e%2e/x", "request/reverse//x"])
async def test_job__a_path_out_of_the_workers__is_not_sent(place: Bazaar, path: str) -> None:
    held = Held()
    async with model_runner("/{tail:.*}", held.answer) as url:
        await place.register(url)
        answer = await place.submit(path)

    assert answer.status_code in (400, 404)
    assert not held.begun.is_set()


async def test_job__a_body_over_the_limit__is_refused(place: Bazaar) -> None:
    await place.register("http://127.0.0.1:1")
    headers = {"Livepeer": job_header(), "Livepeer-Capability": "reverse"}

    answer = await place.http.post("/process/request/reverse", content=bytes(20_000_001), headers=headers)

    assert (answer.status_code, place.shop.shop.books()[0]) == (400, 0)


def test_job_digest__what_could_be_a_ticket_or_a_login__is_not_signed() -> None:
    for request in ("", "abc", "[]", '"0x1"', "{\0}", '{"a":"\0"}', checksum_address(GATEWAY)):
        with pytest.raises(InvalidInput):
            job_digest(request, "")
    with pytest.raises(InvalidInput):
        job_digest("{}", "\0")
    assert job_digest('{"a": 1}', "") == keccak256(b'{"a": 1}')


def test_decode_job__any_part_of_what_was_signed_changed__does_not_hold() -> None:
    said = json.loads(base64.b64decode(job_header(parameters="{}")))
    for change in ({"request": "{}"}, {"parameters": "{ }"}, {"sender": checksum_address(bytes(20))}, {"sig": "0x"}):
        with pytest.raises((BadCredentials, MalformedMessage)):
            decode_job(base64.b64encode(json.dumps({**said, **change}).encode()).decode())


# --- training -------------------------------------------------------------------------------------


async def submit_training(place: Bazaar) -> str:
    answer = await place.submit("train/reverse")
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert found["status_url"] == f"{place.shop.uri}/process/job/{found['job_id']}"
    job_id: str = found["job_id"]
    return job_id


async def status(place: Bazaar, job_id: str) -> dict[str, object]:
    found: dict[str, object] = (await place.http.get(f"/process/job/{job_id}")).json()
    return found


async def test_training__runs_beside_its_request__tells_how_far_it_is_and_what_came_of_it(place: Bazaar) -> None:
    go_on = asyncio.Event()

    async def train(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"progress": 40}\n')
        await go_on.wait()
        await response.write(b'data: {"progress": 90, "result": {"lora_url": "https://x"}}\n')
        return response

    async with model_runner("/train/reverse", train) as url:
        await place.register(url)
        job_id = await submit_training(place)
        async with asyncio.timeout(60):
            while (await status(place, job_id))["progress"] != 40:
                pass
        assert (await status(place, job_id))["status"] == "running"
        go_on.set()
        async with asyncio.timeout(60):
            while (found := await status(place, job_id))["status"] == "running":
                pass
        await until(lambda: place.room == 1)

    assert (found["status"], found["progress"], found["result"]) == ("completed", 100, {"lora_url": "https://x"})
    assert place.charged == PRICE


async def test_job__signed_by_keys_that_never_paid__are_not_remembered_in_place_of_others(place: Bazaar) -> None:
    async with model_runner("/reverse", reverse) as url:
        await place.register(url)
        header = job_header()
        assert (await place.submit(header=header)).status_code == 200
        assert isinstance(place.work.memory, JobsInMemory)
        known = set(place.work.memory.jobs)
        assert len(known) == 1
        for text in ("a", "b", "c"):
            answer = await place.submit(header=job_header(text, key=STRANGER_KEY), payment="")
            assert answer.status_code == 400
        assert set(place.work.memory.jobs) == known
        assert (await place.submit(header=header, payment="")).status_code == 403


async def test_training__the_store_fails_before_it_begins__is_500_and_takes_no_place(place: Bazaar) -> None:
    await place.register("https://worker.example")
    payment = wire.payment_header((await place.session()).payment(2))
    store = place.shop.shop.store

    async def broken(*_: object) -> None:
        raise StoreError("no disk")

    held, store.session = store.session, broken  # type: ignore[method-assign]
    answer = await place.submit("train/reverse", payment=payment)
    store.session = held  # type: ignore[method-assign]

    assert (answer.status_code, place.room) == (500, 1)


async def test_training__paid_for_again__goes_on_beyond_its_first_balance(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/train/reverse", held.answer) as url:
        await place.register(url, price_per_unit=30_000)
        job_id = await submit_training(place)
        await asyncio.wait_for(held.begun.wait(), 60)
        more = wire.payment_header((await place.session()).payment(2))
        path = f"/process/job/{job_id}/refresh-payment"
        first = await place.http.post(path, json={}, headers={"Livepeer-Payment": more})
        # Sent again because its answer was lost, it is credited once.
        second = await place.http.post(path, json={}, headers={"Livepeer-Payment": more})
        for _ in range(100_000 // (DEBIT_S * 1000) - 1):
            await place.shop.shop.clock.advance(DEBIT_S)
        alive = await status(place, job_id)
        held.go_on.set()
        async with asyncio.timeout(60):
            while (await status(place, job_id))["status"] != "completed":
                pass
        late = await place.http.post(path, json={}, headers={"Livepeer-Payment": more})

    assert round(int(first.json()["credited_wei"]), -3) == 2_000_000
    assert second.status_code == 400
    assert alive["status"] == "running"
    assert late.status_code == 409


async def test_training__no_longer_covered__is_stopped_and_says_so(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/train/reverse", held.answer) as url:
        await place.register(url, price_per_unit=33_000)
        job_id = await submit_training(place)
        await asyncio.wait_for(held.begun.wait(), 60)
        for _ in range(30):
            await place.shop.shop.clock.advance(DEBIT_S)
        await until(lambda: place.room == 1)
        found = await status(place, job_id)
        held.go_on.set()

    assert (found["status"], found["error"]) == ("failed", "insufficient balance")
    assert int(str(found["cost"])) <= 2_000_000 + DEBIT_S * 33_000


async def test_training__paid_by_another__is_403_and_unknown_jobs_are_404(place: Bazaar) -> None:
    held = Held()
    async with model_runner("/train/reverse", held.answer) as url:
        await place.register(url)
        job_id = await submit_training(place)
        stranger = replace((await place.session()).payment(1), sender=bytes(20))
        path = f"/process/job/{job_id}/refresh-payment"
        answer = await place.http.post(path, headers={"Livepeer-Payment": wire.payment_header(stranger)})
        held.go_on.set()

    assert answer.status_code == 403
    assert (await place.http.get("/process/job/0")).status_code == 404
    assert (await place.http.post("/process/job/0/refresh-payment")).status_code == 404


# --- the signer -----------------------------------------------------------------------------------


async def test_signer__asked_to_sign_a_job__signs_what_an_orchestrator_then_accepts() -> None:
    request = json.dumps({"prompt": "a cat"})
    asked = {"id": "1", "capability": "reverse", "request": request, "parameters": "", "timeout_seconds": 5}
    async with signer_office() as office:
        reply = await office.post("/sign-byoc-job", json.dumps(asked).encode())

    assert reply.status == 200
    said = {**asked, "sender": reply.body["sender"], "sig": reply.body["signature"]}
    assert decode_job(base64.b64encode(json.dumps(said).encode()).decode()).sender == SIGNER


@pytest.mark.parametrize("request_", ["0x19E7E376E7C213B7E7E7e46cc70A5dD086DAff2A", "{\u0000}", "", 7])
async def test_signer__asked_to_sign_something_else__refuses(request_: object) -> None:
    async with signer_office() as office:
        reply = await office.post("/sign-byoc-job", json.dumps({"request": request_, "parameters": ""}).encode())

    assert reply.status == 400


async def test_signer__the_webhook_says_no__signs_no_job() -> None:
    async with signer_office(webhook=webhook_that_says({"status": 401, "reason": "no"})) as office:
        reply = await office.post("/sign-byoc-job", json.dumps({"request": "{}", "parameters": ""}).encode())

    assert (reply.status, len(office.asked)) == (401, 1)
