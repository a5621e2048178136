"""What an orchestrator knows of a live runner and of a reserved place at one."""

import asyncio
from dataclasses import dataclass, field

from livepeer_client.codec.runner_api import RunnerReport
from livepeer_client.codec.runner_file import StaticRunner
from livepeer_client.policy.runners import RunnerPrice
from livepeer_client.policy.streaming import Meter
from livepeer_client.types import Address


@dataclass(slots=True)
class Runner:
    """One that reports, or `entry` of a file. `used`: places reserved.

    `heard_at`, seconds of the monotonic clock: its last heartbeat, or the last health check that it answered.
    """

    runner_id: str
    report: RunnerReport
    secret: str
    heard_at: float
    entry: StaticRunner | None = None
    used: int = 0
    healthy: bool = True
    o2r: str = ""
    """The channel on which it is told of its sessions, where there are channels."""


@dataclass(slots=True)
class RunnerSession:
    """A reserved place. `over` is set when it ends, for whatever `reason`.

    `token` is what the runner shows when it acts for the session; the buyer never sees it.
    """

    session_id: str
    runner: Runner
    sender: Address | None
    price: RunnerPrice
    meter: Meter | None
    deadline: float | None
    token: str
    debits: int = 0
    reason: str = ""
    channels: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    under_way: int = 0
    """Requests that are being passed on."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def account(self) -> str:
        """What its balance is kept under: no name that work is charged to by pixels of segments."""
        return account_of(self.session_id)


def account_of(session_id: str) -> str:
    """What the balance of a session is kept under."""
    return f"runner {session_id}"
