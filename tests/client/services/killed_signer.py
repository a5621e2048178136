"""Signs payments as fast as it can until it is killed: `python killed_signer.py LEDGER`.

Prints the quote and the nonces of each payment once it is answered. Every run starts on the same quotes. It stands
alone, because it is run as a script.
"""

import asyncio
import json
import os
import sys

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.sqlite.signer import SqliteSignerLedger
from livepeer_client.codec import wire
from livepeer_client.codec.messages import AuthToken, OrchestratorInfo, PriceInfo
from livepeer_client.codec.signer_api import PaymentCall, encode_payment_call
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.facts import SenderInfo
from livepeer_client.policy.signing import SignerConfig
from livepeer_client.services.gateway_view import GatewayView
from livepeer_client.services.signer import SignerService
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Wei, WinProb

QUOTES = 50
CALLERS = 10
ORCHESTRATOR = Address(b"\xab" * 20)


def call(quote: int, token_expires: int) -> bytes:
    params = TicketParams(
        recipient=ORCHESTRATOR,
        face_value=Wei(500),
        win_prob=WinProb(MAX_WIN_PROB // 5),
        recipient_rand_hash=Hash32(quote.to_bytes(32, "big")),
        seed=quote,
        expiration_block=BlockNumber(10**9),
        expiration=ExpirationParams(Round(5), Hash32(b"\x77" * 32)),
    )
    token = AuthToken(b"\x01" * 32, "0a0b0c0d", token_expires)
    info = OrchestratorInfo("http://orch.example", params, PriceInfo(1, 1), ORCHESTRATOR, None, token)
    return encode_payment_call(PaymentCall(None, info, "manifest", "", 250, "", None, None))


async def main(path: str) -> None:
    clock, chain, signer = ManualClock(), FakeChain(), LocalSigner(b"\x11" * 32)
    chain.senders[signer.address] = SenderInfo(Wei(10**18), Round(0), Wei(10**18), Wei(0))
    async with await SqliteSignerLedger.open(path) as ledger:
        view = GatewayView(chain, clock, signer.address, 60.0)
        service = SignerService(SignerConfig(), signer, ledger, view, clock, state_key=b"\x55" * 32)

        async def caller(number: int) -> None:
            for turn in range(100):
                quote = (number + turn) % QUOTES + 1
                answer = await service.generate_live_payment(call(quote, int(clock.time()) + 1_800), {})
                payment = wire.payment_from_header(json.loads(answer.body)["payment"])
                nonces = " ".join(str(ticket.sender_nonce) for ticket in payment.tickets)
                # Unbuffered: a line that was read was written after the answer.
                os.write(1, f"{quote} {nonces}\n".encode())

        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(caller(number))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
