"""Lists without addresses, further nodes, blocked ones, and probes that streams share (offchain-network 1.3)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S, ping_digest
from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, RegisteredOrchestrator
from livepeer_client.policy.discovery import ProbePlan, RejectReason
from livepeer_client.policy.sources import listed
from livepeer_client.services.discovery import PROOF_S, DiscoveryReport, DiscoveryService
from livepeer_client.types import Address
from tests.support.market import CHALLENGE, PROFILES, Market, Orchestrator, segment

JOB = job_capabilities(PROFILES)


class Pool:
    def __init__(self, *members: RegisteredOrchestrator) -> None:
        self.members = members

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        return self.members


def service(market: Market, pool: Pool | None = None, **options: object) -> DiscoveryService:
    return DiscoveryService(
        pool or market.chain,
        market.probe,
        market.signer,
        market.clock,
        random_bytes=lambda count: CHALLENGE[:count],
        **options,  # type: ignore[arg-type]
    )


async def answers(
    market: Market, seller: Orchestrator, uri: str, change: Callable[[OrchestratorInfo], OrchestratorInfo]
) -> None:
    """`seller` answers at `uri` as well, in its own way."""

    def answer(request: OrchestratorRequest) -> OrchestratorInfo:
        return change(seller.on_info(request))

    market.probe.answers[uri] = answer
    market.probe.pings[uri] = await seller.signer.sign(ping_digest(CHALLENGE))


def reasons(report: DiscoveryReport) -> dict[str, RejectReason]:
    return {rejection.member.service_uri: rejection.reason for rejection in report.rejections}


def uris(report: DiscoveryReport) -> set[str]:
    return {offer.member.service_uri for offer in report.offers}


# --- who it is shows with the answer ----------------------------------------------------------------


async def test_refresh__listed_by_uri__is_whoever_proves_the_key_it_answers_with() -> None:
    market = await Market("ada").open()
    (offer,) = (await service(market, Pool(listed(market["ada"].uri, 1.0))).refresh(JOB)).offers
    assert (offer.member.address, offer.member.score) == (market["ada"].signer.address, 1.0)


async def test_refresh__listed_by_uri_under_a_key_it_does_not_have__is_rejected() -> None:
    market = await Market("ada", "eve").open()
    ada = market["ada"]
    await answers(
        market, market["eve"], market["eve"].uri, lambda info: replace(ada.info(), transcoder=info.transcoder)
    )
    report = await service(market, Pool(listed(market["eve"].uri, 1.0))).refresh(JOB)
    assert reasons(report) == {market["eve"].uri: RejectReason.KEY_NOT_PROVEN}


@pytest.mark.parametrize("address", [b"", bytes(20)], ids=["none", "zero"])
async def test_refresh__listed_by_uri_and_nobody__is_rejected(address: bytes) -> None:
    market = await Market("ada").open()
    await answers(market, market["ada"], market["ada"].uri, lambda info: replace(info, address=address))
    report = await service(market, Pool(listed(market["ada"].uri, 1.0))).refresh(JOB)
    assert reasons(report) == {market["ada"].uri: RejectReason.WRONG_ADDRESS}


async def test_refresh__listed_by_uri_with_tickets_for_another__is_rejected() -> None:
    market = await Market("ada", "bob").open()
    bob = market["bob"]
    await answers(market, market["ada"], market["ada"].uri, lambda info: replace(info, ticket_params=bob.params()))
    report = await service(market, Pool(listed(market["ada"].uri, 1.0))).refresh(JOB)
    assert reasons(report) == {market["ada"].uri: RejectReason.WRONG_RECIPIENT}


# --- blocked ----------------------------------------------------------------------------------------


async def test_refresh__blocked_address__is_not_even_asked() -> None:
    market = await Market("ada", "bob").open()
    report = await service(market, blocked=[market["bob"].signer.address]).refresh(JOB)
    assert uris(report) == {market["ada"].uri}
    assert reasons(report) == {market["bob"].uri: RejectReason.BLOCKED}
    assert [uri for uri, _ in market.probe.asked] == [market["ada"].uri]


async def test_refresh__blocked_address_behind_a_listed_uri__is_found_out() -> None:
    market = await Market("ada").open()
    report = await service(
        market, Pool(listed(market["ada"].uri, 1.0)), blocked=[market["ada"].signer.address]
    ).refresh(JOB)
    assert reasons(report) == {market["ada"].uri: RejectReason.BLOCKED}


# --- further nodes ----------------------------------------------------------------------------------


async def with_nodes(market: Market, *nodes: str) -> None:
    ada = market["ada"]
    await answers(market, ada, ada.uri, lambda info: replace(info, nodes=nodes))
    for node in set(nodes) - {ada.uri}:
        await answers(
            market,
            ada,
            node,
            lambda info: replace(info, transcoder=info.transcoder, nodes=("https://deep.example:8935",)),
        )


NODES = tuple(f"https://ada{number}.example:8935" for number in range(2, 7))


async def test_refresh__extra_nodes_off__asks_none() -> None:
    market = await Market("ada").open()
    await with_nodes(market, *NODES)
    assert uris(await service(market).refresh(JOB)) == {market["ada"].uri}


async def test_refresh__more_nodes_than_allowed__asks_one_level_each_once_and_ends_with_the_last_answer() -> None:
    market = await Market("ada").open()
    await with_nodes(market, NODES[0], NODES[0] + "/", market["ada"].uri, *NODES)
    report = await service(market, extra_nodes=3).refresh(JOB)
    assert uris(report) == {market["ada"].uri, *NODES[:3]}
    assert sorted(uri for uri, _ in market.probe.asked) == sorted([market["ada"].uri, *NODES[:3]])
    # Nobody waits for nodes that were never named.
    assert report.took_s == 0
    stakes = {offer.member.service_uri: offer.member.stake for offer in report.offers}
    assert stakes.pop(market["ada"].uri) > 0
    assert set(stakes.values()) == {0}


async def test_refresh__directory_only__its_nodes_are_asked_and_say_who_they_are() -> None:
    market = await Market("ada", "bob").open()
    ada, bob = market["ada"], market["bob"]
    await answers(market, ada, ada.uri, lambda info: replace(info, transcoder="", nodes=(bob.uri, NODES[0])))
    await answers(market, ada, NODES[0], lambda info: info)
    report = await service(market, Pool(ada.member), extra_nodes=2).refresh(JOB)
    assert reasons(report) == {ada.uri: RejectReason.DIRECTORY_ONLY}
    assert {offer.member.service_uri: offer.member.address for offer in report.offers} == {
        bob.uri: bob.signer.address,
        NODES[0]: ada.signer.address,
    }


async def test_refresh__node_of_another_operator__is_rejected_and_its_name_not_lent() -> None:
    market = await Market("ada", "eve").open()
    ada, eve = market["ada"], market["eve"]
    await answers(market, ada, ada.uri, lambda info: replace(info, nodes=(eve.uri,)))
    report = await service(market, Pool(ada.member), extra_nodes=1).refresh(JOB)
    assert reasons(report) == {eve.uri: RejectReason.WRONG_ADDRESS}


async def test_refresh__impostors_answer__its_nodes_are_not_asked() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    await answers(market, ada, ada.uri, lambda info: replace(info, address=b"\x77" * 20, nodes=NODES))
    await service(market, extra_nodes=5).refresh(JOB)
    assert [uri for uri, _ in market.probe.asked] == [ada.uri]


@pytest.mark.parametrize(
    "node",
    [
        "http://ada2.example:8935",
        "https://127.0.0.1:22",
        "https://127.1:22",
        "https://0x7f.1:22",
        "https://①②⑦.⓪.⓪.①:22",
        "https://10.0.0.1:8935",
        "https://[::1]:8935",
        "https://169.254.169.254",
        "https://localhost:8935",
        "https://db.internal:5432",
        "https://user@ada2.example:8935",
        "https://ada2.example:8935/x?y=",
        "ftp://ada2.example",
        "",
    ],
)
async def test_refresh__node_that_leads_where_it_may_not__is_not_asked(node: str) -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    await answers(market, ada, ada.uri, lambda info: replace(info, nodes=(node,)))
    await service(market, extra_nodes=5).refresh(JOB)
    assert [uri for uri, _ in market.probe.asked] == [ada.uri]


async def test_refresh__one_operator_behind_many_listed_uris__is_used_no_more_often_than_allowed() -> None:
    market = await Market("ada").open()
    ada = market["ada"]
    for node in NODES:
        await answers(market, ada, node, lambda info: info)
    report = await service(market, Pool(*(listed(node, 1.0) for node in NODES)), extra_nodes=1).refresh(JOB)
    assert len(report.offers) == 2
    assert set(reasons(report).values()) == {RejectReason.CROWDED}
    assert len(report.rejections) == 3


# --- how many at once -------------------------------------------------------------------------------


async def test_refresh__larger_pool_than_the_fan_out__has_no_more_probes_under_way() -> None:
    market = await Market(*(f"o{number}" for number in range(10))).open()
    under_way = most = 0
    travel = market.probe._travel

    async def counted(uri: str, timeout_s: float) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await travel(uri, timeout_s)
        under_way -= 1

    market.probe._travel = counted  # type: ignore[method-assign]
    shuffled: list[int] = []
    report = await service(
        market, plan=ProbePlan(fan_out=3), challenge=False, shuffle=lambda members: shuffled.append(len(members))
    ).refresh(JOB)
    assert len(report.offers) == 10
    assert most == 3
    assert shuffled == [10]


async def test_refresh__ends_at_a_wake__no_probe_outlives_it() -> None:
    market = await Market("ada", "silent").open()
    market.probe.latency_s = {market["silent"].uri: 60}
    task = asyncio.create_task(service(market).refresh(JOB))
    await market.clock.advance(0.6)
    await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- proofs -----------------------------------------------------------------------------------------


async def test_refresh__key_proven_before__is_not_asked_for_again_within_ten_minutes() -> None:
    market = await Market("ada").open()
    discovery = service(market)
    await discovery.refresh(JOB)
    market.probe.pings.clear()
    await market.clock.advance(PROOF_S - 1)
    assert len((await discovery.refresh(JOB)).offers) == 1
    await market.clock.advance(2)
    report = await discovery.refresh(JOB)
    assert reasons(report) == {market["ada"].uri: RejectReason.NO_ANSWER}


async def test_refresh__another_key_at_a_proven_uri__must_prove_itself() -> None:
    market = await Market("ada", "eve").open()
    ada, eve = market["ada"], market["eve"]
    discovery = service(market, Pool(listed(ada.uri, 1.0)))
    await discovery.refresh(JOB)
    market.probe.answers[ada.uri] = eve.on_info
    assert reasons(await discovery.refresh(JOB)) == {ada.uri: RejectReason.KEY_NOT_PROVEN}
    market.probe.pings[ada.uri] = await eve.signer.sign(ping_digest(CHALLENGE))
    (offer,) = (await discovery.refresh(JOB)).offers
    assert offer.member.address == eve.signer.address


# --- several streams --------------------------------------------------------------------------------


async def test_shared__several_at_once__are_one_round_of_probes_and_later_ones_another() -> None:
    market = await Market("ada", "bob").open()
    market.probe.latency_s = {market["ada"].uri: 0.1, market["bob"].uri: 0.1}
    discovery = service(market)
    tasks = [asyncio.create_task(discovery.shared(JOB)) for _ in range(5)]
    await market.clock.advance(1)
    reports = [await task for task in tasks]
    assert all(report is reports[0] for report in reports)
    assert len(market.probe.asked) == 2
    again = asyncio.create_task(discovery.shared(JOB))
    await market.clock.advance(1)
    assert await again is not reports[0]


async def test_take__the_same_offer_twice__is_the_first_ones_until_its_token_is_void() -> None:
    market = await Market("ada", "bob").open()
    discovery = service(market)
    first, second = (await discovery.shared(JOB)).offers
    assert [discovery.take(first), discovery.take(first), discovery.take(second)] == [True, False, True]
    await market.clock.advance(AUTH_TOKEN_LIFETIME_S)
    assert discovery.take(first)


async def test_streams__that_start_at_once__share_the_probes_and_neither_quote_nor_session() -> None:
    market = await Market("ada").open()
    dispatcher = market.dispatcher()
    streams = [dispatcher.stream(PROFILES, f"manifest-{number}") for number in range(4)]
    await asyncio.gather(*(stream.submit(0, segment(0), 2000) for stream in streams))
    received = market["ada"].received
    sessions = [credentials.auth_token.session_id for credentials, _ in received if credentials.auth_token]
    assert len(set(sessions)) == 4
    assert len(set(market["ada"].nonces)) == len(market["ada"].nonces)
    quotes = {payment.ticket_params.recipient_rand_hash for _, payment in received if payment.ticket_params}
    assert len(quotes) == 4
    # One probe for all, and one more for each that came too late for its quote.
    assert len(market.probe.asked) == 4


async def test_shared__everybody_who_waited_is_gone__its_probes_end() -> None:
    market = await Market("ada").open()
    market.probe.latency_s = {market["ada"].uri: 60}
    discovery = service(market)
    tasks = [asyncio.create_task(discovery.shared(JOB)) for _ in range(2)]
    await market.clock.advance(0.1)
    tasks[0].cancel()
    await market.clock.advance(0.1)
    assert len(asyncio.all_tasks()) > 1
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await market.clock.advance(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_refresh__survey__asks_for_everything_whatever_the_room() -> None:
    market = await Market("ada").open()
    await service(market).refresh(JOB, survey=True)
    ((_, request),) = market.probe.asked
    assert request.capabilities is None
    assert request.ignore_capacity_check


def test_listed__a_uri__has_no_address_yet() -> None:
    assert not listed("https://a.example", 1.0).known
    assert RegisteredOrchestrator(Address(b"\x01" * 20), "", 0, True).known
