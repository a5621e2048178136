"""Every error the library raises, as classes with data: match the class and its fields, never the text.

LivepeerError                    .retryable: may the same call succeed later, unchanged?
├── InvalidInput                 the caller's mistake, raised before any I/O
├── ConfigError                  a setting is missing, malformed or refused
├── ProtocolError (abstract)
│   ├── LocalProtocolError       we were about to break the rules
│   └── RemoteProtocolError      the peer broke them
│       ├── MalformedMessage     bytes that do not decode, or fields of a wrong width
│       ├── BadCredentials       a signature, auth token or segment hash does not hold
│       ├── PeerRefused          the peer answered with a refusal (status, text)
│       ├── BadResult            the peer's work does not check out
│       │   └── ResultMismatch   a trusted peer made something else of the same input
│       └── TicketRejected       a ticket fails validation (reason, fatal)
├── ParamsRejected               a sender refuses quoted ticket params (reason, figures)
│   └── PriceRaised              the price has more than doubled within the session
├── QuoteRefused                 a recipient cannot quote (reason, figures)
├── PaymentRefused               a recipient cannot take any payment now (reason, figures)
├── InsufficientBalance          credit below what the work needs (figures)
├── SpendLimitReached            signing more would exceed what a session may cost (figures)
├── SignerRefused                a remote signer signs nothing (HTTP status, reason)
├── PriceUnavailable             a price in another currency cannot be told now (reason, figures; retryable)
├── ChainError
│   ├── Reverted                 the contract said no (reason)
│   ├── TransactionDropped       never mined within its time
│   │   └── NonceConsumed        another transaction took its nonce: it can never be mined
│   ├── GasPriceTooHigh          the base fee is over our limit (retryable)
│   ├── ReplacementTooExpensive  raising the fees once more would exceed the ceiling
│   ├── Underpriced              the network wants higher fees for this nonce
│   ├── InsufficientFunds        the key cannot pay for value and gas
│   └── ChainUnavailable         the node did not answer (retryable)
│       └── TransactionRefused   it does not take a transaction, and does not have it
├── TransportError
│   ├── PeerTimeout              (retryable)
│   └── PeerUnreachable          (retryable)
├── MediaError                   a segment cannot be decoded or encoded
├── NoOrchestrator               nobody fits (rejections, each with its reason)
├── StoreError
│   ├── StoreCorrupt             stop the node
│   ├── StoreUnavailable         its server did not answer in time (retryable)
│   ├── TicketStateRefused       a ticket cannot go from its state to that one (hash, state, wanted)
│   ├── NoncesSeen               somebody received these nonces before (recipient_rand_hash, nonces)
│   ├── SignerConflict           a signer's session or quote moved on meanwhile (retryable)
│   ├── LeaseHeld                another owner has it (name, owner, expires_in_s; retryable)
│   └── LeaseLost                somebody took it over (name, token, current)
└── Bug                          an invariant of ours broke; please report
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import ClassVar, Final

_PANIC: Final = bytes.fromhex("4e487b71")
"""Selector of Panic(uint256)."""
_PANIC_BYTES: Final = 36


def _figures(figures: Mapping[str, object]) -> str:
    """Figures for people: a fraction of a wei, which may run to 80 digits either side, as a plain number."""
    return " ".join(f"{name}={_plain(value)}{_more(value)}" for name, value in figures.items())


def _plain(value: object) -> object:
    if not isinstance(value, Fraction) or value.denominator == 1:
        return value
    return int(value) if abs(value) >= 1000 else f"{float(value):.4g}"


def _more(value: object) -> str:
    """Dots for what goes on below one: two figures that were compared and differ there must not look alike."""
    return "…" if isinstance(value, Fraction) and value.denominator != 1 and abs(value) >= 1000 else ""


class LivepeerError(Exception):
    """Root of all errors of this library."""

    retryable: ClassVar[bool] = False


class InvalidInput(LivepeerError):
    """An argument has the wrong width, range or form. Nothing was done."""


class ConfigError(LivepeerError):
    """A setting is missing, malformed or refused."""


class ProtocolError(LivepeerError):
    """Abstract: raise `LocalProtocolError` or `RemoteProtocolError`."""

    def __init__(self, *args: object) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract: say which side broke the rules")
        super().__init__(*args)


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class MalformedMessage(RemoteProtocolError):
    """Bytes from a peer do not decode, or a field has a wrong width."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class BadCredentials(RemoteProtocolError):
    """A signature, an auth token or a segment hash does not hold. `reason` is the wire text."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class PeerRefused(RemoteProtocolError):
    """The peer refused. `status` is that of HTTP or gRPC, or 200 where it did so inside an accepted exchange;
    `retry_after_s` is the wait that it asked for, None if for none."""

    def __init__(self, peer: str, status: int, reason: str, retry_after_s: float | None = None) -> None:
        self.peer, self.status, self.reason = peer, status, reason
        self.retry_after_s = retry_after_s
        super().__init__(f"{peer} refused ({status}): {reason}")


class BadResult(RemoteProtocolError):
    """The peer's work does not check out: wrong size, duration, pixel count or signature."""

    def __init__(self, what: str, expected: object, actual: object) -> None:
        self.what = what
        self.expected = expected
        self.actual = actual
        super().__init__(f"{what}: expected {expected}, got {actual}")


