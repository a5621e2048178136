"""Who serves a live session, and what follows each way in which it fails: the table of the workload, walked by the
service. Sellers, quotes and tickets are real; the channels are a test's, and so is the clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability, with_capacities
from livepeer_client.codec.gateway_api import Role, Use
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.messages import Capabilities, ModelConstraint, PaymentResult, PriceInfo
from livepeer_client.codec.trickle import encode_event
from livepeer_client.errors import (
    BadResult,
    LivepeerError,
    MalformedMessage,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    PriceRaised,
)
from livepeer_client.policy.discovery import RejectReason
from livepeer_client.policy.selection import Verdict
from livepeer_client.policy.sender import AccountShort, DepositShort, SenderLimits
from livepeer_client.policy.workloads import LIVE, Cause, Hold, Phase, Step
from livepeer_client.services.dispatch import DispatchRules, Event, Renewed, Swapped
from livepeer_client.services.live_dispatch import LiveDispatcher, LiveStream
from tests.client.services.test_live_serving import Wire
from tests.support.market import Market

MODEL = "noop"
LIMITS = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**18))
EVENT = encode_event({"queue_event_type": "segment", "event": {}})


@dataclass
class Channels(Wire):
    """Starts that fail as `fails` says, of each again and again; those that begin have channels of their own."""

    fails: dict[str, list[LivepeerError | None]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    async def start(
        self, uri: str, request: LiveRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> tuple[str, LiveUrls]:
        name = _name(uri)
        self.started.append(name)
        queued = self.fails.get(name, [])
        failure = (queued.pop(0) if len(queued) > 1 else queued[0]) if queued else None
        if failure is not None:
            raise failure
        number = len(self.started)
        return f"m{number}", LiveUrls(*(f"{name} {kind}" for kind in ("publish", "subscribe", "control", "events")))


@dataclass
class Till:
    """Takes payments, unless it has something to `say`, once each."""

    say: list[LivepeerError] = field(default_factory=list)
    taken: int = 0

    async def submit_payment(self, url: str, *, payment: str, credentials: str, timeout_s: float) -> PaymentResult:
        if self.say:
            raise self.say.pop(0)
        self.taken += 1
        return PaymentResult(None)


@dataclass
class Stage:
    market: Market
    live: LiveDispatcher
    channels: Channels
    till: Till
    events: list[Event] = field(default_factory=list)

    async def seconds(self, count: int, *, event: bool = True) -> None:
        """Time in which whoever serves shows that it works."""
        for _ in range(count):
            if event:
                for name in self.market.orchestrators:
                    self.channels.read[f"{name} events"].put_nowait(EVENT)
            await self.market.clock.advance(1, turns=40)

    def serving(self, session: LiveStream) -> str | None:
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        return None if session.orchestrator is None else names[session.orchestrator]

    def codes(self) -> list[Cause]:
        return [event.code for event in self.events if isinstance(event, Swapped)]

    def renewals(self) -> int:
        return sum(isinstance(event, Renewed) for event in self.events)

    def suspended(self) -> dict[str, float]:
        now_s = self.market.clock.monotonic()
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        held = self.live.choices.suspensions
        return {names[who]: it.until_s - now_s for who, it in held.items() if it.until_s > now_s}

    @asynccontextmanager
    async def session(self, max_total: Fraction | None = None) -> AsyncIterator[LiveStream]:
        async with self.live.session(MODEL, max_total=max_total, observer=self.events.append) as session:
            yield session


def _name(uri: str) -> str:
    return uri.removeprefix("https://").split(".")[0]


async def stage(*names: str, rules: DispatchRules | None = None) -> Stage:
    market = await Market(*names).open()
    for seller in market.orchestrators.values():
        bits = DEFAULT_CAPABILITIES | {int(Capability.LIVE_VIDEO_TO_VIDEO)}
        model = {MODEL: ModelConstraint(warm=True, capacity=4)}
        seller.capabilities = Capabilities(
            bits, capacities=with_capacities(bits), constraints={int(Capability.LIVE_VIDEO_TO_VIDEO): model}
        )
        seller.price = PriceInfo(100, 1)
    dispatcher = market.dispatcher(rules or DispatchRules(explore=0), LIMITS)
    channels, till = Channels(), Till()
    live = LiveDispatcher(dispatcher, dispatcher.payer, market.signer, channels, till)
    return Stage(market, live, channels, till)


# --- a start that fails, cause by cause -----------------------------------------------------------

FAILURES: list[tuple[LivepeerError, Cause]] = [
    (PeerTimeout("o", "header timeout"), Cause.TIMEOUT),
    (PeerUnreachable("o", "reset"), Cause.UNREACHABLE),
    (PeerRefused("o", 500, "Internal Server Error"), Cause.REFUSED),
    (MalformedMessage("answer", "no JSON"), Cause.MALFORMED),
    (BadResult("channels", "its own", "others'"), Cause.BAD_RESULT),
    (PeerRefused("o", 503, "OrchestratorBusy"), Cause.BUSY),
    (PeerRefused("o", 503, "insufficient capacity"), Cause.CAPPED),
    (PeerRefused("o", 500, "insufficient sender reserve"), Cause.SENDER_RESERVE),
    (DepositShort("ticket faceValue > max faceValue"), Cause.SENDER_RESERVE),
    (ParamsRejected("ticket EV > max ticket EV"), Cause.TERMS),
    (PriceRaised("Orchestrator price has more than doubled"), Cause.PRICE_RAISED),
    (PeerRefused("o", 400, "invalid ticket senderNonce: already seen"), Cause.SENDER_NONCE),
    (PeerRefused("o", 400, "TicketParams expired"), Cause.PARAMS_EXPIRED),
    (PeerRefused("o", 403, "expired auth token"), Cause.AUTH_TOKEN),
    (PeerRefused("o", 402, "whatever"), Cause.BALANCE),
]
SWAPS = [pair for pair in FAILURES if LIVE.reaction(pair[1]).then is Step.SWAP]
RENEWALS = [pair for pair in FAILURES if LIVE.reaction(pair[1]).then is Step.RENEW]
WHILE_RUNNING = {
    Cause.PAYMENT,
    Cause.NO_EVENTS,
    Cause.NO_OUTPUT,
    Cause.BACKLOG,
    Cause.GONE,
    Cause.INPUT_ENDED,
    Cause.OWN_LIMIT,
}
RULES = DispatchRules()
SECONDS = {
    Hold.NONE: None,
    Hold.BRIEF: RULES.brief_s,
    Hold.WHILE: RULES.suspension_s,
    Hold.LONG: RULES.bar_s,
    Hold.BAR: RULES.bar_s,
}


def ids(pairs: list[tuple[LivepeerError, Cause]]) -> list[str]:
    return [f"{cause.value} {type(error).__name__}" for error, cause in pairs]


def test_failures__are_all_that_the_table_knows_of_a_start() -> None:
    ours = {cause for cause in LIVE.reactions if LIVE.is_ours(cause)}
    # Nobody judges the input before it comes, or compares what comes of it.
    assert {cause for _, cause in FAILURES} == set(LIVE.reactions) - ours - WHILE_RUNNING - {
        Cause.INPUT_FAULT,
        Cause.MISMATCH,
    }


@pytest.mark.parametrize(("error", "cause"), SWAPS, ids=ids(SWAPS))
async def test_start__fails_of_what_the_table_swaps_for__another_serves_and_the_first_is_out_as_the_table_says(
    error: LivepeerError, cause: Cause
) -> None:
    it = await stage("ada", "bob")
    it.channels.fails["ada"] = [error]
    async with it.session() as session:
        assert (it.channels.started, it.serving(session), it.codes()) == (["ada", "bob"], "bob", [cause])
        seconds = SECONDS[LIVE.reaction(cause).hold]
        assert it.suspended() == ({} if seconds is None else {"ada": seconds})


@pytest.mark.parametrize(("error", "cause"), RENEWALS, ids=ids(RENEWALS))
async def test_start__fails_of_what_the_table_renews_for__the_same_one_serves_on_new_terms(
    error: LivepeerError, cause: Cause
) -> None:
    it = await stage("ada", "bob")
    it.channels.fails["ada"] = [error, None]
    async with it.session() as session:
        assert (it.channels.started, it.serving(session)) == (["ada", "ada"], "ada")
        assert (it.renewals(), it.codes(), it.suspended()) == (1, [], {})


@pytest.mark.parametrize(("error", "cause"), RENEWALS, ids=ids(RENEWALS))
async def test_start__new_terms_do_not_help__another_serves_and_the_first_is_out_for_long(
    error: LivepeerError, cause: Cause
) -> None:
    it = await stage("ada", "bob")
    it.channels.fails["ada"] = [error]
    async with it.session() as session:
        assert (it.channels.started, it.serving(session), it.codes()) == (["ada", "ada", "bob"], "bob", [cause])
        assert it.suspended() == {"ada": RULES.bar_s}


async def test_start__no_room_with_a_time_to_come_back__is_left_alone_for_as_long() -> None:
    it = await stage("ada", "bob")
    it.channels.fails["ada"] = [PeerRefused("o", 503, "insufficient capacity", 60)]
    async with it.session() as session:
        assert (it.serving(session), it.suspended()) == ("bob", {"ada": 60})


# --- while it runs --------------------------------------------------------------------------------


async def test_session__somebody_stands_by_while_one_serves__and_takes_over() -> None:
    it = await stage("ada", "bob", "cyd")
    async with it.session() as session:
        await it.seconds(1)
        uses = {_name(one.uri): one.uses for one in it.live.choices.known() if one.uses}
        assert uses == {
            "ada": (Use("real-time", MODEL, Role.WORKING),),
            "bob": (Use("real-time", MODEL, Role.STANDBY),),
        }
        asked = len(it.market.probe.asked)
        it.channels.read["ada subscribe"].put_nowait(None)
        await it.seconds(1)
        assert (it.serving(session), it.codes(), len(it.market.probe.asked)) == ("bob", [Cause.GONE], asked)
        assert it.suspended().keys() == {"ada"}


async def test_session__a_standby_whose_quote_ends__is_renewed_before_it_is_needed() -> None:
    it = await stage("ada", "bob")
    async with it.session():
        await it.seconds(1)
        it.market.chain.mine(36)
        await it.seconds(60)
        assert it.market["bob"].sessions == 2


async def test_session__silent_for_30_s__is_left_as_the_table_says() -> None:
    it = await stage("ada", "bob")
    async with it.session() as session:
        await it.seconds(32, event=False)
        assert (it.serving(session), it.codes()) == ("bob", [Cause.NO_EVENTS])
        assert it.suspended().keys() == {"ada"}


async def test_session__a_refused_payment__is_repeated_on_new_terms_each_time_and_the_table_knows() -> None:
    it = await stage("ada", "bob")
    async with it.session() as session:
        for number in range(1, 4):
            it.till.say = [PeerRefused("o", 400, "TicketParams expired")]
            await it.seconds(5)
            assert (it.till.taken, it.serving(session)) == (number, "ada")
            progress = session._progress
            assert (progress.phase, progress.renewals, progress.attempts) == (Phase.RUNNING, 0, 1)
        assert it.market["ada"].sessions == 4


async def test_session__a_payment_refused_on_new_terms_as_well__is_a_swap_and_out_for_long() -> None:
    it = await stage("ada", "bob")
    async with it.session() as session:
        it.till.say = [PeerRefused("o", 400, "TicketParams expired")] * 2
        await it.seconds(6)
        assert (it.serving(session), it.codes()) == ("bob", [Cause.PAYMENT])
        (left_s,) = it.suspended().values()
        assert RULES.bar_s - 2 <= left_s <= RULES.bar_s


async def test_session__our_account_is_emptied_while_it_runs__is_said_and_suspends_nobody() -> None:
    it = await stage("ada", "bob")
    async with it.session() as session:
        it.market.chain.senders.clear()
        await it.seconds(6)
        with pytest.raises(AccountShort):
            await anext(session.results())
        assert (it.suspended(), it.codes()) == ({}, [])


async def test_session__has_cost_all_that_its_owner_allows__goes_to_another_and_suspends_nobody() -> None:
    it = await stage("ada", "bob")
    for seller in it.market.orchestrators.values():
        seller.price = PriceInfo(1000, 1)
    async with it.session(max_total=Fraction(1000 * 1_658_880_000 + 2 * 10**10)) as session:
        assert it.serving(session) == "ada"
        async with asyncio.timeout(30):
            while it.serving(session) == "ada":
                await it.seconds(5)
        assert (it.codes()[0], it.suspended()) == (Cause.OWN_LIMIT, {})


async def test_session__its_input_ends__ends_without_a_swap() -> None:
    it = await stage("ada", "bob")
    async with it.session() as session:
        session.end_input()
        await it.seconds(6)
        assert (session._progress.phase, it.codes(), it.suspended()) == (Phase.ENDED, [], {})


async def test_session__nobody_left__says_what_each_failed_of() -> None:
    it = await stage("ada", "bob")
    for name in ("ada", "bob"):
        it.channels.fails[name] = [PeerUnreachable(f"https://{name}.example:8935", "reset")]
    with pytest.raises(NoOrchestrator) as nobody:
        async with it.session():
            raise AssertionError("it began")
    assert {_name(uri): "reset" in why for uri, why in nobody.value.rejections.items()} == {"ada": True, "bob": True}


@pytest.mark.parametrize(("apart_s", "ends"), [(100, True), (200, False)])
async def test_session__three_swaps__end_it_where_each_comes_within_three_minutes(apart_s: int, ends: bool) -> None:
    it = await stage("ada", "bob", "cyd", "dan")
    served = []
    async with it.session() as session:
        for _ in range(3):
            await it.seconds(apart_s)
            name = it.serving(session)
            assert name is not None
            served.append(name)
            it.channels.read[f"{name} subscribe"].put_nowait(None)
            await it.seconds(1)
        assert it.codes() == [Cause.GONE] * 3
        assert (it.serving(session) is None) == ends
        if ends:
            with pytest.raises(NoOrchestrator) as nobody:
                await anext(session.results())
            told = {_name(uri): why for uri, why in nobody.value.rejections.items()}
            assert told.keys() == set(served)
            assert all(why.startswith("too many swaps: ") for why in told.values())


# --- explained ------------------------------------------------------------------------------------


async def test_explain__a_session__takes_the_nearest_and_gives_every_other_with_the_reason() -> None:
    it = await stage("ada", "bob", "cyd", "dan")
    it.market.probe.latency_s = {it.market["ada"].uri: 0.3, it.market["bob"].uri: 0.1}
    it.market["cyd"].capabilities = Capabilities(DEFAULT_CAPABILITIES)
    it.market["dan"].price = PriceInfo(101, 1)
    it.live.choices.rules = DispatchRules(ceiling=Fraction(100))
    asking = asyncio.create_task(it.live.explain(MODEL))
    await it.market.clock.advance(0.4)
    _, selection = await asking
    lines = {_name(line.uri): line for line in selection.candidates}
    assert {name: line.verdict for name, line in lines.items()} == {
        "ada": Verdict.ELIGIBLE,
        "bob": Verdict.CHOSEN,
        "cyd": Verdict.REJECTED,
        "dan": Verdict.REJECTED,
    }
    assert "nearest" in lines["bob"].reason
    reasons = {name: line.rejection.reason for name, line in lines.items() if line.rejection is not None}
    assert reasons == {"cyd": RejectReason.INCOMPATIBLE, "dan": RejectReason.TOO_DEAR}
    assert it.channels.started == []
