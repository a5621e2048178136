"""Which live runners there are: those that come back too late, and those that are not ready."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livepeer_client.policy.runners import HEARTBEAT_S, TTL_S
from tests.support.live_runners import PAYER, PRICE, Harbour, harbour


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Harbour]:
    async with harbour(tmp_path) as opened:
        yield opened


async def test_heartbeat__registered_again_before_anybody_noticed_its_silence__begins_without_its_old_sessions(
    scene: Harbour,
) -> None:
    first = (await scene.heartbeat()).json()
    runner = first["runner_id"]
    session, _ = await scene.session(runner, 30)
    # The sweep has not come round.
    scene.running.cancel()
    await scene.shop.shop.clock.advance(TTL_S + 1)
    second = (await scene.heartbeat(runner_id=runner)).json()
    assert (second["runner_id"], second["session_ids"]) == (runner, [])
    assert scene.desk.session(runner, session) is None
    assert scene.charged == HEARTBEAT_S * PRICE
    assert second["o2r"] != first["o2r"]
    (entry,) = await scene.runners()
    assert entry["capacity_available"] == 1
    await scene.desk.registry.sweep()
    assert len(await scene.runners()) == 1


@pytest.mark.parametrize("status", ["loading", "Ready"])
async def test_heartbeat__not_ready__keeps_its_sessions_and_takes_no_more(scene: Harbour, status: str) -> None:
    first = (await scene.heartbeat(capacity=2)).json()
    runner = first["runner_id"]
    session, _ = await scene.session(runner)
    await scene.heartbeat(first["heartbeat_secret"], runner_id=runner, capacity=2, status=status)
    assert await scene.runners() == []
    assert (await scene.http.post(f"/apps/{runner}/session", headers=PAYER)).status_code == 503
    assert (await scene.http.get(f"/apps/{runner}/session/{session}/app/x")).status_code == 200
    await scene.heartbeat(first["heartbeat_secret"], runner_id=runner, capacity=2, status="ready")
    assert len(await scene.runners()) == 1
