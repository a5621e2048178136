"""What the load benchmarks run: an orchestrator as a process of its own, and a gateway that buys from it.

Everything is the library's own but the chain, which both hold in memory, since no paid segment asks it for anything,
and with `pass` the codec: TLS over sockets, signatures, stores on disk with every commit flushed.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
if "tests" not in sys.modules:
    # Some package installs a `tests` of its own, which would hide ours from a script.
    _ours = ModuleType("tests")
    _ours.__path__ = [str(ROOT / "tests")]
    sys.modules["tests"] = _ours
    sys.path.insert(0, str(ROOT))

from livepeer_client.adapters.clock import SystemClock  # noqa: E402 - only now
from livepeer_client.adapters.fakes import FakeChain  # noqa: E402
from livepeer_client.adapters.grpc_probe import GrpcProbe  # noqa: E402
from livepeer_client.adapters.http import HttpTransport  # noqa: E402
from livepeer_client.adapters.http_server import build_app  # noqa: E402
from livepeer_client.adapters.keys import LocalSigner  # noqa: E402
from livepeer_client.adapters.media import PyavProbe, PyavTranscoder  # noqa: E402
from livepeer_client.adapters.rpc_server import orchestrator_rpc  # noqa: E402
from livepeer_client.adapters.server import TlsServer  # noqa: E402
from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore  # noqa: E402
from livepeer_client.adapters.tls import server_context  # noqa: E402
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, with_capacities  # noqa: E402
from livepeer_client.codec.messages import Capabilities, RegisteredOrchestrator, SegmentCredentials  # noqa: E402
from livepeer_client.errors import MediaError  # noqa: E402
from livepeer_client.facts import MediaInfo, OrchestratorState, Rendition, SenderInfo  # noqa: E402
from livepeer_client.nodes.memory import keep_what_is_loaded  # noqa: E402
from livepeer_client.policy.price_list import PriceList, Tariff  # noqa: E402
from livepeer_client.policy.recipient import RecipientConfig  # noqa: E402
from livepeer_client.policy.sender import SenderLimits  # noqa: E402
from livepeer_client.services.advertise import AdvertiseService, Offer  # noqa: E402
from livepeer_client.services.chain_view import ChainView  # noqa: E402
from livepeer_client.services.discovery import DiscoveryService  # noqa: E402
from livepeer_client.services.dispatch import Dispatcher, DispatchRules  # noqa: E402
from livepeer_client.services.drawing import TicketDrawer  # noqa: E402
from livepeer_client.services.paying import Payer  # noqa: E402
from livepeer_client.services.payment import PaymentService  # noqa: E402
from livepeer_client.services.renditions import RenditionStore  # noqa: E402
from livepeer_client.services.work import WorkService  # noqa: E402
from livepeer_client.types import Round, Wei  # noqa: E402

GATEWAY: Final = LocalSigner(b"\x0a" * 32)
ORCHESTRATOR: Final = LocalSigner(b"\x0b" * 32)
TICKET_EV: Final = Wei(10_000_000)
"""At a wei per pixel about two tickets for two seconds of 640x360; one in a hundred of them wins."""


def make_chain(uri: str) -> FakeChain:
    """The same chain in both processes: a funded gateway and one orchestrator at `uri`."""
    chain = FakeChain(round_length=100_000)
    chain.gas_price = Wei(0)
    chain.senders[GATEWAY.address] = SenderInfo(Wei(10**24), Round(0), Wei(10**24), Wei(0))
    chain.claimable[GATEWAY.address, ORCHESTRATOR.address] = Wei(10**24)
    chain.states[ORCHESTRATOR.address] = OrchestratorState(
        active=True, registered=True, last_reward_round=Round(0), stake=1, pending_fees=Wei(0)
    )
    chain.pool.append(RegisteredOrchestrator(ORCHESTRATOR.address, uri, 10**21, True))
    return chain


class PassThrough:
    """`ports.Transcoder` and `ports.MediaProbe` without a codec: the segment itself is every rendition."""

    def __init__(self, width: int = 640, height: int = 360, frames: int = 60, duration_s: int = 2) -> None:
        self._info = MediaInfo(width, height, frames, Fraction(duration_s))

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        return [Rendition(profile, segment, self._info.pixels) for profile in credentials.profiles]

    async def inspect(self, data: bytes, *, max_pixels: int | None = None) -> MediaInfo:
        return self._info

    async def fingerprint(self, data: bytes) -> tuple[bytes, ...]:
        return (data[:1] * 256,)

    async def close(self) -> None:
        """Nothing is held."""


async def serve(folder: Path, port: int, *, real: bool, workers: int) -> None:
    """An orchestrator until its standard input ends; prints `ready` when it serves."""
    keep_what_is_loaded()
    uri, clock = f"https://127.0.0.1:{port}", SystemClock()
    chain = make_chain(uri)
    store = await SqliteTicketStore.open(folder / "orchestrator.sqlite")
    drawer = TicketDrawer()
    view = ChainView(chain, clock, ORCHESTRATOR.address, 1.0)
    payments = PaymentService(
        recipient=RecipientConfig(address=ORCHESTRATOR.address, ev=TICKET_EV),
        prices=lambda: PriceList(Tariff(Fraction(1))),
        auto_adjust=False,
        store=store,
        view=view,
        clock=clock,
        drawer=drawer,
    )
    capabilities = Capabilities(DEFAULT_CAPABILITIES, capacities=with_capacities(DEFAULT_CAPABILITIES))
    advertise = AdvertiseService(
        offer=Offer(uri, capabilities), signer=ORCHESTRATOR, payments=payments, token_key=b"\x0c" * 32, clock=clock
    )
    transcoder = PyavTranscoder(workers=workers, preset="ultrafast") if real else PassThrough()
    work = WorkService(
        advertise=advertise,
        payments=payments,
        signer=ORCHESTRATOR,
        transcoder=transcoder,
        renditions=RenditionStore(uri),
        clock=clock,
        max_sessions=1000,
    )
    server = TlsServer(
        host="127.0.0.1",
        port=port,
        context=server_context(folder / "tls.pem", "127.0.0.1", time.time()),
        app=build_app(work),
        rpc=[orchestrator_rpc(advertise.get_orchestrator, advertise.ping, work.end_session)],
    )
    tasks = [asyncio.create_task(each) for each in (view.watch(), work.run())]
    async with server:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"cpu {usage.ru_utime + usage.ru_stime:.3f}", flush=True)
    await transcoder.close()
    drawer.close()
    await store.close()


@dataclass
class Site:
    """A gateway in this process before an orchestrator in another one."""

    dispatcher: Dispatcher
    payer: Payer
    books: SqliteGatewayBooks
    process: asyncio.subprocess.Process
    folder: Path

    def rss_mib(self) -> tuple[float, float]:
        """Resident memory of gateway and orchestrator, MiB."""
        return _rss(os.getpid()), _rss(self.process.pid)

    async def stop_orchestrator(self) -> float:
        """End it in peace; CPU seconds that it took in all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        line = await self.process.stdout.readline()
        await self.process.wait()
        return float(line.split()[1])


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.asynccontextmanager
async def opened(folder: Path, port: int, *, real: bool, workers: int = 2) -> AsyncIterator[Site]:
    """Both, with what nodes run beside."""
    keep_what_is_loaded()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--folder", str(folder), "--port", str(port), "--workers", str(workers)),
        *(("--real",) if real else ()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if line != b"ready\n":
            raise RuntimeError("the orchestrator did not start")
        clock, chain = SystemClock(), make_chain(f"https://127.0.0.1:{port}")
        media = PyavProbe(workers=workers) if real else PassThrough()
        books = await SqliteGatewayBooks.open(folder / "books.sqlite")
        async with GrpcProbe(folder / "certificates") as probe, HttpTransport() as transport:
            discovery = DiscoveryService(chain, probe, GATEWAY, clock)
            limits = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**15))
            payer = Payer(chain, GATEWAY, books, clock, discovery, limits)
            dispatcher = Dispatcher(discovery, payer, GATEWAY, transport, media, clock, DispatchRules())
            dispatcher.beside(payer.watch())
            try:
                yield Site(dispatcher, payer, books, process, folder)
            finally:
                await dispatcher.close()
                await media.close()
                await books.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def reconciled(site: Site, *, complete: bool = True) -> dict[str, str]:
    """Both books to the wei, once the orchestrator has stopped.

    :param complete: whether every answer was waited for; else work was charged that the gateway calls unanswered, and
        what the seller has is told as well.
    :raises MediaError: they differ.
    """
    bought = (await site.books.totals())[ORCHESTRATOR.address]
    store = await SqliteTicketStore.open(site.folder / "orchestrator.sqlite", read_only=True)
    sold = await store.totals()
    await store.close()
    pairs = {
        "segments": (bought.segments, sold.segments),
        "pixels": (bought.pixels, sold.pixels),
        "fees_wei": (bought.fees, sold.fees_debited),
        "tickets": (bought.tickets_sent, sold.tickets_received),
        "expected_value_wei": (bought.expected_value_sent, sold.expected_value_credited),
    }
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not complete:
        return {name: f"{mine}, of the seller {its}" for name, (mine, its) in pairs.items()}
    if different:
        raise MediaError("books differ", str(different))
    return {name: str(mine) for name, (mine, _) in pairs.items()} | {"winners": str(sold.winners)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--real", action="store_true")
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.port, real=given.real, workers=given.workers))
