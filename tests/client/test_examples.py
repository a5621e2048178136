"""The examples of the documentation, run as a reader would: as programs, on a chain, against a running orchestrator."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.chain.suite import Addresses, to_hex
from livepeer_client.adapters.media import GeneratedVideo
from livepeer_client.codec import wire
from livepeer_client.codec.messages import NonceAndSig, Payment
from livepeer_client.codec.signature import sign_personal
from livepeer_client.codec.ticket import ticket_from_params
from scripts._ports import free_port
from tests.client.adapters.chain import test_signer_node as signer_node
from tests.client.adapters.test_live_server import picture, runner_process
from tests.client.nodes.test_live import PIPELINE
from tests.client.nodes.test_orchestrator import EV, configure, launch
from tests.support.anvil import ALICE, GATEWAY, anvil, opened, set_stage
from tests.support.artifacts import CACHE, ROOT
from tests.support.live_runner import brightness

EXAMPLES = ROOT / "docs" / "examples"
SHOWN = {
    "discover_and_price.py",
    "live_video.py",
    "read_network.py",
    "redeem_batch.py",
    "remote_signer.py",
    "send_paid_segment.py",
    "ticket_server.py",
    "watch_rounds.py",
}


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    """Rounds so long that no quote outlives its tickets."""
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=500))


@contextlib.asynccontextmanager
async def started(folder: Path, example: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "errors").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(EXAMPLES / example)),
            *map(str, arguments),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def output(folder: Path, example: str, *arguments: object) -> list[str]:
    """What the example prints, to its end."""
    async with asyncio.timeout(60), started(folder, example, *arguments) as process:
        out, _ = await process.communicate()
    assert process.returncode == 0, (folder / "errors").read_text()
    return out.decode().splitlines()


async def line(process: asyncio.subprocess.Process, folder: Path) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        text = (await process.stdout.readline()).decode().strip()
    assert text, (folder / "errors").read_text()
    return text


@contextlib.asynccontextmanager
async def orchestrator(
    folder: Path, chain: tuple[str, Addresses], more: str = "", **settings: object
) -> AsyncIterator[str]:
    """A node of Alice, whose service URI on chain leads to it. :returns: that URI."""
    port = free_port()
    await asyncio.to_thread(folder.mkdir)
    configure(folder, chain, port, **settings)
    with (folder / "orchestrator.toml").open("a") as file:
        file.write(more)
    uri = f"https://127.0.0.1:{port}"
    async with opened(*chain) as stage:
        await stage.transactor(ALICE).send("ServiceRegistry", "setServiceURI", [uri])
    node = await launch(folder, port)
    try:
        yield uri
    finally:
        node.process.kill()
        await node.process.wait()


def write_gateway(folder: Path, url: str, max_price: int = 10) -> Path:
    (folder / "gateway.key").touch(mode=0o600)
    (folder / "gateway.key").write_text(GATEWAY.key.hex())
    path = folder / "gateway.toml"
    path.write_text(
        f"""
