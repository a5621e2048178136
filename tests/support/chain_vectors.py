"""What each vector about chain services claims, asserted against the library."""

from typing import Final

from tests.support.vectors import Check, Excluded, Pending

_CHAIN: Final = "chain adapters and watchers"

CHECKS: dict[str, Check] = {}

EXCLUDED: Excluded = {}

PENDING: Pending = {
    "orch_active": _CHAIN,
    "price_bump": _CHAIN,
    "tx_gas_price": _CHAIN,
    "tx_replace": _CHAIN,
    "gas_price_monitor": _CHAIN,
    "nonce_manager": _CHAIN,
    "remote_call_retry": _CHAIN,
    "block_sub_ranges": _CHAIN,
    "pool_hints": _CHAIN,
    "round_initializer": _CHAIN,
    "reward_service": _CHAIN,
    "event_logs": _CHAIN,
    "sender_watcher": _CHAIN,
    "time_watcher": _CHAIN,
}
