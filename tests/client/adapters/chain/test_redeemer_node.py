"""The command `redeemer run`, on a real chain: a winner handed over gRPC is paid."""

import asyncio
import json
import sys
from pathlib import Path

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.redeemer_client import GrpcTicketRedeemer
from livepeer_client.adapters.sqlite import SqliteTransactionJournal
from livepeer_client.codec.address import checksum_address
from livepeer_client.facts import Lane
from livepeer_client.types import Address
from scripts._ports import free_port
from tests.support.anvil import ALICE, STRANGER, Stage

TOKEN = "a token that is long enough"


def settings(folder: Path, url: str, addresses: Addresses, port: int) -> Path:
    """Of a redeemer for Alice's tickets that sends from a stranger's key."""
    shown = {name: checksum_address(address) for name, address in addresses.contracts.items()}
    content = {
        "chain_id": addresses.chain_id,
        "controller": checksum_address(Address(addresses.controller)),
        "contracts": shown,
        "block": 0,
    }
    (folder / "addresses.json").write_text(json.dumps(content))
    for name, secret in (("key", STRANGER.key.hex()), ("token", TOKEN)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret)
    path = folder / "redeemer.toml"
    path.write_text(
        f"""
[chain]
rpc_url = "{url}"
addresses = "addresses.json"
poll_interval_s = 0.2
[key]
file = "key"
[redeemer]
recipient = "{checksum_address(ALICE.address)}"
listen = "127.0.0.1:{port}"
data_dir = "data"
token_file = "token"
[redemption]
poll_interval_s = 0.2
"""
    )
    return path


async def test_redeemer_run__handed_a_winner__has_it_paid_on_chain(
    stage: Stage, node: tuple[str, Addresses], tmp_path: Path
) -> None:
    port, (url, addresses) = free_port(), node
    path = settings(tmp_path, url, addresses, port)
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "redeemer", "run", "--config", str(path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line.decode().strip() == f"ready 127.0.0.1:{port}", (tmp_path / "log").read_text()
        client = GrpcTicketRedeemer(f"127.0.0.1:{port}", authority=tmp_path / "data" / "tls.pem", token=TOKEN)
        winner = await stage.winner()
        before = (await stage.suite.orchestrator_state(ALICE.address)).pending_fees
        await client.queue_ticket(winner)
        assert await client.max_float(winner.ticket.sender) > 0
        await client.close()
        # The margin before a secret may be revealed, and no more: a chain that went on would leave a slow node behind,
        # and the ticket's rounds with it.
        await stage.mine(2)
        async with asyncio.timeout(60):
            while not (await stage.suite.used_tickets([winner.ticket.hash]))[0]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        after = (await stage.suite.orchestrator_state(ALICE.address)).pending_fees
        assert after > before, (tmp_path / "log").read_text()
        assert TOKEN not in (tmp_path / "log").read_text()
        assert STRANGER.key.hex() not in (tmp_path / "log").read_text()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        # Closes the pipe, so that nothing is left to be collected later.
        process._transport.close()  # type: ignore[attr-defined]
    # Sent through the lane of the key: its nonce is in the journal until the redemption is final.
    async with await SqliteTransactionJournal.open(tmp_path / "data" / "transactions.sqlite") as journal:
        kept = await journal.outgoing(STRANGER.address)
    assert [(each.lane, each.sent) for each in kept] == [(Lane.REDEMPTION, True)]