[chain]
rpc_url = "{url}"
addresses = "addresses.json"
[key]
file = "gateway.key"
[gateway]
data_dir = "books"
max_price_per_unit = {max_price}
max_ticket_ev_wei = {2 * EV}
max_total_ev_wei = {100 * EV}
"""
    )
    return path


def test_examples__in_the_folder__are_those_tested_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == SHOWN


async def test_examples__without_arguments__say_which_they_take(tmp_path: Path) -> None:
    async def told(example: str) -> str:
        folder = tmp_path / example
        await asyncio.to_thread(folder.mkdir)
        async with started(folder, example) as process:
            out, _ = await process.communicate()
        assert (process.returncode, out) == (1, b"")
        return (folder / "errors").read_text().strip()

    async with asyncio.timeout(120):
        texts = await asyncio.gather(*map(told, SHOWN))
    for example, text in zip(SHOWN, texts, strict=True):
        assert text.splitlines()[-1].startswith(f"usage: python {example} ")
        assert "Traceback" not in text


async def test_read_network__shows_the_round_and_the_pool(chain: tuple[str, Addresses], tmp_path: Path) -> None:
    url, _ = chain
    configure(tmp_path, chain, 1)
    lines = await output(tmp_path, "read_network.py", url, "addresses.json")
    assert lines[0].startswith("RoundState(")
    assert [text.split()[1] for text in lines[1:]] == [str(1000 * 10**18), str(500 * 10**18)]


async def test_discover_and_price__then_send_paid_segment__finds_whom_it_then_pays(
    chain: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, _ = chain
    (segment,) = [data async for _, data, _ in GeneratedVideo(count=1, segment_s=2).segments()]
    (tmp_path / "segment.ts").write_bytes(segment)
    async with orchestrator(tmp_path / "alice", chain) as uri:
        configure(tmp_path, chain, 1)
        config = write_gateway(tmp_path, url)
        found = await output(tmp_path, "discover_and_price.py", config.name)
        sent = await output(tmp_path, "send_paid_segment.py", config.name, "segment.ts", 2000)
    assert any(text.startswith(f"{uri} chosen") for text in found)
    assert any("a minute of P240p25fps16x9 costs 0." in text for text in found)
    assert sent[0] == f"transcoded by {ALICE.address.hex()}"
    assert int(sent[1].split()[1]) > 426 * 240 * 25
    assert int(sent[2].split()[0]) > 1000


async def test_live_video__sent_through_a_model__comes_back_changed_and_is_paid(
    chain: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, _ = chain
    (tmp_path / "in.ts").write_bytes(picture())
    terms = {"ticket_ev_wei": 10**12, "max_face_value_wei": 2 * 10**12}
    async with runner_process() as runner, orchestrator(tmp_path / "alice", chain, PIPELINE.format(runner), **terms):
        configure(tmp_path, chain, 1)
        config = write_gateway(tmp_path, url, max_price=11_000)
        lines = await output(tmp_path, "live_video.py", config.name, "noop", "in.ts", "out.ts")
    assert lines[0] == f"made by {ALICE.address.hex()}"
    assert lines[1].startswith("paid ")
    assert lines[1].endswith(" payments")
    came = brightness((tmp_path / "out.ts").read_bytes())
    assert came == pytest.approx([255 - each for each in brightness(picture())], abs=4)


async def test_ticket_server__paid_by_tickets__serves_and_its_winners_are_redeemed(
    chain: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, _ = chain
    configure(tmp_path, chain, 1)
    arguments = ("ticket_server.py", url, "addresses.json", to_hex(ALICE.address))
    async with started(tmp_path, *arguments) as process, aiohttp.ClientSession() as http:
        server = (await line(process, tmp_path)).removeprefix("ready ")
        async with http.get(f"{server}/quote", params={"sender": to_hex(GATEWAY.address)}) as response:
            info = wire.decode_orchestrator_info(await response.read())
        params = info.ticket_params
        assert params is not None
        tickets = tuple(
            NonceAndSig(
                nonce, sign_personal(GATEWAY.private_key, ticket_from_params(params, GATEWAY.address, nonce).hash)
            )
            for nonce in range(1, 31)
        )
        payment = Payment(params, GATEWAY.address, params.expiration, tickets, info.price_info)
        header = {"Livepeer-Payment": wire.payment_header(payment)}
        async with http.post(f"{server}/work", headers=header) as response:
            assert response.status == 200
            assert (await response.json())["answer"] == "work"
        # The same payment again is a replay.
        async with http.post(f"{server}/work", headers=header) as response:
            assert response.status == 402
            assert "nonce" in (await response.json())["error"]
    async with opened(*chain) as stage:
        await stage.mine(60)
        before = (await stage.suite.sender_info(GATEWAY.address)).deposit
        lines = await output(tmp_path, "redeem_batch.py", url, "addresses.json", "key", "tickets.sqlite")
        after = (await stage.suite.sender_info(GATEWAY.address)).deposit
    paid = [text for text in lines if " paid " in text]
    assert "1 transactions sent" in lines
    assert len(paid) > 5
    assert before - after == 2 * EV * len(paid)


async def test_redeem_batch__of_a_store_that_is_not_there__refuses_and_makes_none(tmp_path: Path) -> None:
    async with started(tmp_path, "redeem_batch.py", "http://127.0.0.1:1", "addresses.json", "key", "none.sqlite") as it:
        async with asyncio.timeout(60):
            assert await it.wait() == 1
    assert (tmp_path / "errors").read_text() == "none.sqlite: no such store\n"
    assert not (tmp_path / "none.sqlite").exists()


async def test_watch_rounds__a_round_begins__says_so(chain: tuple[str, Addresses], tmp_path: Path) -> None:
    url, _ = chain
    configure(tmp_path, chain, 1)
    async with opened(*chain) as stage, started(tmp_path, "watch_rounds.py", url, "addresses.json") as process:
        assert (await line(process, tmp_path)).startswith("watching from block ")
        round_ = (await stage.suite.round_state()).current
        await stage.next_round()
        assert (await line(process, tmp_path)).startswith(f"round {round_ + 1} began in block ")
        # Ctrl-C, as its text says.
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    assert (tmp_path / "errors").read_text() == ""


async def test_examples__with_files_that_are_not_there__say_so_in_one_line(tmp_path: Path) -> None:
    async def told(example: str, *arguments: str) -> str:
        folder = tmp_path / example
        await asyncio.to_thread(folder.mkdir)
        async with started(folder, example, *arguments) as process:
            await process.communicate()
        assert process.returncode == 1
        return (folder / "errors").read_text()

    async with asyncio.timeout(120):
        no_settings, no_addresses, no_video = await asyncio.gather(
            told("discover_and_price.py", "gateway.toml"),
            told("read_network.py", "http://127.0.0.1:1", "addresses.json"),
            told("send_paid_segment.py", "gateway.toml", "video.ts", "2000"),
        )
    assert no_settings.startswith("ConfigError: ")
    assert no_settings.endswith("gateway.toml: cannot be read: No such file or directory\n")
    assert no_addresses.startswith("ConfigError: ")
    assert no_video == "FileNotFoundError: [Errno 2] No such file or directory: 'video.ts'\n"


async def test_remote_signer__that_holds_the_key__pays_an_orchestrator(
    chain: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, addresses = chain
    listen = f"127.0.0.1:{free_port()}"
    async with orchestrator(tmp_path / "alice", chain) as uri:
        folder = tmp_path / "signer"
        folder.mkdir()
        settings = signer_node.settings(folder, url, addresses, listen)
        settings.write_text(settings.read_text() + f"max_ticket_ev_wei = {2 * EV}\nmax_total_ev_wei = {100 * EV}\n")
        async with signer_node.running(settings, folder) as process:
            signer = await signer_node.ready(process, folder)
            lines = await output(tmp_path, "remote_signer.py", signer, uri)
    assert len(lines) == 2
    assert lines[0].startswith("PaymentReply")
