"""The story the demo tells, chapter by chapter. Everything it does goes through the client library and the nodes."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.media import FileVideo, GeneratedVideo
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.config import load_gateway
from livepeer_client.facts import GatewayTotals, OrchestratorTotals, StoredTicket
from livepeer_client.nodes.gateway import Gateway
from livepeer_client.policy.selection import Verdict
from livepeer_client.services.dispatch import Chosen, Event, SegmentSent, Swapped
from livepeer_client.types import Address, BlockNumber
from scripts._demo import cast, operators
from scripts._demo.local_chain import CHAIN_ID, LocalChain, local_chain
from scripts._demo.operators import Orchestrator
from scripts._demo.reconcile import OPEN_STATES, ChainFigures, Missing, Row, compare, shown
from scripts._demo.screen import Screen, StreamProgress, eth

Segments = AsyncIterator[tuple[int, bytes, int]]
"""(number, MPEG-TS, duration in ms)"""
_REDEMPTION_TIMEOUT_S: Final = 180.0
_ROUND_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Script:
    """What to show: `segments` of generated video, or the user's file."""

    segments: int
    video: Path | None
    folder: Path

    async def source(self) -> tuple[int, Segments]:
        """How many segments there are, and the segments with their numbers and durations in ms."""
        if self.video is None:
            generated = GeneratedVideo(640, 360, cast.PROFILES[0].fps, cast.SEGMENT_S, self.segments, seed=1)
            return self.segments, generated.segments()
        # A file's keyframes decide how many there are, so it is cut first; a long one is shown in part.
        cut: list[tuple[int, bytes, int]] = []
        async with contextlib.aclosing(FileVideo(self.video, cast.SEGMENT_S).segments()) as pieces:
            async for _, data, duration_ms in pieces:
                cut.append((len(cut), data, duration_ms))
                if len(cut) == self.segments:
                    break
        return len(cut), _replay(cut)


async def _replay(segments: Sequence[tuple[int, bytes, int]]) -> Segments:
    for segment in segments:
        yield segment


@dataclass
class Stage:
    """Everything that is alive while the story runs."""

    screen: Screen
    chain: LocalChain
    suite: Suite
    orchestrators: list[Orchestrator]
    delegator: Transactor
    gateway_wallet: Transactor
    first_block: BlockNumber
    killed: str = ""
    swaps: list[Swapped] = field(default_factory=list)

    def name_of(self, address: bytes) -> str:
        names = {orchestrator.address: orchestrator.name for orchestrator in self.orchestrators}
        return names.get(Address(address), "0x" + address.hex())

    def by_address(self, address: bytes) -> Orchestrator:
        (found,) = (orchestrator for orchestrator in self.orchestrators if orchestrator.address == address)
        return found

    async def approach_round_end(self, blocks: int) -> None:
        """Mine until a round boundary is so near: the stream meets it soon, and its tickets then have a whole round."""
        state, head = await self.suite.round_state(), await self.suite.head()
        left = state.start_block + state.length_blocks - head.l1_block
        if left > blocks:
            await self.chain.mine(left - blocks)

    async def next_round(self) -> int:
        """Run the clock until the nodes have opened another round. Returns it."""
        before = (await self.suite.round_state()).last_initialized
        self.chain.set_beat(cast.FAST_BEAT_BLOCKS_PER_S)
        async with asyncio.timeout(_ROUND_TIMEOUT_S):
            while True:
                now = (await self.suite.round_state()).last_initialized
                if now > before:
                    break
                await asyncio.sleep(0.1)
        self.chain.set_beat(cast.BEAT_BLOCKS_PER_S)
        return now


