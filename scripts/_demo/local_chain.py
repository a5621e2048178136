"""A local chain with a heartbeat: anvil on a port of its own, mining on every transaction and on a steady beat.

Anvil's interval mining knows whole seconds only, so the beat is ours; it can be sped up while the story waits.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.errors import ChainError
from scripts._demo.processes import ROOT, running
from scripts._ports import free_port

CHAIN_ID: Final = 31337
MNEMONIC: Final = "test test test test test test test test test test test junk"
ACCOUNTS: Final = 20
_START_TIMEOUT_S: Final = 60.0


class LocalChain:
    """Talks to the node as its owner would: mining and balances. Everything else goes through the client library."""

    def __init__(self, url: str, rpc: JsonRpc) -> None:
        self.url = url
        self.rpc = rpc
        self._beat_s = 0.0

    async def block_number(self) -> int:
        return int(str(await self.rpc.call("eth_blockNumber")), 16)

    async def balance(self, address: bytes) -> int:
        """Wei."""
        return int(str(await self.rpc.call("eth_getBalance", ["0x" + address.hex(), "latest"])), 16)

    async def mine(self, blocks: int) -> None:
        await self.rpc.call("anvil_mine", [hex(blocks)])

    def set_beat(self, blocks_per_s: float) -> None:
        """Blocks mined per second beside those that transactions cause; 0 stops the beat."""
        self._beat_s = 1 / blocks_per_s if blocks_per_s else 0.0

    async def beat(self) -> None:
        """Mine for ever at the beat set."""
        while True:
            if self._beat_s:
                await self.rpc.call("evm_mine")
            await asyncio.sleep(self._beat_s or 0.1)


@contextlib.asynccontextmanager
async def local_chain(folder: Path, port: int = 0) -> AsyncIterator[LocalChain]:
    """A fresh chain for the length of a block, on a free port unless one is asked for. Block numbers are L1 numbers
    here: there is no layer above."""
    port = port or free_port()
    command = [
        str(ROOT / "scripts" / "_bin" / "anvil"),
        *("--port", str(port), "--chain-id", str(CHAIN_ID)),
        *("--mnemonic", MNEMONIC, "--accounts", str(ACCOUNTS)),
        *("--config-out", str(folder / "chain.json")),
        # A base fee that stays put keeps the price of gas, and with it every quote, the same from run to run.
        *("--block-base-fee-per-gas", "0"),
    ]
    url = f"http://127.0.0.1:{port}"
    async with running("chain", command, folder / "chain.log") as child:
        await child.wait_for_line("Listening on", _START_TIMEOUT_S)
        async with JsonRpc(url) as rpc:
            # Every call that reads would be written down: hundreds of megabytes a day.
            await rpc.call("anvil_setLoggingEnabled", [False])
            chain = LocalChain(url, rpc)
            beat = asyncio.create_task(chain.beat(), name="heartbeat")
            try:
                yield chain
            finally:
                beat.cancel()
                with contextlib.suppress(asyncio.CancelledError, ChainError):
                    await beat
