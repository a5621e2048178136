"""A remote signer decides: what it bills, at which price, with how many tickets, and what it refuses
(offchain-payments 12).

It holds a gateway's key for clients it trusts with none of it. A client carries its session's state, which only the
signer can read or write; what may never be used twice (sequence numbers, ticket nonces) the signer keeps itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.codec.messages import Capabilities, OrchestratorInfo, PriceInfo
from livepeer_client.codec.signer_api import PriceCeiling
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import InvalidInput, ParamsRejected, SignerRefused
from livepeer_client.policy.balance import Balance, Outcome, complete
from livepeer_client.policy.price import fee, is_countable
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.sender import (
    MAX_NONCES,
    REFRESH_NONCE,
    SenderAccount,
    SenderLimits,
    SenderSession,
    Staged,
    stage_payment,
)
from livepeer_client.policy.streaming import PIXELS_PER_S
from livepeer_client.types import Address, BlockNumber

MAX_TICKETS: Final = 100
"""Tickets signed for one request."""
_PRICE_CHARS: Final = 160
"""Of a ceiling: two uint256 in decimal have fewer."""
MIN_RETRY_S: Final = 1
MAX_RETRY_S: Final = 60

REFRESH: Final = 480
TOO_DEAR: Final = 481
NO_TICKETS: Final = 482
BAD_REQUEST: Final = 400
INTERNAL: Final = 500
BAD_GATEWAY: Final = 502


class JobType(Enum):
    """What a request is billed by; `NONE` takes the client's own count of pixels."""

    LIVE = "live"
    LV2V = "lv2v"
    FIXED = "fixed"
    NONE = ""

    @property
    def rate(self) -> int:
        """Units per second; 0 where time does not matter."""
        return _RATES[self]

    @property
    def prepaid(self) -> int:
        """Units of a session's first payment."""
        return _PREPAID[self]

    @property
    def price_unit(self) -> str:
        """What a price ceiling of such a job is for, in the words of the API."""
        return _PRICE_UNITS[self]


_RATES: Final = {JobType.LIVE: 1, JobType.LV2V: PIXELS_PER_S, JobType.FIXED: 0, JobType.NONE: 0}
_PREPAID: Final = {JobType.LIVE: 10, JobType.LV2V: 60 * PIXELS_PER_S, JobType.FIXED: 1, JobType.NONE: 0}
_PRICE_UNITS: Final = {
    JobType.LIVE: "seconds",
    JobType.LV2V: "720p-pixel-seconds",
    JobType.FIXED: "fixed",
    JobType.NONE: "",
}


@dataclass(frozen=True, slots=True)
class SignerConfig:
    """What a signer signs for. `session_limit`: wei of expected value that one session may cost in all.

    A quote is renewed at `renew_blocks` before it expires, an auth token `renew_s` before it does.
    """

    limits: SenderLimits = field(default_factory=SenderLimits)
    ceilings: Ceilings = field(default_factory=Ceilings)
    session_limit: Fraction | None = None
    renew_blocks: int = 2
    renew_s: int = 180


@dataclass(frozen=True, slots=True)
class SignerState:
    """One session as the signer hands it to its client. `billed_until_s`: exact Unix seconds.

    `initial_price` is what every fee is computed with. `signed`, wei, is the expected value of all tickets so far,
    `units` all that was billed. `auth_expiry`: Unix seconds until which the webhook need not be asked, 0 for none.
    """

    state_id: str
    sequence: int
    orchestrator: bytes
    app: str
    job_type: JobType
    initial_price: PriceInfo
    billed_until_s: Fraction
    balance: Fraction = Fraction(0)
    signed: Fraction = Fraction(0)
    units: int = 0
    quote: bytes = b""
    last_nonce: int = 0
    auth_expiry: int = 0
    auth_id: str = ""

    @property
    def price(self) -> Fraction:
        """Wei per unit at which the session is billed."""
        return self.initial_price.wei_per_pixel


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A client asks for a payment. `units` is its own count, used by jobs of no type."""

    info: OrchestratorInfo
    manifest_id: str
    app: str
    units: int
    job_type: JobType
    max_price: PriceCeiling | None
    capabilities: Capabilities | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What the signer knows when it decides. `last_nonce`: drawn on the request's quote by anybody."""

    now_s: Fraction
    block: BlockNumber
    account: SenderAccount
    expiration: ExpirationParams
    last_nonce: int


@dataclass(frozen=True, slots=True)
class Pay:
    """Sign `staged`, name `price` in the payment, and hand out `state` once both are stored."""

    state: SignerState
    staged: Staged
    price: PriceInfo


@dataclass(frozen=True, slots=True)
class Covered:
    """Nothing to sign: the balance covers it. It was billed, so the client must go on with `state`.

    `retry_after_s`: when the next request will need a ticket, as far as time decides.
    """

    state: SignerState
    retry_after_s: int


# --- requests and states --------------------------------------------------------------------------


