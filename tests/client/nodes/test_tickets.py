"""The command line for an orchestrator's winners, against a real chain and the store of a node that is not running."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.sqlite import SqliteTicketStore, SqliteTransactionJournal
from livepeer_client.facts import Lane, Outgoing, ReceivedPayment, TicketState, redemption_lease
from livepeer_client.types import BlockNumber, Hash32, Wei
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import configure, launch
from tests.support.anvil import ALICE, ETH, GATEWAY, Role, Stage, anvil, opened, set_stage
from tests.support.artifacts import CACHE

ROUND_BLOCKS = 200
POOR = Role("poor gateway")


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Addresses]]:
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, CACHE, round_blocks=ROUND_BLOCKS))


@pytest.fixture
async def hashes(chain: tuple[str, Addresses], tmp_path: Path) -> AsyncIterator[list[Hash32]]:
    """Three winners in the store of a configured node: one is ready, one early, one more than the funds hold."""
    configure(tmp_path, chain, 8935)
    (tmp_path / "data").mkdir()
    async with opened(*chain) as stage, stage.taken_back():
        # Going back to a snapshot does not take the base fee back.
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(10**6)])
        await stage.mine()
        await stage.rpc.call("anvil_setBalance", ["0x" + POOR.address.hex(), hex(10 * ETH)])
        await stage.transactor(POOR).send("TicketBroker", "fundDeposit", [], value=Wei(ETH))
        await price_of_gas(stage)
        winners = (
            await stage.winner(nonce=1, face_value=Wei(ETH // 100)),
            replace(await stage.winner(nonce=2, face_value=Wei(ETH // 50)), params_expiration_block=await soon(stage)),
            await stage.winner(nonce=3, face_value=Wei(3 * ETH), sender=POOR),
        )
        # The margin before a secret may be revealed.
        await stage.mine(2)
        async with await SqliteTicketStore.open(tmp_path / "data" / "orchestrator.sqlite") as store:
            await store.record_payment(ReceivedPayment(GATEWAY.address, "desk", len(winners), Fraction(1), winners))
        yield [winner.ticket.hash for winner in winners]


async def soon(stage: Stage) -> BlockNumber:
    return BlockNumber((await stage.suite.head()).l1_block + 30)


async def price_of_gas(stage: Stage) -> None:
    """Blocks at 2 gwei, then one at 10."""
    for gwei in [2] * 40 + [10]:
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(gwei * 10**9)])
        await stage.mine()


async def tickets(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "livepeer_client", "tickets", command, *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        [*program, "--config", str(folder / "orchestrator.toml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_list__of_winners__shows_state_and_value(tmp_path: Path, hashes: list[Hash32]) -> None:
    run = await tickets(tmp_path, "list")
    lines = run.stdout.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["0x" + hash_.hex()[:16], "held", value, "ETH"]
        for hash_, value in zip(hashes, ("0.01", "0.02", "3"), strict=True)
    ]


async def test_plan__of_winners__says_why_each_waits(tmp_path: Path, hashes: list[Hash32]) -> None:
    run = await tickets(tmp_path, "plan")
    assert run.returncode == 0, run.stderr
    told = {block.split()[0]: block for block in run.stdout.split("ticket ")[1:]}
    ready, early, huge = (told["0x" + hash_.hex()] for hash_ in hashes)
    assert "ready: gas was cheaper for much of the last day, and there is time" in ready
    assert "held: its params could still be accepted" in early
    assert "deferred: deposit and claimable reserve do not cover it" in huge
    assert "of which 1 ETH could be paid now" in huge


async def test_explain__by_the_start_of_a_hash__tells_everything(tmp_path: Path, hashes: list[Hash32]) -> None:
    run = await tickets(tmp_path, "explain", "0x" + hashes[0].hex()[:10])
    assert run.stdout.startswith(f"ticket 0x{hashes[0].hex()}\n")
    for word in ("state", "value", "cost", "figures", "deadline"):
        assert f"\n  {word}" in run.stdout


async def test_hold_and_release__of_a_ticket__are_kept_in_the_store(tmp_path: Path, hashes: list[Hash32]) -> None:
    name = hashes[0].hex()
    assert (await tickets(tmp_path, "hold", name, "--note", "asking the sender")).returncode == 0
    assert "held: the operator holds it back" in (await tickets(tmp_path, "explain", name)).stdout
    assert "held back: asking the sender" in (await tickets(tmp_path, "list")).stdout
    assert (await tickets(tmp_path, "release", name)).returncode == 0
    assert "holds it back" not in (await tickets(tmp_path, "explain", name)).stdout


async def test_hold_and_release__while_the_node_runs__are_done_by_the_node(
    tmp_path: Path, chain: tuple[str, Addresses], hashes: list[Hash32]
) -> None:
    port = free_port()
    configure(tmp_path, chain, port)
    node = await launch(tmp_path, port)
    try:
        name = hashes[2].hex()
        held = await tickets(tmp_path, "hold", name, "--note", "asking the sender")
        assert held.returncode == 0, held.stderr
        assert "held back: asking the sender" in (await tickets(tmp_path, "list")).stdout
        assert (await tickets(tmp_path, "release", name)).returncode == 0
        assert "held back" not in (await tickets(tmp_path, "list")).stdout
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0


async def test_redeem__while_the_node_runs__is_done_by_the_node(
    tmp_path: Path, chain: tuple[str, Addresses], hashes: list[Hash32]
) -> None:
    port = free_port()
    configure(tmp_path, chain, port)
    node = await launch(tmp_path, port)
    try:
        patient = await tickets(tmp_path, "redeem", hashes[0].hex(), "--json")
        assert patient.returncode == 0, patient.stderr
        assert json.loads(patient.stdout)["sent"] == []
        run = await tickets(tmp_path, "redeem", "--now", hashes[0].hex(), "--json")
        assert run.returncode == 0, run.stderr
        done = json.loads(run.stdout)
        assert len(done["sent"]) == 1
        assert [each["hash"] for each in done["decisions"]] in ([], ["0x" + hashes[0].hex()])
    finally:
        node.process.terminate()
        assert await node.process.wait() == 0
    async with opened(*chain) as stage:
        receipt = await stage.transactor(ALICE).wait(Hash32(bytes.fromhex(done["sent"][0][2:])), 120)
        assert receipt.succeeded
        assert await stage.suite.used_tickets(hashes) == [True, False, False]


async def states_in(folder: Path) -> list[tuple[TicketState, int]]:
    async with await SqliteTicketStore.open(folder / "data" / "orchestrator.sqlite") as store:
        return [(ticket.state, ticket.paid) for ticket in await store.tickets()]


async def test_redeem__now_though_gas_is_dear__pays_that_ticket(tmp_path: Path, hashes: list[Hash32]) -> None:
    patient = await tickets(tmp_path, "redeem")
    assert "nothing was sent" in patient.stdout
    run = await tickets(tmp_path, "redeem", "--now", hashes[0].hex())
    assert run.stdout.startswith("sent 0x"), run.stderr
    states = await states_in(tmp_path)
    while states[0][0] is TicketState.SENT:
        # The node shows a receipt a moment after it took the transaction; the next look settles it.
        await tickets(tmp_path, "redeem")
        states = await states_in(tmp_path)
    assert states == [(TicketState.PAID, ETH // 100), (TicketState.HELD, 0), (TicketState.HELD, 0)]
    assert "paid: redeemed" in (await tickets(tmp_path, "explain", hashes[0].hex())).stdout


async def test_redeem__while_a_node_has_the_key__is_refused(tmp_path: Path, hashes: list[Hash32]) -> None:
    async with await SqliteTicketStore.open(tmp_path / "data" / "orchestrator.sqlite") as store:
        await store.acquire_lease(redemption_lease(ALICE.address), "the node", 60)
    run = await tickets(tmp_path, "redeem", "--now")
    assert run.returncode == 1
    assert "a running node redeems with this key" in run.stderr


async def test_redeem__while_a_node_has_the_journal_of_the_key__is_refused_and_sends_nothing(
    tmp_path: Path, chain: tuple[str, Addresses], hashes: list[Hash32]
) -> None:
    # As with a store that both share: only the journal is the node's alone.
    async with opened(*chain) as stage, await SqliteTransactionJournal.open(tmp_path / "data" / "transactions.sqlite"):
        before = await stage.transactor(ALICE).nonces()
        run = await tickets(tmp_path, "redeem", "--now", hashes[0].hex())
        assert run.returncode == 1
        assert "transactions.sqlite" in run.stderr
        assert "Traceback" not in run.stderr
        assert await stage.transactor(ALICE).nonces() == before


async def test_redeem__after_a_node_left_a_transaction_that_nodes_forgot__sends_that_first_and_takes_the_next_nonce(
    tmp_path: Path, chain: tuple[str, Addresses], hashes: list[Hash32]
) -> None:
    async with opened(*chain) as stage:
        wallet = stage.transactor(ALICE)
        left = await wallet.prepare("BondingManager", "claimEarnings", [0])
        async with await SqliteTransactionJournal.open(tmp_path / "data" / "transactions.sqlite") as journal:
            await journal.record(
                Outgoing(ALICE.address, left.nonce, Lane.FUNDS, (left,), signed_at=time.time(), sent=True)
            )
        run = await tickets(tmp_path, "redeem", "--now", hashes[0].hex())
        assert run.stdout.startswith("sent 0x"), run.stderr
        assert (await wallet.wait(left.tx_hash, 60)).succeeded
        sent = Hash32(bytes.fromhex(run.stdout.splitlines()[0].removeprefix("sent 0x")))
        assert (await wallet.wait(sent, 60)).succeeded
        assert await stage.suite.used_tickets([hashes[0]]) == [True]
        async with await SqliteTransactionJournal.open(tmp_path / "data" / "transactions.sqlite") as journal:
            kept = [(each.nonce, each.lane, each.sent) for each in await journal.outgoing(ALICE.address)]
        # Neither is final yet; the node takes both up at its next start.
        assert kept == [(left.nonce, Lane.FUNDS, True), (left.nonce + 1, Lane.REDEMPTION, True)]


async def test_explain__of_an_unknown_ticket__is_refused_in_one_line(tmp_path: Path, hashes: list[Hash32]) -> None:
    run = await tickets(tmp_path, "explain", "ff" * 32)
    assert run.returncode == 1
    assert run.stderr.endswith("0 tickets start with " + "ff" * 32 + ", must be one\n")


async def test_export_and_import__of_all_winners__move_house_once(tmp_path: Path, hashes: list[Hash32]) -> None:
    document = tmp_path / "winners.json"
    exported = await tickets(tmp_path, "export", str(document), "--json")
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout) == {"file": str(document), "tickets": 3}
    assert document.stat().st_mode & 0o077 == 0
    # Never over something that is there.
    assert (await tickets(tmp_path, "export", str(document))).returncode == 1
    (tmp_path / "data" / "orchestrator.sqlite").unlink()
    assert (await tickets(tmp_path, "import", str(document))).stdout == "3 winners and 0 batches were added\n"
    assert (await tickets(tmp_path, "import", str(document))).stdout == "0 winners and 0 batches were added\n"
    shown = [(await tickets(tmp_path, "show", hash_.hex())).stdout for hash_ in hashes]
    assert [text.splitlines()[0] for text in shown] == [f"ticket 0x{hash_.hex()}" for hash_ in hashes]


async def test_import__of_a_file_that_is_none__adds_nothing_and_says_so(tmp_path: Path, hashes: list[Hash32]) -> None:
    document = tmp_path / "winners.json"
    document.write_text("[]")
    run = await tickets(tmp_path, "import", str(document))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("livepeer-client: MalformedMessage")
    assert len(hashes) == len((await tickets(tmp_path, "list")).stdout.splitlines())