async def tell(script: Script, screen: Screen) -> list[Row]:
    """Run the whole story. Returns the reconciliation."""
    # First of all, so that a video that cannot be read is refused before anything starts.
    total, segments = await script.source()
    addresses = script.folder / "addresses.json"
    async with contextlib.AsyncExitStack() as stack:
        screen.step("A chain of our own, and the contracts on it")
        chain = await stack.enter_async_context(local_chain(script.folder))
        with screen.working("compiling and deploying the contracts"):
            await operators.deploy(chain, addresses, script.folder / "deploy.log")
        suite = Suite(chain.rpc, load_addresses(addresses))
        screen.say(f"Vyper suite deployed by [b]ape run deploy[/] on {chain.url} (chain {CHAIN_ID})")
        show_contracts(screen, suite)

        screen.step("Four orchestrators and a delegator take their places")
        stage = set_up(script, screen, chain, suite)
        supply = await token_figures(suite)
        for orchestrator in stage.orchestrators:
            stack.push_async_callback(orchestrator.stop_node)
        with screen.working("bonding, registering, starting the nodes, waiting for the next round"):
            round_ = await take_places(stage, addresses)
        await show_places(stage, round_)

        screen.step("A gateway puts down money and looks for work done")
        settings = operators.gateway_settings(script.folder / "gateway", chain, addresses)
        gateway = await stack.enter_async_context(Gateway.open(load_gateway(settings)))
        await gateway.fund(cast.GATEWAY_DEPOSIT, cast.GATEWAY_RESERVE)
        screen.say(
            f"deposit {eth(cast.GATEWAY_DEPOSIT)} ETH, reserve {eth(cast.GATEWAY_RESERVE)} ETH with the TicketBroker"
        )
        await show_discovery(stage, gateway)
        await stage.approach_round_end(min(cast.BLOCKS_BEFORE_BOUNDARY, total))

        screen.step("A video is streamed, each segment paid with signed lottery tickets")
        await stream(stage, gateway, total, segments)

        screen.step("Winners wait for their parameters to expire, then are redeemed in batches")
        with screen.working("waiting for the parameters to expire and the last winner to be redeemed"):
            stores = await redeem_all(stage)
        show_batches(stage, stores)

        screen.step("Everybody takes out what is theirs")
        payouts = await cash_in(stage)
        gain = await leave(stage, gateway)

        screen.step("Reconciliation: every figure from two independent sources")
        # Nobody acts any more, so that all figures are of one moment.
        for orchestrator in stage.orchestrators:
            await orchestrator.stop_node()
        chain.set_beat(0)
        books = dict(await gateway.totals())
        figures = await chain_figures(stage, payouts, gain, supply)
        return compare(books, missing(books, stores.totals), stores.totals, stores.batches, figures)


# --- chapters -------------------------------------------------------------------------------------


def show_contracts(screen: Screen, suite: Suite) -> None:
    rows = [(name, "0x" + suite.address_of(name).hex()) for name in suite.names]
    screen.table(("contract", "address (proxies where upgradeable)"), rows)


def set_up(script: Script, screen: Screen, chain: LocalChain, suite: Suite) -> Stage:
    cast_members = [
        Orchestrator(role, script.folder / role.account.name.lower(), Transactor(suite, role.account.key))
        for role in cast.ORCHESTRATORS
    ]
    return Stage(
        screen=screen,
        chain=chain,
        suite=suite,
        orchestrators=cast_members,
        delegator=Transactor(suite, cast.DELEGATOR.key),
        gateway_wallet=Transactor(suite, cast.GATEWAY.key),
        first_block=suite.addresses.block,
    )


async def take_places(stage: Stage, addresses: Path) -> int:
    async with asyncio.TaskGroup() as group:
        for orchestrator in stage.orchestrators:
            group.create_task(orchestrator.register(stage.suite))
    first = stage.orchestrators[0]
    await operators.bond(stage.delegator, stage.suite, cast.DELEGATION, first.address)
    for orchestrator in stage.orchestrators:
        orchestrator.configure(stage.chain, addresses)
    async with asyncio.TaskGroup() as group:
        for orchestrator in stage.orchestrators:
            group.create_task(orchestrator.start_node())
    # Stake counts from the round after it was bonded.
    return await stage.next_round()


async def show_places(stage: Stage, round_: int) -> None:
    first = stage.orchestrators[0]
    pool = {member.address: member for member in await stage.suite.orchestrators()}
    rows = []
    for orchestrator in stage.orchestrators:
        member, role = pool[orchestrator.address], orchestrator.role
        assert orchestrator.node is not None
        rows.append(
            (
                orchestrator.name,
                role.remark,
                f"{member.stake // cast.LPT:,} LPT",
                f"{float(role.price):,.0f} wei",
                f"{role.latency_ms} ms",
                member.service_uri,
                str(orchestrator.node.process.pid),
            )
        )
    stage.screen.table(
        (
            "orchestrator",
            "remark",
            "stake behind it",
            "base price per pixel",
            "delay",
            "service URI (ServiceRegistry)",
            "process",
        ),
        rows,
        right=(2, 3, 4, 6),
    )
    stage.screen.say(
        f"a delegator stands behind {first.name} with {cast.DELEGATION // cast.LPT} LPT;"
        f" round {round_} was opened by one of the nodes, and all four are active in it"
    )


