"""The reference's conformance vectors: each entry is asserted, or left out for a stated reason."""

import pytest

from tests.support import codec_vectors, recipient_vectors, sender_vectors
from tests.support.vectors import Check, Entry, entry_name, vectors

__all__ = ["vectors"]  # the fixture

CHECKS: dict[str, Check] = codec_vectors.CHECKS | recipient_vectors.CHECKS | sender_vectors.CHECKS

# (group, entry) -> why it cannot hold here.
EXCLUDED = {
    (
        "ticket_params_quote",
        "max float lookup error is returned unchanged",
    ): "max float is an argument; reading it fails earlier",
    ("tx_cost_multiplier", "#2"): "max float is an argument; reading it fails earlier",
    ("sender_session", "session id"): "a session is a value here, not an entry of a table",
    ("sender_session", "unknown session"): "a session is a value here, not an entry of a table",
    ("max_float", "#3"): "a third of the deposit keeps covering open winners; the reference drops all of it at once",
    ("max_float", "release more than pending"): "open winners are counted from the store, there is no counter to lower",
    (
        "balances",
        "entry untouched for longer than ttl is dropped; touched entry survives",
    ): "expiry belongs to a service",
    ("balances", "fixed price is per manifest id and starts nil"): "an account is opened with its price",
    ("sufficient_balance", "#3"): "off chain no account is asked",
    ("estimate_fee", "#0"): "without a price no estimate is asked",
    (
        "process_payment",
        "queue failure does not fail the payment",
    ): "a winner that cannot be stored must fail the payment",
}

# Group -> whose it is.
_CHAIN = "chain adapters and watchers"
_REDEMPTION = "redemption"
_SIGNER = "remote signer"
_LIVE = "live and AI jobs"
_FEED = "price feed and fiat prices"
ELSEWHERE = {
    "nonce_cleanup": "payment service",
    "redeem_precheck": _REDEMPTION,
    "queue_errors": _REDEMPTION,
    "queue_order": _REDEMPTION,
    "queue_recipient_active": _REDEMPTION,
    "redeemer_ticket_roundtrip": _REDEMPTION,
    "ticket_store": "store",
    "price_to_fixed": "fixed-point column of the reference's cache; prices are exact here",
    "base_token_to_fixed": "fixed-point column of the reference's cache; stake is exact here",
    "capability_prices": _LIVE,
    "orch_active": _CHAIN,
    "auto_converted_price": _FEED,
    "price_feed_data": _FEED,
    "price_feed_description": _FEED,
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
    "remote_signer_request_errors": _SIGNER,
    "remote_signer_state_errors": _SIGNER,
    "remote_signer_max_price": _SIGNER,
    "remote_signer_webhook": _SIGNER,
    "remote_signer_client": _SIGNER,
    "live_processor": _LIVE,
    "account_payment": _LIVE,
    "live_send_payment": _LIVE,
    "refresh_payment": _LIVE,
    "byoc_ticket_count": _LIVE,
    "byoc_balance_sync": _LIVE,
    "base_amounts": "command line amounts",
    "perc": "percentages of the reference's command line",
}


@pytest.mark.parametrize("group", CHECKS)
def test_vectors__every_entry_of_a_group__holds(group: str, vectors: dict[str, list[Entry]]) -> None:
    asserted = 0
    for index, entry in enumerate(vectors[group]):
        name = entry_name(entry, index)
        if (group, name) in EXCLUDED:
            continue
        try:
            CHECKS[group](entry)
        except AssertionError as error:
            error.add_note(f"vector {group} / {name}: {entry.get('source')}")
            raise
        asserted += 1
    assert asserted, f"no entry of {group} was asserted"


def test_vectors__all_groups_and_exclusions__are_accounted_for(vectors: dict[str, list[Entry]]) -> None:
    assert set(vectors) == CHECKS.keys() | ELSEWHERE.keys()
    assert not CHECKS.keys() & ELSEWHERE.keys()
    known = {(group, entry_name(entry, at)) for group in CHECKS for at, entry in enumerate(vectors[group])}
    assert known >= EXCLUDED.keys()
    total = sum(len(entries) for entries in vectors.values())
    print(
        f"vectors: {total} in all, {len(known) - len(EXCLUDED)} asserted here, {len(EXCLUDED)} left out, "
        f"{total - len(known)} of other layers"
    )
