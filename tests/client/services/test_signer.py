"""A remote signer at work (offchain-payments 12, invariants 35 and 36)."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.sqlite.signer import SqliteSignerLedger
from livepeer_client.codec import signer_api, wire
from livepeer_client.codec.credentials import orchestrator_request_digest, segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import Payment, PriceInfo
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import ChainUnavailable, InvalidInput, SignerRefused, StoreError
from livepeer_client.facts import SignedRequest, SignerSession
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.signing import SignerConfig, check_binding
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.services.signer import SESSION_IDLE_S, SWEEP_S, SignerService
from livepeer_client.types import BlockNumber, Hash32
from tests.support.payments import GATEWAY, GATEWAY_KEY, PRICE, Recipient, make_quote
from tests.support.signing import STATE_KEY, Office, Reply, signer_office, webhook_that_says


def payment_of(reply: Reply) -> Payment:
    assert reply.status == 200, reply.body
    return wire.payment_from_header(reply.body["payment"])


def nonces_of(reply: Reply) -> list[tuple[bytes, int]]:
    payment = payment_of(reply)
    assert payment.ticket_params is not None
    return [(payment.ticket_params.recipient_rand_hash, ticket.sender_nonce) for ticket in payment.tickets]


# --- what is signed -------------------------------------------------------------------------------


async def test_sign_orchestrator_info__anybody_let_in__is_the_login_of_the_key() -> None:
    async with signer_office() as office:
        reply = await office.post("/sign-orchestrator-info", b"{}")
    address, sig = signer_api.decode_login(json.dumps(reply.body).encode())
    assert address == GATEWAY
    assert is_signed_by(GATEWAY, sig, orchestrator_request_digest(GATEWAY))


async def test_generate_live_payment__on_a_real_quote__is_credited_in_full_by_its_recipient() -> None:
    async with signer_office() as office:
        office.chain.block = BlockNumber(1_000)
        call = office.call(office.info(PRICE, params=make_quote()), job_type="", units=40)
        reply = await office.pay(call)
    payment = payment_of(reply)
    verdict = Recipient().receive(payment)
    assert verdict.rejection is None
    assert verdict.credited == Fraction(reply.fields["Signed"])
    assert len(payment.tickets) == 28  # 40 x 7/2 wei in tickets of 5
    credentials = wire.segment_from_header(reply.body["segCreds"])
    assert credentials.hash == keccak256(b"")
    digest = segment_digest(credentials.manifest_id, 0, credentials.hash, ())
    assert is_signed_by(GATEWAY, credentials.sig, digest)
    assert credentials.auth_token == call.info.auth_token


async def test_generate_live_payment__fee_and_price__are_of_the_first_and_of_the_present_offer() -> None:
    async with signer_office() as office:
        first = await office.pay(office.call(office.info(PriceInfo(3, 1)), job_type="", units=10))
        cheaper = office.call(office.info(PriceInfo(1, 1)), state=first.state, job_type="", units=100)
        second = await office.pay(cheaper)
    assert payment_of(second).expected_price == PriceInfo(1, 1)
    assert Fraction(second.fields["Balance"]) == Fraction(first.fields["Balance"]) + 35 * len(nonces_of(second)) - 300


async def test_generate_live_payment__time_passing__is_billed_once_and_whole_seconds_do_not_add_up() -> None:
    async with signer_office() as office:
        reply = await office.pay(office.call())
        billed = [reply.fields["Units"]]
        for _ in range(4):
            await office.clock.advance(10.5)
            reply = await office.pay(office.call(state=reply.state))
            billed.append(reply.fields["Units"])
    # 10 s ahead, then 42 s of which every started one counts once.
    assert billed == [10, 21, 31, 42, 52]


async def test_generate_live_payment__balance_enough__moves_the_state_and_says_when_to_come_back() -> None:
    async with signer_office() as office:
        first = await office.pay(office.call(office.info(params=office.params(1_000))))
        await office.clock.advance(5)
        covered = await office.pay(office.call(office.info(params=office.params(35)), state=first.state))
        assert covered.status == 482
        # 1,000 less 10 s and 5 s at 3 wei a second; 955 last for another 318, more than anybody should wait.
        assert Fraction(covered.fields["Balance"]) == 955
        assert covered.body["retry_after"] == 60
        assert covered.headers["Retry-After"] == "60"
        stale = await office.pay(office.call(state=first.state))
        assert (stale.status, stale.message) == (400, "invalid state: sequence 1, expected 2")
        await office.clock.advance(10)
        again = await office.pay(office.call(office.info(params=office.params(35)), state=covered.state))
        assert Fraction(again.fields["Balance"]) == 925


# --- nothing twice --------------------------------------------------------------------------------


async def test_generate_live_payment__the_same_request_again__gets_the_same_answer_and_no_new_ticket() -> None:
    async with signer_office() as office:
        first = await office.pay(office.call())
        await office.clock.advance(60)
        call = office.call(state=first.state)
        second, repeated = await office.pay(call), await office.pay(call)
        assert repeated.body == second.body
        assert await office.ledger.last_nonce(call.info.ticket_params.recipient_rand_hash) == len(nonces_of(second))  # type: ignore[union-attr]


async def test_generate_live_payment__many_at_once_on_one_quote__share_no_nonce() -> None:
    async with signer_office() as office:
        info = office.info()
        replies = await asyncio.gather(*(office.pay(office.call(info, job_type="", units=30)) for _ in range(20)))
    drawn = [nonce for reply in replies for nonce in nonces_of(reply)]
    assert len(drawn) == 20 * 3
    assert sorted(nonce for _, nonce in drawn) == list(range(1, len(drawn) + 1))


async def test_generate_live_payment__two_signers_on_one_ledger__share_no_nonce() -> None:
    async with signer_office() as office:
        view = GatewayView(office.chain, office.clock, GATEWAY, 0.0)
        signer = LocalSigner(GATEWAY_KEY.secret)
        services = [
            SignerService(SignerConfig(), signer, office.ledger, view, office.clock, state_key=STATE_KEY)
            for _ in range(2)
        ]
        body = signer_api.encode_payment_call(office.call(job_type="", units=30))
        answers = await asyncio.gather(*(services[n % 2].generate_live_payment(body, {}) for n in range(4)))
    drawn = [nonce for answer in answers for nonce in nonces_of(Reply(answer.status, json.loads(answer.body), {}))]
    assert len(set(drawn)) == len(drawn) == 12


class _DyingLedger(SqliteSignerLedger):
    """Fails before or after the next commit, as a process that is killed there would."""

    die: str = ""

    async def record(self, request: SignedRequest) -> None:
        if self.die == "before":
            raise StoreError("killed")
        await super().record(request)
        if self.die == "after":
            raise StoreError("killed")


@pytest.mark.parametrize("die", ["before", "after"])
async def test_generate_live_payment__killed_around_the_commit__reuses_nothing_after_the_restart(
    tmp_path: Path, die: str
) -> None:
    path, clock = tmp_path / "signer.sqlite", ManualClock()
    async with signer_office(path=path, clock=clock) as office:
        info = office.info()
        first = await office.pay(office.call(info))
        await clock.advance(60)
        call = office.call(info, state=first.state)
    ledger = await _DyingLedger.open(path, clock=clock)
    ledger.die = die
    async with ledger:
        view = GatewayView(office.chain, clock, GATEWAY, 0.0)
        service = SignerService(
            SignerConfig(), LocalSigner(GATEWAY_KEY.secret), ledger, view, clock, state_key=STATE_KEY
        )
        with pytest.raises(StoreError):
            await service.generate_live_payment(signer_api.encode_payment_call(call), {})
    async with signer_office(path=path, clock=clock, chain=office.chain) as restarted:
        second = await restarted.pay(call)
        third = await restarted.pay(restarted.call(info, state=second.state, job_type="live"))
    drawn = nonces_of(first) + nonces_of(second) + (nonces_of(third) if third.status == 200 else [])
    assert [nonce for _, nonce in drawn] == list(range(1, len(drawn) + 1))


@pytest.mark.parametrize("answers_before_kill", [1, 15, 60])
async def test_signer__killed_while_signing_and_started_again__never_signs_a_nonce_twice(
    tmp_path: Path, answers_before_kill: int
) -> None:
    path = tmp_path / "signer.sqlite"
    runs = [await asyncio.to_thread(_sign_until_killed, path, answers_before_kill) for _ in range(3)]
    drawn = [nonce for run in runs for nonce in run]
    assert len(drawn) >= 3 * 3 * answers_before_kill
    assert len(set(drawn)) == len(drawn)


def _sign_until_killed(path: Path, lines: int) -> list[tuple[int, int]]:
    """(quote, nonce) of everything that was answered."""
    signer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_signer.py")), str(path)], stdout=subprocess.PIPE
    )
    assert signer.stdout is not None
    with signer.stdout:
        seen = [signer.stdout.readline() for _ in range(lines)]
        os.kill(signer.pid, signal.SIGKILL)
        # A last line may have been cut off by the kill.
        seen += [line for line in signer.stdout if line.endswith(b"\n")]
    assert signer.wait(timeout=30) == -signal.SIGKILL
    return [(int(quote), int(nonce)) for quote, *nonces in map(bytes.split, seen) for nonce in nonces]


steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "go on", "go on", "go on", "old state", "again"]),
        st.integers(0, 3),
        st.integers(1, 90),
        st.integers(1, 4),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=40)
@given(steps)
def test_generate_live_payment__any_requests_in_any_order__share_no_nonce_and_stay_below_the_fees_and_two_tickets(
    history: Sequence[tuple[str, int, int, int]],
) -> None:
    asyncio.run(_any_history(history))


async def _any_history(history: Sequence[tuple[str, int, int, int]]) -> None:
    ev = 35
    async with signer_office() as office:
        sessions: list[list[tuple[signer_api.PaymentCall, Reply]]] = []
        drawn: set[tuple[bytes, int]] = set()
        for what, which, wait, quote in (("begin", 0, 1, 1), *history):
            await office.clock.advance(wait / 10, turns=1)
            info = office.info(params=office.params(ev, quote=quote))
            session = sessions[which % len(sessions)] if sessions else []
            if what == "begin":
                sessions.append(session := [])
                call = office.call(info, manifest_id="")
            elif what == "again" and len(session) > 1:
                call, known = session[-1]
                assert (await _ask(office, call)).body == known.body
                continue
            elif what == "old state" and len(session) > 1:
                with pytest.raises(SignerRefused, match="invalid state: sequence"):
                    await _ask(office, office.call(info, state=session[-2][1].state, units=7))
                continue
            else:
                call = office.call(info, state=session[-1][1].state)
            reply = await _ask(office, call)
            session.append((call, reply))
            if reply.status == 200:
                new = nonces_of(reply)
                assert not drawn & set(new)
                drawn |= set(new)
            fees = 3 * reply.fields["Units"]
            signed = Fraction(reply.fields["Signed"])
            assert signed < fees + 2 * ev
            assert Fraction(reply.fields["Balance"]) == signed - fees
        for commitment in {commitment for commitment, _ in drawn}:
            nonces = sorted(nonce for of, nonce in drawn if of == commitment)
            assert nonces == list(range(1, len(nonces) + 1))


async def _ask(office: Office, call: signer_api.PaymentCall) -> Reply:
    answer = await office.service.generate_live_payment(signer_api.encode_payment_call(call), {})
    return Reply(answer.status, json.loads(answer.body), {})


# --- limits ---------------------------------------------------------------------------------------


async def test_generate_live_payment__beyond_the_limit_of_a_session__is_too_dear_and_changes_nothing() -> None:
    async with signer_office(config=SignerConfig(session_limit=Fraction(105))) as office:
        first = await office.pay(office.call(job_type="", units=30))
        beyond = office.call(state=first.state, job_type="", units=30)
        refusal = await office.pay(beyond)
        assert (refusal.status, "session spend limit" in refusal.message) == (481, True)
        known = await office.ledger.session(first.fields["StateID"])
        assert known is not None
        assert known.sequence == first.fields["SequenceNumber"]


async def test_generate_live_payment__near_the_last_nonce_of_a_quote__asks_for_a_refresh() -> None:
    async with signer_office() as office:
        info = office.info()
        assert info.ticket_params is not None
        rand_hash, block = info.ticket_params.recipient_rand_hash, info.ticket_params.expiration_block
        await office.ledger.record(SignedRequest("other", 1, Hash32(bytes(32)), 200, b"", rand_hash, 0, 499, block))
        assert (await office.pay(office.call(info))).status == 200
        assert (await office.pay(office.call(info))).status == 480


async def test_generate_live_payment__without_a_token__asks_for_a_refresh_where_the_orchestrator_is() -> None:
    async with signer_office() as office:
        reply = await office.pay(office.call(office.info(token_s=None)))
    assert (reply.status, reply.headers["Livepeer-Orchestrator-URL"]) == (480, "http://orch.example")


@pytest.mark.parametrize(("price", "status"), [(200, 200), (201, 481)])
async def test_generate_live_payment__price_at_a_ceiling__passes_and_above_is_too_dear(price: int, status: int) -> None:
    config = SignerConfig(ceilings=Ceilings(Fraction(200)))
    async with signer_office(config=config) as office:
        assert (await office.pay(office.call(office.info(PriceInfo(price, 1)), job_type="fixed"))).status == status


async def test_set_ceilings__while_it_runs__counts_from_the_next_payment_on() -> None:
    async with signer_office(config=SignerConfig(ceilings=Ceilings(Fraction(0)))) as office:
        call = office.call(office.info(PriceInfo(200, 1)), job_type="fixed")
        assert (await office.pay(call)).status == 481
        office.service.set_ceilings(Ceilings(Fraction(200)))
        assert (await office.pay(call)).status == 200


# --- authorisation --------------------------------------------------------------------------------


async def test_generate_live_payment__not_authorised__is_refused_before_anything_else_is_looked_at() -> None:
    async with signer_office(webhook=webhook_that_says({"status": 403, "reason": "denied"})) as office:
        reply = await office.pay(office.call(office.info(token_s=-1)))
        assert (reply.status, reply.message) == (403, "denied")
        login = await office.post("/sign-orchestrator-info", b"{}")
        assert (login.status, login.message) == (403, "denied")
        assert await office.ledger.session(office.asked[0]["state"]["StateID"]) is None


async def test_generate_live_payment__authorised_until_later__asks_the_webhook_once() -> None:
    expiry = int(ManualClock().time()) + 100
    async with signer_office(webhook=webhook_that_says({"status": 200, "expiry": expiry})) as office:
        reply = await office.pay(office.call(), {"X-Customer": "blue"})
        await office.clock.advance(100)
        reply = await office.pay(office.call(state=reply.state))
        assert len(office.asked) == 1
        assert office.asked[0]["headers"]["X-Customer"] == ["blue"]
        await office.clock.advance(1)
        await office.pay(office.call(state=reply.state))
        assert len(office.asked) == 2
        assert office.asked[1]["state"]["SequenceNumber"] == reply.fields["SequenceNumber"]


async def test_generate_live_payment__another_auth_id__is_refused_as_an_internal_error() -> None:
    async with signer_office() as office:
        first = await office.pay(office.call(), {"signer-auth-id": "one"})
        reply = await office.pay(office.call(state=first.state), {"Signer-Auth-Id": "two"})
        assert (reply.status, reply.message) == (500, "Internal Server Error")


async def test_generate_live_payment__of_a_customer_with_secrets__logs_none_of_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with signer_office(webhook=webhook_that_says({"status": 429})) as office:
        await office.pay(office.call(), {"Authorization": "Bearer hunter2"})
    async with signer_office() as office:
        reply = await office.pay(office.call(), {"Authorization": "Bearer hunter2"})
        assert reply.status == 200
        shown = caplog.text + repr(office.service)
    assert "tickets=" in shown
    for secret in ("hunter2", GATEWAY_KEY.secret.hex(), STATE_KEY.hex(), reply.body["payment"]):
        assert secret not in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_check_binding__loopback__needs_no_webhook(host: str) -> None:
    check_binding(host, webhook=False, allow_no_auth=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "signer.example"])
def test_check_binding__public__needs_a_webhook_or_the_permission_to_go_without(host: str) -> None:
    check_binding(host, webhook=True, allow_no_auth=False)
    check_binding(host, webhook=False, allow_no_auth=True)
    with pytest.raises(InvalidInput):
        check_binding(host, webhook=False, allow_no_auth=False)


# --- trouble --------------------------------------------------------------------------------------


async def test_generate_live_payment__chain_unavailable__is_masked_and_nothing_is_signed() -> None:
    async with signer_office() as office:
        office.chain.failure = ChainUnavailable("https://node/secret-key")
        reply = await office.pay(office.call())
        assert (reply.status, reply.message) == (503, "Service Unavailable Error")


async def test_run__sessions_idle_for_a_day_and_quotes_long_expired__are_forgotten() -> None:
    async with signer_office() as office:
        info = office.info()
        assert info.ticket_params is not None
        reply = await office.pay(office.call(info))
        task = asyncio.create_task(office.service.run())
        await asyncio.sleep(0)
        office.chain.mine(40 + 100)
        await _tick(office, SWEEP_S)
        assert await office.ledger.last_nonce(info.ticket_params.recipient_rand_hash) == 1
        office.chain.mine()
        await _tick(office, SWEEP_S)
        assert await office.ledger.last_nonce(info.ticket_params.recipient_rand_hash) == 0
        assert await office.ledger.session(reply.fields["StateID"]) is not None
        await _tick(office, SESSION_IDLE_S)
        await _tick(office, SWEEP_S)
        assert await office.ledger.session(reply.fields["StateID"]) is None
        task.cancel()
        refused = await office.pay(office.call(state=reply.state))
        assert (refused.status, refused.message) == (400, "invalid state: unknown session, start a new one")


async def _tick(office: Office, seconds: float) -> None:
    """Let time pass, and wait until the service, which waits for the ledger's thread, sleeps again."""
    await office.clock.advance(seconds)
    async with asyncio.timeout(60):
        while not office.clock.sleeping:  # noqa: ASYNC110 - a manual clock has no event
            await asyncio.sleep(0.001)