class ResultMismatch(BadResult):
    """A trusted orchestrator made something else of the same input."""


class TicketReason(Enum):
    """Why a recipient rejects a ticket; values are the wire texts (offchain-payments 5)."""

    SENDER_UNLOCKING = "deposit and reserve for sender is set to unlock soon"
    WRONG_RECIPIENT = "invalid ticket recipient"
    NULL_SENDER = "invalid ticket sender"
    WRONG_RAND = "invalid recipientRand for ticket recipientRandHash"
    BAD_SIGNATURE = "invalid ticket signature"
    NONCE_SEEN = "invalid ticket senderNonce: already seen"
    TOO_MANY_NONCES = "invalid ticket senderNonce: too many values"
    PARAMS_EXPIRED = "TicketParams expired"


class TicketRejected(RemoteProtocolError):
    """A ticket fails validation. `fatal` ends the payment; otherwise it merely earns no credit."""

    def __init__(self, reason: TicketReason, *, fatal: bool, figures: Mapping[str, object] | None = None) -> None:
        self.reason = reason
        self.fatal = fatal
        self.figures = dict(figures or {})
        detail = _figures(self.figures)
        super().__init__(f"{reason.value} {detail}".rstrip())


class ParamsRejected(LivepeerError):
    """A sender refuses quoted ticket params. `refresh` says that a fresh quote may do."""

    def __init__(self, reason: str, *, refresh: bool = False, **figures: object) -> None:
        self.reason = reason
        self.refresh = refresh
        self.figures = figures
        detail = _figures(figures)
        super().__init__(f"{reason} {detail}".rstrip())


class PriceRaised(ParamsRejected):
    """An orchestrator's price has more than doubled since the session's first one."""


class QuoteRefused(LivepeerError):
    """A recipient cannot quote ticket params to a sender; `figures` are what was compared."""

    def __init__(self, reason: str, **figures: object) -> None:
        self.reason = reason
        self.figures = figures
        detail = _figures(figures)
        super().__init__(f"{reason} {detail}".rstrip())


class PaymentRefused(LivepeerError):
    """A recipient cannot take a payment, whatever its tickets. `reason` is the wire text."""

    def __init__(self, reason: str, **figures: object) -> None:
        self.reason = reason
        self.figures = figures
        detail = _figures(figures)
        super().__init__(f"{reason} {detail}".rstrip())


class InsufficientBalance(LivepeerError):
    """A sender's credit is below what the work needs. Figures in wei."""

    def __init__(self, *, balance: object, required: object) -> None:
        self.balance = balance
        self.required = required
        super().__init__(f"Insufficient balance: have {_plain(balance)} wei, need {_plain(required)} wei")


class SpendLimitReached(LivepeerError):
    """A session has had all the tickets signed that it may cost. Figures in wei and units."""

    def __init__(self, *, signed: object, limit: object, units: object) -> None:
        self.signed = signed
        self.limit = limit
        self.units = units
        super().__init__(f"spend limit of the session: {_plain(signed)} wei for {units} units, at most {_plain(limit)}")


