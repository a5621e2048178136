"""The board as drawn, compared with the pictures in docs/. `make pictures` draws those anew."""

import os
import time
from pathlib import Path

import pytest

from livepeer_client.dash.app import Board
from tests.support.board import NOW_S, FixedSource, SilentDesk, story

DOCS = Path(__file__).resolve().parents[3] / "docs"
UPDATE = "UPDATE_PICTURES"
WIDTH, HEIGHT = 170, 40


async def drawn(*keys: str, wanted: str | None = None) -> str:
    """The board at the end of the story and after some keys, as SVG; there is a while to draw it as `wanted`."""
    board = Board(FixedSource(*story()), SilentDesk(), poll_s=3600, market_s=3600, now=lambda: NOW_S)
    async with board.run_test(size=(WIDTH, HEIGHT)) as pilot:
        # Its own first look and that after the market's, in whichever order.
        while board.facts is None or board.facts.now_s < NOW_S:
            await pilot.pause(0.01)
        await pilot.press(*keys)
        await pilot.pause()
        until = time.monotonic() + 30
        while True:
            picture = board.export_screenshot(title="livepeer-client dash")
            if wanted in (None, picture) or time.monotonic() > until:
                return picture
            await pilot.pause(0.05)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("dashboard.svg", ()), ("dashboard-ticket.svg", ("down", "down", "down", "down", "down", "enter"))],
)
async def test_picture__of_the_story__is_the_committed_one(name: str, keys: tuple[str, ...]) -> None:
    if os.environ.get(UPDATE):
        (DOCS / name).write_text(await drawn(*keys))
    committed = (DOCS / name).read_text()
    assert committed == await drawn(*keys, wanted=committed), "make pictures draws it anew"


async def test_picture__drawn_twice__is_the_same() -> None:
    once = await drawn()
    assert once == await drawn(wanted=once)
