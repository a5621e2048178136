"""Metrics, health and readiness of an orchestrator as its own process, on a real chain."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.codec.messages import OrchestratorRequest
from livepeer_client.codec.signature import sign_personal
from livepeer_client.types import MAX_WIN_PROB
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import configure, launch
from tests.support.anvil import GATEWAY, anvil, opened, set_stage
from tests.support.artifacts import CACHE


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE))


async def test_orchestrator__with_metrics__tells_chain_quotes_reward_and_rpc(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    port, metrics_port = free_port(), free_port()
    configure(tmp_path, chain, port)
    settings = tmp_path / "orchestrator.toml"
    settings.write_text(f'{settings.read_text()}\n[metrics]\nlisten = "127.0.0.1:{metrics_port}"\n')
    base = f"http://127.0.0.1:{metrics_port}"
    node = await launch(tmp_path, port)
    try:
        async with opened(*chain) as stage, aiohttp.ClientSession() as http, GrpcProbe(tmp_path / "seen") as probe:

            async def get(path: str) -> tuple[int, str]:
                async with http.get(base + path) as answer:
                    return answer.status, await answer.text()

            async def scrape() -> dict[tuple[str, ...], float]:
                _, text = await get("/metrics")
                return {
                    (sample.name, *sample.labels.values()): sample.value
                    for family in text_string_to_metric_families(text)
                    for sample in family.samples
                }

            assert await get("/healthz") == (200, "ok\n")
            before = await scrape()
            assert ("livepeer_quote_win_prob",) not in before
            request = OrchestratorRequest(
                GATEWAY.address, sign_personal(GATEWAY.private_key, orchestrator_request_digest(GATEWAY.address))
            )
            info = await probe.get_info(node.uri, request, timeout_s=60)
            assert info.ticket_params is not None
            found = await scrape()
            assert found["livepeer_quote_face_value_wei",] == info.ticket_params.face_value
            assert found["livepeer_quote_win_prob",] == pytest.approx(info.ticket_params.win_prob / MAX_WIN_PROB)
            state = await stage.suite.round_state()
            assert found["livepeer_round_current",] == state.current
            assert found["livepeer_orchestrator_active",] == 1
            # What is told of its work stands beside that.
            assert found["livepeer_max_sessions_total",] > 0
            # Its settings call no reward.
            assert found["livepeer_reward_called",] == 0
            node_name = chain[0].removeprefix("http://")
            assert found["livepeer_rpc_requests_total", node_name] > before["livepeer_rpc_requests_total", node_name]

            await stage.mine(3)
            assert (await scrape())["livepeer_chain_last_block",] == await stage.suite.height()
            assert await get("/readyz") == (200, "ready\n")
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0


async def test_orchestrator__whose_last_block_is_old__is_alive_and_not_ready(
    tmp_path: Path, chain: tuple[str, Addresses]
) -> None:
    port, metrics_port = free_port(), free_port()
    configure(tmp_path, chain, port)
    settings = tmp_path / "orchestrator.toml"
    table = f'\n[metrics]\nlisten = "127.0.0.1:{metrics_port}"\nmax_block_age_s = 0.01\n'
    settings.write_text(settings.read_text() + table)
    node = await launch(tmp_path, port)
    try:
        async with aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{metrics_port}"
            async with http.get(f"{base}/readyz") as answer:
                assert answer.status == 503
                assert "the last block is" in await answer.text()
            async with http.get(f"{base}/healthz") as answer:
                assert answer.status == 200
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0