class SignerRefused(LivepeerError):
    """A remote signer does not sign. `status` is the HTTP status of its API: 480 asks for a fresh orchestrator info."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"remote signer returned status {status}: {reason}")


class PriceUnavailable(LivepeerError):
    """A price in another currency cannot be turned into wei now: no feed, a stale one, or none that answers."""

    retryable = True

    def __init__(self, reason: str, **figures: object) -> None:
        self.reason = reason
        self.figures = figures
        super().__init__(f"{reason} {_figures(figures)}".rstrip())


class ChainError(LivepeerError):
    """Something between us and the contracts went wrong."""


@dataclass(frozen=True, slots=True)
class CustomError:
    """An error that a contract's interface declares, with its arguments by name."""

    name: str
    args: Mapping[str, object]


class RevertKind(Enum):
    """In which of its ways a contract refused."""

    REASON = "a text"
    PANIC = "a panic of the compiler's checks"
    CUSTOM = "an error of its interface"
    UNKNOWN = "data that nobody can read"
    EMPTY = "nothing at all"


class Reverted(ChainError):
    """A contract refused.

    `reason` is its text, "panic 0x.." for a panic, the error's name for one of its interface, empty if it gave none.
    `data` is the raw revert data; `custom` the error of the interface; `panic` the code of a panic.
    """

    def __init__(
        self,
        reason: str,
        *,
        call: str = "",
        data: bytes = b"",
        tx_hash: bytes | None = None,
        custom: CustomError | None = None,
    ) -> None:
        self.reason = reason or (custom.name if custom is not None else "")
        self.call = call
        self.data = data
        self.tx_hash = tx_hash
        self.custom = custom
        shown = self.reason or "(no reason given)"
        if custom is not None and custom.args:
            shown += f"({_figures(custom.args)})"
        super().__init__(f"{call or 'call'} reverted: {shown}")

    @property
    def panic(self) -> int | None:
        is_panic = self.data[:4] == _PANIC and len(self.data) == _PANIC_BYTES
        return int.from_bytes(self.data[4:], "big") if is_panic else None

    @property
    def kind(self) -> RevertKind:
        if self.custom is not None:
            return RevertKind.CUSTOM
        if self.panic is not None:
            return RevertKind.PANIC
        if self.reason:
            return RevertKind.REASON
        return RevertKind.UNKNOWN if self.data else RevertKind.EMPTY


class TransactionDropped(ChainError):
    """A transaction was not mined within its time."""

    def __init__(self, tx_hash: bytes, waited_s: float) -> None:
        self.tx_hash = tx_hash
        self.waited_s = waited_s
        super().__init__(f"transaction 0x{tx_hash.hex()} not mined after {waited_s:.0f} s")


class NonceConsumed(TransactionDropped):
    """Another transaction with the same nonce is mined, so this one never will be. `mined`: nonces consumed."""

    def __init__(self, tx_hash: bytes, nonce: int, mined: int) -> None:
        super().__init__(tx_hash, 0.0)
        self.nonce = nonce
        self.mined = mined
        self.args = (f"transaction 0x{tx_hash.hex()}: nonce {nonce} is consumed, the next is {mined}",)


class GasPriceTooHigh(ChainError):
    """The base fee exceeds what we are prepared to pay. Wei per gas."""

    retryable = True

    def __init__(self, base_fee: int, limit: int) -> None:
        self.base_fee = base_fee
        self.limit = limit
        super().__init__(f"base fee {base_fee} wei exceeds the limit of {limit} wei")


class ReplacementTooExpensive(ChainError):
    """A replacement must offer `required` (fee cap, wei per gas), more than the `ceiling` allows."""

    def __init__(self, *, current: int, required: int, ceiling: int) -> None:
        self.current = current
        self.required = required
        self.ceiling = ceiling
        super().__init__(
            f"replacing a fee cap of {current} wei takes {required} wei, over the ceiling of {ceiling} wei"
        )


class Underpriced(ChainError):
    """Nodes do not take a transaction at `cap` and `tip` wei per gas.

    Its cap is under the present `base_fee`, or (`occupied`) another transaction waits at its nonce: `replace` that one.
    """

    def __init__(self, tx_hash: bytes, *, cap: int, tip: int, base_fee: int, occupied: bool) -> None:
        self.tx_hash = tx_hash
        self.cap = cap
        self.tip = tip
        self.base_fee = base_fee
        self.occupied = occupied
        why = "another transaction waits at its nonce" if occupied else f"the base fee is {base_fee} wei"
        super().__init__(f"transaction 0x{tx_hash.hex()} at {cap} wei (tip {tip}): {why}")