def check_request(info: OrchestratorInfo) -> tuple[TicketParams, PriceInfo]:
    """What a request's orchestrator info must hold.

    :raises SignerRefused: 400.
    """
    price = info.price_info
    if price is None or price.price_per_unit <= 0 or price.pixels_per_unit <= 0:
        raise SignerRefused(BAD_REQUEST, "missing or zero priceInfo")
    if not is_countable(price.wei_per_pixel):
        raise SignerRefused(BAD_REQUEST, f"priceInfo {price.wei_per_pixel} is no decimal fraction")
    if info.ticket_params is None:
        raise SignerRefused(BAD_REQUEST, "missing ticketParams in OrchestratorInfo")
    return info.ticket_params, price


def begin(request: PaymentRequest, state_id: str, now_s: Fraction) -> SignerState:
    """The state of a session that starts with this request, as if at sequence 0.

    :raises SignerRefused: 400.
    """
    _, price = check_request(request.info)
    return SignerState(state_id, 0, request.info.address, request.app, request.job_type, price, now_s)


def check_state(state: SignerState, request: PaymentRequest) -> None:
    """Whether a state belongs to this request.

    :raises SignerRefused: 400.
    """
    if state.orchestrator != request.info.address:
        raise SignerRefused(BAD_REQUEST, "orchestratorAddress mismatch")
    if state.app != request.app:
        raise SignerRefused(BAD_REQUEST, "app mismatch")
    if state.job_type is not JobType.NONE and state.job_type is not request.job_type:
        raise SignerRefused(BAD_REQUEST, "job type mismatch")
    if not request.manifest_id:
        raise SignerRefused(BAD_REQUEST, "missing manifestID")


def check_sequence(state: SignerState, highest: int | None) -> None:
    """Only the newest state of a session is good: an older one would have its time billed and its balance spent twice.

    :raises SignerRefused: 400; also for a session that the signer does not know (any more).
    """
    if highest is None:
        raise SignerRefused(BAD_REQUEST, "invalid state: unknown session, start a new one")
    if state.sequence != highest:
        raise SignerRefused(BAD_REQUEST, f"invalid state: sequence {state.sequence}, expected {highest}")


# --- ceilings -------------------------------------------------------------------------------------


def max_price(given: PriceCeiling, job_type: JobType, *, status: int = BAD_REQUEST) -> Fraction:
    """A ceiling in wei per unit of the job.

    :raises SignerRefused: `status`, for one that does not fit the job.
    """
    if job_type is JobType.NONE:
        raise SignerRefused(status, "maxPrice requires payment type")
    if given.currency.lower() != "wei":
        raise SignerRefused(status, "maxPrice.currency must be wei")
    if given.unit != job_type.price_unit:
        raise SignerRefused(status, f"maxPrice.unit must be {job_type.price_unit}")
    digits = given.price.replace(".", "", 1) if len(given.price) <= _PRICE_CHARS else ""
    price = Fraction(given.price) if digits.isascii() and digits.isdigit() and given.price[0] != "." else Fraction(0)
    if price <= 0:
        raise SignerRefused(status, "maxPrice.price must be a positive decimal")
    return price


def check_ceilings(
    config: SignerConfig, request: PaymentRequest, state: SignerState, webhook: PriceCeiling | None = None
) -> None:
    """The price against every ceiling there is; equality passes.

    :raises SignerRefused: 481, naming the ceiling; 400 or, for the webhook's, 502 if one makes no sense.
    """
    _, info = check_request(request.info)
    price = info.wei_per_pixel
    found: Mapping[str, Fraction | None] = {
        "configured": config.ceilings.for_job(request.capabilities),
        "request maxPrice": max_price(request.max_price, request.job_type) if request.max_price else None,
        "initial session price": state.price,
        "auth webhook maxPrice": max_price(webhook, request.job_type, status=BAD_GATEWAY) if webhook else None,
    }
    for name, ceiling in found.items():
        if ceiling is not None and price > ceiling:
            raise SignerRefused(TOO_DEAR, f"orchestrator price {price} exceeds {name} ceiling {ceiling}")


# --- the decision ---------------------------------------------------------------------------------


