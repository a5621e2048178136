"""What whoever signs tickets needs to know of the chain: the block, the gateway's account, creation params."""

import logging
from dataclasses import dataclass
from typing import Final

from livepeer_client.codec.ticket import ExpirationParams
from livepeer_client.errors import ChainError
from livepeer_client.policy.sender import SenderAccount
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round

WATCHED_INTERVALS: Final = 3
"""So many intervals old may an answer be that was read ahead."""
MIN_INTERVAL_S: Final = 0.1

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
