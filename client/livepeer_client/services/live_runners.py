"""Live runners of an orchestrator: registered by heartbeats, reserved, paid by time (offchain-network 4.11).

    reserve   404 no such runner, 503 no place, 402 a challenge to be paid, 403 not the one that was challenged
    pay       404 the session has ended, 403 somebody else's, 409 a fixed price is paid once
    run       charges what has passed; ends sessions that are no longer covered, whose lease is over, or whose runner is
              gone

A challenge is bound to its payer, runner and price by what it is called, so nothing is kept for those who never pay.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.codec import live_api
from livepeer_client.codec.address import parse_address
from livepeer_client.codec.messages import Payment
from livepeer_client.errors import (
    BadCredentials,
    ChainError,
    InvalidInput,
    LivepeerError,
    PriceUnavailable,
    QuoteRefused,
    StoreError,
    StoreUnavailable,
)
from livepeer_client.policy.fiat import FeedPrice
from livepeer_client.policy.runners import (
    CHALLENGE_S,
    DEBIT_S,
    Debit,
    RunnerPrice,
    answers_challenge,
    challenge_id,
    debit,
)
from livepeer_client.policy.streaming import Meter, Unit
from livepeer_client.ports import Clock
from livepeer_client.ports.till import Till
from livepeer_client.services.advertise import AdvertiseService
from livepeer_client.services.ai_work import Busy
from livepeer_client.services.runner_channels import RunnerChannels
from livepeer_client.services.runner_proxies import RunnerProxies
from livepeer_client.services.runner_registry import ID_BYTES, KEY_BYTES, NO_RUNNER, RunnerRegistry, same
from livepeer_client.services.runner_sessions import Runner, RunnerSession, account_of
from livepeer_client.services.tasks import completed
from livepeer_client.services.work import INTERNAL, Admitted, Refused, WorkService
from livepeer_client.types import Address

LEASE_S: Final = 3600.0
SWEEP_S: Final = 1.0

NO_SESSION: Final = "session not found"
NO_CAPACITY: Final = "no capacity available for runner"
MISMATCH: Final = "mismatched manifest and auth token"
EXISTS: Final = "session already exists"
PAID_ONCE: Final = "fixed-price live runner sessions do not accept follow-up payments"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Challenge:
    """To be paid first; the body of a 402."""

    body: bytes


class RunnerDesk:
    """All live runners of one orchestrator.

    :param registration: whether an `Authorization` header shows the secret with which runners register; None where
        none may.
    :param feed: the present exchange rate, None while there is none; without a feed only wei and ETH have a price.
    :param channels: trickle channels for runners; without, they get none.
    :param lease_s: how long a session may last that no time is charged for.
    :param proxy_ports: of this machine itself, that proxies may lead to.
    :param free: all runners cost nothing, whatever they ask.
    """

    def __init__(
        self,
        *,
        service_uri: str,
        registration: Callable[[str], bool] | None,
        advertise: AdvertiseService,
        work: WorkService,
        payments: Till,
        clock: Clock,
        feed: Callable[[], FeedPrice | None] | None = None,
        lease_s: float = LEASE_S,
        channels: RunnerChannels | None = None,
        proxy_ports: frozenset[int] = frozenset(),
        free: bool = False,
    ) -> None:
        self.service_uri = service_uri.rstrip("/")
        self.registry = RunnerRegistry(
            service_uri=service_uri,
            registration=registration,
            clock=clock,
            sessions=self,
            feed=feed,
            channels=channels,
            free=free,
        )
        self.proxies = RunnerProxies(service_uri, proxy_ports)
        self._advertise = advertise
        self._work = work
        self._payments = payments
        self._clock = clock
        self._lease_s = lease_s
        self._channels = channels
        # A restart forgets runners and sessions; challenges of an earlier life are void with them.
        self._key = secrets.token_bytes(KEY_BYTES)
        self._sessions: dict[str, RunnerSession] = {}
        self._opening: set[str] = set()
        self._ended: dict[str, float] = {}
        work.renewers.append(self.renew)

    # --- sessions -----------------------------------------------------------------------------------

    async def reserve(
        self, runner_id: str, payer: str, payment: str, credentials: str, *, single_shot: bool
    ) -> "RunnerSession | Challenge | Refused":
        """A place at a runner, once it is paid for. What is refused has taken nothing, unless tickets say otherwise."""
        runner = self.registry.get(runner_id)
        if runner is None or runner.report.is_single_shot is not single_shot:
            return Refused(404, NO_RUNNER)
        if not self.registry.is_open(runner):
            return Busy(503, "runner not ready")
        if runner.used >= runner.report.capacity:
            return Busy(503, NO_CAPACITY)
        price = self.registry.price(runner)
        if price is None:
            return Refused(503, "no price for runner")
        if not price.wei:
            return self._open(secrets.token_hex(KEY_BYTES), runner, None, price)
        if not payment:
            return await self._challenge(runner, payer, price)
        checked = self._work.check_headers(payment, credentials)
        if isinstance(checked, Refused):
            return checked
        paid, admitted = checked
        manifest_id = admitted.token.session_id
        if admitted.credentials.manifest_id != manifest_id.encode():
            return Refused(403, MISMATCH)
        if manifest_id in self._sessions or manifest_id in self._opening:
            return Refused(409, EXISTS)
        agreed = _agreed(paid, price)
        if (
            agreed is None
            or manifest_id in self._ended
            or not answers_challenge(self._key, manifest_id, self._clock.time(), runner_id, admitted.sender, agreed.wei)
        ):
            return await self._challenge(runner, f"0x{admitted.sender.hex()}", price)
        return await self._paid(runner, paid, admitted, agreed)

    async def _paid(
        self, runner: Runner, payment: Payment, admitted: Admitted, price: RunnerPrice
    ) -> "RunnerSession | Refused":
        manifest_id, sender = admitted.token.session_id, admitted.sender
        # The place comes before the payment: nobody pays for what has no room.
        runner.used += 1
        self._opening.add(manifest_id)
        try:
            taken = await self._work.take_payment(payment, sender, account_of(manifest_id))
            if isinstance(taken, Refused):
                return taken
            if self._payments.balance(sender, account_of(manifest_id)) < price.to_start:
                return Refused(400, "Insufficient balance")
            if self.registry.get(runner.runner_id) is not runner:
                # It has left meanwhile: its sessions were ended without this one, and nobody would end it.
                return Busy(503, "runner not ready")
            if price.unit is Unit.JOB:
                await self._payments.charge_fee(sender, account_of(manifest_id), 1, 1, price.wei)
            return self._open(manifest_id, runner, sender, price)
        except StoreError as error:
            _log.error("session not charged session=%s reason=%s", manifest_id, error)
            return Refused(500, INTERNAL)
        finally:
            self._opening.discard(manifest_id)
            runner.used -= 1

    def _open(self, session_id: str, runner: Runner, sender: Address | None, price: RunnerPrice) -> RunnerSession:
        now = self._clock.monotonic()
        metered = bool(price.wei) and price.unit is not Unit.JOB
        session = RunnerSession(
            session_id=session_id,
            runner=runner,
            sender=sender,
            price=price,
            meter=Meter(price.unit.rate, Fraction(now)) if metered else None,
            deadline=None if metered else now + self._lease_s,
            token=secrets.token_hex(ID_BYTES),
        )
        runner.used += 1
        self._sessions[session_id] = session
        if self._channels is not None:
            self._channels.tell(runner, "reserved", session_id)
        _log.info("runner reserved session=%s runner=%s", session_id[:8], runner.runner_id)
        return session

    async def _challenge(self, runner: Runner, payer: str, price: RunnerPrice) -> "Challenge | Refused":
        try:
            sender = parse_address(payer)
        except InvalidInput:
            return Refused(400, "missing or invalid Livepeer-Payer-Address")
        expires_at = int(self._clock.time()) + CHALLENGE_S
        manifest_id = challenge_id(self._key, secrets.token_bytes(8), expires_at, runner.runner_id, sender, price.wei)
        return await self._terms(runner, sender, manifest_id, price)

    async def _terms(
        self, runner: Runner, sender: Address, manifest_id: str, price: RunnerPrice
    ) -> "Challenge | Refused":
        try:
            info = await self._advertise.terms_at(sender, manifest_id, price.wei)
        except BadCredentials as error:
            return Refused(403, error.reason)
        except QuoteRefused as error:
            return Refused(503, str(error))
        except (ChainError, StoreError, PriceUnavailable) as error:
            _log.warning("no terms runner=%s reason=%s", runner.runner_id, error)
            return Refused(503, "Service Unavailable Error")
        url = f"{self.registry.app_uri(runner)}/session/{manifest_id}/payment"
        return Challenge(live_api.encode_challenge(live_api.PaymentChallenge(info, self.service_uri, manifest_id, url)))

    def session(self, runner_id: str, session_id: str) -> RunnerSession | None:
        """A session that has not ended, of this runner."""
        found = self._sessions.get(session_id)
        return found if found is not None and found.runner.runner_id == runner_id else None

    async def renew(self, sender: Address, manifest_id: str) -> bytes | Refused | None:
        """New terms for a session at its own price; None if there is no such session of ours."""
        found = self._sessions.get(manifest_id)
        if found is None or found.sender != sender:
            return None
        if found.price.unit is Unit.JOB:
            return Refused(409, PAID_ONCE)
        terms = await self._terms(found.runner, sender, manifest_id, found.price)
        return terms.body if isinstance(terms, Challenge) else terms

    async def pay(self, runner_id: str, session_id: str, payment: str, credentials: str) -> Refused | None:
        """A payment for a session that runs."""
        session = self.session(runner_id, session_id)
        if session is None:
            return Refused(404, NO_SESSION)
        if session.meter is None:
            return Refused(409, PAID_ONCE)
        checked = self._work.check_headers(payment, credentials)
        if isinstance(checked, Refused):
            return checked
        paid, admitted = checked
        named = admitted.token.session_id == session_id and admitted.credentials.manifest_id == session_id.encode()
        if not named or admitted.sender != session.sender:
            return Refused(403, MISMATCH)
        taken = await self._work.take_payment(paid, admitted.sender, session.account)
        return taken if isinstance(taken, Refused) else None

    async def stop(self, runner_id: str, session_id: str) -> Refused | None:
        """The buyer has had enough: whoever knows the session's id may say so."""
        session = self.session(runner_id, session_id)
        if session is None:
            return Refused(404, NO_SESSION)
        await self.release(session, "stopped by the buyer")
        return None

    async def stop_by_runner(self, runner_id: str, session_id: str, token: str) -> Refused | None:
        """The runner ends a session; it shows the session's token."""
        session = self._shown(runner_id, session_id, token)
        if isinstance(session, Refused):
            return session
        await self.release(session, "stopped by the runner")
        return None

    def open_channels(self, runner_id: str, session_id: str, token: str, body: bytes) -> dict[str, object] | Refused:
        """The runner asks for channels of a session."""
        session = self._shown(runner_id, session_id, token)
        if isinstance(session, Refused) or self._channels is None:
            return session if isinstance(session, Refused) else Refused(404, "no channels")
        return self._channels.create(session, body)

    def close_channels(self, runner_id: str, session_id: str, token: str, body: bytes) -> dict[str, object] | Refused:
        """The runner is through with channels of a session."""
        session = self._shown(runner_id, session_id, token)
        if isinstance(session, Refused) or self._channels is None:
            return session if isinstance(session, Refused) else Refused(404, "no channels")
        return self._channels.remove(session, body)

    def open_proxy(self, runner_id: str, session_id: str, token: str, body: bytes) -> dict[str, object] | Refused:
        """The runner asks for a URL of the session's that leads elsewhere on its host."""
        session = self._shown(runner_id, session_id, token)
        return session if isinstance(session, Refused) else self.proxies.create(session, body)

    def _shown(self, runner_id: str, session_id: str, token: str) -> RunnerSession | Refused:
        session = self.session(runner_id, session_id)
        if session is None:
            return Refused(404, NO_SESSION)
        return session if same(session.token, token) else Refused(403, "invalid session token")

    async def release(self, session: RunnerSession, reason: str) -> None:
        """End a session and charge what is left of its time. Harmless if it has ended."""
        if self._sessions.pop(session.session_id, None) is None:
            return
        session.runner.used -= 1
        session.reason = reason
        self._ended[session.session_id] = self._clock.monotonic()
        session.over.set()
        self.proxies.end(session)
        if self._channels is not None:
            self._channels.end(session)
        _log.info("runner released session=%s reason=%s", session.session_id[:8], reason)
        try:
            await self._charge(session)
        except LivepeerError as error:
            _log.error("last seconds not charged session=%s reason=%s", session.session_id[:8], error)

    # --- time ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Charge, and end what has to end, until cancelled."""
        debited_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(SWEEP_S)
            now = self._clock.monotonic()
            await self.registry.sweep()
            self._ended = {key: at for key, at in self._ended.items() if now - at <= CHALLENGE_S}
            due = now - debited_at >= DEBIT_S
            debited_at = now if due else debited_at
            if self._channels is not None:
                self._channels.keep_alive(self.registry)
            for session in list(self._sessions.values()):
                if session.deadline is not None and now > session.deadline:
                    await self.release(session, "lease over")
                elif due:
                    await self._debit(session)

    async def close(self) -> None:
        """End all sessions, charged until now."""
        for session in list(self._sessions.values()):
            await self.release(session, "orchestrator stops")

    async def _debit(self, session: RunnerSession) -> None:
        try:
            covered = await self._charge(session)
        except StoreError as error:
            _log.error("session not charged session=%s reason=%s", session.session_id[:8], error)
            covered = False
        if not covered:
            await self.release(session, "insufficient balance")

    async def _charge(self, session: RunnerSession) -> bool:
        """:raises StoreError: nothing was charged."""
        async with session.lock:
            if session.meter is None or session.sender is None:
                return True
            due = debit(
                session.meter,
                session.price.wei,
                self._payments.balance(session.sender, session.account),
                Fraction(self._clock.monotonic()),
                Fraction(session.runner.heard_at),
            )
            # Who stops this meanwhile charges what is left next, so the meter has to know of a debit in the books.
            await completed(self._debited(session, session.sender, due))
            return due.covered

    async def _debited(self, session: RunnerSession, sender: Address, due: Debit) -> None:
        if due.units:
            session.debits += 1
            try:
                await self._payments.charge_fee(sender, session.account, session.debits, due.units, session.price.wei)
            except StoreUnavailable:
                # It may be in the books; nobody pays for it twice.
                session.meter = due.meter
                raise
        session.meter = due.meter

    def ids_of(self, runner: Runner) -> list[str]:
        """Its sessions."""
        return [each.session_id for each in self._sessions.values() if each.runner is runner]

    async def end_of(self, runner: Runner, reason: str) -> None:
        """End all sessions of a runner."""
        for session in [each for each in self._sessions.values() if each.runner is runner]:
            await self.release(session, reason)


def _agreed(payment: Payment, price: RunnerPrice) -> RunnerPrice | None:
    """The price that a payment names; a job's exactly as it is asked, for one unit."""
    info = payment.expected_price
    if info is None or info.pixels_per_unit <= 0:
        return None
    named = RunnerPrice(info.wei_per_pixel, price.unit)
    return None if price.unit is Unit.JOB and (named != price or info.pixels_per_unit != 1) else named
