"""The workloads (offchain-network 3.4, 4.1, 4.8, 4.10, 4.12)."""

from dataclasses import replace
from typing import Final

from livepeer_client.policy.workloads.table import Cause, Hold, Limits, Move, Phase, Reaction, Step, Table

_NOBODY: Final = ((Step.RETURN, Phase.RETURNED), (Step.GIVE_UP, Phase.FAILED))
"""Where a job ends that nobody does."""
_BEGINNING: Final = (
    Move(Phase.CHOOSING, Step.CHOSEN, Phase.PAYING),
    *(Move(Phase.CHOOSING, step, end) for step, end in _NOBODY),
    Move(Phase.PAYING, Step.PAID, Phase.EXCHANGING),
)


def _failing(*phases: Phase, renewal: Phase = Phase.PAYING) -> tuple[Move, ...]:
    """Moves for every reaction, out of each of `phases`; a renewal pays anew."""
    ways = ((Step.SWAP, Phase.CHOOSING), *_NOBODY, (Step.RENEW, renewal))
    return tuple(Move(phase, step, after) for phase in phases for step, after in ways)


_NOT_THEIRS: Final = {
    Cause.INPUT_FAULT: Reaction(Step.RETURN, Hold.NONE, "the input is at fault: nobody else would do better"),
    Cause.OWN_ACCOUNT: Reaction(Step.GIVE_UP, Hold.NONE, "our deposit or reserve is short, whoever is paid"),
    Cause.OWN_SIDE: Reaction(Step.GIVE_UP, Hold.NONE, "our chain, store, signer or machine failed"),
    Cause.SENDER_RESERVE: Reaction(Step.SWAP, Hold.NONE, "our deposit or reserve is short for its tickets"),
    Cause.TERMS: Reaction(Step.SWAP, Hold.WHILE, "its terms are beyond our limits"),
    Cause.PRICE_RAISED: Reaction(Step.SWAP, Hold.WHILE, "more than twice the session's first price"),
}
_TERMS_GROW_OLD: Final = {
    Cause.PARAMS_EXPIRED: Reaction(Step.RENEW, Hold.NONE, "the quote is too old by its clock"),
    Cause.AUTH_TOKEN: Reaction(Step.RENEW, Hold.NONE, "it restarted, or the token is too old"),
    Cause.BALANCE: Reaction(Step.RENEW, Hold.NONE, "it holds less than we believe: a new account"),
}
_THEIRS: Final = {
    Cause.BUSY: Reaction(Step.SWAP, Hold.BRIEF, "its queue for the session is full"),
    Cause.CAPPED: Reaction(Step.SWAP, Hold.BRIEF, "it has as many sessions as it takes"),
    Cause.TIMEOUT: Reaction(Step.SWAP, Hold.WHILE, "silent or slow"),
    Cause.UNREACHABLE: Reaction(Step.SWAP, Hold.WHILE, "no connection, or it broke off"),
    Cause.REFUSED: Reaction(Step.SWAP, Hold.WHILE, "it refuses, or its work failed"),
    Cause.MALFORMED: Reaction(Step.SWAP, Hold.WHILE, "what it sends is no message"),
    Cause.BAD_RESULT: Reaction(Step.SWAP, Hold.BAR, "its result is not what was ordered, signed or charged"),
    Cause.MISMATCH: Reaction(Step.SWAP, Hold.BAR, "a trusted one made something else of the same input"),
}

TRANSCODING: Final = Table(
    "transcoding",
    (
        *_BEGINNING,
        Move(Phase.EXCHANGING, Step.ANSWERED, Phase.FETCHING),
        Move(Phase.FETCHING, Step.FETCHED, Phase.CHECKING),
        Move(Phase.CHECKING, Step.CHECKED, Phase.DONE),
        *_failing(Phase.PAYING, Phase.EXCHANGING, Phase.FETCHING, Phase.CHECKING),
    ),
    {
        **_NOT_THEIRS,
        **_TERMS_GROW_OLD,
        Cause.SENDER_NONCE: Reaction(Step.RENEW, Hold.NONE, "it has seen these nonces: a new quote"),
        **_THEIRS,
    },
    Limits(attempts=3),
)
"""A segment: pushed, paid, answered with URLs, fetched, checked."""

