"""`net.TicketRedeemer` over TLS sockets: who may call, what is answered, and that no winner is lost."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import grpc
import grpc.aio
import pytest

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import FakeChain, MemoryTicketStore
from livepeer_client.adapters.redeemer_client import GrpcTicketRedeemer
from livepeer_client.adapters.redeemer_server import RedeemerServer
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.redeemer_api import decode_ticket, encode_max_float, encode_ticket
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ConfigError,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerUnreachable,
    StoreUnavailable,
)
from livepeer_client.facts import ReceivedPayment, SenderInfo, StoredTicket, TicketState, redemption_lease
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.redeemer import MaxFloatCache, RedeemerService, TicketForwarder, WrongRecipient
from livepeer_client.types import Round, Signature, Wei
from scripts._ports import free_port
from tests.support.certificates import make_certificate
from tests.support.redeeming import OTHER, RECIPIENT, SENDER, signed_winner

TOKEN = "a token that is long enough"
SCRIPT = Path(__file__).with_name("redeemer_process.py")


def write_certificate(path: Path) -> Path:
    certificate = make_certificate(dns=["localhost"], ips=["127.0.0.1"])
    path.write_bytes(certificate.key + certificate.chain)
    return path


class Site:
    """A redeemer on a port of its own, over fakes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = write_certificate(folder / "tls.pem")
        self.chain = FakeChain()
        self.store = MemoryTicketStore()
        clock = SystemClock()
        self.service = RedeemerService(
            RECIPIENT, self.store, ChainView(self.chain, clock, RECIPIENT, 0), clock, poll_interval_s=0.01
        )
        self.opened = contextlib.AsyncExitStack()
        self.servers = contextlib.AsyncExitStack()

    async def serve(self, *, token: str | None = TOKEN, authority: Path | None = None, port: int = 0) -> int:
        server = RedeemerServer(
            self.service,
            host="127.0.0.1",
            port=port,
            certificate=self.certificate,
            token=token,
            client_authority=authority,
            wrong_recipient=WrongRecipient,
        )
        return (await self.servers.enter_async_context(server)).port

    def client(self, port: int, *, token: str | None = TOKEN, certificate: Path | None = None) -> GrpcTicketRedeemer:
        found = GrpcTicketRedeemer(
            f"127.0.0.1:{port}", authority=self.certificate, token=token, certificate=certificate, timeout_s=60
        )
        self.opened.push_async_callback(found.close)
        return found

    def fund(self, deposit: int, share: int) -> None:
        self.chain.mine()
        self.chain.senders[SENDER] = SenderInfo(Wei(deposit), Round(0), Wei(share), Wei(0))
        self.chain.claimable[SENDER, RECIPIENT] = Wei(share)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    found = Site(tmp_path)
    async with found.opened, found.servers:
        yield found


# --- messages -------------------------------------------------------------------------------------


def test_decode_ticket__encoded__is_the_same_winner() -> None:
    winner = signed_winner(3)
    assert decode_ticket(encode_ticket(winner)) == winner


@pytest.mark.parametrize("data", [b"", b"\xff", encode_ticket(signed_winner(1))[:-40]])
def test_decode_ticket__not_a_whole_one__is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_ticket(data)


@pytest.mark.parametrize(("value", "data"), [(-5, b""), (0, b""), (5, b"\x0a\x01\x05")])
def test_encode_max_float__zero_or_less__is_empty(value: int, data: bytes) -> None:
    assert encode_max_float(value) == data


# --- calls ----------------------------------------------------------------------------------------


async def test_queue_ticket__a_winner__is_stored_once_however_often_it_comes(site: Site) -> None:
    client = site.client(await site.serve())
    for _ in range(3):
        await client.queue_ticket(signed_winner(1))
    await client.queue_ticket(signed_winner(2))
    assert [each.winner for each in await site.store.tickets()] == [signed_winner(1), signed_winner(2)]


async def test_queue_ticket__for_somebody_else__is_permission_denied_in_the_references_words(site: Site) -> None:
    client = site.client(await site.serve())
    with pytest.raises(PeerRefused) as refusal:
        await client.queue_ticket(signed_winner(1, recipient=OTHER))
    assert refusal.value.status == grpc.StatusCode.PERMISSION_DENIED.value[0]
    expected = f"invalid ticket recipient {checksum_address(OTHER)}, expected {checksum_address(RECIPIENT)}"
    assert refusal.value.reason == expected
    assert await site.store.tickets() == []


