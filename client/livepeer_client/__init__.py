"""The Livepeer protocol off chain: tickets, capabilities, sessions, redemption, rounds.

This page is the public API: every name below can be imported from here and keeps its meaning under the deprecation
policy (docs/api.md). Values and pure rules are here at once; clients, stores and services are imported when they are
first asked for, so that `import livepeer_client` stays cheap and pulls in no package that is not used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from livepeer_client.codec.ticket import (
    ExpirationParams,
    SignedTicket,
    Ticket,
    TicketParams,
    WinningTicket,
    expected_value,
    is_winning,
    recipient_rand_hash,
    ticket_hash,
)
from livepeer_client.errors import LivepeerError
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

if TYPE_CHECKING:
    from livepeer_client.adapters.chain.rpc import JsonRpc
    from livepeer_client.adapters.chain.suite import Addresses, Suite, load_addresses
    from livepeer_client.adapters.chain.transactor import Transactor
    from livepeer_client.adapters.clock import SystemClock
    from livepeer_client.adapters.grpc_probe import GrpcProbe
    from livepeer_client.adapters.keys import load_key
    from livepeer_client.adapters.postgres import PostgresTicketStore
    from livepeer_client.adapters.signer_client import RemoteSigner
    from livepeer_client.adapters.sqlite import SqliteTicketStore
    from livepeer_client.codec.address import checksum_address, parse_address
    from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, VideoProfile
    from livepeer_client.codec.signature import recover_personal
    from livepeer_client.config import load_gateway
    from livepeer_client.nodes.gateway import Gateway
    from livepeer_client.policy.price_list import PriceList, Tariff
    from livepeer_client.policy.recipient import RecipientConfig
    from livepeer_client.policy.redemption import RedemptionPolicy
    from livepeer_client.services.blocks import BlockWatcher
    from livepeer_client.services.calls import Contracts
    from livepeer_client.services.chain_view import ChainView
    from livepeer_client.services.payment import PaymentService
    from livepeer_client.services.redemption import RedemptionService
    from livepeer_client.services.remote_payments import RemotePaymentSession
    from livepeer_client.services.reward import RewardService
    from livepeer_client.services.rounds import RoundsService

__all__ = [
    "MAX_WIN_PROB",
    "Address",
    "Addresses",
    "BlockNumber",
    "BlockWatcher",
    "ChainView",
    "Contracts",
    "ExpirationParams",
    "Gateway",
    "GrpcProbe",
    "Hash32",
    "JsonRpc",
    "LivepeerError",
    "OrchestratorInfo",
    "OrchestratorRequest",
    "PaymentService",
    "PostgresTicketStore",
    "PriceList",
    "RecipientConfig",
    "RedemptionPolicy",
    "RedemptionService",
    "RemotePaymentSession",
    "RemoteSigner",
    "RewardService",
    "Round",
    "RoundsService",
    "Signature",
    "SignedTicket",
    "SqliteTicketStore",
    "Suite",
    "SystemClock",
    "Tariff",
    "Ticket",
    "TicketParams",
    "Transactor",
    "VideoProfile",
    "Wei",
    "WinProb",
    "WinningTicket",
    "checksum_address",
    "expected_value",
    "is_winning",
    "load_addresses",
    "load_gateway",
    "load_key",
    "parse_address",
    "recipient_rand_hash",
    "recover_personal",
    "ticket_hash",
]

_MODULES: Final = {
    "adapters.chain.rpc": ("JsonRpc",),
    "adapters.chain.suite": ("Addresses", "Suite", "load_addresses"),
    "adapters.chain.transactor": ("Transactor",),
    "adapters.clock": ("SystemClock",),
    "adapters.grpc_probe": ("GrpcProbe",),
    "adapters.keys": ("load_key",),
    "adapters.postgres": ("PostgresTicketStore",),
    "adapters.signer_client": ("RemoteSigner",),
    "adapters.sqlite": ("SqliteTicketStore",),
    "codec.address": ("checksum_address", "parse_address"),
    "codec.messages": ("OrchestratorInfo", "OrchestratorRequest", "VideoProfile"),
    "codec.signature": ("recover_personal",),
    "config": ("load_gateway",),
    "nodes.gateway": ("Gateway",),
    "policy.price_list": ("PriceList", "Tariff"),
    "policy.recipient": ("RecipientConfig",),
    "policy.redemption": ("RedemptionPolicy",),
    "services.blocks": ("BlockWatcher",),
    "services.calls": ("Contracts",),
    "services.chain_view": ("ChainView",),
    "services.payment": ("PaymentService",),
    "services.redemption": ("RedemptionService",),
    "services.remote_payments": ("RemotePaymentSession",),
    "services.reward": ("RewardService",),
    "services.rounds": ("RoundsService",),
}
_HOMES: Final = {name: f"livepeer_client.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name's module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'livepeer_client' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
