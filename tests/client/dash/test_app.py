"""The board's keys and its manners when things go wrong, without a chain."""

import asyncio
from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog

from livepeer_client.dash.app import Board, Details
from livepeer_client.errors import ChainUnavailable, InvalidInput
from livepeer_client.policy.board import BoardFacts, Market
from livepeer_client.types import Hash32
from tests.support.board import NOW_S, FixedSource, SilentDesk, scenario, story


def board(source: FixedSource | None = None, desk: SilentDesk | None = None) -> Board:
    return Board(source or FixedSource(scenario()), desk or SilentDesk(), poll_s=3600, market_s=3600, now=lambda: NOW_S)


def log(app: Board) -> str:
    return "\n".join(line.text for line in app.query_one("#events", RichLog).lines)


async def shown(app: Board, pilot: Pilot[None]) -> None:
    while app.facts is None:
        await pilot.pause(0.01)
    await pilot.pause()


async def until_logged(app: Board, pilot: Pilot[None], words: str) -> None:
    while words not in log(app):
        await pilot.pause(0.01)


async def test_board__of_the_scenario__has_a_row_for_each_winner_and_orchestrator() -> None:
    app = board()
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        assert app.query_one("#winners", DataTable).row_count == 9
        assert app.query_one("#peers", DataTable).row_count == 5


@pytest.mark.parametrize("text", ["\x1b]0;mine\x07\x1b[2J", "\x9b2J", "\u202e"])
async def test_board__of_a_uri_that_a_terminal_would_obey__draws_it_harmless(text: str) -> None:
    """Anybody in the pool has a service URI."""
    facts = scenario()
    stranger = replace(facts.market.peers[0], uri=f"https://evil{text}", reason=f"no{text}")
    app = board(FixedSource(replace(facts, market=Market((stranger,), "the pool"))))
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        drawn = ""
        async with asyncio.timeout(60):
            while "https://evil" not in drawn:
                await pilot.pause(0.01)
                strips = app.screen._compositor.render_strips()
                drawn = "".join(segment.text for strip in strips for segment in strip)
        assert "https://evil\ufffd" in drawn
        assert all(char.isprintable() for char in drawn)


@pytest.mark.parametrize("text", ["no [admin] to ask", "[/red] [on red]x", "a \\[b]"])
async def test_board__of_a_source_that_looks_like_markup__shows_it_as_it_is(text: str) -> None:
    facts = scenario()
    app = board(FixedSource(replace(facts, market=Market(facts.market.peers, text))))
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        drawn = "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)
        assert f"orchestrators: {text}" in drawn


async def test_redeem__on_a_row__asks_for_that_ticket_alone() -> None:
    desk = SilentDesk()
    app = board(desk=desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("down", "down", "r")
        await until_logged(app, pilot, "redeem: sent 0x")
    assert desk.asked == [("redeem", (scenario().told[2].hash,))]


async def test_redeem_all__asks_for_every_open_ticket() -> None:
    desk = SilentDesk()
    app = board(desk=desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("R")
        await until_logged(app, pilot, "redeem: sent 0x")
    assert desk.asked == [("redeem", tuple(told.hash for told in scenario().told))]


async def test_hold__on_a_held_row__releases_it_and_holds_another() -> None:
    desk = SilentDesk()
    app = board(desk=desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("down", "h")
        await until_logged(app, pilot, "held back")
        await pilot.press("down", "h")
        await until_logged(app, pilot, "released")
    told = scenario().told
    assert desk.asked == [("hold", (told[1].hash,)), ("release", (told[2].hash,))]


async def test_pause__pressed_twice__is_on_and_off() -> None:
    desk = SilentDesk()
    app = board(desk=desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("p")
        await until_logged(app, pilot, "you paused redemption")
        assert desk.paused
        await pilot.press("p")
        await until_logged(app, pilot, "you resumed redemption")
        assert not desk.paused


async def test_enter__on_a_row__tells_everything_about_the_ticket() -> None:
    app = board()
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("enter")
        async with asyncio.timeout(60):
            while not isinstance(app.screen, Details):
                await pilot.pause(0.01)
        await pilot.press("escape")
        async with asyncio.timeout(60):
            while isinstance(app.screen, Details):
                await pilot.pause(0.01)


async def test_cursor__when_rows_before_it_go__stays_on_its_ticket() -> None:
    first, second = story()
    source = FixedSource(first)
    app = board(source)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        wanted = second.told[6].hash
        at, then = ([told.hash for told in facts.told].index(wanted) for facts in (first, second))
        assert at != then
        await pilot.press(*["down"] * at)
        source.show(second)
        await app.look()
        assert app._chosen() == wanted


async def test_board__without_winners__takes_every_key() -> None:
    facts = scenario()
    empty = FixedSource(BoardFacts(**{name: getattr(facts, name) for name in facts.__slots__} | {"told": ()}))
    desk = SilentDesk()
    app = board(empty, desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("r", "R", "h", "enter")
        await pilot.pause()
        assert app.query_one("#winners", DataTable).row_count == 0
    assert desk.asked == []


class Failing(FixedSource):
    """A chain that is gone after the first look, and a market that cannot be asked."""

    failing = False

    async def look(self) -> BoardFacts:
        if self.failing:
            raise ChainUnavailable("no node answers")
        return await super().look()

    async def look_at_market(self) -> Market:
        raise ChainUnavailable("the pool cannot be read")


async def test_board__while_the_chain_is_gone__keeps_what_it_knew_and_says_so_once() -> None:
    source = Failing(scenario())
    app = board(source)
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        source.failing = True
        await app.look()
        await app.look()
        await until_logged(app, pilot, "no node answers")
        assert log(app).count("no node answers") == 1
        assert "the pool cannot be read" in log(app)
        assert app.query_one("#winners", DataTable).row_count == 9


class Refusing(SilentDesk):
    async def hold(self, hashes: object, note: str) -> None:
        raise InvalidInput("it is sent already")


async def test_key__that_is_refused__says_why_and_the_board_goes_on() -> None:
    app = board(desk=Refusing())
    async with app.run_test(size=(170, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("h")
        await until_logged(app, pilot, "hold: it is sent already")
        await pilot.press("p")
        await until_logged(app, pilot, "you paused redemption")


@pytest.mark.parametrize("width", [60, 300])
async def test_board__in_a_narrow_or_wide_terminal__draws(width: int) -> None:
    app = board()
    async with app.run_test(size=(width, 24)) as pilot:
        await shown(app, pilot)
        assert app._chosen() == Hash32(scenario().told[0].hash)
