"""Live runners that an operator lists in a file: read again when it changes, and asked for their health (4.11)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from livepeer_client.codec.runner_file import StaticRunner, decode_runner_file
from livepeer_client.errors import InvalidInput, LivepeerError, MalformedMessage
from livepeer_client.ports import Clock
from livepeer_client.services.runner_registry import RunnerRegistry
from livepeer_client.services.runner_sessions import Runner

CHECK_S: Final = 5.0
HEALTH_S: Final = 3.0
"""A runner that has not answered for so long is not healthy."""

Health = Callable[[str, float], Awaitable[int]]
"""The status that a URL answers with, within so many seconds.

:raises LivepeerError: none.
"""

_log = logging.getLogger(__name__)


class RunnerFile:
    """The runners of one file.

    :param read: the file's bytes; raises `InvalidInput` where it cannot be read.
    """

    def __init__(self, read: Callable[[], bytes], registry: RunnerRegistry, health: Health, clock: Clock) -> None:
        self._read = read
        self._registry = registry
        self._health = health
        self._clock = clock
        self._placed = b""
        self._complaint = ""

    async def start(self) -> None:
        """Place what the file lists, and ask each for its health.

        :raises InvalidInput, MalformedMessage: a file that cannot be used, with the reason.
        """
        await self._place()
        await self.check()

    async def run(self) -> None:
        """Look at file and health every five seconds, until cancelled."""
        while True:
            await self._clock.sleep(CHECK_S)
            await self.read_again()
            await self.check()

    async def read_again(self) -> None:
        """Place what a changed file lists. One that cannot be used changes nothing, and is complained about once."""
        try:
            await self._place()
            self._complaint = ""
        except (InvalidInput, MalformedMessage) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("file of runners not used, the list before stays: %s", error)

    async def _place(self) -> None:
        data = await asyncio.to_thread(self._read)
        if data != self._placed:
            entries = decode_runner_file(data)
            await self._registry.place(entries)
            self._placed = data
            _log.info("file of runners read runners=%d", len(entries))

    async def check(self) -> None:
        """Ask every runner of the file for its health, all at once."""
        placed = [(each, each.entry) for each in self._registry if each.entry is not None]
        await asyncio.gather(*(self._ask(runner, entry) for runner, entry in placed))

    async def _ask(self, runner: Runner, entry: StaticRunner) -> None:
        try:
            status = await self._health(entry.health_url, HEALTH_S)
        except LivepeerError as error:
            _log.debug("no health of runner=%s reason=%s", runner.runner_id, error)
            status = 0
        self._registry.checked(runner, healthy=status == entry.healthy_status)
