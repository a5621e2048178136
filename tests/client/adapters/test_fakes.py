"""The fakes that have no real twin under the same contract test: clock, chain, transactor, peers, media."""

import asyncio
from fractions import Fraction

import pytest

from livepeer_client import ports
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import (
    FakeCall,
    FakeChain,
    FakeOrchestratorProbe,
    FakeProbe,
    FakeSegments,
    FakeTransactor,
    FakeTranscoder,
    FakeTransport,
    ManualClock,
    MemoryGatewayBooks,
    MemoryTicketStore,
)
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, SegmentCredentials, VideoProfile
from livepeer_client.errors import (
    ChainUnavailable,
    InvalidInput,
    MediaError,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    Reverted,
    TransactionDropped,
)
from livepeer_client.facts import Log
from livepeer_client.types import ZERO_HASH, Round
from tests.client.adapters.stored_values import RECIPIENT, SENDER, make_winner

INFO = OrchestratorInfo("https://o:1", None, None, RECIPIENT, None, None)
REQUEST = OrchestratorRequest(SENDER, b"")


def test_ports__every_adapter_here__fits_its_port() -> None:
    # Checked by the type checker; at run time it only has to exist.
    chain: ports.Chain = FakeChain()
    transactor: ports.Transactor = FakeTransactor(SENDER, FakeChain())
    clocks: list[ports.Clock] = [ManualClock(), SystemClock()]
    signer: ports.Signer = LocalSigner(bytes([1] * 32))
    stores: tuple[ports.TicketStore, ports.GatewayBooks] = (MemoryTicketStore(), MemoryGatewayBooks())
    peers: tuple[ports.OrchestratorProbe, ports.SegmentTransport] = (FakeOrchestratorProbe(), FakeTransport())
    media: tuple[ports.Transcoder, ports.MediaProbe, ports.SegmentSource] = (
        FakeTranscoder(),
        FakeProbe(),
        FakeSegments(1),
    )
    assert all([chain, transactor, *clocks, signer, *stores, *peers, *media])


# --- clock ----------------------------------------------------------------------------------------


