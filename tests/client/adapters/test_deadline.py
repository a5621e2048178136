"""`Deadline`: time limits that a stall of our own does not use up."""

import asyncio
import socket
import time

import pytest

from livepeer_client.adapters.deadline import SLACK_S, Deadline

LIMIT_S = 0.2


async def test_deadline__nothing_comes__raises_timeout() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with Deadline(loop.time() + LIMIT_S):
            await asyncio.sleep(3600)


async def test_deadline__passed_already__raises_timeout_at_the_first_wait() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with Deadline(loop.time()):
            await asyncio.sleep(3600)


async def test_deadline__done_in_time__does_not_strike_later() -> None:
    loop = asyncio.get_running_loop()
    async with Deadline(loop.time() + LIMIT_S):
        pass
    await asyncio.sleep(2 * LIMIT_S)


async def test_deadline__the_process_stood_still__what_came_meanwhile_counts() -> None:
    loop = asyncio.get_running_loop()
    ours, peers = socket.socketpair()

    def stand_still() -> None:
        peers.send(b"in time")
        time.sleep(LIMIT_S + 2 * SLACK_S)

    with ours, peers:
        ours.setblocking(False)
        async with Deadline(loop.time() + LIMIT_S):
            loop.call_soon(stand_still)
            assert await loop.sock_recv(ours, 100) == b"in time"


async def test_deadline__a_peer_that_is_silent_beyond_the_stall__is_late() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(time.sleep, LIMIT_S + 2 * SLACK_S)
    with pytest.raises(TimeoutError):
        async with Deadline(loop.time() + LIMIT_S):
            await asyncio.sleep(3600)
