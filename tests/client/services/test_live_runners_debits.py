"""Debits of live runners where they meet a slow store."""

import asyncio
from pathlib import Path

from livepeer_client.facts import Debit, SessionBalance
from livepeer_client.policy.runners import DEBIT_S
from tests.support.ai import SECRET
from tests.support.live_runners import PRICE, harbour


async def test_session__node_stops_while_a_debit_is_being_stored__is_charged_once(tmp_path: Path) -> None:
    async with harbour(tmp_path) as scene:
        runner = await scene.join()
        await scene.session(runner)
        store = scene.shop.shop.store
        record, begun, go_on = store.record_debit, asyncio.Event(), asyncio.Event()

        async def slow(debit: Debit) -> SessionBalance:
            begun.set()
            await go_on.wait()
            return await record(debit)

        store.record_debit = slow  # type: ignore[method-assign]
        passing = asyncio.create_task(scene.pass_time(DEBIT_S, heard=SECRET))
        await asyncio.wait_for(begun.wait(), 60)
        await passing
        scene.running.cancel()
        closing = asyncio.create_task(scene.desk.close())
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait_for(closing, 60)
        assert scene.charged == DEBIT_S * PRICE
