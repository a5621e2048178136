"""The two headers of a request for work, judged before anything is taken (offchain-network 4.1)."""

from dataclasses import dataclass
from typing import Final

from livepeer_client.codec import wire
from livepeer_client.codec.capability import Capability, mismatch
from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.messages import AuthToken, Capabilities, Payment, SegmentCredentials
from livepeer_client.errors import BadCredentials, MalformedMessage
from livepeer_client.ports.till import Senders
from livepeer_client.services.advertise import AdvertiseService
from livepeer_client.types import Address

MAX_DURATION_MS: Final = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP status and the text that goes with it."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Headers that passed, with the payment taken."""

    sender: Address
    token: AuthToken
    credentials: SegmentCredentials


class HeaderCheck:
    """Judges headers by what is offered now."""

    def __init__(self, advertise: AdvertiseService, senders: Senders) -> None:
        self._advertise = advertise
        self._senders = senders

    def check(self, payment_header: str, segment_header: str) -> tuple[Payment, Admitted] | Refused:
        """402 for a payment that cannot be read, 403 for credentials that do not hold."""
        try:
            payment = wire.payment_from_header(payment_header)
        except MalformedMessage as error:
            return Refused(402, error.detail)
        try:
            return payment, self._credentials(payment, segment_header)
        except BadCredentials as error:
            return Refused(403, error.reason)

    def _credentials(self, payment: Payment, header: str) -> Admitted:
        if not header:
            raise BadCredentials("empty seg data")
        try:
            credentials = wire.segment_from_header(header)
        except MalformedMessage as error:
            raise BadCredentials("ErrorSegEncoding") from error
        names = [profile.name for profile in credentials.profiles]
        if len(set(names)) != len(names):
            # Renditions are told apart by their profile's name.
            raise BadCredentials("ErrorSegEncoding")
        if credentials.duration_ms > MAX_DURATION_MS:
            raise BadCredentials("invalid duration")
        digest = segment_digest(credentials.manifest_id, credentials.seq, credentials.hash, credentials.profiles)
        sender = self._senders.of_segment(payment.sender, credentials.sig, digest)
        offered = self._advertise.offer.capabilities
        if mismatch(credentials.capabilities or Capabilities(), offered) is not None:
            raise BadCredentials("incompatible capabilities")
        if credentials.slice is not None and Capability.SEGMENT_SLICING not in offered.bits:
            # Else the whole would be made, and charged, of what only a part is wanted of.
            raise BadCredentials("incompatible capabilities")
        return Admitted(sender, self._advertise.check_token(credentials.auth_token), credentials)
