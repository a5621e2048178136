"""What a table of a workload is: moves between phases, and a reaction to each cause of failure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from livepeer_client.errors import Bug, InvalidInput


class Phase(Enum):
    """Where a job stands. The last four are ends."""

    CHOOSING = "choosing"
    PAYING = "paying"
    EXCHANGING = "exchanging"
    FETCHING = "fetching"
    CHECKING = "checking"
    RUNNING = "running"
    DONE = "done"
    RETURNED = "returned"
    FAILED = "failed"
    ENDED = "ended"

    @property
    def is_end(self) -> bool:
        return self in (Phase.DONE, Phase.RETURNED, Phase.FAILED, Phase.ENDED)


class Step(Enum):
    """What moves a job on: the first ones in its course, the others as a reaction to a failure."""

    CHOSEN = "session chosen"
    PAID = "payment in the books"
    ANSWERED = "answered"
    FETCHED = "results fetched"
    CHECKED = "results checked"
    TOPPED_UP = "paid again"

    RENEW = "renew"
    """The same session, once, on fresh terms."""
    SWAP = "swap"
    """Another session, with the same input."""
    RETURN = "return"
    """Back to whoever brought the input; nobody else would do better."""
    GIVE_UP = "give up"
    END = "end"
    """The job is over, and nobody failed."""


REACTIONS = frozenset({Step.RENEW, Step.SWAP, Step.RETURN, Step.GIVE_UP, Step.END})


class Cause(Enum):
    """Whose fault a failure is, and which; the values are labels of metrics and events."""

    INPUT_FAULT = "input_fault"
    OWN_ACCOUNT = "own_account"
    OWN_SIDE = "own_side"
    OWN_LIMIT = "own_limit"
    PARAMS_EXPIRED = "params_expired"
    SENDER_NONCE = "sender_nonce"
    AUTH_TOKEN = "auth_token"  # noqa: S105, a label
    BALANCE = "insufficient_balance"
    SENDER_RESERVE = "sender_reserve"
    TERMS = "terms"
    PRICE_RAISED = "price_raised"
    BUSY = "busy"
    CAPPED = "capped"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    MALFORMED = "malformed"
    BAD_RESULT = "bad_result"
    MISMATCH = "mismatch"
    CLIENT_ERROR = "client_error"
    NO_EVENTS = "no_events"
    NO_OUTPUT = "no_output"
    BACKLOG = "backlog"
    GONE = "gone"
    INPUT_ENDED = "input_ended"
    PAYMENT = "payment"


class Hold(Enum):
    """How long whoever failed is kept out; the seconds are the caller's (`DispatchRules`)."""

    NONE = "not at all"
    BRIEF = "a moment"
    WHILE = "a while"
    LONG = "half an hour"
    BAR = "half an hour, not even as a last resort"


@dataclass(frozen=True, slots=True)
class Move:
    """In `before`, `on` leads to `after`."""

    before: Phase
    on: Step
    after: Phase


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows a cause. `why` in a few words, for the docs.

    A `then` of RENEW holds as often as `Limits.per_session` leaves room for; after that it is a swap.
    """

    then: Step
    hold: Hold
    why: str


@dataclass(frozen=True, slots=True)
class Limits:
    """`attempts` per job, None for as many as `budget_s` allows; `per_session`: tries in a row with one session.

    `swaps_in_s`: a live job gives up at more than `swaps` swaps, each within so many seconds of the one before.
    """

    attempts: int | None = None
    per_session: int = 2
    budget_s: float | None = None
    swaps: int | None = None
    swaps_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A workload: name, moves, reactions and limits. `vain`: how long whoever is out whose renewed terms did not help.

    :raises InvalidInput: two moves from one phase on one step, or a reaction that some phase has no move for.
    """

    name: str
    moves: tuple[Move, ...]
    reactions: Mapping[Cause, Reaction]
    limits: Limits
    vain: Hold = Hold.WHILE

    def __post_init__(self) -> None:
        keys = [(move.before, move.on) for move in self.moves]
        if len(set(keys)) != len(keys):
            raise InvalidInput(f"{self.name}: one phase moves twice on one step")
        if any(move.before.is_end for move in self.moves):
            raise InvalidInput(f"{self.name}: a move out of an end")
        if any(reaction.then not in REACTIONS for reaction in self.reactions.values()):
            raise InvalidInput(f"{self.name}: a reaction that is none")

    @property
    def start(self) -> "Progress":
        return Progress(self, self.moves[0].before)

    def with_attempts(self, attempts: int) -> "Table":
        """The same with another limit of attempts."""
        # Asked with every job.
        if attempts == self.limits.attempts:
            return self
        return replace(self, limits=replace(self.limits, attempts=attempts))

    def after(self, phase: Phase, step: Step) -> Phase:
        """:raises Bug: the table has no such move."""
        for move in self.moves:
            if (move.before, move.on) == (phase, step):
                return move.after
        raise Bug(f"{self.name}: no move from {phase.value} on {step.value}")

    def is_ours(self, cause: Cause) -> bool:
        """Whether whoever is tried next would fail of it as well."""
        return self.reaction(cause).then is Step.GIVE_UP

    def reaction(self, cause: Cause) -> Reaction:
        """:raises Bug: this workload knows no such cause."""
        found = self.reactions.get(cause)
        if found is None:
            raise Bug(f"{self.name}: no reaction to {cause.value}")
        return found


@dataclass(frozen=True, slots=True)
class Progress:
    """One job on its way through a table. `attempts` counts sessions chosen, `renewals` those within a session, or
    since a payment of it was taken."""

    table: Table
    phase: Phase
    attempts: int = 0
    renewals: int = 0

    @property
    def renewed(self) -> bool:
        """Whether the session's terms have been renewed as often as they may be."""
        return self.renewals + 1 >= self.table.limits.per_session

    def on(self, step: Step) -> "Progress":
        """:raises Bug: the table has no such move."""
        after = replace(self, phase=self.table.after(self.phase, step))
        if step is Step.CHOSEN:
            return replace(after, attempts=self.attempts + 1, renewals=0)
        if step is Step.TOPPED_UP:
            return replace(after, renewals=0)
        return replace(after, renewals=self.renewals + 1) if step is Step.RENEW else after

    def failed(self, cause: Cause, *, renewable: bool = True) -> tuple["Progress", Reaction]:
        """After a failure: a renewal that did not help is a swap, and a swap beyond the last attempt gives up.

        :param renewable: False where the session is over, whatever its terms.
        :raises Bug: the table has no reaction to it, or no move for that.
        """
        reaction = self.table.reaction(cause)
        if reaction.then is Step.RENEW and (self.renewed or not renewable):
            reaction = replace(reaction, then=Step.SWAP, hold=self.table.vain)
        step, most = reaction.then, self.table.limits.attempts
        if step is Step.SWAP and most is not None and self.attempts >= most:
            step = Step.GIVE_UP
        return self.on(step), replace(reaction, then=step)
