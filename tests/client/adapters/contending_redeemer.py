"""One of several redeemers of one key: `python contending_redeemer.py DSN NAMESPACE NAME`.

From a line on standard input until no ticket is left: takes the lease, and under it begins, settles and finalizes
batches of one ticket, now and then sleeping longer than the lease lasts. Prints `token TOKEN` for each lease taken,
`lost` for each write that was refused.
"""

import asyncio
import os
import random
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Some installed package is called `tests` as well.
package = sys.modules["tests"] = types.ModuleType("tests")
package.__path__ = [str(ROOT / "tests")]

from livepeer_client.adapters.postgres import PostgresTicketStore  # noqa: E402
from livepeer_client.codec.keccak import keccak256  # noqa: E402
from livepeer_client.errors import LeaseHeld, LeaseLost  # noqa: E402
from livepeer_client.facts import (  # noqa: E402
    BatchState,
    Calldata,
    Lease,
    RedemptionBatch,
    SignedTransaction,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.types import Wei  # noqa: E402
from tests.client.adapters.stored_values import KEY, make_block  # noqa: E402

TTL_S = 0.05


async def main(dsn: str, namespace: str, name: str) -> None:
    chance = random.Random(name)
    async with await PostgresTicketStore.open(dsn, namespace=namespace) as store:
        # All start at once, however long they took to load.
        os.write(1, b"ready\n")
        await asyncio.to_thread(sys.stdin.readline)
        while True:
            try:
                lease = await store.acquire_lease(redemption_lease(KEY), name, TTL_S)
            except LeaseHeld as held:
                await asyncio.sleep(held.expires_in_s)
                continue
            os.write(1, b"token %d\n" % lease.token)
            try:
                for _ in range(3):
                    if not await redeem(store, lease, chance):
                        os.write(1, b"done\n")
                        return
            except LeaseLost:
                os.write(1, b"lost\n")


async def redeem(store: PostgresTicketStore, lease: Lease, chance: random.Random) -> bool:
    """Settle what a former owner of the lease left, then redeem one ticket."""
    for left in await store.batches(BatchState.OPEN):
        await settle(store, left.batch, lease)
    page = await store.page(TicketState.HELD, limit=1)
    if not page.tickets:
        return False
    count = len(await store.batches())
    await asyncio.sleep(chance.choice((0, 0, 0.01, 2 * TTL_S)))
    # The transaction says under which token it was signed.
    raw = b"token %d nonce %d" % (lease.token, count)
    transaction = SignedTransaction(raw, keccak256(raw), count)
    batch = RedemptionBatch(KEY, count, (page.tickets[0].hash,), Calldata.SINGLE, (transaction,))
    await store.begin_batch(batch, lease=lease)
    await asyncio.sleep(chance.choice((0, 0, 0.01, 2 * TTL_S)))
    await settle(store, batch, lease)
    return True


async def settle(store: PostgresTicketStore, batch: RedemptionBatch, lease: Lease) -> None:
    mined = batch.transaction.tx_hash
    outcomes = [TicketOutcome(hash_, TicketState.PAID, Wei(10**15), mined, "") for hash_ in batch.tickets]
    await store.settle_batch(batch.id, outcomes, mined=mined, block=make_block(batch.nonce), lease=lease)
    await store.finalize_batch(batch.id, lease=lease)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