def forged() -> WinningTicket:
    return replace(signed_winner(1), sig=Signature(signed_winner(2).sig))


def wrong_secret() -> WinningTicket:
    return replace(signed_winner(1), recipient_rand=5)


def loser() -> WinningTicket:
    return signed_winner(1, win_prob=0)


@pytest.mark.parametrize("make", [forged, wrong_secret, loser])
async def test_queue_ticket__that_no_contract_would_pay__is_refused_as_internal(site: Site, make) -> None:  # type: ignore[no-untyped-def]
    client = site.client(await site.serve())
    with pytest.raises(PeerRefused) as refusal:
        await client.queue_ticket(make())
    assert refusal.value.status == grpc.StatusCode.INTERNAL.value[0]
    assert await site.store.tickets() == []


async def test_max_float__of_a_sender__counts_its_open_winners(site: Site) -> None:
    client = site.client(await site.serve())
    site.fund(deposit=0, share=5 * 10**15)
    assert await client.max_float(SENDER) == 5 * 10**15
    await client.queue_ticket(signed_winner(1))
    assert await client.max_float(SENDER) == 4 * 10**15


async def test_max_float__below_zero__is_nothing_and_not_its_opposite(site: Site) -> None:
    client = site.client(await site.serve())
    site.fund(deposit=0, share=10)
    await client.queue_ticket(signed_winner(1))
    assert await site.service.max_float(SENDER) < 0
    assert await client.max_float(SENDER) == 0


async def test_monitor_max_float__as_things_change__tells_each_change_once(site: Site) -> None:
    client = site.client(await site.serve())
    site.fund(deposit=0, share=10**18)
    stream = client.monitor_max_float(SENDER)
    assert await anext(stream) == 10**18
    site.fund(deposit=0, share=2 * 10**18)
    assert await anext(stream) == 2 * 10**18
    await client.queue_ticket(signed_winner(1))
    assert await anext(stream) == 2 * 10**18 - 10**15
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.1)


# --- who may call ---------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "another token that is long", ""])
async def test_call__without_the_token__is_unauthenticated(site: Site, token: str | None) -> None:
    client = site.client(await site.serve(), token=token)
    for call in (
        client.queue_ticket(signed_winner(1)),
        client.max_float(SENDER),
        anext(client.monitor_max_float(SENDER)),
    ):
        with pytest.raises(PeerRefused) as refusal:
            await call
        assert refusal.value.status == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert await site.store.tickets() == []


async def test_call__with_a_certificate_of_the_authority__is_served_and_without_is_not(site: Site) -> None:
    known, stranger = (write_certificate(site.folder / f"{name}.pem") for name in ("known", "stranger"))
    port = await site.serve(token=None, authority=known)
    await site.client(port, token=None, certificate=known).queue_ticket(signed_winner(1))
    for certificate in (None, stranger):
        with pytest.raises(PeerUnreachable):
            await site.client(port, token=None, certificate=certificate).queue_ticket(signed_winner(2))
    assert len(await site.store.tickets()) == 1


@pytest.mark.parametrize("token", [None, "short"])
async def test_server__that_would_let_anybody_in__does_not_start(site: Site, token: str | None) -> None:
    with pytest.raises(ConfigError):
        await site.serve(token=token)


# --- nothing is lost ------------------------------------------------------------------------------


async def start_process(folder: Path, port: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), str(folder), str(port), TOKEN, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 60)).startswith(b"ready")
    return process


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()
    # Closes the pipe, so that nothing is left to be collected later.
    process._transport.close()  # type: ignore[attr-defined]


