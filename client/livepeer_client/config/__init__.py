"""Settings of both nodes: frozen, parsed once from TOML, every default here and nowhere else.

Relative paths are taken from the directory of the file that names them. Amounts are integer wei, durations
seconds (`_s`) or milliseconds (`_ms`). A key nobody reads is refused, so that a misspelt one is not ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

from livepeer_client.config.byoc import ByocConfig, read_byoc
from livepeer_client.config.discovery import DiscoveryConfig as DiscoveryConfig
from livepeer_client.config.discovery import read_discovery
from livepeer_client.config.ingest import IngestConfig, read_ingest
from livepeer_client.config.live_runners import read_live_runners
from livepeer_client.config.metrics import MetricsConfig as MetricsConfig
from livepeer_client.config.metrics import read_metrics
from livepeer_client.config.offchain import OFFCHAIN, is_offchain
from livepeer_client.config.offchain import OffchainConfig as OffchainConfig
from livepeer_client.config.offchain import load_offchain as load_offchain
from livepeer_client.config.pipelines import read_pipelines
from livepeer_client.config.prices import PriceFeedConfig as PriceFeedConfig
from livepeer_client.config.prices import (
    check_feed,
    price_of,
    read_amount,
    read_ceilings,
    read_price_feed,
    read_sender_prices,
)
from livepeer_client.config.redemption import RedeemerSettings as RedeemerSettings
from livepeer_client.config.redemption import RedemptionConfig as RedemptionConfig
from livepeer_client.config.redemption import RemoteRedeemer as RemoteRedeemer
from livepeer_client.config.redemption import read_limit, read_redeemer, read_redemption
from livepeer_client.config.service import ServiceConfig as ServiceConfig
from livepeer_client.config.service import ServiceSettings as ServiceSettings
from livepeer_client.config.service import read_service
from livepeer_client.config.sources import Setting as Setting
from livepeer_client.config.sources import Sources as Sources
from livepeer_client.config.sources import gather as gather
from livepeer_client.config.tables import INT64_MAX as INT64_MAX
from livepeer_client.config.tables import Document, Table
from livepeer_client.config.upkeep import RewardConfig, RoundsConfig, read_admin, read_reward, read_rounds
from livepeer_client.config.workers import load_aiworker as load_aiworker
from livepeer_client.config.workers import load_transcoder as load_transcoder
from livepeer_client.config.workers import read_runners, read_workers
from livepeer_client.errors import ConfigError
from livepeer_client.policy.fiat import Amount
from livepeer_client.policy.price_book import Asked, Money, PriceBook, without_feed
from livepeer_client.policy.price_list import Ceilings, Model, PriceList
from livepeer_client.policy.recipient import RecipientConfig
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.policy.signing import SignerConfig
from livepeer_client.types import Address, Wei


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """`addresses` is the file that the suite's deployment wrote; `fallback_rpc_urls` serve, in order, while `rpc_url`
    does not. Above `max_base_fee_wei` nothing new is sent, above `max_fee_per_gas_wei` nothing is ever signed; where
    gas costs less than `min_gas_price_wei`, quotes go by that."""

    # Access keys of providers and passwords are part of URLs.
    rpc_url: str = field(repr=False)
    addresses: Path
    poll_interval_s: float
    fallback_rpc_urls: tuple[str, ...] = field(default=(), repr=False)
    max_base_fee_wei: Wei | None = None
    max_fee_per_gas_wei: Wei | None = None
    min_gas_price_wei: Wei = Wei(0)

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        return (self.rpc_url, *self.fallback_rpc_urls)


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """A keystore file or one with a raw key in hex; the password is read from its own file. Or the account `address`
    of a Web3Signer at `signer_url`, which may want a token."""

    file: Path | None
    password_file: Path | None
    signer_url: str | None = field(default=None, repr=False)
    address: Address | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorSettings(ServiceSettings):
    """What one orchestrator asks for its work. `price_per_unit`, wei or an amount in a currency, for `pixels_per_unit`
    pixels; `max_face_value_wei` 0 = off.

    `sender_prices`, per pixel, are exceptions for single senders; the discovery webhook, asked before terms are
    given, may say others.
    `secret_file` holds the 32 bytes behind quotes, for all nodes of one recipient; without, each start has its own.
    `store_url` is the PostgreSQL store they share; without, the store is a file in `data_dir`.
    """

    price_per_unit: int | Amount
    pixels_per_unit: int
    auto_adjust_price: bool
    ticket_ev_wei: Wei
    redeem_gas: int
    tx_cost_multiplier: int
    max_face_value_wei: Wei
    expiration_blocks: int
    secret_file: Path | None
    store_url: str | None = field(default=None, repr=False)
    sender_prices: Mapping[Address, Money] = field(default_factory=dict)
    discovery_webhook_url: str | None = field(default=None, repr=False)

    @property
    def base_price(self) -> Money:
        """Wei per pixel, exact, or an amount in a currency."""
        return price_of(self.price_per_unit, self.pixels_per_unit)

    def recipient(self, address: Address, redemption: RedemptionPolicy | None = None) -> RecipientConfig:
        """The terms as the policy of a recipient reads them; quotes end early enough for `redemption`."""
        policy = redemption or RedemptionPolicy()
        return RecipientConfig(
            address=address,
            ev=self.ticket_ev_wei,
            redeem_gas=self.redeem_gas,
            tx_cost_multiplier=self.tx_cost_multiplier,
            max_face_value=self.max_face_value_wei,
            params_expiration_blocks=self.expiration_blocks,
            redeem_blocks=policy.params_margin_blocks + policy.safety_blocks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorConfig(ServiceConfig):
    orchestrator: OrchestratorSettings
    chain: ChainConfig
    key: KeyConfig
    redemption: RedemptionConfig
    rounds: RoundsConfig
    reward: RewardConfig
    price_feed: PriceFeedConfig | None = None

    @property
    def price_book(self) -> PriceBook:
        """Everything that is sold, transcoding and pipelines."""
        settings = self.orchestrator
        return PriceBook(Asked(settings.base_price, settings.sender_prices), self.pipelines.terms)

    @property
    def prices(self) -> PriceList:
        """The same in wei, without what is in another currency."""
        return self.price_book.price_list(without_feed)


@dataclass(frozen=True, slots=True)
class RedeemerConfig:
    chain: ChainConfig
    key: KeyConfig
    redeemer: RedeemerSettings
    redemption: RedemptionConfig
    metrics: MetricsConfig | None = None


@dataclass(frozen=True, slots=True)
class SignerSettings:
    """What a remote signer signs for. Without `webhook_url` for everybody who reaches it, which a public address needs
    `allow_no_auth` for. `max_price_per_unit`: wei, or an amount in a currency, for `pixels_per_unit` pixels, seconds or
    jobs; None for any."""

    listen_host: str
    listen_port: int
    data_dir: Path
    webhook_url: str | None = field(repr=False)
    allow_no_auth: bool
    max_price_per_unit: int | Amount | None
    pixels_per_unit: int
    session_limit_wei: int | None
    limits: SenderLimits

    @property
    def ceiling(self) -> Money | None:
        """The most that is signed for a unit, where no model has a ceiling of its own."""
        return None if self.max_price_per_unit is None else price_of(self.max_price_per_unit, self.pixels_per_unit)

    @property
    def policy(self) -> SignerConfig:
        """Where a ceiling depends on a rate, nothing is signed before that is known."""
        ceiling = self.ceiling
        return SignerConfig(
            limits=self.limits,
            ceilings=Ceilings(Fraction(0) if isinstance(ceiling, Amount) else ceiling),
            session_limit=None if self.session_limit_wei is None else Fraction(self.session_limit_wei),
        )


@dataclass(frozen=True, slots=True)
class SignerNodeConfig:
    chain: ChainConfig
    key: KeyConfig
    signer: SignerSettings
    discovery: DiscoveryConfig | None = None
    """Where the list that its clients ask for comes from; None: they are given none."""
    ceilings: Mapping[Model, Money] = field(default_factory=dict)
    price_feed: PriceFeedConfig | None = None


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What one gateway accepts and how long it waits. Price ceiling: wei, or an amount in a currency, for
    `pixels_per_unit` pixels."""

    data_dir: Path
    max_price_per_unit: int | Amount
    pixels_per_unit: int
    max_ticket_ev_wei: Wei
    max_total_ev_wei: Wei
    deposit_multiplier: int
    discovery_timeout_s: float
    discovery_cutoff_s: float
    probe_timeout_s: float
    refresh_timeout_s: float
    max_attempts: int
    store_url: str | None = field(default=None, repr=False)
    account_interval_s: float = 1.0
    """Between two looks at the newest block and at our account."""

    @property
    def ceiling(self) -> Money:
        """The most that is paid for a pixel, where no model has a ceiling of its own."""
        return price_of(self.max_price_per_unit, self.pixels_per_unit)


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """What any command needs that sends with a key."""

    chain: ChainConfig
    key: KeyConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    chain: ChainConfig
    key: KeyConfig
    gateway: GatewaySettings
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    ingest: IngestConfig | None = None
    byoc: ByocConfig | None = None
    admin: tuple[str, int] | None = None
    metrics: MetricsConfig | None = None
    ceilings: Mapping[Model, Money] = field(default_factory=dict)
    price_feed: PriceFeedConfig | None = None


