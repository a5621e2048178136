"""An operator at a running node: its redemption service behind a real socket, asked as the tools ask it."""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from livepeer_client.adapters.control import ControlClient, NodeAbsent, bind_private, serve_desk
from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTicketStore
from livepeer_client.adapters.pause_file import PauseFile
from livepeer_client.codec import control_api
from livepeer_client.errors import (
    ChainError,
    ChainUnavailable,
    GasPriceTooHigh,
    InvalidInput,
    LeaseLost,
    LivepeerError,
    MalformedMessage,
    StoreError,
)
from livepeer_client.facts import TicketState
from livepeer_client.policy.redemption import Action, Reason, RedemptionPolicy
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.redemption.desk import ServiceDesk
from livepeer_client.types import Hash32, Wei
from tests.support.redemption import ACTIVE, FACE_VALUE, RECIPIENT, SENDER, Broker, make_info, make_winner, payment_of


class Node:
    """A redemption service over fakes that waits for company unless it is told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.chain = FakeChain()
        self.chain.mine(5)
        self.chain.senders[SENDER] = make_info(10**18)
        self.chain.states[RECIPIENT] = ACTIVE
        self.store = MemoryTicketStore()
        self.folder = folder
        self.transactor = FakeTransactor(RECIPIENT, self.chain, Broker(self.chain))
        self.service = self.start()

    def start(self, **policy: Any) -> RedemptionService:
        pause = PauseFile(self.folder / "redemption.paused")
        patient = RedemptionPolicy(params_margin_blocks=2, **{"batch_min": 5, **policy})
        return RedemptionService(
            self.chain, self.transactor, self.store, ManualClock(), patient, owner="the node", pause=pause
        )

    async def hold_two(self) -> list[Hash32]:
        winners = [make_winner(1), make_winner(2)]
        await self.store.record_payment(payment_of(*winners))
        return [winner.ticket.hash for winner in winners]

    async def states(self) -> list[TicketState]:
        return [ticket.state for ticket in await self.store.tickets()]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@contextlib.asynccontextmanager
async def operated(node: Node) -> AsyncIterator[ControlClient]:
    path = node.folder / "control.sock"
    async with serve_desk(ServiceDesk(node.service), path):
        yield ControlClient(path)


async def test_redeem_now__of_a_ticket_that_waits_for_company__redeems_it_with_what_company_there_is(
    node: Node,
) -> None:
    first, _ = await node.hold_two()
    await node.service.step()
    assert await node.states() == [TicketState.HELD] * 2
    async with operated(node) as desk:
        done = await desk.redeem_now([first])
    assert len(done.sent) == 1
    assert done.decided == ((first, Action.REDEEM.value, Reason.FUNDED.value),)
    assert [(ticket.state, ticket.paid) for ticket in await node.store.tickets()] == [
        (TicketState.PAID, FACE_VALUE)
    ] * 2


async def test_redeem__of_tickets_that_wait__is_the_nodes_own_step_and_says_why(node: Node) -> None:
    first, _ = await node.hold_two()
    async with operated(node) as desk:
        done = await desk.redeem([first])
        # At the same block nothing is done again, and what was decided is still told.
        assert await desk.redeem([first]) == done
    assert done.sent == ()
    ((hash_, action, reason),) = done.decided
    assert (hash_, action) == (first, Action.WAIT.value)
    assert reason == Reason.BATCH_SMALL.value


async def test_hold_and_release__through_the_node__are_in_its_store(node: Node) -> None:
    first, _ = await node.hold_two()
    async with operated(node) as desk:
        await desk.hold([first], "asking the sender")
        assert [ticket.hold for ticket in await node.store.tickets()] == ["asking the sender", None]
        await desk.release([first])
        assert [ticket.hold for ticket in await node.store.tickets()] == [None, None]


async def test_pause__until_resumed__sends_nothing_and_refuses_haste(node: Node) -> None:
    tickets = await node.hold_two()
    node.service = node.start(batch_min=1)
    async with operated(node) as desk:
        await desk.pause()
        assert (await desk.state()).paused
        report = await node.service.step()
        assert {(each.action, each.reason) for each in report.decisions} == {(Action.WAIT, Reason.STOPPED)}
        with pytest.raises(InvalidInput, match="paused"):
            await desk.redeem_now(tickets)
        assert node.transactor.prepared == []
        await desk.resume()
        # The same block is worked on again: nobody has to wait for the next.
        assert len((await node.service.step()).sent) == 1
    assert await node.states() == [TicketState.PAID] * 2


async def test_pause__over_a_restart__lasts(node: Node) -> None:
    await node.hold_two()
    async with operated(node) as desk:
        await desk.pause()
    again = node.start(batch_min=1)
    assert again.paused
    assert (await again.step()).sent == ()
    # Another process of the same node ends it, though the node has no socket.
    PauseFile(node.folder / "redemption.paused").set(False)
    node.chain.mine()
    assert len((await again.step()).sent) == 1


async def test_pause__of_a_batch_on_its_way__is_watched_to_its_end(node: Node) -> None:
    tickets = await node.hold_two()
    node.transactor.auto_mine = False
    assert len((await node.service.redeem_now(tickets)).sent) == 1
    assert await node.states() == [TicketState.SENT] * 2
    await node.service.pause()
    node.transactor.mine_pending()
    await node.service.step()
    assert await node.states() == [TicketState.PAID] * 2


async def test_two_steps_at_once__of_node_and_operator__redeem_each_ticket_once(node: Node) -> None:
    tickets = await node.hold_two()
    async with operated(node) as desk:
        await asyncio.gather(node.service.step(), desk.redeem_now(tickets), node.service.step())
    assert len(node.transactor.prepared) == 1
    assert await node.states() == [TicketState.PAID] * 2


async def test_redeem_now__while_another_process_has_the_key__is_refused(node: Node) -> None:
    tickets = await node.hold_two()
    other = node.start()
    other._owner = "another"
    await other.step()
    async with operated(node) as desk:
        with pytest.raises(InvalidInput, match="lease"):
            await desk.redeem_now(tickets)


async def test_ask__where_no_node_runs__says_so(node: Node) -> None:
    path = node.folder / "control.sock"
    assert not await ControlClient(path).is_there()
    async with operated(node) as desk:
        assert await desk.is_there()
        # A node that was killed leaves its socket.
        (node.folder / "left").hardlink_to(path)
    (node.folder / "left").rename(path)
    with pytest.raises(NodeAbsent):
        await ControlClient(path).state()
    async with operated(node) as desk:
        assert (await desk.state()).owner == "the node"


async def test_ask__of_a_node_that_hangs__ends_in_time(node: Node) -> None:
    class Hanging(ServiceDesk):
        async def pause(self) -> None:
            await asyncio.Event().wait()

    path = node.folder / "control.sock"
    async with serve_desk(Hanging(node.service), path):
        with pytest.raises(ChainUnavailable, match="did not answer"):
            await ControlClient(path, answer_s=0.2).pause()


async def test_socket__of_a_node__is_its_users_alone_and_goes_with_it(node: Node) -> None:
    path = node.folder / "control.sock"
    async with operated(node):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_bind_private__whatever_the_umask__is_its_users_alone_from_its_first_moment_on(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with bind_private(tmp_path / "control.sock"):
            assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_socket__in_a_folder_with_a_long_name__is_done_without(node: Node, caplog: Any) -> None:
    folder = node.folder / ("long" * 30)
    folder.mkdir()
    async with serve_desk(ServiceDesk(node.service), folder / "control.sock"):
        assert "no control socket" in caplog.text


@pytest.mark.parametrize("body", [b"no", b"[]", b'{"tickets":["0x12"]}', b'{"tickets":"0x"}', b'{"tickets":[1]}'])
async def test_request__that_is_no_list_of_hashes__is_refused_and_changes_nothing(node: Node, body: bytes) -> None:
    await node.hold_two()
    path = node.folder / "control.sock"
    async with (
        operated(node),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.post("http://node/redemption/hold", data=body) as answer,
    ):
        assert answer.status == 500
        assert "MalformedMessage" in await answer.text()
    assert [ticket.hold for ticket in await node.store.tickets()] == [None, None]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidInput("no"), InvalidInput),
        (ChainUnavailable("gone"), ChainUnavailable),
        (GasPriceTooHigh(Wei(2), Wei(1)), ChainError),
        (LeaseLost("redeem", 1, 2), StoreError),
        (MalformedMessage("request", "odd"), LivepeerError),
    ],
)
def test_refusal__on_its_way__keeps_its_kind_and_its_words(error: LivepeerError, kind: type[LivepeerError]) -> None:
    _, body = control_api.encode_refusal(error)
    told = control_api.decode_refusal(body)
    assert type(told) is kind
    assert str(error) in str(told)
