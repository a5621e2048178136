"""Metrics, health and readiness over a real socket."""

import asyncio
from collections.abc import Sequence

import aiohttp
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from livepeer_client.adapters.metrics import MetricsServer
from livepeer_client.errors import ChainUnavailable


async def get(server: MetricsServer, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{server.port}{path}") as answer:
        return answer.status, await answer.text()


def value(text: str, name: str) -> float:
    (found,) = (
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )
    return found


async def test_metrics__before_each_answer__are_brought_up_to_date() -> None:
    registry = CollectorRegistry()
    block = Gauge("livepeer_block", "a block", registry=registry)

    async def refresh() -> None:
        block.inc()

    async with MetricsServer(registry, host="127.0.0.1", port=0, refresh=refresh) as server:
        for expected in (1, 2):
            status, text = await get(server, "/metrics")
            assert (status, value(text, "livepeer_block")) == (200, expected)


async def test_metrics__when_the_chain_is_gone_or_silent__are_the_last_ones_and_count_it() -> None:
    registry = CollectorRegistry()
    Gauge("livepeer_block", "a block", registry=registry).set(7)
    troubles = iter([ChainUnavailable("gone"), None])

    async def refresh() -> None:
        trouble = next(troubles)
        if trouble is not None:
            raise trouble
        await asyncio.Event().wait()

    async with MetricsServer(registry, host="127.0.0.1", port=0, refresh=refresh, refresh_s=0.05) as server:
        for failures in (1, 2):
            status, text = await get(server, "/metrics")
            assert (status, value(text, "livepeer_block")) == (200, 7)
            assert value(text, "livepeer_metrics_refresh_failures_total") == failures


async def test_readiness__while_something_is_missing__says_what() -> None:
    found: list[str] = ["the head is 900 s old", "no node answers"]

    async def missing() -> Sequence[str]:
        return found

    async with MetricsServer(CollectorRegistry(), host="127.0.0.1", port=0, missing=missing) as server:
        assert await get(server, "/readyz") == (503, "the head is 900 s old\nno node answers\n")
        assert await get(server, "/healthz") == (200, "ok\n")
        found.clear()
        assert await get(server, "/readyz") == (200, "ready\n")


async def test_readiness__when_it_cannot_be_told__is_refused_with_the_reason() -> None:
    async def missing() -> Sequence[str]:
        raise ChainUnavailable("no node answers")

    async with MetricsServer(CollectorRegistry(), host="127.0.0.1", port=0, missing=missing) as server:
        assert await get(server, "/readyz") == (503, "no node answers\n")


async def test_two_servers__in_one_process__share_nothing() -> None:
    async with (
        MetricsServer(CollectorRegistry(), host="127.0.0.1", port=0) as one,
        MetricsServer(CollectorRegistry(), host="127.0.0.1", port=0) as other,
    ):
        assert one.port != other.port
        assert (await get(one, "/metrics"))[0] == (await get(other, "/metrics"))[0] == 200
