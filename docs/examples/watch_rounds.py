"""Watch rounds begin, reorgs included. Ends with Ctrl-C.

usage: python watch_rounds.py RPC_URL addresses.json
"""

import asyncio
import sys

from livepeer_client import BlockWatcher, JsonRpc, LivepeerError, Suite, SystemClock, load_addresses
from livepeer_client.services.blocks import Advance, RollBack, Step


async def show(step: Step) -> None:
    if isinstance(step, Advance):
        for log in step.logs:
            print("round", log.args["round"], "began in block", log.block, flush=True)
    elif isinstance(step, RollBack):
        print("blocks above", step.to.number, "have vanished", flush=True)
    else:
        print("watching from block", step.block.number, flush=True)


async def main(rpc_url: str, addresses: str) -> None:
    async with JsonRpc(rpc_url) as rpc:
        suite = Suite(rpc, load_addresses(addresses))
        watcher = BlockWatcher(suite, SystemClock(), {"RoundsManager": ["NewRound"]}, poll_interval_s=0.5)
        await watcher.run(show)


if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    pass
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
