"""The tables of the workloads, walked move by move."""

import pytest

from livepeer_client.errors import (
    BadResult,
    Bug,
    ChainUnavailable,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    MediaError,
    ParamsRejected,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    PriceRaised,
    StoreError,
)
from livepeer_client.policy.workloads import (
    AI,
    LIVE,
    TABLES,
    TRANSCODING,
    Cause,
    Hold,
    Limits,
    Move,
    Phase,
    Reaction,
    Step,
    Table,
    cause_of,
)
from livepeer_client.policy.workloads.table import REACTIONS

NAMES = [table.name for table in TABLES]


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_table__every_phase__is_reached_and_leads_to_an_end(table: Table) -> None:
    phases = {move.before for move in table.moves} | {move.after for move in table.moves}
    reached, to_an_end = {table.start.phase}, {phase for phase in phases if phase.is_end}
    for _ in phases:
        reached |= {move.after for move in table.moves if move.before in reached}
        to_an_end |= {move.before for move in table.moves if move.after in to_an_end}
    assert reached == phases
    assert to_an_end == phases


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_table__every_cause__can_be_reacted_to_wherever_peers_can_fail(table: Table) -> None:
    failing = {move.before for move in table.moves if move.on is Step.SWAP}
    steps = {reaction.then for reaction in table.reactions.values()}
    assert failing
    for phase in failing:
        missing = [step for step in steps if not any(m.before is phase and m.on is step for m in table.moves)]
        assert missing == []


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_table__input_fault__returns_and_blames_nobody(table: Table) -> None:
    assert table.reaction(Cause.INPUT_FAULT) == Reaction(
        Step.RETURN, Hold.NONE, "the input is at fault: nobody else would do better"
    )
    assert table.reaction(Cause.SENDER_RESERVE).hold is Hold.NONE
    assert table.reaction(Cause.BAD_RESULT).hold is Hold.BAR


def test_progress__honest_segment__runs_through_to_its_end() -> None:
    progress = TRANSCODING.start
    for step in (Step.CHOSEN, Step.PAID, Step.ANSWERED, Step.FETCHED, Step.CHECKED):
        progress = progress.on(step)
    assert progress.phase is Phase.DONE
    with pytest.raises(Bug):
        progress.on(Step.CHOSEN)


def test_progress__three_sessions_fail__gives_up_after_the_third() -> None:
    progress, phases = TRANSCODING.start, []
    for _ in range(3):
        progress, _ = progress.on(Step.CHOSEN).on(Step.PAID).failed(Cause.TIMEOUT)
        phases.append(progress.phase)
    assert phases == [Phase.CHOOSING, Phase.CHOOSING, Phase.FAILED]


def test_progress__renewal_that_does_not_help__is_a_swap_and_holds_a_while() -> None:
    progress, first = TRANSCODING.start.on(Step.CHOSEN).on(Step.PAID).failed(Cause.PARAMS_EXPIRED)
    assert (first.then, first.hold, progress.phase) == (Step.RENEW, Hold.NONE, Phase.PAYING)
    progress, second = progress.on(Step.PAID).failed(Cause.PARAMS_EXPIRED)
    assert (second.then, second.hold, progress.phase) == (Step.SWAP, Hold.WHILE, Phase.CHOOSING)
    # The next session has a renewal of its own.
    _, third = progress.on(Step.CHOSEN).failed(Cause.PARAMS_EXPIRED)
    assert third.then is Step.RENEW


def test_progress__live_input_ends__ends_without_a_swap() -> None:
    running = LIVE.start.on(Step.CHOSEN).on(Step.PAID).on(Step.ANSWERED).on(Step.TOPPED_UP)
    ended, reaction = running.failed(Cause.INPUT_ENDED)
    assert (ended.phase, reaction.then) == (Phase.ENDED, Step.END)


def test_progress__ai_capacity_and_nonces__swap_and_suspend_nobody() -> None:
    for cause in (Cause.CAPPED, Cause.SENDER_NONCE):
        _, reaction = AI.start.on(Step.CHOSEN).on(Step.PAID).failed(cause)
        assert (reaction.then, reaction.hold) == (Step.SWAP, Hold.NONE)


def test_reaction__cause_of_another_workload__is_a_bug() -> None:
    with pytest.raises(Bug):
        TRANSCODING.reaction(Cause.NO_EVENTS)


@pytest.mark.parametrize(
    ("moves", "reactions"),
    [
        ((Move(Phase.CHOOSING, Step.CHOSEN, Phase.DONE), Move(Phase.CHOOSING, Step.CHOSEN, Phase.PAYING)), {}),
        ((Move(Phase.DONE, Step.CHOSEN, Phase.PAYING),), {}),
        ((), {Cause.BUSY: Reaction(Step.CHOSEN, Hold.NONE, "no reaction")}),
    ],
)
def test_table__contradicts_itself__is_refused(moves: tuple[Move, ...], reactions: dict[Cause, Reaction]) -> None:
    with pytest.raises(InvalidInput):
        Table("bad", moves, reactions, Limits())


def test_reactions__are_the_steps_that_no_course_has() -> None:
    course = {Step.CHOSEN, Step.PAID, Step.ANSWERED, Step.FETCHED, Step.CHECKED, Step.TOPPED_UP}
    assert set(Step) - course == REACTIONS


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MediaError("No keyframes in input"), Cause.INPUT_FAULT),
        (BadResult("pixels", 1, 2), Cause.BAD_RESULT),
        (MalformedMessage("TranscodeResult", "cut off"), Cause.MALFORMED),
        (PeerTimeout("o", "header timeout"), Cause.TIMEOUT),
        (PeerUnreachable("o", "refused"), Cause.UNREACHABLE),
        (PriceRaised("more than doubled"), Cause.PRICE_RAISED),
        (ParamsRejected("ticket EV > max ticket EV"), Cause.TERMS),
        (ParamsRejected("TicketParams expired", refresh=True), Cause.PARAMS_EXPIRED),
        (ChainUnavailable("no node"), Cause.OWN_SIDE),
        (StoreError("full"), Cause.OWN_SIDE),
        (PeerRefused("o", 400, "ticketparams EXPIRED block 7"), Cause.PARAMS_EXPIRED),
        (PeerRefused("o", 400, "invalid ticket senderNonce: already seen"), Cause.SENDER_NONCE),
        (PeerRefused("o", 403, "expired auth token"), Cause.AUTH_TOKEN),
        (PeerRefused("o", 400, "Insufficient balance"), Cause.BALANCE),
        (PeerRefused("o", 500, "insufficient sender reserve"), Cause.SENDER_RESERVE),
        (PeerRefused("o", 200, "OrchestratorBusy"), Cause.BUSY),
        (PeerRefused("o", 403, "OrchestratorCapped"), Cause.CAPPED),
        (PeerRefused("o", 503, "insufficient capacity"), Cause.CAPPED),
        (PeerRefused("o", 500, "Internal Server Error"), Cause.REFUSED),
        (PeerRefused("o", 400, "whatever"), Cause.REFUSED),
    ],
)
def test_cause_of__every_error__has_its_cause(error: LivepeerError, cause: Cause) -> None:
    assert cause_of(error) is cause
    assert cause in TRANSCODING.reactions


def test_cause_of__status_400_of_an_own_request__blames_the_request() -> None:
    assert cause_of(PeerRefused("o", 400, "prompt is missing"), own_request=True) is Cause.CLIENT_ERROR
