"""What an error says about whose fault it is. Types of our own decide; of a peer only its status and wire text tell.

The texts are the network's contract (offchain-network 1.4, 3.4, 4.1, 4.8), compared without regard to case.
"""

from typing import Final

from livepeer_client.errors import (
    BadResult,
    Bug,
    ChainError,
    InvalidInput,
    LivepeerError,
    LocalProtocolError,
    MalformedMessage,
    MediaError,
    ParamsRejected,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    PriceRaised,
    PriceUnavailable,
    ResultMismatch,
    SignerRefused,
    StoreError,
)
from livepeer_client.policy.sender import AccountShort, DepositShort
from livepeer_client.policy.streaming import OwnLimitReached
from livepeer_client.policy.workloads.table import Cause


class OutOfResources(LivepeerError):
    """This machine has no more of something that an exchange needs, such as open files; the peer was not reached."""

    retryable = True


_BY_TYPE: Final[tuple[tuple[type[LivepeerError], Cause], ...]] = (
    (MediaError, Cause.INPUT_FAULT),
    (ResultMismatch, Cause.MISMATCH),
    (BadResult, Cause.BAD_RESULT),
    (MalformedMessage, Cause.MALFORMED),
    (PeerTimeout, Cause.TIMEOUT),
    (PeerUnreachable, Cause.UNREACHABLE),
    (AccountShort, Cause.OWN_ACCOUNT),
    (DepositShort, Cause.SENDER_RESERVE),
    (OwnLimitReached, Cause.OWN_LIMIT),
    (PriceRaised, Cause.PRICE_RAISED),
    (ParamsRejected, Cause.TERMS),
    (ChainError, Cause.OWN_SIDE),
    (StoreError, Cause.OWN_SIDE),
    (SignerRefused, Cause.OWN_SIDE),
    (PriceUnavailable, Cause.OWN_SIDE),
    (InvalidInput, Cause.OWN_SIDE),
    (LocalProtocolError, Cause.OWN_SIDE),
    (Bug, Cause.OWN_SIDE),
    (OutOfResources, Cause.OWN_SIDE),
)
_BY_TEXT: Final = (
    ("ticketparams expired", Cause.PARAMS_EXPIRED),
    ("invalid ticket sendernonce", Cause.SENDER_NONCE),
    ("expired auth token", Cause.AUTH_TOKEN),
    ("invalid auth token", Cause.AUTH_TOKEN),
    ("insufficient balance", Cause.BALANCE),
    ("insufficient sender reserve", Cause.SENDER_RESERVE),
    ("insufficient capacity", Cause.CAPPED),
    ("no capacity available", Cause.CAPPED),
    ("orchestratorbusy", Cause.BUSY),
    ("transcoderbusy", Cause.BUSY),
    ("orchestratorcapped", Cause.CAPPED),
)


def cause_of(error: LivepeerError, *, own_request: bool = False) -> Cause:
    """The cause that `error` is, for the tables.

    :param own_request: status 400 blames the request, as in batch AI; a segment's blames nobody in particular.
    """
    if isinstance(error, PeerRefused):
        text = error.reason.casefold()
        for part, cause in _BY_TEXT:
            if part in text:
                return cause
        return Cause.CLIENT_ERROR if own_request and error.status == 400 else Cause.REFUSED
    if isinstance(error, ParamsRejected) and error.refresh:
        return Cause.PARAMS_EXPIRED
    return next((cause for kind, cause in _BY_TYPE if isinstance(error, kind)), Cause.REFUSED)
