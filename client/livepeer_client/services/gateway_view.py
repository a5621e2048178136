"""What whoever signs tickets needs to know of the chain: the block, the gateway's account, creation params."""

from dataclasses import dataclass

from livepeer_client.codec.ticket import ExpirationParams
from livepeer_client.policy.sender import SenderAccount
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Round


@dataclass(frozen=True, slots=True)
class GatewayMoment:
    """One look at the chain: the L1 block, our account, and the creation params of tickets whose quote has none."""

    block: BlockNumber
    account: SenderAccount
    expiration: ExpirationParams


class GatewayView:
    """Reads `chain` at most once per `ttl_s`."""

    def __init__(self, chain: Chain, clock: Clock, gateway: Address, ttl_s: float) -> None:
        self._chain = chain
        self._clock = clock
        self._gateway = gateway
        self._ttl_s = ttl_s
        self._moment: GatewayMoment | None = None
        self._read_at_s = 0.0

    async def moment(self) -> GatewayMoment:
        """The chain as of at most `ttl_s` ago.

        :raises ChainError:
        """
        now_s = self._clock.monotonic()
        if self._moment is None or now_s - self._read_at_s >= self._ttl_s:
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
