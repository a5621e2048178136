"""A remote signer over real HTTP, as its clients use it (offchain-payments 12)."""

import asyncio
import json
from collections.abc import Sequence
from fractions import Fraction

import pytest
from aiohttp import web

from livepeer_client.adapters.signer_client import AuthWebhook, RemoteSigner
from livepeer_client.adapters.signer_server import build_signer_app, serve_signer
from livepeer_client.codec import signer_api
from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.codec.messages import OrchestratorInfo
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.signer_api import CoveredReply, PaymentReply
from livepeer_client.errors import (
    BadCredentials,
    InvalidInput,
    MalformedMessage,
    PeerTimeout,
    PeerUnreachable,
    SignerRefused,
)
from livepeer_client.policy.signing import JobType, SignerConfig
from livepeer_client.services.remote_payments import MAX_REFRESHES, RemotePaymentSession
from scripts._ports import free_port
from tests.support.payments import GATEWAY, ORCHESTRATOR
from tests.support.signing import serving, signer_office, webhook_that_says


async def test_sign__the_login__is_the_signers_and_no_other_digest_is_signed() -> None:
    async with signer_office() as office, RemoteSigner(office.url) as signer:
        assert signer.address == GATEWAY
        digest = orchestrator_request_digest(GATEWAY)
        assert is_signed_by(GATEWAY, await signer.sign(digest), digest)
        with pytest.raises(InvalidInput):
            await signer.sign(b"\x01" * 32)


async def test_pay__a_whole_job__goes_on_from_state_to_state_with_a_refresh_between() -> None:
    async with signer_office() as office, RemoteSigner(office.url, headers={"X-Customer": "blue"}) as signer:
        refreshed: list[OrchestratorInfo] = []

        async def refresh() -> OrchestratorInfo:
            refreshed.append(office.info())
            return refreshed[-1]

        info = office.info(params=office.params(100))
        session = RemotePaymentSession(signer, info, refresh, manifest_id="manifest", job_type=JobType.LIVE)
        assert isinstance(await session.pay(), PaymentReply)
        await office.clock.advance(1)
        session.adopt(office.info())
        assert isinstance(await session.pay(), CoveredReply)
        office.chain.mine(39)
        await office.clock.advance(60)
        assert isinstance(await session.pay(), PaymentReply)
        assert [session.info] == refreshed
        session.adopt(None)
        assert [session.info] == refreshed


async def test_pay__dearer_than_the_signer_allows__is_refused_and_no_terms_are_asked_for() -> None:
    async with (
        signer_office(config=SignerConfig(session_limit=Fraction(105))) as office,
        RemoteSigner(office.url) as signer,
    ):

        async def refresh() -> OrchestratorInfo:
            raise AssertionError("other terms would be no cheaper")

        session = RemotePaymentSession(signer, office.info(), refresh, manifest_id="manifest")
        assert isinstance(await session.pay(30), PaymentReply)
        for _ in range(2):
            with pytest.raises(SignerRefused) as refusal:
                await session.pay(30)
            assert refusal.value.status == 481


async def test_pay__terms_that_never_please_the_signer__gives_up_and_signs_nothing() -> None:
    async with signer_office() as office, RemoteSigner(office.url) as signer:
        asked = 0

        async def refresh() -> OrchestratorInfo:
            nonlocal asked
            asked += 1
            return office.info(token_s=None)

        info = office.info(token_s=None)
        session = RemotePaymentSession(signer, info, refresh, manifest_id="manifest", job_type=JobType.LIVE)
        with pytest.raises(SignerRefused, match="too many consecutive session refreshes") as refusal:
            await session.pay()
        assert (refusal.value.status, asked) == (480, MAX_REFRESHES + 1)
        assert info.ticket_params is not None
        assert await office.ledger.last_nonce(info.ticket_params.recipient_rand_hash) == 0


async def test_pay__an_answer_that_is_lost__is_had_again_with_the_same_tickets() -> None:
    lost = 0

    async with signer_office() as office:

        async def relay(request: web.Request) -> web.StreamResponse:
            """Hands requests on; the second payment's answer never reaches the client."""
            nonlocal lost
            body = await request.read()
            async with office.http.post(office.url + request.path, data=body) as answer:
                data = await answer.read()
                if request.path == "/generate-live-payment":
                    lost += 1
                    if lost == 2:
                        await asyncio.Event().wait()
                return web.Response(status=answer.status, body=data)

        app = web.Application()
        app.router.add_post("/{path:.*}", relay)
        async with serving(app) as url, RemoteSigner(url, payment_timeout_s=2) as signer:

            async def refresh() -> OrchestratorInfo:
                return office.info()

            session = RemotePaymentSession(signer, office.info(), refresh, manifest_id="m", job_type=JobType.LIVE)
            await session.pay()
            await office.clock.advance(60)
            with pytest.raises(PeerTimeout):
                await session.pay()
            last = await office.ledger.last_nonce(session.info.ticket_params.recipient_rand_hash)  # type: ignore[union-attr]
            assert isinstance(await session.pay(), PaymentReply)
            assert await office.ledger.last_nonce(session.info.ticket_params.recipient_rand_hash) == last  # type: ignore[union-attr]
            await office.clock.advance(60)
            assert isinstance(await session.pay(), PaymentReply)


