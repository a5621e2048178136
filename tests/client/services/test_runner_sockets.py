"""WebSockets through an orchestrator to a live runner. Real sockets; only the chain is a fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.runner_sockets import MAX_MESSAGE_BYTES
from tests.support.ai import free_port, until
from tests.support.live_runners import Harbour, harbour


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Harbour]:
    async with harbour(tmp_path) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as opened:
        yield opened


async def begun(scene: Harbour, **changes: object) -> dict[str, str]:
    """What a buyer of a free session is told."""
    runner = await scene.join(price_info={"price": 0}, **changes)
    answer = (await scene.http.post(f"/apps/{runner}/session")).json()
    return {**answer, "runner": runner}


async def test_socket__of_a_session__passes_messages_both_ways_and_the_sessions_headers(
    scene: Harbour, http: aiohttp.ClientSession
) -> None:
    session = await begun(scene)
    url = f"{session['app_url']}/events?q=1"
    forged = {"Livepeer-Session-Token": "forged", "X-Kept": "yes"}
    async with http.ws_connect(url, protocols=("other", "echo.v1"), headers=forged) as socket:
        assert socket.protocol == "echo.v1"
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
        large = bytes(range(256)) * 4_000
        await socket.send_bytes(large)
        assert await socket.receive_bytes() == large
    seen = scene.echo.seen[-1]
    assert seen.path_qs == "/events?q=1"
    assert seen.headers["X-Kept"] == "yes"
    found = scene.desk.session(session["runner"], session["session_id"])
    assert found is not None
    assert seen.headers.getall("Livepeer-Session-Token") == [found.token]
    await until(lambda: found.under_way == 0)


async def test_socket__closed_by_the_runner__is_closed_with_its_code(
    scene: Harbour, http: aiohttp.ClientSession
) -> None:
    session = await begun(scene)
    async with http.ws_connect(f"{session['app_url']}/events") as socket:
        await socket.send_str("bye")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4001


async def test_socket__of_a_proxy__leads_to_its_target(scene: Harbour, http: aiohttp.ClientSession) -> None:
    session = await begun(scene)
    found = scene.desk.session(session["runner"], session["session_id"])
    assert found is not None
    control = f"/runner/{session['runner']}/session/{session['session_id']}"
    opened = await scene.http.post(
        f"{control}/proxy",
        json={"target_url": f"{scene.echo.url}/ui"},
        headers={"Livepeer-Session-Token": found.token},
    )
    async with http.ws_connect(f"{opened.json()['url']}/live") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
    assert scene.echo.seen[-1].path == "/ui/live"


async def test_socket__whose_session_ends__is_cut_off(scene: Harbour, http: aiohttp.ClientSession) -> None:
    session = await begun(scene)
    async with http.ws_connect(f"{session['app_url']}/events") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
        assert (await scene.http.post(f"{session['control_url']}/stop")).status_code == 204
        over = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert (await socket.receive()).type in over


async def test_socket__message_larger_than_its_bound__ends_it_and_others_go_on(
    scene: Harbour, http: aiohttp.ClientSession
) -> None:
    session = await begun(scene)
    url = f"{session['app_url']}/events"
    async with http.ws_connect(url) as other, http.ws_connect(url) as socket:
        await socket.send_bytes(bytes(MAX_MESSAGE_BYTES + 1))
        while (message := await socket.receive()).type is aiohttp.WSMsgType.BINARY:
            raise AssertionError("passed on")
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        await other.send_str("still here")
        assert await other.receive_str() == "still here"


@pytest.mark.parametrize(("there", "status"), [(True, 502), (False, 502)])
async def test_socket__that_the_runner_does_not_open__is_refused(
    scene: Harbour, http: aiohttp.ClientSession, there: bool, status: int
) -> None:
    session = await begun(scene, **({} if there else {"runner_url": f"http://127.0.0.1:{free_port()}"}))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{session['app_url']}/none")
    assert refused.value.status == status
