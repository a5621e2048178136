"""Two redeemers, processes of their own, on one PostgreSQL and one chain; one of them is killed mid-batch."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fractions import Fraction

import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.facts import BatchState, ReceivedPayment, TicketState
from livepeer_client.policy.redemption import BROKER
from livepeer_client.types import BlockNumber
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, ROOT, Role, Stage, anvil, opened, set_stage
from tests.support.artifacts import CACHE
from tests.support.postgres import Server, new_namespace

SCRIPT = ROOT / "tests" / "crash" / "redeemer.py"
VALUE = ETH // 1000
TICKETS = 7
LEASE_S = 1.0
# From just before the first batch is stored, through its broadcast, to where it is looked for on chain.
POINTS = range(8)


@dataclass
class World:
    stage: Stage
    store: PostgresTicketStore
    dsn: str
    namespace: str

    async def start(self, owner: str, key: Role, kill_after: int | None = None) -> asyncio.subprocess.Process:
        addresses = self.stage.suite.addresses
        settings = {
            "url": self.stage.rpc._url,
            "controller": addresses.controller.hex(),
            "contracts": {name: address.hex() for name, address in addresses.contracts.items()},
            "dsn": self.dsn,
            "namespace": self.namespace,
            "key": key.key.hex(),
            "owner": owner,
            "lease_s": LEASE_S,
            "kill_after": kill_after,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), json.dumps(settings), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    async def mine_until(self, *processes: asyncio.subprocess.Process) -> None:
        """Blocks go on until these processes have ended, in the end so slowly that no ticket's round is over before."""
        waits, pauses = [asyncio.create_task(process.wait()) for process in processes], 0
        async with asyncio.timeout(120):
            while not all(wait.done() for wait in waits):
                await self.stage.mine(1)
                # Final soon: nothing but the processes is waited for.
                if not await self.store.tickets(TicketState.HELD, TicketState.SENT):
                    await self.stage.mine(64)
                await asyncio.sleep(0.05 if (pauses := pauses + 1) < 300 else 1)

    async def check_end(self) -> None:
        """Every ticket is redeemed and paid once, whoever did it."""
        assert [(ticket.state, ticket.paid) for ticket in await self.store.tickets()] == [
            (TicketState.PAID, VALUE)
        ] * TICKETS
        assert {stored.state for stored in await self.store.batches()} == {BatchState.FINAL}
        logs = await self.stage.suite.logs(
            BROKER, "WinningTicketTransfer", BlockNumber(0), await self.stage.suite.height()
        )
        assert [log.args["amount"] for log in logs] == [VALUE] * TICKETS
        assert (await self.stage.suite.sender_info(GATEWAY.address)).deposit == ETH - TICKETS * VALUE


@pytest.fixture(scope="module")
def patient_node() -> Iterator[tuple[str, Addresses]]:
    """Rounds so long that no ticket expires while processes start."""
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=1000))


@pytest.fixture
async def stage(patient_node: tuple[str, Addresses]) -> AsyncIterator[Stage]:
    async with opened(*patient_node) as stage, stage.taken_back():
        yield stage


@pytest.fixture
async def world(stage: Stage, postgres_server: Server) -> AsyncIterator[World]:
    winners = [await stage.winner(nonce=nonce) for nonce in range(TICKETS)]
    async with (
        new_namespace(postgres_server) as namespace,
        await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store,
    ):
        payment = ReceivedPayment(GATEWAY.address, "shared", len(winners), Fraction(0), tuple(winners))
        await store.record_payment(payment)
        await stage.rpc.call("evm_setAutomine", [False])
        yield World(stage, store, postgres_server.dsn, namespace)


@pytest.mark.parametrize("point", POINTS)
async def test_redeemers__of_one_key_one_killed_mid_batch__the_other_finishes(world: World, point: int) -> None:
    doomed = await world.start("first", ALICE, kill_after=point)
    other = await world.start("second", ALICE)
    await world.mine_until(doomed, other)
    assert doomed.returncode == -signal.SIGKILL
    assert other.returncode == 0
    await world.check_end()


async def test_redeemers__of_two_keys_one_killed_mid_batch__the_other_takes_its_tickets_over(world: World) -> None:
    # Stored and not yet broadcast: nobody will ever send it again.
    doomed = await world.start("first", BOB, kill_after=1)
    await world.mine_until(doomed)
    assert doomed.returncode == -signal.SIGKILL
    other = await world.start("second", ALICE)
    await world.mine_until(other)
    assert other.returncode == 0
    await world.check_end()
    assert {stored.batch.key for stored in await world.store.batches()} == {ALICE.address, BOB.address}


async def test_redeemers__of_one_key__take_turns(world: World) -> None:
    first, second = await world.start("first", ALICE), await world.start("second", ALICE)
    await world.mine_until(first, second)
    assert (first.returncode, second.returncode) == (0, 0)
    await world.check_end()
    # Nothing was sent twice: three batches of at most three.
    assert len(await world.store.batches()) == 3


async def test_redeemers__of_two_keys__share_the_tickets(world: World) -> None:
    first, second = await world.start("first", ALICE), await world.start("second", BOB)
    await world.mine_until(first, second)
    assert (first.returncode, second.returncode) == (0, 0)
    await world.check_end()
