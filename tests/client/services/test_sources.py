"""Lists from elsewhere than the chain, and several sources as one pool (offchain-network 1.1)."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.codec import subgraph
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainUnavailable, LivepeerError, MalformedMessage, PeerTimeout
from livepeer_client.services.sources import LEAST_INTERVAL_S, ListedSource, MergedSource, StaticSource, SubgraphSource
from livepeer_client.types import ZERO_ADDRESS, Address

ADA, BOB = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
URL = "https://list.example/orchestrators"
Answer = bytes | LivepeerError


class Web:
    """`ports.WebClient` that answers what a test says, and remembers what was asked."""

    def __init__(self, answer: Answer | Callable[[bytes], Answer] = b"[]") -> None:
        self.answer = answer
        self.asked: list[tuple[str, bytes, Mapping[str, str]]] = []

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        return await self.post(url, b"", headers=headers, timeout_s=timeout_s)

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        self.asked.append((url, body, headers or {}))
        answer = self.answer(body) if callable(self.answer) else self.answer
        if isinstance(answer, LivepeerError):
            raise answer
        return answer


class Chain:
    """A source that tells `members`, or fails."""

    def __init__(self, *members: RegisteredOrchestrator, failure: LivepeerError | None = None) -> None:
        self.members = members
        self.failure = failure

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        if self.failure is not None:
            raise self.failure
        return self.members


def listing(*entries: tuple[str, float]) -> bytes:
    return json.dumps([{"address": address, "score": score} for address, score in entries]).encode()


def uris(members: Sequence[RegisteredOrchestrator]) -> list[str]:
    return [member.service_uri for member in members]


# --- lists ----------------------------------------------------------------------------------------


class SlowWeb(Web):
    """Answers once it is let go on."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.go_on = asyncio.Event()

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        answer = await super().post(url, body, headers=headers, timeout_s=timeout_s)
        await self.go_on.wait()
        return answer


async def test_listed__two_ask_during_the_first_fetch__both_get_the_one_answer() -> None:
    web = SlowWeb(listing(("https://ada.example:8935", 1.0)))
    source = ListedSource(URL, web, ManualClock())
    asking = [asyncio.create_task(source.orchestrators()) for _ in range(2)]
    await asyncio.sleep(0)
    web.go_on.set()
    assert [uris(await each) for each in asking] == [["https://ada.example:8935"]] * 2
    assert len(web.asked) == 1


async def test_listed__first_fetch_given_up__is_fetched_by_the_next_who_asks() -> None:
    web = SlowWeb(listing(("https://ada.example:8935", 1.0)))
    source = ListedSource(URL, web, ManualClock())
    first = asyncio.create_task(source.orchestrators())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    web.go_on.set()
    assert uris(await source.orchestrators()) == ["https://ada.example:8935"]


async def test_static_source__addresses_without_scheme__are_https_and_trusted() -> None:
    members = await StaticSource(["a.example:8935", "https://b.example:8935/"]).orchestrators()
    assert uris(members) == ["https://a.example:8935", "https://b.example:8935"]
    assert all(member.score == 1 and not member.known and member.active for member in members)


async def test_listed_source__asked_often__calls_at_most_once_a_minute_with_its_headers() -> None:
    clock, web = ManualClock(), Web(listing(("https://a.example:8935", 0.5)))
    source = ListedSource(URL, web, clock, headers={"Authorization": "Bearer x"}, interval_s=1)
    for _ in range(10):
        assert uris(await source.orchestrators()) == ["https://a.example:8935"]
        await clock.advance(5)
    assert len(web.asked) == 1
    assert web.asked[0] == (URL, b"", {"Authorization": "Bearer x"})
    await clock.advance(LEAST_INTERVAL_S)
    await source.orchestrators()
    assert len(web.asked) == 2


