"""Answers who we are and on what terms we work (offchain-network 1.4, 2.4; `GetOrchestrator` and `Ping`)."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.credentials import (
    AUTH_TOKEN_LIFETIME_S,
    check_auth_token,
    new_auth_token,
    ping_digest,
)
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    Hardware,
    ObjectStore,
    OrchestratorInfo,
    OrchestratorRequest,
)
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import (
    BadCredentials,
    ChainError,
    InvalidInput,
    MalformedMessage,
    PriceUnavailable,
    QuoteRefused,
    StoreError,
)
from livepeer_client.ports import Clock, Signer
from livepeer_client.ports.till import Senders, Till
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.senders import SignedSenders
from livepeer_client.types import Address

SESSION_ID_BYTES: Final = 4
"""8 hex characters, as everybody's session ids are (offchain-network 0)."""
TOKEN_KEY_BYTES: Final = 32
MAX_PING_BYTES: Final = 31
"""A ping is answered with the plain signature over its hash, which is how tickets, logins, segments and results are
signed too. All of those are longer, from the 32 bytes of a lone rendition's hash to the 232 of a ticket, so nobody
can have one of them signed as a ping."""

Admission = Callable[[Address], Awaitable[None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """What stays the same in every answer."""

    service_uri: str
    capabilities: Capabilities
    nodes: tuple[str, ...] = ()
    hardware: tuple[Hardware, ...] = ()
    storage: tuple[ObjectStore, ...] = ()


class AdvertiseService:
    """`token_key`: 32 bytes that authenticate sessions; kept over restarts, tokens survive them.

    :raises InvalidInput: a token key that is not 32 bytes.
    :param latency_s: added before each answer, to play a distant orchestrator on a local network.
    :param board: what can be served now, where that changes; instead of the offer's capabilities.
    :param senders: tells who asks; without, by their signatures.
    :param admit: asked about each sender before it is given terms; raises `BadCredentials` to refuse it.
    """

    def __init__(
        self,
        *,
        offer: Offer,
        signer: Signer,
        payments: Till,
        token_key: bytes,
        clock: Clock,
        latency_s: float = 0,
        board: CapacityBoard | None = None,
        admit: Admission | None = None,
        senders: Senders | None = None,
    ) -> None:
        if len(token_key) != TOKEN_KEY_BYTES:
            # An empty file would make a key that everybody knows.
            raise InvalidInput(f"a token key is {TOKEN_KEY_BYTES} bytes, got {len(token_key)}")
        self._offer = offer
        self._signer = signer
        self._payments = payments
        self._token_key = token_key
        self._clock = clock
        self._latency_s = latency_s
        self._board = board
        self._admit = admit
        self._senders = senders or SignedSenders()

    @property
    def offer(self) -> Offer:
        """What is offered now."""
        board = self._board
        if board is None:
            return self._offer
        return replace(self._offer, capabilities=board.capabilities, hardware=(*self._offer.hardware, *board.hardware))

    @property
    def last_quote(self) -> TicketParams | None:
        """The terms quoted last, whoever asked."""
        return self._payments.last_quote

    async def get_orchestrator(self, request: OrchestratorRequest) -> OrchestratorInfo:
        """Terms for one sender, with a token for a new session.

        :raises BadCredentials: the request is not signed by the address it names, its sender is not admitted, or the
            live model it names has no room (`OrchestratorCapped`) and the request minds.
        :raises QuoteRefused: `insufficient sender reserve`, with figures.
        :raises ChainError, StoreError, PriceUnavailable: terms cannot be computed now.
        """
        sender, job = self._senders.of_request(request.address, request.sig), request.capabilities
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        if self._admit is not None:
            await self._admit(sender)
        if job is not None and not request.ignore_capacity_check and self._is_capped(job):
            raise BadCredentials("Invalid orchestrator request: OrchestratorCapped")
        price, params = await self._payments.quote(sender, job=job)
        expiration = int(self._clock.time()) + AUTH_TOKEN_LIFETIME_S
        token = new_auth_token(self._token_key, secrets.token_hex(SESSION_ID_BYTES), expiration)
        offer = self.offer
        return OrchestratorInfo(
            transcoder=self._offer.service_uri,
            ticket_params=params,
            price_info=price,
            address=self._signer.address,
            capabilities=offer.capabilities,
            auth_token=token,
            # Who names a job is told its price; who does not wants to know them all (offchain-network 2.4).
            capabilities_prices=() if job is not None else self._payments.advertised(sender),
            nodes=offer.nodes,
            hardware=() if job is not None else offer.hardware,
            storage=offer.storage,
        )

    def _is_capped(self, job: Capabilities) -> bool:
        return self._board is not None and self._board.is_capped(job, only=Capability.LIVE_VIDEO_TO_VIDEO)

    async def next_terms(self, sender: Address, token: AuthToken) -> OrchestratorInfo:
        """Terms for the next payment of a session at its own price; without ticket params if none can be quoted.

        That never spoils what was just paid or done (offchain-payments 10).
        """
        price = params = None
        try:
            price, params = await self._payments.quote(sender, token.session_id)
        except (QuoteRefused, ChainError, StoreError, PriceUnavailable) as error:
            _log.warning("no next quote session=%s reason=%s", token.session_id, error)
        return OrchestratorInfo(
            transcoder=self._offer.service_uri,
            ticket_params=params,
            price_info=price,
            address=self._signer.address,
            capabilities=self.offer.capabilities,
            auth_token=token,
        )

    async def renewed_terms(self, sender: Address, session_id: str) -> OrchestratorInfo | None:
        """Fresh terms and a fresh token for a session that has paid before; None for one that has not.

        Only a price that was agreed is quoted, so nobody opens sessions this way.

        :raises QuoteRefused, ChainError, StoreError: as `get_orchestrator`.
        """
        if await self._payments.session_price(sender, session_id) is None:
            return None
        price, params = await self._payments.quote(sender, session_id)
        expiration = int(self._clock.time()) + AUTH_TOKEN_LIFETIME_S
        return OrchestratorInfo(
            transcoder=self._offer.service_uri,
            ticket_params=params,
            price_info=price,
            address=self._signer.address,
            capabilities=self.offer.capabilities,
            auth_token=new_auth_token(self._token_key, session_id, expiration),
        )

    async def terms_at(self, sender: Address, session_id: str, price: Fraction) -> OrchestratorInfo:
        """Terms and a token for a session whose price, wei per unit, is neither transcoding's nor a model's.

        :raises BadCredentials: its sender is not admitted.
        :raises QuoteRefused, ChainError, StoreError: as `get_orchestrator`.
        """
        if self._admit is not None:
            await self._admit(sender)
        info, params = await self._payments.quote_at(sender, price)
        expiration = int(self._clock.time()) + AUTH_TOKEN_LIFETIME_S
        return OrchestratorInfo(
            transcoder=self._offer.service_uri,
            ticket_params=params,
            price_info=info,
            address=self._signer.address,
            capabilities=self.offer.capabilities,
            auth_token=new_auth_token(self._token_key, session_id, expiration),
        )

    def check_token(self, token: AuthToken | None) -> AuthToken:
        """:raises BadCredentials: `missing auth token`, `invalid auth token` or `expired auth token`."""
        check_auth_token(self._token_key, token, self._clock.time())
        if token is None:
            raise BadCredentials("missing auth token")
        return token

    async def ping(self, value: bytes) -> bytes:
        """Proof that we hold our key: a signature over `value` (offchain-network 2.4).

        :raises MalformedMessage: `value` is long enough to be something else that this key signs.
        """
        if len(value) > MAX_PING_BYTES:
            raise MalformedMessage("ping", f"{len(value)} bytes, at most {MAX_PING_BYTES}")
        return await self._signer.sign(ping_digest(value))
