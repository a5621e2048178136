"""Discovery over fakes: everybody is asked at once, and everybody is accounted for."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from livepeer_client.codec.capability import Capability, job_capabilities
from livepeer_client.codec.credentials import orchestrator_request_digest, ping_digest
from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, RegisteredOrchestrator
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import ChainUnavailable, LivepeerError, MalformedMessage, PeerRefused, PeerUnreachable
from livepeer_client.policy.discovery import Offer, ProbePlan, Rejection, RejectReason, Stop
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.types import Address
from tests.support.market import CHALLENGE, PROFILES, Market

JOB = job_capabilities(PROFILES)


def names(report: DiscoveryReport) -> list[str]:
    return [offer.member.service_uri.split(".")[0].removeprefix("https://") for offer in report.offers]


def reasons(report: DiscoveryReport) -> dict[str, RejectReason]:
    return {
        rejection.member.service_uri.split(".")[0].removeprefix("https://"): rejection.reason
        for rejection in report.rejections
    }


async def test_refresh__all_answer__offers_them_all_and_stops_at_once() -> None:
    market = await Market("ada", "bob", "cyd").open()
    report = await market.discovery().refresh(JOB)
    assert (sorted(names(report)), report.rejections, report.stop) == (["ada", "bob", "cyd"], (), Stop.ALL_ANSWERED)
    assert report.took_s == 0


async def test_refresh__each_request__is_signed_over_the_gateways_own_address_and_names_the_job() -> None:
    market = await Market("ada", "bob").open()
    await market.discovery().refresh(JOB)
    assert len(market.probe.asked) == 2
    for _, request in market.probe.asked:
        assert request.address == market.signer.address
        assert is_signed_by(market.signer.address, request.sig, orchestrator_request_digest(market.signer.address))
        assert request.capabilities == JOB


async def test_refresh__different_latencies__offers_are_sorted_by_them() -> None:
    market = await Market("slow", "fast", "middling").open()
    market.probe.latency_s = {market["slow"].uri: 0.15, market["fast"].uri: 0.05, market["middling"].uri: 0.1}
    task = asyncio.create_task(market.discovery().refresh(JOB))
    await market.clock.advance(0.45)
    report = await task
    assert names(report) == ["fast", "middling", "slow"]
    assert [offer.latency_s for offer in report.offers] == pytest.approx([0.05, 0.1, 0.15])


async def test_refresh__one_silent_peer__ends_at_the_first_wake_with_the_others_and_names_it() -> None:
    market = await Market("ada", "silent").open()
    market.probe.latency_s = {market["silent"].uri: 60}
    task = asyncio.create_task(market.discovery().refresh(JOB))
    await market.clock.advance(0.49)
    assert not task.done()
    await market.clock.advance(0.02)
    report = await task
    assert (names(report), report.stop) == (["ada"], Stop.WAKE)
    assert reasons(report) == {"silent": RejectReason.NOT_AWAITED}
    assert market.clock.sleeping == 0


async def test_refresh__nobody_answers__ends_at_the_cutoff() -> None:
    market = await Market("ada", "bob").open()
    market.probe.latency_s = {market["ada"].uri: 60, market["bob"].uri: 60}
    task = asyncio.create_task(market.discovery().refresh(JOB))
    await market.clock.advance(5.9)
    assert not task.done()
    await market.clock.advance(0.2)
    report = await task
    assert (report.offers, report.stop in (Stop.CUTOFF, Stop.ALL_ANSWERED), len(report.rejections)) == ((), True, 2)


async def test_refresh__enough_wanted__does_not_wait_for_the_rest() -> None:
    market = await Market("ada", "bob", "late").open()
    market.probe.latency_s = {market["late"].uri: 0.3}
    service = DiscoveryService(
        market.chain,
        market.probe,
        market.signer,
        market.clock,
        plan=ProbePlan(wanted=2),
        random_bytes=lambda count: CHALLENGE[:count],
    )
    report = await service.refresh(JOB)
    assert (sorted(names(report)), report.stop) == (["ada", "bob"], Stop.ENOUGH)
    assert reasons(report) == {"late": RejectReason.NOT_AWAITED}


async def test_refresh__empty_pool__is_an_empty_report() -> None:
    report = await Market().discovery().refresh(JOB)
    assert (report.offers, report.rejections, report.stop) == ((), (), Stop.ALL_ANSWERED)


async def test_refresh__members_that_cannot_be_asked__are_named_without_a_probe() -> None:
    market = await Market("ada").open()
    market.chain.pool += [
        RegisteredOrchestrator(Address(b"\x11" * 20), "https://resting.example:8935", 5, False),
        RegisteredOrchestrator(Address(b"\x12" * 20), "", 5, True),
    ]
    report = await market.discovery().refresh(JOB)
    assert names(report) == ["ada"]
    assert [rejection.reason for rejection in report.rejections] == [
        RejectReason.INACTIVE,
        RejectReason.NO_SERVICE_URI,
    ]
    assert len(market.probe.asked) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PeerUnreachable("peer", "connection refused"), RejectReason.NO_ANSWER),
        (PeerRefused("peer", 2, "insufficient sender reserve"), RejectReason.REFUSED),
        (MalformedMessage("OrchestratorInfo", "truncated"), RejectReason.MALFORMED),
    ],
)
async def test_refresh__failing_peer__is_a_rejection_with_its_text(error: LivepeerError, reason: RejectReason) -> None:
    market = await Market("ada", "bad").open()
    market.probe.answers[market["bad"].uri] = error
    report = await market.discovery().refresh(JOB)
    assert names(report) == ["ada"]
    assert reasons(report) == {"bad": reason}
    detail = error.detail if isinstance(error, PeerUnreachable) else str(error).split(": ")[-1]
    assert detail in report.rejections[0].text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda info: replace(info, address=b"\x77" * 20), RejectReason.WRONG_ADDRESS),
        (
            lambda info: replace(info, ticket_params=replace(info.ticket_params, recipient=Address(b"\x77" * 20))),
            RejectReason.WRONG_RECIPIENT,
        ),
        (lambda info: replace(info, transcoder=""), RejectReason.DIRECTORY_ONLY),
        (
            lambda info: replace(
                info, capabilities=replace(info.capabilities, bits=info.capabilities.bits - {Capability.H264})
            ),
            RejectReason.INCOMPATIBLE,
        ),
        (lambda info: replace(info, ticket_params=None), RejectReason.NO_TICKET_PARAMS),
    ],
)
async def test_refresh__unusable_answer__is_rejected_for_its_reason(
    change: Callable[[OrchestratorInfo], OrchestratorInfo], reason: RejectReason
) -> None:
    market = await Market("ada", "bad").open()
    bad = market["bad"]

    def answer(request: OrchestratorRequest) -> OrchestratorInfo:
        return change(bad.on_info(request))

    market.probe.answers[bad.uri] = answer
    report = await market.discovery().refresh(JOB)
    assert (names(report), reasons(report)) == (["ada"], {"bad": reason})


async def test_refresh__copied_terms_without_the_key__are_rejected() -> None:
    market = await Market("ada", "impostor").open()
    market.probe.pings[market["impostor"].uri] = await market.signer.sign(ping_digest(CHALLENGE))
    report = await market.discovery().refresh(JOB)
    assert reasons(report) == {"impostor": RejectReason.KEY_NOT_PROVEN}


async def test_refresh__challenge_switched_off__asks_for_no_proof() -> None:
    market = await Market("ada").open()
    market.probe.pings.clear()
    service = DiscoveryService(market.chain, market.probe, market.signer, market.clock, challenge=False)
    assert names(await service.refresh(JOB)) == ["ada"]


async def test_refresh__chain_does_not_answer__raises() -> None:
    market = await Market("ada").open()
    market.chain.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await market.discovery().refresh(JOB)


async def test_refresh__cancelled__leaves_no_task_behind() -> None:
    market = await Market("ada").open()
    market.probe.latency_s = {market["ada"].uri: 60}
    task = asyncio.create_task(market.discovery().refresh(JOB))
    await market.clock.advance(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_requote__known_orchestrator__gives_new_params_and_a_new_session() -> None:
    market = await Market("ada").open()
    service = market.discovery()
    (first,) = (await service.refresh(JOB)).offers
    again = await service.requote(first.member, JOB, timeout_s=2)
    assert isinstance(again, Offer)
    assert again.ticket_params.recipient_rand_hash != first.ticket_params.recipient_rand_hash
    assert again.info.auth_token != first.info.auth_token


async def test_requote__peer_gone__is_a_rejection() -> None:
    market = await Market("ada").open()
    service = market.discovery()
    (first,) = (await service.refresh(JOB)).offers
    market.probe.answers.clear()
    assert isinstance(await service.requote(first.member, JOB, timeout_s=2), Rejection)


async def test_refresh__trusted_pool__eight_good_answers_are_enough_and_the_rest_is_not_awaited() -> None:
    names_ = [f"o{number}" for number in range(12)]
    market = await Market(*names_).open()
    market.chain.pool[:] = [replace(member, score=1.0) for member in market.chain.pool]
    market.probe.latency_s = {market[name].uri: 60 for name in names_[8:]}
    report = await market.discovery().refresh(JOB)
    assert (sorted(names(report)), report.stop, report.took_s) == (sorted(names_[:8]), Stop.ENOUGH, 0)
    assert set(reasons(report)) == set(names_[8:])


async def test_refresh__everybody__waits_for_more_than_eight_of_the_trusted_pool() -> None:
    names_ = [f"o{number}" for number in range(12)]
    market = await Market(*names_).open()
    market.chain.pool[:] = [replace(member, score=1.0) for member in market.chain.pool]
    market.probe.latency_s = {market[name].uri: 0.3 for name in names_[8:]}
    task = asyncio.create_task(market.discovery().refresh(JOB, everybody=True))
    await market.clock.advance(0.4)
    assert len((await task).offers) == 12


async def test_refresh__one_untrusted_among_trusted_ones__is_waited_for() -> None:
    names_ = [f"o{number}" for number in range(10)]
    market = await Market(*names_, "other").open()
    market.chain.pool[:-1] = [replace(member, score=1.0) for member in market.chain.pool[:-1]]
    market.probe.latency_s = {market["other"].uri: 0.3, market["o9"].uri: 60}
    task = asyncio.create_task(market.discovery().refresh(JOB))
    await market.clock.advance(0.2)
    assert not task.done()
    await market.clock.advance(0.2)
    report = await task
    assert (len(report.offers), "other" in names(report), report.stop) == (10, True, Stop.ENOUGH)