async def test_listed_source__unchanged_body__keeps_the_list_itself() -> None:
    clock, web = ManualClock(), Web(listing(("https://a.example:8935", 0)))
    source = ListedSource(URL, web, clock)
    first = await source.orchestrators()
    await clock.advance(61)
    assert await source.orchestrators() is first
    web.answer = listing(("https://b.example:8935", 0))
    await clock.advance(61)
    assert uris(await source.orchestrators()) == ["https://b.example:8935"]
    assert len(web.asked) == 3


@pytest.mark.parametrize("failure", [PeerTimeout("list.example", "no answer"), b"<html>", b"{}"])
async def test_listed_source__fails_later__serves_what_it_had_marked_stale(failure: Answer) -> None:
    clock, web = ManualClock(), Web(listing(("https://a.example:8935", 1)))
    source = ListedSource(URL, web, clock)
    await source.orchestrators()
    web.answer = failure
    await clock.advance(61)
    (member,) = await source.orchestrators()
    assert (member.service_uri, member.score, member.stale) == ("https://a.example:8935", 1, True)
    web.answer = listing(("https://a.example:8935", 1))
    await clock.advance(61)
    assert not (await source.orchestrators())[0].stale


async def test_listed_source__never_answered__raises_its_failure_without_asking_again() -> None:
    clock, web = ManualClock(), Web(PeerTimeout("list.example", "no answer"))
    source = ListedSource(URL, web, clock)
    for _ in range(3):
        with pytest.raises(PeerTimeout):
            await source.orchestrators()
    assert len(web.asked) == 1


# --- the subgraph ---------------------------------------------------------------------------------


def graph(rows: Sequence[dict[str, object]], round_: int = 100) -> Callable[[bytes], Answer]:
    """A subgraph that honours `first` and `id_gt` as the real one does."""

    def answer(body: bytes) -> Answer:
        query = json.loads(body)
        if "protocol" in query["query"]:
            return json.dumps({"data": {"protocol": {"lastInitializedRound": {"id": str(round_)}}}}).encode()
        variables = query["variables"]
        assert (variables["next"], variables["round"]) == (str(round_ + 1), str(round_))
        page = sorted((row for row in rows if str(row["id"]) > variables["after"]), key=lambda row: str(row["id"]))
        return json.dumps({"data": {"transcoders": page[: variables["first"]]}}).encode()

    return answer


def row(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": "0x" + number.to_bytes(20, "big").hex(),
        "serviceURI": f"https://o{number}.example:8935",
        "activationRound": "90",
        "deactivationRound": str(2**255),
        "totalStake": f"{number}.5",
        **changes,
    }


async def test_subgraph_source__more_than_a_page__is_read_to_the_end() -> None:
    rows = [row(number) for number in range(1, 2 * subgraph.PAGE + 2)]
    web = Web(graph(rows))
    members = await SubgraphSource(URL, web, ManualClock()).orchestrators()
    assert len(members) == len(rows)
    assert members[0].stake == (2 * subgraph.PAGE + 1) * 10**18 + 5 * 10**17
    assert len(web.asked) == 4


async def test_subgraph_source__bad_rows__are_left_out_and_the_rest_is_there() -> None:
    bad = [
        row(2, activationRound="soon"),
        row(3, totalStake="1e5"),
        row(4, id="0x12"),
        row(5, deactivationRound=None),
    ]
    members = await SubgraphSource(URL, Web(graph([row(1), *bad])), ManualClock()).orchestrators()
    assert uris(members) == ["https://o1.example:8935"]


async def test_subgraph_source__enters_next_round__is_there_and_not_active() -> None:
    members = await SubgraphSource(
        URL, Web(graph([row(1), row(2, activationRound="101")])), ManualClock()
    ).orchestrators()
    assert {member.service_uri: member.active for member in members} == {
        "https://o1.example:8935": True,
        "https://o2.example:8935": False,
    }


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON",
        b"[]",
        b'{"data": null}',
        b'{"data": {"protocol": null}}',
        b'{"data": {"protocol": {"lastInitializedRound": {"id": "x"}}}}',
        b'{"errors": [{"message": "indexing error"}]}',
        b"[" * 100_000,
    ],
    ids=["text", "list", "no data", "no protocol", "no round", "errors", "deep"],
)
async def test_subgraph_source__answers_nonsense__is_a_typed_error(answer: bytes) -> None:
    with pytest.raises(MalformedMessage):
        await SubgraphSource(URL, Web(answer), ManualClock()).orchestrators()


