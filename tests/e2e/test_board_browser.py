"""The board in a real browser: a key pressed in the page is done in the store; strangers are kept out."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from livepeer_client.adapters.chain.suite import Addresses
from tests.support.anvil import anvil, opened, set_stage
from tests.support.artifacts import CACHE
from tests.support.board_stage import ROUND_BLOCKS, stored, winners_wait
from tests.support.chromium import visit


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=ROUND_BLOCKS))


@contextlib.asynccontextmanager
async def served(folder: Path, *options: str) -> AsyncIterator[str]:
    """The address of a board for the node in `folder`, with its key, by the command that operators use."""
    command = [sys.executable, "-m", "livepeer_client", "dash", "--config", str(folder / "orchestrator.toml")]
    with (folder / "dash.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, "--serve", "--port", "0", *options, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            word, _, url = (await process.stdout.readline()).decode().strip().partition(" ")
        assert word == "ready", (folder / "dash.log").read_text()
        yield url
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0, (folder / "dash.log").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def browser() -> aiohttp.ClientSession:
    """Keeps the cookies of addresses without a name, as browsers do."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


def place(address: str) -> str:
    """Of a served board, without the key."""
    return address.partition("/?key=")[0]


async def test_board__in_a_browser__holds_the_ticket_on_which_the_key_is_pressed(
    tmp_path: Path, chain: tuple[str, Addresses], chromium: Path
) -> None:
    async with opened(*chain) as stage, stage.taken_back():
        hashes = await winners_wait(chain, stage, tmp_path)
        async with served(tmp_path) as url:
            steps = [f"wait:0x{hashes[0].hex()[:8]}", "press:h", "wait:held back"]
            await asyncio.to_thread(visit, chromium, url, tmp_path / "profile", steps)
            found = await stored(tmp_path)
            assert sorted(str(hold) for _, _, hold in found.values()) == ["None", "None", "held on the dashboard"]


async def test_served_board__asked_by_another_sites_page__answers_nothing(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    async with opened(*chain) as stage, stage.taken_back():
        await winners_wait(chain, stage, tmp_path)
        async with served(tmp_path) as address, browser() as http:
            async with http.get(address) as page:
                assert page.status == 200
                # Without the key, which a browser would keep in its history; and in nobody's frame.
                assert (str(page.url), page.headers["X-Frame-Options"]) == (f"{place(address)}/", "DENY")
            url, port = place(address), urlsplit(address).port
            for route, headers in (
                # A page of another site.
                ("/ws", {"Origin": "https://evil.example"}),
                # A name of theirs that leads here.
                ("/", {"Host": f"evil.example:{port}"}),
                ("/ws", {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}),
            ):
                async with http.get(url + route, headers=headers) as refused:
                    assert (route, refused.status) == (route, 403)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await http.ws_connect(url + "/ws", origin="https://evil.example")


async def test_served_board__asked_by_another_user_of_the_machine__answers_nothing(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    """Whoever has not seen what the command printed: each connection would be a board that redeems."""
    async with opened(*chain) as stage, stage.taken_back():
        await winners_wait(chain, stage, tmp_path)
        async with served(tmp_path) as address, browser() as stranger, browser() as operator:
            url = place(address)
            for route in (
                "/",
                "/ws",
                "/static/js/textual.js",
                "/?key=",
                "/?key=guessed",
                f"/ws{address[len(url) + 1 :]}",
            ):
                async with stranger.get(url + route) as refused:
                    assert (route, refused.status) == (route, 403)
            for origin in (None, url):
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await stranger.ws_connect(url + "/ws", origin=origin)
            # By another of this machine's names the operator gets to the one that the page connects to.
            async with operator.get(address.replace("127.0.0.1", "localhost")) as page:
                assert (page.status, str(page.url)) == (200, f"{url}/")
            async with operator.ws_connect(url + "/ws", origin=url) as board:
                assert (await board.receive(timeout=60)).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


def test_dash__served_where_others_reach_it__is_refused_unless_that_is_meant(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    async def prepare() -> None:
        async with opened(*chain) as stage, stage.taken_back():
            await winners_wait(chain, stage, tmp_path)

    asyncio.run(prepare())
    command = [sys.executable, "-m", "livepeer_client", "dash", "--config", str(tmp_path / "orchestrator.toml")]
    done = subprocess.run(
        [*command, "--serve", "--host", "0.0.0.0"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "whoever reaches 0.0.0.0:8000 could redeem" in done.stderr
