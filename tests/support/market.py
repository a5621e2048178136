"""Orchestrators for a gateway's tests: real keys, signatures and messages over the library's fakes.

They do not judge payments, so that a test can look at everything a gateway sends.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from livepeer_client.adapters.fakes import (
    FakeChain,
    FakeOrchestratorProbe,
    FakeProbe,
    FakeTranscoder,
    FakeTransport,
    ManualClock,
    MemoryGatewayBooks,
    fake_segment,
)
from livepeer_client.adapters.fakes.peers import FakeSubmission
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, with_capacities
from livepeer_client.codec.credentials import ping_digest, result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PriceInfo,
    RegisteredOrchestrator,
    SegmentCredentials,
    TranscodedSegment,
    TranscodeResult,
    VideoProfile,
)
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.codec.wire import payment_from_header, segment_from_header
from livepeer_client.facts import Rendition, SenderInfo
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.ports import MediaProbe, Transcoder
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, Event, StreamSession
from livepeer_client.services.paying import Payer
from livepeer_client.types import MAX_WIN_PROB, BlockNumber, Hash32, Round, Wei, WinProb

CHALLENGE = bytes(16)
FACE_VALUE = Wei(10**15)
WIN_PROB = WinProb(MAX_WIN_PROB // 10**5)
PROFILES = (VideoProfile("P240", 426, 240, 600_000, 30), VideoProfile("P360", 640, 360, 1_200_000, 30))


@dataclass
class Orchestrator:
    """One seller. Attributes say how it answers; `received` is what came."""

    name: str
    signer: LocalSigner
    chain: FakeChain
    clock: ManualClock
    transport: FakeTransport
    price: PriceInfo = field(default_factory=lambda: PriceInfo(1, 1000))
    stake: int = 10**21
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(DEFAULT_CAPABILITIES, capacities=with_capacities(DEFAULT_CAPABILITIES))
    )
    expiration_blocks: int = 40
    took_s: float = 0.0
    session_id: str = ""
    sessions: int = 0
    quotes: int = 0
    received: list[tuple[SegmentCredentials, Payment]] = field(default_factory=list)
    fail: BaseException | None = None
    tamper: Callable[[TranscodeResult], TranscodeResult] = lambda result: result
    retouch: Callable[[Rendition], Rendition] = lambda rendition: rendition
    transcoder: Transcoder = field(default_factory=FakeTranscoder)
    before_answer: Callable[[], Awaitable[None]] | None = None

    @property
    def uri(self) -> str:
        return f"https://{self.name}.example:8935"

    @property
    def member(self) -> RegisteredOrchestrator:
        return RegisteredOrchestrator(self.signer.address, self.uri, self.stake, True)

    def params(self) -> TicketParams:
        """A new quote, with a commitment of its own."""
        self.quotes += 1
        return TicketParams(
            recipient=self.signer.address,
            face_value=FACE_VALUE if self.price.price_per_unit else Wei(0),
            win_prob=WIN_PROB if self.price.price_per_unit else WinProb(0),
            recipient_rand_hash=keccak256(f"{self.name} {self.quotes}".encode()),
            seed=self.quotes,
            expiration_block=BlockNumber(self.chain.block + self.expiration_blocks),
            expiration=ExpirationParams(Round(100), Hash32(keccak256(b"round 100"))),
        )

    def info(self) -> OrchestratorInfo:
        return OrchestratorInfo(
            transcoder=self.uri,
            ticket_params=self.params(),
            price_info=self.price,
            address=self.signer.address,
            capabilities=self.capabilities,
            auth_token=AuthToken(b"mac", self.session_id, int(self.clock.time()) + 1800),
        )

    def on_info(self, request: OrchestratorRequest) -> OrchestratorInfo:
        """GetOrchestrator: a new session each time."""
        self.sessions += 1
        self.session_id = f"{self.name}-{self.sessions}"
        return self.info()

    async def on_segment(self, submission: FakeSubmission) -> TranscodeResult:
        credentials = segment_from_header(submission.credentials)
        self.received.append((credentials, payment_from_header(submission.payment)))
        if self.took_s:
            await self.clock.sleep(self.took_s)
        if self.before_answer is not None:
            await self.before_answer()
        if self.fail is not None:
            raise self.fail
        renditions = [self.retouch(each) for each in await self.transcoder.transcode(submission.segment, credentials)]
        segments = []
        for rendition in renditions:
            url = f"{self.uri}/stream/{self.session_id}/{rendition.profile.name}/{credentials.seq}.ts"
            self.transport.files[url] = rendition.data
            segments.append(TranscodedSegment(url, rendition.pixels))
        digest = result_digest(keccak256(rendition.data) for rendition in renditions)
        return self.tamper(
            TranscodeResult(
                seq=credentials.seq,
                segments=tuple(segments),
                sig=await self.signer.sign(digest),
                info=self.info(),
            )
        )

    @property
    def nonces(self) -> list[tuple[bytes, int]]:
        """(commitment, nonce) of every ticket received."""
        return [
            (payment.ticket_params.recipient_rand_hash, ticket.sender_nonce)
            for _, payment in self.received
            if payment.ticket_params is not None
            for ticket in payment.tickets
        ]


class Market:
    """A gateway with a funded account among `names` orchestrators, all in the pool, stake falling."""

    def __init__(self, *names: str) -> None:
        self.clock = ManualClock()
        self.chain = FakeChain(round_length=1000)
        self.probe = FakeOrchestratorProbe(self.clock)
        self.transport = FakeTransport()
        self.books = MemoryGatewayBooks()
        self.signer = LocalSigner(b"\x01" * 32)
        self.chain.senders[self.signer.address] = SenderInfo(Wei(10**18), Round(0), Wei(10**18), Wei(0))
        self.orchestrators: dict[str, Orchestrator] = {}
        for index, name in enumerate(names):
            key = LocalSigner(bytes([index + 2]) * 32)
            seller = Orchestrator(
                name, key, self.chain, self.clock, self.transport, stake=(len(names) - index) * 10**21
            )
            self.orchestrators[name] = seller
        self.events: list[Event] = []
        self.draw = 0.0

    def __getitem__(self, name: str) -> Orchestrator:
        return self.orchestrators[name]

    async def open(self) -> "Market":
        """Register everybody and have them answer."""
        for seller in self.orchestrators.values():
            self.chain.pool.append(seller.member)
            self.probe.answers[seller.uri] = seller.on_info
            self.probe.pings[seller.uri] = await seller.signer.sign(ping_digest(CHALLENGE))
            self.transport.orchestrators[seller.uri] = seller.on_segment
        return self

    def discovery(self) -> DiscoveryService:
        return DiscoveryService(
            self.chain, self.probe, self.signer, self.clock, random_bytes=lambda count: CHALLENGE[:count]
        )

    def dispatcher(
        self, rules: DispatchRules | None = None, limits: SenderLimits | None = None, media: MediaProbe | None = None
    ) -> Dispatcher:
        discovery = self.discovery()
        limits = limits or SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**15))
        payer = Payer(self.chain, self.signer, self.books, self.clock, discovery, limits, account_ttl_s=0)
        return Dispatcher(
            discovery,
            payer,
            self.signer,
            self.transport,
            media or FakeProbe(),
            self.clock,
            rules or DispatchRules(),
            draw=lambda: self.draw,
        )

    def stream(self, rules: DispatchRules | None = None, limits: SenderLimits | None = None) -> StreamSession:
        return self.dispatcher(rules, limits).stream(PROFILES, "manifest", self.events.append)

    def happened(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def segment(seq: int) -> bytes:
    """Two seconds of fake 720p."""
    return fake_segment(1280, 720, 60, 2000, str(seq))


async def send(stream: StreamSession, *seqs: int) -> list[str]:
    """Submit segments one after another; who did each."""
    return [(await stream.submit(seq, segment(seq), 2000)).uri.split(".")[0].removeprefix("https://") for seq in seqs]


def without_params(info: OrchestratorInfo) -> OrchestratorInfo:
    """What an orchestrator sends whose next quote failed."""
    return replace(info, ticket_params=None)
