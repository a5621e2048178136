"""Live video on a chain, each part a process of its own: anvil, orchestrator, signer, runner, the official SDK."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.policy.streaming import PIXELS_PER_S
from scripts._ports import free_port
from tests.client.adapters.test_live_server import brightness, picture, runner_process, sdk
from tests.client.nodes.test_orchestrator import configure, launch
from tests.client.nodes.test_signer import signer
from tests.support.anvil import anvil, set_stage

PIPELINE = """
[[pipelines]]
pipeline = "live-video-to-video"
model = "noop"
price_per_unit = 10000
[runners]
live-video-to-video = "{}"
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))


async def test_run__live_job_of_the_official_sdk__is_served_and_paid_on_the_chain(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    port = free_port()
    # What a remote signer takes for a ticket unless its file says otherwise.
    configure(tmp_path, chain, port, ticket_ev_wei=10**12, max_face_value_wei=2 * 10**12)
    uri = f"https://127.0.0.1:{port}"
    (tmp_path / "in.ts").write_bytes(picture())
    async with runner_process() as runner:
        with (tmp_path / "orchestrator.toml").open("a") as file:
            file.write(PIPELINE.format(runner))
        node = await launch(tmp_path, port)
        try:
            async with signer(tmp_path, chain[0], uri) as signer_url:
                told = await sdk(
                    {
                        "orchestrator": uri,
                        "signer": signer_url,
                        "segment": str(tmp_path / "in.ts"),
                        "output": str(tmp_path / "out.ts"),
                        "payments": 2,
                    }
                )
            sent, came = brightness(picture()), brightness((tmp_path / "out.ts").read_bytes())
            assert came == pytest.approx([255 - each for each in sent], abs=4)
            assert told["payments"] == 2
            # One account, whatever tokens it was paid with: ahead at the start, then once or twice more.
            ((session_id, payments, pixels),) = node.stored("SELECT session_id, payments, pixels FROM sessions")
            assert (session_id, payments) == (told["manifest_id"], 1 + told["payments"])
            assert isinstance(pixels, int)
            assert pixels >= 5 * PIXELS_PER_S
            async with aiohttp.ClientSession() as http:
                async with http.get(f"{uri}/ai/trickle/{told['manifest_id']}/next", ssl=False) as response:
                    assert response.status == 404
                async with http.post(f"{uri}/live-video-to-video", data=b"{}", ssl=False) as response:
                    assert (response.status, json.loads(await response.read())["error"]["message"]) == (
                        403,
                        "empty seg data",
                    )
        finally:
            node.process.terminate()
            assert await node.process.wait() == 0