async def test_open__a_signer_that_says_no__is_refused_with_its_words() -> None:
    async with signer_office(webhook=webhook_that_says({"status": 403, "reason": "denied"})) as office:
        with pytest.raises(SignerRefused) as refusal:
            async with RemoteSigner(office.url):
                pass
    assert (refusal.value.status, refusal.value.reason) == (403, "denied")


async def test_open__a_login_of_somebody_else__is_refused() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        async with signer_office() as office:
            _, sig = await office.service.sign_orchestrator_info({})
        return web.Response(body=signer_api.encode_login(ORCHESTRATOR, sig))

    app = web.Application()
    app.router.add_post("/sign-orchestrator-info", handle)
    async with serving(app) as url:
        with pytest.raises(BadCredentials):
            async with RemoteSigner(url):
                pass


async def test_open__nobody_there_or_nonsense__is_said_so() -> None:
    with pytest.raises(PeerUnreachable):
        async with RemoteSigner(f"http://127.0.0.1:{free_port()}"):
            pass

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (1 << 21) if "big" in request.path else b"[]")

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    async with serving(app) as url:
        for path in ("", "/big"):
            with pytest.raises(MalformedMessage):
                async with RemoteSigner(url + path):
                    pass


async def test_address__before_it_is_open__is_refused() -> None:
    signer = RemoteSigner("http://127.0.0.1:1", headers={"Authorization": "Bearer hunter2"})
    with pytest.raises(InvalidInput):
        _ = signer.address
    assert "hunter2" not in repr(signer)


@pytest.mark.parametrize("answer", ["not JSON", "[]", '{"status": "many"}', '{"status": 200, "maxPrice": 3}'])
async def test_authorise__an_answer_that_does_not_decode__is_an_internal_error(answer: str) -> None:
    async with signer_office(webhook=webhook_that_says(answer)) as office:
        reply = await office.pay(office.call())
    assert reply.status == 500


async def test_authorise__a_webhook_that_is_slow__is_an_internal_error() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(10)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handle)
    async with serving(app) as url, AuthWebhook(url, timeout_s=0.1) as webhook:
        with pytest.raises(SignerRefused) as refusal:
            await webhook.authorise({}, None)
    assert refusal.value.status == 500


# --- where it listens -----------------------------------------------------------------------------


async def test_serve_signer__on_loopback__signs_over_its_port() -> None:
    async with signer_office() as office:
        app = build_signer_app(office.service)
        async with (
            serve_signer(app, "127.0.0.1", 0, webhook=False) as port,
            RemoteSigner(f"http://127.0.0.1:{port}") as signer,
        ):
            assert signer.address == GATEWAY


async def test_serve_signer__in_public_without_a_webhook__is_refused_unless_meant() -> None:
    async with signer_office() as office:
        with pytest.raises(InvalidInput):
            async with serve_signer(build_signer_app(office.service), "0.0.0.0", 0, webhook=False):
                pass
        async with serve_signer(
            build_signer_app(office.service), "0.0.0.0", 0, webhook=False, allow_no_auth=True
        ) as port:
            assert port > 0


async def test_discover_orchestrators__with_and_without_entries__is_the_list_or_unavailable() -> None:
    asked: list[list[str]] = []

    async def directory(caps: Sequence[str]) -> list[dict[str, object]]:
        asked.append(list(caps))
        return [{"address": "https://orch.example", "score": 1, "capabilities": list(caps)}] if caps else []

    async with signer_office() as office, serving(build_signer_app(office.service, directory)) as url:
        async with office.http.get(f"{url}/discover-orchestrators?caps=llm/x&caps=llm/y") as response:
            assert response.status == 200
            assert (await response.json())[0]["capabilities"] == ["llm/x", "llm/y"]
        async with office.http.get(f"{url}/discover-orchestrators") as response:
            assert response.status == 503
    assert asked == [["llm/x", "llm/y"], []]


@pytest.mark.parametrize(
    "change",
    [
        {"maxPrice": {"price": "9" * 5000, "currency": "wei", "unit": "seconds"}},
        {"type": "", "inPixels": 10**4200},
        {"type": "", "inPixels": 2**63},
        {"ManifestID": "\ud800"},
        {"app": "\ud800"},
        {"type": "\ud800"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_generate_live_payment__values_beyond_all_bounds__are_a_bad_request(change: dict[str, object]) -> None:
    async with signer_office() as office:
        call = signer_api.PaymentCall(None, office.info(), "manifest", "", 0, "live", None, None)
        body = {**json.loads(signer_api.encode_payment_call(call)), **change}
        async with office.http.post(office.url + "/generate-live-payment", data=json.dumps(body)) as answer:
            assert answer.status == 400
            assert signer_api.decode_error(await answer.read())


async def test_generate_live_payment__json_nested_without_end__is_a_bad_request() -> None:
    async with (
        signer_office() as office,
        office.http.post(office.url + "/generate-live-payment", data=b"[" * 5_000) as answer,
    ):
        assert answer.status == 400