async def test_subgraph_source__pages_that_never_end__are_refused() -> None:
    page = [row(number) for number in range(1, subgraph.PAGE + 1)]
    calls = iter(range(10**6))

    def endless(body: bytes) -> Answer:
        if b"protocol" in body:
            return graph([])(body)
        page[-1]["id"] = "0x" + (10**9 + next(calls)).to_bytes(20, "big").hex()
        return json.dumps({"data": {"transcoders": page}}).encode()

    with pytest.raises(MalformedMessage, match="pages"):
        await SubgraphSource(URL, Web(endless), ManualClock()).orchestrators()


# --- several as one -------------------------------------------------------------------------------

STAKED = RegisteredOrchestrator(ADA, "https://a.example:8935", 7, True)


async def test_merged_source__list_given__is_all_there_is_with_the_chains_facts() -> None:
    other = RegisteredOrchestrator(BOB, "https://b.example:8935", 9, True)
    merged = MergedSource([StaticSource(["a.example:8935", "new.example:8935"])], Chain(STAKED, other))
    first, second = await merged.orchestrators()
    assert (first.address, first.stake, first.score) == (ADA, 7, 1)
    assert (second.address, second.stake, second.score) == (ZERO_ADDRESS, 0, 1)


async def test_merged_source__everybody__is_there_once_and_the_preferred_word_counts() -> None:
    other = RegisteredOrchestrator(BOB, "https://b.example:8935", 9, True)
    webhook = ListedSource(
        URL, Web(listing(("https://a.example:8935", 0.25), ("https://c.example:8935", 0))), ManualClock()
    )
    merged = MergedSource(
        [webhook, StaticSource(["a.example:8935", "b.example:8935"])], Chain(STAKED, other), everybody=True
    )
    found = {member.service_uri: member.score for member in await merged.orchestrators()}
    assert found == {"https://a.example:8935": 0.25, "https://c.example:8935": 0, "https://b.example:8935": 1}


async def test_merged_source__preferred_list_is_empty_or_fails__the_next_one_serves() -> None:
    for bad in (Web(b"[]"), Web(PeerTimeout("list.example", "no answer"))):
        merged = MergedSource([ListedSource(URL, bad, ManualClock()), StaticSource(["a.example:8935"])], Chain(STAKED))
        assert uris(await merged.orchestrators()) == ["https://a.example:8935"]


async def test_merged_source__chain_is_away__a_list_does_without_it() -> None:
    merged = MergedSource([StaticSource(["a.example:8935"])], Chain(failure=ChainUnavailable("down")))
    (member,) = await merged.orchestrators()
    assert not member.known


async def test_merged_source__nobody_answers__raises_and_nobody_listed_is_an_empty_pool() -> None:
    with pytest.raises(ChainUnavailable):
        await MergedSource([], Chain(failure=ChainUnavailable("down"))).orchestrators()
    assert await MergedSource([], Chain()).orchestrators() == []


async def test_merged_source__inactive_on_chain__stays_so_whoever_lists_it() -> None:
    resting = RegisteredOrchestrator(ADA, "https://a.example:8935", 7, False)
    (member,) = await MergedSource([StaticSource(["a.example:8935"])], Chain(resting)).orchestrators()
    assert not member.active


async def test_merged_source__two_registered_one_uri__a_list_entry_is_neither_of_them() -> None:
    twin = RegisteredOrchestrator(BOB, "https://a.example:8935", 10**6, True)
    (member,) = await MergedSource([StaticSource(["a.example:8935"])], Chain(STAKED, twin)).orchestrators()
    assert (member.known, member.stake) == (False, 0)