async def show_discovery(stage: Stage, gateway: Gateway) -> None:
    report, selection = await gateway.discover(cast.PROFILES)
    rows = [
        (
            stage.name_of(candidate.address),
            f"{float(candidate.price):,.0f} wei" if candidate.price is not None else "-",
            f"{candidate.latency_s * 1000:.0f} ms" if candidate.latency_s is not None else "-",
            *(
                ("-", "[red]refused[/]", candidate.reason)
                if candidate.verdict is Verdict.REJECTED
                else (f"{candidate.probability or 0:.0%}", "[green]fits[/]", "takes part in the draw, by stake")
            ),
        )
        for candidate in selection.candidates
    ]
    stage.screen.table(
        ("orchestrator", "price per pixel", "latency", "chance", "verdict", "why"), rows, right=(1, 2, 3)
    )
    stage.screen.note(
        f"found on chain and asked over gRPC in {report.took_s:.2f} s; job: {len(cast.PROFILES)} renditions, ceiling"
        f" {float(cast.PRICE_CEILING):,.0f} wei per pixel; prices include 1 % for the cost of redeeming tickets"
    )


async def stream(stage: Stage, gateway: Gateway, total: int, segments: Segments) -> None:
    """Stream the video; kill whoever serves in the middle of a segment, and restart it later."""
    kill_at, restart_at = total // 3, total // 2
    killer: asyncio.Task[None] | None = None
    served: Counter[str] = Counter()
    rounds_before = (await stage.suite.round_state()).last_initialized
    with stage.screen.progress("streaming", total) as progress:

        def watch(event: Event) -> None:
            nonlocal killer
            match event:
                case Chosen() if event.orchestrator is not None:
                    (why,) = (line.reason for line in event.candidates if line.address == event.orchestrator)
                    progress.say(f"chosen for segment {event.seq}: [b]{stage.name_of(event.orchestrator)}[/] ({why})")
                case SegmentSent() if event.seq == kill_at and killer is None:
                    victim = stage.by_address(event.orchestrator)
                    killer = asyncio.create_task(kill(stage, victim, event.seq, progress))
                case Swapped():
                    stage.swaps.append(event)
                    cause = type(event.cause).__name__
                    progress.say(
                        f"[yellow]swap[/] at segment {event.seq}: {stage.name_of(event.orchestrator)} failed ({cause}),"
                        " the same segment goes to the next orchestrator"
                    )
                case _:
                    pass

        sent = 0
        session = gateway.stream(cast.PROFILES, observer=watch)
        async for seq, segment, duration_ms in segments:
            result = await session.submit(seq, segment, duration_ms)
            sent += 1
            served[stage.name_of(result.orchestrator)] += 1
            progress.advance(
                f"segment {seq}: {stage.name_of(result.orchestrator)}, {result.tickets} tickets,"
                f" {result.pixels:,} pixels, {result.latency_s:.2f} s"
            )
            if seq == restart_at and stage.killed:
                victim = next(one for one in stage.orchestrators if one.name == stage.killed)
                await victim.start_node()
                progress.say(f"[yellow]restart[/] of {victim.name} on its store")
        if killer is not None:
            await killer
    rounds_after = (await stage.suite.round_state()).last_initialized
    stage.screen.say(
        f"{sent} segments in, {sent} back, each with {len(cast.PROFILES)} renditions decoded and checked;"
        f" served by {', '.join(f'{name} ({count})' for name, count in served.items())}"
    )
    stage.screen.say(f"meanwhile the chain went from round {rounds_before} to round {rounds_after}")


