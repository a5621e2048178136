"""`POST /segment`: the order of checks, the work, sessions and their limits (offchain-network 4.1, 4.3, 4.6, 4.7)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeTranscoder
from livepeer_client.codec import wire
from livepeer_client.codec.capability import Capability, job_capabilities
from livepeer_client.codec.credentials import result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import Capabilities, Payment, SegmentCredentials, TranscodeResult
from livepeer_client.codec.signature import recover_personal
from livepeer_client.errors import BadCredentials, ChainUnavailable, MediaError, StoreCorrupt, StoreError
from livepeer_client.facts import Rendition
from livepeer_client.services.renditions import KEPT_PER_DIRECTORY
from livepeer_client.services.work import QUEUE_LENGTH, SESSION_IDLE_S, Refused
from tests.support.shop import (
    GATEWAY,
    POLL_S,
    PROFILES,
    SEGMENT,
    STRANGER_KEY,
    Session,
    Shop,
    SlowTranscoder,
    as_far_as_they_get,
    expired_token,
)

PIXELS = sum(profile.width * profile.height * 60 for profile in PROFILES)


async def post(
    session: Session,
    payment: Payment | str | None = None,
    credentials: SegmentCredentials | str | None = None,
    body: bytes = SEGMENT,
) -> TranscodeResult | Refused:
    """One exchange as a server takes it through its steps."""
    if not isinstance(payment, str):
        payment = wire.payment_header(payment or session.payment(2))
    if not isinstance(credentials, str):
        credentials = wire.segment_header(credentials or session.credentials())
    with session.shop.work.exchange(payment, credentials) as exchange:
        refusal = await exchange.admit() or exchange.check_body(body)
        if refusal is not None:
            return refusal
        return wire.decode_transcode_result(await exchange.work(body))


async def work(session: Session, seq: int = 0) -> TranscodeResult:
    result = await post(session, credentials=session.credentials(seq))
    assert isinstance(result, TranscodeResult)
    return result


# --- the work -------------------------------------------------------------------------------------


async def test_segment__honest__comes_back_as_signed_renditions() -> None:
    shop = Shop()
    session = await shop.session()

    result = await work(session, seq=7)

    assert (result.seq, result.error) == (7, "")
    names = [segment.url.rsplit("/", 3)[1:] for segment in result.segments]
    assert names == [[session.token.session_id, profile.name, "7.ts"] for profile in PROFILES]
    data = [shop.work.rendition(*name) for name in names]
    assert all(data)
    digest = result_digest(keccak256(each or b"") for each in data)
    assert recover_personal(result.sig, digest) == shop.address


async def test_segment__honest__is_charged_what_it_claims() -> None:
    shop = Shop(price=Fraction(1, 3))
    session = await shop.session()
    result = await work(session)

    assert sum(segment.pixels for segment in result.segments) == PIXELS
    (debit,) = shop.store.debits
    assert (debit.sender, debit.session_id, debit.seq) == (GATEWAY, session.token.session_id, 0)
    assert (debit.pixels, debit.fee) == (PIXELS, Fraction(PIXELS, 3))
    assert session.balance == 2 * session.params.expected_value - debit.fee


async def test_segment__honest__carries_the_next_quote_of_the_same_session() -> None:
    session = await Shop().session()

    result = await work(session)

    assert result.info is not None
    assert result.info.auth_token == session.token
    assert result.info.ticket_params is not None
    assert result.info.ticket_params.recipient_rand_hash != session.params.recipient_rand_hash


async def test_segment__the_next_quote__pays_for_the_next_segment() -> None:
    shop = Shop(price=Fraction(1, 10))
    session = await shop.session()
    for seq in range(5):
        result = await work(session, seq)
        assert result.info is not None
        session.info, session.nonce = result.info, 0

    assert len(shop.store.payments) == len(shop.store.debits) == 5


async def test_segment__with_credit_left__needs_no_tickets() -> None:
    session = await Shop(price=Fraction(1, 1000)).session()
    await work(session)

    result = await post(session, payment=session.payment(0), credentials=session.credentials(1))

    assert isinstance(result, TranscodeResult)
    assert not result.error


async def test_segment__float_ran_out_with_this_payment__is_worked_and_answered_without_params() -> None:
    shop = Shop()
    session = await shop.session()
    shop.chain.claimable.clear()
    await shop.mine()

    result = await work(session)

    assert result.segments
    assert result.info is not None
    assert result.info.ticket_params is None


async def test_segment__with_a_latency__answers_later_and_charges_after_it() -> None:
    shop = Shop(latency_s=0.5)
    session = await shop.session()

    task = asyncio.create_task(work(session))
    await shop.clock.advance(0.4)
    assert not task.done()
    assert shop.store.debits == []
    await shop.clock.advance(0.2)

    assert (await task).segments


# --- refused by the headers, in this order --------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "reason"),
    [("not base64!", "base64 decode error"), ("CiA=", "protobuf unmarshal error")],
    ids=["base64", "truncated protobuf"],
)
async def test_segment__a_payment_that_cannot_be_read__is_402(header: str, reason: str) -> None:
    shop = Shop()
    session = await shop.session()

    assert await post(session, payment=header, credentials="also wrong") == Refused(402, reason)
    assert shop.books() == (0, 0, 0)


@pytest.mark.parametrize(
    ("header", "reason"),
    [("", "empty seg data"), ("not base64!", "ErrorSegEncoding"), ("CiA=", "ErrorSegEncoding")],
    ids=["empty", "base64", "truncated protobuf"],
)
async def test_segment__credentials_that_cannot_be_read__are_403(header: str, reason: str) -> None:
    shop = Shop()
    session = await shop.session()

    assert await post(session, credentials=header) == Refused(403, reason)
    assert shop.books() == (0, 0, 0)


async def credentials_with(session: Session, flaw: str) -> SegmentCredentials:
    match flaw:
        case "another signer":
            return session.credentials(key=STRANGER_KEY)
        case "signed for another segment":
            return replace(session.credentials(), seq=1)
        case "too long":
            return session.credentials(duration_ms=300_001)
        case "a capability we lack":
            more = Capabilities(bits=job_capabilities(PROFILES).bits | {int(Capability.HEVC_ENCODE)})
            return session.credentials(capabilities=more)
        case "no token":
            return session.credentials(auth_token=None)
        case "a forged token":
            return session.credentials(auth_token=replace(session.token, session_id="0a0b0c0d"))
        case "an expired token":
            return session.credentials(auth_token=expired_token(session.shop))
        case "two profiles of one name":
            return session.credentials(profiles=(PROFILES[0], PROFILES[0]))
    raise AssertionError(flaw)


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("another signer", "ErrSegSig"),
        ("signed for another segment", "ErrSegSig"),
        ("too long", "invalid duration"),
        ("a capability we lack", "incompatible capabilities"),
        ("no token", "missing auth token"),
        ("a forged token", "invalid auth token"),
        ("an expired token", "expired auth token"),
        ("two profiles of one name", "ErrorSegEncoding"),
    ],
)
async def test_segment__bad_credentials__are_403_before_the_payment_is_touched(flaw: str, reason: str) -> None:
    shop = Shop()
    session = await shop.session()

    assert await post(session, credentials=await credentials_with(session, flaw)) == Refused(403, reason)

    assert (session.balance, shop.books()) == (0, (0, 0, 0))
    assert shop.transcoder.jobs == []


async def test_segment__no_sender_at_all__is_403() -> None:
    session = await Shop().session()

    assert await post(session, payment="") == Refused(403, "ErrSegSig")


@pytest.mark.parametrize(
    ("key_of_tickets", "text"),
    [(STRANGER_KEY, "invalid ticket signature")],
)
async def test_segment__a_rejected_payment__is_400_with_its_text(key_of_tickets: object, text: str) -> None:
    shop = Shop()
    session = await shop.session()

    refusal = await post(session, payment=session.payment(2, key=key_of_tickets))  # type: ignore[arg-type]

    assert isinstance(refusal, Refused)
    assert refusal.status == 400
    assert refusal.reason.startswith(text)
    assert (session.balance, shop.books()) == (0, (0, 0, 0))


async def test_segment__less_than_a_ticket_of_credit__is_400() -> None:
    shop = Shop()
    session = await shop.session()

    assert await post(session, payment=session.payment(0)) == Refused(400, "Insufficient balance")
    assert shop.transcoder.jobs == []


@pytest.mark.parametrize("whose", ["chain", "store"])
async def test_segment__our_own_trouble__is_500_and_keeps_its_text_to_us(whose: str) -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(2)
    if whose == "chain":
        shop.chain.failure = ChainUnavailable("http://node.example/key")
        await shop.clock.advance(POLL_S)
    else:
        shop.store.failure = StoreError("/var/lib/secret is full")

    assert await post(session, payment=payment) == Refused(500, "Internal Server Error")
    assert session.balance == 0


async def test_segment__another_body_than_signed__is_403_but_its_payment_counts() -> None:
    shop = Shop()
    session = await shop.session()

    assert await post(session, body=SEGMENT + b"x") == Refused(403, "Forbidden")

    assert session.balance == 2 * session.params.expected_value
    assert shop.transcoder.jobs == []


# --- refused after the 200 ------------------------------------------------------------------------


async def test_segment__that_cannot_be_decoded__says_so_inside_the_answer_and_costs_nothing() -> None:
    shop = Shop()
    session = await shop.session()
    shop.transcoder.failure = MediaError("Unsupported input codec", "vp8")

    result = await work(session)

    assert (result.error, result.segments, result.sig) == ("Unsupported input codec", (), b"")
    assert result.info is not None
    assert session.balance == 2 * session.params.expected_value
    assert shop.store.debits == []


class ShortTranscoder(FakeTranscoder):
    def __init__(self, keep: int) -> None:
        super().__init__()
        self.keep = keep

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        return (await super().transcode(segment, credentials))[: self.keep]


@pytest.mark.parametrize(("keep", "text"), [(0, "ZeroSegments"), (1, "MismatchedSegments")])
async def test_segment__with_renditions_missing__is_an_error(keep: int, text: str) -> None:
    shop = Shop(transcoder=ShortTranscoder(keep))

    assert (await work(await shop.session())).error == text
    assert shop.store.debits == []


async def test_segment__the_charge_cannot_be_stored__offers_no_renditions() -> None:
    shop = Shop(transcoder=SlowTranscoder())
    session = await shop.session()
    task = asyncio.create_task(work(session))
    await as_far_as_they_get()
    shop.store.failure = StoreError("disk full")
    assert isinstance(shop.transcoder, SlowTranscoder)
    shop.transcoder.go.set()

    result = await task

    assert (result.error, result.segments) == ("Internal Server Error", ())
    assert session.balance == 2 * session.params.expected_value


async def test_failure__a_corrupt_store__is_reported_to_the_node() -> None:
    shop = Shop()
    session = await shop.session()
    watch = asyncio.create_task(shop.work.failure())
    shop.store.failure = StoreCorrupt("checksum")

    assert await post(session) == Refused(500, "Internal Server Error")

    with pytest.raises(StoreCorrupt):
        await asyncio.wait_for(watch, 60)


# --- sessions -------------------------------------------------------------------------------------


async def run_many(sessions: Sequence[Session], shop: Shop, seqs: int = 1) -> list[TranscodeResult | Refused]:
    """Post to all sessions at once, then let the work go on."""
    tasks = [
        asyncio.create_task(post(session, session.payment(1), session.credentials(seq)))
        for session in sessions
        for seq in range(seqs)
    ]
    await as_far_as_they_get()
    assert isinstance(shop.transcoder, SlowTranscoder)
    shop.transcoder.go.set()
    return await asyncio.gather(*tasks)


async def test_session__segments_at_once__are_worked_in_the_order_they_came() -> None:
    shop = Shop(transcoder=SlowTranscoder())

    await run_many([await shop.session()], shop, seqs=QUEUE_LENGTH + 1)

    assert [job.seq for job in shop.transcoder.jobs] == list(range(QUEUE_LENGTH + 1))


async def test_session__one_more_than_may_wait__is_busy() -> None:
    shop = Shop(transcoder=SlowTranscoder())

    results = await run_many([await shop.session()], shop, seqs=QUEUE_LENGTH + 2)

    errors = [result.error for result in results if isinstance(result, TranscodeResult)]
    assert errors == [""] * (QUEUE_LENGTH + 1) + ["OrchestratorBusy"]


async def test_session__two_of_them__do_not_wait_for_each_other() -> None:
    shop = Shop(transcoder=SlowTranscoder())
    sessions = [await shop.session() for _ in range(2)]

    results = await run_many(sessions, shop, seqs=QUEUE_LENGTH + 1)

    assert all(isinstance(result, TranscodeResult) and not result.error for result in results)


async def test_session__beyond_the_limit__is_capped_before_its_payment() -> None:
    shop = Shop(price=Fraction(1, 1000), max_sessions=1)
    first, second = await shop.session(), await shop.session()
    await work(first)
    books = shop.books()

    assert await post(second) == Refused(403, "OrchestratorCapped")

    assert (second.balance, shop.books()) == (0, books)
    assert not (await work(first, 1)).error


async def test_session__beyond_the_limit_meanwhile__is_capped_inside_the_answer() -> None:
    shop = Shop(max_sessions=1)
    exchanges = [shop.work.exchange(*(await shop.session()).headers()) for _ in range(2)]
    # Both are admitted before either has its place.
    assert await asyncio.gather(*(exchange.admit() for exchange in exchanges)) == [None, None]

    results = [wire.decode_transcode_result(await exchange.work(SEGMENT)) for exchange in exchanges]

    assert [result.error for result in results] == ["", "OrchestratorCapped"]


async def test_session__idle__is_closed_and_makes_room() -> None:
    shop = Shop(max_sessions=1)
    first, second = await shop.session(), await shop.session()
    result = await work(first)
    path = result.segments[0].url.rsplit("/", 3)[1:]

    await shop.clock.advance(SESSION_IDLE_S)
    assert await post(second) == Refused(403, "OrchestratorCapped")
    await shop.clock.advance(1)

    assert isinstance(await post(second), TranscodeResult)
    assert shop.work.rendition(*path) is None


async def test_run__an_idle_session__is_closed_without_anybody_asking() -> None:
    shop = Shop()
    await work(await shop.session())
    upkeep = asyncio.create_task(shop.work.run())

    await shop.clock.advance(SESSION_IDLE_S + 10)
    assert shop.work.status()["Sessions"] == 0

    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)


async def test_run__the_chain_is_away__goes_on() -> None:
    shop = Shop()
    shop.chain.failure = ChainUnavailable("no node")
    upkeep = asyncio.create_task(shop.work.run())

    await shop.clock.advance(60)
    assert not upkeep.done()

    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)


async def test_end_session__with_its_token__closes_it() -> None:
    shop = Shop()
    session = await shop.session()
    await work(session)

    await shop.work.end_session(session.token)

    assert shop.work.status()["Sessions"] == 0


async def test_end_session__with_a_forged_token__is_refused() -> None:
    shop = Shop()
    session = await shop.session()
    await work(session)

    with pytest.raises(BadCredentials, match=r"^Invalid auth token$"):
        await shop.work.end_session(replace(session.token, token=bytes(32)))

    assert shop.work.status()["Sessions"] == 1


async def test_rendition__older_than_the_last_twelve__is_gone() -> None:
    shop = Shop(price=Fraction(0))
    session = await shop.session()
    for seq in range(KEPT_PER_DIRECTORY + 1):
        assert isinstance(await post(session, session.payment(0), session.credentials(seq)), TranscodeResult)

    kept = [shop.work.rendition(session.token.session_id, PROFILES[0].name, f"{seq}.ts") for seq in range(13)]

    assert [data is None for data in kept] == [True] + [False] * KEPT_PER_DIRECTORY


# --- payments alone -------------------------------------------------------------------------------


async def test_pay__alone__credits_the_session_that_segments_use() -> None:
    shop = Shop()
    session = await shop.session()

    answer = await shop.work.pay(*session.headers(segment=b""))

    assert isinstance(answer, bytes)
    info = wire.decode_payment_result(answer).info
    assert info is not None
    assert info.auth_token == session.token
    assert session.balance == 2 * session.params.expected_value


async def test_pay__with_bad_credentials__is_refused_as_a_segment_is() -> None:
    shop = Shop()
    session = await shop.session()
    payment, _ = session.headers()

    assert await shop.work.pay(payment, "") == Refused(403, "empty seg data")
    assert shop.books() == (0, 0, 0)
