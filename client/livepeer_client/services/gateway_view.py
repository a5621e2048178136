"""What a gateway sees: of the chain, for whoever signs tickets, the block, its account and creation params; of the
network, for its operator, every orchestrator it knows (`KnownOrchestrators`, asked by `Choices.known`)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.codec.gateway_api import KnownOrchestrator, Out, Use
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.codec.ticket import ExpirationParams
from livepeer_client.errors import ChainError
from livepeer_client.policy.discovery import Offer, Rejection, Suspension, Suspensions, suspension
from livepeer_client.policy.sender import SenderAccount
from livepeer_client.policy.trust import Pool, Trusts, trust_of
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round

WATCHED_INTERVALS: Final = 3
"""So many intervals old may an answer be that was read ahead."""
MIN_INTERVAL_S: Final = 0.1
KNOWN_S: Final = 3600.0
"""An orchestrator that no discovery has met for so long is known no more; longer than any suspension."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayMoment:
    """One look at the chain: the L1 block, our account, and the creation params of tickets whose quote has none."""

    block: BlockNumber
    account: SenderAccount
    expiration: ExpirationParams


class GatewayView:
    """Reads `chain` at most once per `ttl_s`; while `watch` runs it reads, and nobody who asks has to."""

    def __init__(self, chain: Chain, clock: Clock, gateway: Address, ttl_s: float) -> None:
        self._chain = chain
        self._clock = clock
        self._gateway = gateway
        self._ttl_s = ttl_s
        self._moment: GatewayMoment | None = None
        self._read_at_s = 0.0
        self._watched = False

    async def moment(self) -> GatewayMoment:
        """The chain as of at most `ttl_s` ago, or a few times that while it is watched.

        :raises ChainError:
        """
        age_s = self._clock.monotonic() - self._read_at_s
        if self._moment is None or age_s >= self._ttl_s * (WATCHED_INTERVALS if self._watched else 1):
            return await self._read()
        return self._moment

    async def watch(self) -> None:
        """Read the chain every `ttl_s` until cancelled."""
        try:
            while True:
                try:
                    await self._read()
                    self._watched = True
                except ChainError as error:
                    _log.warning("the chain was not read ahead reason=%s", error)
                await self._clock.sleep(max(self._ttl_s, MIN_INTERVAL_S))
        finally:
            self._watched = False

    async def _read(self) -> GatewayMoment:
        now_s = self._clock.monotonic()
        head = await self._chain.head()
        rounds = await self._chain.round_state()
        info = await self._chain.sender_info(self._gateway)
        hash_ = rounds.last_initialized_block_hash
        creation = rounds.last_initialized if hash_ != ZERO_HASH else Round(0)
        self._moment = GatewayMoment(
            head.l1_block, SenderAccount(info, rounds.last_initialized), ExpirationParams(creation, hash_)
        )
        self._read_at_s = now_s
        return self._moment


@dataclass(slots=True)
class _Met:
    """An orchestrator as the newest discovery that met it saw it; price and latency of its newest offer."""

    member: RegisteredOrchestrator
    at_s: float
    price: Fraction | None = None
    latency_s: float | None = None


class KnownOrchestrators:
    """Every orchestrator that a gateway's discoveries met in the last `KNOWN_S`, for its operator to look at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._met: dict[Address, _Met] = {}

    def note(self, offers: Sequence[Offer], rejections: Sequence[Rejection]) -> None:
        """What a discovery found. A rejection leaves the terms of an earlier offer as they are: another job may have
        got them."""
        now_s = self._clock.monotonic()
        self._met = {address: its for address, its in self._met.items() if now_s - its.at_s < KNOWN_S}
        for rejection in rejections:
            if rejection.member.known:
                its = self._met.setdefault(rejection.member.address, _Met(rejection.member, now_s))
                its.at_s = now_s
        for offer in offers:
            self._met[offer.member.address] = _Met(offer.member, now_s, offer.price, offer.latency_s)

    def view(
        self,
        suspensions: Suspensions,
        trusts: Trusts,
        trusted_from: float,
        scores: Mapping[Address, float],
        uses: Mapping[Address, Sequence[Use]],
    ) -> tuple[KnownOrchestrator, ...]:
        """All of them, those in use first, then those suspended, else by stake.

        :param scores: latency scores, `uses` the streams they work or stand by for.
        """
        now_s, unix_s = self._clock.monotonic(), self._clock.time()

        def out(held: Suspension) -> Out:
            left_s = held.until_s - now_s
            return Out(unix_s + left_s, left_s, held.cause, held.barred)

        known = []
        for address, its in sorted(self._met.items(), key=lambda pair: (-pair[1].member.stake, pair[0])):
            held, trust = suspension(suspensions, address, now_s), trust_of(trusts, address)
            known.append(
                KnownOrchestrator(
                    address=address,
                    uri=its.member.service_uri,
                    price=its.price,
                    latency_s=its.latency_s,
                    latency_score=scores.get(address),
                    trust=trust.score,
                    trusted=trust.pool(trusted_from) is Pool.TRUSTED,
                    suspended=None if held is None else out(held),
                    uses=tuple(uses.get(address, ())),
                )
            )
        return tuple(sorted(known, key=lambda one: (not one.uses, one.suspended is None)))
