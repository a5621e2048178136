"""Follow the chain block by block: in order, with every block's parent checked, and back to the common ancestor when
some vanish (offchain-payments 13).
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from livepeer_client.errors import ChainError, InvalidInput
from livepeer_client.facts import Block, BlockCursor, BlockRef, Log
from livepeer_client.ports import BlockCursors, Chain, Clock
from livepeer_client.types import BlockNumber

logger = logging.getLogger(__name__)

DEPTH: Final = 128
"""Blocks remembered, and so the deepest reorg that is rolled back instead of starting anew."""
_RESTARTS: Final = 8


@dataclass(frozen=True, slots=True)
class Advance:
    """The chain has grown up to `block`; `logs` are those since the step before, in chain order. Blocks at or below
    `settled`, by height, will not be rolled back by this watcher."""

    block: Block
    logs: tuple[Log, ...]
    settled: BlockNumber


@dataclass(frozen=True, slots=True)
class RollBack:
    """All blocks above `to` have vanished."""

    to: BlockRef


@dataclass(frozen=True, slots=True)
class StartAnew:
    """What was told before does not lead to `block`: nothing was, or a reorg was deeper than is remembered. Read the
    state after `block`."""

    block: Block


Step = Advance | RollBack | StartAnew
Handler = Callable[[Step], Awaitable[None]]


class BlockWatcher:
    """Tells a handler what happens on the chain, one step after the other.

    A step counts as told once the handler has returned; only then is the cursor saved, so that after a crash it is
    told again and none is left out.

    :param wanted: events by contract.
    :param cursors: where the position is kept under `name`; without it the watcher starts at the head.
    :param start: the block after which to begin if there is no cursor yet; None begins at the head, with `StartAnew`.
    :param range_blocks: how many blocks one step may cover.
    """

    def __init__(
        self,
        chain: Chain,
        clock: Clock,
        wanted: Mapping[str, Collection[str]],
        *,
        name: str = "",
        cursors: BlockCursors | None = None,
        start: BlockNumber | None = None,
        poll_interval_s: float = 5.0,
        depth: int = DEPTH,
        range_blocks: int = 1000,
    ) -> None:
        if depth < 1 or range_blocks < 1 or (cursors is not None and not name):
            raise InvalidInput("a watcher remembers and asks for at least one block, and needs a name for its cursor")
        self._chain = chain
        self._clock = clock
        self._wanted = wanted
        self._name = name
        self._cursors = cursors
        self._start = start
        self._poll_interval_s = poll_interval_s
        self._depth = depth
        self._range_blocks = range_blocks
        # Newest last.
        self._recent: list[BlockRef] = []
        self._loaded = False

    @property
    def tip(self) -> BlockRef | None:
        """The last block that was told."""
        return self._recent[-1] if self._recent else None

    async def run(self, handler: Handler) -> None:
        """Follow until cancelled. Trouble with the chain is logged and tried again."""
        while True:
            try:
                await self.follow(handler)
            except ChainError as error:
                logger.warning("watching blocks: %s", error)
            await self._clock.sleep(self._poll_interval_s)

    async def follow(self, handler: Handler) -> None:
        """Tell everything up to the present head.

        :raises ChainUnavailable: what was told stays told.
        """
        if not self._loaded:
            await self._load(handler)
        # While blocks vanish as fast as they are read, give others a turn.
        for _ in range(_RESTARTS):
            await self._return(handler)
            if await self._advance(handler):
                return

    async def _load(self, handler: Handler) -> None:
        cursor = None if self._cursors is None else await self._cursors.cursor(self._name)
        if cursor is not None:
            self._recent = [*cursor.recent, cursor.block]
        elif self._start is not None:
            block = await self._chain.block_at(self._start)
            if block is not None:
                self._recent = [_ref(block)]
        if not self._recent:
            await self._start_anew(handler)
        self._loaded = True

    async def _start_anew(self, handler: Handler) -> None:
        head = await self._chain.head()
        block = await self._chain.block_at(head.number)
        if block is None:
            # It has vanished within the moment; the next round finds another.
            return
        await handler(StartAnew(block))
        await self._note([_ref(block)])

    async def _return(self, handler: Handler) -> None:
        """If the last block told is not part of the chain any more, go back to the newest one that is."""
        if not self._recent:
            await self._start_anew(handler)
            return
        tip = self._recent[-1]
        found = await self._chain.block_at(BlockNumber(tip.number))
        if found is not None and found.hash == tip.hash:
            return
        lowest = BlockNumber(self._recent[0].number)
        present = {block.number: block.hash for block in await self._chain.blocks(lowest, BlockNumber(tip.number))}
        kept = [ref for ref in self._recent if present.get(BlockNumber(ref.number)) == ref.hash]
        if not kept:
            logger.warning("a reorg below block %d, deeper than is remembered: reading anew", lowest)
            self._recent = []
            await self._start_anew(handler)
            return
        logger.info("blocks %d to %d have vanished", kept[-1].number + 1, tip.number)
        await handler(RollBack(kept[-1]))
        await self._note(kept)

    async def _advance(self, handler: Handler) -> bool:
        """Tell new blocks. False if one was not of the chain that the last told block is on."""
        if not self._recent:
            return False
        head = await self._chain.head()
        while self._recent[-1].number < head.number:
            tip = self._recent[-1]
            # Far below the head only the last block of a range is looked at; near it, every single one.
            near = max(tip.number, head.number - self._depth)
            last = min(near if near > tip.number else head.number, tip.number + self._range_blocks)
            found = await self._read(tip, BlockNumber(last), each=near == tip.number)
            if found is None:
                return False
            blocks, logs = found
            settled = BlockNumber(max(0, blocks[-1].number - self._depth))
            await handler(Advance(blocks[-1], tuple(logs), settled))
            await self._note([*self._recent, *map(_ref, blocks)])
        return True

    async def _read(
        self, tip: BlockRef, last: BlockNumber, *, each: bool
    ) -> tuple[Sequence[Block], Sequence[Log]] | None:
        """Blocks and logs after `tip`, up to `last`; None if they do not fit together, because blocks vanished."""
        first = BlockNumber(tip.number + 1)
        if each:
            blocks = await self._chain.blocks(first, last)
        else:
            block = await self._chain.block_at(last)
            blocks = [] if block is None else [block]
        if not blocks or blocks[-1].number != last:
            return None
        if each and not _linked(tip, blocks):
            return None
        logs = await self._chain.logs_of(self._wanted, first, last)
        known = {block.number: block.hash for block in blocks}
        if any(known.get(log.block, log.block_hash) != log.block_hash for log in logs):
            return None
        # The logs are of this chain if it was the same before and after they were read, back to the block they follow.
        after = await self._chain.block_at(last)
        if after is None or after.hash != blocks[-1].hash:
            return None
        if not each:
            before = await self._chain.block_at(BlockNumber(tip.number))
            if before is None or before.hash != tip.hash:
                return None
        return blocks, sorted(logs, key=lambda log: (log.block, log.index))

    async def _note(self, recent: Sequence[BlockRef]) -> None:
        # Handlers can go back as far as they were told, no further.
        lowest = recent[-1].number - self._depth
        self._recent = [ref for ref in recent if ref.number >= lowest]
        if self._cursors is not None:
            await self._cursors.save_cursor(BlockCursor(self._name, self._recent[-1], tuple(self._recent[:-1])))


def _ref(block: Block) -> BlockRef:
    return BlockRef(block.number, block.hash)


def _linked(tip: BlockRef, blocks: Sequence[Block]) -> bool:
    """Whether each block's parent is the one before, `tip` for the first."""
    parents = [tip.hash, *(block.hash for block in blocks)]
    return all(block.parent_hash == parent for block, parent in zip(blocks, parents, strict=False))
