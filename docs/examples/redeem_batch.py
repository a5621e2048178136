"""Redeem the winners of a store.

The planner decides what goes into a batch and says of everything else why it waits. Killed at any point it finds its
way from the store and the chain at the next start.

usage: python redeem_batch.py RPC_URL addresses.json KEY_FILE tickets.sqlite
"""

import asyncio
import sys
from pathlib import Path

from livepeer_client import (
    JsonRpc,
    LivepeerError,
    RedemptionService,
    SqliteTicketStore,
    Suite,
    SystemClock,
    Transactor,
    load_addresses,
    load_key,
)


async def main(rpc_url: str, addresses: str, key_file: str, store_file: str) -> None:
    async with JsonRpc(rpc_url) as rpc, await SqliteTicketStore.open(Path(store_file)) as store:
        suite = Suite(rpc, load_addresses(addresses))
        service = RedemptionService(suite, Transactor(suite, load_key(Path(key_file))), store, SystemClock())
        for explanation in await service.survey():
            print(explanation)
        report = await service.step()
        print(len(report.sent), "transactions sent")
        # A second step settles what was mined meanwhile.
        await asyncio.sleep(2)
        await service.step()
        for ticket in await store.tickets():
            print(ticket.hash.hex()[:16], ticket.state.value, ticket.paid, "wei")


if len(sys.argv) != 5:
    sys.exit(__doc__)
if not Path(sys.argv[4]).is_file():
    sys.exit(f"{sys.argv[4]}: no such store")
try:
    asyncio.run(main(*sys.argv[1:]))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
