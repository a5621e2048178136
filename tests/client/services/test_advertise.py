"""Who gets our terms and what they say (offchain-network 1.4, 2.4, 2.5)."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S, check_auth_token, ping_digest
from livepeer_client.codec.messages import AuthToken, OrchestratorRequest
from livepeer_client.codec.signature import recover_personal
from livepeer_client.codec.ticket import ticket_from_params, ticket_message
from livepeer_client.errors import BadCredentials, ChainUnavailable, InvalidInput, MalformedMessage, QuoteRefused
from livepeer_client.services.advertise import MAX_PING_BYTES, AdvertiseService
from livepeer_client.types import Address
from tests.support.shop import GATEWAY, POLL_S, SERVICE_URI, STRANGER_KEY, TOKEN_KEY, Shop, login


async def test_get_orchestrator__a_signed_request__tells_who_where_and_at_what_price() -> None:
    shop = Shop(price=Fraction(7, 3))

    info = await shop.info()

    assert info.transcoder == SERVICE_URI
    assert info.address == shop.address
    assert info.price_info is not None
    assert (info.price_info.price_per_unit, info.price_info.pixels_per_unit) == (7, 3)
    assert info.ticket_params is not None
    assert info.ticket_params.recipient == shop.address
    assert info.capabilities == shop.advertise.offer.capabilities


async def test_get_orchestrator__each_time__opens_a_new_session_for_half_an_hour() -> None:
    shop = Shop()

    tokens = [(await shop.info()).auth_token for _ in range(20)]

    assert len({token.session_id for token in tokens if token}) == 20
    for token in tokens:
        assert token is not None
        assert len(token.session_id) == 8
        assert token.expiration == int(shop.clock.time()) + AUTH_TOKEN_LIFETIME_S
        check_auth_token(TOKEN_KEY, token, shop.clock.time())


async def test_get_orchestrator__a_token_from_before_a_restart__still_holds() -> None:
    shop = Shop()
    token = (await shop.info()).auth_token

    shop.start()

    assert shop.advertise.check_token(token) == token


@pytest.mark.parametrize(
    "request_",
    [
        login(STRANGER_KEY),
        replace(login(), sig=login().sig[:-1]),
        replace(login(), address=bytes(20)),
        OrchestratorRequest(b"", b""),
    ],
    ids=["another key", "short signature", "another address", "nobody"],
)
async def test_get_orchestrator__not_signed_by_its_address__is_refused(request_: OrchestratorRequest) -> None:
    shop = Shop()

    with pytest.raises(BadCredentials) as caught:
        await shop.advertise.get_orchestrator(request_)

    assert caught.value.reason == "Invalid orchestrator request: orchestrator req sig check failed"
    assert shop.chain.reads == []


async def test_get_orchestrator__a_sender_without_reserve__is_refused_with_figures() -> None:
    shop = Shop()
    shop.chain.claimable.clear()

    with pytest.raises(QuoteRefused, match="insufficient sender reserve"):
        await shop.info()


async def test_get_orchestrator__where_work_is_free__asks_for_no_reserve() -> None:
    shop = Shop(price=Fraction(0))
    shop.chain.claimable.clear()

    info = await shop.info()

    assert info.ticket_params is not None
    assert (info.ticket_params.face_value, info.ticket_params.win_prob) == (0, 0)


async def test_next_terms__in_a_session__keeps_token_and_price() -> None:
    shop = Shop(price=Fraction(2))
    session = await shop.session()
    await shop.payments.receive(session.payment(1), session.token.session_id)
    shop.price = Fraction(9)

    info = await shop.advertise.next_terms(Address(GATEWAY), session.token)

    assert info.auth_token == session.token
    assert info.price_info == session.info.price_info
    assert info.ticket_params is not None
    assert info.ticket_params.recipient_rand_hash != session.params.recipient_rand_hash


async def test_next_terms__float_has_run_out__come_without_ticket_params() -> None:
    shop = Shop()
    session = await shop.session()
    shop.chain.claimable.clear()
    await shop.mine()

    info = await shop.advertise.next_terms(Address(GATEWAY), session.token)

    assert info.ticket_params is None
    assert info.auth_token == session.token


async def test_next_terms__the_chain_is_away__come_without_ticket_params() -> None:
    shop = Shop()
    session = await shop.session()
    shop.chain.failure = ChainUnavailable("no node")
    await shop.clock.advance(POLL_S)

    assert (await shop.advertise.next_terms(Address(GATEWAY), session.token)).ticket_params is None


async def test_ping__any_bytes__are_signed_by_our_key() -> None:
    shop = Shop()

    sig = await shop.advertise.ping(b"challenge")

    assert recover_personal(sig, ping_digest(b"challenge")) == shop.address


@pytest.mark.parametrize(
    ("token", "reason"),
    [(None, "missing auth token"), (AuthToken(bytes(32), "0a0b0c0d", 2**40), "invalid auth token")],
    ids=["missing", "forged"],
)
async def test_check_token__not_ours__is_refused(token: AuthToken | None, reason: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        Shop().advertise.check_token(token)

    assert caught.value.reason == reason


async def test_ping__a_ticket_or_anything_else_we_sign__is_not_signed() -> None:
    shop = Shop()
    ticket = ticket_from_params((await shop.session()).params, shop.address, 1)
    for message in (ticket_message(ticket), checksum_address(shop.address).encode(), bytes(32)):
        with pytest.raises(MalformedMessage):
            await shop.advertise.ping(message)


async def test_ping__as_long_as_a_challenge_may_be__is_signed() -> None:
    shop = Shop()
    value = bytes(range(MAX_PING_BYTES))

    assert recover_personal(await shop.advertise.ping(value), ping_digest(value)) == shop.address


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)], ids=len)
def test_advertise_service__token_key_of_another_length__is_refused(key: bytes) -> None:
    shop = Shop()
    with pytest.raises(InvalidInput):
        AdvertiseService(
            offer=shop.advertise.offer, signer=shop.signer, payments=shop.payments, token_key=key, clock=shop.clock
        )
