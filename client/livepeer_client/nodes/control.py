"""The desk of a running node, for its operator on the same machine."""

import asyncio
from pathlib import Path

from livepeer_client.adapters.control import NAME, serve_desk
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.redemption.desk import ServiceDesk

PAUSE_NAME = "redemption.paused"


async def answer_operator(service: RedemptionService, data_dir: Path) -> None:
    """Take requests about `service` in `data_dir` until cancelled."""
    async with serve_desk(ServiceDesk(service), data_dir / NAME):
        await asyncio.Event().wait()
