"""URLs that live runners ask for: where they lead, how long they last. Real sockets; only the chain is a fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from livepeer_client.adapters.runner_http import RunnerHttp
from livepeer_client.adapters.runner_server import MAX_UNDER_WAY
from livepeer_client.errors import LivepeerError
from livepeer_client.services.runner_proxies import MAX_SESSION_PROXIES
from tests.support.ai import free_port, until
from tests.support.live_runners import Harbour, harbour

FREE = {"price_info": {"price": 0}}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Harbour]:
    async with harbour(tmp_path) as opened:
        yield opened


async def begun(scene: Harbour, **changes: object) -> tuple[str, str, str]:
    """A free session: its URL for buyers, its URL for the runner, its token."""
    runner = await scene.join(**FREE, **changes)
    session = (await scene.http.post(f"/apps/{runner}/session")).json()
    await scene.http.get(f"{session['app_url']}/")
    headers = scene.echo.seen[-1].headers
    return session["control_url"], headers["Livepeer-Session-Control"], headers["Livepeer-Session-Token"]


async def opened(scene: Harbour, control: str, token: str, target: str | None = None) -> httpx.Response:
    body = {} if target is None else {"target_url": target}
    return await scene.http.post(f"{control}/proxy", json=body, headers={"Livepeer-Session-Token": token})


async def test_proxy__of_the_app_itself__leads_there_without_naming_the_session(scene: Harbour) -> None:
    buyer, control, token = await begun(scene)
    answer = (await opened(scene, control, token)).json()
    assert answer["url"] == f"{scene.shop.uri}/run/{answer['proxy_id']}"
    assert buyer.rpartition("/")[2] not in answer["url"]
    got = await scene.http.put(
        f"{answer['url']}/a%20b?q=1", content=b"hi", headers={"Livepeer-Session-Token": "forged"}
    )
    assert got.json() == {"path": "/a%20b?q=1", "said": "hi"}
    headers = scene.echo.seen[-1].headers
    assert headers.getall("Livepeer-Session-Token") == [token]
    assert headers["Livepeer-Session-Control"] == control


async def test_proxy__of_another_place_of_the_runner__adds_path_and_query_to_it(scene: Harbour) -> None:
    _, control, token = await begun(scene)
    url = (await opened(scene, control, token, f"{scene.echo.url}/ui?k=v")).json()["url"]
    assert (await scene.http.get(url)).json()["path"] == "/ui?k=v"
    assert (await scene.http.get(f"{url}/v1/status?verbose=true")).json()["path"] == "/ui/v1/status?k=v&verbose=true"
    assert (await scene.http.get(f"{url}/..%2fadmin")).status_code == 400


async def test_proxy__while_its_session_runs__streams_and_is_gone_with_it(scene: Harbour) -> None:
    buyer, control, token = await begun(scene)
    url = (await opened(scene, control, token)).json()["url"]
    async with scene.http.stream("POST", f"{url}/forever") as answer:
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"begun"
        await scene.http.post(f"{buyer}/stop")
        with pytest.raises(httpx.HTTPError):
            await anext(pieces)
    assert (await scene.http.get(url)).status_code == 404
    assert (await opened(scene, control, token)).status_code == 404


@pytest.mark.parametrize("shown", ["", "guessed"])
async def test_proxy__without_the_sessions_token__is_403_and_opens_nothing(scene: Harbour, shown: str) -> None:
    _, control, _ = await begun(scene)
    assert (await opened(scene, control, shown)).status_code == 403
    assert (await scene.http.get("/run/" + "0" * 32)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"target_url": 7}', b'{"target_url": "http://x/' + b"x" * 2048 + b'"}', b'{"target_url": "/x"}'],
)
async def test_proxy__that_makes_no_sense__is_400(scene: Harbour, body: bytes) -> None:
    _, control, token = await begun(scene)
    answer = await scene.http.post(f"{control}/proxy", content=body, headers={"Livepeer-Session-Token": token})
    assert answer.status_code == 400


async def test_proxy__to_another_port_of_this_machine__is_refused_unless_the_operator_opens_it(tmp_path: Path) -> None:
    port = free_port()
    async with harbour(tmp_path, proxy_ports=frozenset({port})) as scene:
        secrets: list[str] = []

        async def admin(request: web.Request) -> web.Response:
            secrets.append(request.path)
            return web.Response(text="secret")

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", admin)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        closed, opened_port = web.TCPSite(runner, "127.0.0.1", free_port()), web.TCPSite(runner, "127.0.0.1", port)
        await closed.start()
        await opened_port.start()
        try:
            _, control, token = await begun(scene)
            refused = await opened(scene, control, token, f"{closed.name}/status")
            assert refused.status_code == 400
            assert "is not open to proxies" in refused.json()["error"]["message"]
            allowed = await opened(scene, control, token, f"{opened_port.name}/status")
            assert (await scene.http.get(allowed.json()["url"])).text == "secret"
            assert secrets == ["/status"]
        finally:
            await runner.cleanup()


async def test_call__outside_to_a_name_that_leads_here__does_not_connect(scene: Harbour) -> None:
    # A name is judged where the connection takes its address from, so nobody gains by what it said before.
    port = scene.echo.url.rpartition(":")[2]
    async with scene.call("GET", f"http://localhost:{port}/x", [], None) as reply:
        assert reply.status == 200
    seen = len(scene.echo.seen)
    with pytest.raises(LivepeerError):
        async with scene.call("GET", f"http://localhost:{port}/x", [], None, outside=True):
            raise AssertionError("connected")
    assert len(scene.echo.seen) == seen


async def test_proxy__more_than_a_session_may_have__is_400(scene: Harbour) -> None:
    _, control, token = await begun(scene)
    for _ in range(MAX_SESSION_PROXIES):
        assert (await opened(scene, control, token)).status_code == 200
    assert (await opened(scene, control, token)).status_code == 400


async def test_pass_on__more_requests_than_a_session_may_have__is_429_and_leaves_room_when_they_end(
    scene: Harbour,
) -> None:
    buyer, control, token = await begun(scene)
    url = (await opened(scene, control, token)).json()["url"]
    _, runner, _, session = buyer.rsplit("/", 3)
    found = scene.desk.session(runner, session)
    assert found is not None
    async with scene.http.stream("GET", f"{url}/forever") as answer:
        assert await anext(answer.aiter_bytes()) == b"begun"
        assert found.under_way == 1
        found.under_way = MAX_UNDER_WAY
        assert (await scene.http.get(f"{buyer}/app/x")).status_code == 429
        found.under_way = 1
    await until(lambda: found.under_way == 0)
    assert (await scene.http.get(f"{buyer}/app/x")).status_code == 200


async def test_proxy__target_that_is_not_there__is_502(scene: Harbour) -> None:
    runner_url = f"http://127.0.0.1:{free_port()}"
    runner = await scene.join(runner_url=runner_url, **FREE)
    session = (await scene.http.post(f"/apps/{runner}/session")).json()
    found = scene.desk.session(runner, session["session_id"])
    assert found is not None
    control = f"/runner/{runner}/session/{session['session_id']}"
    url = (await opened(scene, control, found.token, f"{runner_url}/ui")).json()["url"]
    assert (await scene.http.get(url)).status_code == 502


async def test_health__of_a_place_that_answers_or_not__is_its_status_or_an_error(scene: Harbour) -> None:
    async with RunnerHttp() as own:
        assert await own.health(f"{scene.echo.url}/health", 30) == 200
        with pytest.raises(LivepeerError):
            await own.health(f"http://127.0.0.1:{free_port()}/", 30)
