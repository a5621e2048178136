"""Who gets a batch AI job, and what follows each way in which it fails: the table of the workload, walked by the
service. Sellers and payments are real, the exchange is not."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability, with_capacities
from livepeer_client.codec.gateway_api import Role, Use
from livepeer_client.codec.messages import Capabilities, ModelConstraint, PriceInfo
from livepeer_client.errors import (
    BadResult,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    PriceRaised,
)
from livepeer_client.facts.ai import AiRequest, AiResult
from livepeer_client.policy.discovery import RejectReason
from livepeer_client.policy.pipelines import Pipeline
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.selection import COLD, Selection, Verdict
from livepeer_client.policy.sender import DepositShort
from livepeer_client.policy.workloads import AI, Cause, Hold, Step
from livepeer_client.services.ai_dispatch import AiDispatcher, AiDone
from livepeer_client.services.dispatch import Chosen, Dispatcher, DispatchRules, Event, Renewed, Swapped
from tests.support.market import Market

MODEL = Pipeline(27, "text-to-image", "small", Tariff(Fraction(1)))
SIDE = 100
FIELDS = {"prompt": "a cat", "width": SIDE, "height": SIDE}
RULES = DispatchRules(explore=0)


@dataclass
class Trade:
    """Orchestrators that do jobs of one model; `fails` says what each fails of, again and again."""

    market: Market
    dispatcher: Dispatcher
    ai: AiDispatcher
    fails: dict[str, list[LivepeerError | None]] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    async def submit(
        self, uri: str, request: AiRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> AiResult:
        name = uri.removeprefix("https://").split(".")[0]
        self.asked.append(name)
        await self.market.clock.advance(self.took_s.get(name, 0.0))
        queued = self.fails.get(name, [])
        failure = (queued.pop(0) if len(queued) > 1 else queued[0]) if queued else None
        if failure is not None:
            raise failure
        return AiResult({"text": "done"})

    async def job(self) -> AiDone:
        return await self.ai.run(MODEL, FIELDS, observer=self.events.append)

    def by(self, done: AiDone) -> str:
        return next(
            name for name, seller in self.market.orchestrators.items() if seller.signer.address == done.orchestrator
        )

    def happened(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def suspended(self) -> dict[str, float]:
        """Seconds for which each is out."""
        now_s = self.market.clock.monotonic()
        names = {seller.signer.address: name for name, seller in self.market.orchestrators.items()}
        return {names[who]: it.until_s - now_s for who, it in self.dispatcher.suspensions.items() if it.until_s > now_s}


async def trade(*names: str, warm: tuple[str, ...] | None = None, rules: DispatchRules = RULES) -> Trade:
    market = await Market(*names).open()
    for name, seller in market.orchestrators.items():
        bits = DEFAULT_CAPABILITIES | {int(Capability.TEXT_TO_IMAGE)}
        model = ModelConstraint(warm=warm is None or name in warm, capacity=1)
        seller.capabilities = Capabilities(
            bits, capacities=with_capacities(bits), constraints={MODEL.capability: {MODEL.model: model}}
        )
    dispatcher = market.dispatcher(rules)
    made: list[Trade] = []

    class Transport:
        async def submit(
            self, uri: str, request: AiRequest, *, credentials: str, payment: str, timeout_s: float
        ) -> AiResult:
            return await made[0].submit(uri, request, credentials=credentials, payment=payment, timeout_s=timeout_s)

    made.append(Trade(market, dispatcher, AiDispatcher(dispatcher, dispatcher.payer, market.signer, Transport())))
    return made[0]


# --- the table, cause by cause --------------------------------------------------------------------

FAILURES: list[tuple[LivepeerError, Cause]] = [
    (PeerTimeout("o", "header timeout"), Cause.TIMEOUT),
    (PeerUnreachable("o", "reset"), Cause.UNREACHABLE),
    (PeerRefused("o", 500, "Internal Server Error"), Cause.REFUSED),
    (MalformedMessage("answer", "no JSON"), Cause.MALFORMED),
    (BadResult("images", 1, 0), Cause.BAD_RESULT),
    (PeerRefused("o", 503, "OrchestratorBusy"), Cause.BUSY),
    (PeerRefused("o", 503, "insufficient capacity"), Cause.CAPPED),
    (PeerRefused("o", 400, "invalid ticket senderNonce: already seen"), Cause.SENDER_NONCE),
    (PeerRefused("o", 400, "TicketParams expired"), Cause.PARAMS_EXPIRED),
    (PeerRefused("o", 403, "expired auth token"), Cause.AUTH_TOKEN),
    (PeerRefused("o", 400, "Insufficient balance"), Cause.BALANCE),
    (PeerRefused("o", 500, "insufficient sender reserve"), Cause.SENDER_RESERVE),
    (DepositShort("ticket faceValue > max faceValue"), Cause.SENDER_RESERVE),
    (ParamsRejected("ticket EV > max ticket EV"), Cause.TERMS),
    (PriceRaised("Orchestrator price has more than doubled"), Cause.PRICE_RAISED),
    (PeerRefused("o", 400, "prompt is missing"), Cause.CLIENT_ERROR),
]
SECONDS = {Hold.NONE: None, Hold.BRIEF: RULES.brief_s, Hold.WHILE: RULES.suspension_s, Hold.BAR: RULES.bar_s}


def ids(pairs: list[tuple[LivepeerError, Cause]]) -> list[str]:
    return [f"{cause.value} {type(error).__name__}" for error, cause in pairs]


def having(step: Step) -> list[tuple[LivepeerError, Cause]]:
    return [pair for pair in FAILURES if AI.reaction(pair[1]).then is step]


SWAPS, RENEWALS = having(Step.SWAP), having(Step.RENEW)


def test_failures__are_all_that_the_table_knows_of_peers() -> None:
    ours = {cause for cause in AI.reactions if AI.is_ours(cause)}
    # What a batch job's input is worth, its orchestrator says by status 400; nobody compares results.
    assert {cause for _, cause in FAILURES} == set(AI.reactions) - ours - {Cause.INPUT_FAULT, Cause.MISMATCH}


@pytest.mark.parametrize(("error", "cause"), SWAPS, ids=ids(SWAPS))
async def test_run__fails_of_what_the_table_swaps_for__another_does_it_and_the_first_is_out_as_the_table_says(
    error: LivepeerError, cause: Cause
) -> None:
    it = await trade("ada", "bob")
    it.fails["ada"] = [error]
    done = await it.job()
    assert (it.asked, it.by(done), done.attempts) == (["ada", "bob"], "bob", 2)
    (swap,) = it.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert swap.code is cause
    seconds = SECONDS[AI.reaction(cause).hold]
    assert it.suspended() == ({} if seconds is None else {"ada": seconds})


@pytest.mark.parametrize(("error", "cause"), RENEWALS, ids=ids(RENEWALS))
async def test_run__fails_of_what_the_table_renews_for__the_same_one_does_it_on_new_terms(
    error: LivepeerError, cause: Cause
) -> None:
    it = await trade("ada", "bob")
    it.fails["ada"] = [error, None]
    done = await it.job()
    assert (it.asked, it.by(done), done.attempts) == (["ada", "ada"], "ada", 1)
    assert (len(it.happened(Renewed)), it.happened(Swapped), it.suspended()) == (1, [], {})
    assert it.market["ada"].sessions == 2


@pytest.mark.parametrize(("error", "cause"), RENEWALS, ids=ids(RENEWALS))
async def test_run__new_terms_do_not_help__three_tries_with_one_session_and_then_another(
    error: LivepeerError, cause: Cause
) -> None:
    it = await trade("ada", "bob")
    it.fails["ada"] = [error]
    assert it.by(await it.job()) == "bob"
    assert it.asked == ["ada"] * AI.limits.per_session + ["bob"]
    assert it.suspended() == {"ada": RULES.suspension_s}


async def test_run__status_400__goes_to_the_caller_and_suspends_nobody() -> None:
    it = await trade("ada", "bob")
    it.fails["ada"] = [PeerRefused("o", 400, "prompt is missing")]
    with pytest.raises(InvalidInput, match="prompt is missing"):
        await it.job()
    assert (it.asked, it.suspended(), it.happened(Swapped)) == (["ada"], {}, [])


# --- the same choice as for segments --------------------------------------------------------------


async def test_run__no_room_with_a_time_to_come_back__only_this_model_waits_and_its_session_stays() -> None:
    it = await trade("ada", "bob")
    await it.job()
    it.fails["ada"] = [PeerRefused("o", 503, "insufficient capacity", 20), None]
    assert it.by(await it.job()) == "bob"
    # For everything else it is there.
    assert it.suspended() == {}
    (ada,) = [one for one in it.dispatcher.known() if one.uri == it.market["ada"].uri]
    assert ada.suspended is not None
    assert (ada.suspended.left_s, "insufficient capacity" in ada.suspended.cause) == (20, True)
    it.fails["bob"] = [PeerUnreachable("o", "reset")]
    with pytest.raises(NoOrchestrator, match="insufficient capacity"):
        await it.job()
    await it.market.clock.advance(20)
    assert it.by(await it.job()) == "ada"
    engagement = it.ai._pools[MODEL.key].chooser._engagements[it.market["ada"].signer.address]
    assert engagement.token.session_id == "ada-1"


async def test_run__dearer_than_the_models_ceiling__is_passed_over_with_the_figures() -> None:
    it = await trade("ada", "bob", rules=DispatchRules(explore=0, model_ceilings={MODEL.key: Fraction(1, 1000)}))
    it.market["ada"].price = PriceInfo(2, 1000)
    assert it.by(await it.job()) == "bob"
    chosen = it.happened(Chosen)[0]
    assert isinstance(chosen, Chosen)
    (ada,) = [line for line in chosen.candidates if line.uri == it.market["ada"].uri]
    assert ada.rejection is not None
    assert ada.rejection.reason is RejectReason.TOO_DEAR


async def test_run__current_one_has_become_slow__jobs_move_after_the_second_and_not_for_one() -> None:
    it = await trade("ada", "bob", rules=DispatchRules(explore=0, warm_standby=False))
    names = []
    for took_s in (2.0, 4.4, 2.0, 4.4, 4.4, 2.0):
        it.took_s = {"ada": took_s, "bob": 2.0}
        names.append(it.by(await it.job()))
    assert names == ["ada", "ada", "ada", "ada", "ada", "bob"]
    assert not it.happened(Swapped)


async def test_run__between_jobs__somebody_stands_by_and_takes_over_without_a_new_look() -> None:
    it = await trade("ada", "bob", "cyd", rules=DispatchRules(explore=0, report_ttl_s=1))
    await it.job()
    name = MODEL.app
    uses = {one.uri: one.uses for one in it.dispatcher.known() if one.uses}
    assert uses == {
        it.market["ada"].uri: (Use("batch AI", name, Role.WORKING),),
        it.market["bob"].uri: (Use("batch AI", name, Role.STANDBY),),
    }
    await it.market.clock.advance(10)
    asked = len(it.market.probe.asked)
    it.fails["ada"] = [PeerUnreachable("o", "reset")]
    assert it.by(await it.job()) == "bob"
    assert len(it.market.probe.asked) == asked
    await it.ai.close()


async def test_run__warm_ones__go_before_those_who_would_load_the_model_whatever_their_stake() -> None:
    it = await trade("ada", "bob", "cyd", warm=("cyd",))
    assert it.by(await it.job()) == "cyd"
    (chosen,) = it.happened(Chosen)
    assert isinstance(chosen, Chosen)
    assert [(line.verdict, line.reason) for line in chosen.candidates[:2]] == [(Verdict.ELIGIBLE, COLD)] * 2
    it.fails["cyd"] = [PeerUnreachable("o", "reset")]
    assert it.by(await it.job()) == "ada"


async def test_run__a_pool_unused_for_ten_minutes__is_given_up_with_what_ran_for_it() -> None:
    it = await trade("ada", "bob")
    await it.job()
    await it.market.clock.advance(600)
    other = Pipeline(MODEL.capability, MODEL.name, "other", Tariff(Fraction(1)))
    with pytest.raises(NoOrchestrator, match="model"):
        await it.ai.run(other, FIELDS)
    assert [one.uses for one in it.dispatcher.known()] == [(), ()]


# --- explained ------------------------------------------------------------------------------------


async def test_explain__a_job__gives_every_candidate_with_weights_or_the_reason() -> None:
    it = await trade("ada", "bob", "cyd", "dan", "eve")
    it.market["cyd"].capabilities = Capabilities(DEFAULT_CAPABILITIES)
    it.market["dan"].price = PriceInfo(1000, 1)
    del it.market.probe.answers[it.market["eve"].uri]
    it.dispatcher.rules = DispatchRules(explore=0, ceiling=Fraction(1))
    lines = told(it.market, (await it.ai.explain(MODEL))[1])
    assert lines == {
        "ada": (Verdict.CHOSEN, None, True),
        "bob": (Verdict.ELIGIBLE, None, True),
        "cyd": (Verdict.REJECTED, RejectReason.INCOMPATIBLE, False),
        "dan": (Verdict.REJECTED, RejectReason.TOO_DEAR, False),
        "eve": (Verdict.REJECTED, RejectReason.NO_ANSWER, False),
    }
    assert (it.asked, it.market["ada"].received) == ([], [])


async def test_explain__after_jobs__goes_by_what_they_showed() -> None:
    it = await trade("ada", "bob")
    it.fails["ada"] = [PeerUnreachable("o", "reset")]
    await it.job()
    _, selection = await it.ai.explain(MODEL)
    reasons = {line.uri: line.reason for line in selection.candidates}
    assert "suspended (for 30 s, cause o: reset)" in reasons[it.market["ada"].uri]
    assert "fastest of those known" in reasons[it.market["bob"].uri]


def told(market: Market, selection: Selection) -> dict[str, tuple[Verdict, RejectReason | None, bool]]:
    """Of each its verdict, the reason against it, and whether its share in the lottery is told."""
    names = {seller.uri: name for name, seller in market.orchestrators.items()}
    return {
        names[line.uri]: (
            line.verdict,
            None if line.rejection is None else line.rejection.reason,
            line.probability is not None and line.shares is not None,
        )
        for line in selection.candidates
    }
