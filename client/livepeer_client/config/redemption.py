"""Settings of redemption, shared by orchestrator and redeemer."""

from dataclasses import dataclass, field
from pathlib import Path

from livepeer_client.config.tables import Table
from livepeer_client.policy.redemption import CONTRACT_BATCH_MAX, RedemptionPolicy
from livepeer_client.types import Address, Wei


@dataclass(frozen=True, slots=True)
class RemoteRedeemer:
    """A redeemer in another process: `target` host:port, `authority` its certificate or that of who signed it. Known to
    it by the token in a file, or by `certificate`, a PEM file with key and certificate."""

    target: str
    authority: Path
    token_file: Path | None
    certificate: Path | None


@dataclass(frozen=True, slots=True)
class RedemptionConfig:
    """`min_batch`: wait for at least so many winners unless one is urgent. `data_fee_wei`: for one ticket, instead
    of what the chain says. The others are of `RedemptionPolicy`."""

    enabled: bool
    max_batch: int
    min_batch: int
    poll_interval_s: float
    max_gas_price_wei: Wei | None
    urgent_max_gas_price_wei: Wei | None
    value_at_risk_limit_wei: Wei | None
    accept_partial: bool
    data_fee_wei: Wei | None
    compact_group: int
    redeemer: RemoteRedeemer | None = None

    @property
    def policy(self) -> RedemptionPolicy:
        return RedemptionPolicy(
            batch_max=self.max_batch,
            batch_min=self.min_batch,
            max_gas_price=self.max_gas_price_wei,
            urgent_max_gas_price=self.urgent_max_gas_price_wei,
            value_at_risk_limit=self.value_at_risk_limit_wei,
            accept_partial=self.accept_partial,
            data_fee=self.data_fee_wei,
            compact_group=self.compact_group,
        )


def read_redemption(table: Table) -> RedemptionConfig:
    config = RedemptionConfig(
        enabled=table.flag("enabled", True),
        max_batch=table.integer("max_batch", 20, low=1, high=CONTRACT_BATCH_MAX),
        min_batch=table.integer("min_batch", 1, low=1, high=CONTRACT_BATCH_MAX),
        poll_interval_s=table.seconds("poll_interval_s", 5),
        max_gas_price_wei=read_limit(table, "max_gas_price_wei"),
        urgent_max_gas_price_wei=read_limit(table, "urgent_max_gas_price_wei"),
        value_at_risk_limit_wei=read_limit(table, "value_at_risk_limit_wei"),
        accept_partial=table.flag("accept_partial", True),
        data_fee_wei=table.amount("data_fee_wei"),
        compact_group=table.integer("compact_group", 17, low=2, high=CONTRACT_BATCH_MAX),
        redeemer=_remote_redeemer(table),
    )
    if config.min_batch > config.max_batch:
        raise table.refuse("min_batch", f"at most max_batch ({config.max_batch})", config.min_batch)
    table.finish()
    return config


def read_limit(table: Table, key: str) -> Wei | None:
    """An amount that limits something; 0, the default, for none."""
    return Wei(table.integer(key, 0, high=2**256 - 1)) or None


def _remote_redeemer(table: Table) -> RemoteRedeemer | None:
    keys = ("redeemer", "redeemer_authority", "redeemer_token_file", "redeemer_certificate")
    if not table.has("redeemer"):
        for key in keys[1:]:
            if table.has(key):
                raise table.refuse(key, "nothing without `redeemer`", "a value")
        table.know(keys)
        return None
    host, port = table.host_port("redeemer")
    return RemoteRedeemer(
        target=f"{host}:{port}",
        authority=table.path("redeemer_authority"),
        token_file=table.optional_path("redeemer_token_file"),
        certificate=table.optional_path("redeemer_certificate"),
    )


@dataclass(frozen=True, slots=True)
class RedeemerSettings:
    """A redeemer for one recipient. Its callers show the token in a file, a certificate of an authority, or both."""

    recipient: Address
    listen_host: str
    listen_port: int
    host: str
    data_dir: Path
    token_file: Path | None
    client_authority: Path | None
    store_url: str | None = field(default=None, repr=False)


def read_redeemer(table: Table) -> RedeemerSettings:
    """:raises ConfigError: naming file, key and what was expected."""
    recipient = table.address("recipient")
    host, port = table.host_port("listen")
    settings = RedeemerSettings(
        recipient=recipient,
        listen_host=host,
        listen_port=port,
        host=table.text("host", host),
        data_dir=table.path("data_dir"),
        store_url=table.store_url(),
        token_file=table.optional_path("token_file"),
        client_authority=table.optional_path("client_authority"),
    )
    table.finish()
    return settings
