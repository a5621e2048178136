"""The official SDK, without a signer, against an orchestrator of ours without a chain."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from livepeer_client.codec import wire
from tests.sdk.test_network import BYOC_PORT, RUNNER_SECRET, SECRET, Scene, app, brought, node, register
from tests.support.sdk import official_sdk


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("offchain")
    host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(2, 254)}"
    uri = f"https://{host}:{BYOC_PORT}"
    for name, secret in (("workers", SECRET), ("runners", RUNNER_SECRET)):
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    (folder / "orchestrator.toml").write_text(
        f"""
        [orchestrator]
        offchain = true
        service_uri = "{uri}"
        listen = "{host}:{BYOC_PORT}"
        data_dir = "data"
        [workers]
        secret_file = "workers"
        [live_runners]
        secret_file = "runners"
        [[pipelines]]
        pipeline = "live-video-to-video"
        model = "noop"
        """
    )
    with official_sdk() as sdk, node(folder, "orchestrator"):
        yield Scene(sdk, folder, uri, "")


async def test_info__asked_without_a_signer__has_a_token_and_no_terms(scene: Scene) -> None:
    answer = await scene.ask("info", orchestrator=scene.uri, signer="", model="noop")
    info = wire.decode_orchestrator_info(bytes.fromhex(answer["data"]))
    assert (info.transcoder, info.ticket_params, info.price_info) == (scene.uri, None, None)
    assert info.auth_token is not None


async def test_byoc__whatever_its_worker_asks__is_done_for_nothing(scene: Scene) -> None:
    async with app() as worker:
        await brought(scene, worker, "reverse", 1000)
        answer = await scene.ask("byoc", orchestrator=scene.uri, capability="reverse", payload={"text": "abc"})
    assert answer["data"] == {"text": "cba"}


async def test_runner__whatever_it_asks__is_reserved_used_and_left_for_nothing(scene: Scene) -> None:
    async with app() as url:
        runner = await register(scene, url, "timed", 3600 * 10**12, "hour")
        (entry,) = (await scene.ask("discovered", orchestrator=scene.uri, app="timed"))["found"]
        told = await scene.ask("session", orchestrator=scene.uri, app="timed", seconds=0.1)
        heard = await scene.ask("told", runner_id=runner, events=2)
        await scene.ask("leave", runner_id=runner)
    assert [each["price_info"]["price"] for each in entry["runners"]] == [0]
    assert [status for status, _ in told["answers"]] == [200, 200]
    assert told["afterwards"] == 404
    assert [event for event, _ in heard["events"]] == ["reserved", "released"]


async def test_store__after_all_that__does_not_exist(scene: Scene) -> None:
    found = await asyncio.to_thread(lambda: sorted(each.name for each in (scene.folder / "data").iterdir()))
    assert [name for name in found if name.endswith(".sqlite")] == []
