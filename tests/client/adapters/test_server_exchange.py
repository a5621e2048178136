"""The real services behind the real port: what a dishonest gateway sends over the wire, and what it changes.

Store and balance are in memory; TLS, gRPC, HTTP, protobuf and signatures are real.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest

from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.codec import wire
from livepeer_client.codec.credentials import ping_digest, result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import OrchestratorRequest, TranscodeResult
from livepeer_client.codec.signature import recover_personal
from tests.support.shop import SEGMENT, STRANGER_KEY, Session, Shop, login

EXPIRATION_BLOCKS = 40


@dataclass
class Peer:
    """A gateway's connections to one orchestrator."""

    shop: Shop
    base: str
    http: aiohttp.ClientSession
    channel: grpc.aio.Channel

    async def rpc(self, method: str, data: bytes) -> bytes:
        answer: bytes = await self.channel.unary_unary(f"/net.Orchestrator/{method}")(data, timeout=60)
        return answer

    async def session(self) -> Session:
        """A session opened over gRPC."""
        request = wire.encode_orchestrator_request(login())
        return Session(self.shop, wire.decode_orchestrator_info(await self.rpc("GetOrchestrator", request)))

    async def post(self, payment: str, credentials: str, body: bytes = SEGMENT) -> tuple[int, bytes]:
        headers = {"Livepeer-Payment": payment, "Livepeer-Segment": credentials, "Content-Type": "video/MP2T"}
        async with asyncio.timeout(60), self.http.post(f"{self.base}/segment", data=body, headers=headers) as response:
            return response.status, await response.read()

    async def get(self, url: str) -> bytes:
        # The service URI names the default port; the test's server took a free one.
        async with self.http.get(self.base + url.partition("8935")[2]) as response:
            assert response.status == 200
            return await response.read()


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    shop = Shop()
    path = tmp_path / "tls.pem"
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=server_context(path, "127.0.0.1", time.time()),
        app=build_app(shop.work),
        rpc=[orchestrator_rpc(shop.advertise.get_orchestrator, shop.advertise.ping, shop.work.end_session)],
        grace_s=0.5,
    )
    async with server:
        trusted = grpc.ssl_channel_credentials(root_certificates=path.read_bytes())
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
            grpc.aio.secure_channel(f"127.0.0.1:{server.port}", trusted) as channel,
        ):
            yield Peer(shop, f"https://127.0.0.1:{server.port}", http, channel)


def result_in(answer: tuple[int, bytes]) -> TranscodeResult:
    status, body = answer
    assert status == 200
    return wire.decode_transcode_result(body)


# --- honest ---------------------------------------------------------------------------------------


async def test_exchange__honest__probe_pay_work_fetch(peer: Peer) -> None:
    session = await peer.session()

    result = result_in(await peer.post(*session.headers()))

    renditions = [await peer.get(segment.url) for segment in result.segments]
    digest = result_digest(keccak256(rendition) for rendition in renditions)
    assert recover_personal(result.sig, digest) == peer.shop.address
    assert len(peer.shop.store.payments) == len(peer.shop.store.debits) == 1


async def test_ping__over_the_wire__proves_the_key(peer: Peer) -> None:
    sig = wire.decode_ping(await peer.rpc("Ping", wire.encode_ping(b"challenge")))

    assert recover_personal(sig, ping_digest(b"challenge")) == peer.shop.address


async def test_end_session__over_the_wire__closes_it(peer: Peer) -> None:
    session = await peer.session()
    result_in(await peer.post(*session.headers()))

    await peer.rpc("EndTranscodingSession", wire.encode_end_session_request(session.token))

    assert peer.shop.work.status()["Sessions"] == 0


# --- dishonest at the probe -----------------------------------------------------------------------


@pytest.mark.parametrize("request_", [login(STRANGER_KEY), OrchestratorRequest(b"", b"")], ids=["forged", "unsigned"])
async def test_probe__not_signed_by_its_address__is_unknown_with_the_text(
    peer: Peer, request_: OrchestratorRequest
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await peer.rpc("GetOrchestrator", wire.encode_orchestrator_request(request_))

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "Invalid orchestrator request: orchestrator req sig check failed"


async def test_probe__a_sender_without_reserve__is_told_so(peer: Peer) -> None:
    peer.shop.chain.claimable.clear()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await peer.session()

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert (caught.value.details() or "").startswith("insufficient sender reserve")


async def test_end_session__a_forged_token__is_unknown_and_closes_nothing(peer: Peer) -> None:
    session = await peer.session()
    result_in(await peer.post(*session.headers()))
    forged = wire.encode_end_session_request(replace(session.token, token=bytes(32)))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await peer.rpc("EndTranscodingSession", forged)

    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, "Invalid auth token")
    assert peer.shop.work.status()["Sessions"] == 1


# --- dishonest with a segment ---------------------------------------------------------------------


async def unchanged(peer: Peer, session: Session, answer: tuple[int, bytes], status: int, text: str) -> None:
    """The answer is this refusal, and neither store nor balance nor the work knows of the request."""
    assert answer[0] == status
    assert answer[1].decode().startswith(text)
    assert answer[1].endswith(b"\n")
    assert session.balance == 0
    assert peer.shop.books() == (0, 0, 0)
    assert peer.shop.transcoder.jobs == []


async def test_segment__tickets_signed_by_another_key__are_400_and_change_nothing(peer: Peer) -> None:
    session = await peer.session()
    payment = wire.payment_header(session.payment(20, key=STRANGER_KEY))

    answer = await peer.post(payment, wire.segment_header(session.credentials()))

    await unchanged(peer, session, answer, 400, "invalid ticket signature")


