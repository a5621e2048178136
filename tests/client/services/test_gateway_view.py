"""What an operator sees of the orchestrators that a running gateway knows."""

from fractions import Fraction

from livepeer_client.codec.gateway_api import Out, Role, Use
from livepeer_client.errors import PeerUnreachable
from livepeer_client.services.dispatch import Dispatcher, DispatchRules
from livepeer_client.services.gateway_view import KNOWN_S
from tests.support.market import PROFILES, Market, send

RULES = DispatchRules(explore=0)


def names(dispatcher: Dispatcher) -> list[str]:
    return [one.uri.removeprefix("https://").split(".")[0] for one in dispatcher.known()]


async def test_known__before_any_discovery__is_empty() -> None:
    market = await Market("ada").open()
    assert market.dispatcher(RULES).known() == ()


async def test_known__stream_at_work__shows_who_works_who_stands_by_and_how_fast() -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher = market.dispatcher(RULES)
    stream = dispatcher.stream(PROFILES, "movie", market.events.append)
    market["ada"].took_s = 0.0
    assert await send(stream, 0) == ["ada"]
    ada, bob, cyd = dispatcher.known()
    assert ada.uses == (Use("transcoding", "movie", Role.WORKING),)
    assert (ada.latency_score, ada.price, ada.suspended) == (0.0, Fraction(1, 1000), None)
    assert bob.uses == (Use("transcoding", "movie", Role.STANDBY),)
    assert (bob.latency_score, cyd.uses) == (None, ())
    await stream.close()
    assert [one.uses for one in dispatcher.known()] == [()] * 3


async def test_known__one_failed__shows_until_when_it_is_out_and_why() -> None:
    market = await Market("ada", "bob", "cyd").open()
    dispatcher = market.dispatcher(RULES)
    stream = dispatcher.stream(PROFILES, "movie", market.events.append)
    market["ada"].fail = error = PeerUnreachable(market["ada"].uri, "reset")
    assert await send(stream, 0) == ["bob"]
    await market.clock.advance(10)
    # Those in use first, then those that are out.
    assert names(dispatcher) == ["bob", "cyd", "ada"]
    out = dispatcher.known()[2].suspended
    assert out == Out(market.clock.time() + 20, 20, str(error), False)
    await market.clock.advance(20)
    assert {one.suspended for one in dispatcher.known()} == {None}
    await stream.close()


async def test_known__not_met_by_a_discovery_for_an_hour__is_forgotten() -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(RULES)
    await dispatcher.explain(PROFILES)
    assert names(dispatcher) == ["ada", "bob"]
    market.chain.pool[:] = [each for each in market.chain.pool if each.address == market["ada"].signer.address]
    await market.clock.advance(KNOWN_S)
    await dispatcher.explain(PROFILES)
    assert names(dispatcher) == ["ada"]


async def test_known__rejected_for_one_job__keeps_the_terms_of_its_last_offer() -> None:
    market = await Market("ada").open()
    dispatcher = market.dispatcher(RULES)
    await dispatcher.explain(PROFILES)
    del market.probe.answers[market["ada"].uri]
    await dispatcher.explain(PROFILES)
    (ada,) = dispatcher.known()
    assert ada.price == Fraction(1, 1000)