def load_orchestrator(file: str | Path, sources: Sources | None = None) -> OrchestratorConfig:
    """Read an orchestrator's settings; `sources` go before the file.

    :raises ConfigError: naming file, key and what was expected.
    """
    document = Document(file, sources)
    if is_offchain(document):
        raise ConfigError(f"{document.file}: [orchestrator] offchain: without a chain there is nothing of this to see")
    config = OrchestratorConfig(
        chain=_chain(document),
        key=_key(document),
        orchestrator=_orchestrator(document.table("orchestrator", required=True)),
        redemption=read_redemption(document.table("redemption", required=False)),
        rounds=read_rounds(document.table("rounds", required=False)),
        reward=read_reward(document.table("reward", required=False)),
        metrics=read_metrics(document),
        admin=read_admin(document),
        pipelines=read_pipelines(document),
        workers=read_workers(document),
        live_runners=read_live_runners(document),
        runners=read_runners(document),
        price_feed=read_price_feed(document),
    )
    document.finish()
    check_feed(document.file, config.price_feed, needs_feed=config.price_book.needs_feed)
    return config


def load_selling(file: str | Path, sources: Sources | None = None) -> OrchestratorConfig | OffchainConfig:
    """Read the settings of an orchestrator of either kind. Raises as `load_orchestrator`."""
    return load_offchain(file, sources) if is_offchain(Document(file, sources)) else load_orchestrator(file, sources)