async def test_segment__credentials_signed_by_another_key__are_403_and_change_nothing(peer: Peer) -> None:
    session = await peer.session()
    credentials = wire.segment_header(session.credentials(key=STRANGER_KEY))

    answer = await peer.post(wire.payment_header(session.payment()), credentials)

    await unchanged(peer, session, answer, 403, "ErrSegSig")


async def test_segment__a_replayed_nonce__is_400_and_changes_nothing_more(peer: Peer) -> None:
    session = await peer.session()
    headers = session.headers()
    result_in(await peer.post(*headers))
    before = (session.balance, peer.shop.books(), len(peer.shop.transcoder.jobs))

    status, body = await peer.post(*headers)

    assert status == 400
    assert body.startswith(b"invalid ticket senderNonce: already seen")
    assert (session.balance, peer.shop.books(), len(peer.shop.transcoder.jobs)) == before


async def test_segment__one_payment_posted_ten_times_at_once__is_credited_and_worked_once(peer: Peer) -> None:
    session = await peer.session()
    headers = session.headers()

    answers = await asyncio.gather(*(peer.post(*headers) for _ in range(10)))

    assert sorted(status for status, _ in answers) == [200] + [400] * 9
    assert len(peer.shop.store.payments) == len(peer.shop.store.debits) == 1


async def test_segment__params_expired__are_400_and_credit_nothing(peer: Peer) -> None:
    session = await peer.session()
    await peer.shop.mine(EXPIRATION_BLOCKS)

    status, body = await peer.post(*session.headers())

    assert (status, body[:20]) == (400, b"TicketParams expired")
    assert session.balance == 0
    assert peer.shop.transcoder.jobs == []
    assert all(payment.credited == 0 for payment in peer.shop.store.payments)


@pytest.mark.parametrize("field", ["face_value", "win_prob"])
async def test_segment__a_quote_made_dearer__is_400_and_changes_nothing(peer: Peer, field: str) -> None:
    session = await peer.session()
    params = replace(session.params, **{field: 2**200})  # type: ignore[arg-type]
    session.info = replace(session.info, ticket_params=params)

    answer = await peer.post(*session.headers(tickets=20))

    await unchanged(peer, session, answer, 400, "invalid recipientRand for ticket recipientRandHash")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("%%%", "base64 decode error"),
        ("AAA", "base64 decode error"),
        (base64.b64encode(b"\x0a\xff\x01too short").decode(), "protobuf unmarshal error"),
    ],
    ids=["no base64", "no padding", "truncated protobuf"],
)
async def test_segment__a_forged_payment_header__is_402_and_changes_nothing(peer: Peer, header: str, text: str) -> None:
    session = await peer.session()

    answer = await peer.post(header, wire.segment_header(session.credentials()))

    await unchanged(peer, session, answer, 402, text)


async def test_segment__every_truncation_of_an_honest_payment__is_refused_and_changes_nothing(peer: Peer) -> None:
    session = await peer.session()
    whole = wire.encode_payment(session.payment(1))
    credentials = wire.segment_header(session.credentials())

    for length in range(0, len(whole), 7):
        status, _ = await peer.post(base64.b64encode(whole[:length]).decode(), credentials)
        assert status in (400, 402, 403)

    assert session.balance == 0
    assert peer.shop.books() == (0, 0, 0)


async def test_segment__a_field_wider_than_its_type__is_402(peer: Peer) -> None:
    session = await peer.session()
    message = bytearray(wire.encode_payment(session.payment(1)))
    # `seed` (field 5 of the ticket params), 32 bytes -> 33: the outer length grows with it.
    at = message.index(b"\x2a\x20")
    message[at + 1] = 33
    message.insert(at + 2, 0)
    assert message[0] == 0x0A
    size, width = (message[1] & 0x7F) | (message[2] << 7), 2
    message[1 : 1 + width] = bytes(((size + 1) & 0x7F | 0x80, (size + 1) >> 7))

    status, body = await peer.post(
        base64.b64encode(bytes(message)).decode(), wire.segment_header(session.credentials())
    )

    assert (status, body) == (402, b"seed has 33 bytes, at most 32\n")
    assert peer.shop.books() == (0, 0, 0)


@pytest.mark.parametrize(
    ("header", "text"),
    [("", "empty seg data"), ("%%%", "ErrorSegEncoding"), ("CiA=", "ErrorSegEncoding")],
    ids=["empty", "no base64", "truncated protobuf"],
)
async def test_segment__forged_credentials__are_403_and_change_nothing(peer: Peer, header: str, text: str) -> None:
    session = await peer.session()

    answer = await peer.post(wire.payment_header(session.payment()), header)

    await unchanged(peer, session, answer, 403, text)


async def test_segment__without_tickets_or_credit__is_400_and_changes_nothing(peer: Peer) -> None:
    session = await peer.session()

    await unchanged(peer, session, await peer.post(*session.headers(tickets=0)), 400, "Insufficient balance")


async def test_segment__another_body_than_signed__is_403_and_not_worked(peer: Peer) -> None:
    session = await peer.session()

    assert await peer.post(*session.headers(), body=SEGMENT + b"x") == (403, b"Forbidden\n")

    assert peer.shop.transcoder.jobs == []
    assert peer.shop.store.debits == []


async def test_segment__that_is_no_video__is_200_with_the_error_inside_and_not_charged(peer: Peer) -> None:
    session = await peer.session()

    result = result_in(await peer.post(*session.headers(segment=b"no video"), body=b"no video"))

    assert (result.error, result.segments) == ("TranscoderInvalidVideo", ())
    assert result.info is not None
    assert peer.shop.store.debits == []
