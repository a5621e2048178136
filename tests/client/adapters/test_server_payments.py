"""Payments that come alone, over the real port: `POST /payment` and `POST /refresh-payment` (offchain-payments 10)."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import MAX_JSON_BYTES
from livepeer_client.codec import wire
from livepeer_client.codec.live_api import decode_challenge, encode_refresh
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.errors import MalformedMessage, PeerRefused
from tests.client.adapters.test_server_exchange import Peer, peer
from tests.support.shop import GATEWAY, Session

__all__ = ["peer"]  # the fixture


async def refresh(peer: Peer, body: bytes) -> tuple[int, bytes]:
    async with peer.http.post(f"{peer.base}/refresh-payment", data=body) as response:
        return response.status, await response.read()


def alone(session: Session) -> SegmentCredentials:
    """Credentials of an empty segment."""
    return session.credentials(segment=b"", profiles=(), duration_ms=0)


async def pay(peer: Peer, session: Session, tickets: int = 2) -> wire.PaymentResult:
    async with HttpTransport() as transport:
        return await transport.submit_payment(
            f"{peer.base}/payment",
            payment=wire.payment_header(session.payment(tickets)),
            credentials=wire.segment_header(alone(session)),
            timeout_s=60,
        )


async def test_payment__alone__is_credited_and_answered_with_the_next_quote(peer: Peer) -> None:
    session = await peer.session()
    result = await pay(peer, session)
    assert session.balance == 2 * session.params.expected_value
    assert result.info is not None
    assert result.info.ticket_params is not None
    assert result.info.ticket_params.recipient_rand_hash != session.params.recipient_rand_hash


async def test_payment__when_no_next_quote_is_possible__is_still_credited_and_answered(peer: Peer) -> None:
    session = await peer.session()
    peer.shop.chain.claimable.clear()
    await peer.shop.mine()
    result = await pay(peer, session)
    assert session.balance == 2 * session.params.expected_value
    assert result.info is not None
    assert result.info.ticket_params is None


async def test_payment__refused__is_said_with_its_status(peer: Peer) -> None:
    session = await peer.session()
    session.nonce = 0
    await pay(peer, session)
    session.nonce = 0
    with pytest.raises(PeerRefused) as refusal:
        await pay(peer, session)
    assert refusal.value.status == 400
    assert "already seen" in refusal.value.reason


async def test_refresh_payment__of_a_session_that_has_paid__renews_its_terms_at_its_price(peer: Peer) -> None:
    session = await peer.session()
    await pay(peer, session)
    peer.shop.price = Fraction(9)
    status, body = await refresh(peer, encode_refresh(GATEWAY, session.token.session_id))
    challenge = decode_challenge(body)
    assert status == 200
    assert challenge.info.price_info == session.info.price_info
    # What is paid on it goes to the same balance.
    before = session.balance
    again = Session(peer.shop, challenge.info)
    await pay(peer, again)
    assert again.token.session_id == session.token.session_id
    assert session.balance == before + 2 * again.params.expected_value


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        (b'{"manifest_id": "x"}', 400, "invalid sender"),
        (json.dumps({"sender": "0x" + "12" * 20}).encode(), 400, "missing manifest_id"),
        (encode_refresh(GATEWAY, "0a0b0c0d"), 409, "fixed price not found for session"),
        (b" " * (MAX_JSON_BYTES + 1), 413, "request too large"),
    ],
)
async def test_refresh_payment__nothing_to_renew__is_refused_with_the_reason(
    peer: Peer, body: bytes, status: int, message: str
) -> None:
    found, answer = await refresh(peer, body)
    assert (found, json.loads(answer)["error"]["message"]) == (status, message)


async def test_refresh_payment__of_a_sender_without_reserve__fails_without_details(peer: Peer) -> None:
    session = await peer.session()
    await pay(peer, session)
    peer.shop.chain.claimable.clear()
    await peer.shop.mine()
    status, body = await refresh(peer, encode_refresh(GATEWAY, session.token.session_id))
    assert (status, json.loads(body)["error"]["message"]) == (500, "Internal Server Error")


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b'{"manifest_id": "x", "payment_url": "y"}',
        b'{"payment_params": "!", "manifest_id": "x", "payment_url": "y"}',
        b'{"payment_params": "", "manifest_id": "", "payment_url": "y"}',
        b'{"payment_params": "/w==", "manifest_id": "x", "payment_url": "y"}',
    ],
)
def test_decode_challenge__anything_else__is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_challenge(body)


async def test_payment__credentials_of_another_key__are_refused(peer: Peer) -> None:
    session = await peer.session()
    forged = replace(alone(session), sig=bytes(65))
    async with HttpTransport() as transport:
        with pytest.raises(PeerRefused) as refusal:
            await transport.submit_payment(
                f"{peer.base}/payment",
                payment=wire.payment_header(session.payment()),
                credentials=wire.segment_header(forged),
                timeout_s=60,
            )
    assert (refusal.value.status, refusal.value.reason) == (403, "ErrSegSig")
    assert session.balance == 0
