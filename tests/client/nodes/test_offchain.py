"""An orchestrator without a chain, as a process: real segments, a live job of the official SDK, no money anywhere."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.codec import wire
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import OrchestratorRequest, SegmentCredentials, VideoProfile
from livepeer_client.errors import PeerRefused
from livepeer_client.policy.pipelines import pipeline_job
from tests.client.adapters.test_live_server import brightness, picture, runner_process, sdk
from tests.support.anvil import free_port

NOBODY = OrchestratorRequest(b"", b"")
PROFILE = VideoProfile("small", 32, 24, 100_000, 30)
LIVE = """
[[pipelines]]
pipeline = "live-video-to-video"
model = "noop"
[runners]
live-video-to-video = "{}"
"""


@asynccontextmanager
async def running(folder: Path, more: str = "") -> AsyncIterator[str]:
    """Its service URI."""
    port = free_port()
    uri = f"https://127.0.0.1:{port}"
    (folder / "orchestrator.toml").write_text(
        f"""
        [orchestrator]
        offchain = true
        service_uri = "{uri}"
        listen = "127.0.0.1:{port}"
        data_dir = "data"
        {more}
        """
    )
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "orchestrator", "run"),
            *("--config", str(folder / "orchestrator.toml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line.decode() == f"ready {uri}\n", (folder / "log").read_text()
        yield uri
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        told = (folder / "log").read_text()
        assert told.index("told to stop") < told.index("stopped")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def headers(credentials: SegmentCredentials) -> dict[str, str]:
    return {"credentials": wire.segment_header(credentials), "payment": ""}


async def test_run__a_segment_without_signature_or_payment__is_transcoded_for_nothing(tmp_path: Path) -> None:
    source = picture()
    async with running(tmp_path) as uri, GrpcProbe() as probe, HttpTransport() as http:
        info = await probe.get_info(uri, NOBODY, timeout_s=30)
        assert (info.ticket_params, info.price_info, info.capabilities_prices) == (None, None, ())
        assert info.address == bytes(20)
        assert info.auth_token is not None
        assert info.capabilities is not None
        assert Capability.H264 in info.capabilities.bits
        credentials = SegmentCredentials(
            manifest_id=b"stream",
            seq=3,
            hash=keccak256(source),
            profiles=(PROFILE,),
            sig=b"",
            duration_ms=333,
            auth_token=info.auth_token,
        )
        limits = {"upload_timeout_s": 60, "timeout_s": 60}
        done = await http.submit_segment(uri, source, **headers(credentials), **limits)
        assert (done.seq, done.error, done.sig) == (3, "", b"")
        (rendition,) = done.segments
        assert rendition.pixels == 10 * 32 * 24
        assert (await http.fetch(rendition.url, limit_bytes=1 << 20, timeout_s=60))[:1] == b"G"
        # The next terms are as empty, and for the same session.
        assert done.info is not None
        assert (done.info.ticket_params, done.info.auth_token) == (None, info.auth_token)


async def test_run__a_segment_without_our_token_or_with_another_body__is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as uri, GrpcProbe() as probe, HttpTransport() as http:
        info = await probe.get_info(uri, NOBODY, timeout_s=30)
        assert info.auth_token is not None
        limits = {"upload_timeout_s": 60, "timeout_s": 60}
        profiles = (PROFILE,)
        good = SegmentCredentials(b"s", 0, keccak256(b"x"), profiles, b"", 333, auth_token=info.auth_token)
        stranger = replace(good, auth_token=None)
        with pytest.raises(PeerRefused) as refused:
            await http.submit_segment(uri, b"x", **headers(stranger), **limits)
        assert refused.value.status == 403
        with pytest.raises(PeerRefused) as refused:
            await http.submit_segment(uri, b"y", **headers(good), **limits)
        assert refused.value.status == 403
        async with aiohttp.ClientSession() as session:
            # Whoever knows a session's name gets no token for it that way.
            body = b'{"orchestrator": "", "manifest_id": "%b"}' % info.auth_token.session_id.encode()
            async with session.post(f"{uri}/refresh-payment", data=body, ssl=False) as answer:
                assert answer.status in (400, 409)


async def test_run__live_job_of_the_official_sdk__is_served_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.ts").write_bytes(picture())
    async with runner_process() as runner, running(tmp_path, LIVE.format(runner)) as uri:
        async with GrpcProbe() as probe:
            job = pipeline_job(int(Capability.LIVE_VIDEO_TO_VIDEO), "noop")
            info = await probe.get_info(uri, OrchestratorRequest(b"", b"", job), timeout_s=30)
            assert info.price_info is None
        told = await sdk(
            {
                "orchestrator": uri,
                "signer": "",
                "segment": str(tmp_path / "in.ts"),
                "output": str(tmp_path / "out.ts"),
                "payments": 0,
                "received": 2,
            }
        )
        assert told["received"] >= 2
        assert told["address"] == bytes(20).hex()
        sent, came = brightness(picture()), brightness((tmp_path / "out.ts").read_bytes())
        assert came == pytest.approx([255 - each for each in sent], abs=4)


async def test_run__its_administration__changes_sessions_and_says_why_it_has_no_terms(tmp_path: Path) -> None:
    port = free_port()
    async with running(tmp_path, f'[admin]\nlisten = "127.0.0.1:{port}"') as uri, aiohttp.ClientSession() as http:
        admin = f"http://127.0.0.1:{port}"
        async with http.post(f"{admin}/setMaxSessions", data={"maxSessions": "3"}) as answer:
            assert answer.status == 200
        async with http.get(f"{admin}/status") as answer:
            assert (await answer.json())["MaxSessions"] == 3
        for setter in ("setOrchestratorConfig", "setPriceForBroadcaster", "setMaxFaceValue"):
            async with http.post(f"{admin}/{setter}", data={"pricePerUnit": "1"}) as answer:
                assert (answer.status, "without a chain" in await answer.text()) == (400, True)
        async with http.get(f"{uri}/status", ssl=False) as answer:
            assert (await answer.json())["Address"] == "0x" + bytes(20).hex()