class InsufficientFunds(ChainError):
    """The sending key holds `balance` wei where value and gas may take `required`."""

    def __init__(self, address: bytes, *, balance: int, required: int) -> None:
        self.address = address
        self.balance = balance
        self.required = required
        super().__init__(
            f"0x{address.hex()} holds {balance} wei, {required} are needed: add at least {required - balance} wei"
        )


class ChainUnavailable(ChainError):
    """The node did not answer, or answered with an error of its own."""

    retryable = True


class TransactionRefused(ChainUnavailable):
    """A node takes a transaction neither now nor had it before, for a reason of its own; its nonce is free."""

    def __init__(self, tx_hash: bytes, detail: str) -> None:
        self.tx_hash = tx_hash
        super().__init__(f"transaction 0x{tx_hash.hex()} was refused: {detail}")


class TransportError(LivepeerError):
    """A peer could not be talked to."""

    retryable = True

    def __init__(self, peer: str, detail: str) -> None:
        self.peer = peer
        self.detail = detail
        super().__init__(f"{peer}: {detail}")


class PeerTimeout(TransportError):
    """The peer did not answer in time."""


class PeerUnreachable(TransportError):
    """No connection, or it broke off."""


class MediaError(LivepeerError):
    """A segment cannot be decoded, or a rendition not encoded. `reason` is the wire text."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class NoOrchestrator(LivepeerError):
    """Nobody can serve the job; `rejections` maps each candidate's URI to the reason."""

    retryable = True

    def __init__(self, rejections: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> None:
        self.rejections = dict(rejections)
        listed = "; ".join(f"{uri}: {why}" for uri, why in self.rejections.items())
        super().__init__(f"no orchestrators available ({listed or 'none discovered'})")


class StoreError(LivepeerError):
    """The store refused or failed."""


class StoreCorrupt(StoreError):
    """The store cannot be trusted: stop the node and restore a copy."""


class StoreUnavailable(StoreError):
    """The store's server did not answer in time. Nothing was done, or it is not known whether it was."""

    retryable = True


class SignerConflict(StoreError):
    """A remote signer's session, or the nonces of a quote, moved on between reading and writing. Nothing was stored."""

    retryable = True


class TicketStateRefused(StoreError):
    """A ticket cannot go from `state` (None: unknown here) to `wanted`. Nothing was changed."""

    def __init__(self, ticket: bytes, state: str | None, wanted: str, why: str) -> None:
        self.ticket = ticket
        self.state = state
        self.wanted = wanted
        super().__init__(f"ticket 0x{ticket.hex()} {why}, cannot become {wanted}")


class NoncesSeen(StoreError):
    """Nonces of one quote were received before, here or by another node. Nothing was stored."""

    def __init__(self, recipient_rand_hash: bytes, nonces: Collection[int]) -> None:
        self.recipient_rand_hash = recipient_rand_hash
        self.nonces = frozenset(nonces)
        listed = ", ".join(str(nonce) for nonce in sorted(nonces)[:5])
        super().__init__(f"{len(nonces)} nonces of quote 0x{recipient_rand_hash.hex()} were seen before: {listed}")


class LeaseHeld(StoreError):
    """Another owner has the lease for `expires_in_s` more seconds."""

    retryable = True

    def __init__(self, name: str, owner: str, expires_in_s: float) -> None:
        self.name = name
        self.owner = owner
        self.expires_in_s = expires_in_s
        super().__init__(f"lease {name} is held by {owner} for {expires_in_s:.1f} s more")


class LeaseLost(StoreError):
    """A write under a lease that somebody took over, or that was never acquired. Nothing was changed.

    `token` is the writer's, `current` the newest, None if the name is unknown.
    """

    def __init__(self, name: str, token: int, current: int | None) -> None:
        self.name = name
        self.token = token
        self.current = current
        super().__init__(f"lease {name} with token {token} is no longer valid (current token: {current})")


class Bug(LivepeerError):
    """An invariant of this library broke. Please report it with the message."""
