"""A remote signer as its own process that lists orchestrators: found on the chain, probed, and served over HTTP."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.policy.trust import FULL_TRUST
from livepeer_client.services.sources import ListedSource
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import configure, launch
from tests.support.anvil import GATEWAY, anvil, set_stage

WAIT_S = 60


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))


@asynccontextmanager
async def signer(folder: Path, url: str, orchestrator: str) -> AsyncIterator[str]:
    """A signer beside the orchestrator's files, and where it is."""
    (folder / "gateway.key").write_text(GATEWAY.key.hex())
    (folder / "gateway.key").chmod(0o600)
    port = free_port()
    (folder / "signer.toml").write_text(
        f"""
        [chain]
        rpc_url = "{url}"
        addresses = "addresses.json"
        poll_interval_s = 0.2
        [key]
        file = "gateway.key"
        [signer]
        listen = "127.0.0.1:{port}"
        data_dir = "signer"
        [discovery]
        orchestrators = ["{orchestrator}"]
        """
    )
    with (folder / "signer.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "signer", "run", "--config", str(folder / "signer.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = await process.stdout.readline()
        assert line.decode().startswith("ready"), (folder / "signer.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def listed(http: aiohttp.ClientSession, url: str, caps: str = "") -> tuple[int, object]:
    async with http.get(f"{url}/discover-orchestrators{caps}") as response:
        return response.status, json.loads(await response.read())


async def test_run__with_discovery__lists_who_answers_and_503_while_there_is_nobody(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    port = free_port()
    configure(tmp_path, chain, port)
    uri = f"https://127.0.0.1:{port}"
    with (tmp_path / "orchestrator.toml").open("a") as file:
        file.write('\n[[pipelines]]\npipeline = "live-video-to-video"\nmodel = "noop"\nprice_per_unit = 1\n')
    async with signer(tmp_path, chain[0], uri) as url, aiohttp.ClientSession() as http:
        status, _ = await listed(http, url)
        assert status == 503
    node = await launch(tmp_path, port)
    try:
        async with signer(tmp_path, chain[0], uri) as url, aiohttp.ClientSession() as http:
            for _ in range(10 * WAIT_S):
                answer = await listed(http, url)
                if answer[0] == 200:
                    break
                await asyncio.sleep(0.1)
            expected = [{"address": uri, "score": 1, "capabilities": ["live-video-to-video/noop"]}]
            assert answer == (200, expected)
            assert await listed(http, url, "?caps=live-video-to-video/noop") == (200, expected)
            assert (await listed(http, url, "?caps=text-to-image/flux"))[0] == 503
            # What a gateway makes of it.
            async with AiohttpWebClient() as web:
                source = ListedSource(f"{url}/discover-orchestrators", web, SystemClock())
                (member,) = await source.orchestrators()
            assert (member.service_uri, member.score) == (uri, FULL_TRUST)
    finally:
        node.process.terminate()
        await node.process.wait()