def load_account(file: str | Path | None, sources: Sources | None = None) -> AccountConfig:
    """Read chain and key of any node's file, or of `sources` alone. Other tables are not looked at.

    :raises ConfigError: as `load_orchestrator`.
    """
    document = Document(file, sources)
    return AccountConfig(chain=_chain(document), key=_key(document))


def load_chain(file: str | Path | None, sources: Sources | None = None) -> ChainConfig:
    """Read the chain of any node's file, for commands that need no key. Raises as `load_orchestrator`."""
    return _chain(Document(file, sources))


def tables_of(file: str | Path) -> list[str]:
    """Names of the tables in a file. Raises as `load_orchestrator` where it cannot be read."""
    return Document(file).names


def load_redeemer(file: str | Path, sources: Sources | None = None) -> RedeemerConfig:
    """Read a redeemer's settings. Raises as `load_orchestrator`."""
    document = Document(file, sources)
    config = RedeemerConfig(
        chain=_chain(document),
        key=_key(document),
        redeemer=read_redeemer(document.table("redeemer", required=True)),
        redemption=read_redemption(document.table("redemption", required=False)),
        metrics=read_metrics(document),
    )
    document.finish()
    return config


def load_signer(file: str | Path, sources: Sources | None = None) -> SignerNodeConfig:
    """Read a remote signer's settings. Raises as `load_orchestrator`."""
    document = Document(file, sources)
    config = SignerNodeConfig(
        chain=_chain(document),
        key=_key(document),
        signer=_signer(document.table("signer", required=True)),
        discovery=read_discovery(document.table("discovery", required=False)) if document.has("discovery") else None,
        ceilings=read_ceilings(document),
        price_feed=read_price_feed(document),
    )
    document.finish()
    _check_ceilings(document, config.signer.ceiling, config.ceilings, config.price_feed)
    return config


def load_gateway(file: str | Path, sources: Sources | None = None) -> GatewayConfig:
    """Read a gateway's settings. Raises as `load_orchestrator`."""
    document = Document(file, sources)
    byoc = read_byoc(document)
    config = GatewayConfig(
        chain=_chain(document),
        key=_key(document),
        gateway=_gateway(document.table("gateway", required=True)),
        discovery=read_discovery(document.table("discovery", required=False)),
        ingest=read_ingest(document),
        byoc=byoc,
        admin=read_admin(document),
        metrics=read_metrics(document),
        ceilings={**({} if byoc is None else byoc.ceilings), **read_ceilings(document)},
        price_feed=read_price_feed(document),
    )
    document.finish()
    _check_ceilings(document, config.gateway.ceiling, config.ceilings, config.price_feed)
    return config


def _check_ceilings(
    document: Document, general: Money | None, models: Mapping[Model, Money], feed: PriceFeedConfig | None
) -> None:
    needs_feed = any(Asked(each).needs_feed for each in (general, *models.values()))
    check_feed(document.file, feed, needs_feed=needs_feed)


