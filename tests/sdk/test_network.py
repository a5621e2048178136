"""The official SDK against an orchestrator and a signer of ours, each its own process, on a chain with the suite."""

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from livepeer_client.adapters.sql.columns import from_fraction
from livepeer_client.codec import wire
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import configure
from tests.support.anvil import ALICE, GATEWAY, anvil, set_stage
from tests.support.sdk import Sdk, official_sdk

SECRET = "a secret of all workers"
RUNNER_SECRET = "a secret of all runners"
EV = 10**12
"""A ticket's, within what a signer accepts by default."""
READY_S = 120
BYOC_PORT = 8935
"""To which the SDK sends gRPC for BYOC, whatever the URL says; so each run takes a loopback address of its own."""


@dataclass
class Scene:
    """What the tests meet."""

    sdk: Sdk
    folder: Path
    uri: str
    signer: str

    def ask(self, do: str, **order: object) -> "asyncio.Future[dict[str, Any]]":
        return asyncio.ensure_future(asyncio.to_thread(self.sdk.ask, do, **order))

    def accounts(self) -> dict[str, list[int]]:
        """(received, debited) by account, whole wei."""
        path = f"file:{self.folder}/data/orchestrator.sqlite?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True)) as connection:
            rows = connection.execute("SELECT session_id, credited, fees FROM sessions").fetchall()
        return {
            name: [round(from_fraction(received)), round(from_fraction(debited))] for name, received, debited in rows
        }


@contextlib.contextmanager
def node(folder: Path, kind: str) -> Iterator[None]:
    """A node's process, once it is ready."""
    command = [sys.executable, "-m", "livepeer_client", kind, "run", "--config", str(folder / f"{kind}.toml")]
    with (
        (folder / f"{kind}.log").open("ab") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready"), (folder / f"{kind}.log").read_text()
            yield
        finally:
            process.terminate()
            try:
                process.wait(READY_S)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("network")
    with official_sdk() as sdk, anvil() as url:
        chain = url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))
        host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(2, 254)}"
        uri = f"https://{host}:{BYOC_PORT}"
        changes = {
            "service_uri": uri,
            "listen": f"{host}:{BYOC_PORT}",
            "ticket_ev_wei": EV,
            "max_face_value_wei": 2 * EV,
        }
        configure(folder, chain, BYOC_PORT, **changes)
        for name, secret in (("workers", SECRET), ("runners", RUNNER_SECRET), ("gateway", GATEWAY.key.hex())):
            (folder / name).write_text(secret)
            (folder / name).chmod(0o600)
        with (folder / "orchestrator.toml").open("a") as file:
            file.write(
                """
                [workers]
                secret_file = "workers"
                [live_runners]
                secret_file = "runners"
                [[pipelines]]
                pipeline = "live-video-to-video"
                model = "noop"
                price_per_unit = 3
                """
            )
        port = free_port()
        (folder / "signer.toml").write_text(
            f"""
            [chain]
            rpc_url = "{url}"
            addresses = "addresses.json"
            poll_interval_s = 0.2
            [key]
            file = "gateway"
            [signer]
            listen = "127.0.0.1:{port}"
            data_dir = "signer"
            [discovery]
            orchestrators = ["{uri}"]
            refresh_s = 1
            """
        )
        with node(folder, "orchestrator"), node(folder, "signer"):
            signer = f"http://127.0.0.1:{port}"
            # Its first look at everybody takes a moment.
            for _ in range(10 * READY_S):
                if httpx.get(f"{signer}/discover-orchestrators").status_code == 200:
                    break
                asyncio.run(asyncio.sleep(0.1))
            yield Scene(sdk, folder, uri, signer)


