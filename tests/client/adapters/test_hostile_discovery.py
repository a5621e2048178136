"""A discovery among peers that lie, break, flood or fall silent, over real connections: the honest one is found."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import grpc.aio

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.grpc_probe import MAX_ANSWER_BYTES, GrpcProbe
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec import wire
from livepeer_client.codec.credentials import ping_digest
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    OrchestratorInfo,
    PriceInfo,
    RegisteredOrchestrator,
)
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.policy.discovery import ProbePlan, RejectReason
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.types import ZERO_HASH, BlockNumber, Hash32, Round, Wei, WinProb

HONEST, LIAR = LocalSigner(b"\x05" * 32), LocalSigner(b"\x06" * 32)
JOB = Capabilities(frozenset({12}))
Answer = Callable[[bytes], Awaitable[bytes]]


def terms(signer: LocalSigner, **changes: object) -> bytes:
    params = TicketParams(
        signer.address,
        Wei(1),
        WinProb(1),
        Hash32(b"\x01" * 32),
        1,
        BlockNumber(9),
        ExpirationParams(Round(1), ZERO_HASH),
    )
    fields: dict[str, object] = {
        "transcoder": "https://o.example:8935",
        "ticket_params": params,
        "price_info": PriceInfo(1, 1),
        "address": signer.address,
        "capabilities": Capabilities(frozenset({12})),
        "auth_token": AuthToken(b"mac", "0a0b0c0d", 2**31),
        **changes,
    }
    return wire.encode_orchestrator_info(OrchestratorInfo(**fields))  # type: ignore[arg-type]


def saying(data: bytes) -> Answer:
    async def answer(request: bytes) -> bytes:
        return data

    return answer


def signing(signer: LocalSigner) -> Answer:
    async def answer(request: bytes) -> bytes:
        return wire.encode_ping(await signer.sign(ping_digest(wire.decode_ping(request))))

    return answer


async def never(request: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


async def breaks(request: bytes) -> bytes:
    raise RuntimeError("boom")


@asynccontextmanager
async def serving(info: Answer, ping: Answer) -> AsyncIterator[str]:
    def method(answer: Answer) -> grpc.RpcMethodHandler:
        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return await answer(request)

        return grpc.unary_unary_rpc_method_handler(handle)

    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    methods = {"GetOrchestrator": method(info), "Ping": method(ping)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("net.Orchestrator", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def raw(handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(64):
        writer.write(secrets.token_bytes(64 * 1024))
        await writer.drain()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def test_refresh__among_hostile_peers__finds_the_honest_one_and_says_of_each_what_it_did() -> None:
    good = terms(HONEST)
    async with AsyncExitStack() as opened:
        peers: dict[str, tuple[str, LocalSigner]] = {}

        async def peer(name: str, info: Answer, ping: Answer, signer: LocalSigner = HONEST) -> None:
            peers[name] = await opened.enter_async_context(serving(info, ping)), signer

        await peer("honest", saying(good), signing(HONEST))
        await peer("garbage", saying(b"\xff" * 500), signing(HONEST))
        await peer("truncated", saying(good[:-7]), signing(HONEST))
        await peer("huge", saying(bytes(MAX_ANSWER_BYTES + 1)), signing(HONEST))
        await peer("many", saying(b"\x3a\x00" * 100_000), signing(HONEST))
        await peer("impostor", saying(good), signing(LIAR))
        await peer("bad proof", saying(good), saying(wire.encode_ping(bytes(65))))
        await peer("garbage proof", saying(good), saying(b"\xff" * 20))
        await peer("other name", saying(terms(LIAR)), signing(LIAR))
        await peer(
            "other tickets",
            saying(terms(HONEST, ticket_params=wire.decode_orchestrator_info(terms(LIAR)).ticket_params)),
            signing(HONEST),
        )
        await peer("no work", saying(terms(HONEST, transcoder="")), signing(HONEST))
        await peer("breaks", breaks, signing(HONEST))
        await peer("silent", never, never)
        await peer("silent proof", saying(good), never)
        peers["floods"] = await opened.enter_async_context(raw(floods)), HONEST
        peers["hangs"] = await opened.enter_async_context(raw(hangs)), HONEST

        class Pool:
            async def orchestrators(self) -> list[RegisteredOrchestrator]:
                return [RegisteredOrchestrator(signer.address, uri, 1, True) for uri, signer in peers.values()]

        plan = ProbePlan(wakes_s=(), cutoff_s=20.0, probe_timeout_s=3.0)
        async with GrpcProbe() as probe:
            service = DiscoveryService(
                Pool(), probe, LocalSigner(b"\x01" * 32), SystemClock(), plan=plan, extra_nodes=3
            )
            report = await service.refresh(JOB)

    names = {uri: name for name, (uri, _) in peers.items()}
    assert [names[offer.member.service_uri] for offer in report.offers] == ["honest"]
    reasons = {names[rejection.member.service_uri]: rejection.reason for rejection in report.rejections}
    assert reasons == {
        "garbage": RejectReason.MALFORMED,
        "truncated": RejectReason.MALFORMED,
        "huge": RejectReason.REFUSED,
        "many": RejectReason.MALFORMED,
        "impostor": RejectReason.KEY_NOT_PROVEN,
        "bad proof": RejectReason.KEY_NOT_PROVEN,
        "garbage proof": RejectReason.MALFORMED,
        "other name": RejectReason.WRONG_ADDRESS,
        "other tickets": RejectReason.WRONG_RECIPIENT,
        "no work": RejectReason.DIRECTORY_ONLY,
        "breaks": RejectReason.REFUSED,
        "silent": RejectReason.NO_ANSWER,
        "silent proof": RejectReason.NO_ANSWER,
        "floods": RejectReason.NO_ANSWER,
        "hangs": RejectReason.NO_ANSWER,
    }
    assert all(rejection.text for rejection in report.rejections)
    assert report.took_s < 15
