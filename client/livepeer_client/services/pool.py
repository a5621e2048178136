"""The on-chain pool, kept: read from the store at once, from the chain in the background (offchain-network 1.2).

An event of somebody who joins, leaves or moves, a new round, or blocks that vanish have it read again; otherwise it is
read from time to time. Nobody who looks for an orchestrator waits for the chain.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainError, ChainUnavailable, StoreError
from livepeer_client.facts import KnownOrchestrator, RoundState
from livepeer_client.policy.sources import Window, candidates
from livepeer_client.ports import Chain, Clock
from livepeer_client.ports.discovery import OrchestratorCache
from livepeer_client.services.blocks import Advance, BlockWatcher, Step
from livepeer_client.types import BlockNumber, Round

REFRESH_S: Final = 25 * 60.0
"""The network's own interval between two looks at everybody (offchain-network 1.2)."""
JITTER: Final = 0.1
FIRST_READ_S: Final = 3.0
"""What a start waits for the chain before it goes by what the store has."""
WATCHED: Final[Mapping[str, Sequence[str]]] = {
    "BondingManager": ("TranscoderActivated", "TranscoderDeactivated"),
    "ServiceRegistry": ("ServiceURIUpdate",),
    "RoundsManager": ("NewRound",),
}
_log = logging.getLogger(__name__)


class ChainPool:
    """`ports.OrchestratorSource` over the chain's pool and, if there is one, its cache.

    :param jitter: a number in [0, 1) for each interval, so that gateways do not all read at the same moment.
    """

    def __init__(
        self,
        chain: Chain,
        cache: OrchestratorCache | None,
        clock: Clock,
        *,
        refresh_s: float = REFRESH_S,
        poll_interval_s: float = 5.0,
        window: Window | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._chain = chain
        self._cache = cache
        self._clock = clock
        self._refresh_s = refresh_s
        self._poll_interval_s = poll_interval_s
        self._window = window or Window()
        self._jitter = jitter
        self._rows: tuple[KnownOrchestrator, ...] = ()
        self._round: RoundState | None = None
        self._recalled: Round | None = None
        self._l1_block = BlockNumber(0)
        self._read_at: float | None = None
        self._due_at = 0.0
        self._stale = True
        self._reading = asyncio.Lock()
        self._watcher = BlockWatcher(chain, clock, WATCHED, poll_interval_s=poll_interval_s)

    @property
    def stale(self) -> bool:
        """Whether the last attempt to read the chain has failed, or none has been made."""
        return self._stale

    @property
    def age_s(self) -> float | None:
        """Seconds since the chain was read, None if it never was."""
        return None if self._read_at is None else self._clock.monotonic() - self._read_at

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        """The pool as it is known, by falling stake; read here only if it never was.

        :raises ChainError: it never was and cannot be now, and the store has nothing either.
        """
        if self.round is None:
            await self.start()
        round_ = self.round
        assert round_ is not None
        return candidates(self._rows, round_, now=self._clock.time(), window=self._window, stale=self._stale)

    @property
    def round(self) -> Round | None:
        """The round by the newest block seen, initialised or not; so who enters or leaves the pool with it does so
        without another look at the chain. None before anything was read."""
        state = self._round
        if state is None:
            return self._recalled
        return Round(state.current + max(0, self._l1_block - state.start_block) // max(1, state.length_blocks))

    async def start(self) -> None:
        """Read the chain, or the store if the chain does not answer within 3 s. Raises as `orchestrators`."""
        try:
            async with asyncio.timeout(FIRST_READ_S):
                await self.refresh()
        except (ChainError, TimeoutError) as error:
            if self.round is None:
                await self._recall(error)

    async def run(self) -> None:
        """Keep it current until cancelled; what cannot be read is served as it was."""
        while True:
            try:
                await self._watcher.follow(self._note)
                if self._clock.monotonic() >= self._due_at:
                    await self.refresh()
            except (ChainError, StoreError) as error:
                self._stale = True
                _log.warning("pool not read, keeping what is known orchestrators=%d reason=%s", len(self._rows), error)
            await self._clock.sleep(self._poll_interval_s * (1 + JITTER * self._jitter()))

    async def refresh(self) -> None:
        """Read the chain now and store what is there.

        :raises ChainError, StoreError: what was known stays.
        """
        async with self._reading:
            head = await self._chain.head()
            # All of one block, or somebody's window could be of another pool than the one it is in.
            here = self._chain.at(head.block_hash)
            members = await here.orchestrators()
            windows = await here.activations([member.address for member in members])
            round_ = await here.round_state()
            self._l1_block = head.l1_block
            now = self._clock.time()
            self._rows = tuple(
                KnownOrchestrator(
                    member.address,
                    member.service_uri,
                    member.stake,
                    window.activation_round,
                    window.deactivation_round,
                    updated_at=now,
                )
                for member, window in zip(members, windows, strict=True)
            )
            self._round, self._stale = round_, False
            self._read_at = self._clock.monotonic()
            self._due_at = self._read_at + self._refresh_s * (1 + JITTER * self._jitter())
            if self._cache is not None:
                await self._cache.save_orchestrators(self._rows)

    async def _note(self, step: Step) -> None:
        """Whatever changes the pool makes it due; so do blocks that vanish, since it may have been read from them."""
        if isinstance(step, Advance):
            self._l1_block = step.block.l1_block
        if not isinstance(step, Advance) or step.logs:
            self._due_at = 0.0

    async def _recall(self, cause: Exception) -> None:
        """Go by the store. The round is not known then; the latest that anybody was activated in stands for it."""
        rows = [] if self._cache is None else await self._cache.known_orchestrators(Round(0))
        if not rows:
            if isinstance(cause, ChainError):
                raise cause
            raise ChainUnavailable(f"the pool was not read within {FIRST_READ_S:g} s") from cause
        self._rows = tuple(rows)
        self._recalled = Round(max(row.activation_round for row in rows))
        _log.warning("chain not read, going by the store orchestrators=%d reason=%s", len(rows), cause)