@asynccontextmanager
async def app(seen: list[web.Request] | None = None) -> AsyncIterator[str]:
    """A worker and a runner's app: reverses texts, trains at once, says back what it was sent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if seen is not None:
            seen.append(request)
        said = await request.json()
        if request.path.startswith("/train/"):
            return web.json_response({"weights": "here"})
        return web.json_response({"text": said["text"][::-1]} if "text" in said else {"said": said})

    served = web.Application()
    served.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(served, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


# --- terms and discovery --------------------------------------------------------------------------


async def test_info__asked_through_our_signer__holds_what_the_sdk_needs(scene: Scene) -> None:
    answer = await scene.ask("info", orchestrator=scene.uri, signer=scene.signer, model="noop")
    info = wire.decode_orchestrator_info(bytes.fromhex(answer["data"]))
    assert (info.transcoder, info.address) == (scene.uri, ALICE.address)
    assert info.ticket_params is not None
    assert info.ticket_params.recipient == ALICE.address
    assert info.auth_token is not None
    assert info.price_info is not None
    assert info.price_info.wei_per_pixel >= 3


async def test_discovery__at_our_signer__names_the_orchestrator_by_its_capabilities(scene: Scene) -> None:
    assert (await scene.ask("orchestrators", signer=scene.signer))["found"] == [scene.uri]
    assert (await scene.ask("orchestrators", signer=scene.signer, model="noop"))["found"] == [scene.uri]
    assert (await scene.ask("selected", signer=scene.signer))["uri"] == scene.uri
    unknown = await asyncio.to_thread(scene.sdk.try_to, "orchestrators", signer=scene.signer, model="none")
    assert "503" in unknown["raised"]


async def test_discovery__at_our_orchestrator__names_its_runners_while_they_are_there(scene: Scene) -> None:
    registered = await scene.ask(
        "register",
        orchestrator=scene.uri,
        secret=RUNNER_SECRET,
        runner_url="http://127.0.0.1:1",
        app="listed",
        price=3600,
        currency="wei",
    )
    assert registered["ttl"] == 20
    (entry,) = (await scene.ask("discovered", orchestrator=scene.uri, app="listed"))["found"]
    async with asyncio.timeout(READY_S):
        # Our signer looks at everybody once a second here.
        while not (listed := (await scene.ask("discovered", signer=scene.signer, app="listed"))["found"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert listed[0]["runners"] == entry["runners"]
    assert entry["address"] == scene.uri
    assert [each["runner_id"] for each in entry["runners"]] == [registered["runner_id"]]
    await scene.ask("leave", runner_id=registered["runner_id"])
    assert (await scene.ask("discovered", orchestrator=scene.uri, app="listed"))["found"] == []


async def test_register__with_a_wrong_secret__is_refused(scene: Scene) -> None:
    order = {"orchestrator": scene.uri, "secret": "guessed", "runner_url": "http://127.0.0.1:1", "app": "x"}
    answer = await asyncio.to_thread(scene.sdk.try_to, "register", **order)
    assert "401" in answer["raised"]


# --- brought-along capabilities -------------------------------------------------------------------


async def brought(scene: Scene, worker: str, name: str, price: int) -> None:
    said = {"name": name, "url": worker, "capacity": 1, "price_per_unit": price, "price_scaling": 1, "currency": "wei"}
    async with httpx.AsyncClient(verify=False) as http:
        answer = await http.post(f"{scene.uri}/capability/register", json=said, headers={"Authorization": SECRET})
    assert answer.status_code == 200, answer.text


async def test_byoc__paid_through_our_signer__is_done_and_charged(scene: Scene) -> None:
    async with app() as worker:
        await brought(scene, worker, "reverse", 1000)
        answer = await scene.ask(
            "byoc", orchestrator=scene.uri, signer=scene.signer, capability="reverse", payload={"text": "abc"}
        )
    assert answer["data"] == {"text": "cba"}
    received, debited = scene.accounts()["reverse"]
    assert received >= 60 * 1000
    assert debited >= 1000
    assert int(answer["headers"]["Livepeer-Balance"]) == received - debited


async def test_byoc__free__needs_no_signer(scene: Scene) -> None:
    async with app() as worker:
        await brought(scene, worker, "gift", 0)
        answer = await scene.ask("byoc", orchestrator=scene.uri, capability="gift", payload={"text": "abc"})
    assert answer["data"] == {"text": "cba"}


async def test_byoc__training__is_paid_done_and_asked_about(scene: Scene) -> None:
    async with app() as worker:
        await brought(scene, worker, "learn", 1000)
        answer = await scene.ask("training", orchestrator=scene.uri, signer=scene.signer, capability="learn")
    assert (answer["status"], answer["error"] or None) == ("completed", None)
    assert answer["result"] == {"weights": "here"}
    assert scene.accounts()["learn"][1] == int(answer["cost"]) >= 1000


# --- live runners ---------------------------------------------------------------------------------


async def register(scene: Scene, url: str, name: str, price: int, unit: str, **how: object) -> str:
    answer = await scene.ask(
        "register",
        orchestrator=scene.uri,
        secret=RUNNER_SECRET,
        runner_url=url,
        app=name,
        **{"price": price, "currency": "wei", "unit": unit, **how},
    )
    return str(answer["runner_id"])


async def test_runner__by_the_second__is_reserved_paid_on_and_charged(scene: Scene) -> None:
    seen: list[web.Request] = []
    async with app(seen) as url:
        runner = await register(scene, url, "timed", 3600 * EV, "hour")
        told = await scene.ask("session", orchestrator=scene.uri, app="timed", seconds=7.0, signer=scene.signer)
        heard = await scene.ask("told", runner_id=runner, events=2)
        await scene.ask("leave", runner_id=runner)
    assert heard["events"] == [["reserved", told["session_id"]], ["released", told["session_id"]]]
    assert told["answers"] == [[200, {"said": {"pause": 0.0}}], [200, {"said": {"pause": 7.0}}]]
    assert not told["released"]
    assert told["afterwards"] == 404
    assert {request.headers["Livepeer-Session-Id"] for request in seen} == {told["session_id"]}
    received, debited = scene.accounts()[f"runner {told['session_id']}"]
    # Ten seconds ahead, and again at least once for what had passed.
    assert received > 10 * EV
    assert 7 * EV - EV <= debited <= received


async def test_runner__by_the_job__is_paid_once_and_exactly(scene: Scene) -> None:
    async with app() as url:
        runner = await register(scene, url, "single", 2 * EV, "fixed", mode="single-shot")
        order = {"orchestrator": scene.uri, "app": "single", "signer": scene.signer}
        told = await scene.ask("call", payload={"text": "abc"}, **order)
        await scene.ask("leave", runner_id=runner)
    assert told["data"] == {"text": "cba"}
    received, debited = scene.accounts()[f"runner {told['session_id']}"]
    assert (debited, received >= debited) == (2 * EV, True)


async def test_runner__for_its_session__opens_and_closes_channels(scene: Scene) -> None:
    seen: list[web.Request] = []
    async with app(seen) as url, httpx.AsyncClient(verify=False) as http:
        runner = await register(scene, url, "channels", 0, "hour")
        session = (await http.post(f"{scene.uri}/apps/{runner}/session")).json()
        assert (await http.post(f"{session['app_url']}/say", json={})).status_code == 200
        told = await scene.ask("channels", runner_id=runner, headers=dict(seen[0].headers))
        await scene.ask("leave", runner_id=runner)
    (opened,) = told["opened"]
    assert opened["channel_name"] == f"{session['session_id']}-out"
    assert told["deleted"] == ["out"]


async def test_runner__free__needs_no_signer(scene: Scene) -> None:
    async with app() as url:
        runner = await register(scene, url, "free", 0, "hour")
        told = await scene.ask("session", orchestrator=scene.uri, app="free", seconds=0.1)
        await scene.ask("leave", runner_id=runner)
    assert [status for status, _ in told["answers"]] == [200, 200]
    assert told["afterwards"] == 404
    assert f"runner {told['session_id']}" not in scene.accounts()
