"""One redeemer of several on a PostgreSQL: `python redeemer.py SETTINGS`, a JSON object.

Steps until no ticket is open and no batch provisional. With `kill_after` it kills itself at that point of its work,
counted from the moment it is about to store its first batch. It stands alone, because it is run as a script.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from livepeer_client.adapters.chain.rpc import Call, JsonRpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.errors import ChainError, LeaseLost
from livepeer_client.facts import BatchState, TicketState
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Address, BlockNumber

POLICY = RedemptionPolicy(params_margin_blocks=0, batch_max=3, patience=Fraction(1))


class Fuse:
    """Burns from the first batch on."""

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.lit = False
        self.points = 0

    def burn(self, name: str) -> None:
        self.lit |= name == "begin_batch"
        if not self.lit:
            return
        if self.points == self.length:
            os.kill(os.getpid(), signal.SIGKILL)
        self.points += 1


class FusedRpc(JsonRpc):
    """Every request to the node is a point."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        self._fuse.burn(method)
        return await super().call(method, params)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self._fuse.burn("batch")
        return await super().batch(calls)


class FusedStore:
    """Every call of the store is a point."""

    def __init__(self, inner: PostgresTicketStore, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn(name)
            return await found(*args, **kwargs)

        return call


async def main(settings: dict[str, Any]) -> None:
    fuse = Fuse(settings.get("kill_after"))
    contracts = {name: Address(bytes.fromhex(address)) for name, address in settings["contracts"].items()}
    addresses = Addresses(31337, Address(bytes.fromhex(settings["controller"])), contracts, BlockNumber(0))
    async with (
        FusedRpc(settings["url"], fuse) as rpc,
        await PostgresTicketStore.open(settings["dsn"], namespace=settings["namespace"]) as store,
    ):
        fused: Any = FusedStore(store, fuse)
        suite = Suite(rpc, addresses)
        wallet = Transactor(suite, bytes.fromhex(settings["key"]))
        service = RedemptionService(
            suite, wallet, fused, SystemClock(), POLICY, owner=settings["owner"], lease_s=settings["lease_s"]
        )
        print("ready", flush=True)
        sent = 0
        while await store.tickets(TicketState.HELD, TicketState.SENT) or await store.batches(
            BatchState.OPEN, BatchState.MINED
        ):
            try:
                sent += len((await service.step()).sent)
            except (ChainError, LeaseLost) as error:
                print(error, file=sys.stderr, flush=True)
            await asyncio.sleep(0.02)
        print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(json.loads(sys.argv[1])))
