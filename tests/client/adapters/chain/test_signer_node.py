"""The command `signer run`, on a real chain: a client pays through it, also after it was killed."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.signer_client import RemoteSigner
from livepeer_client.codec import wire
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.messages import AuthToken, OrchestratorInfo
from livepeer_client.codec.signer_api import PaymentReply
from livepeer_client.policy.recipient import RecipientConfig, quote
from livepeer_client.policy.signing import JobType
from livepeer_client.services.remote_payments import RemotePaymentSession
from livepeer_client.types import Address, BlockNumber, Wei
from scripts._ports import free_port
from tests.support.anvil import ALICE, GATEWAY, Stage
from tests.support.payments import EXPIRATION, PRICE, SECRET

FAR = 2**40


def settings(folder: Path, url: str, addresses: Addresses, listen: str) -> Path:
    content = {
        "chain_id": addresses.chain_id,
        "controller": checksum_address(Address(addresses.controller)),
        "contracts": {name: checksum_address(address) for name, address in addresses.contracts.items()},
        "block": 0,
    }
    (folder / "addresses.json").write_text(json.dumps(content))
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_text(GATEWAY.key.hex())
    path = folder / "signer.toml"
    path.write_text(
        f"""
[chain]
rpc_url = "{url}"
addresses = "addresses.json"
poll_interval_s = 0.2
[key]
file = "key"
[signer]
listen = "{listen}"
data_dir = "data"
max_price_per_unit = 1000
"""
    )
    return path


@asynccontextmanager
async def running(path: Path, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livepeer_client", "signer", "run", "--config", str(path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ready(process: asyncio.subprocess.Process, folder: Path) -> str:
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    assert line.startswith("ready "), (folder / "log").read_text()
    return f"http://{line.removeprefix('ready ')}"


async def test_signer_run__killed_between_two_payments__goes_on_where_it_was(
    stage: Stage, node: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, addresses = node
    path = settings(tmp_path, url, addresses, f"127.0.0.1:{free_port()}")
    params = quote(
        RecipientConfig(address=ALICE.address, ev=Wei(100), max_face_value=Wei(1_000)),
        secret=SECRET,
        seed=7,
        sender=GATEWAY.address,
        price=PRICE.wei_per_pixel,
        gas_price=Wei(0),
        max_float=10**18,
        last_seen_l1_block=BlockNumber(FAR),
        expiration=EXPIRATION,
    )
    token = AuthToken(b"\x01" * 32, "0a0b0c0d", FAR)
    info = OrchestratorInfo("https://orch.example", params, PRICE, ALICE.address, None, token)

    async def refresh() -> OrchestratorInfo:
        return info

    replies: list[PaymentReply] = []
    state = None
    for _ in range(2):
        async with running(path, tmp_path) as process:
            async with RemoteSigner(await ready(process, tmp_path)) as signer:
                assert signer.address == GATEWAY.address
                session = RemotePaymentSession(signer, info, refresh, manifest_id="m", job_type=JobType.NONE)
                session._state = state
                reply = await session.pay(units=200)
                assert isinstance(reply, PaymentReply)
                replies.append(reply)
                state = session._state
            process.send_signal(signal.SIGKILL)
            await process.wait()
    payments = [wire.payment_from_header(reply.payment) for reply in replies]
    nonces = [ticket.sender_nonce for payment in payments for ticket in payment.tickets]
    assert nonces == list(range(1, len(nonces) + 1))
    # 200 units at 7/2 wei twice, in tickets of 100 wei.
    assert len(nonces) * params.expected_value >= 2 * 200 * Fraction(7, 2)
    log = (tmp_path / "log").read_text()
    assert GATEWAY.key.hex() not in log
    assert replies[0].payment not in log


async def test_signer_run__in_public_without_a_webhook__is_refused_before_it_listens(
    node: tuple[str, Addresses], tmp_path: Path
) -> None:
    url, addresses = node
    path = settings(tmp_path, url, addresses, f"0.0.0.0:{free_port()}")
    async with running(path, tmp_path) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 2
    assert "webhook_url" in (tmp_path / "log").read_text()
