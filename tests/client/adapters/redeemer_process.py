"""A redeemer with a store on disk and a fake chain, until it is killed: `python redeemer_process.py FOLDER PORT TOKEN`.

Prints `ready PORT` once it serves. It stands alone, because it is run as a script.
"""

import asyncio
import os
import sys
from pathlib import Path

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import FakeChain
from livepeer_client.adapters.redeemer_server import RedeemerServer
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.redeemer import RedeemerService, WrongRecipient
from livepeer_client.types import Address

RECIPIENT = Address(b"\x52" * 20)


async def main(folder: Path, port: int, token: str) -> None:
    chain, clock = FakeChain(), SystemClock()
    async with await SqliteTicketStore.open(folder / "redeemer.sqlite") as store:
        service = RedeemerService(RECIPIENT, store, ChainView(chain, clock, RECIPIENT, 0.1), clock)
        server = RedeemerServer(
            service,
            host="127.0.0.1",
            port=port,
            certificate=folder / "tls.pem",
            token=token,
            wrong_recipient=WrongRecipient,
        )
        async with server:
            os.write(1, b"ready %d\n" % server.port)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
