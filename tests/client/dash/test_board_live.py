"""The board over a real store and a real chain: what its keys do is done, with and without a node running."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.dash.app import Board
from livepeer_client.facts import TicketState
from livepeer_client.nodes.dash import load_redeeming, open_board
from livepeer_client.policy.board import BoardFacts, round_lines, winner_rows
from livepeer_client.types import Hash32
from tests.client.nodes.test_orchestrator import configure, launch
from tests.support.anvil import ETH, Stage, anvil, free_port, opened, set_stage
from tests.support.artifacts import CACHE
from tests.support.board_stage import ROUND_BLOCKS, stored, winners_wait
from tests.support.postgres import Server, new_database

PATIENCE_S = 120
"""For what happens in a second on a machine that has nothing else to do."""


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=ROUND_BLOCKS))


@pytest.fixture
async def stage(chain: tuple[str, Addresses]) -> AsyncIterator[Stage]:
    async with opened(*chain) as stage, stage.taken_back():
        yield stage


@pytest.fixture
async def hashes(chain: tuple[str, Addresses], stage: Stage, tmp_path: Path) -> list[Hash32]:
    return await winners_wait(chain, stage, tmp_path)


@contextlib.asynccontextmanager
async def shown(folder: Path) -> AsyncIterator[tuple[Board, Pilot[None]]]:
    config = load_redeeming(folder / "orchestrator.toml")
    async with open_board(config) as board:
        app = Board(board.source, board.desk, poll_s=0.1, market_s=3600)
        async with app.run_test(size=(170, 40)) as pilot:
            await until(app, pilot, lambda facts: bool(facts.market.peers))
            yield app, pilot


async def until(app: Board, pilot: Pilot[None], holds: Callable[[BoardFacts], bool]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while app.facts is None or not holds(app.facts):
                await pilot.pause(0.05)
    except TimeoutError:
        pytest.fail(f"it never happened; the board's log:\n{log(app)}")


async def press_on(app: Board, pilot: Pilot[None], hash_: Hash32, key: str) -> None:
    table = app.query_one("#winners", DataTable)
    # From here on the cursor stays with the ticket, wherever its row goes.
    table.move_cursor(row=table.get_row_index(hash_.hex()))
    await pilot.press(key)


def log(app: Board) -> str:
    return "\n".join(line.text for line in app.query_one("#events", RichLog).lines)


async def test_board__without_a_node__shows_what_the_chain_and_the_store_say(
    tmp_path: Path, stage: Stage, hashes: list[Hash32]
) -> None:
    async with shown(tmp_path) as (app, _):
        assert app.facts is not None
        decisions = {row.hash: row.decision for row in winner_rows(app.facts)}
        assert decisions == dict(zip(hashes, ["wait for gas", "wait for gas", "wait for funds"], strict=True))
        assert app.facts.node is None
        assert round_lines(app.facts)[1].text == "yes"
        assert {peer.uri for peer in app.facts.market.peers} == {
            "https://alice.example:8935",
            "https://bob.example:8935",
        }
        # A new block is seen.
        number = app.facts.head.number
        await stage.mine()
        await app.look()
        assert app.facts.head.number == number + 1


async def test_keys__without_a_node__hold_release_pause_and_redeem(tmp_path: Path, hashes: list[Hash32]) -> None:
    first = hashes[0]
    async with shown(tmp_path) as (app, pilot):
        await press_on(app, pilot, first, "h")
        await until(app, pilot, lambda facts: facts.tickets[first].hold is not None)
        assert (await stored(tmp_path))[first][2] == "held on the dashboard"
        await press_on(app, pilot, first, "h")
        await until(app, pilot, lambda facts: facts.tickets[first].hold is None)

        await pilot.press("p")
        await until(app, pilot, lambda facts: facts.paused)
        await press_on(app, pilot, first, "r")
        await until(app, pilot, lambda _: "redemption is paused: resume it first" in log(app))
        await pilot.press("p")
        await until(app, pilot, lambda facts: not facts.paused)

        await press_on(app, pilot, first, "r")
        await until(
            app,
            pilot,
            lambda facts: facts.tickets.get(first) is None or facts.tickets[first].state is not TicketState.HELD,
        )
    assert (await stored(tmp_path))[first][0] in (TicketState.SENT, TicketState.PAID)


async def test_board__over_a_postgresql_store__shows_holds_and_redeems(
    tmp_path: Path, chain: tuple[str, Addresses], stage: Stage, postgres_server: Server
) -> None:
    async with new_database(postgres_server) as url:
        hashes = await winners_wait(chain, stage, tmp_path, url)
        first = hashes[0]
        async with shown(tmp_path) as (app, pilot):
            assert app.facts is not None
            assert {row.hash: row.decision for row in winner_rows(app.facts)} == dict(
                zip(hashes, ["wait for gas", "wait for gas", "wait for funds"], strict=True)
            )
            await press_on(app, pilot, first, "h")
            await until(app, pilot, lambda facts: facts.tickets[first].hold is not None)
            assert (await stored(tmp_path, url))[first][2] == "held on the dashboard"
            await press_on(app, pilot, first, "h")
            await until(app, pilot, lambda facts: facts.tickets[first].hold is None)
            await press_on(app, pilot, first, "r")
            await until(app, pilot, lambda _: "redeem: sent 0x" in log(app))
            found = await stored(tmp_path, url)
        assert not (tmp_path / "data" / "orchestrator.sqlite").exists()
    assert found[first][0] in (TicketState.SENT, TicketState.PAID)
    assert [found[each][0] for each in hashes[1:]] == [TicketState.HELD] * 2
    async with asyncio.timeout(PATIENCE_S):
        while not (await stage.suite.used_tickets([first]))[0]:
            await stage.mine()


async def test_keys__beside_a_running_node__are_done_by_the_node(
    tmp_path: Path, chain: tuple[str, Addresses], stage: Stage, hashes: list[Hash32]
) -> None:
    port = free_port()
    configure(tmp_path, chain, port)
    node = await launch(tmp_path, port)
    try:
        async with shown(tmp_path) as (app, pilot):
            await until(app, pilot, lambda facts: facts.node == node.uri)
            second, huge = hashes[1], hashes[2]
            await press_on(app, pilot, second, "h")
            await until(app, pilot, lambda facts: facts.tickets[second].hold is not None)
            assert (await stored(tmp_path))[second][2] == "held on the dashboard"

            await press_on(app, pilot, hashes[0], "r")
            await until(app, pilot, lambda _: "redeem: sent 0x" in log(app))
            async with asyncio.timeout(PATIENCE_S):
                while hashes[0] in {told.hash for told in app.facts.told}:  # type: ignore[union-attr]
                    # A busy node shows a block before the receipts in it; the next block is the next look.
                    await stage.mine()
                    await pilot.pause(1)
            await until(app, pilot, lambda _: "paid, 0.01 ETH" in log(app))
            found = await stored(tmp_path)
            assert found[hashes[0]][:2] == (TicketState.PAID, ETH // 100)
            assert found[second][0] is found[huge][0] is TicketState.HELD
            assert await stage.suite.used_tickets(hashes) == [True, False, False]

            await pilot.press("p")
            await until(app, pilot, lambda facts: facts.paused)
            await press_on(app, pilot, second, "h")
            await until(app, pilot, lambda facts: facts.tickets[second].hold is None)
            node.process.terminate()
            assert await node.process.wait() == 0
            # The pause is the node's, and outlives it.
            await until(app, pilot, lambda facts: facts.node is None)
            assert app.facts is not None
            assert app.facts.paused
            assert "the node is gone" in log(app)
    finally:
        if node.process.returncode is None:
            node.process.kill()
            await node.process.wait()
