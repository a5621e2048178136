"""Pay through a signer that holds the key.

This process knows no key. The signer signs the login and the tickets, keeps the balance in a state that it seals, and
this process carries that state from one payment to the next.

usage: python remote_signer.py SIGNER_URL https://orchestrator:8935
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from livepeer_client import (
    GrpcProbe,
    LivepeerError,
    OrchestratorInfo,
    OrchestratorRequest,
    RemotePaymentSession,
    RemoteSigner,
)
from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.policy.signing import JobType


async def main(signer_url: str, orchestrator: str) -> None:
    async with (
        RemoteSigner(signer_url) as signer,
        GrpcProbe(Path(tempfile.gettempdir()) / "known-orchestrators") as probe,
    ):
        request = OrchestratorRequest(signer.address, await signer.sign(orchestrator_request_digest(signer.address)))

        async def refresh() -> OrchestratorInfo:
            return await probe.get_info(orchestrator, request, timeout_s=5)

        session = RemotePaymentSession(signer, await refresh(), refresh, manifest_id="example", job_type=JobType.NONE)
        for _ in range(2):
            reply = await session.pay(units=100_000)
            print(type(reply).__name__, reply)


if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