async def test_forwarder__with_a_redeemer_that_is_killed_again_and_again__loses_no_winner(tmp_path: Path) -> None:
    certificate, port, winners = write_certificate(tmp_path / "tls.pem"), free_port(), 40
    async with await SqliteTicketStore.open(tmp_path / "orchestrator.sqlite") as store:
        client = GrpcTicketRedeemer(f"127.0.0.1:{port}", authority=certificate, token=TOKEN, timeout_s=2)
        forwarder = TicketForwarder(store, client, SystemClock(), poll_interval_s=0.02, longest_pause_s=0.05)
        forwarding = asyncio.create_task(forwarder.run())
        try:
            for nonce in range(winners):
                payment = ReceivedPayment(SENDER, "s", 1, Fraction(1), (signed_winner(nonce),))
                await store.record_payment(payment)
                if nonce % 20 == 0:
                    process = await start_process(tmp_path, port)
                    await asyncio.sleep(0.15)
                if nonce % 20 == 10:
                    await kill(process)
            process = await start_process(tmp_path, port)
            async with asyncio.timeout(60):
                while any(each.hold is None for each in await store.tickets(TicketState.HELD)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await kill(process)
        finally:
            forwarding.cancel()
            await client.close()
        kept = {each.hash for each in await store.tickets()}
    async with await SqliteTicketStore.open(tmp_path / "redeemer.sqlite") as theirs:
        assert {each.hash for each in await theirs.tickets()} == kept
    assert len(kept) == winners


async def test_forwarder__a_winner_the_redeemer_refuses__stays_and_holds_up_no_other(site: Site) -> None:
    store = MemoryTicketStore()
    winners = (signed_winner(1, recipient=OTHER), signed_winner(2))
    await store.record_payment(ReceivedPayment(SENDER, "s", 2, Fraction(1), winners))
    forwarder = TicketForwarder(store, site.client(await site.serve()), SystemClock())
    assert await forwarder.step() == 1
    assert await forwarder.step() == 0
    held = {each.winner.ticket.sender_nonce: each.hold for each in await store.tickets(TicketState.HELD)}
    assert held[1] is None
    assert held[2] is not None


async def test_settle__copies_of_redeemed_and_expired_tickets__are_marked_from_the_final_chain(site: Site) -> None:
    store, chain = MemoryTicketStore(), site.chain
    winners = (signed_winner(1), signed_winner(2), signed_winner(3, creation_round=Round(98)))
    await store.record_payment(ReceivedPayment(SENDER, "s", 3, Fraction(1), winners))
    forwarder = TicketForwarder(store, site.client(await site.serve()), SystemClock())
    await forwarder.step()
    lease = await store.acquire_lease(redemption_lease(RECIPIENT), "test", 60)
    chain.mine()
    chain.used.add(winners[0].ticket.hash)
    assert await forwarder.settle(chain, lease) == 1, "only the expired one: the other is not final yet"
    chain.mine(20)
    assert await forwarder.settle(chain, lease) == 1
    states = {each.winner.ticket.sender_nonce: each.state for each in await store.tickets()}
    assert states == {1: TicketState.USED_ELSEWHERE, 2: TicketState.HELD, 3: TicketState.EXPIRED}


async def test_max_float_cache__followed_by_its_stream__is_current_and_forgotten_when_that_breaks(site: Site) -> None:
    site.fund(deposit=0, share=100)
    port = await site.serve()
    async with MaxFloatCache(site.client(port), SystemClock()) as cache:
        assert await cache.max_float(SENDER) == 100
        site.fund(deposit=0, share=200)
        seen = [await cache.max_float(SENDER)]
        async with asyncio.timeout(60):
            while seen[-1] != 200:
                await asyncio.sleep(0.01)
                seen.append(await cache.max_float(SENDER))
        await site.servers.aclose()
        async with asyncio.timeout(60):
            while SENDER in cache.known:  # noqa: ASYNC110 - it has no event for us
                await asyncio.sleep(0.01)
        with pytest.raises(LivepeerError):
            await cache.max_float(SENDER)


class DroppingStore(MemoryTicketStore):
    """A store whose server is gone at the first look."""

    gone = True

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        if self.gone:
            self.gone = False
            raise StoreUnavailable("no answer in 10 s")
        return await super().tickets(*states)


async def test_run__while_the_stores_server_is_gone__goes_on_after_it(site: Site) -> None:
    store, winner = DroppingStore(), signed_winner(1)
    await store.record_payment(ReceivedPayment(SENDER, "session", 1, Fraction(0), (winner,)))
    forwarder = TicketForwarder(store, site.client(await site.serve()), SystemClock(), poll_interval_s=0.01)
    running = asyncio.create_task(forwarder.run())
    async with asyncio.timeout(60):
        while not running.done() and not await site.store.tickets():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    assert [ticket.hash for ticket in await site.store.tickets()] == [winner.ticket.hash]