def decide(
    config: SignerConfig, sender: Address, request: PaymentRequest, state: SignerState, moment: Moment
) -> Pay | Covered:
    """Bill what has passed and decide how many tickets that takes. `state` is the client's, checked, or a new one.

    The state that comes out has the next sequence number. The price's ceilings are checked before.

    :raises SignerRefused: 480 where a fresh orchestrator info may do, 481 beyond the session's limit, else 400.
    """
    params, price = check_request(request.info)
    _check_fresh(config, request.info, params, moment)
    billed, units = _bill(request, state, moment.now_s)
    session = replace(
        SenderSession.start(sender, params, moment.expiration),
        last_nonce=moment.last_nonce,
    )
    due = fee(units, state.price)
    try:
        staged = stage_payment(
            session,
            Balance(state.balance),
            fee=due,
            account=moment.account,
            limits=config.limits,
            last_seen_l1_block=moment.block,
        )
    except ParamsRejected as error:
        status, text = (REFRESH, _REFRESH_TEXT) if error.refresh else (BAD_REQUEST, "invalid ticketParams")
        raise SignerRefused(status, f"{text}: {error}") from error
    tickets = staged.credit.tickets
    if tickets > MAX_TICKETS:
        raise SignerRefused(BAD_REQUEST, f"numTickets {tickets} exceeds maximum of {MAX_TICKETS}")
    left = complete(staged.balance, staged.credit, Outcome.ANSWERED, due)
    after = replace(
        billed,
        sequence=state.sequence + 1,
        balance=left.available,
        signed=state.signed + staged.credit.new,
        units=state.units + units,
        quote=params.recipient_rand_hash,
        last_nonce=staged.session.last_nonce,
    )
    if not tickets:
        return Covered(after, _retry_after(after, params.expected_value))
    if config.session_limit is not None and after.signed > config.session_limit:
        raise SignerRefused(
            TOO_DEAR, f"session spend limit: {after.signed} wei of tickets, at most {config.session_limit}"
        )
    return Pay(after, staged, price)


_REFRESH_TEXT: Final = "refresh session for remote signer"


def _check_fresh(config: SignerConfig, info: OrchestratorInfo, params: TicketParams, moment: Moment) -> None:
    """A session is renewed well before anything in it ends: token, quote, nonces. A missing token is a stale one."""
    token = info.auth_token
    if token is None or token.expiration - moment.now_s <= config.renew_s:
        raise SignerRefused(REFRESH, f"{_REFRESH_TEXT}: auth token missing or near its end")
    if params.expiration_block - moment.block <= config.renew_blocks:
        raise SignerRefused(REFRESH, f"{_REFRESH_TEXT}: ticketParams expire at block {params.expiration_block}")
    if moment.last_nonce >= REFRESH_NONCE:
        raise SignerRefused(REFRESH, f"{_REFRESH_TEXT}: {moment.last_nonce} of {MAX_NONCES} nonces used")


def _bill(request: PaymentRequest, state: SignerState, now_s: Fraction) -> tuple[SignerState, int]:
    """Units to be paid now, and the state with the time that they stand for.

    A started second counts whole and the time is moved past it, so that rounding never adds up.
    """
    job = request.job_type
    if state.sequence == 0 or not job.rate:
        units = job.prepaid if job is not JobType.NONE else request.units
        if units <= 0:
            raise SignerRefused(BAD_REQUEST, "missing billable unit or job type")
        return replace(state, job_type=job, billed_until_s=max(now_s, state.billed_until_s)), units
    elapsed = max(now_s - state.billed_until_s, Fraction(0)) * job.rate
    units = ceil(elapsed) if job is JobType.LIVE else int(elapsed)
    return replace(state, job_type=job, billed_until_s=state.billed_until_s + Fraction(units, job.rate)), units


def _retry_after(state: SignerState, ticket_ev: Fraction) -> int:
    rate = state.job_type.rate * state.price
    if state.balance < ticket_ev or not rate:
        return MIN_RETRY_S
    return min(max(MIN_RETRY_S, int(state.balance / rate)), MAX_RETRY_S)


# --- authorisation --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What an auth webhook said. `status` is its verdict, None or not positive if it gave none."""

    status: int | None
    reason: str = ""
    expiry: int = 0
    auth_id: str = ""
    max_price: PriceCeiling | None = None


def needs_authorisation(state: SignerState, now_s: Fraction) -> bool:
    """Whether the webhook has to be asked, or its last answer still holds."""
    return not state.auth_expiry or now_s > state.auth_expiry


def check_answer(answer: AuthAnswer) -> None:
    """:raises SignerRefused: the webhook's own status and reason; 500 without a verdict."""
    if answer.status is None or answer.status <= 0:
        raise SignerRefused(INTERNAL, "signer auth webhook gave no status")
    if answer.status != 200:
        reason = answer.reason or f"signer auth rejected request with status {answer.status}"
        raise SignerRefused(answer.status, reason)


def with_authorisation(state: SignerState, answer: AuthAnswer | None, header_auth_id: str) -> SignerState:
    """The state with the webhook's answer. An auth id is set once: the webhook's, else the request header's.

    :raises SignerRefused: 500, another id than the session's.
    """
    expiry = answer.expiry if answer is not None else state.auth_expiry
    auth_id = (answer.auth_id if answer is not None else "") or header_auth_id
    if state.auth_id and auth_id and auth_id != state.auth_id:
        raise SignerRefused(INTERNAL, "auth id of the session changed")
    return replace(state, auth_expiry=expiry, auth_id=state.auth_id or auth_id)


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def check_binding(host: str, *, webhook: bool, allow_no_auth: bool) -> None:
    """A signer that anybody can reach signs for anybody, unless a webhook says no.

    :raises InvalidInput: a public address with neither a webhook nor the permission to go without.
    """
    if not (is_loopback(host) or webhook or allow_no_auth):
        raise InvalidInput(f"a signer on {host} needs an auth webhook, or the explicit permission to go without")