async def test_manual_clock__advance__wakes_sleepers_in_order_at_their_moment() -> None:
    clock = ManualClock(start=1000)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *delays: float) -> None:
        for delay in delays:
            await clock.sleep(delay)
            woken.append((name, clock.time()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("slow", 5))
        group.create_task(sleeper("repeated", 2, 2, 2))
        await clock.advance(4.5)
        assert woken == [("repeated", 1002), ("repeated", 1004)]
        assert clock.sleeping == 2
        await clock.advance(10)
    assert woken[2:] == [("slow", 1005), ("repeated", 1006)]
    assert (clock.time(), clock.monotonic()) == (1014.5, 14.5)


async def test_manual_clock__backwards__is_invalid() -> None:
    with pytest.raises(InvalidInput):
        await ManualClock().advance(-1)


async def test_system_clock__sleep__passes_time() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    await clock.sleep(-1)
    assert clock.monotonic() - before >= 0.009
    assert clock.time() > 1_700_000_000


# --- chain ----------------------------------------------------------------------------------------


async def test_fake_chain__next_round__is_uninitialized_until_someone_does_it() -> None:
    chain = FakeChain(round_length=50, first_round=100)
    assert (await chain.round_state()).initialized
    chain.mine_to_next_round()
    state = await chain.round_state()
    assert (state.current, state.last_initialized, state.start_block) == (101, 100, 5050)
    assert await chain.block_hash_for_round(Round(101)) == ZERO_HASH
    chain.initialize_round()
    assert (await chain.round_state()).initialized
    assert await chain.block_hash_for_round(Round(101)) != ZERO_HASH


async def test_fake_chain__last_blocks_of_a_round__are_locked() -> None:
    chain = FakeChain(round_length=50)
    assert not (await chain.round_state()).locked
    chain.mine(45)
    assert (await chain.round_state()).locked


async def test_fake_chain__failure_set__is_raised_by_every_read() -> None:
    chain = FakeChain()
    chain.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await chain.head()
    with pytest.raises(ChainUnavailable):
        await chain.sender_info(SENDER)


async def test_fake_transactor__broadcast__mines_the_effect_and_its_events() -> None:
    chain = FakeChain()
    winner = make_winner(1)

    def redeem(call: FakeCall) -> list[Log]:
        chain.used.add(winner.ticket.hash)
        return [Log("TicketBroker", "WinningTicketRedeemed", {"faceValue": 5}, chain.block, ZERO_HASH, 0)]

    transactor = FakeTransactor(RECIPIENT, chain, redeem)
    assert await transactor.simulate_redeem(winner) > 0
    receipt = await transactor.send("TicketBroker", "redeemWinningTicket", [winner])
    assert receipt.succeeded
    assert await chain.logs("TicketBroker", "WinningTicketRedeemed", receipt.block, receipt.block) == list(receipt.logs)
    assert receipt.logs[0].tx_hash == receipt.tx_hash
    with pytest.raises(Reverted, match="ticket is used"):
        await transactor.simulate_redeem(winner)


async def test_fake_transactor__without_auto_mine__has_no_receipt_until_mined() -> None:
    transactor = FakeTransactor(RECIPIENT, FakeChain())
    transactor.auto_mine = False
    transaction = await transactor.prepare("RoundsManager", "initializeRound", [])
    await transactor.broadcast(transaction)
    await transactor.broadcast(transaction)
    assert await transactor.receipt(transaction.tx_hash) is None
    with pytest.raises(TransactionDropped):
        await transactor.wait(transaction.tx_hash, 10)
    transactor.mine_pending()
    assert (await transactor.wait(transaction.tx_hash, 10)).succeeded


async def test_fake_transactor__refused_call__reverts_in_simulation_or_when_mined() -> None:
    transactor = FakeTransactor(RECIPIENT, FakeChain())
    transactor.refusals["RoundsManager", "initializeRound"] = "round already initialized"
    with pytest.raises(Reverted, match="already initialized"):
        await transactor.prepare("RoundsManager", "initializeRound", [])
    transaction = await transactor.prepare("RoundsManager", "initializeRound", [], gas_limit=100_000)
    await transactor.broadcast(transaction)
    assert not (await transactor.wait(transaction.tx_hash, 10)).succeeded


# --- peers and media ------------------------------------------------------------------------------


async def test_fake_probe__answers_and_errors__come_as_set() -> None:
    probe = FakeOrchestratorProbe()
    probe.answers = {"a": INFO, "b": PeerRefused("b", 403, "no"), "c": lambda request: INFO}
    assert await probe.get_info("a", REQUEST, timeout_s=1) == INFO
    assert await probe.get_info("c", REQUEST, timeout_s=1) == INFO
    with pytest.raises(PeerRefused):
        await probe.get_info("b", REQUEST, timeout_s=1)
    with pytest.raises(PeerUnreachable):
        await probe.get_info("d", REQUEST, timeout_s=1)
    assert [uri for uri, _ in probe.asked] == ["a", "c", "b", "d"]


async def test_fake_probe__slower_than_the_timeout__times_out_at_that_moment() -> None:
    clock = ManualClock()
    probe = FakeOrchestratorProbe(clock)
    probe.answers["a"] = INFO
    probe.latency_s["a"] = 5
    task = asyncio.create_task(probe.get_info("a", REQUEST, timeout_s=2))
    await clock.advance(1.9)
    assert not task.done()
    await clock.advance(0.2)
    with pytest.raises(PeerTimeout):
        await task


async def test_fake_transport__rendition__is_fetched_within_its_limit() -> None:
    transport = FakeTransport()
    transport.files["u"] = b"12345"
    assert await transport.fetch("u", limit_bytes=5, timeout_s=1) == b"12345"
    with pytest.raises(PeerRefused):
        await transport.fetch("u", limit_bytes=4, timeout_s=1)
    with pytest.raises(PeerUnreachable):
        await transport.submit_segment("x", b"", credentials="", payment="", upload_timeout_s=1, timeout_s=1)


async def test_fake_media__segment_through_transcoder__probes_as_its_profile() -> None:
    profile = VideoProfile("p", 320, 180, 0, fps=15)
    async for seq, data, duration_ms in FakeSegments(2).segments():
        credentials = SegmentCredentials(b"m", seq, ZERO_HASH, (profile,), b"", duration_ms)
        (rendition,) = await FakeTranscoder().transcode(data, credentials)
        info = await FakeProbe().inspect(rendition.data)
        assert (info.width, info.height, info.frames, info.duration_s) == (320, 180, 30, Fraction(2))
        assert info.pixels == rendition.pixels
    with pytest.raises(MediaError):
        await FakeProbe().inspect(b"garbage")
