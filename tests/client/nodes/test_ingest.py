"""A serving gateway as its own process before an orchestrator as its own: push, multipart, metrics, setters, drain."""

import asyncio
import base64
import contextlib
import email
import email.policy
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.gateway_admin import GatewayAdmin
from livepeer_client.adapters.media import GeneratedVideo, PyavProbe
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.gateway_api import Role
from livepeer_client.errors import ConfigError
from livepeer_client.nodes.ingest import run
from scripts._ports import free_port
from tests.client.nodes.test_gateway import make_config
from tests.client.nodes.test_orchestrator import configure, launch
from tests.support.ai import SECRET, model_runner
from tests.support.anvil import ALICE, GATEWAY, anvil, opened, set_stage
from tests.support.byoc import reverse


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))


@dataclass
class Serving:
    """A gateway process with its three ports, and its orchestrator's process."""

    folder: Path
    process: asyncio.subprocess.Process
    push: str
    admin: str
    metrics: str
    orchestrator: asyncio.subprocess.Process
    selling: str


async def start(folder: Path, chain: tuple[str, Addresses]) -> Serving:
    selling, buying = folder / "orchestrator", folder / "gateway"
    selling.mkdir()
    buying.mkdir()
    port, push, admin, metrics = (free_port() for _ in range(4))
    configure(selling, chain, port)
    (selling / "secret").write_text(SECRET)
    (selling / "secret").chmod(0o600)
    with (selling / "orchestrator.toml").open("a") as settings:
        settings.write('\n[workers]\nsecret_file = "secret"\n')
    url, addresses = chain
    async with opened(url, addresses) as stage:
        await stage.transactor(ALICE).send("ServiceRegistry", "setServiceURI", [f"https://127.0.0.1:{port}"])
    node = await launch(selling, port)
    (buying / "key").write_text(GATEWAY.key.hex())
    (buying / "key").chmod(0o600)
    (buying / "gateway.toml").write_text(
        "\n".join(
            [
                f'[chain]\nrpc_url = "{url}"\naddresses = "{selling}/addresses.json"\npoll_interval_s = 0.2',
                '[key]\nfile = "key"',
                '[gateway]\ndata_dir = "data"\nmax_price_per_unit = 10\nmax_ticket_ev_wei = 10000000000000000',
                "max_total_ev_wei = 1000000000000000000",
                f'[ingest]\nlisten = "127.0.0.1:{push}"\npresets = ["P144p30fps16x9"]',
                "[byoc]\nmax_price_per_second = 1000",
                f'[admin]\nlisten = "127.0.0.1:{admin}"',
                f'[metrics]\nlisten = "127.0.0.1:{metrics}"',
            ]
        )
    )
    with (buying / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "gateway", "serve", "--config", str(buying / "gateway.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    assert line.decode() == f"ready 127.0.0.1:{push}\n", (buying / "log").read_text()
    http = "http://127.0.0.1:"
    seller = f"https://127.0.0.1:{port}"
    return Serving(buying, process, f"{http}{push}", f"{http}{admin}", f"{http}{metrics}", node.process, seller)


@pytest.fixture
async def serving(tmp_path: Path, chain: tuple[str, Addresses]) -> AsyncIterator[Serving]:
    place = await start(tmp_path, chain)
    try:
        yield place
    finally:
        for process in (place.process, place.orchestrator):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()


async def test_serve__pushed_segments__come_back_paid_and_told_of_and_it_stops_cleanly(serving: Serving) -> None:
    segments = [data async for _, data, _ in GeneratedVideo(count=2, segment_s=1).segments()]
    headers = {"Accept": "multipart/mixed", "Content-Duration": "1000"}
    async with aiohttp.ClientSession() as http:
        parts = []
        for seq, data in enumerate(segments):
            async with http.post(f"{serving.push}/live/movie/{seq}.ts", data=data, headers=headers) as response:
                body = await response.read()
                assert response.status == 200, body + (serving.folder / "log").read_bytes()
                raw = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode() + body
            message = email.message_from_bytes(raw, policy=email.policy.HTTP)
            parts += list(message.iter_parts())  # type: ignore[attr-defined]
        async with http.post(f"{serving.push}/live/movie/9.ts", data=b"no video", headers=headers) as response:
            assert (response.status, await response.text()) == (422, "TranscoderInvalidVideo\n")
        async with http.get(f"{serving.metrics}/metrics") as response:
            told = await response.text()
        async with http.get(f"{serving.admin}/status") as response:
            status = await response.json()
        host, port = serving.admin.removeprefix("http://").split(":")
        async with AiohttpWebClient() as web:
            seen = await GatewayAdmin(web, host, int(port)).orchestrators()
        cut = {**headers, "Content-Slice-From": "200", "Content-Slice-To": "700"}
        async with http.post(f"{serving.push}/live/movie/2.ts", data=segments[1], headers=cut) as response:
            body = await response.read()
            assert response.status == 200, body + (serving.folder / "log").read_bytes()
            raw = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode() + body
        parts += list(email.message_from_bytes(raw, policy=email.policy.HTTP).iter_parts())  # type: ignore[attr-defined]
        form = {"maxPricePerUnit": "1", "pixelsPerUnit": "1000", "transcodingOptions": "P240p30fps16x9"}
        async with http.post(f"{serving.admin}/setBroadcastConfig", data=form) as response:
            assert response.status == 200
        # A new stream is chosen for by the new ceiling, which nobody is within.
        async with http.post(f"{serving.push}/live/other/0.ts", data=segments[0], headers=headers) as response:
            assert (response.status, await response.text()) == (503, "No sessions available\n")
        async with http.get(f"{serving.admin}/getBroadcastConfig") as response:
            assert await response.json() == {"MaxPricePerUnit": "1/1000", "TranscodingOptions": "P240p30fps16x9"}

    assert [part["Rendition-Name"] for part in parts] == ["P144p30fps16x9"] * 3
    media = await PyavProbe().inspect(parts[1].get_payload(decode=True))
    assert (media.width, media.height) == (256, 144)
    assert (await PyavProbe().inspect(parts[2].get_payload(decode=True))).frames == 15
    assert "livepeer_segment_transcoded 2.0" in told
    assert 'livepeer_segment_unserved{status="422"} 1.0' in told
    assert "livepeer_gateway_deposit 1e+18" in told
    assert list(status["Manifests"]) == ["movie"]
    (worker,) = [one for one in seen if one.uses]
    assert [(use.workload, use.name, use.role) for use in worker.uses] == [("transcoding", "movie", Role.WORKING)]
    assert worker.latency_score is not None
    assert worker.price is not None
    assert worker.suspended is None

    serving.process.terminate()
    async with asyncio.timeout(60):
        assert await serving.process.wait() == 0, (serving.folder / "log").read_text()
    pixels = sum([(await PyavProbe().inspect(part.get_payload(decode=True))).pixels for part in parts])
    assert rows(serving.folder / "data" / "books.sqlite", "SELECT segments, pixels FROM recipients") == [(3, pixels)]
    seller = serving.folder.parent / "orchestrator" / "data" / "orchestrator.sqlite"
    assert rows(seller, "SELECT SUM(segments), SUM(pixels) FROM sessions") == [(3, pixels)]


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    """What a store has on disk."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


async def test_explain__before_a_real_orchestrator__tells_weights_and_reasons(serving: Serving) -> None:
    # The books are one process's.
    serving.process.terminate()
    await serving.process.wait()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "livepeer_client", "gateway", "explain", "--config"),
        *(str(serving.folder / "gateway.toml"), "--seed", "1", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err
    lines = {line["verdict"]: line for line in json.loads(out)["candidates"]}
    assert set(lines) == {"chosen", "rejected"}
    assert lines["chosen"]["probability"] == 1.0
    assert lines["chosen"]["shares"]["stake"] == 1.0
    assert lines["rejected"]["reject_reason"] in ("NO_ANSWER", "NOT_AWAITED")


async def test_run__without_an_address_to_listen_at__is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[ingest\] listen"):
        await run(replace(make_config(tmp_path), ingest=None))


async def test_serve__a_job_of_a_brought_along_capability__is_bought_done_and_charged(serving: Serving) -> None:
    said = {"capability": "reverse", "request": "{}", "parameters": "", "timeout_seconds": 30}
    header = {"Livepeer": base64.b64encode(json.dumps(said).encode()).decode()}
    entry = {"name": "reverse", "capacity": 1, "price_per_unit": 1000, "price_scaling": 1}
    async with (
        model_runner("/reverse", reverse) as worker,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        register = f"{serving.selling}/capability/register"
        async with http.post(register, json={**entry, "url": worker}, headers={"Authorization": SECRET}) as response:
            assert response.status == 200, await response.text()
        job = f"{serving.push}/process/request/reverse"
        async with http.post(job, json={"text": "abc"}, headers=header) as response:
            assert response.status == 200, await response.text() + (serving.folder / "log").read_text()
            assert await response.json() == {"text": "cba"}

    data = serving.folder.parent / "orchestrator" / "data"
    with contextlib.closing(sqlite3.connect(f"file:{data}/orchestrator.sqlite?mode=ro", uri=True)) as connection:
        ((account, payments, seconds, fees),) = connection.execute(
            "SELECT session_id, payments, pixels, fees FROM sessions"
        ).fetchall()
    assert (account, payments) == ("reverse", 1)
    assert seconds >= 1
    # Exact fractions, in hexadecimal.
    assert fees == f"{1000 * seconds:x}/1"
    assert (data / "jobs.sqlite").exists()
