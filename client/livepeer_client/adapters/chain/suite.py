"""Typed reads of the deployed suite: `ports.Chain` over any `Rpc`.

Contracts are found by name through the Controller. What one method returns is of one block: its number is read first
and every call is pinned to it. A node that keeps no older state may have lost that block meanwhile; then the read
starts again at the new head.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.addresses import Addresses as Addresses
from livepeer_client.adapters.chain.addresses import load_addresses as load_addresses
from livepeer_client.adapters.chain.contracts import (
    CONTRACTS as CONTRACTS,
)
from livepeer_client.adapters.chain.contracts import (
    LATEST as LATEST,
)
from livepeer_client.adapters.chain.contracts import (
    LOG_BLOCKS as LOG_BLOCKS,
)
from livepeer_client.adapters.chain.contracts import (
    Read,
    Tag,
    value_of,
)
from livepeer_client.adapters.chain.contracts import (
    named as named,
)
from livepeer_client.adapters.chain.data_costs import data_costs
from livepeer_client.adapters.chain.json_values import block_of, member, quantity, to_hex
from livepeer_client.adapters.chain.pool import PoolReader
from livepeer_client.adapters.chain.price_feed import ChainlinkFeed
from livepeer_client.adapters.chain.rpc import Call, NodeError, NodeTimeout
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainError, ChainUnavailable, Reverted
from livepeer_client.facts import (
    Activation,
    Block,
    DataCost,
    Finality,
    Head,
    Log,
    OrchestratorState,
    RoundState,
    SenderAccount,
    SenderInfo,
    UnbondingLock,
)
from livepeer_client.policy.ranges import LogSpan
from livepeer_client.types import ZERO_ADDRESS, Address, BlockNumber, Hash32, Round, Wei

SAFE_DEPTH: Final = 12
FINALIZED_DEPTH: Final = 64
# Blocks over which the rate of blocks is measured.
_BLOCKS_FOR_RATE: Final = 1000
"""Blocks behind the head, for nodes that do not say what is safe or finalized."""


class Suite(PoolReader):
    """`ports.Chain` and `ports.StakeHints`. Holds no connection of its own; close what `rpc` stands for when done."""

    def price_feed(self, address: Address) -> ChainlinkFeed:
        """A feed on the same chain, asked over the same nodes."""
        return ChainlinkFeed(self._rpc, address)

    # --- ports.Chain

    async def head(self) -> Head:
        calls = [self._block_call(LATEST if self._pin is None else self._pin), ("eth_gasPrice", [])]
        answer, gas_price = (value_of(answer) for answer in await self._rpc.batch(calls))
        block = block_of(answer)
        if block is None or (self._pin is not None and await self.block_at(block.number) != block):
            raise ChainUnavailable("the block is not part of the chain")
        return Head(
            l1_block=block.l1_block,
            block_hash=block.hash,
            timestamp=block.timestamp,
            gas_price=Wei(quantity(gas_price)),
            number=block.number,
            base_fee=Wei(quantity(member(answer, "baseFeePerGas"))),
        )

    async def block_at(self, number: BlockNumber) -> Block | None:
        (answer,) = await self._rpc.batch([self._block_call(hex(number))])
        return block_of(value_of(answer))

    async def past_base_fees(self, head: Head, span_s: float, samples: int) -> list[tuple[int, Wei]]:
        back = min(_BLOCKS_FOR_RATE, head.number)
        earlier = await self.block_at(BlockNumber(head.number - back))
        if samples < 1 or earlier is None or earlier.number == head.number:
            return []
        # Blocks come at some rate: as far back as that, in even steps, and no further than the chain goes.
        block_s = max(head.timestamp - earlier.timestamp, 1) / back
        step = max(1, min(round(span_s / block_s), head.number) // samples)
        heights = range(max(0, head.number - step * samples), head.number, step)
        answers = await self._rpc.batch([self._block_call(hex(height)) for height in heights])
        blocks = [(block_of(answer), answer) for answer in answers if not isinstance(answer, ChainError)]
        return [
            (block.timestamp, Wei(quantity(member(answer, "baseFeePerGas"))))
            for block, answer in blocks
            if block is not None and block.timestamp >= head.timestamp - span_s
        ]

    async def data_costs(self, calls: Sequence[Read]) -> list[DataCost]:
        return await data_costs(self._rpc, calls, self._tag)

    async def finality(self) -> Finality:
        answers = await self._rpc.batch([self._block_call(tag) for tag in (LATEST, "safe", "finalized")])
        head = block_of(value_of(answers[0]))
        if head is None:
            raise ChainUnavailable("the node has no block")
        # A node of a chain without these tags refuses them or answers null.
        safe, finalized = (
            None if isinstance(answer, NodeError) else block_of(value_of(answer)) for answer in answers[1:]
        )
        if safe is not None and finalized is not None:
            return Finality(safe, finalized, by_depth=False)
        depths = [BlockNumber(max(0, head.number - depth)) for depth in (SAFE_DEPTH, FINALIZED_DEPTH)]
        found = [
            block_of(value_of(each)) for each in await self._rpc.batch([self._block_call(hex(at)) for at in depths])
        ]
        if found[0] is None or found[1] is None:
            raise ChainUnavailable(f"the node lacks block {depths[0]} or {depths[1]}")
        return Finality(found[0], found[1], by_depth=True)

    @staticmethod
    def _block_call(block: str | Hash32) -> Call:
        if isinstance(block, str):
            return "eth_getBlockByNumber", [block, False]
        return "eth_getBlockByHash", [to_hex(block), False]

    async def height(self) -> BlockNumber:
        """The chain's own height, which `logs` counts in; on a rollup not the L1 number."""
        return BlockNumber(quantity(await self._rpc.call("eth_blockNumber")))

    async def round_state(self) -> RoundState:
        (last,) = await self.call("RoundsManager", "lastInitializedRound")

        async def at(block: Tag) -> RoundState:
            nonlocal last
            while True:
                results = await self._read(
                    [
                        ("RoundsManager", "currentRound", []),
                        ("RoundsManager", "lastInitializedRound", []),
                        ("RoundsManager", "blockHashForRound", [last]),
                        ("RoundsManager", "currentRoundStartBlock", []),
                        ("RoundsManager", "roundLength", []),
                        ("RoundsManager", "currentRoundLocked", []),
                    ],
                    block,
                )
                current, initialized, block_hash, start, length, locked = (value_of(result)[0] for result in results)
                if initialized == last:
                    return RoundState(
                        current=Round(current),
                        last_initialized=Round(last),
                        last_initialized_block_hash=Hash32(block_hash),
                        start_block=BlockNumber(start),
                        length_blocks=length,
                        locked=locked,
                    )
                # A round was opened since `last` was read: the hash above belongs to the one before.
                last = initialized

        return await self._pinned(at)

    async def block_hash_for_round(self, round_: Round) -> Hash32:
        (block_hash,) = await self.call("RoundsManager", "blockHashForRound", [round_])
        return Hash32(block_hash)

    async def ticket_validity_period(self) -> int:
        (rounds,) = await self.call("TicketBroker", "ticketValidityPeriod")
        return int(rounds)

    async def sender_info(self, sender: Address) -> SenderInfo:
        return _sender_info(*await self.call("TicketBroker", "getSenderInfo", [sender]))

    async def claimable_reserve(self, holder: Address, claimant: Address) -> Wei:
        (amount,) = await self.call("TicketBroker", "claimableReserve", [holder, claimant])
        return Wei(amount)

    async def redeems_compactly(self) -> bool:
        nobody: Read = (
            "TicketBroker",
            "redeemWinningTicketsCompact",
            [ZERO_ADDRESS, ZERO_ADDRESS, 0, 0, 0, []],
        )
        (answer,) = await self._read([nobody], self._tag)
        # The function refuses it by name; a contract without the function refuses without a reason.
        return isinstance(answer, Reverted) and bool(answer.reason)

    async def used_tickets(self, hashes: Sequence[Hash32]) -> list[bool]:
        if not hashes:
            return []
        results = await self.read([("TicketBroker", "usedTickets", [ticket]) for ticket in hashes])
        return [used for (used,) in results]

    async def orchestrators(self) -> list[RegisteredOrchestrator]:
        return await self._pinned(self._orchestrators_at)

    async def _orchestrators_at(self, block: Tag) -> list[RegisteredOrchestrator]:
        pool = await self._walk_pool(block)
        reads: list[Read] = []
        for address in pool:
            reads += [
                ("ServiceRegistry", "getServiceURI", [address]),
                ("BondingManager", "transcoderTotalStake", [address]),
                ("BondingManager", "isActiveTranscoder", [address]),
            ]
        results = await self._read(reads, block) if reads else []
        found = []
        for position, address in enumerate(pool):
            uri, stake, active = results[3 * position : 3 * position + 3]
            if not any(isinstance(value, ChainError) for value in (uri, stake, active)):
                found.append(RegisteredOrchestrator(address, service_uri=uri[0], stake=stake[0], active=active[0]))
        return found

    async def orchestrator_state(self, address: Address) -> OrchestratorState:
        (active,), (registered,), transcoder, (stake,), (fees,) = await self.read(
            [
                ("BondingManager", "isActiveTranscoder", [address]),
                ("BondingManager", "isRegisteredTranscoder", [address]),
                ("BondingManager", "getTranscoder", [address]),
                # The round argument is ignored by the contract: both are of the current round (onchain 10.5).
                ("BondingManager", "pendingStake", [address, 0]),
                ("BondingManager", "pendingFees", [address, 0]),
            ]
        )
        return OrchestratorState(
            active=active,
            registered=registered,
            last_reward_round=Round(transcoder[0]),
            stake=stake,
            pending_fees=Wei(fees),
        )

    async def sender_accounts(self, senders: Sequence[Address], claimant: Address) -> list[SenderAccount]:
        reads: list[Read] = []
        for sender in senders:
            reads += [
                ("TicketBroker", "getSenderInfo", [sender]),
                ("TicketBroker", "claimedReserve", [sender, claimant]),
            ]
        results = await self.read(reads) if reads else []
        return [
            SenderAccount(_sender_info(*info), Wei(claimed))
            for info, (claimed,) in zip(results[::2], results[1::2], strict=True)
        ]

    async def activations(self, orchestrators: Sequence[Address]) -> list[Activation]:
        results = await self._of_each("BondingManager", "getTranscoder", orchestrators)
        return [Activation(Round(values[4]), Round(values[5])) for values in results]

    async def service_uris(self, orchestrators: Sequence[Address]) -> list[str]:
        return [uri for (uri,) in await self._of_each("ServiceRegistry", "getServiceURI", orchestrators)]

    async def _of_each(self, contract: str, function: str, addresses: Sequence[Address]) -> list[tuple[Any, ...]]:
        return await self.read([(contract, function, [address]) for address in addresses]) if addresses else []

    async def unbonding_locks(self, delegator: Address) -> dict[int, UnbondingLock]:
        async def at(block: Tag) -> dict[int, UnbondingLock]:
            step: Read = ("BondingManager", "getDelegator", [delegator])
            count = value_of((await self._read([step], block))[0])[6]
            reads: list[Read] = [
                ("BondingManager", "getDelegatorUnbondingLock", [delegator, number]) for number in range(count)
            ]
            locks = [value_of(result) for result in await self._read(reads, block)] if reads else []
            # A lock that was used or never made has no withdraw round.
            return {
                number: UnbondingLock(amount, Round(withdraw_round))
                for number, (amount, withdraw_round) in enumerate(locks)
                if withdraw_round
            }

        return await self._pinned(at)

    async def pool_size(self) -> int:
        (size,) = await self.call("BondingManager", "getTranscoderPoolSize")
        return int(size)

    # --- blocks and logs

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> list[Block]:
        calls = [self._block_call(hex(number)) for number in range(first, last + 1)]
        found = [block_of(value_of(answer)) for answer in (await self._rpc.batch(calls) if calls else [])]
        return [block for block in found if block is not None]

    async def logs(self, contract: str, event: str, from_block: BlockNumber, to_block: BlockNumber) -> list[Log]:
        return await self.logs_of({contract: [event]}, from_block, to_block)

    async def logs_of(
        self, wanted: Mapping[str, Collection[str]], from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        pairs = {(contract, event) for contract, events in wanted.items() for event in events}
        query = {
            "address": sorted({to_hex(await self.address(contract)) for contract in wanted}),
            "topics": [sorted({to_hex(load_abi(contract).event(event).topic) for contract, event in pairs})],
        }
        found: list[Log] = []
        async for entries in self._log_entries(query, from_block, to_block):
            # Two contracts may share an event of which only one was asked for.
            found += [log for log in await self.decode_logs(entries) if (log.contract, log.name) in pairs]
        return found

    async def _log_entries(
        self, query: Mapping[str, object], from_block: BlockNumber, to_block: BlockNumber, span: LogSpan | None = None
    ) -> AsyncIterator[Sequence[Any]]:
        """A node's log objects for a query, range by range, as wide as `span` says."""
        start, span = int(from_block), self._span if span is None else span
        while start <= to_block:
            end = min(start + span.blocks - 1, int(to_block))
            try:
                answer = await self._rpc.call("eth_getLogs", [{**query, "fromBlock": hex(start), "toBlock": hex(end)}])
            except (NodeError, NodeTimeout):
                # Nodes bound the answer, each in its own words or by not answering in time: ask for less until a
                # single block is refused.
                if not span.refused(end - start + 1):
                    raise
                continue
            span.answered()
            yield answer
            start = end + 1


def _sender_info(sender: tuple[int, int], reserve: tuple[int, int]) -> SenderInfo:
    (deposit, withdraw_round), (funds, claimed) = sender, reserve
    return SenderInfo(Wei(deposit), Round(withdraw_round), Wei(funds), Wei(claimed))
