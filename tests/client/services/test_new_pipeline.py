"""A pipeline that this library has never heard of, sold by configuration alone."""

from fractions import Fraction
from pathlib import Path

from livepeer_client.codec import wire
from livepeer_client.codec.capability import mismatch
from livepeer_client.codec.messages import Capabilities, OrchestratorRequest
from livepeer_client.config import load_orchestrator
from livepeer_client.policy.capacities import total
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.services.advertise import AdvertiseService, Offer
from livepeer_client.services.capacity import CapacityBoard
from tests.support.shop import GATEWAY, SERVICE_URI, TOKEN_KEY, Session, Shop, login

SETTINGS = """
[chain]
rpc_url = "http://127.0.0.1:8545"
addresses = "addresses.json"
[key]
file = "key"
[orchestrator]
service_uri = "https://127.0.0.1:8935"
listen = "127.0.0.1:8935"
data_dir = "data"
price_per_unit = 7
[[pipelines]]
pipeline = "audio-to-hologram"
capability = 91
model = "holo/v1"
price_per_unit = 3
pixels_per_unit = 1000
unit = "seconds"
warm = true
"""
UNITS = 5_000
JOB = pipeline_job(91, "holo/v1", warm=True)


async def test_pipeline__unheard_of__is_advertised_priced_and_paid(tmp_path: Path) -> None:
    file = tmp_path / "orchestrator.toml"
    file.write_text(SETTINGS)
    config = load_orchestrator(file)
    shop = Shop(price=config.orchestrator.base_price, models=config.prices.models)  # type: ignore[arg-type]
    board = CapacityBoard(total((Capabilities(frozenset({12})), config.pipelines.served_here), version="1.0.0"))
    selling = AdvertiseService(
        offer=Offer(SERVICE_URI, board.capabilities),
        signer=shop.signer,
        payments=shop.payments,
        token_key=TOKEN_KEY,
        clock=shop.clock,
        board=board,
    )

    # Advertised, as a gateway reads it from the wire.
    listing = wire.decode_orchestrator_info(wire.encode_orchestrator_info(await selling.get_orchestrator(login())))
    assert mismatch(JOB, listing.capabilities) is None
    assert mismatch(pipeline_job(91, "holo/v2"), listing.capabilities) is not None
    (price,) = listing.capabilities_prices
    assert (price.capability, price.constraint, price.wei_per_pixel) == (91, "holo/v1", Fraction(3, 1000))

    # Priced: less than a wei per unit, and not free.
    signed = login()
    info = await selling.get_orchestrator(OrchestratorRequest(signed.address, signed.sig, JOB))
    assert info.price_info is not None
    assert info.price_info.wei_per_pixel == Fraction(3, 1000)

    # Paid: tickets bring credit, and units of the job are charged at that price.
    session = Session(shop, info)
    credit = await shop.payments.receive(session.payment(2), session.token.session_id)
    fee = await shop.payments.charge_ahead(GATEWAY, session.token.session_id, 0, UNITS)
    assert fee == UNITS * Fraction(3, 1000)
    assert session.balance == credit - fee
