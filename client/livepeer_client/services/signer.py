"""A remote signer at work: authorise, decide, sign, store, and only then answer (offchain-payments 12)."""

import asyncio
import logging
import secrets
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec import signer_api, wire
from livepeer_client.codec.byoc_api import job_digest
from livepeer_client.codec.credentials import orchestrator_request_digest, segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import SegmentCredentials
from livepeer_client.codec.signer_api import CoveredReply, PaymentReply
from livepeer_client.errors import ChainError, InvalidInput, MalformedMessage, SignerConflict, SignerRefused
from livepeer_client.facts import SignedRequest, SignerSession
from livepeer_client.policy import signer_state
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.sender import build_payment
from livepeer_client.policy.signing import (
    BAD_REQUEST,
    NO_TICKETS,
    AuthAnswer,
    Covered,
    JobType,
    Moment,
    Pay,
    PaymentRequest,
    SignerConfig,
    SignerState,
    begin,
    check_answer,
    check_ceilings,
    check_request,
    check_sequence,
    check_state,
    decide,
    needs_authorisation,
    with_authorisation,
)
from livepeer_client.ports import Clock, Signer, SignerAuth, SignerLedger
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.types import Address, BlockNumber, Hash32, Signature

SESSION_IDLE_S: Final = 24 * 3600
SWEEP_S: Final = 600
KEPT_BLOCKS: Final = 100
"""Nonces of a quote are kept so long after it expired: no reorganisation makes it acceptable again then."""
AUTH_ID_HEADER: Final = "Signer-Auth-Id"
_ID_BYTES: Final = 4
_TRIES: Final = 5
_OK: Final = 200

