"""A whole orchestrator as its own process, on a chain with the suite: start, serve, be killed, come back, stop."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import aiohttp
import pytest
from eth_abi.abi import encode

from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses, to_hex
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.media import GeneratedVideo, PyavProbe
from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.codec import wire
from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.credentials import orchestrator_request_digest, ping_digest, segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import (
    NonceAndSig,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    SegmentCredentials,
    TranscodeResult,
    VideoProfile,
)
from livepeer_client.codec.signature import recover_personal, sign_personal
from livepeer_client.codec.ticket import ticket_from_params
from livepeer_client.errors import LivepeerError, PeerRefused
from livepeer_client.facts import TicketState
from scripts._ports import free_port
from tests.client.adapters.chain.test_price_feed import AT, contract_that_answers
from tests.support.anvil import ALICE, GATEWAY, STRANGER, Role, anvil, opened, set_stage
from tests.support.postgres import Server

EV = 10**15
PROFILE = VideoProfile(name="P144p30fps16x9", width=256, height=144, bitrate=400_000, fps=30)


@dataclass
class Node:
    """An orchestrator process and where its files are."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process

    @property
    def uri(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def stored(self, query: str) -> list[tuple[object, ...]]:
        path = f"file:{self.folder}/data/orchestrator.sqlite?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, tmp_path_factory.getbasetemp()))


def configure(folder: Path, chain: tuple[str, Addresses], port: int, **changes: object) -> None:
    url, addresses = chain
    contracts = {name: to_hex(address) for name, address in addresses.contracts.items()}
    deployment = {
        "chain_id": addresses.chain_id,
        "controller": to_hex(addresses.controller),
        "contracts": contracts,
        "block": 0,
    }
    (folder / "addresses.json").write_text(json.dumps(deployment))
    (folder / "key").write_text(ALICE.key.hex())
    (folder / "key").chmod(0o600)
    settings = {
        "service_uri": f"https://127.0.0.1:{port}",
        "listen": f"127.0.0.1:{port}",
        "data_dir": "data",
        "price_per_unit": 1,
        "ticket_ev_wei": EV,
        "max_face_value_wei": 2 * EV,
        "redeem_gas": 1,
        **changes,
    }
    lines = [
        "[chain]",
        f'rpc_url = "{url}"',
        'addresses = "addresses.json"',
        "poll_interval_s = 0.1",
        '[key]\nfile = "key"',
        "[orchestrator]",
        *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
        "[redemption]\npoll_interval_s = 0.1",
        "[reward]\nenabled = false",
    ]
    (folder / "orchestrator.toml").write_text("\n".join(lines))


async def launch(folder: Path, port: int) -> Node:
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "orchestrator", "run"),
            *("--config", str(folder / "orchestrator.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    assert line.decode() == f"ready https://127.0.0.1:{port}\n", (folder / "log").read_text()
    return Node(folder, port, process)


@contextlib.asynccontextmanager
async def running(folder: Path, chain: tuple[str, Addresses], **changes: object) -> AsyncIterator[Node]:
    port = free_port()
    configure(folder, chain, port, **changes)
    node = await launch(folder, port)
    try:
        yield node
    finally:
        if node.process.returncode is None:
            node.process.kill()
        await node.process.wait()


async def until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for another process."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - it has no event for us
            await asyncio.sleep(0.05)


@dataclass
class Buyer:
    """A gateway in a few lines."""

    probe: GrpcProbe
    http: aiohttp.ClientSession
    segment: bytes

    async def info(self, uri: str, role: Role = GATEWAY) -> OrchestratorInfo:
        request = OrchestratorRequest(
            role.address, sign_personal(role.private_key, orchestrator_request_digest(role.address))
        )
        return await self.probe.get_info(uri, request, timeout_s=60)

    async def submit(self, uri: str, info: OrchestratorInfo, tickets: int = 4) -> TranscodeResult:
        params = info.ticket_params
        assert params is not None
        signed = tuple(
            NonceAndSig(
                nonce, sign_personal(GATEWAY.private_key, ticket_from_params(params, GATEWAY.address, nonce).hash)
            )
            for nonce in range(1, tickets + 1)
        )
        payment = Payment(params, GATEWAY.address, params.expiration, signed, info.price_info)
        hash_ = keccak256(self.segment)
        credentials = SegmentCredentials(
            manifest_id=b"m",
            seq=0,
            hash=hash_,
            profiles=(PROFILE,),
            sig=sign_personal(GATEWAY.private_key, segment_digest(b"m", 0, hash_, (PROFILE,))),
            duration_ms=1000,
            capabilities=job_capabilities((PROFILE,)),
            auth_token=info.auth_token,
        )
        headers = {
            "Livepeer-Payment": wire.payment_header(payment),
            "Livepeer-Segment": wire.segment_header(credentials),
        }
        async with self.http.post(f"{uri}/segment", data=self.segment, headers=headers) as response:
            assert response.status == 200, await response.text()
            return wire.decode_transcode_result(await response.read())


@pytest.fixture
async def buyer(tmp_path: Path) -> AsyncIterator[Buyer]:
    (segment,) = [data async for _, data, _ in GeneratedVideo(count=1, segment_s=1).segments()]
    async with (
        GrpcProbe(tmp_path / "certificates") as probe,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        yield Buyer(probe, http, segment)


async def test_run__gas_cheaper_than_the_least_price__quotes_by_that(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    port, least = free_port(), 10**12
    configure(tmp_path, chain, port, redeem_gas=1000, max_face_value_wei=0)
    settings = tmp_path / "orchestrator.toml"
    settings.write_text(settings.read_text().replace("[chain]", f"[chain]\nmin_gas_price_wei = {least}", 1))
    node = await launch(tmp_path, port)
    try:
        info = await buyer.info(node.uri)
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0
    assert info.ticket_params is not None
    # A hundred times what redemption would cost.
    assert info.ticket_params.face_value == 100 * 1000 * least


async def test_run__probed_and_paid__transcodes_and_stores_what_it_earned(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with running(tmp_path, chain) as node:
        sig = await buyer.probe.ping(node.uri, b"challenge", timeout_s=60)
        info = await buyer.info(node.uri)
        result = await buyer.submit(node.uri, info)
        async with buyer.http.get(result.segments[0].url) as response:
            rendition = await response.read()
        async with buyer.http.get(f"{node.uri}/status") as response:
            status = await response.json()

    assert recover_personal(sig, ping_digest(b"challenge")) == ALICE.address
    assert (result.error, info.transcoder) == ("", node.uri)
    media = await PyavProbe().inspect(rendition)
    assert (media.width, media.height) == (PROFILE.width, PROFILE.height)
    assert media.pixels == result.segments[0].pixels
    assert node.stored("SELECT payments, tickets, segments, pixels FROM sessions") == [
        (1, 4, 1, result.segments[0].pixels)
    ]
    assert (status["Sessions"], status["Segments"]) == (1, 1)


async def test_run__a_sender_without_reserve__is_told_so(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with running(tmp_path, chain) as node:
        with pytest.raises(PeerRefused, match="insufficient sender reserve"):
            await buyer.info(node.uri, STRANGER)


async def test_run__killed_in_a_segment_and_restarted__keeps_payment_certificate_and_tokens(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with running(tmp_path, chain, latency_ms=4000) as node:
        info = await buyer.info(node.uri)
        lost = asyncio.create_task(buyer.submit(node.uri, info))
        await until(lambda: "payment sender=" in (tmp_path / "log").read_text())
        node.process.kill()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await lost
        await node.process.wait()
        certificate = (tmp_path / "data" / "tls.pem").read_bytes()
        configure(tmp_path, chain, node.port)
        node.process = (await launch(tmp_path, node.port)).process

        again = await buyer.info(node.uri)
        assert again.ticket_params is not None
        result = await buyer.submit(node.uri, replace(again, auth_token=info.auth_token))

    assert not result.error
    assert (tmp_path / "data" / "tls.pem").read_bytes() == certificate
    assert node.stored("SELECT payments, segments FROM sessions") == [(2, 1)]


async def test_run__on_a_store_in_postgresql__keeps_there_what_it_earned(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer, postgres_server: Server
) -> None:
    async with running(tmp_path, chain, store_url=postgres_server.dsn, expiration_blocks=2) as node:
        result = await buyer.submit(node.uri, await buyer.info(node.uri), tickets=20)
        async with (
            await PostgresTicketStore.open(postgres_server.dsn, read_only=True) as store,
            opened(*chain) as stage,
        ):
            assert (await store.totals()).payments == 1
            await stage.mine(4)
            async with asyncio.timeout(60):
                while await store.tickets(TicketState.HELD, TicketState.SENT):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            totals = await store.totals()
            (batch,) = await store.batches()

    assert not result.error
    assert totals.winners == totals.by_state[TicketState.PAID] > 0
    assert totals.paid == totals.winners_face_value
    assert len(batch.batch.tickets) == totals.winners
    assert not (tmp_path / "data" / "orchestrator.sqlite").exists()


async def test_run__winners_whose_params_expired__are_redeemed_on_chain(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    url, addresses = chain
    async with running(tmp_path, chain, expiration_blocks=2) as node, opened(url, addresses) as stage:
        await buyer.submit(node.uri, await buyer.info(node.uri), tickets=20)
        (won,) = node.stored("SELECT count(*) FROM winners")
        assert isinstance(won[0], int)
        assert won[0] > 0
        await stage.mine(4)
        await until(lambda: node.stored("SELECT count(*) FROM winners WHERE state = 'paid'") == [won])

    assert node.stored("SELECT DISTINCT paid FROM winners") == [(str(2 * EV),)]


async def test_run__sigterm__drains_and_ends_cleanly(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with running(tmp_path, chain, latency_ms=1000) as node:
        info = await buyer.info(node.uri)
        work = asyncio.create_task(buyer.submit(node.uri, info))
        await until(lambda: "payment sender=" in (tmp_path / "log").read_text())
        node.process.send_signal(signal.SIGTERM)

        assert not (await work).error
        async with asyncio.timeout(60):
            assert await node.process.wait() == 0


async def test_run__its_log__is_single_lines_without_keys(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with running(tmp_path, chain) as node:
        await buyer.submit(node.uri, await buyer.info(node.uri))
        node.process.send_signal(signal.SIGTERM)
        await node.process.wait()

    log = (tmp_path / "log").read_text()
    assert all(line[:2] == "20" and "Z " in line for line in log.splitlines())
    assert ALICE.key.hex() not in log
    assert (tmp_path / "data" / "token.key").read_bytes().hex() not in log


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"price_per_unit": -1}, "price_per_unit"), ({"pixels_per_units": 1}, "pixels_per_units: unknown key")],
    ids=["value", "name"],
)
async def test_run__settings_that_are_refused__exits_2_naming_the_key(
    tmp_path: Path, chain: tuple[str, Addresses], wrong: dict[str, object], text: str
) -> None:
    configure(tmp_path, chain, 1, **wrong)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "livepeer_client", "orchestrator", "run"),
        *("--config", str(tmp_path / "orchestrator.toml")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 2, errors
    assert text in errors.decode()
    assert errors.count(b"\n") == 1


async def test_run__published_at_another_uri__says_so_with_the_command_that_mends_it(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    async with running(tmp_path, chain) as node:
        mend = f"livepeer-client set-uri {node.uri}"
        await until(lambda: mend in (tmp_path / "log").read_text())
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as http, http.get(f"{node.uri}/status") as answer:
            (trouble,) = (await answer.json())["Troubles"]

    assert trouble.endswith(mend)
    assert "published https://alice.example:8935" in trouble


async def put_feed(url: str, price: int, age_s: int) -> None:
    """A feed of ETH / USD without decimals, whose last round is so old."""
    async with JsonRpc(url) as rpc:
        now = int((await rpc.call("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)
        answers = {
            "description()": encode(["string"], ["ETH / USD"]),
            "decimals()": encode(["uint8"], [0]),
            "latestRoundData()": encode(
                ["uint80", "int256", "uint256", "uint256", "uint80"], [1, price, now, now - age_s, 1]
            ),
        }
        await rpc.call("anvil_setCode", [to_hex(AT), contract_that_answers(answers)])


async def test_run__priced_in_dollars__quotes_at_the_feeds_rate_and_not_at_a_stale_one(
    tmp_path: Path, chain: tuple[str, Addresses], buyer: Buyer
) -> None:
    async with opened(*chain) as stage, stage.taken_back():
        for folder, age_s in (("fresh", 0), ("stale", 10 * 86_400)):
            await put_feed(chain[0], 2_500, age_s)
            here, port = tmp_path / folder, free_port()
            here.mkdir()
            configure(here, chain, port, price_per_unit="0.3e-6 USD", pixels_per_unit=3, auto_adjust_price=False)
            settings = here / "orchestrator.toml"
            settings.write_text(f'{settings.read_text()}\n[price_feed]\naddress = "{to_hex(AT)}"\n')
            node = await launch(here, port)
            try:
                if age_s:
                    with pytest.raises(LivepeerError):
                        await buyer.info(node.uri)
                    assert "price feed is stale" in (here / "log").read_text()
                else:
                    info = await buyer.info(node.uri)
                    assert info.price_info is not None
                    assert info.price_info.wei_per_pixel == Fraction(10**11, 2_500)
            finally:
                node.process.terminate()
                assert await node.process.wait() == 0
