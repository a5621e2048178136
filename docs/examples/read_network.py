"""Read the network's state.

usage: python read_network.py RPC_URL addresses.json
"""

import asyncio
import sys

from livepeer_client import JsonRpc, LivepeerError, Suite, load_addresses


async def main(rpc_url: str, addresses: str) -> None:
    async with JsonRpc(rpc_url) as rpc:
        suite = Suite(rpc, load_addresses(addresses))
        print(await suite.round_state())
        for orchestrator in await suite.orchestrators():
            print(orchestrator.service_uri, orchestrator.stake)


if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
