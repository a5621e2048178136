"""The orchestrators of the fan-out benchmark: TLS gRPC endpoints on loopback, each with its own key and certificate.

    python tests/bench/fanout_servers.py COUNT SILENT SLOW

Writes one JSON line, a list of `[uri, address]`, and serves until its standard input closes. SILENT of them, spread
evenly, never answer a call and SLOW take two seconds; all others take 50 ms.
"""

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import grpc
import grpc.aio
from coincurve import PrivateKey

from livepeer_client.codec import wire
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability, with_capacities
from livepeer_client.codec.credentials import ping_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import AuthToken, Capabilities, ModelConstraint, OrchestratorInfo, PriceInfo
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.types import MAX_WIN_PROB, BlockNumber, Hash32, Round, Wei, WinProb

_ours = ModuleType("tests")
_ours.__path__ = [str(Path(__file__).resolve().parents[1])]
sys.modules["tests"] = _ours

from tests.support.certificates import make_certificate  # noqa: E402 - only now can it be found

ANSWER_S: Final = 0.05
SLOW_S: Final = 2.0
LIVE: Final = int(Capability.LIVE_VIDEO_TO_VIDEO)


def make_info(uri: str, key: PrivateKey) -> bytes:
    """A complete answer, as an orchestrator with a live pipeline gives it."""
    address = public_key_to_address(key.public_key)
    bits = DEFAULT_CAPABILITIES | {LIVE}
    params = TicketParams(
        recipient=address,
        face_value=Wei(10**15),
        win_prob=WinProb(MAX_WIN_PROB // 10**5),
        recipient_rand_hash=Hash32(keccak256(address)),
        seed=int.from_bytes(keccak256(uri.encode()), "big"),
        expiration_block=BlockNumber(20_000_000),
        expiration=ExpirationParams(Round(4000), Hash32(keccak256(b"round"))),
    )
    return wire.encode_orchestrator_info(
        OrchestratorInfo(
            transcoder=uri,
            ticket_params=params,
            price_info=PriceInfo(1, 1000),
            address=address,
            capabilities=Capabilities(
                frozenset(bits),
                capacities=with_capacities(bits),
                version="0.9.1",
                constraints={LIVE: {"noop": ModelConstraint(warm=True, capacity=1)}},
            ),
            auth_token=AuthToken(keccak256(uri.encode()), address.hex()[:8], 2**31),
            capabilities_prices=(PriceInfo(3, 1000, LIVE, "noop"),),
        )
    )


class Endpoint:
    """One orchestrator; `delay_s` None never answers."""

    def __init__(self, number: int, delay_s: float | None) -> None:
        self.key = PrivateKey(keccak256(b"fan-out %d" % number))
        self.delay_s = delay_s
        self.uri = ""
        self.info = b""
        self.server = grpc.aio.server()

    async def start(self) -> None:
        certificate = make_certificate(dns=["localhost"])
        credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
        methods = {
            "GetOrchestrator": grpc.unary_unary_rpc_method_handler(self._get_orchestrator),
            "Ping": grpc.unary_unary_rpc_method_handler(self._ping),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("net.Orchestrator", methods),))
        port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.uri = f"https://127.0.0.1:{port}"
        self.info = make_info(self.uri, self.key)
        await self.server.start()

    async def _get_orchestrator(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await self._think()
        return self.info

    async def _ping(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await self._think()
        return wire.encode_ping(sign_personal(self.key, ping_digest(wire.decode_ping(request))))

    async def _think(self) -> None:
        if self.delay_s is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.delay_s)


async def main(count: int, silent: int, slow: int) -> None:
    delays: list[float | None] = [ANSWER_S] * count
    for number in range(silent):
        delays[number * count // silent] = None
    for number in range(slow):
        delays[number * count // slow + count // (2 * slow)] = SLOW_S
    endpoints = [Endpoint(number, delay_s) for number, delay_s in enumerate(delays)]
    for endpoint in endpoints:
        await endpoint.start()
    listing = [(each.uri, public_key_to_address(each.key.public_key).hex()) for each in endpoints]
    sys.stdout.write(json.dumps(listing) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*(each.server.stop(0) for each in endpoints))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
