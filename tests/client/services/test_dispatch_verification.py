"""Segments that one trusted and two untrusted orchestrators work on, and those who lie."""

import asyncio
from dataclasses import replace

import pytest

from livepeer_client.adapters.fakes import fake_segment
from livepeer_client.codec.messages import TranscodeResult
from livepeer_client.errors import MediaError, PeerRefused, PeerUnreachable, ResultMismatch
from livepeer_client.facts import Rendition
from livepeer_client.policy.workloads import Cause
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, Swapped, Verified
from livepeer_client.services.dispatch_events import SegmentDone
from tests.support.market import PROFILES, Market, segment, send

ALWAYS = DispatchRules(warm_standby=False, explore=0, verification=1)
NOT_CHOSEN = 0.999
"""A draw at which nobody verified is compared."""


def forged(rendition: Rendition) -> Rendition:
    """Right in every figure, but another picture."""
    profile = rendition.profile
    return replace(
        rendition, data=fake_segment(profile.width, profile.height, 60, 2000, f"{profile.name} another picture")
    )


def shrunk(rendition: Rendition) -> Rendition:
    """Half the size that was ordered."""
    profile = rendition.profile
    return replace(rendition, data=fake_segment(profile.width // 2, profile.height // 2, 60, 2000, profile.name))


def crossed(result: TranscodeResult) -> TranscodeResult:
    """The renditions in each other's place."""
    return replace(result, segments=result.segments[::-1])


async def opened(*names: str, vouched: tuple[str, ...] = ("tru",), rules: DispatchRules = ALWAYS) -> "Trial":
    market = await Market(*names).open()
    dispatcher = market.dispatcher(rules)
    addresses = {market[name].signer.address for name in vouched}
    dispatcher._given_trust = lambda offer: float(offer.member.address in addresses)
    return Trial(market, dispatcher)


class Trial:
    def __init__(self, market: Market, dispatcher: Dispatcher) -> None:
        self.market = market
        self.dispatcher = dispatcher
        self.stream = dispatcher.stream(PROFILES, "manifest", market.events.append)

    async def send(self, *seqs: int) -> list[str]:
        """Who did each segment; those beside it are done by then as well."""
        names = await send(self.stream, *seqs)
        await self.settled()
        return names

    async def settled(self) -> None:
        async with asyncio.timeout(60):
            while self.dispatcher._background:
                await asyncio.wait(set(self.dispatcher._background))

    def received(self, name: str) -> int:
        return len(self.market[name].received)

    def trust(self, name: str) -> tuple[int, int]:
        found = self.dispatcher.trusts[self.market[name].signer.address]
        return found.agreed, found.disagreed

    def verdicts(self) -> dict[str, bool | None]:
        """What the newest comparison said of each."""
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        return {names[e.orchestrator]: e.agreed for e in self.market.happened(Verified) if isinstance(e, Verified)}

    def barred(self) -> set[str]:
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        return {names[address] for address, held in self.dispatcher.suspensions.items() if held.barred}


async def test_submit__nobody_verified__one_trusted_and_two_untrusted_work_and_trust_moves_with_both() -> None:
    trial = await opened("ada", "bob", "cyd", "tru")
    assert await trial.send(0) == ["ada"]
    assert [trial.received(name) for name in ("ada", "bob", "cyd", "tru")] == [1, 1, 0, 1]
    assert trial.verdicts() == {"ada": True, "bob": True}
    assert (trial.trust("ada"), trial.trust("bob"), trial.trust("tru")) == ((1, 0), (1, 0), (0, 0))
    # All three were paid, each once.
    totals = await trial.market.books.totals()
    assert {name for name in ("ada", "bob", "cyd", "tru") if trial.market[name].signer.address in totals} == {
        "ada",
        "bob",
        "tru",
    }
    assert all(total.segments == 1 for total in totals.values())


async def test_submit__one_verified__works_alone_but_for_one_segment_in_so_many() -> None:
    trial = await opened("ada", "bob", "tru", rules=replace(ALWAYS, verification=4))
    await trial.send(0)
    trial.market.draw = 0.5
    assert await trial.send(1, 2, 3) == ["ada"] * 3
    assert (trial.received("bob"), trial.received("tru")) == (1, 1)
    trial.market.draw = 0.2
    assert await trial.send(4) == ["ada"]
    assert (trial.received("bob"), trial.received("tru")) == (2, 2)
    assert (trial.trust("ada"), trial.trust("bob")) == ((2, 0), (2, 0))


async def test_submit__only_the_second_one_is_verified__it_does_the_segment_alone() -> None:
    trial = await opened("ada", "bob", "tru", rules=replace(ALWAYS, verification=4))
    dispatcher = trial.dispatcher
    await dispatcher.explain(PROFILES)
    bob = trial.market["bob"].signer.address
    dispatcher.trusts[bob] = dispatcher.trusts[bob].after(agreed=True)
    numbers = iter([0.0, 0.5, 0.0])
    dispatcher.draw = lambda: next(numbers)
    assert await trial.send(0) == ["bob"]
    assert [trial.received(name) for name in ("ada", "bob", "tru")] == [0, 1, 0]


async def test_submit__wrong_pixels_of_the_first__are_barred_unpaid_and_the_trusted_ones_work_is_used() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["ada"].retouch = forged
    result = await trial.stream.submit(0, segment(0), 2000)
    await trial.settled()
    assert (result.uri, result.attempts, result.swaps) == (trial.market["tru"].uri, 2, 1)
    assert all(b"another picture" not in rendition.data for rendition in result.renditions)
    # Nobody did it twice.
    assert [trial.received(name) for name in ("ada", "bob", "tru")] == [1, 1, 1]
    assert trial.verdicts() == {"ada": False, "bob": True}
    assert (trial.trust("ada"), trial.trust("bob"), trial.barred()) == ((0, 1), (1, 0), {"ada"})
    totals = await trial.market.books.totals()
    assert totals[trial.market["ada"].signer.address].fees == 0
    (swap,) = trial.market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert (type(swap.cause), swap.code) == (ResultMismatch, Cause.MISMATCH)


async def test_submit__wrong_pixels_of_the_second__bar_it_and_move_the_stream_nowhere() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["bob"].retouch = forged
    assert await trial.send(0) + await trial.send(1) == ["ada", "ada"]
    assert (trial.trust("ada"), trial.trust("bob"), trial.barred()) == ((2, 0), (0, 1), {"bob"})
    assert trial.stream.swaps == 0
    assert not trial.market.happened(Swapped)
    assert trial.received("bob") == 1
    assert (await trial.market.books.totals())[trial.market["bob"].signer.address].fees == 0


async def test_submit__both_untrusted_tell_the_same_lie__are_barred_and_the_trusted_ones_work_is_used() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["ada"].retouch = trial.market["bob"].retouch = forged
    result = await trial.stream.submit(0, segment(0), 2000)
    await trial.settled()
    assert result.uri == trial.market["tru"].uri
    assert all(b"another picture" not in rendition.data for rendition in result.renditions)
    assert (trial.verdicts(), trial.barred()) == ({"ada": False, "bob": False}, {"ada", "bob"})


@pytest.mark.parametrize("how", ["size", "places"])
async def test_submit__wrong_renditions_of_the_first__are_found_before_any_comparison(how: str) -> None:
    trial = await opened("ada", "bob", "tru")
    if how == "size":
        trial.market["ada"].retouch = shrunk
    else:
        trial.market["ada"].tamper = crossed
    assert await trial.send(0) == ["tru"]
    assert trial.verdicts() == {"bob": True}
    assert (trial.trust("ada"), trial.barred()) == ((0, 0), {"ada"})
    (swap,) = trial.market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert swap.code is Cause.BAD_RESULT


async def test_submit__wrong_renditions_of_the_second__bar_it_without_a_word_to_the_stream() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["bob"].retouch = shrunk
    assert await trial.send(0) == ["ada"]
    assert (trial.verdicts(), trial.barred()) == ({"ada": True}, {"bob"})
    assert not trial.market.happened(Swapped)


async def test_submit__trusted_one_fails__nothing_is_said_of_the_others_and_another_is_asked_next_time() -> None:
    trial = await opened("ada", "bob", "tru", "tom", vouched=("tru", "tom"))
    trial.market["tru"].fail = PeerUnreachable(trial.market["tru"].uri, "reset")
    assert await trial.send(0) == ["ada"]
    assert trial.verdicts() == {"ada": None, "bob": None}
    assert (trial.trust("ada"), trial.trust("bob")) == ((0, 0), (0, 0))
    assert trial.dispatcher.is_suspended(trial.market["tru"].signer.address)
    assert await trial.send(1) == ["ada"]
    assert (trial.received("tru"), trial.received("tom")) == (1, 1)
    assert trial.verdicts() == {"ada": True, "bob": True}


async def test_submit__first_and_trusted_fail__the_seconds_work_is_used_though_nobody_vouches_for_it() -> None:
    trial = await opened("ada", "bob", "tru")
    for name in ("ada", "tru"):
        trial.market[name].fail = PeerUnreachable(trial.market[name].uri, "reset")
    assert await trial.send(0) == ["bob"]
    assert trial.verdicts() == {"bob": None}
    assert trial.trust("bob") == (0, 0)


async def test_submit__last_attempt_fails__work_done_beside_it_is_still_the_result() -> None:
    trial = await opened("ada", "bob", "tru", rules=replace(ALWAYS, max_attempts=1))
    trial.market["ada"].fail = PeerUnreachable(trial.market["ada"].uri, "reset")
    assert await trial.send(0) == ["tru"]


async def test_submit__untrusted_one_blames_the_segment_that_a_trusted_one_does__is_swapped_not_believed() -> None:
    trial = await opened("ada", "bob", "tru")
    ada = trial.market["ada"]
    ada.tamper = lambda result: replace(result, error="No keyframes in input", segments=())
    assert await trial.send(0) == ["tru"]
    (swap,) = trial.market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, PeerRefused)
    assert (swap.code, "a trusted one does not find" in swap.cause.reason) == (Cause.REFUSED, True)
    # It may decode less than others: no lie.
    assert (trial.trust("ada"), trial.barred()) == ((0, 0), set())


async def test_submit__everybody_blames_the_segment__is_the_callers_and_suspends_nobody() -> None:
    trial = await opened("ada", "bob", "tru")
    for name in ("ada", "bob", "tru"):
        trial.market[name].tamper = lambda result: replace(result, error="No keyframes in input", segments=())
    with pytest.raises(MediaError, match="No keyframes"):
        await trial.stream.submit(0, segment(0), 2000)
    await trial.settled()
    assert trial.dispatcher.suspensions == {}


async def test_submit__slow_trusted_one__does_not_make_the_others_slow() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["tru"].took_s = 3.0
    sending = asyncio.create_task(trial.stream.submit(0, segment(0), 2000))
    await trial.market.clock.advance(3.0)
    assert (await sending).uri == trial.market["ada"].uri
    await trial.settled()
    scores = {one.uri: one.latency_score for one in trial.dispatcher.known()}
    assert (scores[trial.market["ada"].uri], scores[trial.market["bob"].uri]) == (0.0, 0.0)
    assert scores[trial.market["tru"].uri] == 1.5


async def test_submit__first_one_lies_and_the_second_is_slow__the_segment_waits_for_neither() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["ada"].retouch = forged
    trial.market["bob"].took_s = 3.0
    result = await trial.stream.submit(0, segment(0), 2000)
    assert (result.uri, result.latency_s) == (trial.market["tru"].uri, 0.0)
    await trial.market.clock.advance(3.0)
    await trial.settled()
    assert trial.verdicts() == {"ada": False, "bob": True}


async def test_submit__second_one_is_slow__the_segment_does_not_wait_for_it() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["bob"].took_s = 3.0
    result = await trial.stream.submit(0, segment(0), 2000)
    assert (result.uri, result.latency_s) == (trial.market["ada"].uri, 0.0)
    assert trial.verdicts() == {"ada": True}
    await trial.market.clock.advance(3.0)
    await trial.settled()
    assert trial.verdicts() == {"ada": True, "bob": True}


async def test_close__while_others_are_at_work_beside_a_segment__ends_them() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["bob"].took_s = 3.0
    await trial.stream.submit(0, segment(0), 2000)
    await trial.stream.close()
    await trial.settled()
    assert trial.market.clock.sleeping == 0
    assert [type(event) for event in trial.market.happened(SegmentDone)] == [SegmentDone]


async def test_close__while_a_segment_waits_for_the_trusted_one__its_own_work_is_the_result() -> None:
    trial = await opened("ada", "bob", "tru")
    trial.market["tru"].took_s = 3.0
    sending = asyncio.create_task(trial.stream.submit(0, segment(0), 2000))
    await trial.market.clock.advance(1.0)
    await trial.stream.close()
    assert (await sending).uri == trial.market["ada"].uri
    assert trial.verdicts() == {"ada": None}
