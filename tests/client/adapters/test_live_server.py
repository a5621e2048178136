"""`POST /live-video-to-video` over real sockets: the official SDK before it, a runner that is a process behind it.

Chain, store and ticket books are in memory; TLS, gRPC, HTTP, protobuf, signatures, the remote signer with its ledger on
disk, trickle and the video are real, and so are the three processes: this node, the runner, the SDK.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.live_server import HttpLiveRunner, mount_live
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.signer_server import build_signer_app
from livepeer_client.adapters.sqlite.signer import SqliteSignerLedger
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.codec import wire
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.messages import ModelConstraint
from livepeer_client.errors import PeerRefused, PeerUnreachable
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.signing import SignerConfig
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.services.live_sessions import LiveSessions
from livepeer_client.services.signer import SignerService
from scripts._ports import free_port
from tests.support.live_runner import brightness, encode
from tests.support.shop import GATEWAY, GATEWAY_KEY, ORCHESTRATOR_KEY, Shop
from tests.support.signing import STATE_KEY, serving

ROOT = Path(__file__).resolve().parents[3]
SDK = ROOT / ".tools" / "sdk" / "bin" / "python"
PRICE = Fraction(1, 100)
INTERVAL_S = 2
URLS = LiveUrls("http://a/p", "http://a/s", "http://a/c", "http://a/e")


def picture() -> bytes:
    """A segment of ten frames, 64x48, that get brighter."""
    frames = [av.VideoFrame(64, 48, "yuv420p") for _ in range(10)]
    for number, frame in enumerate(frames):
        for plane in frame.planes:
            plane.update(bytes([40 + 5 * number]) * plane.buffer_size)
    return encode(frames)


@asynccontextmanager
async def runner_process() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tests" / "support" / "live_runner.py"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        word, port = (await asyncio.wait_for(process.stdout.readline(), 60)).split()
        assert word == b"ready"
        yield f"http://127.0.0.1:{int(port)}"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Node:
    def __init__(self, shop: Shop, live: LiveSessions, hub: TrickleHub, uri: str, signer: str) -> None:
        self.shop = shop
        self.live = live
        self.hub = hub
        self.uri = uri
        self.signer = signer


@asynccontextmanager
async def node(folder: Path, runner_url: str) -> AsyncIterator[Node]:
    port = free_port()
    clock = SystemClock()
    uri = f"https://127.0.0.1:{port}"
    shop = Shop(price=PRICE, service_uri=uri, clock=clock)  # type: ignore[arg-type]
    offer, model = shop.advertise.offer, {"noop": ModelConstraint(warm=True, capacity=4)}
    number = int(Capability.LIVE_VIDEO_TO_VIDEO)
    capabilities = replace(
        offer.capabilities,
        bits=offer.capabilities.bits | {number},
        capacities={number: 4},
        constraints={number: model},
    )
    shop.advertise._offer = replace(offer, capabilities=capabilities)
    hub = TrickleHub(clock)
    async with aiohttp.ClientSession() as http:
        live = LiveSessions(
            work=shop.work,
            payments=shop.payments,
            channels=hub,
            runner=HttpLiveRunner(http, runner_url),
            clock=clock,
            service_uri=lambda: uri,
            models={"noop": Tariff(PRICE)},
            interval_s=INTERVAL_S,
        )
        app = build_app(shop.work)
        add_trickle_routes(app, hub)
        mount_live(app, live)
        ledger = await SqliteSignerLedger.open(folder / "signer.sqlite", clock=clock)
        signer = SignerService(
            SignerConfig(),
            LocalSigner(GATEWAY_KEY.secret),
            ledger,
            GatewayView(shop.chain, clock, GATEWAY, 0.0),
            clock,
            state_key=STATE_KEY,
        )
        server = TlsServer(
            host="127.0.0.1",
            port=port,
            context=server_context(folder / "tls.pem", "127.0.0.1", time.time()),
            app=app,
            rpc=[orchestrator_rpc(shop.advertise.get_orchestrator, shop.advertise.ping, shop.work.end_session)],
            grace_s=0.5,
        )
        async with ledger, serving(build_signer_app(signer)) as signer_url, server:
            try:
                yield Node(shop, live, hub, uri, signer_url)
            finally:
                await live.close()


async def sdk(order: dict[str, Any]) -> dict[str, Any]:
    if not SDK.exists():
        assert not os.environ.get("CI"), "the official SDK is not installed"
        pytest.skip("the official SDK is not installed: it needs a Python 3.12 or 3.13")
    process = await asyncio.create_subprocess_exec(
        str(SDK),
        str(ROOT / "tests" / "support" / "sdk_live.py"),
        json.dumps(order),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 90)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


async def test_live__official_sdk__starts_publishes_subscribes_and_pays_until_its_session_ends(tmp_path: Path) -> None:
    (tmp_path / "in.ts").write_bytes(picture())
    async with runner_process() as runner, node(tmp_path, runner) as it:
        told = await sdk(
            {
                "orchestrator": it.uri,
                "signer": it.signer,
                "segment": str(tmp_path / "in.ts"),
                "output": str(tmp_path / "out.ts"),
                "payments": 2,
            }
        )
        assert told["payments"] == 2
        assert told["received"] >= 2
        assert told["events"][0] == {"queue_event_type": "started", "event": {"params": {"prompt": "x"}}}
        # The negative of what was sent, frame by frame.
        before, after = brightness(picture()), brightness((tmp_path / "out.ts").read_bytes())
        assert after == pytest.approx([255 - each for each in before], abs=4)
        # What the SDK's own messages say of our answer is what ours say.
        info = wire.decode_orchestrator_info(bytes.fromhex(told["info"]))
        assert (info.transcoder, info.address) == (it.uri, LocalSigner(ORCHESTRATOR_KEY).address)
        assert info.auth_token is not None
        assert info.auth_token.session_id == told["manifest_id"]
        # Ahead at first, then for the time that passed: all of it on the session's account, and debited from there.
        paid = [payment for payment in it.shop.store.payments if payment.session_id == told["manifest_id"]]
        debits = [debit for debit in it.shop.store.debits if debit.session_id == told["manifest_id"]]
        assert len(paid) >= 2
        assert len(debits) >= 2
        balance = sum(payment.credited for payment in paid) - sum(debit.fee for debit in debits)
        assert it.shop.payments.balance(GATEWAY, told["manifest_id"]) == balance > 0
        async with asyncio.timeout(60):
            while len(it.live):  # noqa: ASYNC110 - the node ends it when it looks next
                await asyncio.sleep(0.05)
        assert len(it.hub) == 0


async def test_start__body_beyond_its_limit_or_no_payment__is_refused_in_json(tmp_path: Path) -> None:
    async with node(tmp_path, "http://127.0.0.1:9") as it, aiohttp.ClientSession() as http:
        url = f"{it.uri}/live-video-to-video"
        async with http.post(url, data=b"x" * 100_000, ssl=False) as response:
            assert (response.status, await response.json()) == (413, {"error": {"message": "request too large"}})
        async with http.post(url, data=b'{"model_id":"noop"}', ssl=False) as response:
            assert (response.status, await response.json()) == (403, {"error": {"message": "empty seg data"}})


async def test_http_live_runner__away_or_refusing__is_an_error_of_the_peer() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(PeerUnreachable):
            await HttpLiveRunner(http, "http://127.0.0.1:9").start(LiveRequest("noop"), URLS)
        async with serving(aiohttp.web.Application()) as url:
            with pytest.raises(PeerRefused):
                await HttpLiveRunner(http, url).start(LiveRequest("noop"), URLS)