AI: Final = Table(
    "batch AI",
    (
        *_BEGINNING,
        Move(Phase.EXCHANGING, Step.ANSWERED, Phase.CHECKING),
        Move(Phase.CHECKING, Step.CHECKED, Phase.DONE),
        *_failing(Phase.PAYING, Phase.EXCHANGING, Phase.CHECKING),
    ),
    {
        **_NOT_THEIRS,
        **_TERMS_GROW_OLD,
        Cause.SENDER_NONCE: Reaction(Step.SWAP, Hold.NONE, "it has seen these nonces; not its fault"),
        **_THEIRS,
        Cause.CAPPED: Reaction(Step.SWAP, Hold.NONE, "no capacity for this model now; healthy otherwise"),
        Cause.CLIENT_ERROR: Reaction(Step.RETURN, Hold.NONE, "status 400: the request is at fault"),
    },
    Limits(attempts=20, per_session=3, budget_s=2.0),
)
"""A request with its answer in one exchange."""

LIVE: Final = Table(
    "real-time",
    (
        *_BEGINNING,
        Move(Phase.EXCHANGING, Step.ANSWERED, Phase.RUNNING),
        Move(Phase.RUNNING, Step.TOPPED_UP, Phase.RUNNING),
        *_failing(Phase.PAYING, Phase.EXCHANGING),
        *_failing(Phase.RUNNING, renewal=Phase.RUNNING),
        *(
            Move(phase, Step.END, Phase.ENDED)
            for phase in (Phase.CHOOSING, Phase.PAYING, Phase.EXCHANGING, Phase.RUNNING)
        ),
    ),
    {
        **_NOT_THEIRS,
        **_TERMS_GROW_OLD,
        Cause.SENDER_NONCE: Reaction(Step.RENEW, Hold.NONE, "it has seen these nonces: a new quote"),
        Cause.OWN_LIMIT: Reaction(Step.SWAP, Hold.NONE, "it has had all that one may be paid for the session"),
        Cause.PAYMENT: Reaction(Step.RENEW, Hold.NONE, "it refused a payment: once more, with new tickets"),
        **{cause: replace(it, hold=Hold.LONG) if it.hold is Hold.WHILE else it for cause, it in _THEIRS.items()},
        Cause.NO_EVENTS: Reaction(Step.SWAP, Hold.LONG, "no event for 30 s"),
        Cause.NO_OUTPUT: Reaction(Step.SWAP, Hold.LONG, "no output for 30 s while input comes"),
        Cause.BACKLOG: Reaction(Step.SWAP, Hold.LONG, "three segments being published: it does not keep up"),
        Cause.GONE: Reaction(Step.SWAP, Hold.LONG, "its channels have ended"),
        Cause.INPUT_ENDED: Reaction(Step.END, Hold.NONE, "the input has ended: no swap"),
    },
    Limits(swaps=2, swaps_in_s=180.0),
    vain=Hold.LONG,
)
"""A session that runs until its input ends, paid by the clock."""

BYOC: Final = replace(
    AI,
    name="BYOC job",
    reactions={
        **AI.reactions,
        Cause.OWN_LIMIT: Reaction(Step.SWAP, Hold.WHILE, "it wants more than its work can have cost"),
        Cause.CAPPED: Reaction(Step.SWAP, Hold.BRIEF, "all places of the capability are taken"),
        Cause.CLIENT_ERROR: Reaction(Step.RETURN, Hold.NONE, "a status below 500: the request is at fault"),
    },
    limits=Limits(attempts=3),
)
"""A request to a capability that somebody brought along."""

BYOC_STREAM: Final = replace(
    LIVE,
    name="BYOC stream",
    reactions={**LIVE.reactions, Cause.CLIENT_ERROR: BYOC.reactions[Cause.CLIENT_ERROR]},
    limits=replace(LIVE.limits, swaps=2, swaps_in_s=60.0),
)
"""A session with a capability that somebody brought along, paid by the clock."""

TABLES: Final = (TRANSCODING, AI, LIVE, BYOC, BYOC_STREAM)
