"""An orchestrator's services over fakes, and a gateway that buys from them: for tests of services and server."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from coincurve import PrivateKey

from livepeer_client.adapters.fakes import FakeChain, FakeTranscoder, ManualClock, MemoryTicketStore, fake_segment
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec import wire
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, job_capabilities
from livepeer_client.codec.credentials import new_auth_token, orchestrator_request_digest, segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    NonceAndSig,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PriceInfo,
    SegmentCredentials,
    VideoProfile,
)
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import TicketParams, ticket_from_params
from livepeer_client.facts import OrchestratorState, SenderInfo
from livepeer_client.policy.price_list import Model, PriceList, Tariff
from livepeer_client.policy.recipient import RecipientConfig
from livepeer_client.ports import Rendition, UrlFetcher
from livepeer_client.services.advertise import AdvertiseService, Offer
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.payment import PaymentService
from livepeer_client.services.renditions import RenditionStore
from livepeer_client.services.work import MIN_WORK_S, Auto, WorkService
from livepeer_client.types import Address, Round, Wei

GATEWAY_KEY = PrivateKey(b"\x11" * 32)
GATEWAY = public_key_to_address(GATEWAY_KEY.public_key)
STRANGER_KEY = PrivateKey(b"\x22" * 32)
ORCHESTRATOR_KEY = b"\x33" * 32
TOKEN_KEY = b"\x44" * 32
SERVICE_URI = "https://127.0.0.1:8935"
EV = Wei(1_000_000)
POLL_S = 1.0
PROFILES = (
    VideoProfile(name="P144p30fps16x9", width=256, height=144, bitrate=400_000, fps=30),
    VideoProfile(name="P240p30fps16x9", width=426, height=240, bitrate=600_000, fps=30),
)
SEGMENT = fake_segment(640, 360, 60, 2000)


@dataclass
class Shop:
    """One orchestrator. Its sender is funded so well that float never matters unless a test changes that."""

    price: Fraction = Fraction(1)
    max_sessions: int | Auto = 10
    capacity: int = 0
    fetcher: UrlFetcher | None = None
    latency_s: float = 0
    min_work_s: float = MIN_WORK_S
    auto_adjust: bool = False
    max_face_value: Wei = Wei(2_000_000)
    min_gas_price: Wei = Wei(0)
    secret: bytes | None = None
    service_uri: str = SERVICE_URI
    models: dict[Model, Tariff] = field(default_factory=dict)
    chain: FakeChain = field(default_factory=FakeChain)
    clock: ManualClock = field(default_factory=ManualClock)
    store: MemoryTicketStore = field(default_factory=MemoryTicketStore)
    transcoder: FakeTranscoder = field(default_factory=FakeTranscoder)
    signer: LocalSigner = field(default_factory=lambda: LocalSigner(ORCHESTRATOR_KEY))

    def __post_init__(self) -> None:
        # One time for everybody: sessions fall idle by the store's clock.
        self.store._clock = self.clock
        self.chain.gas_price = Wei(0)
        self.chain.senders[GATEWAY] = SenderInfo(Wei(10**18), Round(0), Wei(10**18), Wei(0))
        self.chain.claimable[GATEWAY, self.address] = Wei(10**18)
        self.chain.states[self.address] = OrchestratorState(
            active=True, registered=True, last_reward_round=Round(0), stake=1, pending_fees=Wei(0)
        )
        self.start()

    def start(self) -> None:
        """Make the services, as a restart of the process does; chain and store stay."""
        self.gas = GasPriceMonitor(self.chain, self.clock, min_price=self.min_gas_price)
        self.view = ChainView(self.chain, self.clock, self.address, POLL_S, self.gas)
        self.payments = PaymentService(
            recipient=RecipientConfig(address=self.address, ev=EV, max_face_value=self.max_face_value),
            prices=lambda: PriceList(Tariff(self.price), self.models),
            secret=self.secret,
            auto_adjust=self.auto_adjust,
            store=self.store,
            view=self.view,
            clock=self.clock,
        )
        capabilities = Capabilities(bits=DEFAULT_CAPABILITIES, version="0.1.0")
        self.advertise = AdvertiseService(
            offer=Offer(self.service_uri, capabilities),
            signer=self.signer,
            payments=self.payments,
            token_key=TOKEN_KEY,
            clock=self.clock,
        )
        self.work = WorkService(
            advertise=self.advertise,
            payments=self.payments,
            signer=self.signer,
            transcoder=self.transcoder,
            renditions=RenditionStore(self.service_uri),
            clock=self.clock,
            max_sessions=self.max_sessions,
            latency_s=self.latency_s,
            min_work_s=self.min_work_s,
            capacity=lambda: self.capacity,
            fetcher=self.fetcher,
        )

    @property
    def address(self) -> Address:
        return self.signer.address

    async def mine(self, blocks: int = 1) -> None:
        """Blocks that the services then know of."""
        self.chain.mine(blocks)
        await self.clock.advance(POLL_S)

    async def info(self) -> OrchestratorInfo:
        """What the gateway gets from `GetOrchestrator`."""
        return await self.advertise.get_orchestrator(login())

    async def session(self) -> "Session":
        return Session(self, await self.info())

    def books(self) -> tuple[int, int, int]:
        """Payments, debits, winners stored: what a refused request must leave as it was."""
        return len(self.store.payments), len(self.store.debits), len(self.store._tickets)


@dataclass
class Session:
    """A gateway's side of one session, drawing tickets on the quote it was given."""

    shop: Shop
    info: OrchestratorInfo
    nonce: int = 0
    manifest_id: bytes = b"manifest"

    @property
    def token(self) -> AuthToken:
        assert self.info.auth_token is not None
        return self.info.auth_token

    @property
    def params(self) -> TicketParams:
        assert self.info.ticket_params is not None
        return self.info.ticket_params

    @property
    def balance(self) -> Fraction:
        return self.shop.payments.balance(GATEWAY, self.token.session_id)

    def payment(self, tickets: int = 2, *, key: PrivateKey = GATEWAY_KEY) -> Payment:
        """The next `tickets` tickets, or a payment without any."""
        if not tickets:
            return Payment(None, GATEWAY, None, (), self.info.price_info)
        nonces = range(self.nonce + 1, self.nonce + tickets + 1)
        self.nonce += tickets
        return self.payment_of(nonces, key=key)

    def payment_of(
        self, nonces: Sequence[int], *, key: PrivateKey = GATEWAY_KEY, price: PriceInfo | None = None
    ) -> Payment:
        params = self.params
        signed = tuple(
            NonceAndSig(nonce, sign_personal(key, ticket_from_params(params, GATEWAY, nonce).hash)) for nonce in nonces
        )
        return Payment(params, GATEWAY, params.expiration, signed, price or self.info.price_info)

    def credentials(
        self, seq: int = 0, segment: bytes = SEGMENT, *, key: PrivateKey = GATEWAY_KEY, **changes: object
    ) -> SegmentCredentials:
        """Signed credentials; `changes` are made before signing."""
        plain = SegmentCredentials(
            manifest_id=self.manifest_id,
            seq=seq,
            hash=keccak256(segment),
            profiles=PROFILES,
            sig=b"",
            duration_ms=2000,
            capabilities=job_capabilities(PROFILES),
            auth_token=self.token,
        )
        changed = replace(plain, **changes)  # type: ignore[arg-type]
        digest = segment_digest(changed.manifest_id, changed.seq, changed.hash, changed.profiles)
        return replace(changed, sig=sign_personal(key, digest))

    def headers(self, seq: int = 0, *, tickets: int = 2, segment: bytes = SEGMENT) -> tuple[str, str]:
        """`Livepeer-Payment` and `Livepeer-Segment` of an honest request."""
        return wire.payment_header(self.payment(tickets)), wire.segment_header(self.credentials(seq, segment))


def login(key: PrivateKey = GATEWAY_KEY, address: Address = GATEWAY) -> OrchestratorRequest:
    """A `GetOrchestrator` request in the name of `address`, signed with `key`."""
    return OrchestratorRequest(address, sign_personal(key, orchestrator_request_digest(address)))


def expired_token(shop: Shop) -> AuthToken:
    return new_auth_token(TOKEN_KEY, "0a0b0c0d", int(shop.clock.time()) - 1)


class SlowTranscoder(FakeTranscoder):
    """Works only while `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        await self.go.wait()
        return await super().transcode(segment, credentials)


async def as_far_as_they_get() -> None:
    """Let tasks run until they wait for the transcoder: by turns of the loop, which slowness makes no fewer."""
    await asyncio.sleep(0.01)
    for _ in range(500):
        await asyncio.sleep(0)