async def kill(stage: Stage, victim: Orchestrator, seq: int, progress: StreamProgress) -> None:
    # The payment is in, the work has begun, the answer has not left: the delay of the node is longer than this.
    await asyncio.sleep(victim.role.latency_ms / 2000)
    assert victim.node is not None
    progress.say(
        f"[yellow]SIGKILL[/] of {victim.name} (process {victim.node.process.pid}) in the middle of segment {seq}"
    )
    stage.killed = victim.name
    await victim.node.kill()


@dataclass(frozen=True)
class Stores:
    """What the orchestrators' stores say: totals by orchestrator, and winners by the transaction that redeemed them."""

    totals: dict[bytes, OrchestratorTotals]
    batches: dict[bytes, Sequence[StoredTicket]]


async def redeem_all(stage: Stage) -> Stores:
    """Wait until no winner is open, then stop the nodes that served and read their stores from disk."""
    validity = await stage.suite.ticket_validity_period()
    async with asyncio.timeout(_REDEMPTION_TIMEOUT_S):
        while open_ := [ticket for each in stage.orchestrators for ticket in await open_winners(each)]:
            state = await stage.suite.round_state()
            expires = min(ticket.winner.ticket.creation_round for ticket in open_) + validity
            left = (
                state.start_block + (expires - state.current) * state.length_blocks - await stage.chain.block_number()
            )
            # On a busy machine the chain must not run away from those who redeem in time.
            near_the_end = left < cast.REDEMPTION_MARGIN_BLOCKS
            stage.chain.set_beat(cast.CALM_BEAT_BLOCKS_PER_S if near_the_end else cast.BRISK_BEAT_BLOCKS_PER_S)
            await asyncio.sleep(0.5)
    totals: dict[bytes, OrchestratorTotals] = {}
    batches: dict[bytes, Sequence[StoredTicket]] = {}
    for orchestrator in stage.orchestrators:
        # The last one goes on opening rounds; it has served nobody and its store does not change any more.
        if orchestrator is not stage.orchestrators[-1]:
            await orchestrator.stop_node()
        async with await SqliteTicketStore.open(orchestrator.store, read_only=True) as store:
            totals[orchestrator.address] = await store.totals()
            batches.update(group_by_transaction(await store.tickets()))
    return Stores(totals, batches)


def show_batches(stage: Stage, stores: Stores) -> None:
    rows = []
    for tx_hash, group in stores.batches.items():
        name = stage.name_of(group[0].winner.ticket.recipient)
        rounds = sorted({ticket.winner.ticket.creation_round for ticket in group})
        rows.append(
            (
                name + (" (restarted)" if name == stage.killed else ""),
                "0x" + tx_hash.hex()[:16] + "…",
                str(len(group)),
                ", ".join(str(round_) for round_ in rounds),
                eth(sum(ticket.paid for ticket in group)),
                ", ".join(sorted({ticket.state.value for ticket in group})),
            )
        )
    stage.screen.table(
        ("orchestrator", "batch", "tickets", "of round", "ETH", "outcome by event"), rows, right=(2, 3, 4)
    )


async def open_winners(orchestrator: Orchestrator) -> list[StoredTicket]:
    async with await SqliteTicketStore.open(orchestrator.store, read_only=True) as store:
        return list(await store.tickets(*OPEN_STATES))


def group_by_transaction(tickets: Sequence[StoredTicket]) -> dict[bytes, list[StoredTicket]]:
    groups: dict[bytes, list[StoredTicket]] = {}
    for ticket in tickets:
        if ticket.tx_hash is not None:
            groups.setdefault(ticket.tx_hash, []).append(ticket)
    return groups


async def cash_in(stage: Stage) -> dict[str, Address]:
    """Fees go to addresses that never held anything, so that their balances are the proof."""
    payouts: dict[str, Address] = {}
    rows = []
    # The last one's node still runs and sends from its key; it has served nobody and has no fees.
    wallets = [(one.name, one.wallet) for one in stage.orchestrators[:-1]] + [("the delegator", stage.delegator)]
    for name, wallet in wallets:
        payouts[name] = Address(secrets.token_bytes(20))
        fees = await operators.claim_and_withdraw(wallet, stage.suite, payouts[name])
        info = await stage.suite.call("BondingManager", "getDelegator", [wallet.address])
        rows.append((name, eth(fees), eth(info[0])))
    stage.screen.table(("who", "fees withdrawn, ETH", "own stake incl. rewards, LPT"), rows, right=(1, 2))
    stage.screen.note(f"{stage.orchestrators[-1].name} has no fees; that node keeps opening rounds until the end")
    return payouts


