"""An orchestrator without a chain, `[orchestrator] offchain = true`: it gives its work away."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livepeer_client.config.live_runners import read_live_runners
from livepeer_client.config.metrics import read_metrics
from livepeer_client.config.pipelines import read_pipelines
from livepeer_client.config.service import ServiceConfig, ServiceSettings, read_service
from livepeer_client.config.sources import Sources
from livepeer_client.config.tables import Document
from livepeer_client.config.upkeep import read_admin
from livepeer_client.config.workers import read_runners, read_workers
from livepeer_client.errors import ConfigError

OFFCHAIN: Final = "offchain"
_ON_A_CHAIN: Final = ("chain", "key", "redemption", "rounds", "reward", "price_feed")
_PAID: Final = (
    *("price_per_unit", "pixels_per_unit", "sender_prices", "auto_adjust_price", "ticket_ev_wei", "redeem_gas"),
    *("tx_cost_multiplier", "max_face_value_wei", "expiration_blocks", "secret_file", "store_url"),
    "discovery_webhook_url",
)
_NONE: Final = "nothing, as offchain = true"


@dataclass(frozen=True, slots=True, kw_only=True)
class OffchainConfig(ServiceConfig):
    """Settings that name neither chain nor key nor price."""


def is_offchain(document: Document) -> bool:
    """Whether `[orchestrator]` says so; anything but a plain yes is left to whoever reads that key."""
    return str(document.peek("orchestrator", OFFCHAIN)).lower() == "true"


def load_offchain(file: str | Path, sources: Sources | None = None) -> OffchainConfig:
    """Read the settings of an orchestrator without a chain.

    :raises ConfigError: naming file, key and what was expected; also for each setting that needs a chain or money.
    """
    document = Document(file, sources)
    for name in _ON_A_CHAIN:
        if document.has(name):
            raise ConfigError(f"{document.file}: [{name}]: expected {_NONE}, found a table")
    table = document.table("orchestrator", required=True)
    table.flag(OFFCHAIN, False)
    for key in _PAID:
        if table.has(key):
            raise table.refuse(key, _NONE, "a value")
    settings = ServiceSettings(**read_service(table))
    table.finish()
    config = OffchainConfig(
        orchestrator=settings,
        metrics=read_metrics(document),
        admin=read_admin(document),
        pipelines=read_pipelines(document, free=True),
        workers=read_workers(document),
        live_runners=read_live_runners(document),
        runners=read_runners(document),
    )
    document.finish()
    return config