async def test_generate_live_payment__a_state_id_that_is_taken__gets_another() -> None:
    ids = iter(["aa", "aa", "bb"])
    async with signer_office() as office:
        view = GatewayView(office.chain, office.clock, GATEWAY, 0.0)
        service = SignerService(
            SignerConfig(),
            LocalSigner(GATEWAY_KEY.secret),
            office.ledger,
            view,
            office.clock,
            state_key=STATE_KEY,
            new_id=lambda: next(ids),
        )
        body = signer_api.encode_payment_call(office.call())
        answers: list[Any] = [json.loads((await service.generate_live_payment(body, {})).body) for _ in range(2)]
    found = [Reply(200, answer, {}).fields["StateID"] for answer in answers]
    assert found == ["aa", "bb"]


def test_signer__with_a_short_state_key__is_refused() -> None:
    with pytest.raises(InvalidInput):
        SignerService(None, None, None, None, None, state_key=b"short")  # type: ignore[arg-type]


def test_signer_refused__named_by_status__is_matched_by_its_fields() -> None:
    error = SignerRefused(481, "too dear")
    assert (error.status, error.reason, error.retryable) == (481, "too dear", False)


async def test_ledger__session_unknown__is_none_and_recorded_is_whole(tmp_path: Path) -> None:
    async with await SqliteSignerLedger.open(tmp_path / "ledger.sqlite") as ledger:
        assert await ledger.session("x") is None
        entry = SignedRequest("x", 1, Hash32(b"\x01" * 32), 200, b"reply", Hash32(b"\x02" * 32), 0, 3, BlockNumber(9))
        await ledger.record(entry)
        await ledger.record(replace(entry, sequence=2, reply=b"next", status=482, nonce_before=3))
        assert await ledger.session("x") == SignerSession(2, Hash32(b"\x01" * 32), 482, b"next")