def _chain(document: Document) -> ChainConfig:
    table = document.table("chain", required=True)
    rpc_url = table.text("rpc_url")
    if urlsplit(rpc_url).scheme not in ("http", "https"):
        # The URL may carry a key, so it is not repeated.
        raise table.refuse("rpc_url", "an http(s) URL", "another scheme")
    fallback = table.urls("fallback_rpc_urls")
    addresses = table.path("addresses")
    interval = table.seconds("poll_interval_s", 5)
    limits = read_limit(table, "max_base_fee_wei"), read_limit(table, "max_fee_per_gas_wei")
    least = Wei(table.integer("min_gas_price_wei", 0, high=2**256 - 1))
    table.finish()
    return ChainConfig(rpc_url, addresses, interval, tuple(fallback), *limits, least)


def _key(document: Document) -> KeyConfig:
    table = document.table("key", required=True)
    if table.has("signer_url"):
        table.know(("file", "password_file"))
        (url,) = table.urls_of_one("signer_url")
        key = KeyConfig(None, None, url, table.address("address"), table.optional_path("token_file"))
    else:
        table.know(("signer_url", "address", "token_file"))
        key = KeyConfig(table.path("file"), table.optional_path("password_file"))
    table.finish()
    return key


def _orchestrator(table: Table) -> OrchestratorSettings:
    table.flag(OFFCHAIN, False)
    per = table.integer("pixels_per_unit", 1, low=1)
    settings = OrchestratorSettings(
        **read_service(table),
        price_per_unit=read_amount(table, "price_per_unit"),
        pixels_per_unit=per,
        sender_prices=read_sender_prices(table, per),
        discovery_webhook_url=table.optional_url("discovery_webhook_url"),
        auto_adjust_price=table.flag("auto_adjust_price", True),
        ticket_ev_wei=Wei(table.integer("ticket_ev_wei", 8_000_000_000, low=1)),
        redeem_gas=table.integer("redeem_gas", 1_200_000, low=1),
        tx_cost_multiplier=table.integer("tx_cost_multiplier", 100, low=1),
        max_face_value_wei=Wei(table.integer("max_face_value_wei", 0, high=2**256 - 1)),
        expiration_blocks=table.integer("expiration_blocks", 40, low=2, high=100_000),
        secret_file=table.optional_path("secret_file"),
        store_url=table.store_url(),
    )
    table.finish()
    return settings


def _signer(table: Table) -> SignerSettings:
    host, port = table.host_port("listen")
    webhook = table.urls_of_one("webhook_url") if table.has("webhook_url") else []
    table.know(("webhook_url",))
    settings = SignerSettings(
        listen_host=host,
        listen_port=port,
        data_dir=table.path("data_dir"),
        webhook_url=webhook[0] if webhook else None,
        allow_no_auth=table.flag("allow_no_auth", False),
        max_price_per_unit=read_amount(table, "max_price_per_unit") if table.has("max_price_per_unit") else None,
        pixels_per_unit=table.integer("pixels_per_unit", 1, low=1),
        session_limit_wei=read_limit(table, "session_limit_wei"),
        limits=SenderLimits(
            Fraction(table.integer("max_ticket_ev_wei", 3_000_000_000_000, low=1)),
            Fraction(table.integer("max_total_ev_wei", 20_000_000_000_000, low=1)),
            table.integer("deposit_multiplier", 1, low=1),
        ),
    )
    table.know(("max_price_per_unit",))
    table.finish()
    return settings


def _gateway(table: Table) -> GatewaySettings:
    settings = GatewaySettings(
        data_dir=table.path("data_dir"),
        store_url=table.store_url(),
        max_price_per_unit=read_amount(table, "max_price_per_unit"),
        pixels_per_unit=table.integer("pixels_per_unit", 1, low=1),
        max_ticket_ev_wei=Wei(table.integer("max_ticket_ev_wei", 3_000_000_000_000, low=1)),
        max_total_ev_wei=Wei(table.integer("max_total_ev_wei", 20_000_000_000_000, low=1)),
        deposit_multiplier=table.integer("deposit_multiplier", 1, low=1),
        discovery_timeout_s=table.seconds("discovery_timeout_s", 0.5),
        discovery_cutoff_s=table.seconds("discovery_cutoff_s", 6),
        probe_timeout_s=table.seconds("probe_timeout_s", 5),
        refresh_timeout_s=table.seconds("refresh_timeout_s", 2.5),
        max_attempts=table.integer("max_attempts", 3, low=1, high=100),
        account_interval_s=table.seconds("account_interval_s", 1),
    )
    table.finish()
    return settings