async def leave(stage: Stage, gateway: Gateway) -> int:
    """The gateway unlocks, waits out the unlock period and withdraws. Returns its gain by the withdrawal, gas added."""
    await gateway.unlock()
    # A round that nobody has opened yet counts already, so the contract says which one to wait for.
    withdraw_round = (await stage.suite.sender_info(cast.GATEWAY.address)).withdraw_round
    while (await stage.suite.round_state()).last_initialized < withdraw_round:
        await stage.next_round()
    before = await stage.chain.balance(cast.GATEWAY.address)
    receipt = await gateway.withdraw()
    after = await stage.chain.balance(cast.GATEWAY.address)
    gain = after - before + receipt.gas_used * receipt.effective_gas_price
    stage.screen.say(f"the gateway unlocked, waited {cast.UNLOCK_PERIOD_ROUNDS} round and withdrew {eth(gain)} ETH")
    return gain


# --- figures --------------------------------------------------------------------------------------


async def token_figures(suite: Suite) -> tuple[int, int]:
    """LPT supply, and what of it the Minter holds. Wei."""
    (supply,) = await suite.call("LivepeerToken", "totalSupply", [])
    (held,) = await suite.call("LivepeerToken", "balanceOf", [suite.address_of("Minter")])
    return supply, held


def missing(books: dict[Address, GatewayTotals], stores: dict[bytes, OrchestratorTotals]) -> list[Missing]:
    """What the gateway sent and no store ever saw. Only payments that were never answered may be missing."""
    found = []
    for address, book in books.items():
        store = stores[address]
        payments = book.payments - store.payments
        if 0 < payments <= book.payments - book.segments:
            tickets = book.tickets_sent - store.tickets_received
            found.append(Missing(payments, tickets, book.expected_value_sent - store.expected_value_credited))
    return found


async def chain_figures(
    stage: Stage, payouts: dict[str, Address], gain: int, supply_before: tuple[int, int]
) -> ChainFigures:
    suite, head = stage.suite, await stage.suite.head()

    async def logs(contract: str, event: str) -> list:  # type: ignore[type-arg]
        return await suite.logs(contract, event, stage.first_block, head.l1_block)

    redeemed = await logs("TicketBroker", "WinningTicketRedeemed")
    found = await operators.receipts(stage.gateway_wallet, sorted({bytes(log.tx_hash) for log in redeemed}))
    supply_after = await token_figures(suite)
    return ChainFigures(
        redeemed=redeemed,
        transfers=await logs("TicketBroker", "WinningTicketTransfer"),
        fees_withdrawn=await logs("BondingManager", "WithdrawFees"),
        gateway_withdrawals=await logs("TicketBroker", "Withdrawal"),
        rewards=await logs("BondingManager", "Reward"),
        treasury_rewards=await logs("BondingManager", "TreasuryReward"),
        bonds=await logs("BondingManager", "Bond"),
        deposits_funded=sum(log.args["amount"] for log in await logs("TicketBroker", "DepositFunded")),
        reserves_funded=sum(log.args["amount"] for log in await logs("TicketBroker", "ReserveFunded")),
        payout_balances=sum([await stage.chain.balance(address) for address in payouts.values()]),
        gateway_gain_by_withdrawal=gain,
        minter_eth_balance=await stage.chain.balance(suite.address_of("Minter")),
        supply_before=supply_before[0],
        supply_after=supply_after[0],
        stake_before=supply_before[1],
        stake_after=supply_after[1],
        gas_by_transaction={tx_hash: receipt.gas_used for tx_hash, receipt in found.items()},
    )


def show_reconciliation(screen: Screen, rows: Sequence[Row]) -> bool:
    """Print the table. True if every row agrees."""
    screen.table(
        ("figure", "one source", "says", "another", "says", ""),
        [
            (
                row.what,
                row.left[0],
                shown(row, row.left[1]),
                row.right[0],
                shown(row, row.right[1]),
                "[green]agrees[/]" if row.agrees else "[bold red]DIFFERS[/]",
            )
            for row in rows
        ],
        right=(2, 4),
    )
    return all(row.agrees for row in rows)
