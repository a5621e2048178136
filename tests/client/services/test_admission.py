"""Who is given terms, at which price, and while there is room (offchain-network 1.4)."""

import json
from collections.abc import Mapping
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities, ModelConstraint, OrchestratorRequest
from livepeer_client.errors import BadCredentials, LivepeerError, PeerRefused, PeerTimeout
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.price_list import PriceList, Tariff
from livepeer_client.services.admission import KEPT_S, MAX_KEPT, DiscoveryWebhook
from livepeer_client.services.advertise import AdvertiseService, Offer
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.types import Address
from tests.support.shop import GATEWAY, SERVICE_URI, TOKEN_KEY, Shop, login

LIVE = int(Capability.LIVE_VIDEO_TO_VIDEO)
URL = "https://hook.example/discovery"


class Web:
    def __init__(self, answer: bytes | LivepeerError) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        raise AssertionError("a webhook is posted to")

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        self.asked.append(body)
        if isinstance(self.answer, LivepeerError):
            raise self.answer
        return self.answer


def price(wei: int, units: int) -> bytes:
    return json.dumps({"priceInfo": {"pricePerUnit": wei, "pixelsPerUnit": units}}).encode()


def selling(shop: Shop, **options: object) -> AdvertiseService:
    board = options.get("board")
    capabilities = board.capabilities if isinstance(board, CapacityBoard) else Capabilities()
    return AdvertiseService(
        offer=Offer(SERVICE_URI, capabilities),
        signer=shop.signer,
        payments=shop.payments,
        token_key=TOKEN_KEY,
        clock=shop.clock,
        **options,  # type: ignore[arg-type]
    )


async def test_admit__allowed__is_asked_once_in_half_an_hour() -> None:
    clock, web = ManualClock(), Web(b"")
    hook = DiscoveryWebhook(URL, web, clock)
    for _ in range(3):
        await hook.admit(GATEWAY)
    assert [json.loads(body) for body in web.asked] == [{"id": f"0x{GATEWAY.hex()}"}]
    await clock.advance(KEPT_S)
    await hook.admit(GATEWAY)
    assert len(web.asked) == 2
    assert hook.prices == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PeerRefused("hook.example", 403, "who?"), "refused"),
        (PeerTimeout("hook.example", "no answer"), "no answer"),
        (b"<html>", "refused"),
        (price(1, 2**62 - 57), "refused"),
    ],
)
async def test_admit__anything_but_a_yes__is_refused_with_the_networks_text_and_asked_again(
    answer: bytes | LivepeerError, reason: str
) -> None:
    web = Web(answer)
    hook = DiscoveryWebhook(URL, web, ManualClock())
    for _ in range(2):
        with pytest.raises(BadCredentials) as caught:
            await hook.admit(GATEWAY)
        assert caught.value.reason == f"Invalid orchestrator request: authentication failed: {reason}"
    assert len(web.asked) == 2
    assert hook.prices == {}


async def test_admit__ever_new_senders__are_not_all_remembered() -> None:
    hook = DiscoveryWebhook(URL, Web(price(1, 1)), ManualClock())
    for number in range(MAX_KEPT + 10):
        await hook.admit(Address(number.to_bytes(20, "big")))
    assert len(hook.prices) == MAX_KEPT


async def test_get_orchestrator__webhook_names_a_price__that_sender_is_quoted_it_while_it_holds() -> None:
    shop = Shop(price=Fraction(9))
    hook = DiscoveryWebhook(URL, Web(price(7, 3)), shop.clock)
    shop.payments._quotes._prices = lambda: PriceList(Tariff(shop.price)).with_base_for(hook.prices)
    service = selling(shop, admit=hook.admit)

    info = await service.get_orchestrator(login())

    assert info.price_info is not None
    assert info.price_info.wei_per_pixel == Fraction(7, 3)
    await shop.clock.advance(KEPT_S + 1)
    assert hook.prices == {}


async def test_get_orchestrator__webhook_refuses__costs_no_look_at_the_chain() -> None:
    shop = Shop()
    service = selling(shop, admit=DiscoveryWebhook(URL, Web(PeerRefused("hook", 403, "no")), shop.clock).admit)
    with pytest.raises(BadCredentials):
        await service.get_orchestrator(login())
    assert shop.chain.reads == []


def live_job(*, ignore: bool) -> OrchestratorRequest:
    request = login()
    return OrchestratorRequest(request.address, request.sig, pipeline_job(LIVE, "noop"), ignore)


async def test_get_orchestrator__live_model_in_full_use__is_capped_unless_the_request_does_not_mind() -> None:
    offered = Capabilities(
        frozenset({LIVE}), capacities={LIVE: 1}, constraints={LIVE: {"noop": ModelConstraint(capacity=1)}}
    )
    board = CapacityBoard(offered)
    service = selling(Shop(), board=board)
    await service.get_orchestrator(live_job(ignore=False))
    assert board.take(LIVE, "noop")
    with pytest.raises(BadCredentials) as caught:
        await service.get_orchestrator(live_job(ignore=False))
    assert caught.value.reason == "Invalid orchestrator request: OrchestratorCapped"
    assert (await service.get_orchestrator(live_job(ignore=True))).transcoder == SERVICE_URI
    assert (await service.get_orchestrator(login())).transcoder == SERVICE_URI


@pytest.mark.parametrize("known", [{}, {GATEWAY: Fraction(5)}])
def test_with_base_for__a_sender__beats_what_the_list_has_for_it(known: dict[Address, Fraction]) -> None:
    prices = PriceList(Tariff(Fraction(9), known)).with_base_for({GATEWAY: Fraction(1, 3)})
    assert prices.price(GATEWAY) == Fraction(1, 3)
    assert prices.price(Address(b"\x99" * 20)) == 9
