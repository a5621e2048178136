"""Transcoders as processes of their own: they join, work, are killed, stop; alone and with a whole orchestrator."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.media import GeneratedVideo, PyavProbe
from livepeer_client.codec.capability import Capability, job_capabilities
from livepeer_client.policy.ai_request import FileSize
from livepeer_client.policy.pipelines import PipelineTable
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import PROFILE, Buyer, configure, launch, until
from tests.client.nodes.test_orchestrator import buyer as buyer
from tests.support.ai import UPSCALE, AiShop, a_file, buying, picture, png
from tests.support.anvil import anvil, set_stage
from tests.support.farm import SECRET, Farm, credentials


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))


def write_secret(folder: Path, name: str = "secret", secret: str = SECRET) -> Path:
    path = folder / name
    path.write_text(secret)
    path.chmod(0o600)
    return path


@contextlib.asynccontextmanager
async def transcoder(
    folder: Path, uri: str, name: str = "one", *, secret: str = SECRET, **settings: object
) -> AsyncIterator["Process"]:
    secret_file = write_secret(folder, f"{name}.secret", secret)
    lines = ["[transcoder]", f'orchestrator = "{uri}"', f'secret_file = "{secret_file.name}"']
    lines += [f"{key} = {value}" for key, value in settings.items()]
    (folder / f"{name}.toml").write_text("\n".join(lines))
    with (folder / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "transcoder", "run", "--config", str(folder / f"{name}.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


Process = asyncio.subprocess.Process


async def joined(process: Process, uri: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert (await process.stdout.readline()).decode() == f"ready {uri}\n"


async def segment(seconds: int = 1) -> bytes:
    (data,) = [data async for _, data, _ in GeneratedVideo(count=1, segment_s=seconds).segments()]
    return data


async def test_run__killed_in_a_segment__another_process_does_it_and_nothing_is_lost(tmp_path: Path) -> None:
    source = await segment(4)
    asked = replace(credentials(), duration_ms=4000, profiles=(PROFILE,), capabilities=job_capabilities((PROFILE,)))
    async with Farm(tmp_path, min_task_s=60).serving() as farm, transcoder(tmp_path, farm.uri, "one") as first:
        await joined(first, farm.uri)
        async with transcoder(tmp_path, farm.uri, "two", preset='"ultrafast"') as second:
            await joined(second, farm.uri)
            work = asyncio.ensure_future(farm.remote.transcode(source, asked))
            await farm.until(lambda: any(worker.jobs for worker in farm.remote.pool._workers))
            first.send_signal(signal.SIGKILL)

            (rendition,) = await asyncio.wait_for(work, 60)
    media = await PyavProbe().inspect(rendition.data)
    assert (media.width, media.pixels) == (PROFILE.width, rendition.pixels)


async def test_run__sigterm__ends_cleanly(tmp_path: Path) -> None:
    async with Farm(tmp_path).serving() as farm, transcoder(tmp_path, farm.uri) as process:
        await joined(process, farm.uri)
        process.terminate()

        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_run__the_wrong_secret__says_so_and_ends(tmp_path: Path) -> None:
    wrong = "the secret of another farm"
    async with Farm(tmp_path).serving() as farm, transcoder(tmp_path, farm.uri, secret=wrong) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 1
    assert "invalid secret" in (tmp_path / "one.log").read_text()


async def test_orchestrator__that_transcodes_by_others_only__offers_what_they_bring_and_is_paid(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    port = free_port()
    configure(tmp_path, chain, port)
    write_secret(tmp_path)
    settings = tmp_path / "orchestrator.toml"
    settings.write_text(settings.read_text() + '\n[workers]\nsecret_file = "secret"\ntranscodes_here = false\n')
    node = await launch(tmp_path, port)
    try:
        before = await buyer.info(node.uri)
        async with transcoder(tmp_path, node.uri) as process:
            await joined(process, node.uri)
            info = await buyer.info(node.uri)
            result = await buyer.submit(node.uri, info)
            node.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(node.process.wait(), 60) == 0
    finally:
        if node.process.returncode is None:
            node.process.kill()
        await node.process.wait()

    assert before.capabilities is not None
    assert info.capabilities is not None
    assert Capability.H264 not in before.capabilities.bits
    assert Capability.H264 in info.capabilities.bits
    assert result.error == ""
    assert node.stored("SELECT segments, pixels FROM sessions") == [(1, result.segments[0].pixels)]
    await until(lambda: "lost" in (tmp_path / "one.log").read_text())


async def test_aiworker__as_a_process__does_a_job_that_is_paid(tmp_path: Path) -> None:
    sold = replace(UPSCALE, capacity=0)
    async with AiShop(tmp_path, PipelineTable([sold])).serving() as shop, buying(shop) as buyer:
        secret = write_secret(tmp_path)
        (tmp_path / "worker.toml").write_text(
            f'[aiworker]\norchestrator = "{shop.uri}"\nsecret_file = "{secret.name}"\n[runners]\nupscale = "own"\n'
            '[[pipelines]]\npipeline = "upscale"\nmodel = "lanczos"\nprice_per_unit = 0\n'
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "aiworker", "run", "--config", str(tmp_path / "worker.toml")),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await joined(process, shop.uri)
            done = await buyer.ai.run(sold, {"prompt": "sharper"}, a_file(png()), FileSize(64, 48))
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert done.fee == 2 * 64 * 48
    assert [picture(file.data) for file in done.result.files.values()] == [(128, 96)]