Headers = Mapping[str, Sequence[str]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignerAnswer:
    """Status and JSON body of an answer that was stored."""

    status: int
    body: bytes
    retry_after_s: int = 0


class _Locks:
    """One lock per key, there as long as somebody uses it."""

    def __init__(self) -> None:
        self._locks = weakref.WeakValueDictionary[Hashable, asyncio.Lock]()

    def of(self, key: Hashable) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


class SignerService:
    """Signs logins and payments with one key, for clients that never see it.

    :param state_key: 32 bytes that authenticate the states clients carry; kept over restarts.
    :param auth: asked before anything is decided; None signs for everybody who can reach this process.
    """

    def __init__(
        self,
        config: SignerConfig,
        signer: Signer,
        ledger: SignerLedger,
        view: GatewayView,
        clock: Clock,
        *,
        state_key: bytes,
        auth: SignerAuth | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_hex(_ID_BYTES),
    ) -> None:
        signer_api.seal(state_key, b"")
        self._config = config
        self._signer = signer
        self._ledger = ledger
        self._view = view
        self._clock = clock
        self._state_key = state_key
        self._auth = auth
        self._new_id = new_id
        self._locks = _Locks()
        self._login: Signature | None = None

    # --- what a server calls ------------------------------------------------------------------------

    async def sign_orchestrator_info(self, headers: Headers) -> tuple[Address, Signature]:
        """The login signature. It is bound to neither time nor peer, so it is given only to whom payments are.

        :raises SignerRefused: the webhook says no.
        """
        if self._auth is not None:
            check_answer(await self._auth.authorise(headers, None))
        if self._login is None:
            self._login = await self._signer.sign(orchestrator_request_digest(self._signer.address))
        return self._signer.address, self._login

    async def sign_byoc_job(self, body: bytes, headers: Headers) -> tuple[Address, Signature]:
        """The signature under a job of a brought-along capability.

        :raises MalformedMessage: the request does not decode, or is nothing that this key signs.
        :raises SignerRefused: the webhook says no.
        """
        request, parameters = signer_api.decode_byoc_job(body)
        try:
            digest = job_digest(request, parameters)
        except InvalidInput as error:
            raise MalformedMessage("BYOC job", str(error)) from error
        if self._auth is not None:
            check_answer(await self._auth.authorise(headers, None))
        return self._signer.address, await self._signer.sign(digest)

    async def generate_live_payment(self, body: bytes, headers: Headers) -> SignerAnswer:
        """One payment, or the word that none is needed (482).

        A request that comes again unchanged, because its answer was lost, gets the same answer; any other request on
        an old state is refused.

        :raises MalformedMessage: the request does not decode.
        :raises SignerRefused: with the status of the API.
        :raises StoreError, ChainError: nothing was signed.
        """
        call = signer_api.decode_payment_call(body)
        check_request(call.info)
        request = PaymentRequest(
            info=call.info,
            manifest_id=call.manifest_id,
            app=call.app,
            units=call.in_pixels,
            job_type=_job_type(call.job_type),
            max_price=call.max_price,
            capabilities=call.capabilities,
        )
        state: SignerState | None = None
        if call.state is not None:
            state = _unsealed(self._state_key, call.state)
            check_state(state, request)
        started = state if state is not None else begin(request, self._new_id(), self._now())
        async with self._locks.of(started.state_id):
            return await self._answer(request, started, keccak256(body), headers, new=state is None)

    def set_ceilings(self, ceilings: Ceilings) -> None:
        """Sign up to other prices from now on."""
        self._config = replace(self._config, ceilings=ceilings)

    async def run(self) -> None:
        """Forget idle sessions and expired quotes, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            try:
                block = (await self._view.moment()).block
            except ChainError as error:
                _log.warning("nothing forgotten reason=%s", error)
                continue
            await self._ledger.forget(idle_s=SESSION_IDLE_S, block=BlockNumber(max(0, block - KEPT_BLOCKS)))

    # --- one payment --------------------------------------------------------------------------------

    async def _answer(
        self, request: PaymentRequest, state: SignerState, request_hash: Hash32, headers: Headers, *, new: bool
    ) -> SignerAnswer:
        # Authorised before anything of the session is looked at or decided.
        verdict = await self._authorise(state, headers)
        known = None if new else await self._ledger.session(state.state_id)
        if known is not None and _is_again(known, state, request_hash):
            return SignerAnswer(known.status, known.reply)
        if not new:
            check_sequence(state, known.sequence if known is not None else None)
        state = with_authorisation(state, verdict, _first(headers, AUTH_ID_HEADER))
        check_ceilings(self._config, request, state, verdict.max_price if verdict is not None else None)
        quote = request.info.ticket_params
        key = quote.recipient_rand_hash if quote is not None else b""
        # One after the other on one quote: two that drew at once would draw the same nonces.
        async with self._locks.of(key):
            return await self._decided(request, state, request_hash)

    async def _authorise(self, state: SignerState, headers: Headers) -> AuthAnswer | None:
        if self._auth is None or not needs_authorisation(state, self._now()):
            return None
        verdict = await self._auth.authorise(headers, signer_state.to_json(state))
        check_answer(verdict)
        return verdict

    async def _decided(self, request: PaymentRequest, state: SignerState, request_hash: Hash32) -> SignerAnswer:
        params, _ = check_request(request.info)
        quote = params.recipient_rand_hash
        for attempt in range(1, _TRIES + 1):
            last_nonce = await self._ledger.last_nonce(quote)
            seen = await self._view.moment()
            moment = Moment(self._now(), seen.block, seen.account, seen.expiration, last_nonce)
            decision = decide(self._config, self._signer.address, request, state, moment)
            answer = await self._signed(request, decision)
            entry = SignedRequest(
                state_id=state.state_id,
                sequence=decision.state.sequence,
                request=request_hash,
                status=answer.status,
                reply=answer.body,
                recipient_rand_hash=quote,
                nonce_before=last_nonce,
                nonce=decision.state.last_nonce,
                expiration_block=params.expiration_block,
            )
            try:
                await self._ledger.record(entry)
            except SignerConflict as conflict:
                # What was signed never leaves. Another process of this signer was first; a new session takes a new
                # id, an old one has to come with its newest state.
                known = await self._ledger.session(state.state_id)
                if state.sequence:
                    check_sequence(state, known.sequence if known is not None else None)
                elif known is not None:
                    state = replace(state, state_id=self._new_id())
                if attempt == _TRIES:
                    raise
                _log.info("payment decided anew session=%s reason=%s", state.state_id, conflict)
                continue
            _log.info(
                "payment session=%s sequence=%d tickets=%d units=%d balance_wei=%d",
                state.state_id,
                decision.state.sequence,
                decision.state.last_nonce - last_nonce,
                decision.state.units - state.units,
                int(decision.state.balance),
            )
            return answer
        raise AssertionError("unreachable")

    async def _signed(self, request: PaymentRequest, decision: Pay | Covered) -> SignerAnswer:
        sealed = signer_api.seal(self._state_key, signer_state.encode(decision.state))
        if isinstance(decision, Covered):
            covered = CoveredReply(sealed, decision.retry_after_s)
            return SignerAnswer(NO_TICKETS, signer_api.encode_covered_reply(covered), decision.retry_after_s)
        sigs = [await self._signer.sign(hash_) for hash_ in decision.staged.tickets.hashes()]
        payment = build_payment(decision.staged, sigs, decision.price)
        credentials = await self._credentials(request)
        reply = PaymentReply(wire.payment_header(payment), wire.segment_header(credentials), sealed)
        return SignerAnswer(_OK, signer_api.encode_payment_reply(reply))

    async def _credentials(self, request: PaymentRequest) -> SegmentCredentials:
        """Those of an empty segment, which accompany a payment that comes alone."""
        manifest_id = (request.manifest_id or self._new_id()).encode()
        nothing = keccak256(b"")
        return SegmentCredentials(
            manifest_id=manifest_id,
            seq=0,
            hash=nothing,
            profiles=(),
            sig=await self._signer.sign(segment_digest(manifest_id, 0, nothing, ())),
            duration_ms=0,
            capabilities=request.capabilities,
            auth_token=request.info.auth_token,
        )

    def _now(self) -> Fraction:
        return Fraction(self._clock.time())


def _job_type(text: str) -> JobType:
    try:
        return JobType(text)
    except ValueError as error:
        raise SignerRefused(BAD_REQUEST, "invalid job type") from error


def _unsealed(key: bytes, sealed: signer_api.SealedState) -> SignerState:
    try:
        return signer_state.decode(signer_api.unseal(key, sealed))
    except MalformedMessage as error:
        raise SignerRefused(BAD_REQUEST, error.detail) from error


def _is_again(known: SignerSession, state: SignerState, request_hash: Hash32) -> bool:
    return known.sequence == state.sequence + 1 and known.request == request_hash


def _first(headers: Headers, name: str) -> str:
    return next((values[0] for key, values in headers.items() if key.lower() == name.lower() and values), "")
